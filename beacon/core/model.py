"""The words of the domain: what is polled, what was seen, what it means.

Data only. Everything here is frozen and knows nothing of time, threads, files or
networks. `docs/glossary.md` says each word in prose.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType, Self

Moment = NewType("Moment", float)
"""Monotonic seconds. Another boot counts them anew: what is remembered is shifted by this type."""

BOOT: Final = Moment(0.0)
LONG_AGO: Final = Moment(float("-inf"))
NEVER: Final = Moment(float("inf"))


class Outcome(StrEnum):
    """What one run of a probe came to."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"  # we could not ask: never red, never green


class Reason(StrEnum):
    """Why a reading is what it is: a closed list, grown only by a decision (docs/adr).

    Each word has one outcome; where none is named it is a fail.
    """

    outcome: Outcome

    def __new__(cls, word: str, outcome: Outcome = Outcome.FAIL) -> Self:
        """Make a word with its outcome."""
        reason = str.__new__(cls, word)
        reason._value_, reason.outcome = word, outcome
        return reason

    OK = "ok", Outcome.PASS
    SLOW = "slow", Outcome.WARN
    CERTIFICATE_EXPIRING = "certificate_expiring", Outcome.WARN
    PREFERENCE_UNMET = "preference_unmet", Outcome.WARN
    ADDRESS_DEAD = "address_dead", Outcome.WARN
    DNS_NXDOMAIN = "dns_nxdomain"
    DNS_NO_ANSWER = "dns_no_answer"
    DNS_SERVFAIL = "dns_servfail"
    DNS_TIMEOUT = "dns_timeout"
    DNS_MISMATCH = "dns_mismatch"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_RESET = "connect_reset"
    UNREACHABLE = "unreachable"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_NAME = "tls_name"
    TLS_HANDSHAKE = "tls_handshake"
    HTTP_STATUS = "http_status"
    REDIRECT_LIMIT = "redirect_limit"
    BODY_TOO_LARGE = "body_too_large"
    BODY_UNDECODABLE = "body_undecodable"
    EXPECTATION_FAILED = "expectation_failed"
    OPERAND_MISSING = "operand_missing"
    PROTOCOL_ERROR = "protocol_error"
    DEADLINE = "deadline"
    SIGN_IN_REJECTED = "sign_in_rejected"
    SIGN_IN_UNFINISHED = "sign_in_unfinished"
    CHALLENGE_MISSING = "challenge_missing"
    CODE_NOT_ARRIVED = "code_not_arrived"
    CODE_LATE = "code_late", Outcome.WARN
    CODE_IN_JUNK = "code_in_junk", Outcome.WARN
    CODE_WRONG = "code_wrong"
    WRONG_CODE_ACCEPTED = "wrong_code_accepted"
    DELIVERY_REFUSED = "delivery_refused"
    VENDOR_INCIDENT = "vendor_incident"
    VENDOR_DEGRADED = "vendor_degraded", Outcome.WARN
    VENDOR_MAINTENANCE = "vendor_maintenance", Outcome.WARN
    SUCCESS_RATIO_LOW = "success_ratio_low"
    SUCCESS_RATIO_REDUCED = "success_ratio_reduced", Outcome.WARN
    SPF_PERMERROR = "spf_permerror"
    SPF_TEMPERROR = "spf_temperror"
    SPF_MISSING = "spf_missing"
    SPF_FAIL = "spf_fail"
    SPF_NEAR_LIMIT = "spf_near_limit", Outcome.WARN
    DKIM_MISSING = "dkim_missing"
    DKIM_REVOKED = "dkim_revoked"
    DMARC_MISSING = "dmarc_missing"
    MX_MISSING = "mx_missing"
    PTR_MISMATCH = "ptr_mismatch"
    RECORD_CHANGED = "record_changed"
    RECORD_MISSING = "record_missing"
    DNSSEC_BOGUS = "dnssec_bogus"
    RESOLVER_DISAGREEMENT = "resolver_disagreement", Outcome.WARN
    NAMESERVER_DEAD = "nameserver_dead", Outcome.WARN
    ATTESTATION_OVERDUE = "attestation_overdue", Outcome.WARN
    HEARTBEAT_MISSED = "heartbeat_missed"
    OWN_NETWORK = "own_network", Outcome.ERROR
    OWN_CLOCK = "own_clock", Outcome.ERROR
    OWN_CREDENTIALS = "own_credentials", Outcome.ERROR
    OWN_MODEM = "own_modem", Outcome.ERROR
    SOURCE_DEAD = "source_dead", Outcome.ERROR
    SAMPLE_TOO_SMALL = "sample_too_small", Outcome.ERROR
    RATE_LIMITED = "rate_limited", Outcome.ERROR
    GUARD_STOPPED = "guard_stopped", Outcome.ERROR
    INTERNAL_ERROR = "internal_error", Outcome.ERROR
    STALE = "stale", Outcome.ERROR


