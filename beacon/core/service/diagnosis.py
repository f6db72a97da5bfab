"""Why is it so? Ranked guesses, each a short word and a sentence that cites its readings.

A guess never changes a verdict. A cause that failed explains what failed after it only
within its window: see `CauseWindow`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from beacon.core.model import Endpoint, Evidence, Health, Moment, Outcome, Reading, Reason
from beacon.core.service.endpoint_snapshot import EndpointSnapshot
from beacon.core.views import Cause, CauseWindow, Cited

RANKING: Final = (
    "dns",
    "own clock",
    "own network",
    "own resolver",
    "our credentials",
    "own modem",
    "tls",
    "other cause",
    "vendor",
    "region",
    "factor",
    "part",
    "unknown",
)
"""The words for a cause, the one that explains most first."""

PARTS: Final = frozenset({"region", "factor", "part"})
"""Those that say which part alone is in trouble: while all is, they are no explanation."""

_OURS: Final = {
    Reason.OWN_CLOCK: "own clock",
    Reason.OWN_NETWORK: "own network",
    Reason.OWN_CREDENTIALS: "our credentials",
    Reason.OWN_MODEM: "own modem",
}
_SUBJECTS: Final = {
    **dict.fromkeys(
        (
            Reason.DNS_NXDOMAIN,
            Reason.DNS_NO_ANSWER,
            Reason.DNS_SERVFAIL,
            Reason.DNS_TIMEOUT,
            Reason.DNS_MISMATCH,
            Reason.DNSSEC_BOGUS,
            Reason.RESOLVER_DISAGREEMENT,
            Reason.SPF_PERMERROR,
            Reason.SPF_TEMPERROR,
            Reason.SPF_MISSING,
            Reason.SPF_FAIL,
            Reason.SPF_NEAR_LIMIT,
            Reason.DKIM_MISSING,
            Reason.DKIM_REVOKED,
            Reason.DMARC_MISSING,
            Reason.MX_MISSING,
            Reason.PTR_MISMATCH,
        ),
        "dns",
    ),
    **dict.fromkeys(
        (
            Reason.TLS_EXPIRED,
            Reason.TLS_NOT_YET_VALID,
            Reason.TLS_UNTRUSTED,
            Reason.TLS_NAME,
            Reason.TLS_HANDSHAKE,
            Reason.CERTIFICATE_EXPIRING,
        ),
        "tls",
    ),
}
"""What a reason speaks of, whatever kind of probe gives it."""

_OF_RECORDS: Final = frozenset({Reason.RECORD_CHANGED, Reason.RECORD_MISSING})
"""Reasons of kinds that read DNS, and of others: `openid` says so of a provider's keys."""


def rank(causes: Sequence[Cause]) -> tuple[bool, int]:
    """How good the first of them explains: smaller is better."""
    return _order(causes[0]) if causes else (True, len(RANKING))


def diagnose(
    endpoints: Sequence[EndpointSnapshot], external_causes: Sequence[EndpointSnapshot] = ()
) -> tuple[Cause, ...]:
    """Explain what is wrong with a service, the likeliest first; nothing where nothing is.

    `external_causes` belong to other services, and affect endpoints of this one.
    """
    seen = list(endpoints)
    if any(e.in_trouble and not e.spec.looks_back for e in seen):
        # Healthy lookback endpoints describe the past and would hide the failing part.
        seen = [e for e in seen if not e.spec.looks_back or e.in_trouble]
    troubled = [e for e in seen if e.health in (Health.DOWN, Health.DEGRADED)]
    troubled = [e for e in troubled if not e.planned] or troubled
    unsure = [e for e in seen if e.health is Health.UNKNOWN and _is_error(e.statement)]
    found = list(_ours(unsure, explains=not troubled))
    if troubled:
        found += _causes((*seen, *external_causes), troubled)
        found += _by_reason(troubled)
        found += _vendor(troubled)
        found += _parts(seen, troubled)
    if not any(cause.explains for cause in found) and (nameless := troubled or unsure):
        worst = _worst(nameless)
        found.append(Cause("unknown", _cite(worst), _cited(worst)))
    return tuple(sorted(found, key=_order))


