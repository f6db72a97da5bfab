"""The tower's lines as channels that are lit or dark.

What drives lamps takes a `Channels`; `beacon.outputs.tower.gpio` makes one of GPIO pins.
"""

from collections.abc import Callable
from typing import Final, Protocol

from beacon.config.schema import Tower
from beacon.core.indication import Colour

BUZZER: Final = "buzzer"
ALIVE: Final = "alive"


class TowerError(Exception):
    """The lines cannot be opened; the message says which, why, and what to do."""


class Channels(Protocol):
    """All outputs of the tower by channel, and its one button.

    A channel is a `Colour`, `BUZZER` or `ALIVE`. "Lit" is what people see; whether
    that is a high or a low pin is up to the implementation.
    """

    def set(self, channel: str, lit: bool) -> None:
        """Light (or sound, or energise) one channel, or make it dark."""
        ...

    def pressed(self) -> bool:
        """Whether the button is down now; false if there is none."""
        ...

    def close(self) -> None:
        """Make every channel dark, then release the lines. May be called twice."""
        ...


def wiring(tower: Tower) -> dict[str, int]:
    """Channel → BCM number of every output line, lamps in their order from the top."""
    lines: dict[str, int] = {c.value: tower.lamps[c] for c in Colour if c in tower.lamps}
    if tower.buzzer is not None:
        lines[BUZZER] = tower.buzzer.pin
    if tower.alive_relay is not None:
        lines[ALIVE] = tower.alive_relay
    return lines


def walk(
    tower: Tower, lines: Channels, wait: Callable[[float], object], say: Callable[[str], object]
) -> None:
    """Light every output alone for a second and announce it first: the power-on check."""
    for channel in wiring(tower):
        say(channel)
        lines.set(channel, lit=True)
        wait(0.2 if channel == BUZZER else 1.0)
        lines.set(channel, lit=False)
