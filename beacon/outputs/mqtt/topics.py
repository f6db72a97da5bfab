"""What stands on which topic: pure functions from the core's words to MQTT messages.

No client, no clock: times come in through `moment`, which turns monotonic seconds into
aware UTC. `docs/mqtt.md` is this file in prose.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from beacon.config.schema import Config
from beacon.core.effects import Announced, Answered, OverlaysChanged
from beacon.core.tower.indication import Colour, Sound
from beacon.core.views import (
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    OverlayKind,
    ServiceView,
    SilenceChanged,
    VendorWord,
)

ONLINE: Final = "online"
OFFLINE: Final = "offline"
LONGEST_TEXT: Final = 200
NO_INCIDENT: Final = (
    *("id", "since", "service", "verdict", "peak", "first_out", "cause", "explanation"),
    *("vendor_lead_s", "vendor_differs", "vendor", "impact"),
    *("acknowledged_at", "acknowledged_by", "runbook"),
)
"""The keys of the incident topic that are null while there is none."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One thing to publish, exactly as it goes on the wire."""

    topic: str
    payload: str
    retain: bool = True
    qos: int = 0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The beacon's own health, once a minute. `at` is monotonic seconds.

    `loop_lag_ms`: how late the deciding thread was; `stalled`: it missed its beats.
    `clock_synced` and `clock_offset_ms` are None while nothing is known.
    """

    at: float
    loop_lag_ms: float
    stalled: bool
    clock_synced: bool | None
    clock_offset_ms: float | None
    storage_degraded: bool
    rss_mb: float


def text(words: str | None) -> str | None:
    """Words for a payload: at most 200 characters, valid UTF-8, None for nothing."""
    if not words:
        return None
    whole = words.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= LONGEST_TEXT else whole[: LONGEST_TEXT - 1] + "…"


def line(words: str | None) -> str:
    """One line for logs and terminals: nothing in it that moves a cursor or feigns a line."""
    return text("".join(c if c.isprintable() else " " for c in words or "").strip()) or ""


def iso(moment: datetime) -> str:
    """ISO 8601 with zone, to the nearest millisecond: cut off, 06:00 might read 05:59:59.999."""
    return (moment + timedelta(microseconds=500)).isoformat(timespec="milliseconds")


def incident_id(site: str, view: IncidentView, moment: Callable[[float], datetime]) -> str:
    """The name of an incident outside the core: site, UTC of its opening, number.

    `moment` gives the wall time of one whose opening time was not noted.
    """
    noted = view.opened_utc
    opened = moment(view.since) if noted is None else datetime.fromtimestamp(noted, UTC)
    return f"{site}-{opened:%Y%m%dT%H%M%SZ}-{view.number}"


def compact(document: Mapping[str, Any]) -> str:
    """JSON without blanks."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def endpoint_path(endpoint: str) -> str:
    """Where an endpoint stands below the base; witnesses already say what they are."""
    return endpoint if endpoint.startswith("witness/") else f"endpoint/{endpoint}"


