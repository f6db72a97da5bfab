"""The tower's manners: whose lamp wins, what may sound, and what is never swallowed."""

import pytest

from beacon.core.inputs import QuietHours
from beacon.core.model import Preset, Reason, Sequence, Verdict
from beacon.core.tower.annunciator import (
    BUDGET,
    BUDGET_WITHIN,
    Alarm,
    Annunciator,
    BuzzerPolicy,
    indicate,
)
from beacon.core.tower.indication import DARK, Flag, Light, Pattern, Sound
from beacon.core.tower.sequences import Stage, table

HOUR = 3600.0
RED = (Verdict.OUTAGE, Verdict.GRAY_FAILURE)


def spent(at=0.0):
    """A voice that has said all it may for an hour, the first and the last at `at`."""
    voice = BuzzerPolicy()
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
    fresh = BuzzerPolicy()
    assert fresh.opening(verdict, 0.0) is Sound.THREE_PULSES
    assert not fresh.spent


def test_the_chirp_of_a_degraded_opening_is_a_chirp_and_in_the_budget():
    assert BuzzerPolicy().opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    voice = spent()
    assert voice.opening(Verdict.DEGRADED, 100.0) is None
    assert voice.swallowed == 1
    assert voice.opening(Verdict.OUTAGE, 101.0) is Sound.THREE_PULSES, "nothing was said before"


def test_within_a_minute_only_something_worse_sounds():
    voice = BuzzerPolicy()
    assert voice.opening(Verdict.DEGRADED, 0.0) is Sound.CHIRP
    assert voice.opening(Verdict.DEGRADED, 59.0) is None
    assert voice.opening(Verdict.OUTAGE, 59.5) is Sound.THREE_PULSES
    assert voice.opening(Verdict.GRAY_FAILURE, 110.0) is None
    assert voice.opening(Verdict.OUTAGE, 119.5) is Sound.THREE_PULSES


def test_silence_swallows_all_but_red():
    voice = BuzzerPolicy(silent_until=HOUR)
    assert voice.remind(Sound.PULSE, 0.0) is None
    assert voice.opening(Verdict.DEGRADED, 0.0) is None
    assert (voice.swallowed, len(voice.spent)) == (0, 0), "silence spends no budget"
    assert voice.opening(Verdict.OUTAGE, 0.0) is Sound.THREE_PULSES
    assert voice.remind(Sound.PULSE, HOUR) is Sound.PULSE


def test_quiet_hours_are_light_only_even_for_red():
    voice = BuzzerPolicy(quiet=True)
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


# --- whose lamp wins ---------------------------------------------------------------

FIVE, THREE = Preset.TOWER_5, Preset.TOWER_3
OFF, STEADY, SLOW, FAST = Pattern.OFF, Pattern.STEADY, Pattern.SLOW, Pattern.FAST


def alarm(verdict, stage=Stage.NORMAL, **more):
    more.setdefault("blind", verdict is Verdict.BLIND)
    more.setdefault("starting", False)
    return Alarm(verdict, stage=stage, **more)


def lit(*alarms, overall=Verdict.OK, **more):
    """Lamp → pattern and, where it flashes against the others, antiphase."""
    found = indicate(alarms, overall, more.pop("preset", FIVE), **more)
    lamps = {}
    for colour in ("red", "amber", "green", "blue", "white"):
        light = getattr(found, colour)
        if light != Light():
            lamps[colour] = f"{light.pattern}{' anti' if light.antiphase else ''}"
    return lamps


