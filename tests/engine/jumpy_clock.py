"""A clock that stands still, and whose date somebody sets."""

from datetime import datetime, timedelta

from beacon.engine.clock import ManualClock


class JumpyClock(ManualClock):
    """A clock that can be set, as `date --set` does."""

    def set(self, by: float | timedelta) -> None:
        """Another date, no time passed; a number is seconds."""
        self.step(by if isinstance(by, timedelta) else timedelta(seconds=by))


class HeldUpClock(ManualClock):
    """Whoever asks for the date is held up before and after, so many times: 5 s pass each."""

    def __init__(self, start: datetime, times: int) -> None:
        super().__init__(start, 1000.0)
        self._times = times

    def utc(self) -> datetime:
        held_up = 5.0 if self._times > 0 else 0.0
        self._times -= 1
        self.advance(held_up)
        date = super().utc()
        self.advance(held_up)
        return date
