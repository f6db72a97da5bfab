"""What every line of the tower does, turn by turn: all lamps in phase, on one timeline.

`Renderer.turn` reads the clock, computes one frame, writes what changed and returns when the next
frame is due. It has no thread (that is `beacon.outputs.tower.output`) and all
its methods belong to the one thread that calls `turn`.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from beacon.config.schema import Tower
from beacon.core.indication import (
    DARK,
    GRID,
    SIGNAL,
    Colour,
    Indication,
    Pattern,
    Sound,
    lamp_test,
    levels,
    patterns,
    sounding,
)
from beacon.engine.clock import Clock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.button import Button, Gesture
from beacon.outputs.tower.channels import ALIVE, BUZZER, Channels, wiring

_log = logging.getLogger(__name__)

SHORTEST: Final = 1 / 2.8
"""Least seconds from one lighting of a lamp to the next, to protect photosensitive people."""

PAUSE: Final = 0.6
"""Seconds of silence between two sounds."""

LATEST: Final = 0.2
"""Seconds after which a waiting sound begins anywhere within a grid step."""

NAP: Final = 5
"""Most grid steps a tower without a button sleeps: the judge may die meanwhile."""

CYCLE: Final = 200
"""Grid steps after which every pattern begins anew (flags: each in its turn)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pins do. `lamps`: the word of the `lamp/<colour>` topic for each lamp wired."""

    lamps: Mapping[Colour, str] = field(default_factory=dict)
    buzzer: Sound | None = None
    lamp_test: bool = False
    judge_dead: bool = False


def _frame(lamps: Mapping[Colour, bool], *, buzzer: bool, alive: bool) -> dict[str, bool]:
    return {BUZZER: buzzer, ALIVE: alive, **{c.value: on for c, on in lamps.items()}}


class BuzzerPlayer:
    """The buzzer: one sound after another, each once; a sound that already waits is not added."""

    def __init__(self) -> None:
        self.playing: Sound | None = None
        self._waiting: deque[Sound] = deque()
        self._begun = self._free = self._last = -math.inf
        self._asked = math.inf  # since when something waits

    def play(self, sound: Sound) -> None:
        """Play this after the sounds before it."""
        if sound not in self._waiting:
            self._waiting.append(sound)

    @property
    def idle(self) -> bool:
        """Whether no sound plays or waits."""
        return self.playing is None and not self._waiting

    def clear(self) -> None:
        """Drop all sounds."""
        self._waiting.clear()
        self.playing = None

    def level(self, at: float) -> bool:
        """Whether the buzzer is on at `at`, a moment on the grid."""
        since, self._last = at - self._last, at
        if self.playing is None and self._waiting:
            self._asked = min(self._asked, at)
            # Begin at the start of a grid step, or the first pulse would be cut short. On a machine
            # that cannot keep the grid, begin anyway after `LATEST`.
            fresh = GRID / 2 < since < 1.5 * GRID or since == math.inf or at > self._asked + LATEST
            if fresh and at > self._free - GRID / 2:
                self.playing, self._begun = self._waiting.popleft(), at
                self._asked = math.inf
        if self.playing is None:
            return False
        on = sounding(self.playing, at - self._begun)
        if on is None:
            self.playing, self._free = None, at + PAUSE
        return bool(on)


class Renderer:
    """Indications, sounds and lamp tests in; levels on `lines` out.

    `judge` is the heartbeat of the deciding thread: while it does not beat, the tower shows
    `on_death`, and never green. `heart` is our own: it beats only after a frame was written.
    """

    def __init__(
        self,
        tower: Tower,
        clock: Clock,
        lines: Channels,
        *,
        judge: Heartbeat,
        heart: Heartbeat,
        on_press: Callable[[], None],
    ) -> None:
        self._on_shown: Callable[[Shown], None] = lambda _shown: None
        self._shown: Shown | None = None
        self._clock, self._judge, self._heart, self._lines = clock, judge, heart, lines
        self._on_press = on_press
        self._channels = frozenset(wiring(tower))
        self._lamps = tuple(colour for colour in Colour if colour in tower.lamps)
        self._on_death = frozenset(tower.on_death) - {Colour.GREEN}
        self._indication = DARK
        # The frames of this indication, computed once per step: a quiet tower needs almost no CPU.
        self._known: dict[int, tuple[dict[str, bool], Shown]] = {}
        self._steady: dict[str, bool] | None = None  # the frame that the lines show
        self._has_button = tower.buttons.acknowledge is not None
        self._buzzer, self._button = BuzzerPlayer(), Button()
        self._test_asked = False
        self._test_begun: float | None = None
        self._written: dict[str, bool] = {}
        self._lit_at: dict[str, float] = {}
        self._sampled = -math.inf

    def show(self, indication: Indication) -> None:
        """Show this from the next turn on."""
        self._indication, self._known = indication, {}

    def play(self, sound: Sound) -> None:
        """Play this sound once."""
        if BUZZER in self._channels:
            self._buzzer.play(sound)

    def test(self, with_buzzer: bool) -> None:
        """Test the lamps, as soon as the judge beats."""
        self._test_asked = True
        if with_buzzer:
            self.play(Sound.CHIRP)

    def observe(self, on_shown: Callable[[Shown], None]) -> None:
        """Call this with what the pins do: at the next turn, and on each change."""
        self._on_shown, self._shown = on_shown, None

    def turn(self) -> float:
        """Write one frame; return the monotonic second at which the next is due.

        Raises what a line raised, after all other lines were written.
        """
        now = self._clock.monotonic()
        step = math.floor(now / GRID + 1e-6)
        at = step * GRID
        frame, shown = self._frame(step)
        if frame is not self._steady:
            self._write(frame, now)
        self._heart.beat()
        if shown is not self._shown and shown != self._shown:
            self._shown = shown
            self._on_shown(shown)
        if at > self._sampled and self._has_button:
            self._sampled = at
            self._read_button(at)
        return (step + self._sleep(step, frame)) * GRID

    def _sleep(self, step: int, frame: dict[str, bool]) -> int:
        """How many steps may pass until the next frame differs."""
        if self._has_button or frame is not self._steady or not self._quiet:
            return 1
        ahead = (n for n in range(1, NAP) if self._usual(step + n)[0] != frame)
        return next(ahead, NAP)

    @property
    def _quiet(self) -> bool:
        """Whether the indication alone decides what is shown."""
        testing = self._test_asked or self._test_begun is not None
        return self._judge.beating and self._buzzer.idle and not testing

    def _usual(self, step: int) -> tuple[dict[str, bool], Shown]:
        """What the indication alone asks for at a step."""
        step %= CYCLE * max(1, len(self._indication.flags))
        found = self._known.get(step)
        if found is None:
            lamps, words = self._state(step * GRID)
            frame = _frame(lamps, buzzer=False, alive=True)
            found = self._known[step] = frame, Shown(self._of_lamps(words))
        return found

    def _frame(self, step: int) -> tuple[dict[str, bool], Shown]:
        if self._quiet:
            self._buzzer.level(step * GRID)  # it must know where the steps begin
            return self._usual(step)
        if not self._judge.beating:
            return self._death()
        at = step * GRID
        lamps, words = self._testing(at) or self._state(at)
        buzzing = self._buzzer.level(at)
        testing = self._test_begun is not None
        return _frame(lamps, buzzer=buzzing, alive=True), Shown(
            self._of_lamps(words), self._buzzer.playing, lamp_test=testing
        )

    def _death(self) -> tuple[dict[str, bool], Shown]:
        self._buzzer.clear()
        lamps = {colour: colour in self._on_death for colour in Colour}
        words = {c: (Pattern.STEADY if on else Pattern.OFF).value for c, on in lamps.items()}
        shown = Shown(self._of_lamps(words), judge_dead=True)
        return _frame(lamps, buzzer=False, alive=False), shown

    def _testing(self, at: float) -> tuple[Mapping[Colour, bool], Mapping[Colour, str]] | None:
        if self._test_asked:
            self._test_asked, self._test_begun = False, at
        if self._test_begun is None:
            return None
        lit = lamp_test(self._lamps, at - self._test_begun)
        if lit is None:
            self._test_begun = None
            return None
        return {c: c in lit for c in Colour}, dict.fromkeys(Colour, SIGNAL)

    def _state(self, at: float) -> tuple[Mapping[Colour, bool], Mapping[Colour, str]]:
        return levels(self._indication, at), patterns(self._indication, at)

    def _of_lamps(self, words: Mapping[Colour, str]) -> dict[Colour, str]:
        return {colour: words[colour] for colour in self._lamps}

    def _write(self, frame: dict[str, bool], now: float) -> None:
        trouble: Exception | None = None
        waits = False
        self._steady = None
        # Dark first: two lamps that change places are never lit together.
        for channel, lit in sorted(frame.items(), key=lambda item: item[1]):
            if channel not in self._channels or self._written.get(channel) is lit:
                continue
            if lit and channel in self._lamps and self._too_soon(channel, now):
                waits = True
                continue
            try:
                self._lines.set(channel, lit)
            except Exception as error:  # noqa: BLE001 - raised below, after all others
                self._written.pop(channel, None)
                trouble = error
            else:
                self._written[channel] = lit
                if lit:
                    self._lit_at[channel] = now
        if trouble is not None:
            raise trouble
        if not waits:
            self._steady = frame

    def _too_soon(self, lamp: str, now: float) -> bool:
        return now - self._lit_at.get(lamp, -math.inf) < SHORTEST

    def _read_button(self, at: float) -> None:
        gesture = self._button.sample(at, self._lines.pressed())
        if gesture is Gesture.PRESS:
            _log.info("button pressed: acknowledge")
            self._on_press()
        elif gesture is Gesture.HOLD:
            _log.info("button held: lamp test")
            self.test(with_buzzer=True)
