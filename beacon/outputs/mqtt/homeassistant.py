"""Home Assistant's MQTT discovery: one message that describes the beacon as one device.

Pure functions from configuration to message. Home Assistant rejects a whole device for one unknown
key at the top level. It keeps every component it has ever seen until a message removes it: that is
what `removals` is for. Needs Home Assistant 2024.11 or newer.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from beacon.config.schema import Config
from beacon.core.effects import Announcement
from beacon.core.indication import SIGNAL, Colour, Pattern
from beacon.core.model import Endpoint, Health, Verdict
from beacon.core.operator.commands import COMMANDS
from beacon.core.views import IncidentState
from beacon.engine.text_pattern import TextPattern
from beacon.outputs.mqtt.topics import (
    AVAILABILITY,
    BUZZER,
    COMMAND,
    ENDPOINT,
    EVENT,
    HEALTH,
    INCIDENT,
    INFO,
    LAMP,
    OFFLINE,
    ONLINE,
    SERVICE,
    STATE,
    Publication,
    compact,
    endpoint_path,
    section,
)

ENDPOINT_PERIOD: Final = 60.0
"""Seconds after which an endpoint's topic is written again, even if nothing changed."""

_HEALTH_EXPIRES: Final = 180
_SAFE: Final = TextPattern(r"[a-zA-Z0-9_-]+")
_UNSAFE: Final = TextPattern(r"[^a-zA-Z0-9_-]")
_NO_SLUG: Final = TextPattern(r"[^a-z0-9]+")
_DIAGNOSTIC: Final = {"ent_cat": "diagnostic"}
_STATES: Final = [s.value for s in IncidentState if s is not IncidentState.CLOSED]

Component = dict[str, Any]


def config_topic(config: Config) -> str:
    """The topic of this beacon's discovery message."""
    return f"{section(config).discovery.prefix}/device/mfa_beacon_{_id(config.watched.id)}/config"


def birth_topic(config: Config) -> str:
    """The topic on which Home Assistant announces that it starts or stops."""
    return f"{section(config).discovery.prefix}/status"


def discovery(config: Config, version: str) -> dict[str, Any]:
    """The whole device, in Home Assistant's device form."""
    site = config.watched.id
    device = f"mfa_beacon_{_id(site)}"
    base = f"{section(config).base_topic}/{site}"
    components: dict[str, Component] = {}
    for wanted, component in _components(config, base):
        name = _unused(_id(wanted), components)
        slug = _NO_SLUG.sub("_", f"{device}_{name}".lower())
        components[name] = component | {
            "uniq_id": f"{device}_{name}",
            "default_entity_id": f"{component['p']}.{slug}",
            "object_id": slug,  # before Home Assistant 2025.10
        }
    return {
        "dev": {"ids": [device], "name": config.name, "mdl": "MFA beacon", "sw": version},
        "o": {"name": "mfa-beacon", "sw": version},
        "avty": [{"t": AVAILABILITY.at(base)}],
        "cmps": components,
    }


def message(config: Config, document: Mapping[str, Any] | None) -> Publication:
    """A discovery document on its topic; None empties the topic and removes the device."""
    payload = "" if document is None else compact(document)
    return Publication(config_topic(config), payload, retain=True, qos=1)


