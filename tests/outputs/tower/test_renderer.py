"""What the pins do: length, levels and times, without waiting for any of them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.config.schema import Buttons
from beacon.core.indication import (
    GRID,
    Colour,
    Flag,
    Indication,
    Light,
    Pattern,
    Sound,
    levels,
)
from beacon.engine.clock import ManualClock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.channels import BUZZER, Channels
from beacon.outputs.tower.renderer import NAP, SHORTEST, Renderer, Shown

STEADY, SLOW, FAST = Light(Pattern.STEADY), Light(Pattern.SLOW), Light(Pattern.FAST)
ANTI = Light(Pattern.FAST, antiphase=True)
OFF = "off"

MakeBench = Callable[..., "Bench"]  # noqa: F821 - the fixture's class lives in conftest.py


def moments(states: list[tuple[float, bool]]) -> list[tuple[float, bool]]:
    """States with the time since the start instead of since the change before."""
    times = accumulate(time for time, _ in states)
    return [(round(at, 6), level) for at, (_, level) in zip(times, states, strict=True)]


def test_two_lamps_that_change_places_are_never_lit_together(bench: MakeBench):
    b = bench(wrap=Loose)
    b.renderer.show(Indication(red=FAST, amber=ANTI))
    b.run(3.0)
    lit: set[str] = set()
    for channel, on in b.lines.written:
        if channel in {"red", "amber"}:
            lit = lit | {channel} if on else lit - {channel}
            assert len(lit) < 2
    assert len(b.lines.written) > 20


def test_the_same_indication_again_changes_nothing(bench: MakeBench):
    b = bench()
    for _ in range(20):
        b.renderer.show(Indication(red=SLOW))
        b.run(0.1)
    assert b.did("red") == [(0.0, False), (0.0, True), (1.0, False)]


def test_an_active_low_board_is_driven_low_to_light(bench: MakeBench):
    b = bench(active_high=False)
    assert b.did("red")[-1][1] is True
    b.settle()
    b.renderer.show(Indication(red=FAST))
    b.run(0.5)
    assert b.did("red") == [(0.0, True), (0.0, False), (0.25, True)]
    assert b.did("green") == [(0.0, True)]


def test_tower_3_shows_blind_by_two_pulses_in_its_slot(bench: MakeBench):
    lamps = {Colour.RED: 17, Colour.AMBER: 27, Colour.GREEN: 22}
    b = bench(lamps=lamps)
    b.renderer.show(Indication(red=STEADY, flags=(Flag.BLIND,)))
    b.run(10.0)  # the clock began at 1000.0, where a slot begins
    pulses = [(0.0, False), (0.5, True), (0.75, False), (1.0, True), (1.25, False)]
    assert moments(b.did("amber")) == pulses
    assert moments(b.did("red")) == [(0.0, False), (3.0, True), (5.0, False), (5.1, True)]
    assert [s.lamps for s in b.shown] == [
        dict.fromkeys(lamps, "signal"),
        {Colour.RED: "steady", Colour.AMBER: "off", Colour.GREEN: "off"},
    ]


def test_a_lamp_that_is_not_wired_is_asked_for_in_vain(bench: MakeBench):
    b = bench(lamps={Colour.RED: 17}, buzzer=None, buttons=Buttons(), alive_relay=None)
    b.renderer.show(Indication(red=FAST, blue=STEADY))
    b.renderer.play(Sound.CHIRP)
    b.run(1.0)
    assert len(b.did("red")) == 5
    assert b.shown == [Shown({Colour.RED: "fast"})]


def test_a_late_observer_hears_what_is_shown_now(bench: MakeBench):
    b = bench()
    b.renderer.show(Indication(red=SLOW))
    b.run(1.0)
    late: list[Shown] = []
    b.renderer.observe(late.append)
    b.run(5.0)
    assert late == b.shown[-1:]


lights = st.builds(Light, st.sampled_from(Pattern), st.booleans())
flags = st.lists(st.sampled_from(Flag), unique=True).map(tuple)
indications = st.builds(Indication, lights, lights, lights, lights, lights, flags)


@given(st.lists(st.tuples(indications, st.floats(0.001, 1.5)), min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_lamp_rises_faster_than_2_8_hz_whatever_is_asked_when(bench: MakeBench, asked):
    b = bench()
    for indication, seconds in asked:
        b.renderer.show(indication)
        b.renderer.turn()  # as an order wakes the thread between two steps of the grid
        b.run(seconds)
    for colour in Colour:
        rises = [at for at, level in moments(b.did(colour)) if level]
        assert all(b - a >= SHORTEST - 1e-6 for a, b in pairwise(rises))
    b.lines.close()


def test_a_change_settles_on_the_levels_of_the_core(bench: MakeBench, clock: ManualClock):
    b = bench()
    indication = Indication(red=FAST, amber=SLOW, green=STEADY, white=ANTI)
    b.renderer.show(indication)
    b.run(1.0)
    for _ in range(200):
        b.run(0.05)
        at = clock.monotonic() - 0.05
        assert {c: b.pins[c].state for c in Colour} == levels(indication, at)


# --- judge and renderer watch each other ------------------------------------------


def test_before_the_judge_beats_nothing_is_lit(bench: MakeBench):
    b = bench()
    b.renderer.show(Indication(green=STEADY))
    b.run(2.0, judge_beats=False)
    assert b.did("green") == [(0.0, False)]
    assert b.did("alive") == [(0.0, False)]
    assert b.shown[-1].judge_dead


def test_a_judge_that_stops_leaves_no_green_after_five_seconds(bench: MakeBench):
    b = bench()
    b.renderer.show(Indication(green=STEADY))
    b.run(1.0)
    b.settle()
    b.run(12.0, judge_beats=False)
    # Last beat at 0.95 of the second before: dead 5 s later; the wink due at 4.0 came still.
    assert b.did("green") == [(0.0, True), (4.0, False), (0.1, True), (0.85, False)]
    assert b.did("alive") == [(0.0, True), (4.95, False)]
    assert b.shown[-1] == Shown(dict.fromkeys(Colour, OFF), judge_dead=True)
    assert b.heart.beating


def test_on_death_is_static_and_never_green(bench: MakeBench):
    b = bench(on_death=(Colour.RED, Colour.GREEN, Colour.BLUE))
    b.renderer.show(Indication(green=STEADY))
    b.run(1.0)
    b.run(5.0, judge_beats=False)
    b.settle()
    b.run(20.0, judge_beats=False)
    assert {c.value: b.did(c) for c in Colour} == {
        "red": [(0.0, True)], "amber": [(0.0, False)], "green": [(0.0, False)],
        "blue": [(0.0, True)], "white": [(0.0, False)],
    }  # fmt: skip
    assert b.shown[-1].lamps[Colour.RED] == "steady"


def test_a_judge_that_comes_back_is_believed_at_once(bench: MakeBench):
    b = bench()
    b.renderer.show(Indication(red=STEADY))
    b.run(10.0, judge_beats=False)
    b.run(1.0)
    assert b.pins["red"].state
    assert b.pins["alive"].state
    assert not b.shown[-1].judge_dead


def test_a_dead_judge_is_silent_and_what_waited_is_forgotten(bench: MakeBench):
    b = bench()
    b.renderer.play(Sound.THREE_PULSES)
    b.renderer.play(Sound.CHIRP)
    b.run(10.0, judge_beats=False)
    b.run(5.0)
    assert b.did("buzzer") == [(0.0, False)]


def test_a_lamp_test_shows_nothing_while_the_judge_is_dead(bench: MakeBench):
    b = bench()
    b.renderer.test(with_buzzer=False)
    b.run(10.0, judge_beats=False)
    assert b.did("green") == [(0.0, False)]
    b.run(1.5)
    assert b.pins["green"].state
    assert b.shown[-1].lamp_test


class Loose:
    """Lines with one loose wire."""

    def __init__(self, inner: Channels) -> None:
        self.inner = inner
        self.broken: set[str] = set()
        self.tried = 0
        self.written: list[tuple[str, bool]] = []

    def set(self, channel: str, lit: bool) -> None:
        if channel in self.broken:
            self.tried += 1
            raise OSError(5, f"{channel} is gone")
        self.written.append((channel, lit))
        self.inner.set(channel, lit)

    def pressed(self) -> bool:
        if "button" in self.broken:
            raise OSError(5, "the button is gone")
        return self.inner.pressed()

    def close(self) -> None:
        self.inner.close()


def turn_until(b: "Bench", seconds: float) -> None:  # noqa: F821
    """Let a renderer turn that may raise at each of its turns."""
    for _ in range(round(seconds / 0.05)):
        b.judge.beat()
        with suppress(OSError):
            b.renderer.turn()
        b.clock.advance(0.05)


def test_a_line_that_fails_starves_the_heart_but_not_the_other_lamps(bench: MakeBench):
    b = bench(wrap=Loose)
    b.run(1.0)
    assert b.heart.beating
    b.lines.broken = {"red"}
    b.renderer.show(Indication(red=FAST, amber=FAST))
    with pytest.raises(OSError, match="red is gone"):
        b.renderer.turn()
    b.settle()
    turn_until(b, 6.0)
    assert not b.heart.beating
    assert len(b.did("amber")) > 20


def test_a_line_that_fails_is_tried_again_and_then_shows_what_it_should(bench: MakeBench):
    b = bench(wrap=Loose)
    b.renderer.show(Indication(green=STEADY))
    b.run(1.0)
    b.lines.broken = {"green"}
    b.renderer.show(Indication(red=STEADY))
    turn_until(b, 1.0)
    assert b.lines.tried == 20
    assert b.pins["green"].state
    b.lines.broken = set()
    b.renderer.turn()
    assert not b.pins["green"].state
    assert b.heart.beating


def test_a_broken_button_does_not_stop_the_heart(bench: MakeBench):
    b = bench(wrap=Loose)
    b.lines.broken = {"button"}
    turn_until(b, 7.0)
    assert b.heart.beating


# --- sounds -----------------------------------------------------------------------


def test_a_sound_is_made_once_with_its_steps(bench: MakeBench):
    b = bench()
    b.run(0.5)
    b.settle()
    b.renderer.play(Sound.TWO_CHIRPS)
    b.run(10.0)
    steps = [(0.0, False), (0.0, True), (0.1, False), (0.2, True), (0.1, False)]
    assert b.did("buzzer") == steps
    assert [shown.buzzer for shown in b.shown[-2:]] == [Sound.TWO_CHIRPS, None]


def test_sounds_follow_each_other_with_a_pause_and_a_waiting_one_only_once(bench: MakeBench):
    b = bench()
    for sound in (Sound.PULSE, Sound.CHIRP, Sound.CHIRP, Sound.CHIRP):
        b.renderer.play(sound)
    b.run(10.0)
    assert b.did("buzzer") == [(0.0, False), (0.0, True), (0.4, False), (0.6, True), (0.1, False)]


def test_a_sound_asked_for_between_two_steps_is_not_cut_short(bench: MakeBench, clock: ManualClock):
    b = bench()
    b.run(0.52)
    b.renderer.play(Sound.CHIRP)
    b.due = b.renderer.turn()
    b.run(1.0)
    assert b.did("buzzer") == [(0.0, False), (0.55, True), (0.1, False)]


# --- lamp test and button ---------------------------------------------------------


def test_the_lamp_test_lights_each_in_turn_then_all_for_two_seconds(bench: MakeBench):
    b = bench()
    b.run(1.0)
    b.settle()
    b.renderer.test(with_buzzer=False)
    b.run(5.0)
    assert moments(b.did("red")) == [(0, False), (0, True), (0.2, False), (1.0, True), (2.0, False)]
    assert moments(b.did("blue")) == [
        (0, False), (0.6, True), (0.8, False), (1.0, True), (2.0, False),
    ]  # fmt: skip
    assert moments(b.did("white")) == [(0, False), (0.8, True), (2.0, False)]
    assert b.did("buzzer") == [(0.0, False)]
    assert [(s.lamp_test, set(s.lamps.values())) for s in b.shown[-2:]] == [
        (True, {"signal"}),
        (False, {OFF}),
    ]


def test_the_verdict_is_back_when_the_test_is_over(bench: MakeBench):
    b = bench()
    b.renderer.test(with_buzzer=False)
    b.run(0.5)
    b.renderer.show(Indication(red=FAST))
    b.run(1.6)
    b.settle()
    b.run(0.5)
    assert len(b.did("red")) == 3
    assert b.did("green") == [(0.0, False)]


def test_a_short_press_acknowledges_once_on_release(bench: MakeBench, clock: ManualClock):
    b = bench()
    b.run(1.0)
    b.hold(0.5)
    assert b.presses == []
    b.run(1.0)
    assert len(b.presses) == 1
    assert not any(shown.lamp_test for shown in b.shown)


def test_a_long_press_tests_the_lamps_with_the_buzzer(bench: MakeBench):
    b = bench()
    b.run(1.0)
    b.hold(2.5)
    b.run(4.0)
    assert b.presses == []
    assert b.did("buzzer")[1:] == [(b.did("buzzer")[1][0], True), (0.1, False)]
    assert [shown.lamp_test for shown in b.shown].count(True) == 2  # with and without the chirp


def test_orders_between_two_steps_do_not_sample_the_button_faster(bench: MakeBench):
    b = bench()
    b.run(1.0)
    b.factory.pin(5).drive_low()
    for _ in range(5):
        b.renderer.turn()
    b.factory.pin(5).drive_high()
    b.run(1.0)
    assert b.presses == []


def test_without_a_button_a_quiet_tower_naps_and_misses_no_edge(make_tower, clock):
    """It sleeps up to a quarter of a second, and wakes for every wink."""
    written = []

    class Channels:
        def set(self, channel, lit):
            written.append((round(clock.monotonic() - 1000, 2), channel, lit))

        def pressed(self):
            raise AssertionError("there is no button")

        def close(self):
            pass

    judge, heart = Heartbeat(clock), Heartbeat(clock)
    tower = replace(make_tower(), buttons=Buttons())
    renderer = Renderer(tower, clock, Channels(), judge=judge, heart=heart, on_press=lambda: None)
    renderer.show(Indication(green=Light(Pattern.STEADY)))
    turns = 0
    while clock.monotonic() < 1011:
        judge.beat()
        due = renderer.turn()
        turns += 1
        assert GRID / 2 < due - clock.monotonic() <= NAP * GRID + 1e-9
        clock.advance(due - clock.monotonic())
    winks = [(at, lit) for at, channel, lit in written if channel == "green" and at > 0.2]
    assert winks == [(5.0, False), (5.1, True), (10.0, False), (10.1, True)]
    assert turns < 60


def test_a_sound_asked_for_in_a_nap_is_whole_and_prompt(make_tower, clock):
    sounds = []

    class Channels:
        def set(self, channel, lit):
            if channel == BUZZER:
                sounds.append((round(clock.monotonic() - 1000, 2), lit))

        def pressed(self):
            return False

        def close(self):
            pass

    judge = Heartbeat(clock)
    tower = replace(make_tower(), buttons=Buttons())
    renderer = Renderer(
        tower, clock, Channels(), judge=judge, heart=Heartbeat(clock), on_press=lambda: None
    )
    renderer.show(Indication(green=Light(Pattern.STEADY)))
    judge.beat()
    renderer.turn()
    clock.advance(0.12)
    renderer.play(Sound.CHIRP)
    while clock.monotonic() < 1000.6:
        judge.beat()
        due = renderer.turn()
        clock.advance(due - clock.monotonic())
    assert sounds == [(0.0, False), (0.15, True), (0.25, False)]
