"""Which faults are on in the sandbox, and a way to wait for a change."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOST: Final = "127.0.0.1"
"""The sandbox can be reached from this machine only."""


class Fault(StrEnum):
    """What can be broken; faults add up until `recover`."""

    SLOW = "slow"  # sign-ins take long
    OUTAGE = "outage"  # sign-ins hang and fail, the health page stays green
    DNS = "dns"  # the mail records of the OTP sender's domain are gone
    CLAIM = "claim"  # the vendor's status page admits an incident


RECOVER: Final = "recover"
"""The word that ends all faults."""


@dataclass(frozen=True, kw_only=True)
class SandboxTimes:
    """Seconds: a slow sign-in, a hanging one before it fails, the life of a TOTP step."""

    slow: float = 9.0
    hang: float = 60.0
    period: int = 30


class World:
    """The faults as they are now, shared by the sandbox's servers."""

    def __init__(self) -> None:
        self._faults: frozenset[Fault] = frozenset()
        self._changed = threading.Event()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that are on, in the order of `Fault`."""
        return tuple(fault for fault in Fault if fault in self._faults)

    def broken(self, fault: Fault) -> bool:
        """Whether this fault is on."""
        return fault in self._faults

    def break_(self, word: str) -> None:
        """Add one fault, or end all for `recover`. Raises `ValueError` for other words."""
        if word == RECOVER:
            self._become(frozenset())
        else:
            self._become(self._faults | {Fault(word)})

    def hold(self, seconds: float) -> None:
        """Wait this long, or until the faults change."""
        self._changed.wait(seconds)

    def release(self) -> None:
        """Wake all threads that wait in `hold`."""
        changed, self._changed = self._changed, threading.Event()
        changed.set()

    def _become(self, faults: frozenset[Fault]) -> None:
        self._faults = faults
        self.release()
