"""A run that somebody asks for: it is made at once, once, and by the rules of every other run."""

import math
import threading
from concurrent.futures import CancelledError

import pytest

from beacon.core.effects import Postpone, Recheck
from beacon.core.model import Reading, Reason, Site
from beacon.engine.loop import RunHeld, ScheduledProbe
from beacon.engine.workers import GRACE


class Counting:
    """Passes with a number of its own for each run; `held` seconds it must wait for a code."""

    def __init__(self, held: float = 0.0) -> None:
        self.held, self.runs, self.free = held, 0, threading.Event()
        self.free.set()

    def wait(self, utc, memory) -> float:
        return self.held

    def observe(self, run) -> Reading:
        self.runs += 1
        run.note(f"run {self.runs}")
        assert self.free.wait(60)
        return Reading(Reason.OK, f"run {self.runs}")


class Broken(Counting):
    def wait(self, utc, memory) -> float:
        raise ValueError


def result(house, asked):
    while not asked.done():
        house.turn(wait=0.01)
    return asked.result()


def test_it_is_made_at_once_and_counts_as_a_recheck(house):
    house.watch({"a/b": Counting()}, interval=3600.0)
    came = result(house, house.engine.run_now("a/b"))
    assert came.reading.detail == "run 1"
    assert [note.split("  ")[-1] for note in came.task.notes()] == ["run 1"]
    [event] = house.judge.readings()
    assert (event.reading, event.regular) == (came.reading, False)
    assert house.engine.schedule.next_due() is not None, "the regular runs come all the same"


def test_a_run_that_goes_on_counts_for_all_who_ask(house):
    probe = Counting()
    probe.free.clear()
    house.watch({"a/b": probe}, interval=3600.0)
    first = house.engine.run_now("a/b")
    house.turn()
    second = house.engine.run_now("a/b")
    house.turn()
    probe.free.set()
    assert result(house, first) == result(house, second)
    assert probe.runs == 1


def test_a_deadline_and_a_bug_are_results_too(house, clock, hanging):
    probe = hanging()
    house.watch({"a/b": probe, "c/d": Broken()}, interval=3600.0, timeout=2.0)
    asked, broken = house.engine.run_now("a/b"), house.engine.run_now("c/d")
    house.turn()
    assert probe.entered.acquire(timeout=60)
    clock.advance(2.0)
    overstayed = result(house, asked)
    assert overstayed.reading.reason is Reason.DNS_TIMEOUT
    assert overstayed.task.notes(0) == (
        "the run does not end: what it sent and received is not shown",
    )
    came = result(house, broken)
    assert (came.reading.reason, came.task) == (Reason.INTERNAL_ERROR, None)
    clock.advance(GRACE)
    assert result(house, house.engine.run_now("a/b")).reading.reason is Reason.DNS_TIMEOUT
    probe.go_on.set()
    assert overstayed.task.notes() == [], "it has returned, and noted nothing"


@pytest.mark.parametrize(("until", "seconds"), [(1600.0, 600.0), (math.inf, math.inf)])
def test_what_the_guard_holds_is_not_run(house, until, seconds):
    probe = Counting()
    house.judge.answer = lambda event: (Postpone(event.at, "a/b", until),)
    house.watch({"a/b": probe}, interval=3600.0)
    result(house, house.engine.run_now("a/b"))
    with pytest.raises(RunHeld) as held:
        house.engine.run_now("a/b")
    assert held.value.seconds == seconds
    assert probe.runs == 1


def test_what_is_not_run_here_is_not_run(house):
    house.engine.start({"a/pushed": ScheduledProbe(Counting(), None, 2.0)})
    for name in ("a/pushed", "no/such"):
        with pytest.raises(LookupError):
            house.engine.run_now(name)


def test_changed_settings_end_the_waiting_and_equal_ones_do_not(house, clock):
    kept, changed = Counting(held=20.0), Counting(held=20.0)
    house.watch({"a/kept": kept, "a/changed": changed}, interval=3600.0)
    asked = [house.engine.run_now(name) for name in ("a/kept", "a/changed")]
    house.turn()
    fresh = {"a/kept": kept, "a/changed": Counting()}
    house.engine.reconfigure(
        Site(id="x"), {name: ScheduledProbe(probe, 3600.0, 2.0) for name, probe in fresh.items()}
    )
    with pytest.raises(CancelledError):
        asked[1].result(0)
    kept.held = 0.0
    clock.advance(20.0)
    assert result(house, asked[0]).reading.detail == "run 1"


def test_a_recheck_that_waits_is_the_run_that_is_asked_for(house, clock):
    probe = Counting()
    house.watch({"a/b": probe}, interval=3600.0)
    house.engine._obey((Recheck(clock.monotonic(), clock.monotonic() + 50, ("a/b",)),))
    result(house, house.engine.run_now("a/b"))
    clock.advance(60.0)
    house.turn()
    assert probe.runs == 1
