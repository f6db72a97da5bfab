"""The room as the analyst sees it: stories told minute by minute."""

import dataclasses
import itertools

import pytest

from beacon.core.effects import Announced, Answered, OverallChanged, Postpone, Recheck
from beacon.core.inputs import (
    Acknowledge,
    ClockStepped,
    ClockSynchronised,
    Maintenance,
    Observed,
    QuietHours,
    Shelve,
    Silence,
    TimePassed,
)
from beacon.core.model import (
    ClockSeen,
    Evidence,
    Preset,
    Reading,
    Reason,
    Sequence,
    Service,
    Site,
    Verdict,
)
from beacon.core.monitor import Monitor
from beacon.core.views import IncidentState, SilenceChanged
from tests.core.conftest import shifted

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


def test_a_relapse_too_soon_is_told_only_to_whom_recovery_was(make_room, make_endpoint):
    cells = [make_endpoint("mfa", name, Evidence.SYMPTOM, region=name) for name in ("a", "b")]
    room = make_room(Service(id="mfa", name="mfa", endpoints=tuple(cells))).passes(10 * MINUTE)
    room.cue(Reason.DEADLINE, "mfa/a", "mfa/b").passes(5 * MINUTE).acknowledge()
    for _ in range(2):
        room.forget().cue(Reason.OK, "mfa/b").passes(5 * MINUTE)
        assert (room.verdict(), room.told) == (Verdict.DEGRADED, [])
        room.cue(Reason.DEADLINE, "mfa/b").passes(3 * MINUTE).acknowledge()
    assert (room.verdict(), room.told) == (Verdict.OUTAGE, [])


def test_a_vendor_admission_alone_is_an_advisory_without_sound(make_room):
    room = make_room().passes(10 * MINUTE).forget().cue(Reason.VENDOR_INCIDENT, VENDOR).passes(180)
    assert room.verdict() is Verdict.ADVISORY
    assert room.lamps == {"green": "steady", "amber": "slow"}
    assert room.sounds == []
    assert room.told == []


@pytest.mark.parametrize("at", [SIGN_IN, HEALTH])
def test_an_address_that_stays_dead_is_an_advisory_only(make_room, at):
    room = make_room().passes(10 * MINUTE).forget()
    room.cue(Reason.ADDRESS_DEAD, at).passes(10)
    assert room.verdict() is Verdict.OK, "not the first time"
    room.passes(10 * MINUTE)
    assert room.verdict() is Verdict.ADVISORY
    assert room.lamps == {"green": "steady", "amber": "slow"}
    assert room.sounds == []
    room.cue(Reason.OK, at).passes(10 * MINUTE)
    assert room.verdict() is Verdict.OK


def test_a_dead_address_of_the_vendors_page_is_no_admission(make_room):
    room = make_room().passes(10 * MINUTE).cue(Reason.ADDRESS_DEAD, VENDOR).passes(HOUR)
    assert room.verdict() is Verdict.OK
    room.cue(Reason.DEADLINE, SIGN_IN).passes(5 * MINUTE)
    assert room.verdict() is Verdict.GRAY_FAILURE, "its word is that all is fine"


def test_silence_is_unknown_never_green(make_room):
    room = make_room().passes(10 * MINUTE).cue(None, SIGN_IN, HEALTH, VENDOR).passes(10 * MINUTE)
    assert room.verdict() is Verdict.BLIND
    assert room.lamps == {"white": "steady"}
    assert "blind" in room.told


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


def test_openings_within_a_minute_sound_once_at_the_worst(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE).forget()
    room.cue(Reason.DEADLINE, SIGN_IN, "sms/sign-in").passes(20)
    assert room.sounds == ["three_pulses"]
    assert room.told == ["opened", "opened"]


