"""Planned windows follow local time: over midnight, through both changes of the clocks."""

from datetime import UTC, datetime

import pytest

from beacon.core.inputs import Scheduled
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.calendar.windows import WeeklyWindow, WindowsWatch
from beacon.engine.clock import ManualClock
from tests.engine.jumpy_clock import JumpyClock

EVERY_DAY = tuple(range(7))
SATURDAY, SUNDAY = 5, 6


def window(begin, end, *, weekdays=EVERY_DAY, zone="Europe/London", name="W", services=("mfa",)):
    return WeeklyWindow(
        name=name, weekdays=weekdays, begin=begin, end=end, time_zone=zone, services=services
    )


def changes(windows, start, hours):
    """What is in a window from when on, every five minutes: "28 22:00" (UTC) and services."""
    clock = ManualClock(datetime(*start, tzinfo=UTC))
    watch = WindowsWatch(clock, windows)
    found = []
    for _ in range(round(hours * 12)):
        event = watch(clock.monotonic())
        if event is not None:
            assert event.at == clock.monotonic()
            names = [service for service, _, _ in event.services]
            found.append((clock.utc().strftime("%d %H:%M"), names))
        clock.advance(300)
    return found


def test_over_midnight_on_the_day_it_begins():
    friday_night = window("22:00", "02:00", weekdays=(4,), zone="UTC")
    assert changes([friday_night], (2026, 1, 8, 12), 96) == [
        ("09 22:00", ["mfa"]),
        ("10 02:00", []),
    ]


def test_already_open_at_the_start():
    assert changes([window("22:00", "02:00", zone="UTC")], (2026, 1, 8, 0, 30), 3) == [
        ("08 00:30", ["mfa"]),
        ("08 02:00", []),
    ]


MARCH, OCTOBER = (2026, 3, 28, 20), (2026, 10, 24, 20)


@pytest.mark.parametrize(
    ("start", "day", "begin", "end", "found"),
    [
        # A day ends at 24; this Sunday has 23 hours.
        (MARCH, SUNDAY, "00:00", "24:00", ["29 00:00", "29 23:00"]),
        (MARCH, SUNDAY, "22:00", "24:00", ["29 21:00", "29 23:00"]),
        # London, 29 March 2026: 01:00 to 02:00 do not exist; 01:00 UTC is 02:00.
        (MARCH, SUNDAY, "00:30", "03:00", ["29 00:30", "29 02:00"]),
        (MARCH, SUNDAY, "00:30", "01:30", ["29 00:30", "29 01:00"]),
        (MARCH, SUNDAY, "01:30", "03:00", ["29 01:00", "29 02:00"]),
        (MARCH, SUNDAY, "01:15", "01:45", []),
        (MARCH, SATURDAY, "23:00", "01:30", ["28 23:00", "29 01:00"]),
        # London, 25 October 2026: 01:00 to 02:00 come twice; 01:00 UTC is 01:00 again.
        (OCTOBER, SUNDAY, "00:30", "03:00", ["24 23:30", "25 03:00"]),
        (OCTOBER, SUNDAY, "00:30", "01:30", ["24 23:30", "25 01:30"]),
        (OCTOBER, SUNDAY, "01:30", "03:00", ["25 00:30", "25 03:00"]),
        (OCTOBER, SUNDAY, "01:15", "01:45", ["25 00:15", "25 01:45"]),
    ],
)
def test_the_nights_the_clocks_change(start, day, begin, end, found):
    night = window(begin, end, weekdays=(day,))
    assert [at for at, _ in changes([night], start, 30)] == found


def test_overlapping_windows_are_one_as_long_as_either_is_open():
    both = [
        window("10:00", "12:00", zone="UTC", name="A"),
        window("11:00", "13:00", zone="UTC", name="B", services=("mfa", "sms")),
    ]
    assert changes(both, (2026, 1, 8, 9), 6) == [
        ("08 10:00", ["mfa"]),
        ("08 11:00", ["mfa", "sms"]),
        ("08 13:00", []),
    ]


def test_the_end_and_the_name_are_those_of_the_window_that_lasts_longest():
    clock = ManualClock(datetime(2026, 1, 8, 11, 30, tzinfo=UTC), 500.0)
    late = window("11:00", "13:00", zone="UTC", name="late")
    soon = window("10:00", "12:00", zone="UTC", name="soon")
    expected = Scheduled(500.0, (("mfa", 500.0 + 5400.0, "late"),))
    assert WindowsWatch(clock, [late, soon])(500.0) == expected
    assert WindowsWatch(clock, [soon, late])(500.0) == expected


def test_other_windows_after_a_reload():
    clock = ManualClock(datetime(2026, 1, 8, 11, 30, tzinfo=UTC))
    watch = WindowsWatch(clock, [window("11:00", "12:00", zone="UTC")])
    assert watch(0.0) is not None
    assert watch(0.0) is None
    watch.follow([])
    assert watch(1.0) == Scheduled(1.0, ())


def test_the_sites_own_time_zone_counts():
    evening = window("20:00", "21:00", zone="America/New_York")
    assert [at for at, _ in changes([evening], (2026, 1, 8, 0), 24)] == ["08 01:00", "08 02:00"]


# --- a clock that cannot be trusted ------------------------------------------------


@pytest.fixture
def pi():
    """A Pi's clock, a date watch and a window from 22:00 to 23:00 UTC."""
    clock = JumpyClock(datetime(2026, 12, 1, 22, 30, tzinfo=UTC), 100.0)
    dates = DateWatch(clock, "2026-11-22")
    watch = WindowsWatch(clock, [window("22:00", "23:00", zone="UTC")], lambda: dates.plausible)
    return clock, watch


def jump(clock, **to):
    """Another date, no time passed."""
    clock.set(clock.utc().replace(**to) - clock.utc())


def test_no_window_begins_on_an_implausible_date(pi):
    clock, watch = pi
    jump(clock, year=2013)
    assert watch(clock.monotonic()) is None
    jump(clock, year=2026)
    assert watch(clock.monotonic()) == Scheduled(100.0, (("mfa", 1900.0, "W"),))


def test_one_that_is_open_goes_on_and_ends_when_its_time_has_passed(pi):
    clock, watch = pi
    assert watch(clock.monotonic()) is not None
    jump(clock, year=2013, hour=3)
    clock.advance(1799.0)
    assert watch(clock.monotonic()) is None
    clock.advance(1.0)
    assert watch(clock.monotonic()) == Scheduled(1900.0, ())
    clock.advance(86400.0)
    assert watch(clock.monotonic()) is None


def test_a_date_that_is_set_right_goes_by_the_calendar_again(pi):
    clock, watch = pi
    assert watch(clock.monotonic()) is not None
    jump(clock, year=2013)
    assert watch(clock.monotonic()) is None
    jump(clock, year=2026, hour=23)
    assert watch(clock.monotonic()) == Scheduled(100.0, ())


def test_the_end_does_not_depend_on_how_late_the_beat_is_served():
    clock = ManualClock(datetime(2026, 1, 8, 11, 30, tzinfo=UTC), 500.0)
    watch = WindowsWatch(clock, [window("11:00", "12:00", zone="UTC")])
    clock.advance(0.9)
    assert watch(500.0) == Scheduled(500.0, (("mfa", 500.0 + 1800.0, "W"),))