OK, BAD, GRAY = Verdict.OK, Verdict.OUTAGE, Verdict.GRAY_FAILURE
OPEN, SEEN = Stage.ALARM, Stage.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("alarms", "overall", "lamps"),
    [
        ((), BAD, {}),
        ((alarm(OK), alarm(OK)), OK, {"green": "steady"}),
        ((alarm(OK), alarm(BAD, OPEN)), BAD, {"red": "fast"}),
        ((alarm(BAD, OPEN), alarm(BAD, SEEN)), BAD, {"red": "fast"}),
        ((alarm(BAD, SEEN), alarm(BAD, OPEN)), BAD, {"red": "fast"}),
        ((alarm(GRAY, OPEN), alarm(BAD, OPEN)), GRAY, {"red": "fast", "amber": "fast anti"}),
        (
            (alarm(Verdict.DEGRADED, OPEN), alarm(GRAY, OPEN)),
            GRAY,
            {"red": "fast", "amber": "fast anti"},
        ),
        (
            (alarm(GRAY, OPEN), alarm(Verdict.DEGRADED, OPEN)),
            GRAY,
            {"red": "fast", "amber": "fast anti"},
        ),
        ((alarm(BAD, SEEN), alarm(Verdict.ADVISORY)), BAD, {"red": "steady"}),
        ((alarm(GRAY, SEEN), alarm(Verdict.ADVISORY)), GRAY, {"red": "steady", "amber": "slow"}),
        (
            (alarm(Verdict.ADVISORY, Stage.LOCKED_IN), alarm(BAD, SEEN)),
            BAD,
            {"red": "steady", "amber": "fast"},
        ),
        (
            (alarm(Verdict.DEGRADED, SEEN), alarm(Verdict.ADVISORY)),
            Verdict.DEGRADED,
            {"amber": "slow"},
        ),
        ((alarm(OK, Stage.LOCKED_IN),), OK, {"green": "steady", "amber": "fast"}),
        ((alarm(OK, Stage.RESET_DUE),), OK, {"green": "steady", "amber": "steady"}),
        ((alarm(OK, Stage.RINGBACK),), OK, {"green": "slow"}),
        (
            (alarm(Verdict.RECOVERING, SEEN),),
            Verdict.RECOVERING,
            RECOVERING := {
                "amber": "slow",
                "green": "slow anti",
            },
        ),
        ((alarm(Verdict.RECOVERING, SEEN), alarm(OK)), Verdict.RECOVERING, RECOVERING),
        ((alarm(OK), alarm(Verdict.RECOVERING, SEEN)), Verdict.RECOVERING, RECOVERING),
        ((alarm(OK, hushed=True), alarm(OK)), OK, {"green": "steady"}),
        ((alarm(BAD, OPEN, settling=True),), OK, {"white": "slow"}),
        ((alarm(BAD, OPEN, settling=True, blind=True),), OK, {"white": "steady"}),
        ((alarm(OK, starting=True, blind=True),), OK, {"white": "slow"}),
        ((alarm(BAD, SEEN, blind=True),), BAD, {"red": "steady", "white": "steady"}),
        ((alarm(OK, must_act=True),), OK, {"green": "steady", "blue": "steady"}),
        ((alarm(OK, must_act=True, maintained=True),), OK, {"green": "steady", "blue": "slow"}),
    ],
)
def test_for_each_lamp_the_most_urgent_request_wins(alarms, overall, lamps):
    assert lit(*alarms, overall=overall) == lamps


def test_a_drill_flashes_blue_beside_whatever_there_is():
    assert lit(alarm(OK), drill=True) == {"green": "steady", "blue": "fast"}
    assert lit(alarm(OK, must_act=True), drill=True)["blue"] == "fast"


@pytest.mark.parametrize(
    ("alarms", "drill", "flags"),
    [
        ((alarm(OK),), False, ()),
        ((alarm(OK, must_act=True),), False, (Flag.ACT,)),
        ((alarm(OK, maintained=True),), False, (Flag.ACT,)),
        ((alarm(Verdict.BLIND),), False, (Flag.BLIND,)),
        ((alarm(Verdict.BLIND, starting=True),), False, (Flag.STARTING,)),
        ((alarm(OK),), True, (Flag.DRILL,)),
        (
            (alarm(Verdict.BLIND), alarm(Verdict.BLIND, starting=True), alarm(OK, must_act=True)),
            True,
            (Flag.ACT, Flag.BLIND, Flag.STARTING, Flag.DRILL),
        ),
    ],
)
def test_three_lamps_tell_the_rest_by_flags(alarms, drill, flags):
    found = indicate(alarms, OK, THREE, drill=drill)
    assert found.flags == flags
    assert (found.blue, found.white) == (Light(), Light())
    assert indicate(alarms, OK, FIVE, drill=drill).flags == ()


# --- the buzzer -------------------------------------------------------------------


def test_openings_within_a_minute_sound_once_at_the_worst():
    voice = BuzzerPolicy()
    assert voice.opening(Verdict.DEGRADED, 100.0) is Sound.CHIRP
    assert voice.opening(Verdict.DEGRADED, 159.9) is None
    assert voice.opening(Verdict.OUTAGE, 159.9) is Sound.THREE_PULSES
    assert voice.opening(Verdict.GRAY_FAILURE, 219.8) is None
    assert voice.opening(Verdict.DEGRADED, 219.8) is None
    assert voice.opening(Verdict.DEGRADED, 219.9) is Sound.CHIRP, "a minute after the last"


def test_an_opening_that_was_not_heard_does_not_stand_for_the_next():
    voice = BuzzerPolicy(quiet=True)
    assert voice.opening(Verdict.OUTAGE, 100.0) is None
    voice.quiet = False
    assert voice.opening(Verdict.OUTAGE, 101.0) is Sound.THREE_PULSES


def test_six_small_sounds_an_hour_the_rest_is_counted():
    voice = BuzzerPolicy()
    heard = [voice.remind(Sound.CHIRP, float(n)) for n in range(9)]
    assert heard == [Sound.CHIRP] * 6 + [None] * 3
    assert voice.swallowed == 3
    assert voice.remind(Sound.PULSE, 3599.9) is None
    assert voice.remind(Sound.PULSE, 3600.0) is Sound.PULSE, "an hour after the first"
    assert voice.remind(Sound.PULSE, 3600.5) is None
    assert voice.swallowed == 5
    assert voice.opening(Verdict.OUTAGE, 3601.0) is Sound.THREE_PULSES, "never swallowed"
    assert voice.opening(Verdict.DEGRADED, 4000.0) is Sound.CHIRP


