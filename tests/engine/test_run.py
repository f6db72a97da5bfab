"""A run that lets time pass."""

import threading
import time

import pytest

from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.redaction import quoted
from beacon.engine.run import DeadlinePassed, Run


def test_a_pause_is_over_in_time_or_when_the_run_is() -> None:
    began = time.monotonic()
    Run(SystemClock(), 3600.0).pause(0.05)
    assert time.monotonic() - began > 0.04
    run = Run(SystemClock(), 3600.0)
    timer = threading.Timer(0.05, run.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        run.pause(3600.0)
    timer.join()
    with pytest.raises(DeadlinePassed):
        run.pause(3600.0)


def test_no_pause_is_longer_than_the_run(clock: ManualClock) -> None:
    Run(clock, 0.05).pause(3600.0)


def test_what_comes_afterwards_has_time_of_its_own_and_notes_in_the_same_place(
    clock: ManualClock,
) -> None:
    run = Run(clock, 10.0)
    run.hide("hunter2")
    clock.advance(20.0)
    run.expire()
    after = run.afterwards(5.0)
    assert after.remaining() == 5.0
    after.note(quoted("hunter2"))
    after.hide("token-1")
    assert [note.strip() for note in run.notes] == ["20000.0 ms  ***"]
    run.note(quoted("token-1"))
    assert run.notes[-1].endswith("***")
    with pytest.raises(DeadlinePassed):
        run.remaining()
