"""The acknowledge button: gestures from samples taken at 20 Hz."""

from enum import StrEnum
from typing import Final

HOLD: Final = 2.0
"""Held for so many seconds or longer: lamp test."""

STUCK: Final = 30.0
"""Held for so many seconds or longer: the button is stuck, so it means nothing."""


class Gesture(StrEnum):
    """What a release means."""

    PRESS = "press"
    HOLD = "hold"


class Button:
    """Samples in, gestures out. Acts on release, and not before the button was once up.

    A change needs two equal samples, because contacts bounce and long wires pick up spikes. So a
    press must last a tenth of a second.
    """

    def __init__(self) -> None:
        self._last: bool | None = None
        self._since = 0.0  # when the last sample changed
        self._down: bool | None = None  # None: it was never up
        self._pressed_at = 0.0

    def sample(self, at: float, down: bool) -> Gesture | None:
        """Take the button's level at `at` seconds; return the gesture that ends now, if any."""
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
        return _gesture(self._since - self._pressed_at)


def _gesture(held: float) -> Gesture | None:
    if held >= STUCK:
        return None
    return Gesture.HOLD if held >= HOLD else Gesture.PRESS