def test_silence_ends_at_its_moment_and_red_goes_through():
    voice = BuzzerPolicy(silent_until=100.0)
    assert voice.remind(Sound.PULSE, 99.9) is None
    assert voice.swallowed == 0, "silenced is not swallowed"
    assert voice.opening(Verdict.OUTAGE, 99.9) is Sound.THREE_PULSES
    assert voice.remind(Sound.PULSE, 100.0) is Sound.PULSE


@pytest.fixture
def tower():
    it = Annunciator(("mfa", "sms"), FIVE, table(Sequence.A, lock_in=True))
    for each in it.alarms.values():
        each.verdict, each.blind, each.starting = OK, False, False
    return it


def rings(tower, *services, verdict=BAD, at=0.0):
    for name in services:
        tower.alarms[name].verdict = verdict
        tower.alarm(name, verdict, at)
    return tower


def test_what_is_shown_is_told_once(tower):
    assert Annunciator((), FIVE, {}).shown == DARK
    assert tower.show(OK).green.pattern is STEADY
    assert tower.show(OK) is None
    assert rings(tower, "mfa").show(BAD).red.pattern is FAST


def test_red_re_alarms_a_minute_after_it_began_and_amber_never(tower):
    assert rings(tower, "mfa", at=100.0).next_deadline() == 160.0
    assert tower.time_passed(160.0, 160.0) is Sound.PULSE
    assert tower.next_deadline() == 220.0
    tower.acknowledge("mfa")
    assert tower.next_deadline() == float("inf")
    rings(tower, "sms", verdict=Verdict.DEGRADED, at=300.0)
    assert tower.next_deadline() == float("inf")


def test_a_halt_is_not_made_up_for(tower):
    rings(tower, "mfa", at=100.0)
    assert tower.time_passed(160.0, 1000.0) is Sound.PULSE
    assert tower.next_deadline() == 1060.0


def test_what_is_no_longer_suppressed_re_alarms_a_minute_later(tower):
    rings(tower, "mfa", at=100.0).hush("mfa")
    assert tower.next_deadline() == float("inf")
    assert tower.show(BAD) is not None
    assert tower.shown.red.pattern is OFF
    tower.settle("mfa", None)
    tower.unhush("mfa", 500.0)
    assert tower.next_deadline() == 560.0
    assert tower.show(BAD).red.pattern is FAST


def test_the_worst_of_what_is_heard_rules_the_green(tower):
    rings(tower, "mfa").hush("mfa")
    assert tower.worst is OK
    assert tower.show(BAD).green.pattern is STEADY
    tower.hush("sms")
    assert tower.worst is OK, "nothing is heard of either"
    assert tower.show(BAD) == DARK
    rings(tower, "sms", verdict=Verdict.DEGRADED).settle("sms", None)
    assert tower.worst is Verdict.DEGRADED


def test_the_end_of_quiet_hours_says_what_still_asks(tower):
    rings(tower, "mfa")
    assert tower.quiet_hours(10.0, on=True) is None
    assert tower.quiet_hours(11.0, on=True) is None
    assert tower.quiet_hours(12.0, on=False) is Sound.THREE_PULSES
    assert tower.quiet_hours(13.0, on=False) is None, "they had ended"
    tower.voice.silent_until = 20.0
    tower.quiet_hours(14.0, on=True)
    assert tower.quiet_hours(19.9, on=False) is None
    tower.quiet_hours(19.95, on=True)
    assert tower.quiet_hours(20.0, on=False) is Sound.THREE_PULSES


def test_blindness_is_chirped_once_after_five_minutes(tower):
    for each in tower.alarms.values():
        each.verdict, each.blind = Verdict.BLIND, True
    tower.watch_blind(100.0)
    tower.watch_blind(200.0)
    assert tower.next_deadline() == 400.0
    assert tower.time_passed(399.9, 399.9) is None
    assert tower.time_passed(400.0, 400.0) is Sound.CHIRP
    assert tower.next_deadline() == float("inf")
    assert tower.time_passed(900.0, 900.0) is None


@pytest.mark.parametrize("verdict", [Verdict.DEGRADED, Verdict.OUTAGE, Verdict.BLIND])
def test_a_rehearsal_that_goes_on_after_a_restart_is_acknowledged(tower, verdict):
    drill = tower.resume_drill(verdict)
    assert drill.acknowledged
    assert drill.blind is (verdict is Verdict.BLIND)
    assert drill.starting is False
    shown = tower.show(OK)
    assert shown.blue.pattern is FAST
    assert shown.green.pattern is OFF, "a rehearsed one lights none"


def test_only_what_is_open_can_be_acknowledged(tower):
    assert not tower.acknowledge(None)
    rings(tower, "mfa", "sms")
    assert tower.acknowledge("sms")
    assert (tower.alarms["mfa"].stage, tower.alarms["sms"].stage) == (OPEN, SEEN)
    assert not tower.acknowledge("sms")
    assert tower.acknowledge(None)
    assert tower.alarms["mfa"].stage is SEEN
