"""Turns the healths of a service's endpoints into one verdict. Keeps no state.

Symptoms decide, claims advise, causes explain. Unknown neither lowers nor raises a verdict:
while there is trouble, what is unknown counts as it was last proven since the trouble began.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.model import RANK, SEVERITY, Evidence, Health, Verdict
from beacon.core.service.endpoint_snapshot import EndpointSnapshot

Cell = tuple[str, Health]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the table says of one service at one moment.

    `blind`: something it rests on is unknown now. `known`: the verdict of what counts alone,
    which an open incident follows; `BLIND` if that is nothing.
    """

    verdict: Verdict
    known: Verdict
    cells: tuple[Cell, ...] = ()
    shallow: bool = False
    partial: bool = False
    vendor_says_fine: bool = False
    vendor_admits: bool = False
    blind: bool = False


NOTHING_KNOWN: Final = Judgement(Verdict.BLIND, Verdict.BLIND, blind=True)


def judge(endpoints: Sequence[EndpointSnapshot]) -> Judgement:
    """Judge a service by its endpoints, in configured order.

    Those that look back can raise what the others come to. Users who fare well weaken only what
    other users' failures say, never what fails now.
    """
    present = [e for e in endpoints if not e.spec.looks_back]
    if not present:
        return _judge(endpoints)
    found = _judge(present)
    if not any(e.raises_verdict for e in endpoints):
        return found
    raised = _judge(
        [e for e in endpoints if not e.spec.looks_back or e.raises_verdict or e.health is Health.UP]
    )
    return raised if RANK[raised.verdict] >= RANK[found.verdict] else found


def _judge(endpoints: Sequence[EndpointSnapshot]) -> Judgement:
    by = {kind: [e for e in endpoints if e.spec.evidence is kind] for kind in Evidence}
    claims, causes = by[Evidence.CLAIM], by[Evidence.CAUSE]
    admits = any(e.health in (Health.DEGRADED, Health.DOWN) for e in claims)
    fine = not admits and any(e.health is Health.UP for e in claims)
    symptoms, healths = by[Evidence.SYMPTOM], by[Evidence.HEALTH]
    if basis := symptoms or healths:
        shallow = all(e.spec.looks_back for e in symptoms)
        found = _by_cells(basis, fine=fine, admits=admits, shallow=shallow)
        planned = [e for e in basis if e.planned]
        return _beside(found, planned + healths + causes, admits=admits)
    if causes:
        return _beside(_by_causes(causes, admits=admits), causes, admits=admits)
    return _by_claims(fine=fine, admits=admits)


def _cells(endpoints: Iterable[EndpointSnapshot]) -> dict[str, list[EndpointSnapshot]]:
    cells: dict[str, list[EndpointSnapshot]] = {}
    for endpoint in endpoints:
        cells.setdefault(endpoint.spec.cell, []).append(endpoint)
    return cells


def _worst(members: Iterable[tuple[EndpointSnapshot, Health]]) -> Health:
    """Judge one cell: down when any in it is down; unknown never hides known trouble."""
    planned_is_up = (Health.UP if e.planned else health for e, health in members)
    return max(planned_is_up, key=SEVERITY.__getitem__)


def _by_cells(
    endpoints: Sequence[EndpointSnapshot], *, fine: bool, admits: bool, shallow: bool
) -> Judgement:
    members = _cells(endpoints)
    cells = tuple((name, _worst((e, e.health) for e in each)) for name, each in members.items())
    # A cell that becomes unknown while another is down counts as it was last proven: else our
    # own expired password for one region would turn the loss of another into an outage of all.
    healths = [_worst((e, e.counted_health) for e in each) for each in members.values()]
    unknown = sum(health is Health.UNKNOWN for _, health in cells)
    down = healths.count(Health.DOWN)
    counted = len(healths) - healths.count(Health.UNKNOWN)
    if not counted:
        known = Verdict.BLIND
    elif down == counted:
        known = Verdict.GRAY_FAILURE if fine else Verdict.OUTAGE
    elif down or Health.DEGRADED in healths:
        known = Verdict.DEGRADED
    else:  # that all was well before it became unknown proves no recovery
        known = Verdict.OK if unknown < len(cells) else Verdict.BLIND
    verdict = Verdict.BLIND if known is Verdict.OK and unknown else known
    return Judgement(
        verdict,
        known,
        cells,
        shallow=shallow,
        partial=0 < down < len(healths) or (verdict is Verdict.BLIND and unknown < len(healths)),
        vendor_says_fine=fine and bool(down),
        vendor_admits=admits,
        blind=bool(unknown),
    )


def _by_causes(causes: Sequence[EndpointSnapshot], *, admits: bool) -> Judgement:
    """Only causes: a shallow green, or blind; `_beside` may raise it."""
    unknown = sum(e.health is Health.UNKNOWN for e in causes)
    return Judgement(
        Verdict.BLIND if unknown else Verdict.OK,
        Verdict.BLIND if unknown == len(causes) else Verdict.OK,
        shallow=True,
        partial=0 < unknown < len(causes),
        vendor_admits=admits,
        blind=bool(unknown),
    )


def _by_claims(*, fine: bool, admits: bool) -> Judgement:
    if admits:
        return Judgement(Verdict.ADVISORY, Verdict.ADVISORY, shallow=True, vendor_admits=True)
    verdict = Verdict.OK if fine else Verdict.BLIND
    return Judgement(verdict, verdict, shallow=True, blind=not fine)


def _beside(found: Judgement, others: Iterable[EndpointSnapshot], *, admits: bool) -> Judgement:
    """Raise by what stands beside the cells: never lower, never to red."""
    raised, unseen = Verdict.ADVISORY if admits else Verdict.OK, False
    for other in others:
        worse = _raised_by(other)
        unseen |= worse is not Verdict.OK and other.health is Health.UNKNOWN
        if RANK[worse] > RANK[raised]:
            raised = worse
    return replace(
        found,
        verdict=_worse(found.verdict, raised),
        known=found.known if found.known is Verdict.BLIND else _worse(found.known, raised),
        blind=found.blind or unseen,
    )


def raised_to_degraded(found: Judgement) -> Judgement:
    """Raise by what no endpoint shows alone: never lower, never to red."""
    known = found.known
    return replace(
        found,
        verdict=_worse(found.verdict, Verdict.DEGRADED),
        known=known if known is Verdict.BLIND else _worse(known, Verdict.DEGRADED),
    )


def _worse(verdict: Verdict, raised: Verdict) -> Verdict:
    return max(verdict, raised, key=RANK.__getitem__)


def _raised_by(other: EndpointSnapshot) -> Verdict:
    if other.counted_health is Health.DOWN:
        return Verdict.DEGRADED
    if other.counted_health is not Health.DEGRADED:
        return Verdict.OK
    if other.planned or other.spec.evidence is Evidence.CAUSE:
        return Verdict.ADVISORY
    return Verdict.DEGRADED
