"""Why is it so? One short word and one sentence that cites its readings.

A guess, ranked by how much it explains; it never changes a verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from beacon.core.model import Evidence, Health, Outcome, Reading, Reason


@dataclass(frozen=True, slots=True)
class Witnessed:
    """An endpoint as the diagnosis needs it."""

    id: str
    evidence: Evidence
    health: Health
    last: Reading | None
    region: str | None
    factor: str | None
    standing: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The likeliest cause: a word, and a sentence for people."""

    cause: str
    explanation: str


UNKNOWN: Final = Diagnosis("unknown", "")


def diagnose(seen: Sequence[Witnessed]) -> Diagnosis | None:
    """Explain what is wrong with a service; None where nothing is."""
    troubled = [e for e in seen if e.health in (Health.DOWN, Health.DEGRADED)]
    troubled = [e for e in troubled if not e.standing] or troubled
    unsure = [e for e in seen if e.health is Health.UNKNOWN and _is_error(e.last)]
    if not troubled:
        return _ours(unsure)
    for rule in (_by_reason, _vendor, _region, _factor):
        if found := rule(seen, troubled):
            return found
    return Diagnosis("unknown", _cite(_worst(troubled)))


def _is_error(reading: Reading | None) -> bool:
    return reading is not None and reading.outcome is Outcome.ERROR


_OURS: Final = {
    Reason.OWN_NETWORK: "own network",
    Reason.OWN_CLOCK: "own clock",
    Reason.OWN_CREDENTIALS: "our credentials",
    Reason.OWN_MODEM: "own modem",
}


def _ours(unsure: Sequence[Witnessed]) -> Diagnosis | None:
    for endpoint in unsure:
        if endpoint.last is not None and endpoint.last.reason in _OURS:
            return Diagnosis(_OURS[endpoint.last.reason], _cite(endpoint))
    return Diagnosis("unknown", _cite(unsure[0])) if unsure else None


_FAMILIES: Final = (("dns", ("dns_", "spf_", "mx_", "record_")), ("tls", ("tls_", "certificate_")))


def _family(endpoint: Witnessed) -> str | None:
    reason = endpoint.last.reason.value if endpoint.last else ""
    return next((word for word, starts in _FAMILIES if reason.startswith(starts)), None)


def _by_reason(_: Sequence[Witnessed], troubled: Sequence[Witnessed]) -> Diagnosis | None:
    """Name DNS or TLS: a failing cause explains; so does a symptom that failed of it."""
    explaining = sorted(troubled, key=lambda e: e.evidence is not Evidence.CAUSE)
    for endpoint in explaining:
        if endpoint.evidence is not Evidence.CLAIM and (family := _family(endpoint)):
            return Diagnosis(family, _cite(endpoint))
    return None


def _vendor(_: Sequence[Witnessed], troubled: Sequence[Witnessed]) -> Diagnosis | None:
    claims = [e for e in troubled if e.evidence is Evidence.CLAIM]
    return Diagnosis("vendor", _cite(claims[0])) if claims else None


def _region(seen: Sequence[Witnessed], troubled: Sequence[Witnessed]) -> Diagnosis | None:
    return _only(seen, troubled, "region", lambda e: e.region)


def _factor(seen: Sequence[Witnessed], troubled: Sequence[Witnessed]) -> Diagnosis | None:
    return _only(seen, troubled, "factor", lambda e: e.factor)


def _only(
    seen: Sequence[Witnessed],
    troubled: Sequence[Witnessed],
    word: str,
    part: Callable[[Witnessed], str | None],
) -> Diagnosis | None:
    """Only one region (or factor) is in trouble, and there are others."""
    hit = {part(e) for e in troubled if e.evidence is Evidence.SYMPTOM}
    every = {part(e) for e in seen if e.evidence is Evidence.SYMPTOM and part(e)}
    if len(hit) != 1 or len(every) < 2 or None in hit:
        return None
    return Diagnosis(word, f"only {word} {hit.pop()}: {_cite(_worst(troubled))}")


def _worst(troubled: Sequence[Witnessed]) -> Witnessed:
    ranked = (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM, Evidence.WITNESS)
    return min(troubled, key=lambda e: (e.health is not Health.DOWN, ranked.index(e.evidence)))


def _cite(endpoint: Witnessed) -> str:
    last = endpoint.last
    if last is None:
        return endpoint.id
    if last.outcome is Outcome.PASS:
        return f"{endpoint.id}: {endpoint.health}, one more pass must confirm that it is well"
    return f"{endpoint.id}: {last.reason}" + (f" ({last.detail})" if last.detail else "")
