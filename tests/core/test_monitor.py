"""The room as the analyst sees it: stories told minute by minute."""

import itertools

import pytest

from beacon.core.events import (
    Acknowledge,
    Announced,
    Answered,
    IncidentState,
    Observed,
    QuietHours,
    Recheck,
    Silence,
    TimePassed,
)
from beacon.core.model import Evidence, Preset, Reading, Reason, Service, Verdict

SIGN_IN, HEALTH, VENDOR = "mfa/sign-in", "mfa/health", "mfa/vendor"
MINUTE = 60.0
HOUR = 3600.0


def test_starts_blind_and_is_green_after_one_fresh_reading_of_each(make_room):
    room = make_room()
    assert room.lamps == {"white": "slow"}
    assert room.verdict() is Verdict.BLIND
    assert room.passes(1).lamps == {"green": "steady"}
    assert room.told == []
    assert room.sounds == []


def test_azure_2018_hanging_sign_in_behind_a_green_health_page(make_room):
    room = make_room().passes(10 * MINUTE).forget()
    room.cue(Reason.OK, SIGN_IN, latency=9.0).passes(3 * MINUTE)
    assert room.verdict() is Verdict.DEGRADED
    assert room.lamps == {"amber": "fast"}
    assert room.sounds == ["chirp"]
    room.forget().cue(Reason.DEADLINE, SIGN_IN).passes(15)
    assert room.verdict() is Verdict.GRAY_FAILURE
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert room.indication.amber.antiphase
    assert not room.indication.red.antiphase
    assert room.told == ["escalated"]
    assert room.sounds == ["three_pulses"]
    room.acknowledge().forget()
    assert room.lamps == {"red": "steady", "amber": "slow"}
    room.cue(Reason.VENDOR_INCIDENT, VENDOR).passes(2 * MINUTE)
    assert room.verdict() is Verdict.OUTAGE
    assert room.sounds == []
    assert room.told == []
    assert room.lamps == {"red": "steady"}
    assert room.incident.vendor_lead == 75, "seconds from the first amber"
    room.cue(Reason.OK, VENDOR).passes(4 * MINUTE)
    assert room.verdict() is Verdict.OUTAGE, "the vendor's resolved changes only the words"
    room.cue(Reason.OK, SIGN_IN).passes(2 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    assert room.lamps == {"amber": "slow", "green": "slow"}
    assert room.indication.green.antiphase
    room.passes(15 * MINUTE)
    assert room.verdict() is Verdict.OK
    assert room.lamps == {"green": "steady"}
    assert room.told == ["recovering", "closed"]


def test_confirming_rechecks_make_it_down_long_before_three_intervals(make_room):
    room = make_room().passes(10 * MINUTE).forget()
    room.cue(Reason.DEADLINE, SIGN_IN).passes(11)
    assert room.verdict() is Verdict.GRAY_FAILURE
    due = [e.due - e.at for e in room.effects if isinstance(e, Recheck)]
    assert due == [5.0, 5.0]


def test_a_recheck_is_due_from_start_to_start(make_room):
    room = make_room().passes(10 * MINUTE)
    monitor, at = room.simulation.monitor, room.now + 3
    effects = monitor.handle(Observed(at, SIGN_IN, Reading(Reason.DEADLINE), at - 3))
    assert [e.due for e in effects if isinstance(e, Recheck)] == [at + 2]
    effects = monitor.handle(Observed(at + 30, SIGN_IN, Reading(Reason.DEADLINE), at))
    assert [e.due for e in effects if isinstance(e, Recheck)] == [at + 30], "never in the past"


def test_unacknowledged_red_realarms_each_minute_for_five_then_each_quarter_hour(make_room):
    room = make_room().passes(10 * MINUTE).forget()
    began = room.now + 10
    room.cue(Reason.DEADLINE, SIGN_IN).passes(2 * HOUR)
    sounds = [(e.at - began, e.sound.value) for e in room.effects if hasattr(e, "sound")]
    assert sounds[:8] == [
        (0, "three_pulses"),
        *[(60 * n, "pulse") for n in range(1, 6)],
        (300 + 900, "pulse"),
        (pytest.approx(300 + 4 * 900), "pulse"),
    ], "six an hour for re-alarms, the rest is swallowed"


def test_acknowledging_stops_the_sound_and_never_clears_the_light(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    room.acknowledge().forget().passes(2 * HOUR)
    assert room.sounds == []
    assert room.lamps == {"red": "steady", "amber": "slow"}
    assert room.incident.state is IncidentState.ACKNOWLEDGED
    assert room.incident.acknowledged_by == "analyst"


def test_nobody_there_at_night_leaves_amber_beside_green_and_no_red(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(6 * MINUTE)
    room.cue(Reason.OK, SIGN_IN).passes(3 * MINUTE).forget().passes(6 * HOUR)
    assert room.lamps == {"amber": "fast", "green": "steady"}
    assert room.sounds == []
    assert room.acknowledge().lamps == {"green": "steady"}


def test_without_lock_in_a_momentary_alarm_leaves_nothing(make_room):
    room = make_room(lock_in=False).passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN)
    room.passes(6 * MINUTE).cue(Reason.OK, SIGN_IN).passes(HOUR)
    assert room.lamps == {"green": "steady"}


def test_relapse_re_enters_the_same_incident_unacknowledged_with_sound(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    number = room.acknowledge().incident.number
    room.cue(Reason.OK, SIGN_IN).passes(5 * MINUTE).forget()
    assert room.verdict() is Verdict.RECOVERING
    room.cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    assert room.told == ["relapsed"]
    assert room.sounds[0] == "three_pulses"
    assert room.incident.number == number
    assert not room.incident.acknowledged


def test_a_second_relapse_within_half_an_hour_makes_no_noise(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    for _ in range(2):
        room.acknowledge().cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
        room.forget().cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    assert room.told == []
    assert room.sounds == []
    assert room.lamps == {"red": "steady", "amber": "slow"}


def test_a_long_outage_needs_the_long_hold(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(3 * HOUR)
    room.acknowledge().cue(Reason.OK, SIGN_IN).passes(20 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    assert room.passes(12 * MINUTE).verdict() is Verdict.OK


def test_a_mere_degraded_is_held_five_minutes_and_shown_as_degraded(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.OK, SIGN_IN, latency=9.0).passes(4 * MINUTE)
    room.cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
    assert room.verdict() is Verdict.DEGRADED
    assert room.passes(2 * MINUTE).verdict() is Verdict.OK


def test_a_vendor_admission_alone_is_an_advisory_without_sound(make_room):
    room = make_room().passes(10 * MINUTE).forget().cue(Reason.VENDOR_INCIDENT, VENDOR).passes(180)
    assert room.verdict() is Verdict.ADVISORY
    assert room.lamps == {"green": "steady", "amber": "slow"}
    assert room.sounds == []
    assert room.told == []


def test_an_expiring_certificate_is_an_advisory_only(make_room):
    room = make_room().passes(10 * MINUTE).forget()
    room.cue(Reason.CERTIFICATE_EXPIRING, SIGN_IN, HEALTH).passes(HOUR)
    assert room.verdict() is Verdict.ADVISORY
    assert room.sounds == []


def test_silence_is_unknown_never_green(make_room):
    room = make_room().passes(10 * MINUTE).cue(None, SIGN_IN, HEALTH, VENDOR).passes(10 * MINUTE)
    assert room.verdict() is Verdict.BLIND
    assert room.lamps == {"white": "steady"}
    assert "blind" in room.told


def test_blind_keeps_a_held_red_beside_white_and_pauses_the_hold(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    room.acknowledge().cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    room.cue(None, SIGN_IN).passes(2 * HOUR)
    assert room.verdict() is Verdict.RECOVERING
    assert room.service().blind
    assert room.service().proof_at is not None
    assert room.lamps == {"amber": "slow", "green": "slow", "white": "steady"}
    room.cue(Reason.OK, SIGN_IN).passes(2 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING, "the hold goes on where it was"
    assert room.passes(12 * MINUTE).verdict() is Verdict.OK


def test_blindness_chirps_once_after_five_minutes(make_room):
    room = make_room().passes(10 * MINUTE).forget().cue(None, SIGN_IN).passes(3 * HOUR)
    blind_at = next(e.at for e in room.effects if isinstance(e, Announced))
    chirps = [e.at - blind_at for e in room.effects if hasattr(e, "sound")]
    assert chirps == [5 * MINUTE]


def test_errors_are_never_red_and_never_stay_green(make_room):
    room = make_room().passes(10 * MINUTE).forget().cue(Reason.INTERNAL_ERROR, SIGN_IN)
    room.passes(HOUR)
    assert room.verdict() is Verdict.BLIND
    assert room.lamps == {"white": "steady"}


def test_half_the_tries_failing_is_caught_by_four_of_six(make_room, make_endpoint):
    spec = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, retry_interval=None)
    room = make_room(Service(id="mfa", name="", endpoints=(spec,))).passes(10 * MINUTE)
    for reason in (Reason.DEADLINE, Reason.DEADLINE, Reason.OK, Reason.DEADLINE, Reason.DEADLINE):
        room.cue(reason, SIGN_IN).passes(MINUTE)
    assert room.verdict() is Verdict.OUTAGE


def test_one_region_failing_is_partial_and_names_it(make_room, make_endpoint):
    specs = tuple(
        make_endpoint("mfa", f"sign-in-{region}", Evidence.SYMPTOM, region=region)
        for region in ("emea", "apac", "amer")
    )
    room = make_room(Service(id="mfa", name="", endpoints=specs)).passes(10 * MINUTE).forget()
    room.cue(Reason.DEADLINE, "mfa/sign-in-emea").passes(MINUTE)
    view = room.service()
    assert view.verdict is Verdict.DEGRADED
    assert view.partial
    assert view.cause == "region"
    assert "emea" in view.explanation
    assert room.sounds == ["chirp"]


def test_openings_within_a_minute_sound_once_at_the_worst(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE).forget()
    room.cue(Reason.DEADLINE, SIGN_IN, "sms/sign-in").passes(20)
    assert room.sounds == ["three_pulses"]
    assert room.told == ["opened", "opened"]


def test_a_new_incident_flashes_its_own_lamp_beside_an_acknowledged_red(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE)
    room.cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE).acknowledge()
    room.cue(Reason.OK, "sms/sign-in", latency=9.0).passes(4 * MINUTE)
    assert room.lamps == {"red": "steady", "amber": "fast"}


def test_no_green_while_any_service_is_blind(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE)
    room.cue(None, "sms/sign-in").passes(10 * MINUTE)
    assert room.lamps == {"white": "steady"}


def test_a_flapping_sign_in_is_announced_once_and_held(make_room, make_endpoint):
    spec = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, retry_interval=None)
    room = make_room(Service(id="mfa", name="", endpoints=(spec,))).passes(30 * MINUTE).forget()
    for _ in range(40):
        room.cue(Reason.DEADLINE, SIGN_IN).passes(30).cue(Reason.OK, SIGN_IN).passes(30)
    assert room.told == ["opened"]
    assert room.sounds == ["chirp"]
    assert room.verdict() is Verdict.DEGRADED
    room.passes(30 * MINUTE)
    assert room.verdict() is Verdict.OK


class TestOwnNetwork:
    def test_the_uplink_is_cut_nothing_goes_red(self, make_room, usual_service, three_witnesses):
        room = make_room(usual_service(), witnesses=three_witnesses)
        room.passes(10 * MINUTE + 1).forget()
        everything = (SIGN_IN, HEALTH, VENDOR, "witness/canary-a", "witness/canary-b")
        room.cue(Reason.UNREACHABLE, *everything).passes(10 * MINUTE)
        assert room.verdict() is Verdict.BLIND
        assert room.lamps == {"white": "steady"}
        assert room.told == ["blind"]
        assert room.service().cause == "own network"
        assert room.sounds == ["chirp"]
        room.forget().cue(Reason.OK, *everything).passes(2 * MINUTE)
        assert room.told == ["sighted"]
        assert room.lamps == {"green": "steady"}

    def test_it_is_blind_within_one_witness_interval(
        self, make_room, usual_service, three_witnesses
    ):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE + 1)
        room.cue(None, SIGN_IN, HEALTH, VENDOR)
        room.cue(Reason.UNREACHABLE, "witness/canary-a", "witness/canary-b").passes(11)
        assert room.lamps == {"white": "steady"}

    def test_a_real_outage_waits_only_for_the_witnesses(
        self, make_room, usual_service, three_witnesses
    ):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE).forget()
        room.cue(Reason.DEADLINE, SIGN_IN).passes(11)
        assert room.verdict() is Verdict.GRAY_FAILURE
        rounds = [e for e in room.effects if isinstance(e, Recheck) and len(e.endpoints) == 3]
        assert rounds[0].due == rounds[0].at

    def test_an_acknowledged_red_is_kept_beside_white(
        self, make_room, usual_service, three_witnesses
    ):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE)
        room.cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE + 1).acknowledge().forget()
        room.cue(Reason.UNREACHABLE, "witness/canary-a", "witness/canary-b", HEALTH, VENDOR)
        room.passes(4 * MINUTE)
        assert room.lamps == {"red": "steady", "amber": "slow", "white": "steady"}
        assert room.sounds == []

    def test_one_witness_left_is_enough_to_see(self, make_room, usual_service, three_witnesses):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE)
        room.cue(Reason.UNREACHABLE, "witness/canary-a", SIGN_IN).passes(MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE

    def test_no_endpoint_is_down_before_a_round_that_began_after_its_first_fail(
        self, make_room, make_endpoint, three_witnesses
    ):
        spec = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, failure_threshold=1)
        service = Service(id="mfa", name="", endpoints=(spec,))
        room = make_room(service, witnesses=three_witnesses).passes(10 * MINUTE).forget()
        monitor, at = room.simulation.monitor, room.now + 1
        fail = Reading(Reason.DEADLINE)
        effects = monitor.handle(Observed(at, SIGN_IN, fail, at - 1))
        assert room.verdict() is Verdict.OK
        assert any(isinstance(e, Recheck) and "witness/canary-a" in e.endpoints for e in effects)
        ok = Reading(Reason.OK)
        monitor.handle(Observed(at + 1, "witness/canary-a", ok, at - 0.5))
        assert room.verdict() is Verdict.OK, "that round began before the fail"
        monitor.handle(Observed(at + 2, "witness/canary-a", ok, at + 1))
        assert room.verdict() is Verdict.OUTAGE

    def test_local_endpoints_go_on_while_only_the_uplink_is_gone(
        self, make_room, make_endpoint, three_witnesses
    ):
        spec = make_endpoint("lan", "radius", Evidence.SYMPTOM, local=True)
        service = Service(id="lan", name="", endpoints=(spec,))
        room = make_room(service, witnesses=three_witnesses).passes(10 * MINUTE)
        outside = ("witness/canary-a", "witness/canary-b")
        room.cue(Reason.UNREACHABLE, *outside).passes(MINUTE)
        assert room.lamps == {"green": "steady"}
        room.cue(Reason.UNREACHABLE, "witness/gateway").passes(MINUTE)
        assert room.lamps == {"white": "steady"}


