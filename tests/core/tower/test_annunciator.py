"""The tower's manners: whose lamp wins, what may sound, and what is never swallowed."""

from dataclasses import replace

import pytest

from beacon.core.indication import DARK, Flag, Light, Pattern, Sound
from beacon.core.inputs import Acknowledge, QuietHours, Silence
from beacon.core.model import Preset, Reason, Sequence, Verdict
from beacon.core.tower.alarm import Alarm, AlarmKept, indicate
from beacon.core.tower.annunciator import Annunciator
from beacon.core.tower.sequences import Stage, table

HOUR = 3600.0
RED = (Verdict.OUTAGE, Verdict.GRAY_FAILURE)


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in RED])
def test_only_red_re_alarms(verdict):
    tower = Annunciator(("mfa",), Preset.TOWER_5, table(Sequence.A, lock_in=True))
    tower.alarms["mfa"].verdict = verdict
    tower.alarm("mfa", verdict, 0.0)
    assert tower.time_passed(10 * HOUR, 10 * HOUR) is None


def test_a_degraded_incident_chirps_once_and_never_again(make_harness):
    harness = (
        make_harness()
        .advance(600)
        .clear_effects()
        .script(Reason.SLOW, "mfa/sign-in")
        .advance(3 * HOUR)
    )
    assert harness.lamps == {"amber": "fast"}
    assert harness.sounds == ["chirp"]


def test_an_escalation_sounds_anew_though_somebody_had_acknowledged(make_harness):
    harness = (
        make_harness().advance(600).script(Reason.SLOW, "mfa/sign-in").advance(300).acknowledge()
    )
    harness.clear_effects().script(Reason.DEADLINE, "mfa/sign-in").advance(70)
    assert (harness.announcements, harness.sounds[0]) == (["escalated"], "three_pulses")
    assert harness.lamps == {"red": "fast", "amber": "fast"}


def test_an_escalation_in_quiet_hours_sounds_once_at_their_end(make_harness):
    harness = (
        make_harness().advance(600).script(Reason.SLOW, "mfa/sign-in").advance(300).acknowledge()
    )
    harness.simulation.tell(QuietHours(harness.now, True))
    harness.clear_effects().script(Reason.DEADLINE, "mfa/sign-in").advance(2 * HOUR)
    assert (harness.announcements, harness.sounds) == (["escalated"], [])
    harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
    assert harness.sounds == ["three_pulses"]


def test_what_became_amber_in_quiet_hours_chirps_once_at_their_end(make_harness):
    harness = make_harness().advance(600)
    harness.simulation.tell(QuietHours(harness.now, True))
    harness.clear_effects().script(Reason.SLOW, "mfa/sign-in").advance(2 * HOUR)
    assert harness.sounds == []
    harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
    harness.advance(3 * HOUR)
    assert (harness.announcements, harness.sounds) == (["opened"], ["chirp"])


def test_one_sound_says_all_that_waited_for_the_end_of_quiet_hours(make_harness, usual_service):
    harness = make_harness(usual_service(), usual_service("vpn")).advance(600)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(HOUR)
    harness.simulation.tell(QuietHours(harness.now, True))
    harness.script(Reason.SLOW, "vpn/sign-in").advance(HOUR).clear_effects()
    harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
    harness.advance(10.0)
    who = {"by": "analyst", "origin": "button", "service": "mfa"}
    harness.effects += harness.simulation.tell(Acknowledge(harness.now, **who))
    harness.advance(HOUR)
    assert harness.sounds == ["three_pulses"], "and no chirp for the amber"


@pytest.mark.parametrize("amber_too", [False, True])
def test_a_blindness_of_quiet_hours_chirps_at_their_end(make_harness, usual_service, amber_too):
    """Once for all that is due, and not as of the moment when it was due."""
    harness = make_harness(usual_service(), usual_service("vpn")).advance(600)
    harness.simulation.tell(QuietHours(harness.now, True))
    harness.clear_effects().script(None, "mfa/sign-in")
    if amber_too:
        harness.script(Reason.SLOW, "vpn/sign-in")
    harness.advance(2 * HOUR)
    assert harness.sounds == []
    harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
    harness.advance(3 * HOUR)
    assert harness.sounds == ["chirp"]


def test_a_blindness_that_an_operator_silenced_chirps_when_the_silence_is_taken_back(make_harness):
    harness = make_harness().advance(600)
    who = {"by": "analyst", "origin": "cli"}
    harness.script(Reason.SLOW, "mfa/sign-in").advance(300)
    harness.simulation.tell(Silence(harness.now, True, **who, seconds=HOUR))
    harness.clear_effects().script(None, "mfa/sign-in").advance(0.5 * HOUR)
    assert harness.sounds == []
    harness.effects += harness.simulation.tell(Silence(harness.now, False, **who))
    assert harness.sounds == ["chirp"]
    assert harness.advance(HOUR).sounds == ["chirp"]


