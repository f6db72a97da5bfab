"""Wall time from monotonic seconds."""

from datetime import UTC, datetime, timedelta

from beacon.engine.clock import ManualClock, WallClockMap


def test_moments_are_named_alike_until_the_wall_clock_steps():
    clock = ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC), 1000.0)
    moments = WallClockMap(clock)
    first = moments(990.0)
    assert first.isoformat() == "2026-01-05T11:59:50+00:00"
    clock.advance(3600)
    clock._utc += timedelta(milliseconds=3)
    assert moments(990.0) == first
    clock._utc += timedelta(hours=1)
    assert moments(990.0) - first == timedelta(hours=1, milliseconds=3)
