"""Compares how long passing readings took with their limits, and learns from them what is usual.

Nothing is learned while something else is wrong with the service, and no hour is known while our
own clock is wrong.
"""

import math
from collections.abc import Callable, Container, Mapping

from beacon.core.endpoint.latency.baseline import Baseline, Baselines
from beacon.core.endpoint.latency.slowness import tells_pace
from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Health, Moment, Reading, Reason
from beacon.core.trust.clock import OwnClock


class LatencyWatch:
    """The baselines of all endpoints. `disturbed` says of a service not to learn from it now."""

    def __init__(self, clock: OwnClock, disturbed: Callable[[str], bool]) -> None:
        self.baselines = Baselines()
        self._clock, self._disturbed = clock, disturbed
        self._calendar_hour: int | None = None  # of the week; None: the calendar does not know

    def configure(self, endpoints: Mapping[str, EndpointState], changed: Container[str]) -> None:
        """Compare these endpoints from now on; `changed` ones are learnt anew."""
        for name, state in endpoints.items():
            if name in changed:
                self.baselines.forget(name)
            state.baseline = self.baselines.of(state.spec)

    def begin_hour(self, hour: int | None, endpoints: Mapping[str, EndpointState]) -> None:
        """Another hour of the week began; None: the calendar does not know which."""
        self._calendar_hour = hour
        if hour is not None:
            watched = {n for n, state in endpoints.items() if state.baseline is not None}
            self.baselines.leave(hour, watched)

    @property
    def _hour(self) -> int | None:
        """The hour of the week; None: not known."""
        return None if self._clock.word == "lost" else self._calendar_hour

    def compare(self, state: EndpointState, reading: Reading, at: Moment) -> None:
        """Judge how long a passing reading took."""
        baseline = state.baseline
        set_by_hand = state.spec.slow_after is not None
        if not (set_by_hand or baseline is not None) or not tells_pace(reading):
            return
        latency = reading.latency
        if latency is None:
            if reading.reason is Reason.SLOW or not (set_by_hand or state.kept.slow):
                return
            latency = 0.0  # not measured: not slow
        state.note_latency(latency, self._usual_limit(baseline), at)

    def _usual_limit(self, baseline: Baseline | None) -> float:
        """Seconds above which it is slow against what is usual now."""
        hour = self._hour
        if baseline is None or hour is None:
            return math.inf
        if baseline.hour != hour:
            baseline.begin(hour)
        return baseline.limit

    def learn(self, state: EndpointState, reading: Reading) -> None:
        """Learn from a passing reading, unless something else is wrong with its service."""
        baseline = state.baseline
        if baseline is None or reading.reason is not Reason.OK or reading.latency is None:
            return
        well = state.shown is Health.UP and not self._disturbed(state.spec.service)
        if self._hour is not None and (well or state.kept.slow):
            baseline.add(reading.latency)
