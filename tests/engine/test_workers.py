"""Runs end by their deadline whatever they do, and nobody waits for anybody else."""

import errno
import logging
import socket
import threading

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.run import DeadlinePassed, Phase
from beacon.engine.workers import GRACE, Finished, Prober, bug


class Probe:
    def __init__(self, observe) -> None:
        self.observe = observe


@pytest.fixture
def box():
    return Inbox()


@pytest.fixture
def prober(clock, box):
    it = Prober(clock, box.post)
    yield it
    assert it.stop(10)


def started(prober, name, observe, timeout=5.0, regular=True):
    prober.start(name, Probe(observe), timeout, regular=regular)
    return prober.task(name)


def only(box) -> Finished:
    [done] = box.take(10)
    return done


def test_a_reading_comes_by_the_mailbox_with_its_times(prober, box, clock):
    task = started(prober, "a/b", lambda run: Reading(Reason.SLOW), regular=False)
    assert prober.next_deadline() == 1005.0
    seen = prober.finish(only(box))
    assert (seen.at, seen.endpoint, seen.reading) == (1000.0, "a/b", Reading(Reason.SLOW))
    assert (seen.started, seen.regular) == (1000.0, False)
    assert prober.task("a/b") is None
    assert prober.next_deadline() is None
    assert task.over


def test_a_deadline_noticed_by_the_probe_is_a_reading_by_its_phase(prober, box):
    def connects(run):
        run.enter(Phase.CONNECT)
        raise DeadlinePassed

    started(prober, "a/b", connects)
    assert prober.finish(only(box)).reading.reason is Reason.CONNECT_TIMEOUT


def test_a_bug_in_a_probe_costs_one_reading_and_leaks_nothing(prober, box, caplog):
    def breaks(run):
        try:
            raise KeyError("otp=123456")
        except KeyError as error:
            raise ValueError("https://example.com/?token=hunter2") from error

    with caplog.at_level(logging.DEBUG):
        started(prober, "a/b", breaks)
        reading = prober.finish(only(box)).reading
    assert reading == Reading(Reason.INTERNAL_ERROR, "bug in the probe: ValueError")
    assert "builtins.ValueError\n  raised from\n" in caplog.text
    assert "in breaks" in caplog.text
    assert "hunter2" not in caplog.text.replace(
        'ValueError("https://example.com/?token=hunter2")', ""
    )
    started(prober, "a/b", lambda run: Reading(Reason.OK))
    assert prober.finish(only(box)).reading.reason is Reason.OK


def test_at_the_deadline_the_blocked_socket_wakes_and_the_reading_is_there(prober, box, clock):
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
        task = started(prober, "a/b", reads, timeout=5.0)
        assert blocked.wait(10)
        assert prober.expire(clock.monotonic()) == ()
        clock.advance(5)
        [seen] = prober.expire(clock.monotonic())
        assert (seen.at, seen.reading.reason, seen.reading.latency) == (
            1005.0,
            Reason.DEADLINE,
            5.0,
        )
        assert prober.expire(clock.monotonic()) == ()
        assert prober.finish(only(box)) is None
        assert not task.stuck(clock.monotonic() + 60) or prober.task("a/b") is None


def test_what_breaks_because_its_sockets_were_shut_is_no_bug(prober, box, clock, caplog, hanging):
    probe = hanging(Phase.SEND)

    def breaks(run):
        probe.observe(run)
        raise OSError("closed under me")

    started(prober, "a/b", breaks)
    assert probe.entered.acquire(timeout=60)
    clock.advance(9)
    prober.expire(clock.monotonic())
    probe.go_on.set()
    assert only(box).reading.reason is Reason.DEADLINE
    assert caplog.text == ""


def test_a_late_result_is_dropped_even_when_the_next_run_is_on(prober, box, clock, hanging):
    probe = hanging()
    task = started(prober, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    clock.advance(5)
    [seen] = prober.expire(clock.monotonic())
    assert seen.reading.reason is Reason.DNS_TIMEOUT
    assert prober.task("a/b") is task
    assert not task.stuck(clock.monotonic())
    clock.advance(GRACE)
    assert task.stuck(clock.monotonic())
    probe.go_on.set()
    late = only(box)
    assert prober.finish(late) is None
    fresh = started(prober, "a/b", lambda run: Reading(Reason.SLOW))
    assert prober.finish(late) is None
    assert prober.task("a/b") is fresh
    assert prober.finish(only(box)).reading.reason is Reason.SLOW


def test_the_pool_grows_while_all_are_busy_and_only_then(prober, box, hanging):
    slow = [hanging() for _ in range(20)]
    for number, probe in enumerate(slow):
        started(prober, f"slow/{number}", probe.observe)
    assert all(probe.entered.acquire(timeout=60) for probe in slow)
    for _ in range(50):
        started(prober, "quick/one", lambda run: Reading(Reason.OK))
        assert prober.finish(only(box)).endpoint == "quick/one"
    assert len(prober._threads) == 21


def test_a_run_that_never_began_is_not_held_against_the_endpoint(clock, box, hanging):
    prober = Prober(clock, box.post)
    probe = hanging()
    started(prober, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    prober._grow = lambda: True  # the thread exists, but the machine does not let it run
    started(prober, "a/c", lambda run: Reading(Reason.OK), timeout=3.0)
    clock.advance(3)
    [seen] = prober.expire(clock.monotonic())
    assert seen.endpoint == "a/c"
    assert seen.reading.reason is Reason.INTERNAL_ERROR
    probe.go_on.set()
    assert prober.stop(10)


def test_a_system_without_threads_is_our_trouble(prober, box, monkeypatch, caplog):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    started(prober, "a/b", lambda run: Reading(Reason.OK))
    assert prober.finish(only(box)).reading.reason is Reason.INTERNAL_ERROR
    assert "TasksMax" in caplog.text


def test_forgotten_endpoints_say_nothing_more(prober, box, hanging):
    probe = hanging()
    started(prober, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    prober.forget(["a/b", "never/seen"])
    assert prober.next_deadline() is None
    probe.go_on.set()
    assert prober.finish(only(box)) is None


def test_stop_says_when_a_worker_does_not_come_back(box, hanging):
    prober = Prober(SystemClock(), box.post)
    probe = hanging()
    started(prober, "a/b", probe.observe)
    assert probe.entered.acquire(timeout=60)
    assert not prober.stop(0.02)
    probe.go_on.set()
    assert prober.stop(10)


def test_a_machine_without_sockets_is_no_bug_of_the_probe(caplog):
    reading = bug("a/b", OSError(errno.EMFILE, "Too many open files"))
    assert reading.reason is Reason.INTERNAL_ERROR
    assert "LimitNOFILE" in reading.detail
    assert "Traceback" not in caplog.text
