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
    Defaults,
    EmbeddedSection,
    FileSection,
    MaintenanceSection,
    MqttSection,
    ServiceSection,
)
from beacon.config.problems import Problems
from beacon.config.schema import (
    WEEKDAYS,
    Config,
    Driver,
    MaintenanceWindow,
    Mqtt,
    Tower,
    TowerSection,
)
from beacon.config.yaml.nodes import Listing, Node, NodePath, plain
from beacon.core.indication import Colour
from beacon.core.model import Attestation, Service, Site

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
        self._decoder = Decoder(problems)

    def config(self, spot: NodePath, path: str) -> Config | None:
        """Resolve and check everything; None when problems were noted."""
        before = len(self._problems)
        values = self._values(spot, EmbeddedSection if self._embedded else FileSection)
        defaults: Defaults = values["defaults"]
        poller = Poller(self._problems, self._registry, defaults, embedded=self._embedded)
        witnesses = [poller.polled(each, "witness") for each in _each(spot, "witnesses")]
        services = [self._served(each, poller) for each in _each(spot, "services")]
        polled = (*witnesses, *(p for s in services for p in s.endpoints))
        tower = self._tower(spot.below("tower"), values["tower"])
        mqtt = self._mqtt(spot.below("mqtt"), values["mqtt"])
        attest = tuple(_attestation(each) for each in values["attest"])
        self._check(spot, values, witnesses, services, attest)
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
            attest=attest,
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
            web=values["web"] and values["web"].bind,
            maintenance=tuple(_window(each, site) for each in values["maintenance"]),
            digest=digest(spot.node),
        )

    def _check(
        self,
        spot: NodePath,
        values: dict[str, Any],
        witnesses: Sequence[Polled],
        services: Sequence[_Served],
        attest: Sequence[Attestation],
    ) -> None:
        """Check what concerns several things."""
        problems, known = self._problems, [s.id for s in services]
        polled = (*witnesses, *(p for s in services for p in s.endpoints))
        checks.services([(s.id, s.spot) for s in services], problems)
        checks.polled(polled, problems)
        if not self._embedded:
            there = [name for name in ("mqtt", "web") if _is_written(spot, name)]
            checks.pushed(polled, there, problems)
        checks.maintenance(spot.below("maintenance"), values["maintenance"], known, problems)
        checks.attest(spot.below("attest"), attest, known, problems)
        checks.witnesses(spot, witnesses, problems)
        checks.looking_back([(s.spot, s.endpoints) for s in services], problems)
        checks.open_to_others(spot, values["web"], problems)
        checks.secrets_others_read(problems)

    def _values(self, spot: NodePath, section: Type) -> dict[str, Any]:
        """Read a section key by key, so that one bad key hides no other's problems."""
        keys = specs(section)
        values = {key: spec.default for key, spec in keys.items()}
        return values | self._decoder.read_keys(spot.node, keys, spot.path, known=keys)

    def _served(self, spot: NodePath, poller: Poller) -> _Served:
        values = self._values(spot, ServiceSection)
        name = id_of(spot, values, self._problems)
        endpoints = tuple(poller.polled(each, name) for each in _each(spot, "endpoints"))
        return _Served(name, spot, values, endpoints)

    def _tower(self, spot: NodePath, section: TowerSection) -> Tower:
        if section.lamps is not None or section.driver is Driver.LGPIO:
            checks.lamps(spot, section, self._problems)
        lamps = section.lamps or {colour: DEFAULT_LAMPS[colour] for colour in section.colours}
        tower = Tower(**(vars(section) | {"lamps": lamps}))
        checks.tower(spot, tower, self._problems)
        return tower

    def _mqtt(self, spot: NodePath, section: MqttSection | None) -> Mqtt | None:
        if section is None:
            return None
        settings = vars(section) | vars(section.broker)
        del settings["broker"]
        mqtt = Mqtt(**settings)
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


def _window(section: MaintenanceSection, site: Site) -> MaintenanceWindow:
    days = tuple(WEEKDAYS.index(day) for day in section.weekdays)
    services = section.services or tuple(service.id for service in site.services)
    return MaintenanceWindow(**(vars(section) | {"weekdays": days, "services": services}))


def _attestation(section: AttestSection) -> Attestation:
    name = section.id or slug(section.name)
    return Attestation(**(vars(section) | {"id": name, "every": float(section.every)}))


def digest(root: Node) -> str:
    """Return twelve hex digits that change with the configuration; no secret goes in."""
    text = json.dumps(plain(root, masked=True), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
