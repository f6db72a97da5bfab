"""The hour of the week. The core has no calendar; it gets an event for each new hour."""

from datetime import UTC, datetime, timedelta
from typing import Final

from beacon.core.inputs import HourBegan
from beacon.core.model import Moment
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.clock import Clock

_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


class HourWatch:
    """Reports when an hour begins, in UTC. Polled by `Engine`.

    None while the date is before `released`: the hour is not known then.
    """

    def __init__(self, clock: Clock, released: str) -> None:
        self._clock, self._date = clock, DateWatch(clock, released)
        self._last: int | None = None

    def __call__(self, at: Moment) -> HourBegan | None:
        """The event for the core, if another hour began since the last call."""
        hour = (self._clock.utc() - _MONDAY) // _HOUR if self._date.plausible else None
        if hour == self._last:
            return None
        self._last = hour
        return HourBegan(at, hour)