DETAIL_LIMIT: Final = 200
"""Characters of a reading's detail."""
MOST_RECORDS: Final = 64  # names of records that a reading or an incident keeps

# A server rejected the sign-in: what the guard counts before an account is locked.
REJECTED: Final = frozenset({Reason.SIGN_IN_REJECTED, Reason.CODE_WRONG})

# Standing, plannable trouble: raises a service to advisory only, without sound.
STANDING: Final = frozenset(
    {
        Reason.ADDRESS_DEAD,
        Reason.CERTIFICATE_EXPIRING,
        Reason.NAMESERVER_DEAD,
        Reason.SPF_NEAR_LIMIT,
        Reason.ATTESTATION_OVERDUE,
    }
)


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """What an answer says of our own clock: seconds it is behind (negative: ahead).

    `host` is who says so; several answers of one host are one word.
    """

    offset: float
    host: str = ""


@dataclass(frozen=True, slots=True)
class BreakGlassUse:
    """Somebody signed in with a break-glass account, or tried to: `ago` seconds before the run.

    `id` is the same whenever the same sign-in is read again; `account` is the account's label.
    """

    id: str
    account: str
    ago: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of a probe saw.

    `latency`, `phases` and `ttl` (how long others may keep what was read) are seconds.
    `detail` is one line for people, at most 200 characters, and never holds a secret, a
    code or a body. `resolver` is whether our own resolver answered ("no such name" is an
    answer); None: it was not asked. `uses` are all that were read, old ones too. `records` are
    those that are missing or wrong, each by reason, type and name: the detail names what fits.
    """

    reason: Reason
    detail: str = ""
    latency: float | None = None
    phases: tuple[tuple[str, float], ...] = ()
    ttl: float | None = None
    clock: ClockSeen | None = None
    resolver: bool | None = None
    uses: tuple[BreakGlassUse, ...] = ()
    records: tuple[str, ...] = ()

    @property
    def without_dead_address(self) -> "Reading":
        """What a vendor's source says: a dead address of its server is no admission."""
        dead = self.reason is Reason.ADDRESS_DEAD
        return replace(self, reason=Reason.OK) if dead else self

    @property
    def outcome(self) -> Outcome:
        """The outcome that belongs to the reason."""
        return self.reason.outcome


def joined(kept: tuple[str, ...], further: Iterable[str]) -> tuple[str, ...]:
    """Names of records that were kept, and new ones behind them as far as they fit."""
    return tuple(dict.fromkeys((*kept, *further)))[:MOST_RECORDS]


class Health(StrEnum):
    """What an endpoint is held to be, after thresholds."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


SEVERITY: Final = MappingProxyType(
    {Health.UP: 0, Health.UNKNOWN: 1, Health.DEGRADED: 2, Health.DOWN: 3}
)
"""Worst-of order: unknown is worse than up, and never hides known trouble."""


class Evidence(StrEnum):
    """How much an endpoint's word counts."""

    SYMPTOM = "symptom"  # end-to-end proof
    HEALTH = "health"  # the component's word about itself
    CLAIM = "claim"  # the vendor's word
    CAUSE = "cause"  # leading indicators and explanations
    WITNESS = "witness"  # our own eyes


class Verdict(StrEnum):
    """What we say of a service."""

    OK = "ok"
    ADVISORY = "advisory"
    DEGRADED = "degraded"
    RECOVERING = "recovering"
    OUTAGE = "outage"
    GRAY_FAILURE = "gray_failure"
    BLIND = "blind"


RANK: Final = MappingProxyType(
    {
        Verdict.OK: 0,
        Verdict.ADVISORY: 1,
        Verdict.BLIND: 2,
        Verdict.RECOVERING: 3,
        Verdict.DEGRADED: 4,
        Verdict.OUTAGE: 5,
        Verdict.GRAY_FAILURE: 5,
    }
)
"""Higher is worse; outage and gray failure are equals."""

