"""Operators' overlays as people meet them: suppressed, reminded, rehearsed, refused."""

from dataclasses import replace

import pytest

from beacon.core.effects import Announced, Announcement, Answered, OverlaysChanged, Recheck
from beacon.core.indication import Flag
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    Drill,
    Maintenance,
    Observed,
    QuietHours,
    Scheduled,
    Shelve,
    Silence,
)
from beacon.core.model import (
    Attestation,
    BreakGlassUse,
    Evidence,
    Preset,
    Reading,
    Reason,
    Sequence,
    Service,
    Verdict,
)
from beacon.core.operator.overlays import MOST_USES
from beacon.core.views import OverlayKind, SilenceChanged
from beacon.replay.simulation import Simulation

GREEN = {"green": "steady"}
FAILED = Reading(Reason.DEADLINE)
HOUR = 3600.0
ITEM = Attestation(id="break-glass", name="Break-glass accounts", every=24 * HOUR)


def tell(room, kind, *args, **more):
    """An operator acts; whether it was done, and why not."""
    event = kind(room.now, *args, by="analyst", origin="cli", **more)
    effects = room.simulation.tell(event)
    room.effects += effects
    answer = next(e for e in effects if isinstance(e, Answered))
    return answer.error


def overlays(room, kind):
    return [e for e in room.effects if isinstance(e, OverlaysChanged) and e.kind is kind][-1]


def fail(room, service="mfa"):
    return room.cue(Reason.DEADLINE, f"{service}/sign-in")


def mend(room, service="mfa"):
    return room.cue(Reason.OK, f"{service}/sign-in")


# --- suppressed -------------------------------------------------------------------


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


def test_after_suppression_trouble_waits_for_a_fresh_reading(make_room):
    room = make_room().passes(200)
    tell(room, Maintenance, "mfa", True)
    fail(room).passes(600)
    room.cue(None, "mfa/sign-in").passes(1).forget()
    tell(room, Maintenance, "mfa", False)
    assert room.lamps == {"white": "slow"}
    room.passes(20)
    assert room.sounds == []
    fail(room).passes(0)
    assert room.told == ["opened"]
    assert room.sounds == ["three_pulses"]


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


def test_what_was_acknowledged_before_is_not_announced_again(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Shelve, "mfa", True)
    assert room.lamps == {"blue": "steady"}
    room.forget().passes(2 * HOUR)
    assert room.sounds == []
    assert room.told == []
    assert room.lamps == {"red": "steady", "amber": "slow"}


def test_what_nobody_had_acknowledged_asks_again_and_re_alarms(make_room):
    room = fail(make_room().passes(200)).passes(300)
    tell(room, Shelve, "mfa", True, seconds=600.0)
    room.forget().passes(599)
    assert room.sounds == []
    room.passes(62)
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert room.sounds == ["pulse"]


def test_what_is_worse_than_before_escalates_afterwards(make_room):
    room = make_room().passes(200).cue(Reason.SLOW, "mfa/sign-in").passes(300).acknowledge()
    assert room.verdict() is Verdict.DEGRADED
    tell(room, Shelve, "mfa", True)
    fail(room).passes(300).forget()
    tell(room, Shelve, None, False)
    room.passes(1)
    assert room.told == ["escalated"]
    assert room.sounds == ["three_pulses"]
    assert room.lamps == {"red": "fast", "amber": "fast"}


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


def test_three_lamps_say_it_by_flags(make_room):
    room = make_room(preset=Preset.TOWER_3).passes(200)
    tell(room, Maintenance, "mfa", True)
    assert room.lamps == {}
    assert room.indication.flags == (Flag.ACT,)
    tell(room, Maintenance, "mfa", False)
    tell(room, Drill, True)
    assert room.indication.flags == (Flag.DRILL,)


# --- the calendar -----------------------------------------------------------------


def test_windows_begin_and_end_by_the_calendar(make_room):
    room = make_room().passes(200)
    room.effects += room.simulation.tell(Scheduled(room.now, (("mfa", 5000.0, "Patches"),)))
    laid = overlays(room, OverlayKind.MAINTENANCE).overlays[0]
    assert (laid.origin, laid.by, laid.until, laid.reason) == (
        "schedule",
        "schedule",
        5000.0,
        "Patches",
    )
    assert not any(isinstance(e, Answered) for e in room.effects)
    room.passes(10_000)
    assert room.lamps == {"blue": "slow"}, "the calendar ends it, not the core"
    room.simulation.tell(Scheduled(room.now, ()))
    assert room.lamps == GREEN


