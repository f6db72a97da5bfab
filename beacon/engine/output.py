"""What the deciding thread asks of an output, and the heartbeats that watch each other."""

from collections.abc import Sequence
from typing import Protocol

from beacon.core.effects import Effect
from beacon.engine.clock import Clock


class Output(Protocol):
    """Shows or publishes effects. All three methods are called by the deciding thread."""

    name: str

    def start(self) -> None:
        """Begin; raises only for what must stop the daemon before it is ready (a pin taken)."""
        ...

    def offer(self, effects: Sequence[Effect]) -> None:
        """Take note and return at once; never blocks, never does I/O that could."""
        ...

    def stop(self, budget: float) -> None:
        """Come to a clean end within `budget` seconds."""
        ...


class Heartbeat:
    """A stamp one thread sets and another reads: judge and renderer watch each other."""

    LIMIT = 5.0
    """Seconds after which a heart that does not beat counts as stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at: float | None = None
        """When it last beat; None before the first."""

    def beat(self) -> None:
        """I am alive, now."""
        self.at = self._clock.monotonic()

    @property
    def beating(self) -> bool:
        """Whether the last stamp is younger than `LIMIT`; false before the first."""
        at = self.at
        return at is not None and self._clock.monotonic() - at < self.LIMIT
