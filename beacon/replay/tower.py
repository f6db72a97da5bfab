"""The real tower, used by a replay."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Self

from beacon.config.schema import Tower
from beacon.core.effects import Effect
from beacon.engine.clock import Clock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.channels import Channels
from beacon.outputs.tower.output import StackLight

BEAT: Final = 1.0
STOP_LIMIT: Final = 2.0


class ReplayTower:
    """A tower without a monitor. The replay must wait with `wait`, which keeps it lit."""

    def __init__(
        self,
        tower: Tower,
        clock: Clock,
        lines: Channels,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._judge, self._sleep = Heartbeat(clock), sleep
        self._light = StackLight(tower, clock, self._judge, lambda: None, lines)

    def __enter__(self) -> Self:
        """Start the tower."""
        self._judge.beat()
        self._light.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, dark."""
        self._light.stop(STOP_LIMIT)

    def show(self, effects: Sequence[Effect]) -> None:
        """Show indications, sound sounds."""
        self._judge.beat()
        self._light.offer(effects)

    def wait(self, seconds: float) -> None:
        """Let time pass while the tower goes on showing."""
        while seconds > 0:
            self._judge.beat()
            self._sleep(min(seconds, BEAT))
            seconds -= BEAT