@pytest.mark.parametrize("over", ["acknowledged", "well again"])
def test_a_chirp_that_was_held_back_is_owed_only_while_it_asks(make_harness, over):
    harness = make_harness().advance(600)
    harness.simulation.tell(QuietHours(harness.now, True))
    harness.clear_effects().script(Reason.SLOW, "mfa/sign-in").advance(HOUR)
    if over == "acknowledged":
        harness.acknowledge()
    else:
        harness.script(Reason.OK, "mfa/sign-in").advance(HOUR)
    harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
    assert harness.advance(HOUR).sounds == []


# --- whose lamp wins ---------------------------------------------------------------

FIVE, THREE = Preset.TOWER_5, Preset.TOWER_3
OFF, STEADY, SLOW, FAST = Pattern.OFF, Pattern.STEADY, Pattern.SLOW, Pattern.FAST


def alarm(verdict, stage=Stage.NORMAL, **more):
    more.setdefault("blind", verdict is Verdict.BLIND)
    more.setdefault("starting", False)
    return Alarm(verdict, AlarmKept(stage), **more)


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
        ((alarm(OK, suppressed=True), alarm(OK)), OK, {"green": "steady"}),
        ((alarm(BAD, OPEN, awaiting_confirmation=True),), OK, {"white": "slow"}),
        ((alarm(BAD, OPEN, awaiting_confirmation=True, blind=True),), OK, {"white": "steady"}),
        (
            (alarm(Verdict.RECOVERING, SEEN, awaiting_confirmation=True, before=BAD),),
            Verdict.RECOVERING,
            RECOVERING | {"white": "slow"},
        ),
        (
            (alarm(BAD, SEEN, awaiting_confirmation=True, before=Verdict.DEGRADED),),
            BAD,
            {"amber": "steady", "white": "slow"},
        ),
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
def test_three_lamps_show_the_rest_by_flags(alarms, drill, flags):
    found = indicate(alarms, OK, THREE, drill=drill)
    assert found.flags == flags
    assert (found.blue, found.white) == (Light(), Light())
    assert indicate(alarms, OK, FIVE, drill=drill).flags == ()


# --- the whole tower ----------------------------------------------------------------


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


def test_what_is_shown_is_published_once(tower):
    assert Annunciator((), FIVE, {}).shown == DARK
    assert tower.show().green.pattern is STEADY
    assert tower.show() is None
    assert rings(tower, "mfa").show().red.pattern is FAST


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
    rings(tower, "mfa", at=100.0).suppress("mfa")
    assert tower.next_deadline() == float("inf")
    assert tower.show() is not None
    assert tower.shown.red.pattern is OFF
    tower.await_confirmation("mfa", None)
    tower.end_suppression("mfa", 500.0)
    assert tower.next_deadline() == 560.0
    assert tower.show().red.pattern is FAST


def test_the_worst_that_is_not_suppressed_rules_the_green(tower):
    rings(tower, "mfa").suppress("mfa")
    assert tower.worst is OK
    assert tower.show().green.pattern is STEADY
    tower.suppress("sms")
    assert tower.worst is OK, "both are suppressed"
    assert tower.show() == DARK
    rings(tower, "sms", verdict=Verdict.DEGRADED).await_confirmation("sms", None)
    assert tower.worst is Verdict.DEGRADED


def test_the_end_of_quiet_hours_sounds_what_still_asks(tower):
    rings(tower, "mfa")
    assert tower.quiet_hours(10.0, on=True) is None
    assert tower.quiet_hours(11.0, on=True) is None
    assert tower.quiet_hours(12.0, on=False) is Sound.THREE_PULSES
    assert tower.quiet_hours(13.0, on=False) is None, "they had ended"
    tower.buzzer.silent_until = 20.0
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
    drill = tower.show_drill(verdict)
    assert drill.acknowledged
    assert drill.blind is (verdict is Verdict.BLIND)
    assert drill.starting is False
    shown = tower.show()
    assert shown.blue.pattern is FAST
    assert shown.green.pattern is OFF, "a rehearsed one lights none"
    assert tower.rehearse_again(100.0)
    assert not drill.acknowledged


@pytest.mark.parametrize(
    ("verdict", "more", "due"),
    [
        (BAD, {}, 560.0),
        (Verdict.DEGRADED, {}, float("inf")),
        (BAD, {"suppressed": True}, float("inf")),
        (BAD, {"inhibited": True}, float("inf")),
    ],
)
def test_what_is_asked_again_re_alarms_where_it_may_sound(tower, verdict, more, due):
    rings(tower, "mfa", verdict=verdict, at=100.0).acknowledge("mfa")
    tower.alarms["mfa"] = replace(tower.alarms["mfa"], **more)
    tower.ask_again("mfa", 500.0)
    assert not tower.alarms["mfa"].acknowledged
    assert tower.next_deadline() == due


def test_only_what_is_open_can_be_acknowledged(tower):
    assert not tower.acknowledge(None)
    rings(tower, "mfa", "sms")
    assert tower.acknowledge("sms")
    assert (tower.alarms["mfa"].kept.stage, tower.alarms["sms"].kept.stage) == (OPEN, SEEN)
    assert not tower.acknowledge("sms")
    assert tower.acknowledge(None)
    assert tower.alarms["mfa"].kept.stage is SEEN
