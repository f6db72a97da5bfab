"""What the tower is asked to show: a pattern for every lamp, and sounds.

Data, and pure functions from (indication, seconds) to levels; no pins, no threads.
Frequencies follow IEC 60073 and stay below 2.8 Hz (docs/adr/0005). Every edge of every
pattern and sound lies on a grid of `GRID` seconds; seconds are compared as whole
milliseconds, because 5.1 % 5 is not 0.1 in floating point.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Colour(StrEnum):
    """The lamps, in their order from the top."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    BLUE = "blue"
    WHITE = "white"


class Pattern(StrEnum):
    """How a lamp burns; the words of the `lamp/<colour>` topics."""

    OFF = "off"
    STEADY = "steady"  # lit; it winks, dark for 100 ms every 5 s, to show that it is alive
    SLOW = "slow"  # 0.5 Hz
    FAST = "fast"  # 2 Hz


URGENCY: Final = (Pattern.OFF, Pattern.STEADY, Pattern.SLOW, Pattern.FAST)
"""From least to most urgent."""

SIGNAL: Final = "signal"
"""What a lamp's topic says while the tower-3 flag slot, or the lamp test, has it."""

GRID: Final = 0.05
"""Seconds: whoever looks this often sees every edge."""

PERIOD: Final = {Pattern.SLOW: 2.0, Pattern.FAST: 0.5}
"""Seconds of one flash, half of it lit."""

WINK_EVERY: Final = 5.0
WINK: Final = 0.1
SLOT_EVERY: Final = 10.0
SLOT: Final = 3.0
SLOT_DARK: Final = 0.5
PULSE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp's pattern; `antiphase` flashes in the other half of the period."""

    pattern: Pattern = Pattern.OFF
    antiphase: bool = False


OFF: Final = Light()


class Flag(StrEnum):
    """What a tower without blue and white tells by pulses in its flag slot."""

    ACT = "act"  # operator must act: 1 amber pulse
    BLIND = "blind"  # 2 amber pulses
    STARTING = "starting"  # 3 amber pulses
    DRILL = "drill"  # 2 pulses of all three lamps


FLAG_PULSES: Final = {
    Flag.ACT: ((Colour.AMBER,), 1),
    Flag.BLIND: ((Colour.AMBER,), 2),
    Flag.STARTING: ((Colour.AMBER,), 3),
    Flag.DRILL: ((Colour.RED, Colour.AMBER, Colour.GREEN), 2),
}
"""Flag → lamps and number of pulses, 250 ms on and 250 ms off."""


@dataclass(frozen=True, slots=True)
class Indication:
    """What every lamp is asked to show. `flags` is for tower-3 only."""

    red: Light = OFF
    amber: Light = OFF
    green: Light = OFF
    blue: Light = OFF
    white: Light = OFF
    flags: tuple[Flag, ...] = ()

    def light(self, colour: Colour) -> Light:
        """The light asked of one lamp."""
        found: Light = getattr(self, colour.value)
        return found


DARK: Final = Indication()


class Sound(StrEnum):
    """What the buzzer can say. Never a continuous tone."""

    CHIRP = "chirp"
    TWO_CHIRPS = "two_chirps"
    PULSE = "pulse"
    THREE_PULSES = "three_pulses"


SOUND_STEPS: Final = {
    Sound.CHIRP: (0.1,),
    Sound.TWO_CHIRPS: (0.1, 0.2, 0.1),
    Sound.PULSE: (0.4,),
    Sound.THREE_PULSES: (0.4, 0.3, 0.4, 0.3, 0.4),
}
"""Seconds on, off, on …: what the buzzer does, once."""

TEST: Final = 2.0
TEST_EACH: Final = 0.2


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def lit(light: Light, at: float) -> bool:
    """Whether a lamp with this light burns at `at` seconds on the tower's timeline."""
    if light.pattern is Pattern.OFF:
        return False
    if light.pattern is Pattern.STEADY:
        return _ms(at) % _ms(WINK_EVERY) >= _ms(WINK)
    period = _ms(PERIOD[light.pattern])
    first_half = _ms(at) % period < period // 2
    return first_half is not light.antiphase


def _flag_lamps(flag: Flag, at: float) -> tuple[Colour, ...]:
    """The lamps that burn for a flag whose slot runs at `at` seconds."""
    pulse = (_ms(at) % _ms(SLOT_EVERY) - _ms(SLOT_DARK)) // _ms(PULSE)
    lamps, pulses = FLAG_PULSES[flag]
    return lamps if pulse in range(0, 2 * pulses, 2) else ()


def signalled(indication: Indication, at: float) -> Flag | None:
    """The flag whose slot runs at `at` seconds, if any: one flag a slot, in turn."""
    slot, into = divmod(_ms(at), _ms(SLOT_EVERY))
    if not indication.flags or into >= _ms(SLOT):
        return None
    return indication.flags[slot % len(indication.flags)]


def levels(indication: Indication, at: float) -> dict[Colour, bool]:
    """Which lamps burn at `at` seconds on the tower's timeline."""
    flag = signalled(indication, at)
    if flag is None:
        return {colour: lit(indication.light(colour), at) for colour in Colour}
    burning = _flag_lamps(flag, at)
    return {colour: colour in burning for colour in Colour}


def patterns(indication: Indication, at: float) -> dict[Colour, str]:
    """The word for what each lamp does at `at` seconds: its pattern, or `SIGNAL`."""
    if signalled(indication, at):
        return dict.fromkeys(Colour, SIGNAL)
    return {colour: indication.light(colour).pattern.value for colour in Colour}


def sounding(sound: Sound, into: float) -> bool | None:
    """Whether the buzzer is on `into` seconds after the sound began; None: it is over."""
    left = _ms(into)
    for step, seconds in enumerate(SOUND_STEPS[sound]):
        if left < _ms(seconds):
            return step % 2 == 0
        left -= _ms(seconds)
    return None


def lamp_test(lamps: tuple[Colour, ...], into: float) -> frozenset[Colour] | None:
    """The lamps a lamp test lights `into` seconds after it began; None: it is over.

    One after another in the order given, `TEST_EACH` each, then all until `TEST`.
    """
    if _ms(into) >= _ms(TEST):
        return None
    turn = _ms(into) // _ms(TEST_EACH)
    return frozenset(lamps[turn : turn + 1] if turn < len(lamps) else lamps)