class TestOwnClock:
    def test_a_wrong_clock_voids_clock_bound_readings(
        self, make_room, make_endpoint, usual_service
    ):
        bound = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, clock_bound=True)
        ntp = make_endpoint("mfa", "clock", Evidence.CAUSE, kind="ntp")
        room = make_room(Service(id="mfa", name="", endpoints=(bound, ntp))).passes(10 * MINUTE)
        room.cue(Reason.OWN_CLOCK, "mfa/clock").passes(2 * MINUTE)
        assert room.lamps == {"white": "steady"}
        assert room.service().cause == "own clock"
        room.cue(Reason.OK, "mfa/clock").passes(2 * MINUTE)
        assert room.lamps == {"green": "steady"}


class TestSignInGuard:
    def test_credentials_that_never_passed_are_ours_and_stop(self, make_room):
        room = make_room().cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(HOUR)
        assert room.verdict() is Verdict.BLIND
        assert room.service().cause == "our credentials"
        assert room.lamps == {"white": "steady", "blue": "steady"}
        rejected = [e for e in room.effects if getattr(e, "endpoint", "") == SIGN_IN]
        assert len([e for e in rejected if hasattr(e, "failures")]) == 1, "asked once only"

    def test_a_proven_sign_in_rejected_twice_is_down_then_tried_rarely(self, make_room):
        room = make_room().passes(10 * MINUTE).forget()
        room.cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(6 * HOUR)
        tries = [e.at for e in room.effects if getattr(e, "endpoint", "") == SIGN_IN]
        tries = sorted(set(tries))
        assert room.verdict() is Verdict.GRAY_FAILURE, "the stop holds the verdict"
        assert len(tries) == 5
        assert [b - a for a, b in itertools.pairwise(tries[1:])] == [600.0] * 3
        assert room.lamps["blue"] == "steady"


