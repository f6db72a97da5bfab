"""What an operator holds back, and what may alarm afterwards."""

import pytest

from beacon.core.effects import Announced, Recheck
from beacon.core.endpoint.state import EndpointState
from beacon.core.inputs import Bypass, Maintenance, Observed, QuietHours, Scheduled, Shelve
from beacon.core.model import Evidence, Reason, Sequence, Service, Verdict
from beacon.core.service.held_back import time_to_confirm
from beacon.core.views import OverlayKind
from tests.core.operators import (
    FAILED,
    GREEN,
    HOUR,
    MINUTE,
    WHO,
    fail,
    mend,
    operate,
    overlays,
    restarted,
    set_overlay,
)


def test_a_shelved_service_is_silent_blue_alone_and_returns_by_itself(make_harness):
    harness = make_harness().advance(200)
    assert operate(harness, Shelve, "mfa", True) == ""
    assert harness.lamps == {"blue": "steady"}
    fail(harness).clear_effects().advance(HOUR - 300)
    assert harness.verdict() is Verdict.GRAY_FAILURE
    assert harness.lamps == {"blue": "steady"}
    assert harness.sounds == []
    assert harness.announcements == []
    harness.advance(299)
    assert harness.lamps == {"blue": "steady"}
    harness.advance(100)
    assert harness.lamps == {"red": "fast", "amber": "fast"}
    assert harness.sounds == ["three_pulses", "pulse"]
    assert harness.announcements == ["opened"]
    assert not overlays(harness, OverlayKind.SHELVE).on


def test_another_service_that_is_ok_lends_its_green(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    operate(harness, Maintenance, "mfa", True)
    fail(harness).advance(400)
    assert harness.lamps == {"green": "steady", "blue": "slow"}
    fail(harness, "sms").advance(400)
    assert harness.lamps == {"red": "fast", "amber": "fast", "blue": "slow"}
    assert harness.announcements == ["opened"]


def test_a_first_pass_after_suppression_is_no_confirmation(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Maintenance, "mfa", True)
    fail(harness).advance(590)
    mend(harness).clear_effects()
    operate(harness, Maintenance, "mfa", False)
    harness.advance(120)
    assert harness.announcements == []
    assert harness.sounds == []
    assert harness.lamps == {"amber": "slow", "green": "slow"}


def test_a_relapse_while_recovering_from_unseen_trouble_opens(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Maintenance, "mfa", True)
    fail(harness).advance(600)
    mend(harness).advance(200)
    operate(harness, Maintenance, "mfa", False)
    fail(harness.advance(10)).clear_effects().advance(200)
    assert harness.announcements == ["opened"]


def test_an_incident_may_recover_and_close_without_a_sound(make_harness):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Maintenance, "mfa", True)
    mend(harness).clear_effects().advance(HOUR)
    assert harness.announcements == ["recovering", "closed"]
    assert harness.lamps == {"blue": "slow"}
    operate(harness, Maintenance, "mfa", False)
    assert harness.lamps == GREEN
    assert harness.sounds == []


def test_blindness_is_announced_after_suppression_only_if_it_lasts(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Shelve, "mfa", True, seconds=1200.0)
    harness.script(None, "mfa/sign-in").clear_effects().advance(1199)
    assert harness.announcements == []
    assert harness.sounds == []
    assert harness.lamps == {"blue": "steady"}
    harness.advance(2)
    assert harness.announcements == ["blind"]
    assert harness.lamps == {"white": "steady"}
    harness.advance(301)
    assert harness.sounds == ["chirp"]


def test_nobody_is_asked_again_where_the_guard_has_stopped_all(make_harness, make_endpoint):
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, sign_in=True)
    harness = make_harness(Service(id="mfa", name="", endpoints=(sign_in,)))
    harness.advance(200).script(Reason.SIGN_IN_REJECTED, "mfa/sign-in").advance(2 * HOUR)
    assert "guard_stopped" in harness.service().overlays
    operate(harness, Shelve, "mfa", True)
    harness.clear_effects()
    operate(harness, Shelve, "mfa", False)
    assert not [e for e in harness.effects if isinstance(e, Recheck)]


