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
from beacon.core.views import EndpointRead, OverlayKind
from tests.core.operators import GREEN, HOUR, ITEM, WHO, fail, mend, operate, overlays, restarted


def test_three_lamps_say_it_by_flags(make_harness):
    harness = make_harness(preset=Preset.TOWER_3).advance(200)
    operate(harness, Maintenance, "mfa", True)
    assert harness.lamps == {}
    assert harness.indication.flags == (Flag.ACT,)
    operate(harness, Maintenance, "mfa", False)
    operate(harness, Drill, True)
    assert harness.indication.flags == (Flag.DRILL,)


# --- the calendar -----------------------------------------------------------------


def test_windows_begin_and_end_by_the_calendar(make_harness):
    harness = make_harness().advance(200)
    harness.effects += harness.simulation.tell(
        Scheduled(harness.now, (("mfa", 5000.0, "Patches"),))
    )
    overlay = overlays(harness, OverlayKind.MAINTENANCE).overlays[0]
    assert (overlay.origin, overlay.by, overlay.until, overlay.reason) == (
        "schedule",
        "schedule",
        5000.0,
        "Patches",
    )
    assert not any(isinstance(e, Answered) for e in harness.effects)
    harness.advance(10_000)
    assert harness.lamps == {"blue": "slow"}, "the calendar ends it, not the core"
    harness.simulation.tell(Scheduled(harness.now, ()))
    assert harness.lamps == GREEN


def test_a_window_that_goes_on_keeps_its_beginning(make_harness):
    harness = make_harness().advance(200)
    began = harness.now
    harness.simulation.tell(Scheduled(harness.now, (("mfa", 5000.0, "A"),)))
    harness.advance(60)
    harness.effects += harness.simulation.tell(Scheduled(harness.now, (("mfa", 9000.0, "B"),)))
    windows = overlays(harness, OverlayKind.MAINTENANCE).overlays
    assert [(o.since, o.until, o.reason) for o in windows] == [(began, 9000.0, "B")]


def test_work_by_hand_outlasts_the_window_and_ending_by_hand_ends_both(make_harness):
    harness = make_harness().advance(200)
    window = (("mfa", 5000.0, "Patches"),)
    harness.simulation.tell(Scheduled(harness.now, window))
    assert operate(harness, Maintenance, "mfa", True) == ""
    harness.simulation.tell(Scheduled(harness.now, ()))
    assert harness.lamps == {"blue": "slow"}
    harness.simulation.tell(Scheduled(harness.now, window))
    assert operate(harness, Maintenance, "mfa", False) == ""
    assert harness.lamps == GREEN


def test_a_window_of_an_unknown_service_is_nothing(make_harness):
    harness = make_harness().advance(200)
    harness.simulation.tell(Scheduled(harness.now, (("gone", 5000.0, "Patches"),)))
    assert harness.lamps == GREEN
    assert harness.simulation.monitor.view().overlays == ()


# --- bypass -----------------------------------------------------------------------


def test_a_bypass_changes_nothing_but_blue_and_reminds_when_all_is_well(make_harness):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Bypass, "mfa", True, reason="vendor is down")
    assert harness.lamps == {"red": "steady", "amber": "slow", "blue": "steady"}
    harness.clear_effects().advance(2 * HOUR)
    assert harness.sounds == []
    mend(harness).advance(120 + 1800)
    assert harness.lamps == {"green": "steady", "blue": "steady"}
    assert harness.sounds == ["two_chirps"]
    harness.advance(HOUR - 200)
    assert harness.sounds == ["two_chirps"]
    harness.advance(200)
    assert harness.sounds == ["two_chirps", "two_chirps"]
    operate(harness, Bypass, None, False)
    assert harness.lamps == GREEN
    harness.clear_effects().advance(3 * HOUR)
    assert harness.sounds == []


def test_a_bypass_begun_while_all_is_well_reminds_after_an_hour(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, None, True)
    harness.advance(HOUR - 1)
    assert harness.sounds == []
    harness.advance(1)
    assert harness.sounds == ["two_chirps"]