def removals(old: str, new: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message to send before `new`, which removes the components that only `old` has.

    `old` is the payload on the topic, written by anybody; parts that are not understood are
    ignored. None: there is nothing to remove.
    """
    wanted = {(name, part["p"]) for name, part in new["cmps"].items()}
    gone = {name: {"p": kind} for name, kind in _described(old) if (name, kind) not in wanted}
    if not gone:
        return None
    return {**new, "cmps": {**new["cmps"], **gone}}


def _described(old: str) -> Iterator[tuple[str, str]]:
    try:
        document = json.loads(old)
    except (ValueError, RecursionError):
        return
    parts = document.get("cmps") if isinstance(document, dict) else None
    for name, part in parts.items() if isinstance(parts, dict) else ():
        kind = part.get("p") if isinstance(part, dict) else None
        if isinstance(kind, str) and _SAFE.fullmatch(kind) and _SAFE.fullmatch(name):
            yield name, kind


def _id(words: str) -> str:
    """A component id that Home Assistant can also remove."""
    return _UNSAFE.sub("_", words)


def _unused(name: str, taken: Mapping[str, Component]) -> str:
    """The name; with a number if it is taken, as "a_b" + "c" and "a" + "b_c" give the same."""
    if name not in taken:
        return name
    return next(n for n in (f"{name}_{i}" for i in count(2)) if n not in taken)


def _components(config: Config, base: str) -> Iterator[tuple[str, Component]]:
    """Every entity with the id it should have; `_unused` makes ids unique."""
    yield from _verdicts(config, base)
    yield from _tower(config, base)
    yield from _commands(config, base)
    for endpoint in config.watched.witnesses:
        yield from _endpoint(endpoint, "Witness", base)
    for service in config.watched.services:
        for endpoint in service.endpoints:
            yield from _endpoint(endpoint, service.name, base)
    yield from _beacon(base)


def _verdicts(config: Config, base: str) -> Iterator[tuple[str, Component]]:
    verdicts = [verdict.value for verdict in Verdict]
    state, incident = STATE.at(base), INCIDENT.at(base)
    yield (
        "verdict",
        _enum("Verdict", state, verdicts, "verdict") | {"json_attr_t": state},
    )
    yield "problem", _problem("Problem", state, "'ON' if value_json.problem else 'OFF'")
    yield (
        "incident",
        _enum("Incident", incident, _STATES, "state") | {"json_attr_t": incident},
    )
    since = _sensor("Incident since", incident, "since")
    yield "incident_since", since | {"dev_cla": "timestamp"}
    yield "incident_cause", _sensor("Incident cause", incident, "cause")
    yield (
        "incident_event",
        {
            "p": "event",
            "name": "Incident event",
            "stat_t": EVENT.at(base),
            "event_types": [what.value for what in Announcement],
        },
    )
    for service in config.watched.services:
        topic = SERVICE.at(base, service.id)
        enum = _enum(service.name, topic, verdicts, "verdict")
        yield f"service_{service.id}", enum | {"json_attr_t": topic}


def _tower(config: Config, base: str) -> Iterator[tuple[str, Component]]:
    # All words of the topic: Home Assistant drops a state that the enum does not list.
    words = [*(pattern.value for pattern in Pattern), "double", SIGNAL]
    for colour in Colour:
        if colour in config.tower.lamps:
            name = f"{colour.capitalize()} lamp"
            yield f"lamp_{colour}", _enum(name, LAMP.at(base, colour), words)
    if config.tower.buzzer is not None:
        topic = BUZZER.at(base)
        yield "buzzer", _binary("Buzzer", topic, "sound") | {"val_tpl": "{{ value_json.state }}"}


def _commands(config: Config, base: str) -> Iterator[tuple[str, Component]]:
    for name, operator_command in COMMANDS.items():
        if not operator_command.one_press or name not in section(config).commands:
            continue
        command: Component = {"cmd_t": COMMAND.at(base, name), "qos": 1}
        if operator_command.switch:
            topic, label = f"{base}/{name}", name.capitalize()
            yield (
                name,
                {"p": "switch", "name": label, "stat_t": topic, "json_attr_t": topic}
                | {"val_tpl": "{{ value_json.state }}"}
                | command,
            )
            if name == "bypass":
                since = _sensor("Bypass since", topic, "since")
                yield "bypass_since", since | {"dev_cla": "timestamp"}
            continue
        button = {"p": "button", "name": name.replace("_", " ").capitalize(), "pl_prs": "PRESS"}
        yield name, button | command | (_DIAGNOSTIC if name == "lamp_test" else {})


def _endpoint(endpoint: Endpoint, owner: str, base: str) -> Iterator[tuple[str, Component]]:
    topic = ENDPOINT.at(base, endpoint_path(endpoint.id))
    wanted = endpoint_path(endpoint.id).replace("/", "_")
    name = f"{owner} {endpoint.name}"
    # While nothing changes the topic is written once a minute at most; a rejected sign-in is tried
    # once per guard interval; a pushed endpoint has no interval at all.
    period = max(endpoint.interval, ENDPOINT_PERIOD)
    if endpoint.sign_in:
        period = max(period, endpoint.guard_interval)
    if endpoint.pushed:
        period = max(period, endpoint.stale_after / 3)
    more = _DIAGNOSTIC | {"exp_aft": round(3 * period)}
    healths = [health.value for health in Health]
    yield wanted, _enum(name, topic, healths, "health") | {"json_attr_t": topic} | more
    latency = _sensor(f"{name} latency", topic, "latency_ms")
    unit = {"dev_cla": "duration", "unit_of_meas": "ms", "stat_cla": "measurement"}
    yield f"{wanted}_latency", latency | unit | more


def _beacon(base: str) -> Iterator[tuple[str, Component]]:
    info, health = INFO.at(base), HEALTH.at(base)
    milliseconds = {"unit_of_meas": "ms", "stat_cla": "measurement", "dev_cla": "duration"}
    minute = _DIAGNOSTIC | {"exp_aft": _HEALTH_EXPIRES}
    connection = _binary("Connection", AVAILABILITY.at(base), "connectivity")
    own = {"payload_on": ONLINE, "payload_off": OFFLINE, "avty": []}
    yield "connection", connection | own | _DIAGNOSTIC
    yield "version", _sensor("Version", info, "version") | _DIAGNOSTIC
    started = _sensor("Started", info, "started_at")
    yield "started", started | {"dev_cla": "timestamp"} | _DIAGNOSTIC
    yield "loop_lag", _sensor("Loop lag", health, "loop_lag_ms") | milliseconds | minute
    yield "stalled", _problem("Stalled", health, "'ON' if value_json.stalled else 'OFF'") | minute
    clock = (
        "None if value_json.clock_synced is none else ('OFF' if value_json.clock_synced else 'ON')"
    )
    yield "clock", _problem("Clock", health, clock) | minute
    offset = _sensor("Clock offset", health, "clock_offset_ms")
    yield "clock_offset", offset | milliseconds | minute | {"en": False}


def _sensor(name: str, topic: str, key: str) -> Component:
    return {"p": "sensor", "name": name, "stat_t": topic, "val_tpl": f"{{{{ value_json.{key} }}}}"}


def _enum(name: str, topic: str, options: list[str], key: str | None = None) -> Component:
    plain = {"p": "sensor", "name": name, "stat_t": topic}
    sensor = plain if key is None else _sensor(name, topic, key)
    return sensor | {"dev_cla": "enum", "options": options}


def _binary(name: str, topic: str, device_class: str) -> Component:
    return {"p": "binary_sensor", "name": name, "stat_t": topic, "dev_cla": device_class}


def _problem(name: str, topic: str, template: str) -> Component:
    return _binary(name, topic, "problem") | {"val_tpl": f"{{{{ {template} }}}}"}
