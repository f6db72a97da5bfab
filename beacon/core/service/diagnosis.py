"""Why is it so? Ranked guesses, each a short word and a sentence that cites its readings.

A guess never changes a verdict. Each trouble of a cause explains what fails after its own onset,
and only within its window: see `CauseWindow`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble, spacing, window
from beacon.core.model import Evidence, Health, Moment, Outcome, Reading, Reason
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
    "mfa not enforced",
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


def ranked(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The likeliest first."""
    return tuple(sorted(causes, key=_order))


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
    return ranked(found)


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
        tied = [(e, e.onset) for e in failing if e.onset and e.spec.id in cause.affects]
        found = _before(cause, tied) if tied else []
        if cause in troubled:
            found = found or [Cause(_word(cause, cause.statement), _cite(cause), _cited(cause))]
            found += [] if tied else _beside(cause)
        yield from found


def _before(cause: EndpointSnapshot, tied: Sequence[tuple[EndpointSnapshot, Onset]]) -> list[Cause]:
    """Each trouble with what fails after it, the nearest to that first.

    One that is over is no explanation of what began outside its window, and not wrong either.
    """
    found = []
    for trouble in _first_named(cause.troubles):
        windows = [(_window(trouble, cause, e, onset), onset) for e, onset in tied]
        best, began = min(windows, key=lambda each: (not each[0].holds, each[0].failed_at))
        if best.holds or (trouble.ended_at is None and cause.health is Health.DOWN):
            apart = abs(best.failed_at - best.since)
            found.append((apart, _after_cause(cause, trouble, began.reading, best)))
    return [each for _, each in sorted(found, key=lambda each: each[0])]


def _beside(cause: EndpointSnapshot) -> Iterator[Cause]:
    """Name what else is wrong with a cause, beside what its readings say first."""
    statement = cause.statement
    if statement is None or statement.outcome is not Outcome.FAIL:
        return
    for trouble in _first_named(cause.troubles):
        reading = trouble.onset.reading
        if trouble.ended_at is None and reading.reason is not statement.reason:
            cited = Cited(cause.spec.id, reading.reason, reading.detail, trouble.onset.at)
            yield Cause(_word(cause, reading), _quoted(cause.spec.id, reading), (cited,))


def _first_named(troubles: Iterable[Trouble]) -> Iterable[Trouble]:
    """Of all that one reading found, what it named first."""
    first: dict[tuple[Moment, bool], Trouble] = {}
    for trouble in troubles:
        first.setdefault((trouble.onset.at, trouble.ended_at is None), trouble)
    return first.values()


def _window(
    trouble: Trouble, cause: EndpointSnapshot, delivery: EndpointSnapshot, began: Onset
) -> CauseWindow:
    """The window of one trouble, for one endpoint that fails."""
    since, failed_at, spec = trouble.onset.at, began.at, delivery.spec
    lasts = window(trouble.onset, cause.spec, spec)
    doubled = trouble.ended_at is None or trouble.ended_at >= failed_at
    return CauseWindow(
        since=since,
        until=Moment(since + lasts * (2 if doubled else 1)),
        ttl=trouble.onset.ttl,
        interval=spacing(cause.spec),
        delivery_interval=spacing(spec),
        code_lifetime=spec.timeout if spec.code_lifetime is None else spec.code_lifetime,
        delivery=spec.id,
        failed_at=failed_at,
        doubled=doubled,
        disproved=spec.id in trouble.disproved_by,
    )


def _after_cause(
    cause: EndpointSnapshot, trouble: Trouble, began: Reading, window: CauseWindow
) -> Cause:
    reading, apart = trouble.onset.reading, window.failed_at - window.since
    order = f"{_span(abs(apart))} {'before' if apart > 0 else 'after'}"
    if abs(apart) < 1:
        order = "together with"
    over = "" if trouble.ended_at is None else ", restored since"
    then = f"{window.delivery}: {began.reason}{_why_not(window)}"
    text = f"{_quoted(cause.spec.id, reading)}{over}, {order} {then}"
    cited = (
        Cited(cause.spec.id, reading.reason, reading.detail, window.since),
        Cited(window.delivery, began.reason, began.detail, window.failed_at),
    )
    return Cause(_word(cause, reading), text, cited, window, explains=window.holds)


def _why_not(window: CauseWindow) -> str:
    if window.holds:
        return ""
    length = _span((window.until - window.since) / (2 if window.doubled else 1))
    lasts = f"{'twice ' if window.doubled else ''}its window of {length}"
    if window.disproved:
        return f", but codes arrived after {lasts} while it still failed"
    return f", which {lasts} does not reach"


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
    if statement is None:  # not read since a restart
        onset = endpoint.onset
        return endpoint.spec.id if onset is None else _quoted(endpoint.spec.id, onset.reading)
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