def test_a_service_that_depends_on_the_suppressed_one_speaks_for_itself(
    make_harness, usual_service
):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    operate(harness, Maintenance, None, True)
    assert harness.lamps == {"blue": "slow"}
    operate(harness, Maintenance, "sms", False)
    assert harness.lamps == {"green": "steady", "blue": "slow"}


def test_shelved_within_maintenance_stays_suppressed_until_both_have_ended(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Maintenance, "mfa", True, seconds=2 * HOUR)
    operate(harness, Shelve, "mfa", True)
    assert harness.lamps == {"blue": "slow"}
    assert harness.service().overlays == ("maintenance", "shelved")
    harness.advance(HOUR + 1)
    assert harness.service().overlays == ("maintenance",)
    harness.advance(HOUR)
    assert harness.lamps == GREEN


def test_a_suppressed_red_makes_no_sound_at_the_end_of_quiet_hours(make_harness):
    harness = fail(make_harness().advance(200)).advance(300)
    operate(harness, Shelve, "mfa", True)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    assert harness.simulation.tell(QuietHours(harness.now, on=False)) == ()


def test_trouble_anew_after_a_recovery_that_began_while_suppressed_opens(
    make_harness, make_endpoint
):
    two = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("east", "west"))
    harness = make_harness(Service(id="mfa", name="", endpoints=two)).advance(200)
    operate(harness, Shelve, "mfa", True)
    harness.script(Reason.DEADLINE, "mfa/east", "mfa/west").advance(300)
    harness.script(Reason.OK, "mfa/east", "mfa/west").advance(200)
    operate(harness, Shelve, "mfa", False)
    assert harness.advance(100).verdict() is Verdict.RECOVERING
    assert (harness.announcements, harness.sounds) == ([], [])
    harness.script(Reason.DEADLINE, "mfa/east").advance(100)
    assert (harness.announcements, harness.sounds) == (["opened"], ["chirp"])
    assert harness.lamps == {"amber": "fast"}


def test_ringback_of_a_suppressed_service_is_silent(make_harness):
    harness = fail(make_harness(sequence=Sequence.R).advance(200)).advance(300).acknowledge()
    operate(harness, Maintenance, "mfa", True)
    mend(harness).clear_effects().advance(HOUR)
    assert harness.announcements == ["recovering", "closed"]
    assert harness.sounds == []
    operate(harness, Maintenance, "mfa", False)
    assert harness.lamps == {"green": "slow"}


