"""What every kind of probe is made of: what it declares, and the frame of its runs.

A kind declares its `ABILITIES` in one place of its own file and asks in `look`. All else is done
here, so that no kind can forget it:

    wait          not before its one-time code is unused
    faults        the flaws of every setting that can check itself (TLS, proxy, mailbox …)
    clock_bound   by the certificates it verifies and the codes it makes
    accounts      whose budget its attempts spend
    observe       knock, where nobody answered the last attempts → look → trouble becomes its
                  reading → a code that was not sent is given back → timed

Secrets are masked by `Run.take`, around all of it.
"""

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Final, final

from beacon.config.endpoints import Timing
from beacon.config.fields import Flaw, SettingFlaw, Url
from beacon.core.account.approach import Approach
from beacon.core.model import Evidence, Outcome, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.route import Reach, proxy_flaws
from beacon.net.probe_failure import FirstPass, ProbeFailure, timed
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token

FAST: Final = Timing(interval=30, timeout=5, failure_threshold=3, retry_interval=5)
SIGN_IN: Final = Timing(interval=60, timeout=30, failure_threshold=3, retry_interval=30)
USERS: Final = Timing(interval=300, timeout=30, failure_threshold=1, retry_interval=None)
LEARN_WITHIN: Final = 5.0
"""Most seconds after an accepted sign-in in which it is learnt whether a knock is answered."""
KNOCKING: Final = frozenset({Approach.KNOCK_FIRST, Approach.KNOCK_ONLY})
NOT_TRIED: Final = Reading(
    Reason.OWN_NETWORK, "the server answers; our credentials stay here meanwhile"
)
"""The reading of a run that only knocked, because our own network or clock is lost."""
CLAIM: Final = Timing(interval=120, timeout=10, failure_threshold=1, retry_interval=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a kind can do, costs and needs: declared once, in the kind's own file."""

    evidence: Evidence
    timing: Timing
    sign_in: bool = False
    """A run signs in: rejections are guarded, and numbers in foreign text are masked."""
    second_hand: bool = False
    """It reads what somebody else says or counted. Trouble on the way to such a source says
    nothing of the service: the source is dead."""
    metered: bool = False
    """A run costs a message: none is made at once after a restart."""
    clock_bound: bool = False
    """It compares dates by our clock, always. Without this the settings decide: certificates that
    are verified, codes that are made."""
    looks_back: float | None = None
    """Seconds that a run looks back; None: it sees the present."""
    pushed: bool = False
    """Others deliver its readings: it is never run."""
    needs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """A setting → the section of the configuration without which it is in vain."""


@dataclass(frozen=True, kw_only=True)
class Kind(ABC):
    """A kind of probe: the class named `PROBE` of its module. Its fields are its settings."""

    ABILITIES: ClassVar[Abilities]

    # --- what a kind writes -----------------------------------------------------------

    @abstractmethod
    def look(self, run: Run) -> Reading:
        """Ask within the run's budget, then judge. Never retries, sleeps or counts.

        Raises `ProbeFailure` for expected trouble.
        """

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from ()

    def knock(self, run: Run) -> bool:  # noqa: ARG002
        """Send a request without credentials; whether the server answers it.

        False where there is no such request. Raises `ProbeFailure`, `DeadlinePassed`.
        """
        return False

    @property
    def controllable(self) -> bool:
        """Whether it can send a wrong code, and sees that it is refused."""
        return self.ABILITIES.sign_in and bool(self._settings(OneTimeCode))

    @property
    def user(self) -> str:
        """Who signs in, and where; empty where nobody does, or only the steps of a flow know."""
        return ""

    @property
    def tokens(self) -> Iterable[Token]:
        """What makes the one-time codes that it sends."""
        return (code.token for code in self._settings(OneTimeCode))

    def weigh(self, run: Run, reading: Reading) -> Reading:  # noqa: ARG002
        """What a reading comes to after what earlier runs saw."""
        return reading

    # --- what is done for it ----------------------------------------------------------

    @final
    def observe(self, run: Run) -> Reading:
        """Look; return the reading with all that the run noted."""
        if self.ABILITIES.second_hand:
            run.silence = Reason.SOURCE_DEAD
        try:
            if run.approach in KNOCKING:
                self._knock(run)
            reading = NOT_TRIED if run.approach is Approach.KNOCK_ONLY else self.look(run)
        except ProbeFailure as failure:
            reading = self._of_failure(run, failure.reading)
        except DeadlinePassed:
            self.weigh(run, run.overstayed())
            raise
        finally:
            run.give_back_codes()
        reading = timed(run, run.memory.of(FirstPass).correct(run, self.weigh(run, reading)))
        if run.approach is Approach.LEARN and reading.outcome in (Outcome.PASS, Outcome.WARN):
            self._learn(run)
        return reading

    def _knock(self, run: Run) -> None:
        """Raises `ProbeFailure` where nobody answers: then no credentials are sent."""
        run.note("a request without credentials first: the last attempts were not answered")
        run.knocked = False
        run.knocked = self.knock(run)
        if not run.knocked:
            raise ProbeFailure(Reason.HTTP_STATUS, "only a gateway answers: nothing else was sent")

    def _learn(self, run: Run) -> None:
        """Note whether the server answers a knock; the run has its reading, nobody waits long."""
        left = run.deadline - run.clock.monotonic()
        run.knocked = False
        with contextlib.suppress(ProbeFailure, DeadlinePassed):
            run.knocked = self.knock(run.afterwards(min(LEARN_WITHIN, left / 3)))

    def _of_failure(self, run: Run, reading: Reading) -> Reading:
        if run.expired:  # a socket shut by the deadline looks like all sorts of trouble
            raise DeadlinePassed
        return source_dead(reading) if self.ABILITIES.second_hand else reading

    @final
    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings, each by itself and taken together."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        for flaw in (*_flaws(settings), *getattr(self, "flaws", tuple)()):
            yield SettingFlaw(*flaw)
        yield from self.conflicts()

    @property
    def accounts(self) -> tuple[str, ...]:
        """Hashes that name what it signs in with: two kinds that share one share its budget."""
        known = [self.user.encode()] if self.user else []
        names = [*known, *(token.fingerprint for token in self.tokens)]
        return tuple(sorted({hashlib.sha256(name).hexdigest()[:16] for name in names}))

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds it must not run yet: until its tokens have codes nobody has used; 0: now."""
        return max((code.wait(utc, memory) for code in self._settings(OneTimeCode)), default=0.0)

    @classmethod
    def usually_clock_bound(cls) -> bool:
        """Whether it is `clock_bound` with the settings it usually has: HTTPS, verified."""
        return cls.ABILITIES.clock_bound or issubclass(cls, Reach)

    @property
    def clock_bound(self) -> bool:
        """Whether a wrong own clock would make its readings wrong."""
        secure = any(url.lower().startswith("https:") for url in self._settings(Url))
        verified = secure and isinstance(self, Reach) and self.tls.verify
        codes = any(code.clock_bound for code in self._settings(OneTimeCode))
        return self.ABILITIES.clock_bound or verified or codes

    @property
    def timing(self) -> Timing:
        """Its default times."""
        return self.ABILITIES.timing

    @property
    def hindsight(self) -> float | None:
        """Seconds that a run looks back; None: it sees the present."""
        return self.ABILITIES.looks_back

    @property
    def needs(self) -> dict[str, str]:
        """Settings that are given, and the section each is in vain without."""
        wanted = self.ABILITIES.needs
        return {name: section for name, section in wanted.items() if getattr(self, name)}

    def _settings(self, kind: type[Any]) -> list[Any]:
        values = (getattr(self, each.name) for each in fields(self))
        return [value for value in values if isinstance(value, kind)]


def _flaws(settings: Mapping[str, Any]) -> Iterator[Flaw]:
    """What is wrong with settings that can check themselves; paths from here down."""
    for name, setting in settings.items():
        if name == "proxy":
            yield from proxy_flaws(setting)
            continue
        found = _flaws(setting) if isinstance(setting, Mapping) else ()
        if callable(flaws := getattr(setting, "flaws", None)):
            found = flaws()
        for path, message, allowed in found:
            yield (name, *path), message, allowed


def unnamed(setting: str, names: Iterable[str], what: str) -> Iterator[SettingFlaw]:
    """Report blank names in a list of them."""
    for number, name in enumerate(names):
        if not name.strip():
            yield SettingFlaw((setting, number), f"a {what} without a name")


def source_dead(reading: Reading) -> Reading:
    """What trouble on the way to a source comes to: it says nothing of the service."""
    if reading.outcome is Outcome.ERROR:
        return reading
    return Reading(Reason.SOURCE_DEAD, f"{reading.reason}: {reading.detail}")
