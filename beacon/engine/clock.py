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
        self._now = Moment(monotonic), start  # one object: a thread never sees half of a step

    def monotonic(self) -> Moment:
        """Seconds that never jump."""
        return self._now[0]

    def utc(self) -> datetime:
        """Wall time, aware, UTC."""
        return self._now[1]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        monotonic, utc = self._now
        self._now = Moment(monotonic + seconds), utc + timedelta(seconds=seconds)

    def step(self, by: timedelta) -> None:
        """Set the wall clock: no time passes."""
        monotonic, utc = self._now
        self._now = monotonic, utc + by


TOGETHER: Final = 0.01
"""Seconds within which two clocks must be read to be compared."""
TRIES: Final = 10


def utc_at(clock: Clock, at: float) -> datetime:
    """The wall time of a monotonic moment, by the difference of both clocks now.

    A thread that is held up between the two reads them again, else it would see a step.
    """
    for _ in range(TRIES):
        now, utc = clock.monotonic(), clock.utc()
        if clock.monotonic() - now < TOGETHER:
            break
    return utc - timedelta(seconds=now - at)


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
