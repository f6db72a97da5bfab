"""An incident that held nothing but slowness stays open for a while after the verdict is well.

Lamps, `problem` and exit status follow the verdict; the incident is recovering until nothing has
been slow for half an hour. What is slow again by then, in the same cell, is the same trouble:
nobody is asked again, and what was acknowledged stays so. Anything else that begins meanwhile
is announced; red escalates, as ever (docs/slowness.md).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import CALM, OPENING, RED, Evidence, Health, Verdict
from beacon.core.service.hold import Change
from beacon.core.service.incident import Incident

WIDENED: Final = Change.RELAPSED
"""How it is announced that something else began while an incident of slowness recovers."""


def slow_cells(culprits: Iterable[EndpointState]) -> tuple[str, ...] | None:
    """The cells that are slow, if slowness is all that is wrong; else None."""
    troubling = [e for e in culprits if not _only_warns(e)]
    if not troubling or not all(e.only_slow for e in troubling):
        return None
    return tuple(dict.fromkeys(f"{e.spec.evidence} {e.spec.cell}" for e in troubling))


def _only_warns(culprit: EndpointState) -> bool:
    """Whether it is a cause that warns: that is an advisory, and no part of an incident."""
    return culprit.spec.evidence is Evidence.CAUSE and culprit.shown is Health.DEGRADED


def follow(
    incident: Incident, change: Change, verdict: Verdict, culprits: Sequence[EndpointState]
) -> Change:
    """What a change of the verdict means while this incident is open."""
    slow = slow_cells(culprits)
    if verdict in OPENING and change is Change.OPENED:  # its verdict had been well again
        change = _again(incident, verdict, slow)
    if culprits and verdict in OPENING:
        incident.note_slow(slow)
    return change


def _again(incident: Incident, verdict: Verdict, slow: tuple[str, ...] | None) -> Change:
    if verdict in RED:
        return Change.ESCALATED
    same = slow is not None and set(slow) <= set(incident.slow_cells or ())
    return Change.NONE if same else WIDENED


def rest(
    incident: Incident,
    change: Change,
    verdict: Verdict,
    endpoints: Iterable[EndpointState],
    at: float,
) -> tuple[Change, float | None]:
    """Keep the incident open until nothing has been slow for long enough; when to look again."""
    rests = change is Change.CLOSED or (change is Change.NONE and incident.view.verdict in CALM)
    if verdict not in CALM or not rests:
        return change, None
    unread = any(not e.settled for e in endpoints)
    due = max(e.quiet_at for e in endpoints)
    if incident.slow_cells is None or (at >= due and not unread):
        return Change.CLOSED, None
    return Change.NONE, due
