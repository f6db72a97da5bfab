"""The only words that go into the core, and the only words that come out.

`at` is always monotonic seconds. Wall time is for people and is joined at the edge.
In: everything up to `Event`, which is their union. Out: every other class here; together
they are an `Effect`.
"""

from dataclasses import dataclass
from enum import StrEnum

from beacon.core.model import Health, Reading, Reason, Verdict
from beacon.core.tower.indication import Indication, Sound

# --- in ---------------------------------------------------------------------------


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

# --- out --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EndpointRead:
    """A reading was taken in. `failures` counts the present fail streak.

    Sent for every reading, and when an endpoint's health changes without one.
    """

    at: float
    endpoint: str
    reading: Reading
    health: Health
    failures: int


@dataclass(frozen=True, slots=True)
class Transition:
    """An endpoint's health changed, and why."""

    at: float
    endpoint: str
    was: Health
    now: Health
    because: Reading


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How often a code arrived at `delivery`, and was lost, while `cause` was well, or failed.

    Both are endpoints. What counts are the ratios: all are halved now and then.
    """

    cause: str
    delivery: str
    well_arrived: int = 0
    well_lost: int = 0
    failing_arrived: int = 0
    failing_lost: int = 0


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service as it is judged now.

    `cells` maps "region/factor" ("-" where not set) to a health; `cause` is a short
    word ("dns", "own network" …) and `explanation` one sentence citing its readings.
    `proof_at` is when the verdict was last proved, while `blind`. `arrivals` are of the
    causes that its deliveries hang on.
    """

    id: str
    verdict: Verdict
    since: float
    cause: str | None = None
    explanation: str = ""
    cells: tuple[tuple[str, Health], ...] = ()
    endpoints: tuple[tuple[str, Health], ...] = ()
    shallow: bool = False
    partial: bool = False
    vendor_says_fine: bool = False
    vendor_admits: bool = False
    blind: bool = False
    starting: bool = False
    proof_at: float | None = None
    overlays: tuple[str, ...] = ()
    arrivals: tuple[Arrivals, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """Something of a service's view changed."""

    at: float
    service: ServiceView


@dataclass(frozen=True, slots=True)
class OverallView:
    """The worst of all services, and what stands beside it.

    `first_out` is the service whose alarm came first, until that is acknowledged.
    """

    verdict: Verdict
    problem: bool
    since: float
    blind: bool
    starting: bool
    services: tuple[tuple[str, Verdict], ...]
    overlays: tuple[str, ...] = ()
    network: str = "unverified"  # ok | lost | unverified
    clock: str = "unverified"  # ok | lost | unverified
    storage_degraded: bool = False  # what must survive a restart cannot be written down
    first_out: str | None = None


@dataclass(frozen=True, slots=True)
class OverallChanged:
    """Something of the overall view changed."""

    at: float
    overall: OverallView


class IncidentState(StrEnum):
    """The life of an incident; `none` where there is none."""

    NONE = "none"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RECOVERING = "recovering"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Cited:
    """A reading that an explanation rests on; `at` is when its endpoint began to read so."""

    endpoint: str
    reason: Reason
    detail: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CauseWindow:
    """How long a failing cause explains what fails after it. Parts of it are seconds.

    `since` is the cause's first failing reading; `until` is later by all the parts together.
    `failed_at` is the first failing reading of `delivery`, the endpoint it is tied to.
    """

    since: float
    until: float
    interval: float
    delivery_interval: float
    code_lifetime: float
    delivery: str
    failed_at: float
    ttl: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the delivery began to fail in it; the cause is read an interval late at most."""
        return self.since - self.interval <= self.failed_at <= self.until


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a service may be in trouble: a word, a sentence, and its readings.

    With `explains` false it stands beside the trouble, and does not account for it.
    """

    cause: str
    explanation: str = ""
    readings: tuple[Cited, ...] = ()
    window: CauseWindow | None = None
    explains: bool = True


@dataclass(frozen=True, slots=True)
class VendorWord:
    """What one source of the vendor says: `says` is fine, admits or unknown; since when."""

    endpoint: str
    says: str
    words: str
    since: float | None = None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident of one service. `number` counts from 1.

    `opened_utc` is the wall time of `since` in UTC seconds as it was known at the opening; it
    stays, whatever is done to the clock, and is part of the incident's id. None: not known.

    `records` are all that were missing or wrong so far, in the order in which they were seen.

    `causes` are ranked; `cause` and `explanation` are those of the first. `vendor` holds
    what each of the vendor's sources says. `arrivals` are as in `ServiceView`.

    `vendor_lead` is seconds we knew before the vendor's first admission (None: not yet).
    `impact` is the estimated share, 0 to 1, of sessions that must have signed in again.
    """

    number: int
    service: str
    state: IncidentState
    since: float
    verdict: Verdict
    peak: Verdict
    first_out: str
    acknowledged: bool = False
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    cause: str | None = None
    explanation: str = ""
    vendor_lead: float | None = None
    impact: float | None = None
    closed_at: float | None = None
    causes: tuple[Cause, ...] = ()
    vendor: tuple[VendorWord, ...] = ()
    arrivals: tuple[Arrivals, ...] = ()
    opened_utc: float | None = None
    records: tuple[str, ...] = ()

    @property
    def vendor_differs(self) -> bool:
        """Whether one source of the vendor admits trouble, and another tells it otherwise."""
        known = {(w.says, w.words) for w in self.vendor if w.says != "unknown"}
        return len(known) > 1 and any(says == "admits" for says, _ in known)


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
class SilenceChanged:
    """The operator's silence began or ended. `until` is its latest end."""

    at: float
    on: bool
    since: float | None = None
    until: float | None = None
    by: str | None = None
    reason: str = ""


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


class OverlayKind(StrEnum):
    """What lies over a verdict; the words of commands and topics."""

    MAINTENANCE = "maintenance"
    BYPASS = "bypass"
    SHELVE = "shelve"
    ATTEST = "attest"
    DRILL = "drill"
    BREAK_GLASS = "break_glass"


@dataclass(frozen=True, slots=True)
class Overlay:
    """One thing an operator (origin "schedule": the calendar) has laid over a verdict.

    A use of a break-glass account was read somewhere: `by` is the account, `origin` "log".

    `subject` is a service; of an attestation its id, `until` being when it is due; of a
    drill the verdict. `until` None: until it is ended.
    """

    kind: OverlayKind
    subject: str
    since: float
    by: str
    origin: str
    reason: str = ""
    until: float | None = None


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
    | FirstDue
    | Answered
    | OverlaysChanged
)


@dataclass(frozen=True, slots=True)
class View:
    """Everything as it stands now, for whoever asks."""

    overall: OverallView
    services: tuple[ServiceView, ...]
    endpoints: tuple[EndpointRead, ...]
    incidents: tuple[IncidentView, ...]
    indication: Indication
    overlays: tuple[Overlay, ...] = ()
    clock_offset: float | None = None  # seconds our clock is behind (negative: ahead)
    silence: SilenceChanged | None = None  # while the buzzer is silenced
    stopped: tuple[tuple[str, float], ...] = ()  # endpoints the guard has stopped, and since when
