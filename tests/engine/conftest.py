"""A judge that only records, scripted probes, and an engine around them."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from beacon.core.account.approach import Approach
from beacon.core.effects import Effect
from beacon.core.inputs import Event, Observed, TimePassed
from beacon.core.model import Health, Reading, Reason, Site
from beacon.core.views import EndpointRead
from beacon.engine.clock import Clock, SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item, ScheduledProbe
from beacon.engine.output import Heartbeat
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Phase, Run

OK = Reading(Reason.OK)


@dataclass
class NotingJudge:
    """Gives scripted answers; keeps every event."""

    answer: Callable[[Event], tuple[Effect, ...]] = lambda event: ()
    deadline: float | None = None
    events: list[Event] = field(default_factory=list)
    changed: frozenset[str] = frozenset()
    approaches: dict[str, Approach] = field(default_factory=dict)
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def start(self, at: float) -> tuple[Effect, ...]:
        return (EndpointRead(at, "started", OK, Health.UNKNOWN, 0),)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        self.events.append(event)
        if isinstance(event, TimePassed):
            self.deadline = None
        return self.answer(event)

    def approach(self, endpoint: str, at: float) -> Approach:
        return self.approaches.get(endpoint, Approach.SIGN_IN)

    def sharing(self, endpoint: str) -> tuple[str, ...]:
        return self.shared.get(endpoint, ())

    def next_deadline(self) -> float | None:
        return self.deadline

    def reconfigure(
        self, site: Site, at: float, changed: frozenset[str] = frozenset()
    ) -> tuple[Effect, ...]:
        self.changed = changed
        return (EndpointRead(at, f"reconfigured {site.id}", OK, Health.UNKNOWN, 0),)

    def readings(self, endpoint: str | None = None) -> list[Observed]:
        events = [e for e in self.events if isinstance(e, Observed)]
        return [e for e in events if endpoint in (None, e.endpoint)]


@dataclass
class NotingOutput:
    """Keeps every effect; raises while `broken`."""

    name: str = "notes"
    broken: bool = False
    effects: list[Effect] = field(default_factory=list)

    def start(self) -> None: ...

    def offer(self, effects) -> None:
        if self.broken:
            raise ValueError("password=hunter2")
        self.effects.extend(effects)

    def stop(self, budget: float) -> None: ...


@dataclass
class Passing:
    """Passes at once; `held` seconds it must wait."""

    runs: int = 0
    held: float = 0.0

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        return self.held

    def observe(self, run: Run) -> Reading:
        self.runs += 1
        return OK


class Hanging:
    """Hangs in a phase until the test lets it go on: a name resolution that no socket wakes."""

    def __init__(self, phase: Phase = Phase.DNS) -> None:
        self.phase = phase
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.runs = 0

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        return 0.0

    def observe(self, run: Run) -> Reading:
        self.runs += 1
        run.enter(self.phase)
        self.entered.release()
        self.go_on.wait(30)
        return OK


class House:
    """An engine with its surroundings, turned by hand or running in a thread."""

    def __init__(self, clock: Clock, **parts) -> None:
        self.clock = clock
        self.judge = parts.pop("judge", None) or NotingJudge()
        self.output = NotingOutput()
        self.inbox: Inbox[Item] = Inbox()
        self.heart, self.renderer = Heartbeat(clock), Heartbeat(clock)
        self.fed = 0
        outputs = parts.pop("outputs", ())
        self.engine = Engine(
            judge=self.judge,
            clock=clock,
            inbox=self.inbox,
            outputs=(*outputs, self.output),
            heartbeat=self.heart,
            renderer=self.renderer,
            feed=self._feed,
            **parts,
        )
        self._thread: threading.Thread | None = None

    def _feed(self) -> None:
        self.fed += 1

    def watch(self, probes, interval: float = 10.0, timeout: float = 2.0) -> None:
        self.engine.start({k: ScheduledProbe(p, interval, timeout) for k, p in probes.items()})

    def turn(self, wait: float = 0.0) -> None:
        """One turn with what is in the inbox, waiting up to `wait` real seconds for it."""
        self.engine.turn(self.inbox.take(wait))

    def run(self) -> None:
        self._thread = threading.Thread(target=self.engine.run)
        self._thread.start()

    def close(self) -> None:
        self.engine.stop()
        if self._thread:
            self._thread.join(60)
            assert not self._thread.is_alive()
        assert self.engine.workers.stop(10)


@pytest.fixture
def house(make_house, clock) -> House:
    """An engine on a clock that stands still; turn it by hand."""
    return make_house(clock)


@pytest.fixture
def live(make_house) -> House:
    """An engine on the real clock."""
    return make_house(SystemClock())


@pytest.fixture
def make_house() -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(clock: Clock, **parts) -> House:
        houses.append(House(clock, **parts))
        return houses[-1]

    yield make
    for it in houses:
        it.close()


@pytest.fixture
def passing() -> type[Passing]:
    return Passing


@pytest.fixture
def hanging() -> Iterator[Callable[..., Hanging]]:
    probes: list[Hanging] = []

    def make(phase: Phase = Phase.DNS) -> Hanging:
        probes.append(Hanging(phase))
        return probes[-1]

    yield make
    for probe in probes:
        probe.go_on.set()


@pytest.fixture
def noting_output() -> type[NotingOutput]:
    return NotingOutput
