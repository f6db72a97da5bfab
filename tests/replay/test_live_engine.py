"""The same world lived through by the live engine and replayed: every effect is the same."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.core.effects import Effect
from beacon.core.inputs import (
    Acknowledge,
    Bypass,
    ClockStepped,
    ClockSynchronised,
    DateImplausible,
    Drill,
    Event,
    HourBegan,
    Maintenance,
    QuietHours,
    Resume,
    Shelve,
    Silence,
)
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.clock import ManualClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item, ScheduledProbe
from beacon.engine.output import Heartbeat
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.engine.workers import Finished
from beacon.replay.simulation import PASSING, ScriptedReading, Simulation
from tests.examples import few

pytestmark = pytest.mark.untraced

START = 1000.0
SPAN = 2400.0


def endpoint(name: str, evidence: Evidence, **settings) -> Endpoint:
    service = name.partition("/")[0]
    interval = settings.setdefault("interval", 60.0)
    settings.setdefault("stale_after", 3 * interval + 30.0)
    return Endpoint(id=name, service=service, name=name, kind="http", evidence=evidence, **settings)


EYE = {"interval": 20.0, "failure_threshold": 1, "retry_interval": None}
SITE = Site(
    id="soc",
    services=(
        Service(
            id="mfa",
            name="MFA",
            endpoints=(
                endpoint(
                    "mfa/emea", Evidence.SYMPTOM, region="emea", retry_interval=30.0, sign_in=True
                ),
                endpoint(
                    "mfa/apac", Evidence.SYMPTOM, region="apac", retry_interval=25.0, sign_in=True
                ),
                endpoint("mfa/page", Evidence.HEALTH, interval=30.0, slow_after=5.0),
                endpoint("mfa/vendor", Evidence.CLAIM, failure_threshold=1, retry_interval=None),
            ),
        ),
        Service(
            id="sms",
            name="SMS codes",
            endpoints=(
                endpoint(
                    "sms/code",
                    Evidence.SYMPTOM,
                    interval=300.0,
                    retry_interval=60.0,
                    costly=True,
                    clock_bound=True,
                    depends_on=("mfa/page",),
                ),
                endpoint("sms/record", Evidence.CAUSE, failure_threshold=2, explains=("sms/code",)),
            ),
        ),
    ),
    witnesses=(
        endpoint("witness/gateway", Evidence.WITNESS, local=True, **EYE),
        endpoint("witness/a", Evidence.WITNESS, **EYE),
        endpoint("witness/b", Evidence.WITNESS, **EYE),
    ),
)
READ: Sequence[Reason | None] = (
    Reason.OK,
    Reason.OK,
    Reason.DEADLINE,
    Reason.SIGN_IN_REJECTED,
    Reason.DNS_TIMEOUT,
    Reason.SLOW,
    Reason.SOURCE_DEAD,
    Reason.TLS_NOT_YET_VALID,
    None,
)


@dataclass(frozen=True)
class World:
    """What happens to a beacon; times are seconds, restarts come with how long it was dead."""

    readings: Sequence[ScriptedReading]
    events: Sequence[Event]
    restarts: Sequence[tuple[float, float]]


class SettableClock(ManualClock):
    """A clock that is set to a moment exactly: sums of differences would miss what is due."""

    def move_to(self, at: float) -> None:
        self._now = at, self._now[1]


@dataclass
class Live:
    """The live engine; its probes are real runs in real threads and read what the world says."""

    world: World
    effects: list[Effect] = field(default_factory=list)
    name: str = "effects"

    def __post_init__(self) -> None:
        self.clock = SettableClock(datetime(2026, 1, 12, tzinfo=UTC), START)
        self.lines = {e.id: PASSING for e in SITE.endpoints}
        script = [*sorted(self.world.readings, key=lambda each: each.at), *self.world.events]
        self.script = deque(sorted(script, key=lambda each: each.at))

    def offer(self, effects: Sequence[Effect]) -> None:
        self.effects += effects

    def live(self, until: float) -> None:
        self._boot(None)
        for killed, dead in self.world.restarts:
            self._run(killed)
            memory = self.monitor.remember(self.clock.monotonic())
            assert self.engine.workers.stop(10)
            self.clock.move_to(killed + dead)
            while self.script and self.script[0].at < killed + dead:
                if isinstance(line := self.script.popleft(), ScriptedReading):
                    self.lines[line.endpoint] = line.reading
            self._boot(memory)
        self._run(until)
        assert self.engine.workers.stop(10)

    def _boot(self, memory) -> None:
        self.inbox: Inbox[Item] = Inbox()
        self.monitor = Monitor(SITE)
        heart = Heartbeat(self.clock)
        self.engine = Engine(
            judge=self.monitor,
            clock=self.clock,
            inbox=self.inbox,
            outputs=(self,),
            heartbeat=heart,
            renderer=heart,
            feed=lambda: None,
        )
        probes = {
            e.id: ScheduledProbe(Scripted(self.lines, e.id), e.interval, 5.0)
            for e in SITE.endpoints
        }
        self.engine.start(probes, lambda at: self.monitor.start(at, memory))

    def _run(self, until: float) -> None:
        while (due := self._next_due()) <= until:
            self.clock.move_to(max(due, self.clock.monotonic()))
            events: list[Item] = []
            while self.script and self.script[0].at <= due:
                line = self.script.popleft()
                if isinstance(line, ScriptedReading):
                    self._reads_now(line)
                else:
                    events.append(line)
            self.engine.turn(events)
            self.engine.turn(self._finished())
            while self.engine.workers._tasks:
                self.engine.turn(self._finished())
        self.clock.move_to(until)

    def _reads_now(self, line: ScriptedReading) -> None:
        """The world is scripted so that each line is read at its own time, if it may be."""
        self.lines[line.endpoint] = line.reading
        if self.engine.schedule.held(line.endpoint) <= self.clock.monotonic():
            self.engine.schedule.begin(line.endpoint, self.clock.monotonic())

    def _next_due(self) -> float:
        dues = [self.engine.schedule.next_due(), self.monitor.next_deadline()]
        dues += [self.script[0].at] if self.script else []
        return min(due for due in dues if due is not None)

    def _finished(self) -> list[Item]:
        """All readings of the runs that go on, in the order of their start; silence is none."""
        started = list(self.engine.workers._tasks.values())
        done: list[Finished] = []
        while len(done) < len(started):
            found = self.inbox.take(10)
            assert found, "a run does not return"
            done += found
        done.sort(key=lambda each: started.index(each.task))
        silent = [each for each in done if each.reading == SILENCE]
        for each in silent:
            self.engine.workers.finish(each)
        return [each for each in done if each not in silent]


SILENCE = Reading(Reason.INTERNAL_ERROR, "silence")


class Scripted:
    """A probe that reads at once what the world says."""

    def __init__(self, lines: dict[str, Reading | None], endpoint: str) -> None:
        self.read = lambda: lines[endpoint]  # not a field: settings are searched for secrets

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        return 0.0

    def observe(self, run: Run) -> Reading:
        reading = self.read()
        return SILENCE if reading is None else reading


def replayed(world: World, until: float) -> list[Effect]:
    simulation = Simulation(SITE, START, world.readings, world.events)
    effects = list(simulation.start())
    for killed, dead in world.restarts:
        effects += simulation.run(killed)
        effects += simulation.restart(dead)
    effects += simulation.run(until)
    return effects


moments = st.one_of(
    st.integers(0, 120).map(lambda n: START + 20.0 * n), st.floats(START, START + SPAN)
)
lines = st.builds(
    ScriptedReading,
    moments,
    st.sampled_from([e.id for e in SITE.endpoints]),
    st.builds(
        lambda reason, latency: reason and Reading(reason, latency=latency),
        st.sampled_from(READ),
        st.sampled_from([None, 0.2, 9.0]),
    ),
)
WHO = {"by": st.just("analyst"), "origin": st.just("cli")}
services = st.sampled_from(["mfa", "sms", None])
events = st.one_of(
    st.builds(Acknowledge, moments, **WHO),
    st.builds(Silence, moments, on=st.booleans(), **WHO),
    st.builds(Shelve, moments, services, st.booleans(), st.just(600.0), **WHO),
    st.builds(Maintenance, moments, services, st.booleans(), st.just(900.0), **WHO),
    st.builds(Drill, moments, st.booleans(), **WHO),
    st.builds(Resume, moments, services, **WHO),
    st.builds(QuietHours, moments, st.booleans()),
    st.builds(ClockSynchronised, moments, st.booleans()),
    st.builds(DateImplausible, moments, st.booleans()),
    st.builds(ClockStepped, moments, st.floats(-500.0, 500.0)),
    st.builds(HourBegan, moments, st.integers(400_000, 400_003)),
    st.builds(Bypass, moments, services, st.booleans(), **WHO),
)


@st.composite
def worlds(draw) -> World:
    restarts, at = [], START
    for _ in range(draw(st.integers(0, 2))):
        at += draw(st.floats(1.0, 900.0))
        dead = draw(st.floats(0.0, 300.0))
        restarts.append((at, dead))
        at += dead
    return World(draw(st.lists(lines, max_size=25)), draw(st.lists(events, max_size=6)), restarts)


@settings(max_examples=few(20))
@given(worlds())
def test_a_replay_is_what_the_live_engine_does(world):
    live = Live(world)
    live.live(START + SPAN)
    for ours, theirs in zip_longest(replayed(world, START + SPAN), live.effects):
        assert ours == theirs
