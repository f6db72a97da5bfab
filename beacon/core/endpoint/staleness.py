"""How long an endpoint may prove nothing before it is unknown.

Errors prove nothing, and one fail is no health; a wait for a free code is no silence.
"""

from typing import Final

from beacon.core.effects import Effect
from beacon.core.endpoint.state import EndpointState
from beacon.core.model import LONG_AGO, Health, Moment, Outcome
from beacon.core.timers import Timers

RECHECK_LATE_BY: Final = 5.0
"""Seconds that a confirming run may begin or be judged late, beyond its own timeout."""


class Staleness:
    """The timers of all endpoints: when each is unknown unless something proves its health."""

    def __init__(self, timers: Timers, effects: list[Effect]) -> None:
        self._timers, self._effects = timers, effects

    def arm(self, state: EndpointState, at: Moment) -> None:
        """Begin to wait for the next proof.

        But a fail that waits to be confirmed is no silence: its next run has its time.
        """
        assert state.last is not None, "armed by a reading"
        spec, outcome = state.spec, state.last.outcome
        if state.guarded and state.health in (Health.UP, Health.DEGRADED):
            return  # only what is down is held: nothing will prove that it is still well
        unproved = outcome is Outcome.FAIL and state.shown in (Health.UP, Health.DEGRADED)
        if state.guarded or not (unproved or outcome is Outcome.ERROR):
            self._timers.set(state, max(at, state.held_until) + spec.stale_after)
        elif unproved and state.wants_recheck and (due := self._timers.get(state)) is not None:
            pause = spec.interval if spec.retry_interval is None else spec.retry_interval
            begin = max(at, state.started + pause)
            self._timers.set(state, max(due, begin + spec.timeout + RECHECK_LATE_BY))

    def wait_for(self, state: EndpointState, until: float) -> None:
        """Wait for the first reading after a restart no longer than that."""
        due = self._timers.get(state)
        self._timers.set(state, until if due is None else min(due, until))

    def delay(self, state: EndpointState, at: Moment, until: float) -> None:
        """Hold its health while a run that is due waits."""
        if (due := self._timers.get(state)) is None:
            return
        begin = max(at, state.delayed_until)
        state.delayed_until = max(begin, until)
        self._timers.set(state, due + state.delayed_until - begin)

    @staticmethod
    def describe(state: EndpointState, at: Moment) -> tuple[bool, str]:
        """Whether it was silent, and what is wrong with one that proved nothing for too long."""
        lasting = state.spec.stale_after
        silent = at >= state.started + lasting
        if state.started == LONG_AGO:
            return silent, "not read since the start"
        only = "fails that nothing confirms" if state.streaks.fails else "errors"
        what = "reading" if silent else f"proof, only {only},"
        return silent, f"no {what} for {lasting:g} s"
