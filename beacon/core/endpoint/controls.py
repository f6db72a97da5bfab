"""When each endpoint sends a wrong code, and what came of it (`core.account.control`)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from beacon.core.account.control import ControlKept
from beacon.core.effects import Control, Effect
from beacon.core.endpoint.dependencies import Dependencies
from beacon.core.endpoint.state import EndpointState
from beacon.core.inputs import Controlled
from beacon.core.model import NEVER, REJECTED, Moment, Outcome, Reading
from beacon.core.timers import Timers

ACCEPTED: Final = frozenset({Outcome.PASS, Outcome.WARN})


class Controls:
    """The negative controls of all endpoints."""

    def __init__(self, timers: Timers, effects: list[Effect], dependencies: Dependencies) -> None:
        self._timers, self._effects, self._dependencies = timers, effects, dependencies

    def follow(self, states: Iterable[EndpointState], at: Moment) -> None:
        """Wait for the moment at which a proof has been awaited for too long at each of these."""
        for state in states:
            due = state.kept.control.unproven_at(state.spec)
            timer = f"control {state.spec.id}", state.spec.service
            self._timers.set(timer, due if at < due < NEVER else None)

    def recall(self, states: Iterable[EndpointState], slept: float, at: Moment) -> None:
        """Go on after a restart; we did not run for `slept` seconds."""
        for state in states:
            state.kept = replace(state.kept, control=state.kept.control.slept(slept))
            self.follow((state,), at)

    def observed(
        self, state: EndpointState, reading: Reading, at: Moment, *, bypassed: bool
    ) -> None:
        """After an accepted sign-in that we trust, send a wrong code, if that is due."""
        control = state.kept.control
        if state.last is None or not {reading.outcome, state.last.outcome} <= ACCEPTED:
            return
        if bypassed:
            if control.made_at is not None:
                self._keep(state, control.put_off(), at)
        elif control.due(state.spec, at):
            self._keep(state, control.made(at), at)
            self._effects.append(Control(at, state.spec.id))

    def controlled(self, state: EndpointState, event: Controlled) -> None:
        """Take in what became of a wrong code. Other answers prove nothing.

        Nor does a run that ended before its code was sent: that was the password's rejection.
        """
        control, reading = state.kept.control, event.reading
        if not event.code_sent:
            return
        if reading.reason in REJECTED:
            control = control.refused(event.at)
        elif reading.outcome in ACCEPTED:
            control = control.taken()
        else:
            return
        self._keep(state, control, event.at)
        self._dependencies.touch_service(state)

    def _keep(self, state: EndpointState, control: ControlKept, at: Moment) -> None:
        state.kept = replace(state.kept, control=control)
        self.follow((state,), at)
