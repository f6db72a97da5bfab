"""What is shown while the judge has stalled: blind.

The judge cannot report that it hangs, and its last verdict must not stay as if it were current.
"""

from dataclasses import replace
from typing import Final

from beacon.core.model import Health, Verdict
from beacon.core.views import OverallView, ServiceView
from beacon.engine.clock import Clock
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.topics import HealthReport

LOOK_EVERY: Final = 1.0
"""Seconds, about, between two looks of a healthy thread."""
EXPLANATION: Final = "the beacon's judge has stalled: nothing is judged now; see the beacon's log"


class StallWatch:
    """Watches the judge's heartbeat, for one thread that looks about once a second."""

    def __init__(self, judge: Heartbeat, clock: Clock) -> None:
        self._judge, self._clock = judge, clock
        self._looked = self._began = clock.monotonic()
        self._since: float | None = None

    def look(self) -> float | None:
        """Since when the judge has stalled; None while it has not."""
        now, at = self._clock.monotonic(), self._judge.at
        at = self._began if at is None else at  # the judge may hang before its first beat
        late, self._looked = now - self._looked > 3 * LOOK_EVERY, now
        if now - at < Heartbeat.LIMIT:
            self._since = None
        # If this thread was stopped as well (SIGSTOP, suspend), wait for one more beat.
        elif not late or self._since is not None:
            self._since = at
        return self._since


def overall(view: OverallView, since: float) -> OverallView:
    """The overall view while nobody judges."""
    return replace(
        view,
        verdict=Verdict.BLIND,
        problem=True,
        since=since,
        blind=True,
        services=tuple((name, Verdict.BLIND) for name, _ in view.services),
    )


def service(view: ServiceView, since: float) -> ServiceView:
    """A service while nobody judges."""
    return replace(
        view,
        verdict=Verdict.BLIND,
        since=since,
        cause=None,
        explanation=EXPLANATION,
        cells=tuple((name, Health.UNKNOWN) for name, _ in view.cells),
        endpoints=tuple((name, Health.UNKNOWN) for name, _ in view.endpoints),
        blind=True,
        proof_at=view.proof_at if view.blind else since,
    )


def health(last: HealthReport | None, at: float, since: float) -> HealthReport:
    """The beacon's health while nobody judges: the last report, with the lag of now."""
    lag = (at - since) * 1000
    known = last or HealthReport(at, lag, stalled=True)
    return replace(known, at=at, loop_lag_ms=lag, stalled=True)
