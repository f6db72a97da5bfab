"""What a hand on the button means, from samples alone."""

import pytest

from beacon.outputs.tower.button import Button, Gesture

STEP = 0.05


def feel(samples: list[bool]) -> list[tuple[int, Gesture]]:
    """The gestures in a row of samples taken at 20 Hz, each with its sample's number."""
    button = Button()
    felt = [button.sample(number * STEP, down) for number, down in enumerate(samples)]
    return [(number, gesture) for number, gesture in enumerate(felt) if gesture]


UP = [False] * 4


def down(seconds: float) -> list[bool]:
    return [True] * round(seconds / STEP)


@pytest.mark.parametrize(
    ("held", "gesture"),
    [
        (0.1, Gesture.PRESS),
        (0.5, Gesture.PRESS),
        (1.95, Gesture.PRESS),
        (2.0, Gesture.HOLD),
        (29.95, Gesture.HOLD),
    ],
)
def test_the_time_held_decides_and_only_the_release_acts(held, gesture):
    samples = [*UP, *down(held), *UP]
    # The second sample after the release confirms it.
    assert feel(samples) == [(len(UP + down(held)) + 1, gesture)]


def test_a_single_sample_is_a_spike_not_a_press():
    assert feel([*UP, True, *UP, True, *UP]) == []


def test_bounce_while_held_does_not_end_the_press():
    samples = [*UP, *down(0.5), False, *down(0.5), *UP]
    assert [gesture for _, gesture in feel(samples)] == [Gesture.PRESS]


def test_a_button_stuck_down_does_nothing_even_when_it_comes_free():
    assert feel([*UP, *down(40), *UP]) == []
    assert feel([*UP, *down(600)]) == []


def test_a_button_held_at_boot_is_quiet_until_it_was_up():
    assert feel([*down(3), *UP]) == []
    assert [g for _, g in feel([*down(3), *UP, *down(0.2), *UP])] == [Gesture.PRESS]


def test_two_presses_are_two():
    assert [g for _, g in feel([*UP, *down(0.2), *UP, *down(0.2), *UP])] == [Gesture.PRESS] * 2
