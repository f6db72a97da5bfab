"""What is wrong with a service, part by part: what an acknowledgement covers, and what is new.

A part is a cell that is down, a cell that is degraded, a trouble of a cause, wrong codes that are
accepted, or a kind of reason.
Who acknowledged an incident has seen the parts it had so far; another one asks again.
"""

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Evidence, Health, Outcome, Reason
from beacon.core.service.verdict import Cell

_FIRST_OF_KIND: Final = {
    Reason.OK: "slow",
    Reason.DNS_NXDOMAIN: "dns",
    Reason.CONNECT_REFUSED: "connection",
    Reason.TLS_EXPIRED: "tls",
    Reason.HTTP_STATUS: "answer",
    Reason.SIGN_IN_REJECTED: "sign-in",
    Reason.VENDOR_INCIDENT: "vendor",
    Reason.SPF_PERMERROR: "records",
    Reason.ATTESTATION_OVERDUE: "attestation",
}


def _kinds() -> Iterator[tuple[Reason, str]]:
    kind = ""
    for reason in Reason:  # the list is written group by group
        kind = _FIRST_OF_KIND.get(reason, kind)
        yield reason, kind


KIND: Final = MappingProxyType(dict(_kinds()))
"""The group of each reason: reasons of one group say much the same."""


def wrong_parts(cells: Iterable[Cell], endpoints: Iterable[EndpointState]) -> Iterator[str]:
    """What is wrong now; the first word says what kind of part it is."""
    for name, health in cells:
        if health in (Health.DOWN, Health.DEGRADED):
            yield f"{'cell' if health is Health.DOWN else 'degraded'} {name}"
    for state in endpoints:
        if state.kept.control.latched(state.spec):
            yield f"cause {state.spec.id} {Reason.WRONG_CODE_ACCEPTED}"
        last = state.because
        if not state.wrong or last is None:
            continue
        # A first fail of what is only degraded may be a blip.
        if last.outcome is (Outcome.FAIL if state.shown is Health.DOWN else Outcome.WARN):
            yield f"kind {KIND[last.reason]}"
            if state.spec.evidence is Evidence.CAUSE:
                yield from (f"cause {state.spec.id} {name}" for name in state.troubles)


def ended_parts(cells: Iterable[Cell], endpoints: Iterable[EndpointState]) -> Iterator[str]:
    """What is proven well again: it would be new if it came once more.

    Kinds of reasons and degraded cells are new once in an incident.
    """
    for name, health in cells:
        if health is Health.UP:
            yield f"cell {name}"
    for state in endpoints:
        if state.spec.evidence is Evidence.CAUSE and state.shown is Health.UP:
            yield f"cause {state.spec.id}"
        elif state.kept.control.refused_at is not None and not state.kept.control.accepted:
            yield f"cause {state.spec.id} {Reason.WRONG_CODE_ACCEPTED}"


def is_new_beneath_red(part: str) -> bool:
    """Whether a part widens what is red: beneath red a kind of reason or slowness is no news."""
    return part.startswith(("cell ", "cause "))
