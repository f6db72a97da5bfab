"""An incident that held nothing but slowness stays open for a while after the verdict is well.

Lamps, `problem` and exit status follow the verdict; the incident is recovering until nothing has
been slow for half an hour. What is slow again by then, in the same cell, is the same trouble:
nobody is asked again, and what was acknowledged stays so. Anything else that begins meanwhile
widens the incident; red escalates, as ever (docs/slowness.md).
"""

from collections.abc import Sequence

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import CALM, LONG_AGO, RED, Moment, Verdict
from beacon.core.service.hold import Change
from beacon.core.service.incident import Incident


def follow(
    incident: Incident,
    change: Change,
    verdict: Verdict,
    endpoints: Sequence[EndpointState],
    at: Moment,
) -> tuple[Change, float | None]:
    """What a change of verdict means for an open incident; when to look again, if it rests.

    `Change.WIDENED` is a question: what begins after the verdict was well may be the same slowness.
    """
    if verdict in CALM:
        rests = change is Change.CLOSED or incident.view.verdict in CALM
        return _rest(incident, endpoints, at) if rests else (change, None)
    if change is Change.OPENED:
        change = Change.ESCALATED if verdict in RED else Change.WIDENED
    return change, None


def _rest(
    incident: Incident, endpoints: Sequence[EndpointState], at: Moment
) -> tuple[Change, float | None]:
    due = quiet_at(incident, endpoints)
    if at < due:
        return Change.NONE, due
    unread = any(not e.settled for e in endpoints)  # since a restart; to be read soon
    return Change.NONE if unread else Change.CLOSED, None


def quiet_at(incident: Incident, endpoints: Sequence[EndpointState]) -> float:
    """When nothing will have been slow for long enough; long ago, if that is not all it held."""
    if not only_slowness(incident):
        return LONG_AGO
    return max(e.quiet_at for e in endpoints)


def only_slowness(incident: Incident) -> bool:
    """Whether the incident has held nothing but slowness so far."""
    slow = "kind slow" in incident.parts
    return slow and all(p.startswith(("degraded ", "kind slow")) for p in incident.parts)
