"""Sections as written → `Config`, with everything checked."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from beacon import __version__
from beacon.config import checks
from beacon.config.decoder import Decoder, Type, specs
from beacon.config.endpoints import Polled, Poller, Registry, id_of, number
from beacon.config.file_fields import slug
from beacon.config.file_schema import (
    AttestSection,
    BuzzerSection,
    Defaults,
    EmbeddedSection,
    FileSection,
    MaintenanceSection,
    MqttSection,
    ServiceSection,
    TowerSection,
)
from beacon.config.problems import Problems
from beacon.config.schema import (
    WEEKDAYS,
    Buzzer,
    Config,
    Driver,
    MaintenanceWindow,
    Mqtt,
    QuietHoursSetting,
    Tower,
    Web,
)
from beacon.config.yaml.nodes import Listing, Node, NodePath, plain
from beacon.core.indication import Colour
from beacon.core.model import Attestation, Preset, Service, Site

DEFAULT_LAMPS: Final = {
    Colour.RED: 17,
    Colour.AMBER: 27,
    Colour.GREEN: 22,
    Colour.BLUE: 23,
    Colour.WHITE: 24,
}
"""The wiring of hardware.md, by BCM numbers."""


@dataclass(frozen=True, slots=True)
class _Served:
    """One service: where it is written, its values, and its endpoints."""

    id: str
    spot: NodePath
    values: dict[str, Any]
    endpoints: tuple[Polled, ...]


class Resolver:
    """Makes a `Config` of one tree. With `embedded`, probe settings may be left out."""

    def __init__(self, problems: Problems, registry: Registry, *, embedded: bool = False) -> None:
        self._problems = problems
        self._registry = registry
        self._embedded = embedded
        self._walker = Decoder(problems)

    def config(self, spot: NodePath, path: str) -> Config | None:
        """Resolve and check everything; None when problems were noted."""
        before = len(self._problems)
        values = self._values(spot, EmbeddedSection if self._embedded else FileSection)
        defaults: Defaults = values["defaults"]
        poller = Poller(self._problems, self._registry, defaults, embedded=self._embedded)
        witnesses = [poller.witness(each) for each in _each(spot, "witnesses")]
        services = [self._served(each, poller) for each in _each(spot, "services")]
        polled = [*witnesses, *(p for s in services for p in s.endpoints)]
        tower = self._tower(spot.below("tower"), values["tower"])
        mqtt = self._mqtt(spot.below("mqtt"), values["mqtt"])
        web = values["web"] and Web(host=values["web"].bind.host, port=values["web"].bind.port)
        checks.services([(s.id, s.spot) for s in services], self._problems)
        checks.polled(polled, self._problems)
        if not self._embedded:
            there = [name for name in ("mqtt", "web") if _is_written(spot, name)]
            checks.pushed(polled, there, self._problems)
        known = [s.id for s in services]
        checks.maintenance(spot.below("maintenance"), values["maintenance"], known, self._problems)
        attested = [_attestation(each) for each in values["attest"]]
        checks.attest(spot.below("attest"), attested, known, self._problems)
        if len(self._problems) > before:
            return None
        site = Site(
            id=values["site"],
            name=values["name"] or values["site"],
            services=tuple(_service(s, defaults) for s in services),
            witnesses=tuple(w.endpoint for w in witnesses if w.endpoint),
            sequence=tower.sequence,
            lock_in=tower.lock_in,
            preset=tower.preset,
            attest=tuple(attested),
            version=__version__,
        )
        return Config(
            path=path,
            name=site.name,
            watched=site,
            probes={p.id: p.probe for p in polled if p.probe is not None},
            written={p.id: p.settings for p in polled},
            tower=tower,
            mqtt=mqtt,
            web=web,
            maintenance=tuple(_window(each, known) for each in values["maintenance"]),
            digest=digest(spot.node),
            warnings=(
                *checks.warnings(spot, witnesses),
                *checks.relay_without_power(spot.below("tower"), tower),
                *checks.special_pins(spot.below("tower"), tower),
                *checks.missing_lamps(spot.below("tower"), tower),
                *checks.looking_back((s.spot, s.endpoints) for s in services),
                *checks.open_to_others(spot, web),
                *checks.secrets_others_read(self._problems.inline),
            ),
        )

    def _values(self, spot: NodePath, section: Type) -> dict[str, Any]:
        """Read a section key by key, so that one bad key hides no other's problems."""
        keys = specs(section)
        values = {key: spec.default for key, spec in keys.items()}
        return values | self._walker.read_keys(spot.node, keys, spot.path, known=keys)

    def _served(self, spot: NodePath, poller: Poller) -> _Served:
        values = self._values(spot, ServiceSection)
        name = id_of(spot, values, self._problems)
        endpoints = tuple(poller.endpoint(each, name) for each in _each(spot, "endpoints"))
        return _Served(name, spot, values, endpoints)

    def _tower(self, spot: NodePath, section: TowerSection) -> Tower:
        three = section.preset is Preset.TOWER_3
        wanted = list(DEFAULT_LAMPS)[: 3 if three else 5]
        if section.lamps is not None or section.driver is Driver.LGPIO:
            checks.lamps(spot, wanted, section.lamps or {}, self._problems)
        tower = Tower(
            driver=section.driver,
            preset=section.preset,
            lamps=section.lamps or {colour: DEFAULT_LAMPS[colour] for colour in wanted},
            active_high=section.active_high,
            buzzer=_buzzer(section.buzzer),
            buttons=section.buttons,
            alive_relay=section.alive_relay,
            sequence=section.sequence,
            lock_in=section.lock_in,
            on_death=tuple(section.on_death),
        )
        checks.pins(spot, tower, self._problems)
        checks.on_death(spot, tower, self._problems)
        checks.quiet_hours(spot, tower, self._problems)
        return tower

    def _mqtt(self, spot: NodePath, section: MqttSection | None) -> Mqtt | None:
        if section is None:
            return None
        broker = section.broker
        mqtt = Mqtt(
            host=broker.host,
            port=broker.port,
            encrypted=broker.encrypted,
            protocol=section.protocol,
            username=section.username,
            password=section.password,
            allow_plain_password=section.allow_plain_password,
            tls=section.tls,
            base_topic=section.base_topic,
            discovery=section.discovery,
            commands=tuple(section.commands),
        )
        checks.mqtt(spot, mqtt, self._problems)
        return mqtt


