"""A tower lent to a replay shows what the replay asks for and is dark afterwards."""

import threading
from collections.abc import Callable

import pytest

from beacon.config.schema import Tower
from beacon.core.effects import IndicationChanged
from beacon.core.indication import Indication, Light, Pattern
from beacon.engine.clock import SystemClock
from beacon.replay.tower import ReplayTower

pytestmark = pytest.mark.usefixtures("no_thread_left")


class Watched:
    """Lines that tell when the red one was lit, and when all were let go."""

    def __init__(self) -> None:
        self.red = threading.Event()
        self.closed = False

    def set(self, channel: str, lit: bool) -> None:
        if channel == "red" and lit:
            self.red.set()

    def pressed(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def test_it_shows_and_waits_in_small_steps(make_tower: Callable[..., Tower]) -> None:
    lines = Watched()
    slept: list[float] = []
    with ReplayTower(make_tower(), SystemClock(), lines, slept.append) as tower:
        tower.show([IndicationChanged(0.0, Indication(red=Light(Pattern.FAST)))])
        assert lines.red.wait(5)
        tower.wait(2.5)
    assert slept == [1.0, 1.0, 0.5]
    assert lines.closed
