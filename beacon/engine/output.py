"""The interface of an output, and the heartbeats by which threads watch each other."""

from collections.abc import Sequence
from typing import Protocol

from beacon.core.effects import Effect
from beacon.engine.clock import Clock


class Output(Protocol):
    """Shows or publishes effects. Only `offer` is called by the deciding thread."""

    name: str

    def start(self) -> None:
        """Start; raises only for what must stop the daemon before it is ready (a pin in use)."""
        ...

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what to show and return at once; never blocks, and does no I/O that could."""
        ...

    def stop(self, budget: float) -> None:
        """Stop in order within `budget` seconds."""
        ...


class Heartbeat:
    """A time that one thread sets and another reads: judge and renderer watch each other."""

    LIMIT = 5.0
    """Seconds without a beat after which its thread counts as stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at: float | None = None
        """The last beat; None before the first."""

    def beat(self) -> None:
        """Set the time to now."""
        self.at = self._clock.monotonic()

    @property
    def beating(self) -> bool:
        """Whether the last beat is younger than `LIMIT`; false before the first."""
        at = self.at
        return at is not None and self._clock.monotonic() - at < self.LIMIT