def test_a_suppressed_service_does_not_remind(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    operate(harness, Maintenance, "mfa", True, seconds=6 * HOUR)
    harness.advance(5 * HOUR)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    harness.effects += harness.simulation.tell(QuietHours(harness.now, on=False))
    assert harness.sounds == []


# --- what comes after: the table of docs/operators.md --------------------------------


def slow(harness):
    return harness.script(Reason.SLOW, "mfa/sign-in")


CASES = {
    "well, well": (lambda harness: harness, mend, [], [], GREEN),
    "well, in trouble": (
        lambda harness: harness,
        fail,
        ["opened"],
        ["three_pulses"],
        {"red": "fast", "amber": "fast"},
    ),
    "well, a little": (lambda harness: harness, slow, ["opened"], ["chirp"], {"amber": "fast"}),
    "acknowledged, no worse": (
        lambda harness: fail(harness).advance(300).acknowledge(),
        fail,
        [],
        [],
        {"red": "steady", "amber": "slow"},
    ),
    "not acknowledged, no worse": (
        lambda harness: fail(harness).advance(300),
        fail,
        [],
        ["pulse"],
        {"red": "fast", "amber": "fast"},
    ),
    "degraded, red": (
        lambda harness: slow(harness).advance(300).acknowledge(),
        fail,
        ["escalated"],
        ["three_pulses"],
        {"red": "fast", "amber": "fast"},
    ),
    "recovering, red": (
        lambda harness: mend(fail(harness).advance(300).acknowledge()).advance(200),
        fail,
        ["relapsed"],
        ["three_pulses"],
        {"red": "fast", "amber": "fast"},
    ),
}


HELD = {
    "acknowledged, no worse": {"red": "steady", "amber": "slow"},
    "not acknowledged, no worse": {"red": "fast", "amber": "fast"},
    "degraded, red": {"amber": "steady"},
}
"""What is lit beside white until it has been probed again: what it was before, and no more."""


@pytest.mark.parametrize("kind", [Shelve, Maintenance, Scheduled])
@pytest.mark.parametrize("case", CASES)
def test_afterwards_only_what_is_worse_confirmed_and_probed_again_is_an_alarm(
    make_harness, case, kind
):
    before, meanwhile, announcements, sounds, lamps = CASES[case]
    harness = before(make_harness().advance(200)).clear_effects()
    set_overlay(harness, kind, on=True)
    assert "red" not in harness.lamps
    meanwhile(harness).advance(600)
    # Nothing is read for a while: what was read during the suppression is not enough.
    harness.script(None, "mfa/sign-in").advance(1).clear_effects()
    set_overlay(harness, kind, on=False)
    harness.advance(15)
    wrong = lamps != GREEN
    assert (harness.announcements, harness.sounds) == ([], [])
    assert harness.lamps == ({"white": "slow"} | HELD.get(case, {}) if wrong else GREEN)
    if wrong:
        assert restarted(harness).lamps == {"white": "steady"} | HELD.get(case, {})
    # Failed again: only now it is an alarm, and only if it is worse than before.
    meanwhile(harness).advance(62)
    assert harness.announcements == announcements
    assert harness.sounds[:1] == sounds
    assert harness.lamps == lamps


SUPPRESSIONS = [Shelve, Maintenance, Scheduled]


@pytest.mark.parametrize("kind", SUPPRESSIONS)
@pytest.mark.parametrize("restart", [False, True])
def test_what_was_pushed_during_a_suppression_alarms_at_its_end(
    make_harness, make_endpoint, kind, restart
):
    """A sender of changes alone sends nothing more: its last reading counts."""
    pushed = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, pushed=True, stale_after=HOUR * 24)
    harness = make_harness(Service(id="mfa", name="MFA", endpoints=(pushed,))).advance(200)
    set_overlay(harness, kind, on=True)
    harness.simulation.tell(Observed(harness.now, "mfa/sign-in", FAILED, harness.now))
    for _ in range(3):
        harness.simulation.tell(Observed(harness.now, "mfa/sign-in", FAILED, harness.now))
    harness.script(None, "mfa/sign-in").advance(600).clear_effects()
    if restart:
        harness = restarted(harness)
        harness.script(None, "mfa/sign-in").advance(0)
    if not (restart and kind is Scheduled):  # the calendar's windows are not restored
        set_overlay(harness, kind, on=False)
    harness.advance(300 if restart else 0)  # after a restart it may be pushed again first
    assert "opened" in harness.announcements
    assert harness.sounds[0] == "three_pulses"
    assert harness.lamps["red"] == "fast"


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"interval": 60.0, "timeout": 30.0}, 300.0),
        ({"interval": 200.0, "timeout": 30.0}, 430.0),
        ({"interval": 200.0, "timeout": 30.0, "pushed": True}, 300.0),
    ],
)
def test_there_is_time_for_two_readings_of_the_slowest_and_five_minutes_at_least(
    make_endpoint, times, seconds
):
    specs = (
        make_endpoint("mfa", "a", Evidence.SYMPTOM),
        make_endpoint("mfa", "b", Evidence.CLAIM, **times),
    )
    assert time_to_confirm(EndpointState(spec, 0.0) for spec in specs) == seconds