def test_a_window_that_goes_on_keeps_its_beginning(make_room):
    room = make_room().passes(200)
    began = room.now
    room.simulation.tell(Scheduled(room.now, (("mfa", 5000.0, "A"),)))
    room.passes(60)
    room.effects += room.simulation.tell(Scheduled(room.now, (("mfa", 9000.0, "B"),)))
    laid = overlays(room, OverlayKind.MAINTENANCE).overlays
    assert [(o.since, o.until, o.reason) for o in laid] == [(began, 9000.0, "B")]


def test_work_by_hand_outlasts_the_window_and_ending_by_hand_ends_both(make_room):
    room = make_room().passes(200)
    window = (("mfa", 5000.0, "Patches"),)
    room.simulation.tell(Scheduled(room.now, window))
    assert tell(room, Maintenance, "mfa", True) == ""
    room.simulation.tell(Scheduled(room.now, ()))
    assert room.lamps == {"blue": "slow"}
    room.simulation.tell(Scheduled(room.now, window))
    assert tell(room, Maintenance, "mfa", False) == ""
    assert room.lamps == GREEN


def test_a_window_of_an_unknown_service_is_nothing(make_room):
    room = make_room().passes(200)
    room.simulation.tell(Scheduled(room.now, (("gone", 5000.0, "Patches"),)))
    assert room.lamps == GREEN
    assert room.simulation.monitor.view().overlays == ()


# --- bypass -----------------------------------------------------------------------


def test_a_bypass_changes_nothing_but_blue_and_reminds_when_all_is_well(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Bypass, "mfa", True, reason="vendor is down")
    assert room.lamps == {"red": "steady", "amber": "slow", "blue": "steady"}
    room.forget().passes(2 * HOUR)
    assert room.sounds == []
    mend(room).passes(120 + 1800)
    assert room.lamps == {"green": "steady", "blue": "steady"}
    assert room.sounds == ["two_chirps"]
    room.passes(HOUR - 200)
    assert room.sounds == ["two_chirps"]
    room.passes(200)
    assert room.sounds == ["two_chirps", "two_chirps"]
    tell(room, Bypass, None, False)
    assert room.lamps == GREEN
    room.forget().passes(3 * HOUR)
    assert room.sounds == []


def test_a_bypass_laid_on_while_all_is_well_reminds_after_an_hour(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, None, True)
    room.passes(HOUR - 1)
    assert room.sounds == []
    room.passes(1)
    assert room.sounds == ["two_chirps"]


