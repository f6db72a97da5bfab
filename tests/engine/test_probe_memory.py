"""What a probe remembers, and whose it is: kept over an unchanged reload, else dropped."""

import threading
from dataclasses import dataclass, field

import pytest

from beacon.core.model import Reading, Reason, Site
from beacon.engine.clock import SystemClock
from beacon.engine.loop import ScheduledProbe
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run


class Seen(list[str]):
    """What runs leave for later ones."""


@dataclass(frozen=True)
class Remembering:
    """Says what the runs before it left. It hangs while `free` is not set."""

    word: str = "a"
    free: threading.Event = field(default_factory=threading.Event, compare=False)

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        memory.of(Seen).append("waited")
        return 0.0

    def observe(self, run: Run) -> Reading:
        seen = run.memory.of(Seen)
        seen_words = " ".join(seen)
        self.free.wait(60)
        seen.append(self.word)
        return Reading(Reason.OK, seen_words)


def free(word: str = "a") -> Remembering:
    probe = Remembering(word)
    probe.free.set()
    return probe


def test_one_object_of_each_class_made_at_first_use_or_shared():
    shared = Seen(["theirs"])
    one, other = ProbeMemory({Seen: shared}), ProbeMemory({Seen: shared})
    assert one.of(Seen) is other.of(Seen) is shared
    assert one.of(dict) is one.of(dict)
    assert one.of(dict) is not other.of(dict)


def test_a_run_without_one_has_a_memory_of_its_own_and_keeps_it_past_its_deadline(clock):
    run, other = Run(clock, 5.0), Run(clock, 5.0)
    assert run.memory is not other.memory
    assert run.afterwards(5.0).memory is run.memory


def read(house, clock) -> str:
    """What the next run of the only endpoint says."""
    before = len(house.judge.readings())
    clock.advance(house.engine.schedule.next_due() - clock.monotonic())
    house.turn()
    while len(house.judge.readings()) == before:
        house.turn(wait=10)
    return house.judge.readings()[-1].reading.detail


@pytest.mark.parametrize(
    ("fresh", "timeout", "detail"),
    [
        (free(), 2.0, "waited a waited"),
        (free("b"), 2.0, "waited"),
        (free(), 3.0, "waited"),
    ],
    ids=["unchanged", "another setting", "another timeout"],
)
def test_a_reload_keeps_the_memory_of_equal_settings(house, clock, fresh, timeout, detail):
    house.watch({"a/b": free()})
    assert read(house, clock) == "waited"
    house.engine.reconfigure(Site(id="x"), {"a/b": ScheduledProbe(fresh, 10.0, timeout)})
    assert read(house, clock) == detail


@pytest.mark.parametrize(("word", "detail"), [("a", "waited a waited"), ("b", "waited")])
def test_a_run_that_goes_on_over_a_reload_writes_into_the_memory_of_its_own_settings(
    make_house, clock, word, detail
):
    house, old = make_house(clock), Remembering()
    house.watch({"a/b": old})
    clock.advance(10.0)
    house.turn()
    house.engine.reconfigure(Site(id="x"), {"a/b": ScheduledProbe(free(word), 10.0, 2.0)})
    old.free.set()
    while house.engine.workers.task("a/b"):
        house.turn(wait=10)
    assert read(house, clock) == detail


def test_two_endpoints_with_equal_settings_remember_apart(make_house, eventually):
    house = make_house(SystemClock())
    house.watch({"a/b": free(), "a/c": free()}, interval=0.05)
    house.run()
    eventually(lambda: len({r.endpoint for r in house.judge.readings()}) == 2)
    for name in ("a/b", "a/c"):
        assert house.judge.readings(name)[0].reading.detail == "waited"
