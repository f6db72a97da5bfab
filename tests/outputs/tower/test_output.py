"""The tower as an output: its thread, its border, its end."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from beacon.config.schema import Tower
from beacon.core.effects import IndicationChanged, Sounded
from beacon.core.indication import Colour, Indication, Light, Pattern, Sound
from beacon.core.views import SilenceChanged
from beacon.engine.clock import SystemClock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.channels import BUZZER
from beacon.outputs.tower.gpio import GpioChannels
from beacon.outputs.tower.output import StackLight
from beacon.outputs.tower.renderer import Shown

pytestmark = pytest.mark.usefixtures("no_thread_left")

RED = IndicationChanged(0.0, Indication(red=Light(Pattern.FAST)))


class Watched:
    """Lines whose every change can be waited for, and which can be made to fail."""

    def __init__(self) -> None:
        self.lit: dict[str, bool] = {}
        self.changed = threading.Condition()
        self.broken = False
        self.closed = 0
        self.stuck: threading.Event | None = None

    def set(self, channel: str, lit: bool) -> None:
        if self.stuck is not None:
            self.stuck.wait(10)
        if self.broken:
            raise OSError(5, "no such line any more")
        with self.changed:
            self.lit[channel] = lit
            self.changed.notify_all()

    def pressed(self) -> bool:
        return False

    def close(self) -> None:
        self.closed += 1

    def until(self, channel: str, lit: bool) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.lit.get(channel) is lit, 5), (channel, lit)


class Rig:
    """A stack light with its own judge, on watched lines."""

    def __init__(self, tower: Tower) -> None:
        self.clock = SystemClock()
        self.judge = Heartbeat(self.clock)
        self.judge.beat()
        self.lines = Watched()
        self.light = StackLight(tower, self.clock, self.judge, lambda: None, self.lines)


@pytest.fixture
def rig(make_tower: Callable[..., Tower]) -> Rig:
    return Rig(make_tower())


def test_an_offered_indication_reaches_the_lines(rig: Rig):
    rig.light.start()
    rig.light.offer([SilenceChanged(0.0, True), RED])
    rig.lines.until("red", True)
    rig.lines.until("red", False)
    assert rig.light.heart.beating
    rig.light.stop(2.0)
    assert rig.lines.closed == 1


def test_offer_and_stop_before_start_are_harmless(rig: Rig):
    rig.light.offer([RED])
    rig.light.stop(1.0)
    assert rig.lines.closed == 1
    assert not rig.light.heart.beating


def test_a_sound_and_a_lamp_test_reach_the_lines(rig: Rig):
    rig.light.start()
    rig.light.offer([Sounded(0.0, Sound.CHIRP)])
    rig.lines.until(BUZZER, True)
    rig.lines.until(BUZZER, False)
    rig.light.lamp_test(with_buzzer=False)
    rig.lines.until("white", True)
    rig.light.stop(2.0)


def test_an_observer_hears_what_is_shown_now_and_on_each_change(rig: Rig):
    shown_states: SimpleQueue[Shown] = SimpleQueue()
    rig.light.start()
    rig.light.observe(shown_states.put)
    rig.light.offer([RED])
    shown = shown_states.get(timeout=5)
    while shown.lamps.get(Colour.RED) != "fast":
        shown = shown_states.get(timeout=5)
    assert shown.lamps[Colour.GREEN] == "off"
    rig.light.stop(2.0)


def test_lines_that_fail_are_logged_once_retried_and_starve_the_heart(
    rig: Rig, caplog: pytest.LogCaptureFixture, eventually: Callable[..., None]
):
    rig.lines.broken = True
    rig.light.start()
    rig.light.offer([RED])
    eventually(lambda: "trying again" in caplog.text, "the log line")
    assert not rig.light.heart.beating
    rig.lines.broken = False
    rig.lines.until("red", True)
    eventually(lambda: "can be driven again" in caplog.text, "the log line")
    assert rig.light.heart.beating
    rig.light.stop(2.0)
    assert caplog.text.count("Traceback") == 1


def test_an_observer_with_a_bug_costs_no_lamp(rig: Rig, caplog: pytest.LogCaptureFixture):
    def buggy(_shown: Shown) -> None:
        raise ValueError("a bug")

    rig.light.start()
    rig.light.observe(buggy)
    rig.light.offer([RED])
    rig.lines.until("red", True)
    assert rig.light.heart.beating
    rig.light.stop(2.0)
    assert "a bug" in caplog.text


def test_a_thread_that_will_not_end_does_not_hold_up_the_stop(
    rig: Rig, caplog: pytest.LogCaptureFixture
):
    rig.lines.stuck = threading.Event()
    rig.light.start()
    rig.light.stop(0.05)
    assert rig.lines.closed == 1
    assert "did not end within 0.05 s" in caplog.text
    rig.lines.stuck.set()
    rig.light._thread.join(5)


@pytest.mark.realtime
def test_on_real_pins_in_real_time_red_flashes_twice_a_second_and_ends_dark(
    make_tower: Callable[..., Tower], make_factory: Callable[[], object]
):
    from gpiozero.pins.mock import MockFactory

    clock, factory = SystemClock(), MockFactory()
    judge = Heartbeat(clock)
    judge.beat()
    light = StackLight(
        make_tower(), clock, judge, lambda: None, GpioChannels(make_tower(), factory)
    )
    red = factory.pin(17)
    light.start()
    light.offer([RED])
    threading.Event().wait(2.2)
    light.stop(2.0)
    states = list(red.states)
    assert [s.state for s in states] == [n % 2 == 1 for n in range(len(states))]
    assert 8 <= len(states) <= 11
    # The first edge comes at any phase, the last by the stop.
    assert all(abs(s.timestamp - 0.25) < 0.15 for s in states[3:-1])
    assert states[-1].state is False
    assert red.function == "input"
