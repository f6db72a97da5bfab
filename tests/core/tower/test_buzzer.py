"""What may sound, what is swallowed, and what never is."""

import pytest

from beacon.core.indication import Sound
from beacon.core.model import Verdict
from beacon.core.tower.buzzer import BUDGET, BUDGET_WITHIN, BuzzerPolicy

HOUR = 3600.0
RED = (Verdict.OUTAGE, Verdict.GRAY_FAILURE)


def spent(at=0.0):
    """A buzzer that has made all its sounds of an hour, the first and the last at `at`."""
    buzzer = BuzzerPolicy()
    for _ in range(BUDGET):
        assert buzzer.remind(Sound.PULSE, at) is Sound.PULSE
    return buzzer


def test_six_chirps_and_re_alarms_an_hour_and_the_swallowed_are_counted():
    buzzer = spent()
    assert buzzer.remind(Sound.CHIRP, 10.0) is None
    assert buzzer.remind(Sound.PULSE, BUDGET_WITHIN - 0.1) is None
    assert buzzer.kept.swallowed == 2
    assert buzzer.remind(Sound.PULSE, BUDGET_WITHIN) is Sound.PULSE


@pytest.mark.parametrize("verdict", RED)
def test_red_is_never_swallowed_and_costs_nothing(verdict):
    buzzer = spent()
    for n in range(10):
        assert buzzer.opening(verdict, 100.0 + 61.0 * n) is Sound.THREE_PULSES
    assert buzzer.kept.swallowed == 0
    fresh = BuzzerPolicy()
    assert fresh.opening(verdict, 0.0) is Sound.THREE_PULSES
    assert not fresh.kept.spent


def test_the_chirp_of_a_degraded_opening_is_a_chirp_and_in_the_budget():
    assert BuzzerPolicy().opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    buzzer = spent()
    assert buzzer.opening(Verdict.DEGRADED, 100.0) is None
    assert buzzer.kept.swallowed == 1
    assert buzzer.opening(Verdict.OUTAGE, 101.0) is Sound.THREE_PULSES, "no sound came before"


def test_within_a_minute_only_something_worse_sounds():
    buzzer = BuzzerPolicy()
    assert buzzer.opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    assert buzzer.opening(Verdict.DEGRADED, 59.0) is None
    assert buzzer.opening(Verdict.OUTAGE, 59.5) is Sound.THREE_PULSES
    assert buzzer.opening(Verdict.GRAY_FAILURE, 110.0) is None
    assert buzzer.opening(Verdict.OUTAGE, 119.5) is Sound.THREE_PULSES


def test_silence_swallows_all_but_red():
    buzzer = BuzzerPolicy(silent_until=HOUR)
    assert buzzer.remind(Sound.PULSE, 0.0) is None
    assert buzzer.opening(Verdict.DEGRADED, 0.0) is None
    assert (buzzer.kept.swallowed, len(buzzer.kept.spent)) == (0, 0), "silence spends no budget"
    assert buzzer.opening(Verdict.OUTAGE, 0.0) is Sound.THREE_PULSES
    assert buzzer.remind(Sound.PULSE, HOUR) is Sound.PULSE


def test_quiet_hours_are_light_only_even_for_red():
    buzzer = BuzzerPolicy(quiet=True)
    assert buzzer.opening(Verdict.OUTAGE, 0.0) is None
    assert buzzer.remind(Sound.CHIRP, 0.0) is None
    buzzer.quiet = False
    assert buzzer.opening(Verdict.OUTAGE, 1.0) is Sound.THREE_PULSES


def test_openings_within_a_minute_sound_once_at_the_worst():
    buzzer = BuzzerPolicy()
    assert buzzer.opening(Verdict.DEGRADED, 100.0) is Sound.CHIRP
    assert buzzer.opening(Verdict.DEGRADED, 159.9) is None
    assert buzzer.opening(Verdict.OUTAGE, 159.9) is Sound.THREE_PULSES
    assert buzzer.opening(Verdict.GRAY_FAILURE, 219.8) is None
    assert buzzer.opening(Verdict.DEGRADED, 219.8) is None
    assert buzzer.opening(Verdict.DEGRADED, 219.9) is Sound.CHIRP, "a minute after the last"


def test_an_opening_without_a_sound_does_not_stand_for_the_next():
    buzzer = BuzzerPolicy(quiet=True)
    assert buzzer.opening(Verdict.OUTAGE, 100.0) is None
    buzzer.quiet = False
    assert buzzer.opening(Verdict.OUTAGE, 101.0) is Sound.THREE_PULSES


def test_six_small_sounds_an_hour_the_rest_is_counted():
    buzzer = BuzzerPolicy()
    sounds = [buzzer.remind(Sound.CHIRP, float(n)) for n in range(9)]
    assert sounds == [Sound.CHIRP] * 6 + [None] * 3
    assert buzzer.kept.swallowed == 3
    assert buzzer.remind(Sound.PULSE, 3599.9) is None
    assert buzzer.remind(Sound.PULSE, 3600.0) is Sound.PULSE, "an hour after the first"
    assert buzzer.remind(Sound.PULSE, 3600.5) is None
    assert buzzer.kept.swallowed == 5
    assert buzzer.opening(Verdict.OUTAGE, 3601.0) is Sound.THREE_PULSES, "never swallowed"
    assert buzzer.opening(Verdict.DEGRADED, 4000.0) is Sound.CHIRP


def test_silence_ends_at_its_moment_and_red_goes_through():
    buzzer = BuzzerPolicy(silent_until=100.0)
    assert buzzer.remind(Sound.PULSE, 99.9) is None
    assert buzzer.kept.swallowed == 0, "silenced is not swallowed"
    assert buzzer.opening(Verdict.OUTAGE, 99.9) is Sound.THREE_PULSES
    assert buzzer.remind(Sound.PULSE, 100.0) is Sound.PULSE