def test_quiet_hours_hold_the_reminder_until_their_end(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    harness.advance(7.5 * HOUR)
    assert harness.sounds == []
    harness.effects += harness.simulation.tell(QuietHours(harness.now, on=False))
    assert harness.sounds == ["two_chirps"]
    harness.advance(HOUR - 1)
    assert harness.sounds == ["two_chirps"]
    harness.advance(1)
    assert harness.sounds == ["two_chirps", "two_chirps"]


def test_unacknowledged_red_goes_before_the_reminder_and_trouble_before_both(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    fail(harness).advance(600)
    harness.effects += harness.simulation.tell(QuietHours(harness.now, on=False))
    assert harness.sounds == ["three_pulses"]


# --- attestation ------------------------------------------------------------------


def test_what_was_never_attested_is_overdue_until_somebody_does(make_harness):
    harness = make_harness(attest=(ITEM,)).advance(200)
    assert harness.verdict() is Verdict.ADVISORY
    assert harness.service().overlays == ("attestation_overdue",)
    assert harness.service().cause == "attestation_overdue"
    assert "Break-glass accounts" in harness.service().explanation
    assert harness.lamps == {"green": "steady", "amber": "slow", "blue": "steady"}
    assert overlays(harness, OverlayKind.ATTEST).overdue == ("break-glass",)
    assert operate(harness, Attest, None) == ""
    assert harness.lamps == GREEN
    assert harness.sounds == []
    harness.advance(24 * HOUR - 1)
    assert harness.lamps == GREEN
    harness.advance(1)
    assert harness.lamps == {"green": "steady", "amber": "slow", "blue": "steady"}
    assert overlays(harness, OverlayKind.ATTEST).on
    assert harness.sounds == []


def test_an_attestation_concerns_only_its_services_and_can_be_withdrawn(
    make_harness, usual_service
):
    item = Attestation(id="tokens", name="Spare tokens", services=("sms",))
    harness = make_harness(usual_service("mfa"), usual_service("sms"), attest=(item,)).advance(200)
    assert harness.verdict("mfa") is Verdict.OK
    assert harness.verdict("sms") is Verdict.ADVISORY
    operate(harness, Attest, "tokens")
    assert harness.verdict("sms") is Verdict.OK
    assert operate(harness, Attest, "tokens", on=False) == ""
    assert harness.verdict("sms") is Verdict.ADVISORY
    assert operate(harness, Attest, "tokens", on=False) == "tokens is not attested"


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
def test_a_drill_shows_and_says_what_the_verdict_would(make_harness, verdict, lamps, sounds):
    harness = make_harness().advance(200)
    assert operate(harness, Drill, True, verdict=verdict) == ""
    assert harness.lamps == lamps
    assert harness.sounds == sounds
    assert harness.verdict() is Verdict.OK
    assert harness.announcements == []
    assert harness.incident is None
    assert harness.simulation.monitor.view().overall.overlays == ("drill",)
    operate(harness, Drill, False)
    assert harness.lamps == GREEN


@pytest.mark.parametrize("verdict", [Verdict.RECOVERING, Verdict.ADVISORY])
def test_a_drill_lights_no_green_that_nobody_has_proved(make_harness, verdict):
    harness = make_harness().advance(200)
    operate(harness, Shelve, "mfa", True)
    operate(harness, Drill, True, verdict=verdict)
    assert harness.lamps == {"amber": "slow", "blue": "fast"}
    unread = make_harness()
    operate(unread, Drill, True, verdict=verdict)
    assert "green" not in unread.lamps


def test_a_drill_is_acknowledged_re_alarms_and_ends_by_itself(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Drill, True)
    harness.advance(61)
    assert harness.sounds == ["three_pulses", "pulse"]
    harness.acknowledge()
    assert harness.lamps == {"red": "steady", "blue": "fast"}
    harness.advance(839)
    assert harness.lamps == GREEN


def test_blindness_rehearsed_chirps_after_five_minutes(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Drill, True, verdict=Verdict.BLIND)
    harness.advance(300)
    assert harness.sounds == ["chirp"]


def test_a_real_alarm_ends_the_drill_and_sounds_however_soon(make_harness):
    harness = fail(make_harness().advance(200)).advance(4)
    operate(harness, Drill, True)
    harness.clear_effects().advance(30)
    assert harness.sounds == ["three_pulses"]
    assert harness.announcements == ["opened"]
    assert "blue" not in harness.lamps
    assert not overlays(harness, OverlayKind.DRILL).on


def test_becoming_blind_ends_the_drill(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Drill, True, seconds=HOUR)
    harness.script(None, "mfa/sign-in").advance(600)
    assert harness.lamps == {"white": "steady"}


# --- kept -------------------------------------------------------------------------


def test_a_service_that_is_gone_takes_its_overlays_along(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    operate(harness, Bypass, None, True)
    operate(harness, Shelve, "sms", True)
    only = make_harness().simulation.monitor.site
    harness.effects += harness.simulation.monitor.reconfigure(only, harness.now)
    assert [o.subject for o in overlays(harness, OverlayKind.BYPASS).overlays] == ["mfa"]
    assert overlays(harness, OverlayKind.SHELVE).overlays == ()
    assert harness.lamps == GREEN | {"blue": "steady"}


def test_every_kind_is_described_once_at_the_start(make_harness):
    harness = make_harness()
    changes = [e for e in harness.effects if isinstance(e, OverlaysChanged)]
    assert [(e.kind, e.on) for e in changes] == [(kind, False) for kind in OverlayKind]


def test_a_shelved_service_stays_shelved_over_a_restart_and_returns_in_time(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Shelve, "mfa", True)
    again = restarted(harness.advance(600))
    assert again.lamps == {"blue": "steady"}
    assert [e.on for e in again.effects if isinstance(e, OverlaysChanged)].count(True) == 1
    fail(again).advance(HOUR - 700)
    assert again.sounds == []
    assert again.lamps == {"blue": "steady"}
    again.advance(200)
    assert again.lamps == {"red": "fast", "amber": "fast"}


def test_a_shelving_that_ended_while_nobody_watched_is_over(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Shelve, "mfa", True, seconds=60.0)
    again = restarted(harness, later=61.0)
    assert not overlays(again, OverlayKind.SHELVE).on
    assert again.advance(100).lamps == GREEN
    assert again.sounds == []


def test_an_acknowledged_outage_shelved_over_a_restart_is_as_before_afterwards(make_harness):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Shelve, "mfa", True)
    again = restarted(harness)
    assert again.lamps == {"blue": "steady"}
    fail(again).advance(2 * HOUR)
    assert again.lamps == {"red": "steady", "amber": "slow"}
    assert (again.sounds, again.announcements) == ([], [])


def test_a_drill_goes_on_after_a_restart_without_a_sound(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Drill, True)
    again = restarted(harness)
    assert again.lamps == {"red": "steady", "blue": "fast", "white": "slow"}
    assert again.sounds == []
    again.advance(900)
    assert again.lamps == GREEN


def test_a_bypass_and_an_attestation_come_back_and_a_window_is_posted_anew(make_harness):
    harness = make_harness(attest=(ITEM,)).advance(200)
    operate(harness, Bypass, "mfa", True, reason="vendor")
    operate(harness, Attest, None)
    harness.simulation.tell(Scheduled(harness.now, (("mfa", harness.now + 500.0, "Patches"),)))
    again = restarted(harness)
    kept = again.simulation.monitor.view().overlays
    assert {(o.kind, o.subject, o.by, o.reason) for o in kept} == {
        (OverlayKind.BYPASS, "mfa", "analyst", "vendor"),
        (OverlayKind.ATTEST, "break-glass", "analyst", ""),
    }
    again.advance(100)
    again.effects += again.simulation.tell(QuietHours(again.now, on=False))
    assert again.sounds == [], "a restart itself reminds of nothing, nor do hours that were loud"
    assert again.lamps == {"green": "steady", "blue": "steady"}


def test_restarts_do_not_put_off_the_reminder_of_a_bypass(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    again = restarted(restarted(harness.advance(1800)).advance(1500))
    assert again.advance(HOUR - 1800 - 1500 - 60).sounds == []
    assert again.advance(120).sounds == ["two_chirps"]


def test_a_service_not_yet_settled_before_a_restart_is_settled_after_it(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Maintenance, "mfa", True)
    fail(harness).advance(400).script(None, "mfa/sign-in").advance(1)
    operate(harness, Maintenance, "mfa", False)
    again = restarted(harness)
    assert again.sounds == []
    assert "red" not in again.lamps
    fail(again).advance(200)
    assert again.announcements == ["opened"]


@pytest.mark.parametrize("sequence", [Sequence.M, Sequence.R])
def test_a_reset_that_is_due_is_still_due_after_a_restart(make_harness, sequence):
    harness = fail(make_harness(sequence=sequence).advance(200)).advance(300).acknowledge()
    mend(harness).advance(HOUR)
    before = harness.lamps
    again = restarted(harness).advance(100)
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
def test_an_overlay_carries_who_when_why_and_until(make_harness, kind, args, more, subject, until):
    harness = make_harness(attest=(ITEM,)).advance(200)
    effects = harness.simulation.tell(kind(harness.now, *args, **WHO, **more))
    (answer,) = [e for e in effects if isinstance(e, Answered)]
    assert (answer.ok, answer.on, answer.service) == (
        True,
        True,
        None if kind is Drill else subject,
    )
    (overlay,) = harness.simulation.monitor.view().overlays
    assert (overlay.subject, overlay.since) == (subject, harness.now)
    assert (overlay.by, overlay.origin, overlay.reason) == ("analyst", "cli", "because")
    assert overlay.until == (None if until is None else harness.now + until)


def test_a_window_over_another_service_has_a_beginning_of_its_own(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    operate(harness, Maintenance, "sms", True)
    first = harness.now
    harness.simulation.tell(Scheduled(first, (("mfa", 9e5, "A"),)))
    harness.advance(60).simulation.tell(
        Scheduled(harness.now, (("mfa", 9e5, "A"), ("sms", 9e5, "B")))
    )
    begun = {(o.subject, o.origin): o.since for o in harness.simulation.monitor.view().overlays}
    assert begun == {
        ("mfa", "schedule"): first,
        ("sms", "cli"): first,
        ("sms", "schedule"): harness.now,
    }


def test_a_bypass_that_ended_reminds_nobody_at_the_end_of_quiet_hours(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    harness.advance(2 * HOUR)
    operate(harness, Bypass, "mfa", False)
    harness.clear_effects()
    harness.effects += harness.simulation.tell(QuietHours(harness.now, on=False))
    assert harness.sounds == []


def test_a_bypass_of_what_is_in_trouble_reminds_nobody_at_the_end_of_quiet_hours(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True)
    harness.simulation.tell(QuietHours(harness.now, on=True))
    fail(harness).advance(600).acknowledge()
    harness.effects += harness.clear_effects().simulation.tell(QuietHours(harness.now, on=False))
    assert harness.sounds == []


def test_an_attestation_does_not_end_it_falls_due(make_harness):
    harness = make_harness(attest=(ITEM,)).advance(200)
    operate(harness, Attest, "break-glass")
    harness.advance(25 * HOUR)
    (overlay,) = harness.simulation.monitor.view().overlays
    assert overlay.kind is OverlayKind.ATTEST
    assert overlays(harness, OverlayKind.ATTEST).overdue == ("break-glass",)


def test_two_overdue_things_are_both_named(make_harness):
    harness = make_harness(attest=(ITEM, Attestation(id="keys", name="Keys")))
    assert harness.advance(200).service().explanation == (
        "not tested for too long: Break-glass accounts, Keys"
    )
    assert harness.service().cause == "attestation_overdue"


def test_trouble_explains_itself_though_something_is_overdue(make_harness):
    harness = make_harness(attest=(ITEM,)).advance(200).script(Reason.VENDOR_INCIDENT, "mfa/vendor")
    harness.advance(300)
    assert (harness.verdict(), harness.service().cause) == (Verdict.ADVISORY, "vendor")


# --- break-glass accounts ---------------------------------------------------------


def use(harness, *ids, account="first", endpoint="mfa/health", reason=Reason.OK, ago=0.0):
    """From now on this endpoint reads these uses, among whatever else it reads."""
    uses = tuple(BreakGlassUse(each, account, ago) for each in ids)
    harness.simulation.script(endpoint, Reading(reason, uses=uses))
    return harness


def announced_uses(harness):
    return [
        e.by for e in harness.effects if isinstance(e, Announced) and e.what == "break_glass_used"
    ]


def test_a_use_is_announced_once_and_blue_until_somebody_acknowledges(make_harness):
    harness = make_harness().advance(200).clear_effects()
    use(harness, "a", ago=300.0).advance(600)
    assert (harness.verdict(), harness.incident) == (Verdict.OK, None)
    assert harness.lamps == GREEN | {"blue": "steady"}
    assert (announced_uses(harness), harness.sounds) == (["first"], [])
    change = overlays(harness, OverlayKind.BREAK_GLASS)
    (overlay,) = change.overlays
    assert (change.on, overlay.subject, overlay.by, overlay.origin) == (True, "mfa", "first", "log")
    assert overlay.since == pytest.approx(1200.0 - 300.0, abs=1.0), "when it was used"
    assert harness.service().overlays == ("break_glass",)
    explained = harness.simulation.monitor.explain("mfa")
    assert "no blue for first, once acknowledged" in [each.what for each in explained.prospects]
    assert operate(harness, Acknowledge) == ""
    assert harness.lamps == GREEN
    harness.clear_effects().advance(HOUR)
    assert (announced_uses(harness), harness.lamps) == ([], GREEN)


def test_further_uses_and_accounts_join_it(make_harness):
    harness = make_harness().advance(200)
    use(harness, "a").advance(60)
    use(harness, "a", "b", account="second", reason=Reason.SAMPLE_TOO_SMALL).advance(60)
    assert announced_uses(harness) == ["first", "second"]
    (overlay,) = overlays(harness, OverlayKind.BREAK_GLASS).overlays
    assert overlay.by == "first, second"
    use(harness, "d", account="second").advance(60)
    (overlay,) = harness.simulation.monitor.view().overlays
    assert overlay.by == "first, second"
    assert operate(harness, Acknowledge) == ""
    use(harness, "a", "b", "c").advance(60)
    assert announced_uses(harness) == ["first", "second", "second", "first"]
    assert overlays(harness, OverlayKind.BREAK_GLASS).on


def test_one_service_is_acknowledged_by_itself(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    use(harness, "a").advance(60)
    assert operate(harness, Acknowledge, service="sms") == "nothing to acknowledge"
    assert harness.lamps["blue"] == "steady"
    assert operate(harness, Acknowledge, service="mfa") == ""
    assert "blue" not in harness.lamps


def test_it_is_acknowledged_together_with_an_incident_and_does_not_come_back_with_it(make_harness):
    harness = fail(make_harness().advance(200)).advance(300)
    use(harness, "a").advance(60)
    assert operate(harness, Acknowledge) == ""
    assert harness.lamps == {"red": "steady", "amber": "slow"}
    assert operate(harness, Acknowledge, on=False) == ""
    assert "blue" not in harness.lamps


def test_a_use_is_announced_of_a_shelved_service_too(make_harness):
    harness = make_harness().advance(200)
    assert operate(harness, Shelve, "mfa", True) == ""
    use(harness, "a").advance(60)
    assert announced_uses(harness) == ["first"]
    assert harness.service().overlays == ("shelved", "break_glass")


def test_a_use_is_announced_whatever_the_reading_is_worth(make_harness, three_witnesses):
    harness = make_harness(witnesses=three_witnesses).advance(200)
    harness.script(Reason.CONNECT_TIMEOUT, *(w.id for w in three_witnesses)).advance(60)
    use(harness, "a", reason=Reason.CONNECT_TIMEOUT).advance(60)
    assert announced_uses(harness) == ["first"]


def test_a_use_and_what_was_announced_survive_a_restart(make_harness):
    harness = make_harness().advance(200)
    use(harness, "a").advance(60)
    harness.simulation.restart(40.0)
    assert harness.lamps["blue"] == "steady"
    harness.clear_effects().advance(300)
    assert (announced_uses(harness), harness.lamps) == ([], GREEN | {"blue": "steady"})
    assert operate(harness, Acknowledge) == ""
    harness.simulation.restart(40.0)
    assert announced_uses(harness.advance(300)) == []
    assert harness.lamps == GREEN


def test_what_was_announced_is_remembered_within_bounds(make_harness):
    harness = make_harness().advance(200)
    for n in range(8):
        each = (f"{n}-{m}" for m in range(100))
        use(harness, *each, "often", reason=Reason.DEADLINE).advance(60)
    kept = harness.simulation.monitor.remember(harness.now)
    assert len(kept.uses) == MOST_USES
    assert kept.uses[-2:] == ("7-99", "often"), "what is read again is not the oldest"
    assert announced_uses(harness) == ["first"] * 8
    onsets = [each.confirmed_onset for each in kept.endpoints.values() if each.confirmed_onset]
    assert [onset.reading.uses for onset in onsets] == [()]


def test_uses_that_were_announced_change_nothing(make_harness, usual_service):
    harness = fail(make_harness(usual_service(session_lifetime=600.0)).advance(200)).advance(300)
    use(harness.acknowledge(), "a").advance(60)
    at = harness.now + 9.0  # by then more sessions would have ended
    reading = Reading(Reason.OK, uses=(BreakGlassUse("a", "first"),))
    (read,) = harness.simulation.tell(Observed(at, "mfa/health", reading, at))
    assert isinstance(read, EndpointRead)


def test_uses_read_for_what_is_not_watched_are_nothing(make_harness, three_witnesses):
    harness = make_harness(witnesses=three_witnesses).advance(200)
    reading = Reading(Reason.OK, uses=(BreakGlassUse("a", "first"),))
    for name in ("gone/users", "witness/gateway"):
        harness.simulation.tell(Observed(harness.now, name, reading, harness.now))
    assert "blue" not in harness.advance(60).lamps