def _order(cause: Cause) -> tuple[bool, int]:
    return not cause.explains, RANKING.index(cause.cause)


def _is_error(reading: Reading | None) -> bool:
    return reading is not None and reading.outcome is Outcome.ERROR


def _ours(unsure: Iterable[EndpointSnapshot], *, explains: bool) -> Iterator[Cause]:
    """What we could not ask is our own trouble; it does not explain what answered badly."""
    named = set()
    for endpoint in unsure:
        word = _our_word(endpoint.statement)
        if word is not None and word not in named:
            named.add(word)
            yield Cause(word, _cite(endpoint), _cited(endpoint), explains=explains)


def _our_word(reading: Reading | None) -> str | None:
    word = _OURS.get(reading.reason) if reading is not None else None
    if word == "own network" and reading is not None and reading.resolver is False:
        return "own resolver"
    return word


# --- causes, and what fails after them --------------------------------------------


def _causes(
    seen: Sequence[EndpointSnapshot], troubled: Sequence[EndpointSnapshot]
) -> Iterator[Cause]:
    failing = [e for e in troubled if e.health is Health.DOWN]
    for cause in (e for e in seen if e.spec.evidence is Evidence.CAUSE):
        windows = [_window(cause, e) for e in failing if e.spec.id in cause.affects]
        found = [window for window in windows if window is not None]
        window = min(found, key=lambda w: (not w.holds, w.failed_at), default=None)
        if window is not None and (window.holds or cause.health is Health.DOWN):
            delivery = next(e for e in failing if e.spec.id == window.delivery)
            yield _after_cause(cause, delivery, window)
        elif cause in troubled:
            yield Cause(_word(cause, cause.statement), _cite(cause), _cited(cause))


def _window(cause: EndpointSnapshot, delivery: EndpointSnapshot) -> CauseWindow | None:
    """The window of a cause that went down once, for this endpoint."""
    if cause.onset is None or delivery.onset is None:
        return None
    since, ttl = cause.onset.at, cause.onset.ttl
    interval, delivery_interval = _spacing(cause.spec), _spacing(delivery.spec)
    lifetime = delivery.spec.code_lifetime
    if lifetime is None:
        lifetime = delivery.spec.timeout
    lasts = (ttl or 0.0) + interval + delivery_interval + lifetime
    return CauseWindow(
        since=since,
        until=Moment(since + lasts),
        ttl=ttl,
        interval=interval,
        delivery_interval=delivery_interval,
        code_lifetime=lifetime,
        delivery=delivery.spec.id,
        failed_at=delivery.onset.at,
    )


def _spacing(spec: Endpoint) -> float:
    """By how many seconds a reading may be later than what it tells of."""
    return spec.interval + (spec.hindsight or 0.0)


def _after_cause(cause: EndpointSnapshot, delivery: EndpointSnapshot, window: CauseWindow) -> Cause:
    assert cause.onset is not None, "it has a window"
    assert delivery.onset is not None, "it is in that window"
    reading, began = cause.onset.reading, delivery.onset.reading
    apart = window.failed_at - window.since
    order = f"{_span(abs(apart))} {'before' if apart > 0 else 'after'}"
    if abs(apart) < 1:
        order = "together with"
    restored = cause.up_again_at > window.since
    text = f"{_quoted(cause.spec.id, reading)}{', restored since' if restored else ''}"
    text += f", {order} {delivery.spec.id}: {began.reason}"
    if not window.holds:
        text += f", which its window of {_span(window.until - window.since)} does not reach"
    cited = (
        Cited(cause.spec.id, reading.reason, reading.detail, window.since),
        Cited(delivery.spec.id, began.reason, began.detail, window.failed_at),
    )
    return Cause(_word(cause, reading), text, cited, window, explains=window.holds)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _word(cause: EndpointSnapshot, reading: Reading | None) -> str:
    """DNS, TLS, or whatever else stands behind a service."""
    return _subject(cause, reading) or ("dns" if "dns" in cause.spec.kind else "other cause")


