"""What others see of the core: endpoints, services, incidents and overlays as they stand.

`at`, `since` and `until` are monotonic seconds; of what is also remembered, a `Moment`.
"""

from dataclasses import dataclass
from enum import StrEnum

from beacon.core.indication import Indication
from beacon.core.model import Health, Moment, Reading, Reason, Verdict


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

    `cells` maps "region/factor" (the one that is set, "all" if neither is) to a health; `cause`
    is a short word ("dns", "own network" …) and `explanation` one sentence citing its readings.
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
    at: Moment | None = None


@dataclass(frozen=True, slots=True)
class CauseWindow:
    """How long a failing cause explains what fails after it. Parts of it are seconds.

    `since` is the first failing reading of its trouble; `until` is later by all the parts together,
    or by twice as much: `doubled`, while the trouble lasts. `failed_at` is the first failing
    reading of `delivery`, the endpoint it affects. `disproved`: codes arrived all the same.
    """

    since: Moment
    until: Moment
    interval: float
    delivery_interval: float
    code_lifetime: float
    delivery: str
    failed_at: Moment
    ttl: float | None = None
    doubled: bool = False
    disproved: bool = False

    @property
    def holds(self) -> bool:
        """Whether the delivery began to fail in it; the cause is read an interval late at most."""
        began_in_it = self.since - self.interval <= self.failed_at <= self.until
        return began_in_it and not self.disproved


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
    since: Moment | None = None


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
    since: Moment
    verdict: Verdict
    peak: Verdict
    first_out: str
    acknowledged: bool = False
    acknowledged_at: Moment | None = None
    acknowledged_by: str | None = None
    cause: str | None = None
    explanation: str = ""
    vendor_lead: float | None = None
    impact: float | None = None
    closed_at: Moment | None = None
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
class SilenceChanged:
    """The operator's silence began or ended. `until` is its latest end."""

    at: Moment
    on: bool
    since: Moment | None = None
    until: Moment | None = None
    by: str | None = None
    reason: str = ""


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
    since: Moment
    by: str
    origin: str
    reason: str = ""
    until: Moment | None = None


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
