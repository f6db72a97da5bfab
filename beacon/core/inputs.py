"""What goes into the core: readings, commands, facts of time and of this machine.

`at` is always monotonic seconds. Wall time is for people and is joined at the edge.
"""

from dataclasses import dataclass

from beacon.core.model import Reading, Verdict


@dataclass(frozen=True, slots=True)
class Observed:
    """One run of one probe ended. `started` is when it began.

    `regular` is false for re-checks: they count for thresholds, not for flapping.
    """

    at: float
    endpoint: str
    reading: Reading
    started: float
    regular: bool = True


@dataclass(frozen=True, slots=True)
class RunDelayed:
    """A run that is due must wait `seconds` first, for a free one-time code: that is no silence."""

    at: float
    endpoint: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened; deadlines may have come due."""

    at: float


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody has seen all that is open; off: they had not. `origin` is button, mqtt or cli."""

    at: float
    by: str
    origin: str
    reason: str = ""
    service: str | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """Sound off (or on again) until the incident ends, at most `seconds`."""

    at: float
    on: bool
    by: str
    origin: str
    reason: str = ""
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The room's quiet hours began or ended; the edge knows the time zone."""

    at: float
    on: bool


@dataclass(frozen=True, slots=True)
class DateImplausible:
    """The date began or ceased to lie before this beacon was built; the edge knows both."""

    at: float
    on: bool


@dataclass(frozen=True, slots=True)
class ClockSynchronised:
    """The kernel began or ceased to call our clock synchronised; the edge asks it."""

    at: float
    on: bool


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """Our wall clock was set `by` seconds forward (negative: back); the edge saw it jump."""

    at: float
    by: float


@dataclass(frozen=True, slots=True)
class HourBegan:
    """Another hour of the week began: hours in UTC since Monday, 5 January 1970.

    None: the date cannot be trusted, so nobody knows. The edge knows the calendar.
    """

    at: float
    hour: int | None


@dataclass(frozen=True, slots=True)
class StorageDegraded:
    """The beacon began or ceased to be unable to write down what must survive; the edge knows."""

    at: float
    on: bool


@dataclass(frozen=True, slots=True)
class Shelve:
    """Put a service aside for `seconds`; off: take it back (None: all that are)."""

    at: float
    service: str | None
    on: bool
    by: str
    origin: str
    reason: str = ""
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work on a service (None: on all) by hand for `seconds`; off: it is over."""

    at: float
    service: str | None
    on: bool
    by: str
    origin: str
    reason: str = ""
    seconds: float = 14_400.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The services in planned windows from now on: id, monotonic end, name of the window.

    The edge knows the calendar and says so at every change; `until` is for people.
    """

    at: float
    services: tuple[tuple[str, float, str], ...]


@dataclass(frozen=True, slots=True)
class Bypass:
    """MFA is switched off (or on again) for a service (None: for all) as a mitigation."""

    at: float
    service: str | None
    on: bool
    by: str
    origin: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attest:
    """Somebody has tested a thing (None: the only one there is); off: they had not."""

    at: float
    item: str | None
    by: str
    origin: str
    reason: str = ""
    on: bool = True


@dataclass(frozen=True, slots=True)
class Drill:
    """Rehearse a verdict on the real tower for `seconds`, or end that."""

    at: float
    on: bool
    by: str
    origin: str
    reason: str = ""
    verdict: Verdict = Verdict.OUTAGE
    seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Resume:
    """Let sign-ins that the guard stopped be tried again; `service`: an endpoint's id, too."""

    at: float
    service: str | None
    by: str
    origin: str
    reason: str = ""


Operation = Shelve | Maintenance | Scheduled | Bypass | Attest | Drill
"""What lays an overlay on or takes it off: `beacon.core.operator.overlays`."""


Event = (
    Observed
    | RunDelayed
    | TimePassed
    | Acknowledge
    | Silence
    | QuietHours
    | DateImplausible
    | ClockSynchronised
    | ClockStepped
    | HourBegan
    | StorageDegraded
    | Operation
    | Resume
)