def _short(tree: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Cut every text in it."""
    match tree:
        case dict():
            return {key: _short(value) for key, value in tree.items()}
        case list():
            return [_short(each) for each in tree]
        case str():
            return text(tree)
        case _:
            return tree


FAMILIES: Final = ("service/+", "explain/+", "endpoint/+/+", "witness/+", "lamp/+")
"""Retained topics, below the base, that come and go with the configuration."""


class Topics:
    """The topics of one beacon. `moment` must name the same moment always the same."""

    def __init__(self, config: Config, version: str, moment: Callable[[float], datetime]) -> None:
        if config.mqtt is None:
            raise ValueError("topics need the section mqtt")
        site = config.watched
        self.site = site.id
        self.base = f"{config.mqtt.base_topic}/{site.id}"
        self.availability = f"{self.base}/availability"
        self._version = version
        self.moment = moment
        self._config = config
        self._runbooks = {service.id: service.runbook for service in site.services}

    def members(self) -> frozenset[str]:
        """The topics of `FAMILIES` on which something of this configuration stands."""
        site, tower = self._config.watched, self._config.tower
        services = [s.id for s in site.services]
        paths = [
            *(f"{family}/{name}" for family in ("service", "explain") for name in services),
            *(endpoint_path(endpoint.id) for endpoint in site.endpoints),
            *(f"lamp/{colour}" for colour in tower.lamps),
        ]
        return frozenset(f"{self.base}/{path}" for path in paths)

    def _iso(self, at: float | None) -> str | None:
        return None if at is None else iso(self.moment(at))

    def _json(
        self, path: str, payload: Mapping[str, Any], *, retain: bool = True, qos: int = 0
    ) -> Publication:
        return Publication(f"{self.base}/{path}", compact(payload), retain, qos)

    def available(self, word: str) -> Publication:
        """`ONLINE` or `OFFLINE`; the latter is the last will too."""
        return Publication(self.availability, word, retain=True, qos=1)

    def state(self, overall: OverallView) -> Publication:
        """The overall verdict and what stands beside it."""
        payload = {
            "verdict": overall.verdict,
            "problem": overall.problem,
            "since": self._iso(overall.since),
            "blind": overall.blind,
            "starting": overall.starting,
            "overlays": list(overall.overlays),
            "services": dict(overall.services),
            "network": overall.network,
            "clock": overall.clock,
            "storage_degraded": overall.storage_degraded,
            "first_out": overall.first_out,
            "version": self._version,
        }
        return self._json("state", payload)

    def service(self, view: ServiceView) -> Publication:
        """One service as it is judged now."""
        payload = {
            "verdict": view.verdict,
            "since": self._iso(view.since),
            "cause": text(view.cause),
            "explanation": text(view.explanation),
            "cells": dict(view.cells),
            "shallow": view.shallow,
            "partial": view.partial,
            "vendor_says_fine": view.vendor_says_fine,
            "vendor_admits": view.vendor_admits,
            "blind": view.blind,
            "starting": view.starting,
            "proof_at": self._iso(view.proof_at),
            "endpoints": dict(view.endpoints),
            "overlays": list(view.overlays),
            "arrivals": [asdict(counts) for counts in view.arrivals],
        }
        return self._json(f"service/{view.id}", payload)

    def explain(self, document: Mapping[str, Any]) -> Publication:
        """Why a service is shown as it is: `beacon.outputs.documents.explanation`."""
        return self._json(f"explain/{document['service']}", _short(document))

    def endpoint(self, read: EndpointRead) -> Publication:
        """What an endpoint is held to be, with its last reading."""
        latency = read.reading.latency
        payload = {
            "health": read.health,
            "outcome": read.reading.outcome,
            "reason": read.reading.reason,
            "detail": text(read.reading.detail),
            "latency_ms": None if latency is None else round(latency * 1000, 1),
            "checked_at": self._iso(read.at),
            "failures": read.failures,
        }
        return self._json(endpoint_path(read.endpoint), payload)

    def id_of(self, incident: IncidentView) -> str:
        """The name of this incident on every topic."""
        return incident_id(self.site, incident, self.moment)

    def incident(self, incident: IncidentView | None, others: int) -> Publication:
        """The incident people should look at, or that there is none."""
        if incident is None or incident.state is IncidentState.CLOSED:
            none = {"state": IncidentState.NONE, "acknowledged": False, "others": others}
            return self._json("incident", none | dict.fromkeys(NO_INCIDENT))
        payload = {
            "state": incident.state,
            "acknowledged": incident.acknowledged,
            "others": others,
            "id": self.id_of(incident),
            "since": self._iso(incident.since),
            "service": incident.service,
            "verdict": incident.verdict,
            "peak": incident.peak,
            "first_out": text(incident.first_out),
            "cause": text(incident.cause),
            "explanation": text(incident.explanation),
            "vendor_lead_s": incident.vendor_lead,
            "vendor_differs": incident.vendor_differs,
            "vendor": [self._vendor_word(word) for word in incident.vendor],
            "impact": incident.impact,
            "acknowledged_at": self._iso(incident.acknowledged_at),
            "acknowledged_by": text(incident.acknowledged_by),
            "runbook": text(self._runbooks.get(incident.service)),
        }
        return self._json("incident", payload)

    def _vendor_word(self, word: VendorWord) -> dict[str, Any]:
        return {
            "endpoint": word.endpoint,
            "says": word.says,
            "words": text(word.words),
            "since": self._iso(word.since),
        }

    def event(self, announced: Announced) -> Publication:
        """One thing that happened, once."""
        incident = announced.incident
        payload = {
            "event_type": announced.what,
            "id": None if incident is None else self.id_of(incident),
            "service": announced.service,
            "verdict": announced.verdict,
            "cause": text(announced.cause),
            "explanation": text(None if incident is None else incident.explanation),
            "impact": None if incident is None else incident.impact,
            "runbook": text(self._runbooks.get(announced.service)),
            "by": text(announced.by),
            "at": self._iso(announced.at),
        }
        return self._json("event", payload, retain=False, qos=1)

    def lamps(self, lamps: Mapping[Colour, str]) -> Iterable[Publication]:
        """What each lamp's pin does."""
        for colour, word in lamps.items():
            yield Publication(f"{self.base}/lamp/{colour}", word)

    def buzzer(self, sound: Sound | None, *, silenced: bool) -> Publication:
        """What the buzzer does."""
        state = "OFF" if sound is None else "ON"
        return self._json("buzzer", {"state": state, "pattern": sound, "silenced": silenced})

    def silence(self, changed: SilenceChanged) -> Publication:
        """The operator's silence."""
        payload = {
            "state": "ON" if changed.on else "OFF",
            "since": self._iso(changed.since),
            "until": self._iso(changed.until),
            "by": text(changed.by),
            "reason": text(changed.reason),
        }
        return self._json("silence", payload)

    def overlays(self, changed: OverlaysChanged) -> Publication:
        """All overlays of one kind: the earliest beginning, the latest end, who and why."""
        laid = changed.overlays
        first = min(laid, key=lambda overlay: overlay.since, default=None)
        ends = [overlay.until for overlay in laid]
        last = min if changed.kind is OverlayKind.ATTEST else max  # what is due next
        until = None if None in ends else last((e for e in ends if e is not None), default=None)
        payload: dict[str, Any] = {
            "state": "ON" if changed.on else "OFF",
            "since": self._iso(first.since if first else None),
            "until": self._iso(until),
            "by": text(first.by if first else None),
            "reason": text(first.reason if first else None),
        }
        match changed.kind:
            case OverlayKind.ATTEST:
                payload["overdue"] = list(changed.overdue)
            case OverlayKind.DRILL:
                payload["verdict"] = first.subject if first else None
            case _:
                payload["services"] = list(dict.fromkeys(o.subject for o in laid))
        return self._json(changed.kind, payload)

    def info(self, started: float, host: str) -> Publication:
        """Who publishes here."""
        payload = {
            "version": self._version,
            "started_at": self._iso(started),
            "host": text(host),
            "site": self.site,
            "config_hash": self._config.digest,
        }
        return self._json("info", payload)

    def health(self, health: HealthReport) -> Publication:
        """How the beacon itself is."""
        offset = health.clock_offset_ms
        payload = {
            "loop_lag_ms": round(health.loop_lag_ms, 1),
            "stalled": health.stalled,
            "clock_synced": health.clock_synced,
            "clock_offset_ms": None if offset is None else round(offset, 1),
            "storage_degraded": health.storage_degraded,
            "rss_mb": round(health.rss_mb, 1),
            "at": self._iso(health.at),
        }
        return self._json("health", payload)

    def result(self, answered: Answered) -> Publication:
        """What a command came to."""
        payload = {
            "cmd": text(answered.command),
            "ok": answered.ok,
            "error": text(answered.error),
            "by": text(answered.by),
            "at": self._iso(answered.at),
        }
        return self._json("result", payload, retain=False, qos=1)
