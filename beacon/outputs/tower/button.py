"""The acknowledge button: what a hand means, from samples taken at 20 Hz."""

from enum import StrEnum
from typing import Final

HOLD: Final = 2.0
"""Seconds from which a press is a hold."""

STUCK: Final = 30.0
"""Seconds from which nobody's finger is on it."""


class Gesture(StrEnum):
    """What a release meant."""

    PRESS = "press"
    HOLD = "hold"


class Button:
    """Samples in, gestures out. Acts on release, never before the button was seen up once.

    A change counts from its second equal sample: contacts bounce, and long wires pick up
    spikes. So a press must last a tenth of a second.
    """

    def __init__(self) -> None:
        self._last: bool | None = None
        self._since = 0.0  # when the last sample changed
        self._down: bool | None = None  # None: not yet seen up
        self._pressed_at = 0.0

    def sample(self, at: float, down: bool) -> Gesture | None:
        """Take the button's level at `at` seconds; the gesture that ends with it, if any."""
        if down is not self._last:
            self._last, self._since = down, at
            return None
        if self._down is None:
            self._down = None if down else False
            return None
        if down is self._down:
            return None
        self._down = down
        if down:
            self._pressed_at = self._since
            return None
        return _meant(self._since - self._pressed_at)


def _meant(held: float) -> Gesture | None:
    if held >= STUCK:
        return None
    return Gesture.HOLD if held >= HOLD else Gesture.PRESS