def _each(spot: NodePath, key: str) -> Iterator[NodePath]:
    """Go through the items of a list; anything else was refused before."""
    listed = spot.below(key)
    found = listed.node if spot.has(key) else None
    items = found.items if isinstance(found, Listing) else ()
    return (listed.below(index) for index in range(len(items)))


def _is_written(spot: NodePath, key: str) -> bool:
    """Whether there is something in a section, right or wrong."""
    return spot.has(key) and plain(spot.below(key).node) is not None


def _service(served: _Served, defaults: Defaults) -> Service:
    return Service(
        id=served.id,
        name=served.values["name"],
        endpoints=tuple(p.endpoint for p in served.endpoints if p.endpoint),
        session_lifetime=number(served.values["session_lifetime"]),
        runbook=served.values["runbook"],
        recovery_hold=float(defaults.recovery_hold),
        recovery_hold_long=float(defaults.recovery_hold_long),
        long_outage=float(defaults.long_outage),
        degraded_hold=float(defaults.degraded_hold),
    )


def _window(section: MaintenanceSection, known: Sequence[str]) -> MaintenanceWindow:
    return MaintenanceWindow(
        name=section.name,
        weekdays=tuple(WEEKDAYS.index(day) for day in section.weekdays),
        begin=section.begin,
        end=section.end,
        time_zone=section.time_zone,
        services=section.services or tuple(known),
    )


def _attestation(section: AttestSection) -> Attestation:
    name = section.id or slug(section.name)
    return Attestation(
        id=name, name=section.name, every=float(section.every), services=section.services
    )


def _buzzer(section: BuzzerSection | None) -> Buzzer | None:
    if section is None:
        return None
    quiet = section.quiet_hours
    if quiet is None:
        return Buzzer(pin=section.pin)
    hours = QuietHoursSetting(begin=quiet.begin, end=quiet.end, time_zone=quiet.time_zone)
    return Buzzer(pin=section.pin, quiet_hours=hours)


def digest(root: Node) -> str:
    """Return twelve hex digits that change with the configuration; no secret goes in."""
    text = json.dumps(plain(root, masked=True), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
