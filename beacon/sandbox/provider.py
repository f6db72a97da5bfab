"""The identity provider: a password, then a one-time code that is really checked.

No I/O here: the web server calls it. The credentials are public on purpose: they open only the
sandbox.
"""

import secrets
from typing import Any, Final

import pyotp
from pyotp.exceptions import OTPVerificationError

from beacon.engine.clock import Clock
from beacon.sandbox.world import Fault, SandboxTimes, World

USERNAME: Final = "beacon-probe"
PASSWORD: Final = "sandbox"  # noqa: S105 - public, opens only the sandbox
SEED: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

Answer = tuple[int, dict[str, Any]]
"""HTTP status and JSON body."""


class SandboxProvider:
    """Signs in one user: `log_in`, then `verify`."""

    def __init__(self, world: World, clock: Clock, pace: SandboxTimes) -> None:
        self._world, self._clock, self._pace = world, clock, pace
        self._totp = pyotp.TOTP(SEED, interval=pace.period)
        self._transactions: set[str] = set()
        self._used: dict[int, str] = {}

    def health(self) -> Answer:
        """Always green: a health page proves little."""
        return 200, {"status": "ok"}

    def log_in(self, username: str, password: str) -> Answer:
        """The first factor; begins a transaction."""
        right = secrets.compare_digest(
            (username + "\0" + password).encode(), f"{USERNAME}\0{PASSWORD}".encode()
        )
        if not right:
            return 401, {"error": "wrong user name or password"}
        transaction = secrets.token_urlsafe(12)
        self._transactions.add(transaction)
        return 200, {"transaction": transaction}

    def verify(self, transaction: str, code: str) -> Answer:
        """The second factor: the code of this TOTP step or an adjacent one, each step once."""
        known = transaction in self._transactions
        self._transactions.discard(transaction)
        step = self._step_of(code)
        if not self._back_end_answers():
            return 503, {"error": "the token service did not answer"}
        if not known:
            return 401, {"error": "unknown transaction"}
        if step is None:
            return 401, {"error": "wrong code"}
        # `setdefault` is atomic: only the first thread gets the code.
        if self._used.setdefault(step, transaction) != transaction:
            return 401, {"error": "this code was used before"}
        return 200, {"authenticated": True}

    def _step_of(self, code: str) -> int | None:
        """The TOTP step this code belongs to; None for a wrong one."""
        try:
            return self._totp.verify_and_get_timecode(
                code, for_time=self._clock.utc(), valid_window=1
            )
        except OTPVerificationError:
            return None

    def _back_end_answers(self) -> bool:
        if self._world.broken(Fault.OUTAGE):
            self._world.hold(self._pace.hang)
            return False
        if self._world.broken(Fault.SLOW):
            self._world.hold(self._pace.slow)
        return True
