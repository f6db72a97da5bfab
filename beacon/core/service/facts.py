"""What is said beside a verdict: vendor's words, missing records, codes, why it is held.

People see them, and an incident keeps them. Two of them count: wrong codes that are accepted
degrade a service, and what is untested or unproven for too long makes it advisory.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import CALM, Evidence, Moment, Outcome, Reason, Verdict
from beacon.core.operator.overlays import OVERDUE
from beacon.core.service.hold import ServiceState
from beacon.core.views import Arrivals, Cause, Cited, IncidentView, VendorWord

NOT_ENFORCED: Final = "mfa not enforced"
NOT_LOOKED_AT: Final = "MFA is not being enforced for this account or policy"
UNPROVEN: Final = "mfa unproven"
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
    state: ServiceState, incident: IncidentView | None, overdue: Cause | None
) -> Cause | None:
    """Explain a verdict though nothing is wrong now: it is held, or something is overdue."""
    if overdue is not None and state.verdict is Verdict.ADVISORY:
        return overdue
    if incident is None or incident.cause is None or state.verdict in CALM:
        return None
    why = "as last seen" if state.blind else "over, and held for a while"
    return Cause(incident.cause, f"{why}: {incident.explanation}")


def untested(overdue: Sequence[str]) -> Cause | None:
    """Say what nobody has tested by hand for too long."""
    if not overdue:
        return None
    return Cause(OVERDUE, f"not tested for too long: {', '.join(overdue)}")


def not_enforced(endpoints: Iterable[EndpointState]) -> tuple[Cause, ...]:
    """Say where wrong codes are accepted."""
    reason = Reason.WRONG_CODE_ACCEPTED
    watched = tuple(endpoints)
    found = [e for e in watched if e.kept.control.latched(e.spec)]
    explains = not any(e.still_down for e in watched)  # it brings nothing down
    return tuple(
        Cause(
            NOT_ENFORCED,
            f"{e.spec.id}: {reason} ({NOT_LOOKED_AT})",
            (Cited(e.spec.id, reason, NOT_LOOKED_AT, e.kept.control.made_at or e.kept.since),),
            explains=explains,
        )
        for e in found
    )


def unproven(endpoints: Iterable[EndpointState], at: Moment) -> Cause | None:
    """Say where no wrong code was refused for too long."""
    names = [e.spec.id for e in endpoints if at >= e.kept.control.unproven_at(e.spec)]
    if not names:
        return None
    return Cause(UNPROVEN, f"no wrong code was refused for days: {', '.join(names)}")


def began_at(endpoints: Iterable[EndpointState], incident: float | None) -> float:
    """When trouble began: the first failing reading, or an incident by that; `inf`: none is there.

    It is the same right before and after an incident opens, else what is judged would change.
    """
    onsets = [e.kept.confirmed_onset for e in endpoints if e.still_down]
    began = [onset.at for onset in onsets if onset is not None]
    return min(began + ([] if incident is None else [incident]), default=math.inf)


def cited_first(causes: Iterable[Cause], service: str) -> str:
    """The endpoint that explains a service in which none is down or degraded, else the service."""
    return next((cited.endpoint for cause in causes for cited in cause.readings), service)
