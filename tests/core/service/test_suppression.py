"""What an operator holds back, and what may alarm afterwards."""

import pytest

from beacon.core.effects import Announced, Recheck
from beacon.core.inputs import Bypass, Maintenance, Observed, QuietHours, Scheduled, Shelve
from beacon.core.model import Evidence, Reason, Sequence, Service, Verdict
from beacon.core.views import OverlayKind
from tests.core.operators import (
    FAILED,
    GREEN,
    HOUR,
    MINUTE,
    WHO,
    fail,
    lay,
    mend,
    overlays,
    restarted,
    tell,
)


def test_a_shelved_service_is_silent_blue_alone_and_returns_by_itself(make_room):
    room = make_room().passes(200)
    assert tell(room, Shelve, "mfa", True) == ""
    assert room.lamps == {"blue": "steady"}
    fail(room).forget().passes(HOUR - 300)
    assert room.verdict() is Verdict.GRAY_FAILURE
    assert room.lamps == {"blue": "steady"}
    assert room.sounds == []
    assert room.told == []
    room.passes(299)
    assert room.lamps == {"blue": "steady"}
    room.passes(100)
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert room.sounds == ["three_pulses", "pulse"]
    assert room.told == ["opened"]
    assert not overlays(room, OverlayKind.SHELVE).on


def test_another_service_that_is_ok_lends_its_green(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    tell(room, Maintenance, "mfa", True)
    fail(room).passes(400)
    assert room.lamps == {"green": "steady", "blue": "slow"}
    fail(room, "sms").passes(400)
    assert room.lamps == {"red": "fast", "amber": "fast", "blue": "slow"}
    assert room.told == ["opened"]


def test_a_first_pass_after_suppression_is_no_confirmation(make_room):
    room = make_room().passes(200)
    tell(room, Maintenance, "mfa", True)
    fail(room).passes(590)
    mend(room).forget()
    tell(room, Maintenance, "mfa", False)
    room.passes(120)
    assert room.told == []
    assert room.sounds == []
    assert room.lamps == {"amber": "slow", "green": "slow"}


def test_a_relapse_while_recovering_from_unseen_trouble_opens(make_room):
    room = make_room().passes(200)
    tell(room, Maintenance, "mfa", True)
    fail(room).passes(600)
    mend(room).passes(200)
    tell(room, Maintenance, "mfa", False)
    fail(room.passes(10)).forget().passes(200)
    assert room.told == ["opened"]


def test_an_incident_may_recover_and_close_unheard(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Maintenance, "mfa", True)
    mend(room).forget().passes(HOUR)
    assert room.told == ["recovering", "closed"]
    assert room.lamps == {"blue": "slow"}
    tell(room, Maintenance, "mfa", False)
    assert room.lamps == GREEN
    assert room.sounds == []


def test_blindness_is_told_after_suppression_only_if_it_lasts(make_room):
    room = make_room().passes(200)
    tell(room, Shelve, "mfa", True, seconds=1200.0)
    room.cue(None, "mfa/sign-in").forget().passes(1199)
    assert room.told == []
    assert room.sounds == []
    assert room.lamps == {"blue": "steady"}
    room.passes(2)
    assert room.told == ["blind"]
    assert room.lamps == {"white": "steady"}
    room.passes(301)
    assert room.sounds == ["chirp"]


def test_nobody_is_asked_again_where_the_guard_has_stopped_all(make_room, make_endpoint):
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, sign_in=True)
    room = make_room(Service(id="mfa", name="", endpoints=(sign_in,)))
    room.passes(200).cue(Reason.SIGN_IN_REJECTED, "mfa/sign-in").passes(2 * HOUR)
    assert "guard_stopped" in room.service().overlays
    tell(room, Shelve, "mfa", True)
    room.forget()
    tell(room, Shelve, "mfa", False)
    assert not [e for e in room.effects if isinstance(e, Recheck)]


