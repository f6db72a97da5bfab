"""What goes into the core: readings, commands, facts of time and of this machine.

`at` is always monotonic seconds. Wall time is for people and is joined at the edge.
"""

from dataclasses import KW_ONLY, dataclass

from beacon.core.model import Moment, Reading, Verdict


@dataclass(frozen=True, slots=True)
class Observed:
    """One run of one probe ended. `started` is when it began.

    `regular` is false for re-checks: they count for thresholds, not for flapping. `unanswered`:
    credentials left this machine, and nobody answered. `knocked`: whether a request without
    credentials was answered; None: there was none.
    """

    at: Moment
    endpoint: str
    reading: Reading
    started: Moment
    regular: bool = True
    unanswered: bool = False
    knocked: bool | None = None


@dataclass(frozen=True, slots=True)
class Controlled:
    """One run with a wrong code ended: the negative control. It is no reading of the endpoint.

    `code_sent`: it came as far as its wrong code.
    """

    at: Moment
    endpoint: str
    reading: Reading
    started: Moment
    unanswered: bool = False
    code_sent: bool = True


@dataclass(frozen=True, slots=True)
class RunDelayed:
    """A run that is due must wait `seconds` first, for a free one-time code: that is no silence."""

    at: Moment
    endpoint: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened; deadlines may have come due."""

    at: Moment


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """What somebody asks for. `origin` is button, mqtt or cli."""

    at: Moment
    _: KW_ONLY
    by: str
    origin: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge(OperatorEvent):
    """Somebody has seen all that is open; off: they had not."""

    service: str | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class Silence(OperatorEvent):
    """Sound off (or on again) until the incident ends, at most `seconds`."""

    on: bool
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The site's quiet hours began or ended; the edge knows the time zone."""

    at: Moment
    on: bool


@dataclass(frozen=True, slots=True)
class DateImplausible:
    """The date began or ceased to lie before this beacon was built; the edge knows both."""

    at: Moment
    on: bool


@dataclass(frozen=True, slots=True)
class ClockSynchronised:
    """The kernel began or ceased to call our clock synchronised; the edge asks it."""

    at: Moment
    on: bool


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """Our wall clock was set `by` seconds forward (negative: back); the edge saw it jump."""

    at: Moment
    by: float


@dataclass(frozen=True, slots=True)
class HourBegan:
    """Another hour of the week began: hours in UTC since Monday, 5 January 1970.

    None: the date cannot be trusted, so nobody knows. The edge knows the calendar.
    """

    at: Moment
    hour: int | None


@dataclass(frozen=True, slots=True)
class StorageDegraded:
    """The beacon began or ceased to be unable to write down what must survive; the edge knows."""

    at: Moment
    on: bool


@dataclass(frozen=True, slots=True)
class Shelve(OperatorEvent):
    """Put a service aside for `seconds`; off: take it back (None: all that are)."""

    service: str | None
    on: bool
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Maintenance(OperatorEvent):
    """Planned work on a service (None: on all) by hand for `seconds`; off: it is over."""

    service: str | None
    on: bool
    seconds: float = 14_400.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The services in planned windows from now on: id, monotonic end, name of the window.

    The edge knows the calendar and says so at every change; `until` is for people.
    """

    at: Moment
    services: tuple[tuple[str, Moment, str], ...]


@dataclass(frozen=True, slots=True)
class Bypass(OperatorEvent):
    """MFA is switched off (or on again) for a service (None: for all) as a mitigation."""

    service: str | None
    on: bool


@dataclass(frozen=True, slots=True)
class Attest(OperatorEvent):
    """Somebody has tested a thing (None: the only one there is); off: they had not."""

    item: str | None
    on: bool = True


@dataclass(frozen=True, slots=True)
class Drill(OperatorEvent):
    """Rehearse a verdict on the real tower for `seconds`, or end that."""

    on: bool
    verdict: Verdict = Verdict.OUTAGE
    seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Resume(OperatorEvent):
    """Let sign-ins that the guard stopped be tried again; `service`: an endpoint's id, too."""

    service: str | None


Event = (
    Observed
    | Controlled
    | RunDelayed
    | TimePassed
    | QuietHours
    | DateImplausible
    | ClockSynchronised
    | ClockStepped
    | HourBegan
    | StorageDegraded
    | Scheduled
    | OperatorEvent
)
