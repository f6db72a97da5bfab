"""The buzzer's manners: what may be swallowed, and what never is."""

import pytest

from beacon.core.annunciator import BUDGET, BUDGET_WITHIN, Annunciator, Voice
from beacon.core.events import QuietHours
from beacon.core.indication import Sound
from beacon.core.model import Preset, Reason, Sequence, Verdict
from beacon.core.sequences import table

HOUR = 3600.0
RED = (Verdict.OUTAGE, Verdict.GRAY_FAILURE)


def spent(at=0.0):
    """A voice that has said all it may for an hour, the first and the last at `at`."""
    voice = Voice()
    for _ in range(BUDGET):
        assert voice.remind(Sound.PULSE, at) is Sound.PULSE
    return voice


def test_six_chirps_and_re_alarms_an_hour_and_the_swallowed_are_counted():
    voice = spent()
    assert voice.remind(Sound.CHIRP, 10.0) is None
    assert voice.remind(Sound.PULSE, BUDGET_WITHIN - 0.1) is None
    assert voice.swallowed == 2
    assert voice.remind(Sound.PULSE, BUDGET_WITHIN) is Sound.PULSE


@pytest.mark.parametrize("verdict", RED)
def test_red_is_never_swallowed_and_costs_nothing(verdict):
    voice = spent()
    for n in range(10):
        assert voice.opening(verdict, 100.0 + 61.0 * n) is Sound.THREE_PULSES
    assert voice.swallowed == 0
    fresh = Voice()
    assert fresh.opening(verdict, 0.0) is Sound.THREE_PULSES
    assert not fresh.spent


def test_the_chirp_of_a_degraded_opening_is_a_chirp_and_in_the_budget():
    assert Voice().opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    voice = spent()
    assert voice.opening(Verdict.DEGRADED, 100.0) is None
    assert voice.swallowed == 1
    assert voice.opening(Verdict.OUTAGE, 101.0) is Sound.THREE_PULSES, "nothing was said before"


def test_within_a_minute_only_something_worse_sounds():
    voice = Voice()
    assert voice.opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    assert voice.opening(Verdict.DEGRADED, 59.0) is None
    assert voice.opening(Verdict.OUTAGE, 59.5) is Sound.THREE_PULSES
    assert voice.opening(Verdict.GRAY_FAILURE, 110.0) is None
    assert voice.opening(Verdict.OUTAGE, 119.5) is Sound.THREE_PULSES


def test_silence_swallows_all_but_red():
    voice = Voice(silent_until=HOUR)
    assert voice.remind(Sound.PULSE, 0.0) is None
    assert voice.opening(Verdict.DEGRADED, 0.0) is None
    assert (voice.swallowed, len(voice.spent)) == (0, 0), "silence spends no budget"
    assert voice.opening(Verdict.OUTAGE, 0.0) is Sound.THREE_PULSES
    assert voice.remind(Sound.PULSE, HOUR) is Sound.PULSE


def test_quiet_hours_are_light_only_even_for_red():
    voice = Voice(quiet=True)
    assert voice.opening(Verdict.OUTAGE, 0.0) is None
    assert voice.remind(Sound.CHIRP, 0.0) is None
    voice.quiet = False
    assert voice.opening(Verdict.OUTAGE, 1.0) is Sound.THREE_PULSES


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in RED])
def test_only_red_re_alarms(verdict):
    tower = Annunciator(("mfa",), Preset.TOWER_5, table(Sequence.A, lock_in=True))
    tower.alarms["mfa"].verdict = verdict
    tower.alarm("mfa", verdict, 0.0)
    assert tower.time_passed(10 * HOUR, 10 * HOUR) is None


def test_a_degraded_incident_chirps_once_and_never_again(make_room):
    room = make_room().passes(600).forget().cue(Reason.SLOW, "mfa/sign-in").passes(3 * HOUR)
    assert room.lamps == {"amber": "fast"}
    assert room.sounds == ["chirp"]


def test_an_escalation_sounds_anew_though_somebody_had_acknowledged(make_room):
    room = make_room().passes(600).cue(Reason.SLOW, "mfa/sign-in").passes(300).acknowledge()
    room.forget().cue(Reason.DEADLINE, "mfa/sign-in").passes(70)
    assert (room.told, room.sounds[0]) == (["escalated"], "three_pulses")
    assert room.lamps == {"red": "fast", "amber": "fast"}


def test_an_escalation_in_quiet_hours_is_said_once_at_their_end(make_room):
    room = make_room().passes(600).cue(Reason.SLOW, "mfa/sign-in").passes(300).acknowledge()
    room.simulation.tell(QuietHours(room.now, True))
    room.forget().cue(Reason.DEADLINE, "mfa/sign-in").passes(2 * HOUR)
    assert (room.told, room.sounds) == (["escalated"], [])
    room.effects += room.simulation.tell(QuietHours(room.now, False))
    assert room.sounds == ["three_pulses"]


def test_what_became_amber_in_quiet_hours_is_not_said_at_their_end(make_room):
    room = make_room().passes(600)
    room.simulation.tell(QuietHours(room.now, True))
    room.forget().cue(Reason.SLOW, "mfa/sign-in").passes(2 * HOUR)
    room.effects += room.simulation.tell(QuietHours(room.now, False))
    assert (room.told, room.sounds) == (["opened"], [])
