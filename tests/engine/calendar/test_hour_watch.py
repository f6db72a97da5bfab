"""Every hour of the week is posted once, in UTC, and none while the date cannot be."""

from datetime import UTC, datetime

from beacon.core.inputs import HourBegan
from beacon.engine.calendar.hour_watch import HourWatch
from beacon.engine.clock import ManualClock

MONDAY_NINE = 9 + 168 * 2950
"""Hours to 9:00 of the Monday 2,950 weeks after the first one of 1970."""


def test_hours_begin_once():
    clock = ManualClock(datetime(2026, 7, 20, 9, 59, 30, tzinfo=UTC), 5.0)
    watch = HourWatch(clock, "2026-01-01")
    assert watch(5.0) == HourBegan(5.0, MONDAY_NINE)
    assert watch(6.0) is None
    clock.advance(30.0)
    assert watch(35.0) == HourBegan(35.0, MONDAY_NINE + 1)


def test_a_date_before_the_build_has_no_hour():
    clock = ManualClock(datetime(2013, 4, 1, tzinfo=UTC))
    watch = HourWatch(clock, "2026-01-01")
    assert watch(0.0) is None
    clock.advance((datetime(2026, 7, 20, 9, tzinfo=UTC) - clock.utc()).total_seconds())
    assert watch(1.0) == HourBegan(1.0, MONDAY_NINE)
    clock.advance(-1e9)
    assert watch(2.0) == HourBegan(2.0, None)