def test_quiet_hours_hold_the_reminder_until_their_end(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    room.simulation.tell(QuietHours(room.now, on=True))
    room.passes(7.5 * HOUR)
    assert room.sounds == []
    room.effects += room.simulation.tell(QuietHours(room.now, on=False))
    assert room.sounds == ["two_chirps"]
    room.passes(HOUR - 1)
    assert room.sounds == ["two_chirps"]
    room.passes(1)
    assert room.sounds == ["two_chirps", "two_chirps"]


def test_unacknowledged_red_goes_before_the_reminder_and_trouble_before_both(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    room.simulation.tell(QuietHours(room.now, on=True))
    fail(room).passes(600)
    room.effects += room.simulation.tell(QuietHours(room.now, on=False))
    assert room.sounds == ["three_pulses"]


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


# --- attestation ------------------------------------------------------------------


def test_what_was_never_attested_is_overdue_until_somebody_does(make_room):
    room = make_room(attest=(ITEM,)).passes(200)
    assert room.verdict() is Verdict.ADVISORY
    assert room.service().overlays == ("attestation_overdue",)
    assert room.service().cause == "attestation_overdue"
    assert "Break-glass accounts" in room.service().explanation
    assert room.lamps == {"green": "steady", "amber": "slow", "blue": "steady"}
    assert overlays(room, OverlayKind.ATTEST).overdue == ("break-glass",)
    assert tell(room, Attest, None) == ""
    assert room.lamps == GREEN
    assert room.sounds == []
    room.passes(24 * HOUR - 1)
    assert room.lamps == GREEN
    room.passes(1)
    assert room.lamps == {"green": "steady", "amber": "slow", "blue": "steady"}
    assert overlays(room, OverlayKind.ATTEST).on
    assert room.sounds == []


def test_an_attestation_concerns_only_its_services_and_can_be_withdrawn(make_room, usual_service):
    item = Attestation(id="tokens", name="Spare tokens", services=("sms",))
    room = make_room(usual_service("mfa"), usual_service("sms"), attest=(item,)).passes(200)
    assert room.verdict("mfa") is Verdict.OK
    assert room.verdict("sms") is Verdict.ADVISORY
    tell(room, Attest, "tokens")
    assert room.verdict("sms") is Verdict.OK
    assert tell(room, Attest, "tokens", on=False) == ""
    assert room.verdict("sms") is Verdict.ADVISORY
    assert tell(room, Attest, "tokens", on=False) == "tokens is not attested"


# --- drill ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "lamps", "sounds"),
    [
        (Verdict.OUTAGE, {"red": "fast", "blue": "fast"}, ["three_pulses"]),
        (Verdict.GRAY_FAILURE, {"red": "fast", "amber": "fast", "blue": "fast"}, ["three_pulses"]),
        (Verdict.DEGRADED, {"amber": "fast", "blue": "fast"}, ["chirp"]),
        (Verdict.RECOVERING, {"amber": "slow", "green": "slow", "blue": "fast"}, []),
        (Verdict.ADVISORY, {"green": "steady", "amber": "slow", "blue": "fast"}, []),
        (Verdict.BLIND, {"white": "steady", "blue": "fast"}, []),
    ],
)
def test_a_drill_shows_and_says_what_the_verdict_would(make_room, verdict, lamps, sounds):
    room = make_room().passes(200)
    assert tell(room, Drill, True, verdict=verdict) == ""
    assert room.lamps == lamps
    assert room.sounds == sounds
    assert room.verdict() is Verdict.OK
    assert room.told == []
    assert room.incident is None
    assert room.simulation.monitor.view().overall.overlays == ("drill",)
    tell(room, Drill, False)
    assert room.lamps == GREEN


@pytest.mark.parametrize("verdict", [Verdict.RECOVERING, Verdict.ADVISORY])
def test_a_drill_lights_no_green_that_nobody_has_proved(make_room, verdict):
    room = make_room().passes(200)
    tell(room, Shelve, "mfa", True)
    tell(room, Drill, True, verdict=verdict)
    assert room.lamps == {"amber": "slow", "blue": "fast"}
    unread = make_room()
    tell(unread, Drill, True, verdict=verdict)
    assert "green" not in unread.lamps


def test_a_drill_is_acknowledged_re_alarms_and_ends_by_itself(make_room):
    room = make_room().passes(200)
    tell(room, Drill, True)
    room.passes(61)
    assert room.sounds == ["three_pulses", "pulse"]
    room.acknowledge()
    assert room.lamps == {"red": "steady", "blue": "fast"}
    room.passes(839)
    assert room.lamps == GREEN


def test_blindness_rehearsed_chirps_after_five_minutes(make_room):
    room = make_room().passes(200)
    tell(room, Drill, True, verdict=Verdict.BLIND)
    room.passes(300)
    assert room.sounds == ["chirp"]


def test_a_real_alarm_ends_the_drill_and_sounds_however_soon(make_room):
    room = fail(make_room().passes(200)).passes(4)
    tell(room, Drill, True)
    room.forget().passes(30)
    assert room.sounds == ["three_pulses"]
    assert room.told == ["opened"]
    assert "blue" not in room.lamps
    assert not overlays(room, OverlayKind.DRILL).on


def test_becoming_blind_ends_the_drill(make_room):
    room = make_room().passes(200)
    tell(room, Drill, True, seconds=HOUR)
    room.cue(None, "mfa/sign-in").passes(600)
    assert room.lamps == {"white": "steady"}


# --- what comes after a suppression: the table of docs/operators.md ----------------


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


def lay(room, kind, *, on):
    if kind is Scheduled:
        windows = (("mfa", room.now + HOUR, "Patches"),) if on else ()
        room.effects += room.simulation.tell(Scheduled(room.now, windows))
    else:
        assert tell(room, kind, "mfa", on) == ""


# --- refused ----------------------------------------------------------------------

REFUSED = [
    ((Acknowledge,), {"service": "nope"}, "no service 'nope'; there is: mfa"),
    ((Acknowledge,), {}, "nothing to acknowledge"),
    ((Acknowledge,), {"service": "nope", "on": False}, "no service 'nope'; there is: mfa"),
    ((Acknowledge,), {"on": False}, "no open incident is acknowledged"),
    ((Silence, True), {}, "no incident is open"),
    ((Silence, False), {}, "not silenced"),
    ((Bypass, "nope", True), {}, "no service 'nope'; there is: mfa"),
    ((Shelve, None, True), {}, "name the service to shelve"),
    ((Shelve, "nope", True), {}, "no service 'nope'; there is: mfa"),
    ((Shelve, "mfa", False), {}, "there is no shelving to end"),
    ((Maintenance, "nope", True), {}, "no service 'nope'"),
    ((Maintenance, None, False), {}, "there is no maintenance to end"),
    ((Bypass, "mfa", False), {}, "there is no bypass to end"),
    ((Attest, None), {}, "nothing to attest: the section `attest`"),
    ((Drill, False), {}, "no drill is on"),
    ((Drill, True), {"verdict": Verdict.OK}, "ok needs no rehearsal"),
]


@pytest.mark.parametrize(
    ("what", "more", "why"), REFUSED, ids=[f"{w[0].__name__}-{y}" for w, _, y in REFUSED]
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(make_room, what, more, why):
    room = make_room().passes(200)
    monitor = room.simulation.monitor
    before = monitor.view(), monitor.remember(room.now)
    assert tell(room, *what, **more).startswith(why)
    assert (monitor.view(), monitor.remember(room.now)) == before


@pytest.mark.parametrize("kind", [Shelve, Maintenance, Bypass])
def test_what_is_on_already_is_refused(make_room, kind):
    room = make_room().passes(200)
    assert tell(room, kind, "mfa", True) == ""
    assert "is on already" in tell(room, kind, "mfa", True)


def test_a_drill_is_refused_in_real_trouble_and_twice(make_room):
    room = make_room().passes(200)
    assert tell(room, Drill, True) == ""
    assert tell(room, Drill, True) == "a drill is on already"
    fail(room).passes(400)
    assert tell(room, Drill, True) == "something is really wrong: no time for a drill"


def test_an_unknown_or_ambiguous_attestation_is_refused(make_room):
    other = Attestation(id="tokens", name="Spare tokens")
    room = make_room(attest=(ITEM, other)).passes(200)
    assert tell(room, Attest, None) == "name what was tested: break-glass, tokens"
    assert tell(room, Attest, "x").startswith("nothing to attest by the name 'x'")


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ((Acknowledge,), {}),
        ((Acknowledge,), {"on": False}),
        ((Silence, True), {}),
        ((Silence, False), {}),
        ((Shelve, "mfa", False), {}),
        ((Drill, False), {}),
    ],
)
def test_what_is_closed_is_refused_and_nothing_changes(make_room, what, more):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Silence, True)
    mend(room).passes(HOUR)
    assert room.told[-1] == "closed"
    monitor = room.simulation.monitor
    before = monitor.view(), monitor.remember(room.now)
    assert tell(room, *what, **more) != ""
    assert (monitor.view(), monitor.remember(room.now)) == before


