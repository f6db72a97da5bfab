"""Which lamps burn when: by table, and by property for every indication there is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.indication import (
    DARK,
    GRID,
    SIGNAL,
    SOUND_STEPS,
    Colour,
    Flag,
    Indication,
    Light,
    Pattern,
    Sound,
    lamp_test,
    levels,
    lit,
    patterns,
    signalled,
    sounding,
)

STEADY, SLOW, FAST = Light(Pattern.STEADY), Light(Pattern.SLOW), Light(Pattern.FAST)
MINUTE = [step * GRID for step in range(1200)]
UPTIMES = [0.0, 12_345.0, 1e6, 86400.0 * 365 * 10]

lights = st.builds(Light, st.sampled_from(Pattern), st.booleans())
flags = st.lists(st.sampled_from(Flag), unique=True).map(tuple)
indications = st.builds(Indication, lights, lights, lights, lights, lights, flags)
moments = st.integers(0, 10**7).map(lambda step: step * GRID)


def edges(light: Light, seconds: float, uptime: float = 0.0) -> list[tuple[float, bool]]:
    """When a lamp changes, seen every 10 ms; the first entry is its level at the beginning."""
    seen: list[tuple[float, bool]] = []
    for step in range(round(seconds * 100)):
        level = lit(light, uptime + step / 100)
        if not seen or seen[-1][1] is not level:
            seen.append((step / 100, level))
    return seen


@pytest.mark.parametrize(
    ("light", "expected"),
    [
        (Light(), [(0, False)]),
        (STEADY, [(0, False), (0.1, True), (5, False), (5.1, True)]),
        (SLOW, [(0, True), (1, False), (2, True), (3, False), (4, True), (5, False)]),
        (Light(Pattern.SLOW, antiphase=True), [(0, False), (1, True), (2, False), (3, True),
                                               (4, False), (5, True)]),
    ],
)  # fmt: skip
def test_a_pattern_has_its_edges_where_the_table_says(light, expected):
    assert edges(light, 6) == expected


@pytest.mark.parametrize("uptime", UPTIMES)
def test_fast_is_two_flashes_a_second_half_lit(uptime):
    assert edges(FAST, 1, uptime) == [(0, True), (0.25, False), (0.5, True), (0.75, False)]


@given(moments)
def test_antiphase_is_the_other_half(at):
    for pattern in (Pattern.SLOW, Pattern.FAST):
        assert lit(Light(pattern), at) is not lit(Light(pattern, antiphase=True), at)


@pytest.mark.parametrize("uptime", UPTIMES)
def test_the_wink_is_a_tenth_of_a_second_after_any_uptime(uptime):
    dark = [step for step in range(100) if not lit(STEADY, uptime + step * GRID)]
    assert dark == [0, 1]


@given(indications)
def test_no_lamp_ever_rises_more_often_than_2_8_times_a_second(indication):
    frames = [levels(indication, at) for at in MINUTE]
    for colour in Colour:
        pairs = itertools.pairwise(frame[colour] for frame in frames)
        rises = [at for at, (was, now) in zip(MINUTE[1:], pairs, strict=True) if now and not was]
        assert all(b - a >= 1 / 2.8 for a, b in itertools.pairwise(rises))


@given(indications, st.sampled_from(Colour))
def test_nothing_alive_is_dark_for_good_and_nothing_asked_off_is_lit(indication, colour):
    burns = any(levels(indication, at)[colour] for at in MINUTE)
    asked = indication.light(colour).pattern is not Pattern.OFF
    if indication.flags:
        assert burns or not asked
    else:
        assert burns is asked


@given(indications.filter(lambda indication: not indication.flags), moments)
def test_without_flags_each_lamp_goes_its_own_way(indication, at):
    assert levels(indication, at) == {c: lit(indication.light(c), at) for c in Colour}


@pytest.mark.parametrize(
    ("flag", "lamps", "pulses"),
    [
        (Flag.ACT, {Colour.AMBER}, 1),
        (Flag.BLIND, {Colour.AMBER}, 2),
        (Flag.STARTING, {Colour.AMBER}, 3),
        (Flag.DRILL, {Colour.RED, Colour.AMBER, Colour.GREEN}, 2),
    ],
)
def test_a_flag_takes_the_slot_and_pulses(flag, lamps, pulses):
    indication = Indication(red=FAST, green=STEADY, flags=(flag,))
    seen = [
        {colour for colour, on in levels(indication, 10 + step * GRID).items() if on}
        for step in range(60)
    ]
    on = [lamps] * 5 + [set()] * 5
    assert seen == [set()] * 10 + on * pulses + [set()] * (50 - 10 * pulses)


def test_after_its_slot_the_lamps_show_the_verdict_again():
    indication = Indication(red=FAST, flags=(Flag.BLIND,))
    for step in range(60, 200):
        at = 10 + step * GRID
        assert levels(indication, at)[Colour.RED] is lit(FAST, at)


def test_several_flags_take_turns_one_a_slot():
    indication = Indication(flags=(Flag.BLIND, Flag.ACT))
    flags = [signalled(indication, slot * 10 + 1) for slot in range(4)]
    assert flags == [Flag.BLIND, Flag.ACT, Flag.BLIND, Flag.ACT]
    assert signalled(indication, 3.0) is None
    assert signalled(DARK, 1.0) is None


def test_the_word_for_a_lamp_is_its_pattern_or_signal():
    indication = Indication(red=SLOW, flags=(Flag.ACT,))
    assert patterns(indication, 2.95) == dict.fromkeys(Colour, SIGNAL)
    assert patterns(indication, 3.0)[Colour.RED] == "slow"
    assert patterns(indication, 3.0)[Colour.GREEN] == "off"


def test_a_sound_follows_its_steps_and_ends():
    sounds = [sounding(Sound.TWO_CHIRPS, step * GRID) for step in range(9)]
    assert sounds == [True, True, False, False, False, False, True, True, None]


@given(st.sampled_from(Sound))
def test_no_sound_is_a_continuous_tone(sound):
    steps = SOUND_STEPS[sound]
    assert len(steps) % 2 == 1
    assert max(steps) <= 0.4
    assert sounding(sound, sum(steps)) is None


def test_the_lamp_test_lights_each_then_all_and_ends():
    lamps = (Colour.RED, Colour.AMBER, Colour.GREEN)
    seen = [lamp_test(lamps, step * 0.2) for step in range(11)]
    assert seen == [{Colour.RED}, {Colour.AMBER}, {Colour.GREEN}, *[set(lamps)] * 7, None]
