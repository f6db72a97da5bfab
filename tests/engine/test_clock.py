"""Wall time from monotonic seconds."""

from datetime import UTC, datetime, timedelta

from beacon.engine.clock import TRIES, ManualClock, WallClockMap, utc_at

from .jumpy_clock import HeldUpClock

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_moments_are_named_alike_until_the_wall_clock_steps():
    clock = ManualClock(START, 1000.0)
    moments = WallClockMap(clock)
    first = moments(990.0)
    assert first.isoformat() == "2026-01-05T11:59:50+00:00"
    clock.advance(3600)
    clock.step(timedelta(milliseconds=3))
    assert moments(990.0) == first
    clock.step(timedelta(hours=1))
    assert moments(990.0) - first == timedelta(hours=1, milliseconds=3)


def test_two_clocks_that_were_read_at_different_moments_are_read_again():
    assert utc_at(HeldUpClock(START, 3), 1000.0).isoformat() == "2026-01-05T12:00:00+00:00"
    at_last = utc_at(HeldUpClock(START, TRIES), 1000.0)
    assert at_last.isoformat() == "2026-01-05T12:00:05+00:00"