def test_an_answer_names_the_service_of_an_acknowledgement(make_room):
    room = fail(make_room().passes(200)).passes(300)
    assert tell(room, Acknowledge, service="mfa") == ""
    answer = [e for e in room.effects if isinstance(e, Answered)][-1]
    assert (answer.command, answer.service, answer.on) == ("acknowledge", "mfa", True)
    assert tell(room, Acknowledge, service="mfa", on=False) == ""
    assert not [e for e in room.effects if isinstance(e, Answered)][-1].on


def test_an_answer_carries_who_why_and_what(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True, reason="vendor is down")
    answer = next(e for e in room.effects if isinstance(e, Answered))
    assert (answer.command, answer.by, answer.origin, answer.reason, answer.service) == (
        "bypass",
        "analyst",
        "cli",
        "vendor is down",
        "mfa",
    )


# --- kept -------------------------------------------------------------------------


def test_a_service_that_is_gone_takes_its_overlays_along(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    tell(room, Bypass, "sms", True)
    tell(room, Shelve, "sms", True)
    only = make_room().simulation.monitor.site
    room.effects += room.simulation.monitor.reconfigure(only, room.now)
    assert overlays(room, OverlayKind.BYPASS).overlays == ()
    assert overlays(room, OverlayKind.SHELVE).overlays == ()
    assert room.lamps == GREEN


def test_every_kind_is_described_once_at_the_start(make_room):
    room = make_room()
    said = [e for e in room.effects if isinstance(e, OverlaysChanged)]
    assert [(e.kind, e.on) for e in said] == [(kind, False) for kind in OverlayKind]


def test_nothing_is_told_while_suppressed_but_what_resolves(make_room):
    room = make_room().passes(200)
    tell(room, Shelve, "mfa", True)
    fail(room).passes(900)
    mend(room).passes(900)
    told = [e.what.value for e in room.effects if isinstance(e, Announced)]
    assert told == []


def restarted(room, later=0.0):
    """The same site begun anew with what the killed one remembers, `later` seconds after."""
    monitor = room.simulation.monitor
    memory = monitor.remember(room.now)
    at = room.now + later
    fresh = type(room)(Simulation(monitor.site, at))
    fresh.effects += fresh.simulation.monitor.start(at, memory)
    return fresh


def test_a_shelved_service_stays_shelved_over_a_restart_and_returns_in_time(make_room):
    room = make_room().passes(200)
    tell(room, Shelve, "mfa", True)
    again = restarted(room.passes(600))
    assert again.lamps == {"blue": "steady"}
    assert [e.on for e in again.effects if isinstance(e, OverlaysChanged)].count(True) == 1
    fail(again).passes(HOUR - 700)
    assert again.sounds == []
    assert again.lamps == {"blue": "steady"}
    again.passes(200)
    assert again.lamps == {"red": "fast", "amber": "fast"}


def test_a_shelving_that_ended_while_nobody_watched_is_over(make_room):
    room = make_room().passes(200)
    tell(room, Shelve, "mfa", True, seconds=60.0)
    again = restarted(room, later=61.0)
    assert not overlays(again, OverlayKind.SHELVE).on
    assert again.passes(100).lamps == GREEN
    assert again.sounds == []


def test_an_acknowledged_outage_shelved_over_a_restart_is_as_before_afterwards(make_room):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Shelve, "mfa", True)
    again = restarted(room)
    assert again.lamps == {"blue": "steady"}
    fail(again).passes(2 * HOUR)
    assert again.lamps == {"red": "steady", "amber": "slow"}
    assert (again.sounds, again.told) == ([], [])


