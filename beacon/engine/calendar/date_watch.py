"""Whether the date is plausible. A Pi without a clock battery may start in the past."""

from datetime import date

from beacon.core.inputs import DateImplausible
from beacon.core.model import Moment
from beacon.engine.clock import Clock


class DateWatch:
    """Reports when the date begins or ceases to be before `released`. Polled by `Engine`."""

    def __init__(self, clock: Clock, released: str) -> None:
        self._clock, self._released = clock, date.fromisoformat(released)
        self._on = False

    @property
    def plausible(self) -> bool:
        """Whether the date is not before the build."""
        # A day of grace: the date of the build is in some local time zone.
        return (self._released - self._clock.utc().date()).days <= 1

    def __call__(self, at: Moment) -> DateImplausible | None:
        """The event for the core, if it changed since the last call."""
        on = not self.plausible
        if on is self._on:
            return None
        self._on = on
        return DateImplausible(at, on)
