"""The MQTT topics: path, JSON keys, retain and QoS of each, as pure functions.

What comes in: the core's views and effects. What goes out: messages, not yet published. No client
and no clock: `utc` turns monotonic seconds into wall time. `docs/mqtt.md` describes every topic.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from beacon.config.schema import Config, Mqtt
from beacon.core.effects import Announced, Answered, OverlaysChanged
from beacon.core.explain import Explained
from beacon.core.indication import Colour, Sound
from beacon.core.views import (
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    Overlay,
    OverlayKind,
    ServiceView,
    SilenceChanged,
)
from beacon.outputs import documents
from beacon.outputs.documents import Body, UtcOf, iso_at

ONLINE: Final = "online"
OFFLINE: Final = "offline"
LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Publication:
    """One thing to publish, exactly as it goes on the wire."""

    topic: str
    payload: str
    retain: bool = True
    qos: int = 0


@dataclass(frozen=True, slots=True)
class MqttTopic:
    """What is published at one path below the base: these keys of a body, or all of it.

    `{}` in `path` stands for the name of what is published. A key that the body lacks is null.
    """

    path: str
    keys: tuple[str, ...] = ()
    retain: bool = True
    qos: int = 0

    def at(self, base: str, name: str = "") -> str:
        """The whole topic."""
        return f"{base}/{self.path.format(name)}"

    def publication(self, base: str, body: Mapping[str, Any], name: str = "") -> Publication:
        """The message that shows this body; its texts are cut to 200 characters."""
        picked = {key: body.get(key) for key in self.keys or body}
        return Publication(self.at(base, name), compact(_short(picked)), self.retain, self.qos)


AVAILABILITY: Final = MqttTopic("availability", qos=1)
STATE: Final = MqttTopic("state")
SERVICE: Final = MqttTopic("service/{}")
EXPLAIN: Final = MqttTopic("explain/{}")
ENDPOINT: Final = MqttTopic("{}")
"""The name is `endpoint_path`."""
INCIDENT: Final = MqttTopic(
    "incident",
    (
        *("state", "acknowledged", "others", "id", "since", "service", "verdict", "peak"),
        *("first_out", "cause", "explanation", "vendor_lead_s", "vendor_differs", "vendor"),
        *("impact", "acknowledged_at", "acknowledged_by", "runbook"),
    ),
)
EVENT: Final = MqttTopic(
    "event",
    (
        *("event_type", "id", "service", "verdict", "cause", "explanation", "impact", "runbook"),
        *("by", "at"),
    ),
    retain=False,
    qos=1,
)
LAMP: Final = MqttTopic("lamp/{}")
BUZZER: Final = MqttTopic("buzzer")
_LAID: Final = ("state", "since", "until", "by", "reason")
SILENCE: Final = MqttTopic("silence", _LAID)
OVERLAYS: Final = {
    kind: MqttTopic(kind, (*_LAID, more))
    for kind, more in (
        *((kind, "services") for kind in ("maintenance", "bypass", "shelve", "break_glass")),
        ("attest", "overdue"),
        ("drill", "verdict"),
    )
}
INFO: Final = MqttTopic("info")
HEALTH: Final = MqttTopic("health")
RESULT: Final = MqttTopic("result", retain=False, qos=1)

COMMAND: Final = MqttTopic("cmd/{}")
"""Commands arrive here."""
PUSH: Final = MqttTopic("push/{}")
"""Pushed readings arrive here; the name is the endpoint's."""

CONFIGURED_TOPICS: Final = ("service/+", "explain/+", "endpoint/+/+", "witness/+", "lamp/+")
"""Retained topics, below the base, that come and go with the configuration (MQTT filters)."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The beacon's own health, once a minute. `at` is monotonic seconds.

    `loop_lag_ms`: how late the deciding thread was; `stalled`: it missed its beats.
    `clock_synced` and `clock_offset_ms` are None while nothing is known.
    """

    at: float
    loop_lag_ms: float
    stalled: bool
    clock_synced: bool | None = None
    clock_offset_ms: float | None = None
    storage_degraded: bool = False
    rss_mb: float = 0


def section(config: Config) -> Mqtt:
    """The section `mqtt`, without which there is nothing of this package."""
    if config.mqtt is None:
        raise ValueError("MQTT needs the section mqtt")
    return config.mqtt


def text(words: str | None) -> str | None:
    """Words for a payload: at most 200 characters, valid UTF-8, None for nothing."""
    if not words:
        return None
    whole = words.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= LONGEST_TEXT else whole[: LONGEST_TEXT - 1] + "…"


def line(words: str | None) -> str:
    """One line for logs and terminals, without characters that move a cursor or end a line."""
    return text("".join(c if c.isprintable() else " " for c in words or "").strip()) or ""


def compact(document: Mapping[str, Any]) -> str:
    """JSON without blanks."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def endpoint_path(endpoint: str) -> str:
    """The path of an endpoint below the base; the id of a witness already is one."""
    return endpoint if endpoint.startswith("witness/") else f"endpoint/{endpoint}"


def _short(tree: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Cut every text in a body."""
    match tree:
        case dict():
            return {key: _short(value) for key, value in tree.items()}
        case list():
            return [_short(each) for each in tree]
        case str():
            return text(tree)
        case _:
            return tree


