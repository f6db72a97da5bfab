"""What is said beside a verdict: vendor's words, missing records, codes, why it is held.

An incident keeps them, and people see them; no verdict rests on them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import CALM, Evidence, Outcome, Verdict
from beacon.core.operator.overlays import OVERDUE
from beacon.core.service.hold import ServiceState
from beacon.core.views import Arrivals, Cause, IncidentView, VendorWord

_STANCE: Final = {
    Outcome.PASS: "fine",
    Outcome.WARN: "admits",
    Outcome.FAIL: "admits",
    Outcome.ERROR: "unknown",
}


def vendor_words(endpoints: Iterable[EndpointState]) -> Iterator[VendorWord]:
    """What each of the vendor's sources says, where it has been read."""
    for state in endpoints:
        statement = state.statement
        if state.spec.evidence is Evidence.CLAIM and statement is not None:
            words, stance = statement.detail or statement.reason, _STANCE[statement.outcome]
            yield VendorWord(state.spec.id, stance, words, state.stated_at)


def records(
    own: Iterable[EndpointState], external_causes: Iterable[EndpointState]
) -> Iterator[str]:
    """Which records a service's troubled endpoints and causes have found missing or wrong."""
    for state in (*own, *external_causes):
        if state.in_trouble:
            yield from state.records


def arrivals(
    own: Iterable[EndpointState], external_causes: Iterable[EndpointState]
) -> Iterator[Arrivals]:
    """How the deliveries of a service went, by the causes they depend on."""
    deliveries = {state.spec.id for state in own}
    for cause in (*own, *external_causes):
        yield from (counts for counts in cause.arrivals.values() if counts.delivery in deliveries)


def why_held(
    state: ServiceState, incident: IncidentView | None, overdue: Sequence[str]
) -> Cause | None:
    """Explain a verdict though nothing is wrong now: it is held, or something is overdue."""
    if overdue and state.verdict is Verdict.ADVISORY:
        return Cause(OVERDUE, f"not tested for too long: {', '.join(overdue)}")
    if incident is None or incident.cause is None or state.verdict in CALM:
        return None
    why = "as last seen" if state.blind else "over, and held for a while"
    return Cause(incident.cause, f"{why}: {incident.explanation}")
