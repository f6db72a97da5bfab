"""What may sound, what is swallowed, and what never is."""

import pytest

from beacon.core.indication import Sound
from beacon.core.model import LONG_AGO, NEVER, Verdict
from beacon.core.tower.buzzer import BUDGET, BUDGET_WITHIN, BuzzerPolicy

HOUR = 3600.0
RED = (Verdict.OUTAGE, Verdict.GRAY_FAILURE)


def spent(at=0.0):
    """A buzzer that has made all its sounds of an hour, the first and the last at `at`."""
    buzzer = BuzzerPolicy()
    for _ in range(BUDGET):
        assert buzzer.chirp(Sound.CHIRP, at) is Sound.CHIRP
    return buzzer


def test_six_chirps_an_hour_and_the_swallowed_are_counted():
    buzzer = spent()
    assert buzzer.allowed_from(Sound.CHIRP) == BUDGET_WITHIN
    assert buzzer.chirp(Sound.CHIRP, 10.0) is None
    assert buzzer.chirp(Sound.TWO_CHIRPS, BUDGET_WITHIN - 0.1) is None
    assert buzzer.kept.swallowed == 2
    assert buzzer.chirp(Sound.CHIRP, BUDGET_WITHIN) is Sound.CHIRP, "an hour after the first"


def test_a_re_alarm_is_outside_the_budget_and_all_reds_share_one_a_minute():
    buzzer = spent()
    sounds = [buzzer.realarm(at) for at in (10.0, 40.0, 69.9, 70.0)]
    assert sounds == [Sound.PULSE, None, None, Sound.PULSE]
    assert buzzer.kept.swallowed == 0


def test_a_drill_has_a_budget_of_its_own_and_acknowledging_refills_it():
    buzzer = spent()
    for _ in range(BUDGET):
        assert buzzer.chirp(Sound.CHIRP, 1.0, drill=True) is Sound.CHIRP
    assert buzzer.chirp(Sound.CHIRP, 1.0, drill=True) is None
    buzzer.acknowledged()
    assert buzzer.chirp(Sound.CHIRP, 1.0, drill=True) is Sound.CHIRP
    assert buzzer.chirp(Sound.CHIRP, 1.0) is None, "not that of what is real"


@pytest.mark.parametrize(
    ("sound", "quiet", "silent_until", "allowed"),
    [
        (Sound.CHIRP, False, LONG_AGO, BUDGET_WITHIN),
        (Sound.CHIRP, False, 9000.0, 9000.0),
        (Sound.CHIRP, True, LONG_AGO, NEVER),
        (Sound.THREE_PULSES, False, LONG_AGO, LONG_AGO),
        (Sound.THREE_PULSES, False, 9000.0, 9000.0),
        (Sound.THREE_PULSES, True, LONG_AGO, NEVER),
    ],
)
def test_when_a_sound_that_was_held_back_may_come(sound, quiet, silent_until, allowed):
    buzzer = spent()
    buzzer.quiet, buzzer.silent_until = quiet, silent_until
    assert buzzer.allowed_from(sound) == allowed


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
    assert buzzer.realarm(0.0) is None
    assert buzzer.opening(Verdict.DEGRADED, 0.0) is None
    assert (buzzer.kept.swallowed, len(buzzer.kept.spent)) == (0, 0), "silence spends no budget"
    assert buzzer.opening(Verdict.OUTAGE, 0.0) is Sound.THREE_PULSES
    assert buzzer.realarm(HOUR) is Sound.PULSE


def test_quiet_hours_are_light_only_even_for_red():
    buzzer = BuzzerPolicy(quiet=True)
    assert buzzer.opening(Verdict.OUTAGE, 0.0) is None
    assert buzzer.chirp(Sound.CHIRP, 0.0) is None
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


def test_silence_ends_at_its_moment_and_red_goes_through():
    buzzer = BuzzerPolicy(silent_until=100.0)
    assert buzzer.realarm(99.9) is None
    assert buzzer.kept.swallowed == 0, "silenced is not swallowed"
    assert buzzer.opening(Verdict.OUTAGE, 99.9) is Sound.THREE_PULSES
    assert buzzer.realarm(100.0) is Sound.PULSE
