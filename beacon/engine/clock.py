"""The clock, handed in as an object: nothing else asks the machine for the time."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from beacon.core.model import Moment


class Clock(Protocol):
    """Monotonic seconds for every duration, UTC for people and for one-time codes."""

    def monotonic(self) -> Moment:
        """Seconds that never jump."""
        ...

    def utc(self) -> datetime:
        """Wall time, aware, UTC. May jump."""
        ...


class SystemClock:
    """The machine's own clock.

    It counts the time in which the machine was suspended: readings from before that are old, and
    two hours of maintenance are over after two hours.
    """

    def monotonic(self) -> Moment:
        """Seconds that never jump."""
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME))

    def utc(self) -> datetime:
        """Wall time, aware, UTC. May jump."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until `advance`: for replays and tests."""

    def __init__(self, start: datetime, monotonic: float = 0.0) -> None:
        self._utc = start
        self._monotonic = monotonic

    def monotonic(self) -> Moment:
        """Seconds that never jump."""
        return Moment(self._monotonic)

    def utc(self) -> datetime:
        """Wall time, aware, UTC."""
        return self._utc

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self._utc += timedelta(seconds=seconds)


def utc_at(clock: Clock, at: float) -> datetime:
    """The wall time of a monotonic moment, by the difference of both clocks now."""
    return clock.utc() - timedelta(seconds=clock.monotonic() - at)


class WallClockMap:
    """UTC of monotonic moments. A moment has the same UTC until the wall clock steps."""

    STEP: Final = timedelta(seconds=0.5)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero = utc_at(clock, 0.0)

    def __call__(self, at: float) -> datetime:
        """The wall time of this moment."""
        zero = utc_at(self._clock, 0.0)
        if abs(zero - self._zero) > self.STEP:
            self._zero = zero
        return self._zero + timedelta(seconds=at)

    @property
    def zero(self) -> float:
        """The wall time of monotonic 0, in UTC seconds: tells one boot from another."""
        return self(0.0).timestamp()
