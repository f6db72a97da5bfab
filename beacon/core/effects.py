"""What comes out of the core: changes to show, sound, publish and note, and probes to run again.

`at` is always monotonic seconds. The same effect given twice changes nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

from beacon.core.indication import Indication, Sound
from beacon.core.model import Health, Reading, Verdict
from beacon.core.views import (
    EndpointRead,
    IncidentView,
    OverallView,
    Overlay,
    OverlayKind,
    ServiceView,
    SilenceChanged,
)


@dataclass(frozen=True, slots=True)
class Transition:
    """An endpoint's health changed, and why."""

    at: float
    endpoint: str
    was: Health
    now: Health
    because: Reading


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """Something of a service's view changed."""

    at: float
    service: ServiceView


@dataclass(frozen=True, slots=True)
class OverallChanged:
    """Something of the overall view changed."""

    at: float
    overall: OverallView


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """The incident people should look at: the worst, then unacknowledged, then oldest.

    `incident` is None when none is open; `others` counts the remaining open ones.
    """

    at: float
    incident: IncidentView | None
    others: int


class Announcement(StrEnum):
    """What happened: the types of the `event` topic."""

    OPENED = "opened"
    ESCALATED = "escalated"
    WIDENED = "widened"
    RELAPSED = "relapsed"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    RECOVERING = "recovering"
    CLOSED = "closed"
    BLIND = "blind"
    SIGHTED = "sighted"
    BREAK_GLASS_USED = "break_glass_used"
    GUARD_STOPPED = "guard_stopped"


@dataclass(frozen=True, slots=True)
class Announced:
    """One thing happened, once.

    `incident` is None for blind, sighted, a break-glass use (`by` is the account) and sign-ins that
    the guard stopped (`by` is the endpoint).
    """

    at: float
    what: Announcement
    service: str
    verdict: Verdict
    incident: IncidentView | None = None
    cause: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class IndicationChanged:
    """The tower shall show this from now on."""

    at: float
    indication: Indication


@dataclass(frozen=True, slots=True)
class Sounded:
    """The buzzer shall say this once, now."""

    at: float
    sound: Sound


@dataclass(frozen=True, slots=True)
class Recheck:
    """Run these endpoints at `due`, beside their regular schedule."""

    at: float
    due: float
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Postpone:
    """Do not run this endpoint before `until` (`inf`: until an operator resumes it)."""

    at: float
    endpoint: str
    until: float


@dataclass(frozen=True, slots=True)
class Control:
    """Run this endpoint once at once, with a wrong code."""

    at: float
    endpoint: str


@dataclass(frozen=True, slots=True)
class FirstDue:
    """Begin this endpoint's regular turns at `due`: what was read before the start still counts."""

    at: float
    endpoint: str
    due: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What an operator's command came to. `on` is false for one that takes something back."""

    at: float
    command: str
    ok: bool
    by: str
    origin: str
    error: str = ""
    reason: str = ""
    service: str | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class OverlaysChanged:
    """All overlays of one kind, after one came, went or changed.

    `on`: there is one; of attestations: one is overdue, and `overdue` names them.
    """

    at: float
    kind: OverlayKind
    on: bool
    overlays: tuple[Overlay, ...] = ()
    overdue: tuple[str, ...] = ()


Effect = (
    EndpointRead
    | Transition
    | ServiceChanged
    | OverallChanged
    | IncidentChanged
    | Announced
    | IndicationChanged
    | Sounded
    | SilenceChanged
    | Recheck
    | Postpone
    | Control
    | FirstDue
    | Answered
    | OverlaysChanged
)