RED: Final = frozenset({Verdict.OUTAGE, Verdict.GRAY_FAILURE})
OPENING: Final = RED | {Verdict.DEGRADED}
"""The verdicts that open an incident."""
NO_PROBLEM: Final = frozenset({Verdict.OK, Verdict.ADVISORY})
CALM: Final = NO_PROBLEM | {Verdict.BLIND}
"""The verdicts in which no incident is open."""


class Sequence(StrEnum):
    """The annunciator sequence, by its ISA-18.1 name."""

    A = "A"
    M = "M"
    R = "R"


class Preset(StrEnum):
    """The shape of the tower."""

    TOWER_5 = "tower-5"
    TOWER_3 = "tower-3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One thing polled. Times are seconds; `retry_interval` None means no re-checks.

    `code_lifetime` is how long the code it waits for may take (None: a run's timeout). Of a
    cause, `explains` names the endpoints it affects (None: those that prove its service).
    `hindsight` is how far back a run looks (None: it sees the present). Whoever looks back may
    raise a verdict, never clear it.
    What is `pushed` is seen by others, and tells nothing of our own network and clock.
    `accounts` are hashes that name what it signs in with: server and user, and its token.
    `control`: seconds after which a wrong code is sent again (None: never).
    """

    id: str
    service: str
    name: str
    kind: str
    evidence: Evidence
    interval: float = 30.0
    timeout: float = 5.0
    retry_interval: float | None = 5.0
    failure_threshold: int = 3
    success_threshold: int = 2
    stale_after: float = 95.0
    slow_after: float | None = None
    region: str | None = None
    factor: str | None = None
    local: bool = False
    clock_bound: bool = False
    sign_in: bool = False  # the rejection rule and its guard apply
    pushed: bool = False  # others deliver its readings: it is never run
    costly: bool = False  # a run costs a message: none at once after a restart
    guard_interval: float = 600.0
    guard_max: int = 4
    accounts: tuple[str, ...] = ()
    control: float | None = None
    depends_on: tuple[str, ...] = ()
    code_lifetime: float | None = None
    explains: tuple[str, ...] | None = None
    hindsight: float | None = None

    @property
    def looks_back(self) -> bool:
        """Whether it reads of the past."""
        return self.hindsight is not None

    @property
    def cell(self) -> str:
        """The cell it belongs to: region and factor."""
        return "/".join(part for part in (self.region, self.factor) if part) or "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One thing people need, that may be red by itself. Holds are seconds."""

    id: str
    name: str
    endpoints: tuple[Endpoint, ...]
    session_lifetime: float | None = None
    runbook: str = ""
    recovery_hold: float = 900.0
    recovery_hold_long: float = 1800.0
    long_outage: float = 7200.0
    degraded_hold: float = 300.0

    @property
    def proofs(self) -> tuple[Endpoint, ...]:
        """The endpoints its cells may be made of: its symptoms, else its health endpoints.

        Symptoms that look back prove nothing alone: they stand beside either.
        """
        symptoms = tuple(e for e in self.endpoints if e.evidence is Evidence.SYMPTOM)
        if any(not e.looks_back for e in symptoms):
            return symptoms
        return symptoms + tuple(e for e in self.endpoints if e.evidence is Evidence.HEALTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Something people must test by hand every so many seconds.

    While it is overdue these services (none: every service) are advisory.
    """

    id: str
    name: str
    every: float = 7_776_000.0
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything the core must know before the first event."""

    id: str
    name: str = ""
    services: tuple[Service, ...] = ()
    witnesses: tuple[Endpoint, ...] = ()
    sequence: Sequence = Sequence.A
    lock_in: bool = True
    preset: Preset = Preset.TOWER_5
    attest: tuple[Attestation, ...] = ()
    version: str = ""
    endpoints: tuple[Endpoint, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Join witnesses and services' endpoints in configured order."""
        joined = (*self.witnesses, *(e for s in self.services for e in s.endpoints))
        object.__setattr__(self, "endpoints", joined)

    def sharing_accounts(self) -> list[tuple[str, ...]]:
        """The endpoints that sign in with one account, where several do."""
        sharers: dict[str, list[str]] = {}
        for endpoint in self.endpoints:
            for account in endpoint.accounts:
                sharers.setdefault(account, []).append(endpoint.id)
        return sorted({tuple(each) for each in sharers.values() if len(each) > 1})

    def affected(self) -> dict[str, tuple[str, ...]]:
        """What each cause would break: the endpoints that it affects, by its id."""
        return {
            cause.id: tuple(e.id for e in service.proofs)
            if cause.explains is None
            else cause.explains
            for service in self.services
            for cause in service.endpoints
            if cause.evidence is Evidence.CAUSE
        }
