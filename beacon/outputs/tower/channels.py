"""The tower's lines, as the rest of the house sees them: channels that are lit or dark.

Whoever drives lamps takes a `Channels`; `beacon.outputs.tower.gpio` makes one of GPIO pins.
"""

from collections.abc import Callable
from typing import Final, Protocol

from beacon.config.schema import Tower
from beacon.core.tower.indication import Colour

BUZZER: Final = "buzzer"
ALIVE: Final = "alive"


class TowerError(Exception):
    """The lines cannot be had; the message says which, why, and what to do."""


class Channels(Protocol):
    """Every output the tower has, by channel, and its one button.

    A channel is a `Colour`, `BUZZER` or `ALIVE`. "Lit" is what people see: whether that is
    a high or a low pin is the implementation's business.
    """

    def set(self, channel: str, lit: bool) -> None:
        """Light (or sound, or energise) one channel, or make it dark."""
        ...

    def pressed(self) -> bool:
        """Whether the button is down now; false where there is none."""
        ...

    def close(self) -> None:
        """Make every channel dark, then let go of the lines. May be called twice."""
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
    """Light every output alone for a second, saying its name first: the power-on check."""
    for channel in wiring(tower):
        say(channel)
        lines.set(channel, lit=True)
        wait(0.2 if channel == BUZZER else 1.0)
        lines.set(channel, lit=False)