def test_an_opening_soon_after_an_acknowledgement_sounds(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE).forget()
    room.cue(Reason.DEADLINE, SIGN_IN).passes(15)
    assert room.acknowledge().sounds == ["three_pulses"]
    room.cue(Reason.DEADLINE, "sms/sign-in").passes(20)
    assert room.sounds == ["three_pulses", "three_pulses"]


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
    def test_a_flapping_uplink_is_told_twice_while_the_lamps_follow_it(
        self, make_room, usual_service, three_witnesses
    ):
        room = make_room(usual_service(), witnesses=three_witnesses)
        room.passes(10 * MINUTE + 1).forget()
        everything = (SIGN_IN, HEALTH, VENDOR, "witness/canary-a", "witness/canary-b")
        for _ in range(20):
            room.cue(Reason.UNREACHABLE, *everything).passes(40)
            assert room.lamps == {"white": "steady"}
            room.cue(Reason.OK, *everything).passes(40)
            assert room.lamps == {"green": "steady"}
        room.passes(10 * MINUTE)
        assert room.told == ["blind", "sighted"]

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

    def test_one_witness_left_is_enough_to_see(self, make_room, usual_service, three_witnesses):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE)
        room.cue(Reason.UNREACHABLE, "witness/canary-a", SIGN_IN).passes(MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE


class TestOwnClock:
    def test_two_pages_that_tell_another_time_are_enough(self, make_room, make_endpoint):
        def page(service, **more):
            return make_endpoint(service, "x", Evidence.SYMPTOM, **more)

        services = (
            Service(id="a", name="", endpoints=(page("a", clock_bound=True),)),
            Service(id="b", name="", endpoints=(page("b"),)),
            Service(id="c", name="", endpoints=(page("c", clock_bound=True),)),
        )
        room = make_room(*services).passes(10 * MINUTE)
        tells = Reading(Reason.OK, clock=ClockSeen(-40.0))
        for name in ("a/x", "b/x"):
            room.simulation.cue(name, tells)
        room.cue(Reason.TLS_EXPIRED, "c/x").passes(10 * MINUTE)
        assert room.service("c").cause == "own clock"
        assert room.lamps == {"white": "steady"}
        assert room.verdict("b") is Verdict.OK, "it does not live by the clock"
        view = room.simulation.monitor.view()
        assert (view.overall.clock, view.clock_offset) == ("lost", -40.0)
        told = room.simulation.tell(ClockStepped(room.now, -40.0))
        assert any(isinstance(e, OverallChanged) and e.overall.clock == "ok" for e in told)

    def test_a_step_asks_the_witnesses_at_once(self, make_room, three_witnesses):
        room = make_room(witnesses=three_witnesses).passes(10 * MINUTE)
        (asked,) = (
            e
            for e in room.simulation.tell(ClockStepped(room.now, 3600.0))
            if isinstance(e, Recheck)
        )
        assert asked.due == room.now
        assert set(asked.endpoints) == {w.id for w in three_witnesses}

    def test_the_kernels_word_is_shown_and_survives_a_reload(self, make_room, three_witnesses):
        room = make_room(witnesses=three_witnesses).passes(10 * MINUTE)
        monitor = room.simulation.monitor
        assert monitor.view().overall.clock == "unverified"
        room.simulation.tell(ClockSynchronised(room.now, True))
        assert monitor.view().overall.clock == "ok"
        monitor.reconfigure(
            dataclasses.replace(monitor.site, witnesses=three_witnesses[:1]), room.now
        )
        assert monitor.view().overall.clock == "ok"


class TestOwnResolver:
    UNRESOLVED = Reading(Reason.DNS_TIMEOUT, resolver=False)

    @pytest.fixture
    def room(self, make_room, three_witnesses):
        """Canary a is asked by name, canary b by address."""
        room = make_room(witnesses=three_witnesses)
        room.simulation.cue("witness/canary-a", Reading(Reason.OK, resolver=True))
        return room.passes(10 * MINUTE)

    def cue(self, room, *names):
        for name in names:
            room.simulation.cue(name, self.UNRESOLVED)
        return room

    def test_names_of_the_vendor_alone_are_red(self, room):
        self.cue(room, SIGN_IN, "mfa/health").passes(10 * MINUTE)
        assert room.lamps["red"] == "fast"
        assert room.incident.cause == "dns"

    def test_red_by_address_stays_red(self, room):
        room.cue(Reason.CONNECT_REFUSED, SIGN_IN).passes(10 * MINUTE)
        self.cue(room, "mfa/health", "witness/canary-a").passes(10 * MINUTE)
        assert room.lamps["red"] == "fast"

    def test_red_by_name_is_held_and_blind(self, room):
        self.cue(room, SIGN_IN).passes(10 * MINUTE)
        assert room.lamps["red"] == "fast"
        self.cue(room, "witness/canary-a", "mfa/health").passes(MINUTE)
        assert room.lamps == {"red": "fast", "amber": "fast", "white": "steady"}

    def test_a_stop_by_the_guard_is_not_undone(self, room):
        room.cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(2 * HOUR)
        before = room.verdict()
        self.cue(room, SIGN_IN, "mfa/health", "witness/canary-a").passes(10 * MINUTE)
        assert room.verdict() is before


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
        pauses = [b - a for a, b in itertools.pairwise(tries[1:])]
        assert all(600.0 <= pause <= 660.0 for pause in pauses), "then the next regular run"
        assert room.lamps["blue"] == "steady"


def test_a_wrong_clock_stays_wrong_however_long_its_sources_say_so(make_room, make_endpoint):
    often = {"interval": 3.0, "timeout": 2.0}
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, clock_bound=True, **often)
    clock = make_endpoint("mfa", "clock", Evidence.HEALTH, kind="ntp", interval=10.0, timeout=2.0)
    room = make_room(Service(id="mfa", name="", endpoints=(sign_in, clock))).passes(MINUTE)
    wrong = Reading(Reason.OWN_CLOCK, clock=ClockSeen(100.0, "time.example"))
    room.simulation.cue("mfa/clock", wrong)
    room.passes(1).forget().passes(HOUR)
    assert room.told == []
    assert room.lamps == {"white": "steady"}
    assert room.simulation.monitor.view().overall.clock == "lost"


