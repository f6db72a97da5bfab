"""A simulated beacon: services, scripted readings, and every effect that came out of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

import msgspec
import pytest

from beacon.core.effects import Announced, Effect, IndicationChanged, Sounded
from beacon.core.indication import Colour, Indication
from beacon.core.inputs import Acknowledge
from beacon.core.memory import with_moments
from beacon.core.model import Endpoint, Evidence, Moment, Reading, Reason, Service, Site, Verdict
from beacon.core.views import IncidentView
from beacon.replay.simulation import PASSING, Simulation


def well_formed(thing) -> None:
    """Every field holds what its annotation promises, all the way down."""
    assert msgspec.convert(msgspec.to_builtins(thing), type(thing)) == thing


def shifted(remembered, by: float):
    """Every moment in it `by` seconds later."""
    return with_moments(remembered, lambda moment: Moment(moment + by))


class CheckedEffects(list[Effect]):
    """Effects in the order they came: each is well formed, and none is older than the last."""

    def extend(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            well_formed(effect)
            assert not self or effect.at >= self[-1].at
            self.append(effect)

    def __iadd__(self, effects: Iterable[Effect]) -> Self:
        self.extend(effects)
        return self


@dataclass
class Harness:
    """A simulation, and all effects that came out of it so far."""

    simulation: Simulation
    effects: CheckedEffects = field(default_factory=CheckedEffects)

    def advance(self, seconds: float) -> Self:
        self.effects += self.simulation.run(self.simulation.now + seconds)
        return self

    def script(self, reason: Reason | None, *endpoints: str, latency: float | None = None) -> Self:
        """Give these endpoints this reading from now on; None: no reading."""
        for endpoint in endpoints:
            reading = Reading(reason, latency=latency) if reason else None
            self.simulation.script(endpoint, reading)
        return self

    def acknowledge(self) -> Self:
        self.effects += self.simulation.tell(Acknowledge(self.now, by="analyst", origin="button"))
        return self

    def clear_effects(self) -> Self:
        self.effects.clear()
        return self

    @property
    def now(self) -> float:
        return self.simulation.now

    @property
    def indication(self) -> Indication:
        return self.simulation.monitor.view().indication

    @property
    def lamps(self) -> dict[str, str]:
        """Only what is lit: colour → pattern."""
        lights = {c.value: self.indication.light(c).pattern.value for c in Colour}
        return {colour: pattern for colour, pattern in lights.items() if pattern != "off"}

    def verdict(self, service: str = "mfa") -> Verdict:
        return next(s.verdict for s in self.simulation.monitor.view().services if s.id == service)

    def service(self, service: str = "mfa"):
        return next(s for s in self.simulation.monitor.view().services if s.id == service)

    @property
    def incident(self) -> IncidentView | None:
        return next(iter(self.simulation.monitor.view().incidents), None)

    @property
    def sounds(self) -> list[str]:
        return [e.sound.value for e in self.effects if isinstance(e, Sounded)]

    @property
    def announcements(self) -> list[str]:
        return [e.what.value for e in self.effects if isinstance(e, Announced)]

    @property
    def lamp_changes(self) -> int:
        return sum(isinstance(e, IndicationChanged) for e in self.effects)


def endpoint(service: str, name: str, evidence: Evidence, **settings) -> Endpoint:
    interval = settings.pop("interval", 60.0)
    timeout = settings.pop("timeout", 30.0)
    settings.setdefault("stale_after", 3 * interval + timeout)
    return Endpoint(
        id=f"{service}/{name}",
        service=service,
        name=name,
        kind=settings.pop("kind", "http"),
        evidence=evidence,
        interval=interval,
        timeout=timeout,
        **settings,
    )


@pytest.fixture(name="well_formed")
def well_formed_fixture() -> Callable[[object], None]:
    return well_formed


@pytest.fixture
def make_endpoint() -> Callable[..., Endpoint]:
    return endpoint


@pytest.fixture
def make_harness() -> Callable[..., Harness]:
    """Build one; by default one service `mfa` with a sign-in, a health page and a claim.

    Its endpoints are all read at the start.
    """

    def build(*services: Service, witnesses: tuple[Endpoint, ...] = (), **site) -> Harness:
        chosen = services or (usual(),)
        watched = Site(id="soc", services=chosen, witnesses=witnesses, **site)
        harness = Harness(Simulation(watched, 1000.0))
        harness.script(Reason.OK, *(e.id for e in watched.endpoints))
        harness.effects += harness.simulation.start()
        return harness

    return build


def usual(name: str = "mfa", **settings) -> Service:
    return Service(
        id=name,
        name=name,
        endpoints=(
            endpoint(name, "sign-in", Evidence.SYMPTOM, slow_after=5.0),
            endpoint(name, "health", Evidence.HEALTH, interval=30.0, timeout=5.0),
            endpoint(
                name,
                "vendor",
                Evidence.CLAIM,
                interval=120.0,
                timeout=10.0,
                failure_threshold=1,
                retry_interval=None,
            ),
        ),
        **settings,
    )


@pytest.fixture
def usual_service() -> Callable[..., Service]:
    return usual


@pytest.fixture
def three_witnesses() -> tuple[Endpoint, ...]:
    common = {"interval": 10.0, "timeout": 2.0, "failure_threshold": 1, "retry_interval": None}
    return (
        endpoint("witness", "gateway", Evidence.WITNESS, local=True, **common),
        endpoint("witness", "canary-a", Evidence.WITNESS, **common),
        endpoint("witness", "canary-b", Evidence.WITNESS, **common),
    )


@pytest.fixture
def passing() -> Reading:
    return PASSING