class TestDependencies:
    def _room(self, make_room, make_endpoint):
        resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
        child = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, depends_on=("dns/resolver",))
        return make_room(
            Service(id="dns", name="", endpoints=(resolver,)),
            Service(id="mfa", name="", endpoints=(child,)),
        ).passes(10 * MINUTE)

    def test_the_child_is_lit_but_opens_nothing(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint).forget()
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE)
        assert room.verdict("mfa") is Verdict.OUTAGE
        assert room.told == ["opened"]
        assert {i.service for i in room.simulation.monitor.view().incidents} == {"dns"}

    def test_it_opens_when_the_parent_is_back_and_it_is_still_down(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE).forget()
        room.cue(Reason.OK, "dns/resolver").passes(3 * MINUTE)
        assert "opened" in room.told

    def test_recovering_together_leaves_no_orphan(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE)
        room.acknowledge().forget().cue(Reason.OK, "dns/resolver", SIGN_IN).passes(HOUR)
        assert room.told == ["recovering", "closed"]
        assert room.lamps == {"green": "steady"}


class TestOperators:
    def _answer(self, room, event):
        effects = room.simulation.tell(event)
        room.effects += effects
        return next(e for e in effects if isinstance(e, Answered))

    def test_nothing_to_acknowledge_is_refused(self, make_room):
        room = make_room().passes(MINUTE)
        answer = self._answer(room, Acknowledge(room.now, "eve", "mqtt"))
        assert (answer.ok, answer.error) == (False, "nothing to acknowledge")

    def test_an_unknown_service_is_refused(self, make_room):
        room = make_room().passes(MINUTE)
        answer = self._answer(room, Acknowledge(room.now, "eve", "mqtt", service="nope"))
        assert answer.error == "no service 'nope'"

    def test_silence_swallows_realarms_until_the_incident_ends(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(30).forget()
        assert self._answer(room, Silence(room.now, True, "eve", "mqtt")).ok
        room.passes(10 * MINUTE)
        assert room.sounds == []
        assert room.lamps["red"] == "fast", "silence is sound only"

    def test_silence_without_an_incident_is_refused(self, make_room):
        room = make_room().passes(MINUTE)
        answer = self._answer(room, Silence(room.now, True, "eve", "mqtt"))
        assert answer.error == "no incident is open"

    def test_silence_ends_after_an_hour_at_most(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(30)
        self._answer(room, Silence(room.now, True, "eve", "mqtt", seconds=9 * HOUR))
        room.passes(HOUR - 60).forget().passes(16 * MINUTE)
        assert room.sounds == ["pulse"]

    def test_an_escalation_to_red_sounds_through_silence(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.OK, SIGN_IN, latency=9.0)
        room.passes(4 * MINUTE)
        self._answer(room, Silence(room.now, True, "eve", "mqtt"))
        room.forget().cue(Reason.DEADLINE, SIGN_IN).passes(30)
        assert room.sounds == ["three_pulses"]

    def test_quiet_hours_are_light_only_and_a_waiting_red_sounds_once_at_their_end(self, make_room):
        room = make_room().passes(10 * MINUTE)
        room.simulation.tell(QuietHours(room.now, True))
        room.forget().cue(Reason.DEADLINE, SIGN_IN).passes(2 * HOUR)
        assert room.sounds == []
        assert room.lamps == {"red": "fast", "amber": "fast"}
        room.effects += room.simulation.tell(QuietHours(room.now, False))
        assert room.sounds == ["three_pulses"]


def test_a_three_lamp_tower_tells_blindness_by_its_slot_alone(make_room):
    room = make_room(preset=Preset.TOWER_3).passes(10 * MINUTE).cue(None, SIGN_IN)
    room.passes(10 * MINUTE)
    assert room.lamps == {}
    assert [flag.value for flag in room.indication.flags] == ["blind"]


def test_the_impact_grows_while_it_is_red(make_room, usual_service):
    room = make_room(usual_service(session_lifetime=HOUR)).passes(10 * MINUTE)
    room.cue(Reason.DEADLINE, SIGN_IN).passes(30 * MINUTE + 10)
    assert room.incident.impact == pytest.approx(0.5, abs=0.02)
    assert room.passes(HOUR).incident.impact == 1.0


def test_readings_of_endpoints_unknown_to_it_change_nothing(make_room):
    room = make_room().passes(MINUTE)
    event = Observed(room.now, "gone/away", Reading(Reason.OK), room.now)
    assert room.simulation.monitor.handle(event) == ()


def test_a_deadline_reached_late_is_handled_at_its_own_time(make_room):
    room = make_room().passes(10 * MINUTE).cue(None, SIGN_IN, HEALTH, VENDOR).passes(1)
    effects = room.simulation.monitor.handle(TimePassed(room.now + 10 * HOUR))
    assert max(e.at for e in effects) < room.now + HOUR


def test_reconfiguring_keeps_what_is_unchanged(make_room, usual_service, make_endpoint):
    room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
    room.acknowledge()
    site = room.simulation.monitor.site
    extra = Service(id="sms", name="", endpoints=(make_endpoint("sms", "send", Evidence.SYMPTOM),))
    bigger = type(site)(id="soc", services=(*site.services, extra))
    effects = room.simulation.monitor.reconfigure(bigger, room.now)
    assert room.verdict("mfa") is Verdict.GRAY_FAILURE
    assert room.verdict("sms") is Verdict.BLIND
    assert room.incident.acknowledged
    assert not [e for e in effects if isinstance(e, Announced)]
    smaller = type(site)(id="soc", services=(extra,))
    room.simulation.monitor.reconfigure(smaller, room.now)
    assert room.incident is None


def test_a_changed_endpoint_starts_afresh(make_room):
    room = make_room().passes(10 * MINUTE)
    monitor = room.simulation.monitor
    monitor.reconfigure(monitor.site, room.now, frozenset({SIGN_IN}))
    assert room.verdict() is Verdict.BLIND