class TestDependencies:
    def _room(self, make_room, make_endpoint, *names):
        resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
        children = tuple(
            make_endpoint("mfa", name, Evidence.SYMPTOM, depends_on=("dns/resolver",), factor=name)
            for name in names or ("sign-in",)
        )
        return make_room(
            Service(id="dns", name="", endpoints=(resolver,)),
            Service(id="mfa", name="", endpoints=children),
        ).passes(10 * MINUTE)

    def test_the_child_is_lit_but_opens_nothing(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint).forget()
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE)
        assert room.verdict("mfa") is Verdict.OUTAGE
        assert room.told == ["opened"]
        assert {i.service for i in room.simulation.monitor.view().incidents} == {"dns"}

    def _lit_and_silent(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint).cue(Reason.DNS_TIMEOUT, "dns/resolver")
        room.passes(MINUTE).acknowledge().cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE)
        assert room.lamps["red"] == "fast"
        return room.forget()

    def test_the_end_of_quiet_hours_is_not_the_childs_to_sound(self, make_room, make_endpoint):
        room = self._lit_and_silent(make_room, make_endpoint)
        room.simulation.tell(QuietHours(room.now, on=True))
        room.passes(MINUTE)
        assert room.simulation.tell(QuietHours(room.now, on=False)) == ()

    @pytest.mark.parametrize("restarted", [False, True])
    def test_it_does_not_re_alarm_after_it_was_shelved(self, make_room, make_endpoint, restarted):
        room = self._lit_and_silent(make_room, make_endpoint)
        room.simulation.tell(Shelve(room.now, "mfa", True, by="analyst", origin="cli"))
        if restarted:
            room.passes(MINUTE).simulation.restart()
        room.passes(10 * MINUTE)
        room.simulation.tell(Shelve(room.now, "mfa", False, by="analyst", origin="cli"))
        room.forget().passes(20 * MINUTE)
        assert (room.sounds, room.told) == ([], [])
        assert room.lamps["red"] == "fast"
        room.cue(Reason.OK, "dns/resolver").passes(5 * MINUTE)
        assert "opened" in room.told
        assert room.sounds[0] == "three_pulses"

    def test_it_opens_when_the_parent_is_back_and_it_is_still_down(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE).forget()
        room.cue(Reason.OK, "dns/resolver").passes(3 * MINUTE)
        assert "opened" in room.told

    def test_trouble_of_its_own_while_recovering_opens(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint, "sign-in", "voice")
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN, "mfa/voice").passes(5 * MINUTE)
        room.cue(Reason.OK, "dns/resolver", SIGN_IN, "mfa/voice").passes(3 * MINUTE).forget()
        assert room.verdict() is Verdict.RECOVERING
        room.cue(Reason.DEADLINE, SIGN_IN).passes(5 * MINUTE)
        assert room.verdict() is Verdict.DEGRADED
        assert (room.told, room.sounds) == (["opened"], ["chirp"])

    def test_ringback_of_an_excused_child_comes_when_it_is_well(self, make_room, make_endpoint):
        resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
        child = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, depends_on=("dns/resolver",))
        services = (Service(id=e.service, name="", endpoints=(e,)) for e in (resolver, child))
        room = make_room(*services, sequence=Sequence.R).passes(10 * MINUTE)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE).acknowledge().forget()
        room.cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
        assert (room.verdict(), room.sounds) == (Verdict.RECOVERING, [])
        room.passes(15 * MINUTE)
        assert (room.verdict(), room.sounds) == (Verdict.OK, ["chirp"])
        assert room.acknowledge().passes(HOUR).sounds == ["chirp"]

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

    def test_silence_swallows_realarms_until_the_incident_ends(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(30).forget()
        assert self._answer(room, Silence(room.now, True, by="eve", origin="mqtt")).ok
        room.passes(10 * MINUTE)
        assert room.sounds == []
        assert room.lamps["red"] == "fast", "silence is sound only"

    def test_silence_ends_after_its_time(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(30)
        self._answer(room, Silence(room.now, True, by="eve", origin="mqtt", seconds=HOUR))
        room.passes(HOUR - 60).forget().passes(16 * MINUTE)
        assert room.sounds == ["pulse"]

    def test_an_escalation_to_red_sounds_through_silence(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.OK, SIGN_IN, latency=9.0)
        room.passes(4 * MINUTE)
        self._answer(room, Silence(room.now, True, by="eve", origin="mqtt"))
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


def test_the_impact_counts_from_the_first_failing_reading_and_rests_while_recovering(
    make_room, usual_service
):
    room = make_room(usual_service("mfa", session_lifetime=1000.0)).passes(10 * MINUTE)
    room.simulation.tell(Maintenance(room.now, "mfa", True, by="eve", origin="cli"))
    room.cue(Reason.DEADLINE, SIGN_IN).passes(500)
    room.simulation.tell(Maintenance(room.now, "mfa", False, by="eve", origin="cli"))
    room.passes(MINUTE)
    assert room.incident.impact == pytest.approx(0.56, abs=0.02)
    room.cue(Reason.OK, SIGN_IN).passes(2 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    rested = room.incident.impact
    assert rested == pytest.approx(0.62, abs=0.03)
    assert room.passes(10 * MINUTE).incident.impact == rested


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


class TestNeverLying:
    """Pictures that were once wrong."""

    def test_a_failing_health_page_does_not_lower_a_red_we_can_no_longer_see(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN)
        room.cue(Reason.HTTP_STATUS, HEALTH).passes(MINUTE).acknowledge()
        room.cue(None, SIGN_IN).passes(10 * MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE
        assert room.service().blind
        assert room.lamps == {"red": "steady", "amber": "slow", "white": "steady"}

    def test_a_failing_cause_raises_what_we_cannot_see(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(None, SIGN_IN)
        room.cue(Reason.HTTP_STATUS, HEALTH).passes(10 * MINUTE)
        assert room.verdict() is Verdict.DEGRADED
        assert room.service().blind
        assert room.lamps == {"amber": "fast", "white": "steady"}

    @pytest.mark.parametrize(
        "reason", [Reason.OK, Reason.INTERNAL_ERROR, Reason.DEADLINE, Reason.SLOW]
    )
    def test_one_reading_after_an_expiring_certificate_is_no_incident(self, make_room, reason):
        room = make_room().passes(10 * MINUTE).cue(Reason.CERTIFICATE_EXPIRING, SIGN_IN, HEALTH)
        room.passes(HOUR)
        monitor, at = room.simulation.monitor, room.now + 1
        monitor.handle(Observed(at, SIGN_IN, Reading(reason), at))
        assert room.verdict() is Verdict.ADVISORY
        assert room.incident is None

    def test_an_expiring_certificate_is_not_the_first_out_of_a_later_outage(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.CERTIFICATE_EXPIRING, HEALTH)
        room.passes(HOUR).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        assert room.incident.first_out == SIGN_IN
        assert room.incident.cause == "unknown"

    def test_slowness_beside_an_expiring_certificate_degrades(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.CERTIFICATE_EXPIRING, SIGN_IN)
        room.passes(HOUR).cue(Reason.SLOW, SIGN_IN).passes(3 * MINUTE)
        assert room.verdict() is Verdict.DEGRADED

    def test_a_sign_in_that_only_ever_passed_slowly_is_proven(self, make_room):
        room = make_room().cue(Reason.SLOW, SIGN_IN).passes(HOUR)
        room.cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(5 * MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE

    def test_a_gray_failure_stays_one_while_the_vendors_page_cannot_be_read(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        room.cue(Reason.SOURCE_DEAD, VENDOR).passes(5 * MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE

    def test_a_vendor_first_read_after_the_fact_makes_it_gray(self, make_room):
        room = make_room().cue(None, VENDOR).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        assert room.verdict() is Verdict.OUTAGE
        room.cue(Reason.OK, VENDOR).passes(MINUTE)
        assert room.verdict() is Verdict.GRAY_FAILURE

    def test_a_relapse_sounds_though_the_vendors_page_flaps(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        room.acknowledge().cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
        for _ in range(4):
            room.cue(Reason.VENDOR_DEGRADED, VENDOR).passes(1).cue(Reason.OK, VENDOR).passes(1)
        room.forget().cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        assert room.told == ["relapsed"]

    def test_an_uplink_blip_does_not_blind_a_stopped_sign_in(
        self, make_room, usual_service, three_witnesses
    ):
        room = make_room(usual_service(), witnesses=three_witnesses).passes(10 * MINUTE)
        room.cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(2 * HOUR + 1)
        everything = (HEALTH, VENDOR, "witness/canary-a", "witness/canary-b")
        room.cue(Reason.UNREACHABLE, *everything).passes(MINUTE)
        room.cue(Reason.OK, *everything).passes(HOUR)
        assert room.verdict() is Verdict.GRAY_FAILURE
        assert not room.service().blind

    def test_a_pulled_cable_is_no_red_alarm_for_what_is_local(
        self, make_room, make_endpoint, three_witnesses
    ):
        spec = make_endpoint("lan", "radius", Evidence.SYMPTOM, local=True, retry_interval=2.0)
        service = Service(id="lan", name="", endpoints=(spec,))
        room = make_room(service, witnesses=three_witnesses).passes(10 * MINUTE + 1).forget()
        witnesses = tuple(w.id for w in three_witnesses)
        room.cue(Reason.UNREACHABLE, "lan/radius", *witnesses).passes(10 * MINUTE)
        assert room.verdict("lan") is Verdict.BLIND
        assert room.sounds == ["chirp"]

    def test_certificates_from_the_future_everywhere_are_our_clock(self, make_room, make_endpoint):
        services = tuple(
            Service(
                id=name,
                name="",
                endpoints=(make_endpoint(name, "x", Evidence.SYMPTOM, clock_bound=True),),
            )
            for name in ("a", "b")
        )
        room = make_room(*services).cue(Reason.TLS_NOT_YET_VALID, "a/x", "b/x").passes(HOUR)
        assert room.lamps == {"white": "steady"}
        assert room.service("a").cause == "own clock"
        assert room.cue(Reason.OK, "a/x", "b/x").passes(2 * MINUTE).lamps == {"green": "steady"}

    def test_red_found_while_starting_shows_at_once_beside_white(self, make_room, make_endpoint):
        specs = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("x", "y"))
        room = make_room(Service(id="mfa", name="", endpoints=specs))
        room.cue(Reason.DEADLINE, "mfa/x").cue(None, "mfa/y").passes(MINUTE)
        assert room.lamps == {"red": "fast", "white": "slow"}
        assert room.service().starting

    def test_a_second_service_that_goes_blind_later_chirps_too(self, make_room, usual_service):
        room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE).forget()
        room.cue(None, SIGN_IN).passes(HOUR).cue(None, "sms/sign-in").passes(HOUR)
        assert room.sounds == ["chirp", "chirp"]

    def test_a_three_lamp_tower_tells_blind_and_starting_both(self, make_room, usual_service):
        room = make_room(usual_service("mfa"), usual_service("sms"), preset=Preset.TOWER_3)
        room.cue(None, "sms/sign-in", SIGN_IN).passes(1)
        ok = Reading(Reason.OK)
        room.simulation.monitor.handle(Observed(room.now, SIGN_IN, ok, room.now))
        room.passes(215)
        assert [f.value for f in room.indication.flags] == ["blind"]

    def test_one_fail_then_errors_is_not_rechecked_for_ever(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(1)
        room.forget().cue(Reason.RATE_LIMITED, SIGN_IN).passes(10 * MINUTE)
        reads = [e for e in room.effects if getattr(e, "endpoint", "") == SIGN_IN]
        assert len([e for e in reads if hasattr(e, "failures")]) <= 13

    def test_a_long_halt_is_not_made_up_for_in_sounds(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        effects = room.simulation.monitor.handle(TimePassed(room.now + 12 * HOUR))
        assert len([e for e in effects if hasattr(e, "sound")]) <= 2

    def test_a_red_that_quiet_hours_muted_does_not_mute_the_next(self, make_room, usual_service):
        room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE)
        room.simulation.tell(QuietHours(room.now, True))
        room.cue(Reason.DEADLINE, SIGN_IN).passes(15)
        room.simulation.tell(QuietHours(room.now, False))
        room.forget().cue(Reason.DEADLINE, "sms/sign-in").passes(15)
        assert room.sounds == ["three_pulses"]

    def test_the_end_of_quiet_hours_respects_silence(self, make_room):
        room = make_room().passes(10 * MINUTE)
        room.simulation.tell(QuietHours(room.now, True))
        room.cue(Reason.DEADLINE, SIGN_IN).passes(30)
        room.simulation.tell(Silence(room.now, True, by="eve", origin="mqtt"))
        room.forget().effects += room.simulation.tell(QuietHours(room.now, False))
        assert room.sounds == []


class TestMoreDependencies:
    _room = TestDependencies._room

    def test_a_parent_that_is_merely_unknown_is_not_up_again(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(5 * MINUTE).forget()
        room.cue(None, "dns/resolver").passes(HOUR)
        assert "opened" not in room.told

    def test_a_stopped_child_opens_when_its_parent_is_back(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(2 * HOUR).forget()
        room.cue(Reason.OK, "dns/resolver").passes(5 * MINUTE)
        assert "opened" in room.told

    def test_a_suppressed_child_that_turns_red_flashes_anew(self, make_room, make_endpoint):
        room = self._room(make_room, make_endpoint)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE)
        room.cue(Reason.SLOW, SIGN_IN).passes(5 * MINUTE)
        room.simulation.tell(Acknowledge(room.now, by="analyst", origin="button"))
        room.forget().cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(MINUTE)
        assert room.lamps["red"] == "fast"
        assert "escalated" not in room.told

    def test_a_recovering_child_taken_down_by_its_parent_makes_no_noise(
        self, make_room, make_endpoint
    ):
        room = self._room(make_room, make_endpoint).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        room.acknowledge().cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
        room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE).acknowledge().forget()
        room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(MINUTE)
        assert room.told == []
        assert room.sounds == []
        room.cue(Reason.OK, "dns/resolver").passes(5 * MINUTE)
        assert "relapsed" in room.told

    def test_lamp_and_incident_agree_when_the_parent_takes_it_down_and_lets_go(
        self, make_room, make_endpoint
    ):
        room = self._room(make_room, make_endpoint).cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        asked = []
        for _ in range(3):
            room.acknowledge().cue(Reason.OK, SIGN_IN, "dns/resolver").passes(5 * MINUTE)
            room.cue(Reason.DNS_TIMEOUT, "dns/resolver").passes(MINUTE).acknowledge()
            room.cue(Reason.DNS_TIMEOUT, SIGN_IN).passes(MINUTE)
            asked.append((self._child(room).acknowledged, room.lamps["red"]))
            room.cue(Reason.OK, "dns/resolver").passes(3 * MINUTE)
            asked.append((self._child(room).acknowledged, room.lamps["red"]))
        assert asked == [(False, "fast")] * 2 + [(True, "steady")] * 4, "once within 30 min"

    @staticmethod
    def _child(room):
        return next(i for i in room.simulation.monitor.view().incidents if i.service == "mfa")


class TestReconfiguring:
    def test_a_removed_endpoint_leaves_no_ghost(self, make_room):
        room = make_room().passes(10 * MINUTE)
        monitor = room.simulation.monitor
        whole = monitor.site
        service = whole.services[0]
        fewer = Service(id="mfa", name="mfa", endpoints=service.endpoints[:1])
        monitor.reconfigure(Site(id="soc", services=(fewer,)), room.now)
        effects = monitor.handle(TimePassed(room.now + HOUR))
        assert {getattr(e, "endpoint", SIGN_IN) for e in effects} == {SIGN_IN}

    def test_a_changed_endpoint_says_that_it_starts_afresh(self, make_room):
        room = make_room().passes(10 * MINUTE)
        monitor = room.simulation.monitor
        effects = monitor.reconfigure(monitor.site, room.now, frozenset({SIGN_IN}))
        assert [e.health.value for e in effects if hasattr(e, "failures")] == ["unknown"]
        assert not [e for e in effects if isinstance(e, Announced)]
        assert room.lamps == {"white": "slow"}

    def test_new_thresholds_forget_neither_proof_nor_stop(self, make_room):
        room = make_room().passes(10 * MINUTE).cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(HOUR)
        monitor = room.simulation.monitor
        service = monitor.site.services[0]
        first = dataclasses.replace(service.endpoints[0], failure_threshold=2)
        changed = Service(id="mfa", name="mfa", endpoints=(first, *service.endpoints[1:]))
        monitor.reconfigure(Site(id="soc", services=(changed,)), room.now)
        assert room.verdict() is Verdict.GRAY_FAILURE
        assert room.lamps["blue"] == "steady"

    def test_changed_settings_lift_a_stop(self, make_room):
        room = make_room().cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(HOUR)
        monitor = room.simulation.monitor
        effects = monitor.reconfigure(monitor.site, room.now, frozenset({SIGN_IN}))
        assert [e.until for e in effects if isinstance(e, Postpone)] == [room.now]

    def test_reloads_while_blind_do_not_chirp_again(self, make_room):
        room = make_room().passes(10 * MINUTE).forget().cue(None, SIGN_IN).passes(HOUR)
        for _ in range(3):
            monitor = room.simulation.monitor
            room.effects += monitor.reconfigure(monitor.site, room.now)
            room.passes(10 * MINUTE)
        assert room.sounds == ["chirp"]

    def test_removing_a_service_closes_its_incident_and_ends_the_silence(
        self, make_room, usual_service
    ):
        room = make_room(usual_service("mfa"), usual_service("sms")).passes(10 * MINUTE)
        room.cue(Reason.DEADLINE, SIGN_IN).passes(MINUTE)
        room.simulation.tell(Silence(room.now, True, by="eve", origin="mqtt"))
        monitor = room.simulation.monitor
        effects = monitor.reconfigure(Site(id="soc", services=(usual_service("sms"),)), room.now)
        assert [e.what.value for e in effects if isinstance(e, Announced)] == ["closed"]
        assert [e.on for e in effects if isinstance(e, SilenceChanged)] == [False]


@pytest.mark.parametrize("step", [-86_400.0, 0.6, 1e9])
def test_an_incident_keeps_the_wall_time_of_its_opening(make_room, step):
    room = make_room()
    room.simulation.monitor.start(room.now, zero=1_000_000.0)
    room.cue(Reason.DEADLINE, SIGN_IN).passes(5 * MINUTE)
    opened = room.incident.opened_utc
    assert opened == 1_000_000.0 + room.incident.since
    room.simulation.tell(ClockStepped(room.now, step))
    assert room.passes(MINUTE).incident.opened_utc == opened
    memory = room.simulation.monitor.remember(room.now)
    again = Monitor(room.simulation.monitor.site)
    again.start(7.0, shifted(memory, 7.0 - room.now), zero=5.0)
    assert again.view().incidents[0].opened_utc == opened
    room.cue(Reason.OK, SIGN_IN).passes(HOUR).cue(Reason.DEADLINE, SIGN_IN).passes(5 * MINUTE)
    assert room.incident.opened_utc == 1_000_000.0 + step + room.incident.since
