"""What endpoints report beside their health: vendor's words, missing records, codes that arrived.

An incident keeps them, and people see them; no verdict rests on them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Evidence, Outcome
from beacon.core.views import Arrivals, VendorWord

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
