"""Quiet hours follow the site's own clock, summer time included."""

from datetime import UTC, datetime

from beacon.core.inputs import QuietHours
from beacon.engine.calendar.quiet_hours import QuietHoursWatch
from beacon.engine.clock import ManualClock


def changes(watch: QuietHoursWatch, clock: ManualClock, hours: int) -> list[tuple[str, bool]]:
    found = []
    for _ in range(hours * 12):
        event = watch(clock.monotonic())
        if event:
            assert event == QuietHours(clock.monotonic(), event.on)
            found.append((clock.utc().strftime("%d %H:%M"), event.on))
        clock.advance(300)
    return found


def test_over_midnight_and_through_the_change_to_summer_time():
    clock = ManualClock(datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
    watch = QuietHoursWatch(clock, "22:00", "06:00", "Europe/London")
    assert changes(watch, clock, 48) == [
        ("28 22:00", True),
        ("29 05:00", False),
        ("29 21:00", True),
        ("30 05:00", False),
    ]


def test_until_midnight_is_written_24():
    clock = ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
    watch = QuietHoursWatch(clock, "22:00", "24:00", "UTC")
    assert changes(watch, clock, 24) == [("05 22:00", True), ("06 00:00", False)]


def test_within_a_day_and_already_begun_at_start():
    clock = ManualClock(datetime(2026, 1, 5, 12, 30, tzinfo=UTC))
    watch = QuietHoursWatch(clock, "12:00", "13:00", "UTC")
    assert changes(watch, clock, 24) == [
        ("05 12:30", True),
        ("05 13:00", False),
        ("06 12:00", True),
    ]