def test_a_drill_goes_on_after_a_restart_without_a_sound(make_room):
    room = make_room().passes(200)
    tell(room, Drill, True)
    again = restarted(room)
    assert again.lamps == {"red": "steady", "blue": "fast", "white": "slow"}
    assert again.sounds == []
    again.passes(900)
    assert again.lamps == GREEN


def test_a_bypass_and_an_attestation_come_back_and_a_window_is_said_anew(make_room):
    room = make_room(attest=(ITEM,)).passes(200)
    tell(room, Bypass, "mfa", True, reason="vendor")
    tell(room, Attest, None)
    room.simulation.tell(Scheduled(room.now, (("mfa", room.now + 500.0, "Patches"),)))
    again = restarted(room)
    kept = again.simulation.monitor.view().overlays
    assert {(o.kind, o.subject, o.by, o.reason) for o in kept} == {
        (OverlayKind.BYPASS, "mfa", "analyst", "vendor"),
        (OverlayKind.ATTEST, "break-glass", "analyst", ""),
    }
    again.passes(100)
    assert again.sounds == [], "a restart itself reminds of nothing"
    assert again.lamps == {"green": "steady", "blue": "steady"}


def test_restarts_do_not_put_off_the_reminder_of_a_bypass(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    again = restarted(restarted(room.passes(1800)).passes(1500))
    assert again.passes(HOUR - 1800 - 1500 - 60).sounds == []
    assert again.passes(120).sounds == ["two_chirps"]


def test_a_service_not_yet_settled_before_a_restart_is_settled_after_it(make_room):
    room = make_room().passes(200)
    tell(room, Maintenance, "mfa", True)
    fail(room).passes(400).cue(None, "mfa/sign-in").passes(1)
    tell(room, Maintenance, "mfa", False)
    again = restarted(room)
    assert again.sounds == []
    assert "red" not in again.lamps
    fail(again).passes(200)
    assert again.told == ["opened"]


@pytest.mark.parametrize("sequence", [Sequence.M, Sequence.R])
def test_a_reset_that_is_due_is_still_due_after_a_restart(make_room, sequence):
    room = fail(make_room(sequence=sequence).passes(200)).passes(300).acknowledge()
    mend(room).passes(HOUR)
    before = room.lamps
    again = restarted(room).passes(100)
    assert again.lamps == before != GREEN
    assert again.acknowledge().lamps == GREEN


# --- to the letter ----------------------------------------------------------------

WHO = {"by": "analyst", "origin": "cli", "reason": "because"}


@pytest.mark.parametrize(
    ("kind", "args", "more", "subject", "until"),
    [
        (Shelve, ("mfa", True), {"seconds": 8 * HOUR}, "mfa", 8 * HOUR),
        (Shelve, ("mfa", True), {}, "mfa", HOUR),
        (Maintenance, ("mfa", True), {"seconds": 7 * 24 * HOUR}, "mfa", 7 * 24 * HOUR),
        (Maintenance, ("mfa", True), {}, "mfa", 4 * HOUR),
        (Bypass, ("mfa", True), {}, "mfa", None),
        (Attest, ("break-glass",), {}, "break-glass", 24 * HOUR),
        (Drill, (True,), {"seconds": HOUR}, "outage", HOUR),
        (Drill, (True,), {"verdict": Verdict.DEGRADED}, "degraded", 900.0),
    ],
)
def test_an_overlay_carries_who_when_why_and_until(make_room, kind, args, more, subject, until):
    room = make_room(attest=(ITEM,)).passes(200)
    room.effects += room.simulation.tell(kind(room.now, *args, **WHO, **more))
    (laid,) = room.simulation.monitor.view().overlays
    assert (laid.subject, laid.since) == (subject, room.now)
    assert (laid.by, laid.origin, laid.reason) == ("analyst", "cli", "because")
    assert laid.until == (None if until is None else room.now + until)


def test_a_refusal_names_what_there_is(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    assert tell(room, Shelve, "gate", True) == "no service 'gate'; there is: mfa, sms"


def test_a_window_over_another_service_has_a_beginning_of_its_own(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    tell(room, Maintenance, "sms", True)
    first = room.now
    room.simulation.tell(Scheduled(first, (("mfa", 9e5, "A"),)))
    room.passes(60).simulation.tell(Scheduled(room.now, (("mfa", 9e5, "A"), ("sms", 9e5, "B"))))
    begun = {(o.subject, o.origin): o.since for o in room.simulation.monitor.view().overlays}
    assert begun == {
        ("mfa", "schedule"): first,
        ("sms", "cli"): first,
        ("sms", "schedule"): room.now,
    }


def test_a_bypass_that_ended_reminds_nobody_at_the_end_of_quiet_hours(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    room.simulation.tell(QuietHours(room.now, on=True))
    room.passes(2 * HOUR)
    tell(room, Bypass, "mfa", False)
    room.forget()
    room.effects += room.simulation.tell(QuietHours(room.now, on=False))
    assert room.sounds == []


def test_a_bypass_of_what_is_in_trouble_reminds_nobody_at_the_end_of_quiet_hours(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True)
    room.simulation.tell(QuietHours(room.now, on=True))
    fail(room).passes(600).acknowledge()
    room.effects += room.forget().simulation.tell(QuietHours(room.now, on=False))
    assert room.sounds == []


def test_an_attestation_does_not_end_it_falls_due(make_room):
    room = make_room(attest=(ITEM,)).passes(200)
    tell(room, Attest, "break-glass")
    room.passes(25 * HOUR)
    (laid,) = room.simulation.monitor.view().overlays
    assert laid.kind is OverlayKind.ATTEST
    assert overlays(room, OverlayKind.ATTEST).overdue == ("break-glass",)


def test_two_overdue_things_are_both_named(make_room):
    room = make_room(attest=(ITEM, Attestation(id="keys", name="Keys")))
    assert room.passes(200).service().explanation == (
        "not tested for too long: Break-glass accounts, Keys"
    )
    assert room.service().cause == "attestation_overdue"


def test_trouble_explains_itself_though_something_is_overdue(make_room):
    room = make_room(attest=(ITEM,)).passes(200).cue(Reason.VENDOR_INCIDENT, "mfa/vendor")
    room.passes(300)
    assert (room.verdict(), room.service().cause) == (Verdict.ADVISORY, "vendor")


# --- whoever asks is answered -----------------------------------------------------


@pytest.mark.parametrize(
    ("event", "command", "error"),
    [
        (lambda at: Acknowledge(at, **WHO), "acknowledge", "nothing to acknowledge"),
        (lambda at: Silence(at, True, **WHO), "silence", "no incident is open"),
        (lambda at: Silence(at, False, **WHO), "silence", "not silenced"),
    ],
)
def test_what_is_refused_says_why_to_whom(make_room, event, command, error):
    room = make_room().passes(200)
    order = event(room.now)
    (answer,) = room.simulation.tell(order)
    assert (answer.at, answer.command, answer.ok, answer.on) == (room.now, command, False, order.on)
    assert (answer.by, answer.origin, answer.reason) == ("analyst", "cli", "because")
    assert answer.error == error


def test_what_is_done_says_so(make_room):
    room = fail(make_room().passes(200)).passes(300)
    effects = room.simulation.tell(Silence(room.now, True, **WHO, seconds=HOUR))
    until = room.now + HOUR
    silence = SilenceChanged(room.now, True, room.now, until, "analyst", "because")
    answer = Answered(room.now, "silence", True, "analyst", "cli", "", "because")
    assert effects == (silence, answer)
    assert room.simulation.tell(Silence(room.now, False, **WHO)) == (
        SilenceChanged(room.now, on=False),
        replace(answer, on=False),
    )
    effects = room.simulation.tell(Acknowledge(room.now, **WHO))
    told = next(e for e in effects if isinstance(e, Announced))
    assert told == Announced(
        room.now,
        Announcement.ACKNOWLEDGED,
        "mfa",
        Verdict.GRAY_FAILURE,
        room.incident,
        room.incident.cause,
        "analyst",
    )
    assert room.incident.acknowledged_at == room.now
    assert Answered(room.now, "acknowledge", True, "analyst", "cli", "", "because") in effects


def test_a_silence_ends_by_itself_to_the_second(make_room):
    room = fail(make_room().passes(200)).passes(300)
    room.simulation.tell(Silence(room.now, True, **WHO, seconds=600.0))
    room.forget().passes(599.9)
    assert not [e for e in room.effects if isinstance(e, SilenceChanged)]
    room.passes(0.1)
    ends = [e for e in room.effects if isinstance(e, SilenceChanged)]
    assert ends == [SilenceChanged(room.now, on=False)]
    assert tell(room, Silence, False) == "not silenced"


def test_acknowledging_one_service_leaves_the_others_asking(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    fail(room), fail(room, "sms").passes(300)
    tell(room, Acknowledge, service="sms")
    asking = {i.service: i.acknowledged for i in room.simulation.monitor.view().incidents}
    assert asking == {"mfa": False, "sms": True}
    assert room.lamps["red"] == "fast"
    room.forget().passes(300)
    assert room.sounds, "it goes on asking by sound"


# --- break-glass accounts ---------------------------------------------------------


def use(room, *ids, account="first", endpoint="mfa/health", reason=Reason.OK, ago=0.0):
    """From now on this endpoint reads these uses, among whatever else it reads."""
    uses = tuple(BreakGlassUse(each, account, ago) for each in ids)
    room.simulation.cue(endpoint, Reading(reason, uses=uses))
    return room


def told_of(room):
    return [e.by for e in room.effects if isinstance(e, Announced) and e.what == "break_glass_used"]


def test_a_use_is_told_once_and_blue_until_somebody_acknowledges(make_room):
    room = make_room().passes(200).forget()
    use(room, "a", ago=300.0).passes(600)
    assert (room.verdict(), room.incident) == (Verdict.OK, None)
    assert room.lamps == GREEN | {"blue": "steady"}
    assert (told_of(room), room.sounds) == (["first"], [])
    laid = overlays(room, OverlayKind.BREAK_GLASS)
    (overlay,) = laid.overlays
    assert (laid.on, overlay.subject, overlay.by, overlay.origin) == (True, "mfa", "first", "log")
    assert overlay.since == pytest.approx(1200.0 - 300.0, abs=1.0), "when it was used"
    assert room.service().overlays == ("break_glass",)
    explained = room.simulation.monitor.explain("mfa")
    assert "no blue for first, once acknowledged" in [each.what for each in explained.prospects]
    assert tell(room, Acknowledge) == ""
    assert room.lamps == GREEN
    room.forget().passes(HOUR)
    assert (told_of(room), room.lamps) == ([], GREEN)


def test_further_uses_and_accounts_join_it(make_room):
    room = make_room().passes(200)
    use(room, "a").passes(60)
    use(room, "a", "b", account="second", reason=Reason.SAMPLE_TOO_SMALL).passes(60)
    assert told_of(room) == ["first", "second"]
    (overlay,) = overlays(room, OverlayKind.BREAK_GLASS).overlays
    assert overlay.by == "first, second"
    assert tell(room, Acknowledge) == ""
    use(room, "a", "b", "c").passes(60)
    assert told_of(room) == ["first", "second", "first"]
    assert overlays(room, OverlayKind.BREAK_GLASS).on


def test_one_service_is_acknowledged_by_itself(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    use(room, "a").passes(60)
    assert tell(room, Acknowledge, service="sms") == "nothing to acknowledge"
    assert room.lamps["blue"] == "steady"
    assert tell(room, Acknowledge, service="mfa") == ""
    assert "blue" not in room.lamps


def test_it_is_acknowledged_together_with_an_incident_and_does_not_come_back_with_it(make_room):
    room = fail(make_room().passes(200)).passes(300)
    use(room, "a").passes(60)
    assert tell(room, Acknowledge) == ""
    assert room.lamps == {"red": "steady", "amber": "slow"}
    assert tell(room, Acknowledge, on=False) == ""
    assert "blue" not in room.lamps


def test_a_shelved_service_tells_it_all_the_same(make_room):
    room = make_room().passes(200)
    assert tell(room, Shelve, "mfa", True) == ""
    use(room, "a").passes(60)
    assert told_of(room) == ["first"]
    assert room.service().overlays == ("shelved", "break_glass")


def test_it_is_told_whatever_the_reading_is_worth(make_room, three_witnesses):
    room = make_room(witnesses=three_witnesses).passes(200)
    room.cue(Reason.CONNECT_TIMEOUT, *(w.id for w in three_witnesses)).passes(60)
    use(room, "a", reason=Reason.CONNECT_TIMEOUT).passes(60)
    assert told_of(room) == ["first"]


def test_it_and_what_was_told_survive_a_restart(make_room):
    room = make_room().passes(200)
    use(room, "a").passes(60)
    room.simulation.restart(40.0)
    assert room.lamps["blue"] == "steady"
    room.forget().passes(300)
    assert (told_of(room), room.lamps) == ([], GREEN | {"blue": "steady"})
    assert tell(room, Acknowledge) == ""
    room.simulation.restart(40.0)
    assert told_of(room.passes(300)) == []
    assert room.lamps == GREEN


def test_what_was_told_is_remembered_within_bounds(make_room):
    room = make_room().passes(200)
    for n in range(8):
        use(room, *(f"{n}-{m}" for m in range(100)), reason=Reason.DEADLINE).passes(60)
    kept = room.simulation.monitor.remember(room.now)
    assert len(kept.uses) == MOST_USES
    assert kept.uses[-1] == "7-99"
    assert told_of(room) == ["first"] * 8
    (fell,) = [e.fell for e in kept.endpoints if e.fell]
    assert fell.reading.uses == ()


def test_uses_read_for_what_is_not_watched_are_nothing(make_room, three_witnesses):
    room = make_room(witnesses=three_witnesses).passes(200)
    reading = Reading(Reason.OK, uses=(BreakGlassUse("a", "first"),))
    for name in ("gone/users", "witness/gateway"):
        room.simulation.tell(Observed(room.now, name, reading, room.now))
    assert "blue" not in room.passes(60).lamps
