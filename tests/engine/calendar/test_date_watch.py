"""A date before the build is posted once, and so is its correction."""

from datetime import UTC, datetime

from beacon.core.inputs import DateImplausible
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.clock import ManualClock


def test_a_pi_that_wakes_up_in_april_and_is_then_set_right():
    clock = ManualClock(datetime(2013, 4, 1, tzinfo=UTC), 5.0)
    watch = DateWatch(clock, "2026-11-22")
    assert watch(5.0) == DateImplausible(5.0, True)
    assert watch(6.0) is None
    clock.advance((datetime(2026, 11, 22, tzinfo=UTC) - clock.utc()).total_seconds())
    assert watch(7.0) == DateImplausible(7.0, False)
    assert watch(8.0) is None


def test_a_day_of_grace_for_time_zones():
    clock = ManualClock(datetime(2026, 11, 21, 1, tzinfo=UTC))
    assert DateWatch(clock, "2026-11-22")(0.0) is None
