"""A tower on the bench: real gpiozero mock pins, timed by the clock that stands still."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from beacon.config.schema import Buttons, Buzzer, Tower
from beacon.core.indication import Colour
from beacon.engine.clock import ManualClock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.channels import Channels, wiring
from beacon.outputs.tower.gpio import GpioChannels
from beacon.outputs.tower.renderer import Renderer, Shown

LAMPS = {
    Colour.RED: 17,
    Colour.AMBER: 27,
    Colour.GREEN: 22,
    Colour.BLUE: 23,
    Colour.WHITE: 24,
}


def tower_of(**settings: object) -> Tower:
    """A tower-5 with everything, unless set otherwise."""
    defaults: dict[str, object] = {
        "lamps": LAMPS,
        "buzzer": Buzzer(pin=18),
        "buttons": Buttons(acknowledge=5),
        "alive_relay": 6,
    }
    return Tower(**{**defaults, **settings})  # type: ignore[arg-type]


def factory_of(clock: ManualClock) -> MockFactory:
    """gpiozero's mock, its pins' times taken from this clock."""

    class ClockedPin(MockPin):  # type: ignore[misc]
        def clear_states(self) -> None:
            super().clear_states()
            self._last_change = clock.monotonic()

        def _change_state(self, value: bool) -> bool:
            before = self._last_change
            if not super()._change_state(value):
                return False
            now = clock.monotonic()
            self.states[-1] = self.states[-1]._replace(timestamp=round(now - before, 6))
            self._last_change = now
            return True

    return MockFactory(revision="a02082", pin_class=ClockedPin)


@dataclass
class Bench:
    """A renderer driven turn by turn, its judge alive unless set otherwise."""

    tower: Tower
    clock: ManualClock
    factory: MockFactory
    lines: Channels
    judge: Heartbeat
    heart: Heartbeat
    renderer: Renderer = field(init=False)
    shown: list[Shown] = field(default_factory=list)
    presses: list[float] = field(default_factory=list)
    due: float = 0.0

    def __post_init__(self) -> None:
        self.renderer = Renderer(
            self.tower,
            self.clock,
            self.lines,
            judge=self.judge,
            heart=self.heart,
            on_press=lambda: self.presses.append(self.clock.monotonic()),
        )
        self.renderer.observe(self.shown.append)
        self.pins = {name: self.factory.pin(pin) for name, pin in wiring(self.tower).items()}
        self.due = self.clock.monotonic()

    def run(self, seconds: float, *, judge_beats: bool = True) -> None:
        """Let the renderer turn for so long; the turn at the very end is left for the next."""
        until = self.clock.monotonic() + seconds
        while self.due < until - 1e-6:
            self.clock.advance(max(0.0, self.due - self.clock.monotonic()))
            if judge_beats:
                self.judge.beat()
            self.due = self.renderer.turn()
        self.clock.advance(until - self.clock.monotonic())

    def settle(self) -> None:
        """Forget what the pins did so far."""
        for pin in self.pins.values():
            pin.clear_states()

    def did(self, channel: str) -> list[tuple[float, bool]]:
        """What a pin did since `settle`: seconds since the change before, and its level."""
        return [(state.timestamp, state.state) for state in self.pins[channel].states]

    def hold(self, seconds: float) -> None:
        """Push the button for so long, and let it go."""
        button = self.factory.pin(self.tower.buttons.acknowledge)
        button.drive_low()
        self.run(seconds)
        button.drive_high()


@pytest.fixture
def bench(clock: ManualClock) -> Iterator[Callable[..., Bench]]:
    """Set up a tower on the bench; settings as in `Tower`, `wrap` to stand before its lines."""
    built: list[Bench] = []

    def build(
        wrap: Callable[[Channels], Channels] = lambda lines: lines, **settings: object
    ) -> Bench:
        tower = tower_of(**settings)
        factory = factory_of(clock)
        lines = wrap(GpioChannels(tower, factory))
        judge, heart = Heartbeat(clock), Heartbeat(clock)
        built.append(Bench(tower, clock, factory, lines, judge, heart))
        return built[-1]

    yield build
    for each in built:
        each.lines.close()


@pytest.fixture
def make_tower() -> Callable[..., Tower]:
    """Settings of a tower-5 with everything, unless set otherwise."""
    return tower_of


@pytest.fixture
def make_factory(clock: ManualClock) -> Callable[[], MockFactory]:
    """A mock pin factory timed by `clock`."""
    return lambda: factory_of(clock)


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a tower or terminal thread behind."""
    yield
    assert not [t.name for t in threading.enumerate() if t.name in {"tower", "terminal"}]