def test_a_service_that_depends_on_the_suppressed_one_speaks_for_itself(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    tell(room, Maintenance, None, True)
    assert room.lamps == {"blue": "slow"}
    tell(room, Maintenance, "sms", False)
    assert room.lamps == {"green": "steady", "blue": "slow"}


def test_shelved_within_maintenance_stays_suppressed_until_both_have_ended(make_room):
    room = make_room().passes(200)
    tell(room, Maintenance, "mfa", True, seconds=2 * HOUR)
    tell(room, Shelve, "mfa", True)
    assert room.lamps == {"blue": "slow"}
    assert room.service().overlays == ("maintenance", "shelved")
    room.passes(HOUR + 1)
    assert room.service().overlays == ("maintenance",)
    room.passes(HOUR)
    assert room.lamps == GREEN


def test_a_suppressed_red_is_not_said_at_the_end_of_quiet_hours(make_room):
    room = fail(make_room().passes(200)).passes(300)
    tell(room, Shelve, "mfa", True)
    room.simulation.tell(QuietHours(room.now, on=True))
    assert room.simulation.tell(QuietHours(room.now, on=False)) == ()


def test_trouble_anew_after_a_recovery_that_began_while_suppressed_opens(make_room, make_endpoint):
    two = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("east", "west"))
    room = make_room(Service(id="mfa", name="", endpoints=two)).passes(200)
    tell(room, Shelve, "mfa", True)
    room.cue(Reason.DEADLINE, "mfa/east", "mfa/west").passes(300)
    room.cue(Reason.OK, "mfa/east", "mfa/west").passes(200)
    tell(room, Shelve, "mfa", False)
    assert room.passes(100).verdict() is Verdict.RECOVERING
    assert (room.told, room.sounds) == ([], [])
    room.cue(Reason.DEADLINE, "mfa/east").passes(100)
    assert (room.told, room.sounds) == (["opened"], ["chirp"])
    assert room.lamps == {"amber": "fast"}


def test_ringback_of_a_suppressed_service_is_silent(make_room):
    room = fail(make_room(sequence=Sequence.R).passes(200)).passes(300).acknowledge()
    tell(room, Maintenance, "mfa", True)
    mend(room).forget().passes(HOUR)
    assert room.told == ["recovering", "closed"]
    assert room.sounds == []
    tell(room, Maintenance, "mfa", False)
    assert room.lamps == {"green": "slow"}


