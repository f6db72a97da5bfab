"""Runs end by their deadline whatever they do, and nobody waits for anybody else."""

import errno
import logging
import socket
import threading

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import DeadlinePassed, Phase
from beacon.engine.workers import GRACE, Finished, Workers, bug_reading


class Probe:
    def __init__(self, observe) -> None:
        self.observe = observe


@pytest.fixture
def box():
    return Inbox()


@pytest.fixture
def workers(clock, box):
    it = Workers(clock, box.post)
    yield it
    assert it.stop(10)


def started(workers, name, observe, timeout=5.0, regular=True):
    workers.start(name, Probe(observe), timeout, ProbeMemory(), regular=regular)
    return workers.task(name)


def only(box) -> Finished:
    [done] = box.take(10)
    return done


def test_a_reading_comes_by_the_inbox_with_its_times(workers, box, clock):
    task = started(workers, "a/b", lambda run: Reading(Reason.SLOW), regular=False)
    assert workers.next_deadline() == 1005.0
    seen = workers.finish(only(box))
    assert (seen.at, seen.endpoint, seen.reading) == (1000.0, "a/b", Reading(Reason.SLOW))
    assert (seen.started, seen.regular) == (1000.0, False)
    assert workers.task("a/b") is None
    assert workers.next_deadline() is None
    assert task.over


def test_a_deadline_noticed_by_the_probe_is_a_reading_by_its_phase(workers, box):
    def connects(run):
        run.enter(Phase.CONNECT)
        raise DeadlinePassed

    started(workers, "a/b", connects)
    assert workers.finish(only(box)).reading.reason is Reason.CONNECT_TIMEOUT


def test_a_bug_in_a_probe_costs_one_reading_and_leaks_nothing(workers, box, caplog):
    def breaks(run):
        try:
            raise KeyError("otp=123456")
        except KeyError as error:
            raise ValueError("https://example.com/?token=hunter2") from error

    with caplog.at_level(logging.DEBUG):
        started(workers, "a/b", breaks)
        reading = workers.finish(only(box)).reading
    assert reading == Reading(Reason.INTERNAL_ERROR, "bug in the probe: ValueError")
    assert "builtins.ValueError\n  raised from\n" in caplog.text
    assert "in breaks" in caplog.text
    assert "hunter2" not in caplog.text.replace(
        'ValueError("https://example.com/?token=hunter2")', ""
    )
    started(workers, "a/b", lambda run: Reading(Reason.OK))
    assert workers.finish(only(box)).reading.reason is Reason.OK


def test_at_the_deadline_the_blocked_socket_wakes_and_the_reading_is_there(workers, box, clock):
    ours, theirs = socket.socketpair()
    blocked = threading.Event()

    def reads(run):
        run.enter(Phase.READ)
        with run.watching(ours):
            blocked.set()
            ours.recv(1)
        run.remaining()
        return Reading(Reason.OK)

    with ours, theirs:
        task = started(workers, "a/b", reads, timeout=5.0)
        assert blocked.wait(10)
        assert workers.expire(clock.monotonic()) == ()
        clock.advance(5)
        [seen] = workers.expire(clock.monotonic())
        assert (seen.at, seen.reading.reason, seen.reading.latency) == (
            1005.0,
            Reason.DEADLINE,
            5.0,
        )
        assert workers.expire(clock.monotonic()) == ()
        assert workers.finish(only(box)) is None
        assert not task.stuck(clock.monotonic() + 60) or workers.task("a/b") is None


def test_what_breaks_because_its_sockets_were_shut_is_no_bug(workers, box, clock, caplog, hanging):
    probe = hanging(Phase.SEND)

    def breaks(run):
        probe.observe(run)
        raise OSError("closed under me")

    started(workers, "a/b", breaks)
    assert probe.entered.acquire(timeout=60)
    clock.advance(9)
    workers.expire(clock.monotonic())
    probe.go_on.set()
    assert only(box).reading.reason is Reason.DEADLINE
    assert caplog.text == ""


def test_a_late_result_is_dropped_even_when_the_next_run_is_on(workers, box, clock, hanging):
    probe = hanging()
    task = started(workers, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    clock.advance(5)
    [seen] = workers.expire(clock.monotonic())
    assert seen.reading.reason is Reason.DNS_TIMEOUT
    assert workers.task("a/b") is task
    assert not task.stuck(clock.monotonic())
    clock.advance(GRACE)
    assert task.stuck(clock.monotonic())
    probe.go_on.set()
    late = only(box)
    assert workers.finish(late) is None
    fresh = started(workers, "a/b", lambda run: Reading(Reason.SLOW))
    assert workers.finish(late) is None
    assert workers.task("a/b") is fresh
    assert workers.finish(only(box)).reading.reason is Reason.SLOW


def test_the_pool_grows_while_all_are_busy_and_only_then(workers, box, hanging):
    slow = [hanging() for _ in range(20)]
    for number, probe in enumerate(slow):
        started(workers, f"slow/{number}", probe.observe)
    assert all(probe.entered.acquire(timeout=60) for probe in slow)
    for _ in range(50):
        started(workers, "quick/one", lambda run: Reading(Reason.OK))
        assert workers.finish(only(box)).endpoint == "quick/one"
    assert len(workers._threads) == 21


def test_a_run_that_never_began_is_not_held_against_the_endpoint(clock, box, hanging):
    workers = Workers(clock, box.post)
    probe = hanging()
    started(workers, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    workers._grow = lambda: True  # the thread exists, but the machine does not let it run
    started(workers, "a/c", lambda run: Reading(Reason.OK), timeout=3.0)
    clock.advance(3)
    [seen] = workers.expire(clock.monotonic())
    assert seen.endpoint == "a/c"
    assert seen.reading.reason is Reason.INTERNAL_ERROR
    probe.go_on.set()
    assert workers.stop(10)


def test_a_system_without_threads_is_our_trouble(workers, box, monkeypatch, caplog):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    started(workers, "a/b", lambda run: Reading(Reason.OK))
    assert workers.finish(only(box)).reading.reason is Reason.INTERNAL_ERROR
    assert "TasksMax" in caplog.text


def test_forgotten_endpoints_say_nothing_more(workers, box, hanging):
    probe = hanging()
    started(workers, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    workers.forget(["a/b", "never/seen"])
    assert workers.next_deadline() is None
    probe.go_on.set()
    assert workers.finish(only(box)) is None


def test_stop_says_when_a_worker_does_not_come_back(box, hanging):
    workers = Workers(SystemClock(), box.post)
    probe = hanging()
    started(workers, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    assert not workers.stop(0.02)
    probe.go_on.set()
    assert workers.stop(10)


def test_a_machine_without_sockets_is_no_bug_of_the_probe(caplog):
    reading = bug_reading("a/b", OSError(errno.EMFILE, "Too many open files"))
    assert reading.reason is Reason.INTERNAL_ERROR
    assert "LimitNOFILE" in reading.detail
    assert "Traceback" not in caplog.text