class Topics:
    """The messages of one beacon. `utc` must give the same moment always the same time."""

    def __init__(self, config: Config, version: str, utc: UtcOf) -> None:
        self._site = config.watched
        self.site = self._site.id
        self.base = f"{section(config).base_topic}/{self.site}"
        self.availability = AVAILABILITY.at(self.base)
        self._version, self._utc, self._config = version, utc, config

    def members(self) -> frozenset[str]:
        """The topics of `CONFIGURED_TOPICS` that this configuration has."""
        named = (
            *((topic, each.id) for topic in (SERVICE, EXPLAIN) for each in self._site.services),
            *((ENDPOINT, endpoint_path(endpoint.id)) for endpoint in self._site.endpoints),
            *((LAMP, colour) for colour in self._config.tower.lamps),
        )
        return frozenset(topic.at(self.base, name) for topic, name in named)

    def available(self, word: str) -> Publication:
        """`ONLINE` or `OFFLINE`; the latter is the last will too."""
        return Publication(self.availability, word, AVAILABILITY.retain, AVAILABILITY.qos)

    def state(self, overall: OverallView) -> Publication:
        """The overall verdict and what belongs to it."""
        body = documents.state(overall, self._utc, self._version)
        return STATE.publication(self.base, body)

    def service(self, view: ServiceView) -> Publication:
        """One service as it is judged now."""
        return SERVICE.publication(self.base, documents.service(view, self._utc), view.id)

    def explain(self, explained: Explained, at: float) -> Publication:
        """Why a service is shown as it is."""
        body = documents.explanation(explained, at, self._utc)
        return EXPLAIN.publication(self.base, body, explained.view.id)

    def endpoint(self, read: EndpointRead) -> Publication:
        """The health of an endpoint, with its last reading."""
        body = documents.endpoint(read, self._utc)
        return ENDPOINT.publication(self.base, body, endpoint_path(read.endpoint))

    def incident(self, incident: IncidentView | None, others: int) -> Publication:
        """The incident people should look at, or that there is none."""
        body: Body = {"state": IncidentState.NONE, "acknowledged": False}
        if incident is not None and incident.state is not IncidentState.CLOSED:
            body = documents.incident(incident, self.site, self._utc)
            body["runbook"] = documents.runbook(self._site, incident.service)
        return INCIDENT.publication(self.base, body | {"others": others})

    def event(self, announced: Announced) -> Publication:
        """One thing that happened, once."""
        view = announced.incident
        body = {} if view is None else documents.incident(view, self.site, self._utc)
        body |= {
            "event_type": announced.what,
            "service": announced.service,
            "verdict": announced.verdict,
            "cause": announced.cause,
            "runbook": documents.runbook(self._site, announced.service),
            "by": announced.by,
            "at": iso_at(self._utc, announced.at),
        }
        return EVENT.publication(self.base, body)

    def lamps(self, lamps: Mapping[Colour, str]) -> Iterator[Publication]:
        """What each lamp's pin does."""
        for colour, word in lamps.items():
            yield Publication(LAMP.at(self.base, colour), word)

    def buzzer(self, sound: Sound | None, *, silenced: bool) -> Publication:
        """What the buzzer does."""
        body = {"state": _switch(on=sound is not None), "pattern": sound, "silenced": silenced}
        return BUZZER.publication(self.base, body)

    def silence(self, changed: SilenceChanged) -> Publication:
        """The operator's silence."""
        body = documents.silence(changed, self._utc) | {"state": _switch(on=changed.on)}
        return SILENCE.publication(self.base, body)

    def overlays(self, changed: OverlaysChanged) -> Publication:
        """All overlays of one kind: the earliest beginning, the latest end, who and why."""
        laid = changed.overlays
        body: Body = {}
        if laid:
            first = min(laid, key=lambda overlay: overlay.since)
            body = documents.overlay(first, self._utc) | {"verdict": first.subject}
        body |= {
            "state": _switch(on=changed.on),
            "until": iso_at(self._utc, _until(changed.kind, laid)),
            "overdue": list(changed.overdue),
            "services": list(dict.fromkeys(overlay.subject for overlay in laid)),
        }
        return OVERLAYS[changed.kind].publication(self.base, body)

    def info(self, started: float, host: str) -> Publication:
        """Who publishes here."""
        body = {
            "version": self._version,
            "started_at": iso_at(self._utc, started),
            "host": host,
            "site": self.site,
            "config_hash": self._config.digest,
        }
        return INFO.publication(self.base, body)

    def health(self, health: HealthReport) -> Publication:
        """The health of the beacon itself."""
        body = {
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in asdict(health).items()
        }
        del body["at"]  # it stands last
        body["at"] = iso_at(self._utc, health.at)
        return HEALTH.publication(self.base, body)

    def result(self, answered: Answered) -> Publication:
        """The answer to a command."""
        body = {
            "cmd": answered.command,
            "ok": answered.ok,
            "error": answered.error,
            "by": answered.by,
            "at": iso_at(self._utc, answered.at),
        }
        return RESULT.publication(self.base, body)


def _switch(*, on: bool) -> str:
    return "ON" if on else "OFF"


def _until(kind: OverlayKind, laid: tuple[Overlay, ...]) -> float | None:
    """The latest end, None if one has no end; of attestations the moment the next is due."""
    ends = [overlay.until for overlay in laid if overlay.until is not None]
    if len(ends) < len(laid):
        return None
    return (min if kind is OverlayKind.ATTEST else max)(ends, default=None)
