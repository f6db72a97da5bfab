"""A run that lets time pass."""

import threading
import time

import pytest

from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import DeadlinePassed, Run


def test_a_pause_is_over_in_time_or_when_the_run_is() -> None:
    began = time.monotonic()
    Run(SystemClock(), 5.0).pause(0.05)
    assert 0.04 < time.monotonic() - began < 2
    run = Run(SystemClock(), 30.0)
    timer = threading.Timer(0.05, run.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        run.pause(20.0)
    timer.join()
    assert time.monotonic() - began < 5
    with pytest.raises(DeadlinePassed):
        run.pause(20.0)


def test_no_pause_is_longer_than_the_run(clock: ManualClock) -> None:
    run = Run(clock, 0.05)
    began = time.monotonic()
    run.pause(20.0)
    assert time.monotonic() - began < 2