def _subject(endpoint: EndpointSnapshot, reading: Reading | None) -> str | None:
    """What a reading speaks of, by its reason and the kind that gave it."""
    if reading is None:
        return None
    if reading.reason in _OF_RECORDS:
        return "dns" if "dns" in endpoint.spec.kind else None
    return _SUBJECTS.get(reading.reason)


# --- what the troubled say themselves ---------------------------------------------


def _by_reason(troubled: Sequence[EndpointSnapshot]) -> Iterator[Cause]:
    """Name DNS or TLS where what fails says so itself."""
    named = set()
    for endpoint in troubled:
        word = _subject(endpoint, endpoint.statement)
        proves = endpoint.spec.evidence in (Evidence.SYMPTOM, Evidence.HEALTH)
        if proves and word is not None and word not in named:
            named.add(word)
            yield Cause(word, _cite(endpoint), _cited(endpoint))


def _vendor(troubled: Sequence[EndpointSnapshot]) -> Iterator[Cause]:
    claims = [e for e in troubled if e.spec.evidence is Evidence.CLAIM]
    if claims:
        yield Cause("vendor", _cite(claims[0]), _cited(*claims))


def _parts(
    seen: Sequence[EndpointSnapshot], troubled: Sequence[EndpointSnapshot]
) -> Iterator[Cause]:
    """Name the part that alone is in trouble: a region, a factor, else some of several."""
    kind = Evidence.SYMPTOM
    if not any(e.spec.evidence is kind for e in seen):
        kind = Evidence.HEALTH
    proofs = [e for e in seen if e.spec.evidence is kind]
    hit = [e for e in troubled if e.spec.evidence is kind]
    found = [
        *_only(proofs, hit, "region", lambda e: e.spec.region),
        *_only(proofs, hit, "factor", lambda e: e.spec.factor),
    ]
    yield from found
    if hit and not found and any(e.health is Health.UP for e in proofs):
        names = ", ".join(e.spec.id for e in hit)
        text = f"only {names} of {len(proofs)}: {_cite(_worst(hit))}"
        yield Cause("part", text, _cited(*hit))


def _only(
    proofs: Sequence[EndpointSnapshot],
    hit: Sequence[EndpointSnapshot],
    word: str,
    part: Callable[[EndpointSnapshot], str | None],
) -> Iterator[Cause]:
    """Only one region (or factor) is in trouble, and there are others."""
    parts = {part(e) for e in hit}
    every = {part(e) for e in proofs if part(e)}
    if len(parts) == 1 and len(every) > 1 and None not in parts:
        text = f"only {word} {parts.pop()}: {_cite(_worst(hit))}"
        yield Cause(word, text, _cited(*hit))


def _worst(troubled: Sequence[EndpointSnapshot]) -> EndpointSnapshot:
    ranked = (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM, Evidence.WITNESS)
    return min(troubled, key=lambda e: (e.health is not Health.DOWN, ranked.index(e.spec.evidence)))


# --- citing -----------------------------------------------------------------------


def _cited(*endpoints: EndpointSnapshot) -> tuple[Cited, ...]:
    stated = ((e.spec.id, e.statement, e.stated_at) for e in endpoints)
    return tuple(Cited(n, s.reason, s.detail, at) for n, s, at in stated if s is not None)


def _cite(endpoint: EndpointSnapshot) -> str:
    statement = endpoint.statement
    if statement is None:
        return endpoint.spec.id
    if statement.outcome is not Outcome.PASS:
        return _quoted(endpoint.spec.id, statement)
    began = endpoint.onset.reading if endpoint.health is Health.DOWN and endpoint.onset else None
    what = (
        f"{endpoint.spec.id}: {endpoint.health}"
        if began is None
        else _quoted(endpoint.spec.id, began)
    )
    if endpoint.flapping:
        return f"{what}; it passes now, but changes too often: held until it is steady"
    return f"{what}; it passes now, one more pass must confirm that it is well"


def _quoted(name: str, reading: Reading) -> str:
    return f"{name}: {reading.reason}" + (f" ({reading.detail})" if reading.detail else "")