@pytest.mark.parametrize("kind", SUPPRESSIONS)
def test_trouble_that_is_never_read_again_alarms_within_five_minutes(make_harness, kind):
    harness = make_harness().advance(200)
    set_overlay(harness, kind, on=True)
    fail(harness).advance(600)
    harness.script(None, "mfa/sign-in").advance(1).clear_effects()
    set_overlay(harness, kind, on=False)
    harness.advance(299)
    assert (harness.announcements, harness.sounds) == ([], [])
    harness.advance(1)
    assert (harness.announcements, harness.sounds) == (["opened", "blind"], ["three_pulses"])


def test_a_pushed_service_alarms_when_what_it_depends_on_is_up_again(make_harness, make_endpoint):
    pushed = make_endpoint(
        "mfa", "sign-in", Evidence.SYMPTOM, pushed=True, stale_after=HOUR, depends_on=("dns/r",)
    )
    parent = make_endpoint("dns", "r", Evidence.SYMPTOM)
    harness = make_harness(
        *(Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, pushed))
    ).advance(200)
    harness.script(Reason.DEADLINE, "dns/r").advance(300)
    for _ in range(3):
        harness.simulation.tell(Observed(harness.now, "mfa/sign-in", FAILED, harness.now))
    harness.script(None, "mfa/sign-in").advance(60).clear_effects()
    harness.script(Reason.OK, "dns/r").advance(300)
    assert ("opened", "mfa") in [
        (e.what, e.service) for e in harness.effects if type(e) is Announced
    ]


def test_a_held_red_is_lit_beside_white_and_blindness_announced_though_nothing_is_read(
    make_harness,
):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Shelve, "mfa", True, seconds=300.0)
    harness.script(None, "mfa/sign-in", "mfa/health", "mfa/vendor").clear_effects().advance(HOUR)
    held = {"red": "steady", "amber": "slow", "white": "steady"}
    assert harness.lamps == held
    assert (harness.announcements, harness.sounds) == (["blind"], ["chirp"])
    harness.simulation.restart(10.0)
    assert harness.lamps == held | {"white": "slow"}


def test_what_closed_and_came_again_while_suppressed_is_not_held(make_harness):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Maintenance, "mfa", True)
    mend(harness).advance(HOUR)
    fail(harness).advance(600).script(None, "mfa/sign-in").advance(1)
    operate(harness, Maintenance, "mfa", False)
    assert harness.lamps == {"white": "slow"}


def test_what_recovered_and_relapsed_while_suppressed_is_a_relapse(make_harness):
    """Its recovery was announced: red again is nothing that anybody acknowledged."""
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    harness.simulation.tell(Shelve(harness.now, "mfa", True, **WHO))
    mend(harness).advance(5 * MINUTE)
    fail(harness).advance(5 * MINUTE)
    assert harness.announcements[-1] == "recovering"
    harness.clear_effects()
    harness.effects += harness.simulation.tell(Shelve(harness.now, "mfa", False, **WHO))
    harness.advance(2 * MINUTE)
    assert (harness.announcements, harness.sounds[0]) == (["relapsed"], "three_pulses")


def test_what_relapsed_while_suppressed_relapses_when_it_is_seen_again(make_harness):
    harness = (
        make_harness()
        .advance(200)
        .script(Reason.DEADLINE, "mfa/sign-in")
        .advance(100)
        .acknowledge()
    )
    harness.script(Reason.OK, "mfa/sign-in").advance(5 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING
    harness.simulation.tell(Shelve(harness.now, "mfa", True, **WHO))
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE).clear_effects()
    harness.effects += harness.simulation.tell(Shelve(harness.now, "mfa", False, **WHO))
    harness.advance(2 * MINUTE)
    assert harness.announcements == ["relapsed"]
    assert harness.sounds[0] == "three_pulses"
    assert not harness.incident.acknowledged
