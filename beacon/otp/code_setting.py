"""The one-time code of a sign-in: the setting `code` of every kind of probe that needs one.

    code: {totp: !secret seed}       # RFC 6238; digits, period and algorithm if unusual
    code: {hotp: !secret seed}       # RFC 4226; counter: the first one to use

A code is marked as used, on disk too, before it is handed out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Final, Self

from msgspec import Meta

from beacon.config.fields import Secret, SettingRefused
from beacon.core.model import Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import Algorithm, Ledger, Token

PERIOD: Final = 30
WRONG_STEPS: Final = 20
"""A wrong code is unlike those of so many steps before and after: no server accepts more."""
WRONG_COUNTERS: Final = 100
"""Likewise, of counted codes."""


class Seed(Secret):
    """What codes are made of: a secret in base32, in any case, with or without spaces."""

    __slots__ = ()
    ALLOWED: ClassVar = (
        "a seed in base32 (of an otpauth:// address what stands after `secret=`), "
        "best written as !secret name"
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Decode it once; the refusal never repeats it."""
        if not isinstance(raw, str):
            raise SettingRefused("not text", cls.ALLOWED)
        try:
            Token.parse(raw)
        except ValueError as error:
            raise SettingRefused(str(error), cls.ALLOWED) from None
        return cls(raw)


@dataclass(frozen=True, kw_only=True)
class OneTimeCode:
    """The token whose codes are sent: time-based (`totp`) or counted (`hotp`), one of them.

    A kind calls `claim` where the code is about to be sent. A counted code that was sent is used
    up, answered or not: a server that hangs may judge it later. It is given back where it was not
    sent, or the server says that it failed: else a dead server would leave the counter far ahead.
    """

    totp: Annotated[Seed | None, Meta(description="seed of time-based codes, base32")] = None
    hotp: Annotated[Seed | None, Meta(description="seed of counted codes, base32")] = None
    digits: Annotated[int, Meta(ge=6, le=10, description="of a code")] = 6
    period: Annotated[int, Meta(ge=1, le=120, description="seconds a time-based code lives")] = (
        PERIOD
    )
    algorithm: Algorithm = "sha1"
    counter: Annotated[
        int, Meta(ge=0, description="of counted codes the first; those used up are not used again")
    ] = 0

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if (self.totp is None) == (self.hotp is None):
            raise SettingRefused("a one-time code has one seed", "one of totp, hotp")
        if self.totp is not None and self.counter:
            raise SettingRefused("time-based codes have no counter", "hotp", path=("counter",))
        if self.hotp is not None and self.period != PERIOD:
            raise SettingRefused("counted codes have no period", "totp", path=("period",))

    @property
    def clock_bound(self) -> bool:
        """Whether a wrong own clock would make wrong codes."""
        return self.totp is not None

    @cached_property
    def token(self) -> Token:
        """What makes the codes."""
        seed = self.totp or self.hotp
        assert seed is not None, "refused above"
        return Token.parse(seed.reveal(), self.digits, self.period, self.algorithm)

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds until a code may be sent and still arrive in time; 0: now."""
        return memory.of(Ledger).wait(self.token, utc, memory) if self.clock_bound else 0.0

    def claim(self, run: Run) -> str:
        """A code never handed out before, marked as used and hidden in what the run tells.

        Raises `ProbeFailure` where there is none: somebody else used this step.
        """
        if not self.clock_bound:
            return counted(self.token, run, self.counter)
        return claimed(self.token, run)


def claimed(token: Token, run: Run) -> str:
    """The present code of a time-based token, marked as used. Raises `ProbeFailure` if it was.

    In a negative control a wrong one, which uses up nothing.
    """
    utc = run.clock.utc().timestamp()
    if run.wrong_code:
        return _wrong(token, run, token.step(utc), WRONG_STEPS)
    if not run.memory.of(Ledger).claim(token, utc, run.memory):
        text = f"the one-time code of these {token.period} s was already used: not sent again"
        raise ProbeFailure(Reason.RATE_LIMITED, text)
    run.claims_code()
    return run.hide(token.code(utc))


def counted(token: Token, run: Run, first: int) -> str:
    """The next code of a counted token; it goes back unless it is sent."""
    ledger = run.memory.of(Ledger)
    if run.wrong_code:
        return _wrong(token, run, ledger.position(token, first), WRONG_COUNTERS)
    counter = ledger.count(token, first)
    run.claims_code(lambda: ledger.give_back(token, counter))
    return run.hide(token.counted(counter))


def _wrong(token: Token, run: Run, step: int, within: int) -> str:
    run.made_wrong_code = True
    run.claims_code()
    return run.hide(token.wrong(step, within))
