"""Operators' overlays as people meet them: windows, bypass, attestation, drill, break-glass."""

import pytest

from beacon.core.effects import Announced, Answered, OverlaysChanged
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
)
from beacon.core.model import Attestation, BreakGlassUse, Preset, Reading, Reason, Sequence, Verdict
from beacon.core.operator.overlays import MOST_USES
from beacon.core.views import OverlayKind
from tests.core.operators import GREEN, HOUR, ITEM, WHO, fail, mend, overlays, restarted, tell


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
    onsets = [each.confirmed_onset for each in kept.endpoints.values() if each.confirmed_onset]
    assert [onset.reading.uses for onset in onsets] == [()]


def test_uses_read_for_what_is_not_watched_are_nothing(make_room, three_witnesses):
    room = make_room(witnesses=three_witnesses).passes(200)
    reading = Reading(Reason.OK, uses=(BreakGlassUse("a", "first"),))
    for name in ("gone/users", "witness/gateway"):
        room.simulation.tell(Observed(room.now, name, reading, room.now))
    assert "blue" not in room.passes(60).lamps
