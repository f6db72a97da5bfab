"""Quiet hours in local time. The core gets an event when they begin or end."""

from datetime import time
from zoneinfo import ZoneInfo

from beacon.core.inputs import QuietHours
from beacon.core.model import Moment
from beacon.engine.calendar.windows import time_of_day
from beacon.engine.clock import Clock


class QuietHoursWatch:
    """Reports when the quiet hours begin or end. Polled by `Engine`.

    `begin` and `end` are local times ("22:00"), `time_zone` an IANA name; hours that end
    before they begin go over midnight.
    """

    def __init__(self, clock: Clock, begin: str, end: str, time_zone: str) -> None:
        self._clock = clock
        self._begin, self._end = time_of_day(begin), time_of_day(end)
        self._zone = ZoneInfo(time_zone)
        self._on = False

    def __call__(self, at: Moment) -> QuietHours | None:
        """The event for the core, if the hours began or ended since the last call."""
        on = self._quiet(self._clock.utc().astimezone(self._zone).time())
        if on is self._on:
            return None
        self._on = on
        return QuietHours(at, on)

    def _quiet(self, local: time) -> bool:
        if self._begin < self._end:
            return self._begin <= local < self._end
        return local >= self._begin or local < self._end