def test_a_suppressed_service_does_not_remind(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    tell(room, Maintenance, "mfa", True, seconds=6 * HOUR)
    room.passes(5 * HOUR)
    room.simulation.tell(QuietHours(room.now, on=True))
    room.effects += room.simulation.tell(QuietHours(room.now, on=False))
    assert room.sounds == []


# --- what comes after: the table of docs/operators.md --------------------------------


def slow(room):
    return room.cue(Reason.SLOW, "mfa/sign-in")


CASES = {
    "well, well": (lambda room: room, mend, [], [], GREEN),
    "well, in trouble": (
        lambda room: room,
        fail,
        ["opened"],
        ["three_pulses"],
        {"red": "fast", "amber": "fast"},
    ),
    "well, a little": (lambda room: room, slow, ["opened"], ["chirp"], {"amber": "fast"}),
    "acknowledged, no worse": (
        lambda room: fail(room).passes(300).acknowledge(),
        fail,
        [],
        [],
        {"red": "steady", "amber": "slow"},
    ),
    "not acknowledged, no worse": (
        lambda room: fail(room).passes(300),
        fail,
        [],
        ["pulse"],
        {"red": "fast", "amber": "fast"},
    ),
    "degraded, red": (
        lambda room: slow(room).passes(300).acknowledge(),
        fail,
        ["escalated"],
        ["three_pulses"],
        {"red": "fast", "amber": "fast"},
    ),
    "recovering, red": (
        lambda room: mend(fail(room).passes(300).acknowledge()).passes(200),
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
    make_room, case, kind
):
    before, meanwhile, told, sounds, lamps = CASES[case]
    room = before(make_room().passes(200)).forget()
    lay(room, kind, on=True)
    assert "red" not in room.lamps
    meanwhile(room).passes(600)
    # Nothing is read for a while: what was read during the suppression is not enough.
    room.cue(None, "mfa/sign-in").passes(1).forget()
    lay(room, kind, on=False)
    room.passes(15)
    wrong = lamps != GREEN
    assert (room.told, room.sounds) == ([], [])
    assert room.lamps == ({"white": "slow"} | HELD.get(case, {}) if wrong else GREEN)
    # Failed again: only now it is an alarm, and only if it is worse than before.
    meanwhile(room).passes(62)
    assert room.told == told
    assert room.sounds[:1] == sounds
    assert room.lamps == lamps


LAYING = [Shelve, Maintenance, Scheduled]


@pytest.mark.parametrize("kind", LAYING)
@pytest.mark.parametrize("restart", [False, True])
def test_what_was_pushed_during_a_suppression_alarms_at_its_end(
    make_room, make_endpoint, kind, restart
):
    """A sender that tells of changes only says nothing more: its last word counts."""
    pushed = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, pushed=True, stale_after=HOUR * 24)
    room = make_room(Service(id="mfa", name="MFA", endpoints=(pushed,))).passes(200)
    lay(room, kind, on=True)
    room.simulation.tell(Observed(room.now, "mfa/sign-in", FAILED, room.now))
    for _ in range(3):
        room.simulation.tell(Observed(room.now, "mfa/sign-in", FAILED, room.now))
    room.cue(None, "mfa/sign-in").passes(600).forget()
    if restart:
        room = restarted(room)
        room.cue(None, "mfa/sign-in").passes(0)
    if not (restart and kind is Scheduled):  # the calendar's windows are not restored
        lay(room, kind, on=False)
    room.passes(300 if restart else 0)  # after a restart it may be pushed again first
    assert "opened" in room.told
    assert room.sounds[0] == "three_pulses"
    assert room.lamps["red"] == "fast"


@pytest.mark.parametrize("kind", LAYING)
def test_trouble_that_is_never_read_again_alarms_within_five_minutes(make_room, kind):
    room = make_room().passes(200)
    lay(room, kind, on=True)
    fail(room).passes(600)
    room.cue(None, "mfa/sign-in").passes(1).forget()
    lay(room, kind, on=False)
    room.passes(299)
    assert (room.told, room.sounds) == ([], [])
    room.passes(1)
    assert (room.told, room.sounds) == (["opened", "blind"], ["three_pulses"])


def test_a_pushed_service_alarms_when_what_it_depends_on_is_up_again(make_room, make_endpoint):
    pushed = make_endpoint(
        "mfa", "sign-in", Evidence.SYMPTOM, pushed=True, stale_after=HOUR, depends_on=("dns/r",)
    )
    parent = make_endpoint("dns", "r", Evidence.SYMPTOM)
    room = make_room(
        *(Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, pushed))
    ).passes(200)
    room.cue(Reason.DEADLINE, "dns/r").passes(300)
    for _ in range(3):
        room.simulation.tell(Observed(room.now, "mfa/sign-in", FAILED, room.now))
    room.cue(None, "mfa/sign-in").passes(60).forget()
    room.cue(Reason.OK, "dns/r").passes(300)
    assert ("opened", "mfa") in [(e.what, e.service) for e in room.effects if type(e) is Announced]


def test_a_held_red_is_lit_beside_white_and_blindness_told_though_nothing_is_read(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Shelve, "mfa", True, seconds=300.0)
    room.cue(None, "mfa/sign-in", "mfa/health", "mfa/vendor").forget().passes(HOUR)
    held = {"red": "steady", "amber": "slow", "white": "steady"}
    assert room.lamps == held
    assert (room.told, room.sounds) == (["blind"], ["chirp"])
    room.simulation.restart(10.0)
    assert room.lamps == held | {"white": "slow"}


def test_what_closed_and_came_again_while_suppressed_is_not_held(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Maintenance, "mfa", True)
    mend(room).passes(HOUR)
    fail(room).passes(600).cue(None, "mfa/sign-in").passes(1)
    tell(room, Maintenance, "mfa", False)
    assert room.lamps == {"white": "slow"}


def test_what_relapsed_while_suppressed_relapses_when_it_is_seen_again(make_room):
    room = make_room().passes(200).cue(Reason.DEADLINE, "mfa/sign-in").passes(100).acknowledge()
    room.cue(Reason.OK, "mfa/sign-in").passes(5 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    room.simulation.tell(Shelve(room.now, "mfa", True, **WHO))
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE).forget()
    room.effects += room.simulation.tell(Shelve(room.now, "mfa", False, **WHO))
    room.passes(2 * MINUTE)
    assert room.told == ["relapsed"]
    assert room.sounds[0] == "three_pulses"
    assert not room.incident.acknowledged
