"""The tower drawn from MQTT topics alone, as any other consumer could.

`Mirror.receive` turns topics back into effects of the core, for `beacon.outputs.terminal.screen`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from beacon.core.effects import (
    Announced,
    Announcement,
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.indication import SIGNAL, Colour, Indication, Light, Pattern, Sound
from beacon.core.model import Health, Moment, Reading, Reason, Site, Verdict
from beacon.core.views import (
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    ServiceView,
)
from beacon.engine.clock import Clock, utc_at
from beacon.engine.latest import Latest
from beacon.outputs.terminal.screen import TerminalScreen

FLASHING: Final = (Pattern.SLOW, Pattern.FAST)

Payload = Mapping[str, Any]


class Mirror:
    """All messages so far, as a screen; without overlays, which the story has none of."""

    def __init__(self, site: Site, lamps: Sequence[Colour], clock: Clock) -> None:
        self._clock = clock
        self._lamps: dict[Colour, str] = dict.fromkeys(lamps, Pattern.OFF)
        self.view = TerminalScreen(site, lamps, utc_at(clock, 0.0), Latest())

    @property
    def lamps(self) -> Mapping[Colour, str]:
        """The state of each lamp, as on its topic."""
        return self._lamps

    def receive(self, path: str, text: str) -> None:
        """Take one message; `path` is its topic below the beacon's base."""
        kind, _, name = path.partition("/")
        if kind == "lamp":
            self._lamp(Colour(name), text)
        elif kind in ("state", "service", "incident", "event", "buzzer"):
            self._verdict(kind, name, json.loads(text))
        elif kind == "endpoint":
            self._read(name, json.loads(text))
        elif kind == "witness":
            self._read(path, json.loads(text))

    def _take(self, effect: Effect) -> None:
        self.view.latest.take((effect,))
        self.view.take(effect)

    def _verdict(self, kind: str, name: str, payload: Payload) -> None:
        if kind == "state":
            self._take(OverallChanged(self._now(), self._overall(payload)))
        elif kind == "service":
            self._take(ServiceChanged(self._now(), self._service(name, payload)))
        elif kind == "incident":
            self._take(self._incident(payload))
        elif kind == "event":
            self._take(self._event(payload))
        elif payload["state"] == "ON":
            self._take(Sounded(self._now(), Sound(payload["pattern"])))

    def _now(self) -> Moment:
        return self._clock.monotonic()

    def _at(self, iso: str | None) -> Moment:
        """The monotonic moment of a time on a topic."""
        if iso is None:
            return self._now()
        ago = self._clock.utc() - datetime.fromisoformat(iso)
        return Moment(self._now() - ago.total_seconds())

    def _lamp(self, colour: Colour, state: str) -> None:
        self._lamps[colour] = state
        self._take(_shown(self._now(), self._lamps))

    def _overall(self, payload: Payload) -> OverallView:
        return OverallView(
            verdict=Verdict(payload["verdict"]),
            problem=payload["problem"],
            since=self._at(payload["since"]),
            blind=payload["blind"],
            starting=payload["starting"],
            services=tuple((name, Verdict(v)) for name, v in payload["services"].items()),
            overlays=tuple(payload["overlays"]),
            network=payload["network"],
            clock=payload["clock"],
            first_out=payload["first_out"],
        )

    def _service(self, name: str, payload: Payload) -> ServiceView:
        return ServiceView(
            id=name,
            verdict=Verdict(payload["verdict"]),
            since=self._at(payload["since"]),
            cause=payload["cause"],
            explanation=payload["explanation"] or "",
            blind=payload["blind"],
            starting=payload["starting"],
        )

    def _read(self, endpoint: str, payload: Payload) -> None:
        latency = payload["latency_ms"]
        read = EndpointRead(
            at=self._at(payload["checked_at"]),
            endpoint=endpoint,
            reading=Reading(
                Reason(payload["reason"]),
                payload["detail"] or "",
                None if latency is None else latency / 1000,
            ),
            health=Health(payload["health"]),
            failures=payload["failures"],
        )
        before = self.view.latest.of(EndpointRead, endpoint)
        self._take(read)
        if before is not None and before.health is not read.health:
            self._take(Transition(read.at, endpoint, before.health, read.health, read.reading))

    def _incident(self, payload: Payload) -> IncidentChanged:
        if payload["state"] == IncidentState.NONE:
            return IncidentChanged(self._now(), None, payload["others"])
        incident = IncidentView(
            number=int(payload["id"].rpartition("-")[2]),
            service=payload["service"],
            state=IncidentState(payload["state"]),
            since=self._at(payload["since"]),
            verdict=Verdict(payload["verdict"]),
            peak=Verdict(payload["peak"]),
            first_out=payload["first_out"] or "",
            acknowledged=payload["acknowledged"],
            acknowledged_by=payload["acknowledged_by"],
            cause=payload["cause"],
            vendor_lead=payload["vendor_lead_s"],
        )
        return IncidentChanged(self._now(), incident, payload["others"])

    def _event(self, payload: Payload) -> Announced:
        return Announced(
            at=self._at(payload["at"]),
            what=Announcement(payload["event_type"]),
            service=payload["service"],
            verdict=Verdict(payload["verdict"]),
            cause=payload["cause"],
            by=payload["by"],
        )


def _shown(at: float, lamps: Mapping[Colour, str]) -> IndicationChanged:
    """The lamps as an indication. If two flash alike, the lower one is in antiphase."""
    lights: dict[str, Light] = {}
    for colour, state in lamps.items():
        # A lamp that signals (a lamp test) has no pattern of its own: shown as lit.
        pattern = Pattern.STEADY if state == SIGNAL else Pattern(state)
        second = pattern in FLASHING and Light(pattern) in lights.values()
        lights[colour.value] = Light(pattern, antiphase=second)
    return IndicationChanged(at, Indication(**lights, flags=()))
