"""What an operator holds back (shelving, maintenance), and when it may alarm again.

While a service is suppressed it is probed as ever, and asks for nothing. Afterwards it is no alarm
before it has been confirmed by a fresh probe, and only what is worse than before is one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from beacon.core.endpoint.state import SHORTEST_WAIT, EndpointState
from beacon.core.model import OPENING, RED, Moment, Outcome, Verdict
from beacon.core.service.hold import Change


@dataclass(frozen=True, slots=True)
class Suppression:
    """A service that is suppressed, or was until just now and is not yet confirmed.

    `before` is its verdict when it began; `ended_at` is None while it is suppressed.
    """

    before: Verdict
    ended_at: Moment | None = None


def time_to_confirm(endpoints: Iterable[EndpointState]) -> float:
    """Seconds after a suppression in which what is wrong must be read again, or is an alarm."""
    return max((e.longest_unread for e in endpoints if e.rereadable), default=SHORTEST_WAIT)


def confirmed(verdict: Verdict, culprits: Iterable[EndpointState], since: float) -> bool:
    """Whether any of what is wrong with a service has been probed since then, and failed again.

    What cannot be asked again counts by its last reading: there may never be another.
    """
    return verdict not in OPENING or any(
        not e.rereadable or (e.started >= since and _failed(e)) for e in culprits
    )


def _failed(culprit: EndpointState) -> bool:
    because = culprit.because
    return because is not None and because.outcome in (Outcome.FAIL, Outcome.WARN)


def worse_than(before: Verdict, verdict: Verdict, *, incident: bool) -> Change | None:
    """What a service is worse by than before it was suppressed. `incident`: one is open."""
    if verdict not in OPENING:
        return None
    if not incident:
        return Change.OPENED
    if verdict in RED and before not in RED:
        return Change.RELAPSED if before is Verdict.RECOVERING else Change.ESCALATED
    return None
