"""Which hour of the week is it? The calendar is known here; the core hears of every new hour."""

from datetime import UTC, datetime, timedelta
from typing import Final

from beacon.core.inputs import HourBegan
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.clock import Clock

_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


class HourWatch:
    """Says when an hour begins, of UTC; a sign for `Engine`.

    None while the date lies before `released`: nobody knows which hour it is.
    """

    def __init__(self, clock: Clock, released: str) -> None:
        self._clock, self._date = clock, DateWatch(clock, released)
        self._said: int | None = None

    def __call__(self, at: float) -> HourBegan | None:
        """The event for the core, if another hour began since the last call."""
        hour = (self._clock.utc() - _MONDAY) // _HOUR if self._date.plausible else None
        if hour == self._said:
            return None
        self._said = hour
        return HourBegan(at, hour)
