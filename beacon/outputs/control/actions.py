"""What an operator on this machine may ask and order: the actions of the control socket."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from beacon.core.effects import Answered, Effect, OverlaysChanged
from beacon.core.explain import Explained
from beacon.core.model import Site, Verdict
from beacon.core.operator.commands import OF_THE_TOWER, ORDERS, Command
from beacon.core.tower.annunciator import SILENCE_AT_MOST
from beacon.core.views import View
from beacon.engine.clock import Clock, WallClockMap
from beacon.engine.loop import Engine
from beacon.outputs.control.socket import Action, ActionRefused, Answer
from beacon.outputs.documents import explanation, iso, status
from beacon.outputs.mqtt.topics import line

ANSWER_WITHIN = 5.0
"""Seconds the deciding thread has to answer."""
FOREVER = 1e9
"""Seconds; whatever is longer is refused as too long anyway."""


class Actions:
    """Asks the deciding thread; called from the control socket's threads.

    `site` is what is watched now.
    """

    def __init__(
        self,
        engine: Engine,
        view: Callable[[], View],
        explain: Callable[[str], Explained | None],
        lamp_test: Callable[[bool], None],
        clock: Clock,
        *,
        site: Callable[[], Site],
    ) -> None:
        self._engine, self._view, self._lamp_test = engine, view, lamp_test
        self._explain, self._clock, self._site = explain, clock, site
        self._moments = WallClockMap(clock)

    def all(self) -> dict[str, Action]:
        """The actions by name."""
        return {
            "status": self._status,
            "explain": self._explained,
            **{name: partial(self._order, name) for name in ORDERS},
            "lamp_test": self._test_lamps,
        }

    def _status(self, _request: Mapping[str, Any], _by: str) -> Answer:
        view = self._engine.ask(self._view, ANSWER_WITHIN)
        return status(view, self._moments, self._site())

    def _explained(self, request: Mapping[str, Any], _by: str) -> Answer:
        service = _text(request, "service")
        found = self._engine.ask(lambda: self._explain(service), ANSWER_WITHIN)
        if found is None:
            known = self._engine.ask(self._view, ANSWER_WITHIN).overall.services
            raise ActionRefused(f"no service {service!r}; there is: {', '.join(dict(known))}")
        return explanation(found, self._clock.monotonic(), self._moments)

    def _test_lamps(self, request: Mapping[str, Any], _by: str) -> Answer:
        self._lamp_test(request.get("buzzer", True) is True)
        return {}

    def _order(self, name: str, request: Mapping[str, Any], by: str) -> Answer:
        command = Command(
            name,
            by,
            line(_text(request, "reason")),
            _chosen(name, request),
            on=_switch(request),
            seconds=_seconds(name, request),
            verdict=_verdict(request),
            origin="cli",
        )

        def act() -> Answer:
            effects = self._engine.act(command.event(self._clock.monotonic()))
            refusals = [e.error for e in effects if isinstance(e, Answered) and not e.ok]
            if refusals:
                raise ActionRefused(refusals[0])
            return self._laid(name, effects) if command.on else {}

        return self._engine.ask(act, ANSWER_WITHIN)

    def _laid(self, name: str, effects: Iterable[Effect]) -> Answer:
        """What this order has just laid on: over what, and until when."""
        laid = [
            {"subject": each.subject, "until": each.until and iso(self._moments(each.until))}
            for effect in effects
            if isinstance(effect, OverlaysChanged) and effect.kind == name
            for each in effect.overlays
            if each.since == effect.at and each.origin == "cli"
        ]
        return {"overlays": laid} if laid else {}


def _switch(request: Mapping[str, Any]) -> bool:
    on = request.get("on", True)
    if not isinstance(on, bool):
        raise ActionRefused("`on` is true or false")
    return on


def _chosen(name: str, request: Mapping[str, Any]) -> str | None:
    service = request.get("service")
    if service is not None and name in OF_THE_TOWER:
        raise ActionRefused(f"{name} concerns the whole tower: leave `service` out")
    if service is None or (isinstance(service, str) and service):
        return service
    raise ActionRefused("`service` is the id of one, or left out for all")


def _seconds(name: str, request: Mapping[str, Any]) -> float | None:
    seconds = request.get("seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ActionRefused("`seconds` is a number greater than 0")
    if name == "silence" and seconds > SILENCE_AT_MOST:
        raise ActionRefused(f"a silence lasts {SILENCE_AT_MOST / 60:g} minutes at most")
    return float(min(seconds, FOREVER))


def _verdict(request: Mapping[str, Any]) -> Verdict:
    word = _text(request, "verdict") or Verdict.OUTAGE
    if word not in tuple(Verdict):
        raise ActionRefused(f"`verdict` is one of {', '.join(Verdict)}")
    return Verdict(word)


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key) or ""
    if not isinstance(value, str) or len(value) > 200:
        raise ActionRefused(f"`{key}` is text of at most 200 characters")
    return value
