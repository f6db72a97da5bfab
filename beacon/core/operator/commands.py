"""What operators may order, however it reached us, and what it comes to in the core."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    Drill,
    Event,
    Maintenance,
    Resume,
    Shelve,
    Silence,
)
from beacon.core.model import Verdict


@dataclass(frozen=True, slots=True)
class Command:
    """One command, understood. `service` names what is attested or resumed, too.

    `seconds` None: as long as usual.
    """

    name: str
    by: str = "mqtt"
    reason: str = ""
    service: str | None = None
    on: bool = True
    seconds: float | None = None
    verdict: Verdict = Verdict.OUTAGE
    origin: str = "mqtt"

    def event(self, at: float) -> Event:
        """What it comes to. Raises `KeyError` for a command that is none of the core's."""
        return _EVENTS[self.name](self, at)


def _silence(c: Command, at: float) -> Event:
    return Silence(at, c.on, c.by, c.origin, c.reason, c.seconds or 3600.0)


def _maintenance(c: Command, at: float) -> Event:
    return Maintenance(at, c.service, c.on, c.by, c.origin, c.reason, c.seconds or 14_400.0)


def _bypass(c: Command, at: float) -> Event:
    return Bypass(at, c.service, c.on, c.by, c.origin, c.reason)


def _shelve(c: Command, at: float) -> Event:
    return Shelve(at, c.service, c.on, c.by, c.origin, c.reason, c.seconds or 3600.0)


def _attest(c: Command, at: float) -> Event:
    return Attest(at, c.service, c.by, c.origin, c.reason, on=c.on)


def _drill(c: Command, at: float) -> Event:
    return Drill(at, c.on, c.by, c.origin, c.reason, c.verdict, c.seconds or 900.0)


def _resume(c: Command, at: float) -> Event:
    return Resume(at, c.service, c.by, c.origin, c.reason)


def _acknowledge(c: Command, at: float) -> Event:
    return Acknowledge(at, c.by, c.origin, c.reason, c.service, c.on)


_EVENTS: Final[Mapping[str, Callable[[Command, float], Event]]] = {
    "acknowledge": _acknowledge,
    "silence": _silence,
    "maintenance": _maintenance,
    "bypass": _bypass,
    "shelve": _shelve,
    "attest": _attest,
    "drill": _drill,
    "resume": _resume,
}

OF_THE_TOWER: Final = ("silence", "drill")
"""The commands that concern the tower as a whole, never one service."""
ORDERS: Final = tuple(_EVENTS)
"""The commands that are the core's."""
