"""The actions of the control socket: questions, and the commands of operators."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from beacon.core.effects import Answered, Effect, OverlaysChanged
from beacon.core.monitor import Monitor
from beacon.core.operator.commands import COMMANDS, LampTest, Refusal, parse
from beacon.engine.clock import Clock, WallClockMap
from beacon.engine.loop import Engine
from beacon.outputs.control.socket import Action, ActionRefused, Answer
from beacon.outputs.documents import explanation, iso, status

ANSWER_WITHIN = 5.0
"""Seconds that the loop's thread has to answer."""


class Actions:
    """Carries out what is asked. Called in the control socket's threads; the loop decides."""

    def __init__(
        self, engine: Engine, monitor: Monitor, lamp_test: Callable[[bool], None], clock: Clock
    ) -> None:
        self._engine, self._monitor, self._lamp_test = engine, monitor, lamp_test
        self._clock, self._moments = clock, WallClockMap(clock)

    def all(self) -> dict[str, Action]:
        """Return the actions by name."""
        return {
            "status": self._status,
            "explain": self._explained,
            **{name: partial(self._obey, name) for name in COMMANDS},
        }

    def _status(self, _request: Mapping[str, Any], _by: str) -> Answer:
        view = self._engine.ask(self._monitor.view, ANSWER_WITHIN)
        return status(view, self._moments, self._monitor.site)

    def _explained(self, request: Mapping[str, Any], _by: str) -> Answer:
        service = text(request, "service")
        found = self._engine.ask(lambda: self._monitor.explain(service), ANSWER_WITHIN)
        if found is None:
            known = self._engine.ask(self._monitor.view, ANSWER_WITHIN).overall.services
            raise ActionRefused(f"no service {service!r}; there is: {', '.join(dict(known))}")
        return explanation(found, self._clock.monotonic(), self._moments)

    def _obey(self, name: str, request: Mapping[str, Any], by: str) -> Answer:
        event = parse(name, request, at=self._clock.monotonic(), by=by, origin="cli")
        if isinstance(event, Refusal):
            raise ActionRefused(event.message)
        if isinstance(event, LampTest):
            self._lamp_test(request.get("buzzer", True) is True)
            return {}

        def act() -> Answer:
            effects = self._engine.act(replace(event, at=self._clock.monotonic()))
            refusals = [e.error for e in effects if isinstance(e, Answered) and not e.ok]
            if refusals:
                raise ActionRefused(refusals[0])
            return self._overlaid(name, effects)

        return self._engine.ask(act, ANSWER_WITHIN)

    def _overlaid(self, name: str, effects: Iterable[Effect]) -> Answer:
        """List the overlays this command has just made: over what, and until when."""
        made = [
            {"subject": each.subject, "until": each.until and iso(self._moments(each.until))}
            for effect in effects
            if isinstance(effect, OverlaysChanged) and effect.kind == name
            for each in effect.overlays
            if each.since == effect.at and each.origin == "cli"
        ]
        return {"overlays": made} if made else {}


def text(request: Mapping[str, Any], key: str) -> str:
    """A field of a request. Raises `ActionRefused` for what is no short text."""
    value = request.get(key) or ""
    if not isinstance(value, str) or len(value) > 200:
        raise ActionRefused(f"`{key}` is text of at most 200 characters")
    return value
