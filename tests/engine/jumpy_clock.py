"""A clock that stands still, and whose date somebody sets."""

from datetime import timedelta

from beacon.engine.clock import ManualClock


class JumpyClock(ManualClock):
    """A clock that can be set, as `date --set` does."""

    def set(self, by: float | timedelta) -> None:
        """Another date, no time passed; a number is seconds."""
        self.step(by if isinstance(by, timedelta) else timedelta(seconds=by))
