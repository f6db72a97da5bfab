"""What the analyst sees, minute by minute."""

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


def test_starts_blind_and_is_green_after_one_fresh_reading_of_each(make_harness):
    harness = make_harness()
    assert harness.lamps == {"white": "slow"}
    assert harness.verdict() is Verdict.BLIND
    assert harness.advance(1).lamps == {"green": "steady"}
    assert harness.announcements == []
    assert harness.sounds == []


def test_confirming_rechecks_make_it_down_long_before_three_intervals(make_harness):
    harness = make_harness().advance(10 * MINUTE).clear_effects()
    harness.script(Reason.DEADLINE, SIGN_IN).advance(11)
    assert harness.verdict() is Verdict.GRAY_FAILURE
    due = [e.due - e.at for e in harness.effects if isinstance(e, Recheck)]
    assert due == [5.0, 5.0]


def test_a_recheck_is_due_from_start_to_start(make_harness):
    harness = make_harness().advance(10 * MINUTE)
    monitor, at = harness.simulation.monitor, harness.now + 3
    effects = monitor.handle(Observed(at, SIGN_IN, Reading(Reason.DEADLINE), at - 3))
    assert [e.due for e in effects if isinstance(e, Recheck)] == [at + 2]
    effects = monitor.handle(Observed(at + 30, SIGN_IN, Reading(Reason.DEADLINE), at))
    assert [e.due for e in effects if isinstance(e, Recheck)] == [at + 30], "never in the past"


def test_where_nothing_is_watched_nothing_is_due():
    assert Monitor(Site(id="soc")).next_deadline() is None


def test_unacknowledged_red_realarms_each_minute_for_five_then_each_quarter_hour(make_harness):
    harness = make_harness().advance(10 * MINUTE).clear_effects()
    began = harness.now + 10
    harness.script(Reason.DEADLINE, SIGN_IN).advance(2 * HOUR)
    sounds = [(e.at - began, e.sound.value) for e in harness.effects if hasattr(e, "sound")]
    assert sounds[:8] == [
        (0, "three_pulses"),
        *[(60 * n, "pulse") for n in range(1, 6)],
        *[(300 + 900 * n, "pulse") for n in (1, 2)],
    ]
    assert len(sounds) == 6 + 7, "no budget swallows a re-alarm of red"


def test_acknowledging_stops_the_sound_and_never_clears_the_light(make_harness):
    harness = make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
    harness.acknowledge().clear_effects().advance(2 * HOUR)
    assert harness.sounds == []
    assert harness.lamps == {"red": "steady", "amber": "slow"}
    assert harness.incident.state is IncidentState.ACKNOWLEDGED
    assert harness.incident.acknowledged_by == "analyst"


def test_a_relapse_too_soon_flashes_and_sounds_later(make_harness, make_endpoint):
    cells = [make_endpoint("mfa", name, Evidence.SYMPTOM, region=name) for name in ("a", "b")]
    harness = make_harness(Service(id="mfa", name="mfa", endpoints=tuple(cells))).advance(
        10 * MINUTE
    )
    harness.script(Reason.DEADLINE, "mfa/a", "mfa/b").advance(5 * MINUTE).acknowledge()
    for sounds in (["three_pulses", "pulse", "pulse"], []):
        harness.clear_effects().script(Reason.OK, "mfa/b").advance(5 * MINUTE)
        assert (harness.verdict(), harness.announcements) == (Verdict.DEGRADED, [])
        harness.script(Reason.DEADLINE, "mfa/b").advance(3 * MINUTE)
        assert (harness.verdict(), harness.announcements) == (Verdict.OUTAGE, ["relapsed"])
        assert (harness.lamps["red"], harness.sounds) == ("fast", sounds)
        harness.acknowledge()


def test_a_vendor_admission_alone_is_an_advisory_without_sound(make_harness):
    harness = (
        make_harness()
        .advance(10 * MINUTE)
        .clear_effects()
        .script(Reason.VENDOR_INCIDENT, VENDOR)
        .advance(180)
    )
    assert harness.verdict() is Verdict.ADVISORY
    assert harness.lamps == {"green": "steady", "amber": "slow"}
    assert harness.sounds == []
    assert harness.announcements == []


@pytest.mark.parametrize("at", [SIGN_IN, HEALTH])
def test_an_address_that_stays_dead_is_an_advisory_only(make_harness, at):
    harness = make_harness().advance(10 * MINUTE).clear_effects()
    harness.script(Reason.ADDRESS_DEAD, at).advance(10)
    assert harness.verdict() is Verdict.OK, "not the first time"
    harness.advance(10 * MINUTE)
    assert harness.verdict() is Verdict.ADVISORY
    assert harness.lamps == {"green": "steady", "amber": "slow"}
    assert harness.sounds == []
    harness.script(Reason.OK, at).advance(10 * MINUTE)
    assert harness.verdict() is Verdict.OK


def test_a_dead_address_of_the_vendors_page_is_no_admission(make_harness):
    harness = make_harness().advance(10 * MINUTE).script(Reason.ADDRESS_DEAD, VENDOR).advance(HOUR)
    assert harness.verdict() is Verdict.OK
    harness.script(Reason.DEADLINE, SIGN_IN).advance(5 * MINUTE)
    assert harness.verdict() is Verdict.GRAY_FAILURE, "its word is that all is fine"


def test_silence_is_unknown_never_green(make_harness):
    harness = (
        make_harness()
        .advance(10 * MINUTE)
        .script(None, SIGN_IN, HEALTH, VENDOR)
        .advance(10 * MINUTE)
    )
    assert harness.verdict() is Verdict.BLIND
    assert harness.lamps == {"white": "steady"}
    assert "blind" in harness.announcements


def test_blindness_chirps_once_after_five_minutes(make_harness):
    harness = (
        make_harness().advance(10 * MINUTE).clear_effects().script(None, SIGN_IN).advance(3 * HOUR)
    )
    blind_at = next(e.at for e in harness.effects if isinstance(e, Announced))
    chirps = [e.at - blind_at for e in harness.effects if hasattr(e, "sound")]
    assert chirps == [5 * MINUTE]


def test_errors_are_never_red_and_never_stay_green(make_harness):
    harness = (
        make_harness().advance(10 * MINUTE).clear_effects().script(Reason.INTERNAL_ERROR, SIGN_IN)
    )
    harness.advance(HOUR)
    assert harness.verdict() is Verdict.BLIND
    assert harness.lamps == {"white": "steady"}


def test_openings_within_a_minute_sound_once_at_the_worst(make_harness, usual_service):
    harness = (
        make_harness(usual_service("mfa"), usual_service("sms"))
        .advance(10 * MINUTE)
        .clear_effects()
    )
    harness.script(Reason.DEADLINE, SIGN_IN, "sms/sign-in").advance(20)
    assert harness.sounds == ["three_pulses"]
    assert harness.announcements == ["opened", "opened"]


def test_an_opening_soon_after_an_acknowledgement_sounds(make_harness, usual_service):
    harness = (
        make_harness(usual_service("mfa"), usual_service("sms"))
        .advance(10 * MINUTE)
        .clear_effects()
    )
    harness.script(Reason.DEADLINE, SIGN_IN).advance(15)
    assert harness.acknowledge().sounds == ["three_pulses"]
    harness.script(Reason.DEADLINE, "sms/sign-in").advance(20)
    assert harness.sounds == ["three_pulses", "three_pulses"]


def test_a_new_incident_flashes_its_own_lamp_beside_an_acknowledged_red(
    make_harness, usual_service
):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(10 * MINUTE)
    harness.script(Reason.DEADLINE, SIGN_IN).advance(MINUTE).acknowledge()
    harness.script(Reason.OK, "sms/sign-in", latency=9.0).advance(4 * MINUTE)
    assert harness.lamps == {"red": "steady", "amber": "fast"}


def test_no_green_while_any_service_is_blind(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(10 * MINUTE)
    harness.script(None, "sms/sign-in").advance(10 * MINUTE)
    assert harness.lamps == {"white": "steady"}


def test_a_flapping_sign_in_is_announced_once_and_held(make_harness, make_endpoint):
    spec = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, retry_interval=None)
    harness = (
        make_harness(Service(id="mfa", name="", endpoints=(spec,)))
        .advance(30 * MINUTE)
        .clear_effects()
    )
    for _ in range(40):
        harness.script(Reason.DEADLINE, SIGN_IN).advance(30).script(Reason.OK, SIGN_IN).advance(30)
    assert harness.announcements == ["opened"]
    assert harness.sounds == ["chirp"]
    assert harness.verdict() is Verdict.DEGRADED
    harness.advance(30 * MINUTE)
    assert harness.verdict() is Verdict.OK


class TestOwnNetwork:
    def test_a_flapping_uplink_is_announced_twice_while_the_lamps_follow_it(
        self, make_harness, usual_service, three_witnesses
    ):
        harness = make_harness(usual_service(), witnesses=three_witnesses)
        harness.advance(10 * MINUTE + 1).clear_effects()
        everything = (SIGN_IN, HEALTH, VENDOR, "witness/canary-a", "witness/canary-b")
        for _ in range(20):
            harness.script(Reason.UNREACHABLE, *everything).advance(43)
            assert harness.lamps == {"white": "steady"}
            harness.script(Reason.OK, *everything).advance(43)
            assert harness.lamps == {"green": "steady"}
        harness.advance(10 * MINUTE)
        assert harness.announcements == ["blind", "sighted"]

    def test_it_is_blind_within_one_witness_interval(
        self, make_harness, usual_service, three_witnesses
    ):
        harness = make_harness(usual_service(), witnesses=three_witnesses).advance(10 * MINUTE + 1)
        harness.script(None, SIGN_IN, HEALTH, VENDOR)
        harness.script(Reason.UNREACHABLE, "witness/canary-a", "witness/canary-b").advance(11)
        assert harness.lamps == {"white": "steady"}

    def test_a_real_outage_waits_only_for_the_witnesses(
        self, make_harness, usual_service, three_witnesses
    ):
        harness = (
            make_harness(usual_service(), witnesses=three_witnesses)
            .advance(10 * MINUTE)
            .clear_effects()
        )
        harness.script(Reason.DEADLINE, SIGN_IN).advance(11)
        assert harness.verdict() is Verdict.GRAY_FAILURE
        rounds = [e for e in harness.effects if isinstance(e, Recheck) and len(e.endpoints) == 3]
        assert rounds[0].due == rounds[0].at

    def test_one_witness_left_is_enough_to_see(self, make_harness, usual_service, three_witnesses):
        harness = make_harness(usual_service(), witnesses=three_witnesses).advance(10 * MINUTE)
        harness.script(Reason.UNREACHABLE, "witness/canary-a", SIGN_IN).advance(MINUTE)
        assert harness.verdict() is Verdict.GRAY_FAILURE


class TestOwnClock:
    def test_two_pages_with_another_time_are_enough(self, make_harness, make_endpoint):
        def page(service, **more):
            return make_endpoint(service, "x", Evidence.SYMPTOM, **more)

        services = (
            Service(id="a", name="", endpoints=(page("a", clock_bound=True),)),
            Service(id="b", name="", endpoints=(page("b"),)),
            Service(id="c", name="", endpoints=(page("c", clock_bound=True),)),
        )
        harness = make_harness(*services).advance(10 * MINUTE)
        tells = Reading(Reason.OK, clock=ClockSeen(-40.0))
        for name in ("a/x", "b/x"):
            harness.simulation.script(name, tells)
        harness.script(Reason.TLS_EXPIRED, "c/x").advance(10 * MINUTE)
        assert harness.service("c").cause == "own clock"
        assert harness.lamps == {"white": "steady"}
        assert harness.verdict("b") is Verdict.OK, "it does not live by the clock"
        view = harness.simulation.monitor.view()
        assert (view.overall.clock, view.clock_offset) == ("lost", -40.0)
        effects = harness.simulation.tell(ClockStepped(harness.now, -40.0))
        assert any(isinstance(e, OverallChanged) and e.overall.clock == "ok" for e in effects)

    def test_a_step_asks_the_witnesses_at_once(self, make_harness, three_witnesses):
        harness = make_harness(witnesses=three_witnesses).advance(10 * MINUTE)
        (asked,) = (
            e
            for e in harness.simulation.tell(ClockStepped(harness.now, 3600.0))
            if isinstance(e, Recheck)
        )
        assert asked.due == harness.now
        assert set(asked.endpoints) == {w.id for w in three_witnesses}

    def test_the_kernels_word_is_shown_and_survives_a_reload(self, make_harness, three_witnesses):
        harness = make_harness(witnesses=three_witnesses).advance(10 * MINUTE)
        monitor = harness.simulation.monitor
        assert monitor.view().overall.clock == "unverified"
        harness.simulation.tell(ClockSynchronised(harness.now, True))
        assert monitor.view().overall.clock == "ok"
        monitor.reconfigure(
            dataclasses.replace(monitor.site, witnesses=three_witnesses[:1]), harness.now
        )
        assert monitor.view().overall.clock == "ok"


class TestOwnResolver:
    UNRESOLVED = Reading(Reason.DNS_TIMEOUT, resolver=False)

    @pytest.fixture
    def harness(self, make_harness, three_witnesses):
        """Canary a is asked by name, canary b by address."""
        harness = make_harness(witnesses=three_witnesses)
        harness.simulation.script("witness/canary-a", Reading(Reason.OK, resolver=True))
        return harness.advance(10 * MINUTE)

    def script(self, harness, *names):
        for name in names:
            harness.simulation.script(name, self.UNRESOLVED)
        return harness

    def test_names_of_the_vendor_alone_are_red(self, harness):
        self.script(harness, SIGN_IN, "mfa/health").advance(10 * MINUTE)
        assert harness.lamps["red"] == "fast"
        assert harness.incident.cause == "dns"

    def test_red_by_address_stays_red(self, harness):
        harness.script(Reason.CONNECT_REFUSED, SIGN_IN).advance(10 * MINUTE)
        self.script(harness, "mfa/health", "witness/canary-a").advance(10 * MINUTE)
        assert harness.lamps["red"] == "fast"

    def test_red_by_name_is_held_and_blind(self, harness):
        self.script(harness, SIGN_IN).advance(10 * MINUTE)
        assert harness.lamps["red"] == "fast"
        self.script(harness, "witness/canary-a", "mfa/health").advance(MINUTE)
        assert harness.lamps == {"red": "fast", "amber": "fast", "white": "steady"}

    def test_a_stop_by_the_guard_is_not_undone(self, harness):
        harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(2 * HOUR)
        before = harness.verdict()
        self.script(harness, SIGN_IN, "mfa/health", "witness/canary-a").advance(10 * MINUTE)
        assert harness.verdict() is before


class TestSignInGuard:
    def test_credentials_that_never_passed_are_ours_and_stop(self, make_harness):
        harness = make_harness().script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(HOUR)
        assert harness.verdict() is Verdict.BLIND
        assert harness.service().cause == "our credentials"
        assert harness.lamps == {"white": "steady", "blue": "steady"}
        rejected = [e for e in harness.effects if getattr(e, "endpoint", "") == SIGN_IN]
        assert len([e for e in rejected if hasattr(e, "failures")]) == 1, "asked once only"

    def test_a_proven_sign_in_rejected_twice_is_down_then_tried_rarely(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).clear_effects()
        harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(6 * HOUR)
        tries = [e.at for e in harness.effects if getattr(e, "endpoint", "") == SIGN_IN]
        tries = sorted(set(tries))
        assert harness.verdict() is Verdict.GRAY_FAILURE, "the stop holds the verdict"
        assert len(tries) == 4
        pauses = [b - a for a, b in itertools.pairwise(tries[1:])]
        assert all(600.0 <= pause <= 660.0 for pause in pauses), "then the next regular run"
        assert harness.lamps["blue"] == "steady"


def test_a_wrong_clock_stays_wrong_however_long_its_sources_say_so(make_harness, make_endpoint):
    often = {"interval": 3.0, "timeout": 2.0}
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, clock_bound=True, **often)
    clock = make_endpoint("mfa", "clock", Evidence.HEALTH, kind="ntp", interval=10.0, timeout=2.0)
    harness = make_harness(Service(id="mfa", name="", endpoints=(sign_in, clock))).advance(MINUTE)
    wrong = Reading(Reason.OWN_CLOCK, clock=ClockSeen(100.0, "time.example"))
    harness.simulation.script("mfa/clock", wrong)
    harness.advance(1).clear_effects().advance(HOUR)
    assert harness.announcements == []
    assert harness.lamps == {"white": "steady"}
    assert harness.simulation.monitor.view().overall.clock == "lost"


class TestDependencies:
    def _harness(self, make_harness, make_endpoint, *names):
        resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
        children = tuple(
            make_endpoint("mfa", name, Evidence.SYMPTOM, depends_on=("dns/resolver",), factor=name)
            for name in names or ("sign-in",)
        )
        return make_harness(
            Service(id="dns", name="", endpoints=(resolver,)),
            Service(id="mfa", name="", endpoints=children),
        ).advance(10 * MINUTE)

    def test_the_child_is_lit_but_opens_nothing(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint).clear_effects()
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(5 * MINUTE)
        assert harness.verdict("mfa") is Verdict.OUTAGE
        assert harness.announcements == ["opened"]
        assert {i.service for i in harness.simulation.monitor.view().incidents} == {"dns"}

    def _lit_and_silent(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint).script(
            Reason.DNS_TIMEOUT, "dns/resolver"
        )
        harness.advance(MINUTE).acknowledge().script(Reason.DNS_TIMEOUT, SIGN_IN).advance(
            5 * MINUTE
        )
        assert harness.lamps["red"] == "fast"
        return harness.clear_effects()

    def test_the_end_of_quiet_hours_is_not_the_childs_to_sound(self, make_harness, make_endpoint):
        harness = self._lit_and_silent(make_harness, make_endpoint)
        harness.simulation.tell(QuietHours(harness.now, on=True))
        harness.advance(MINUTE)
        assert harness.simulation.tell(QuietHours(harness.now, on=False)) == ()

    @pytest.mark.parametrize("restarted", [False, True])
    def test_it_does_not_re_alarm_after_it_was_shelved(
        self, make_harness, make_endpoint, restarted
    ):
        harness = self._lit_and_silent(make_harness, make_endpoint)
        harness.simulation.tell(Shelve(harness.now, "mfa", True, by="analyst", origin="cli"))
        if restarted:
            harness.advance(MINUTE).simulation.restart()
        harness.advance(10 * MINUTE)
        harness.simulation.tell(Shelve(harness.now, "mfa", False, by="analyst", origin="cli"))
        harness.clear_effects().advance(20 * MINUTE)
        assert (harness.sounds, harness.announcements) == ([], [])
        assert harness.lamps["red"] == "fast"
        harness.script(Reason.OK, "dns/resolver").advance(5 * MINUTE)
        assert "opened" in harness.announcements
        assert harness.sounds[0] == "three_pulses"

    def test_it_opens_when_the_parent_is_back_and_it_is_still_down(
        self, make_harness, make_endpoint
    ):
        harness = self._harness(make_harness, make_endpoint)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(5 * MINUTE).clear_effects()
        harness.script(Reason.OK, "dns/resolver").advance(3 * MINUTE)
        assert "opened" in harness.announcements

    def test_trouble_of_its_own_while_recovering_opens(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint, "sign-in", "voice")
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN, "mfa/voice").advance(5 * MINUTE)
        harness.script(Reason.OK, "dns/resolver", SIGN_IN, "mfa/voice").advance(
            3 * MINUTE
        ).clear_effects()
        assert harness.verdict() is Verdict.RECOVERING
        harness.script(Reason.DEADLINE, SIGN_IN).advance(5 * MINUTE)
        assert harness.verdict() is Verdict.DEGRADED
        assert (harness.announcements, harness.sounds) == (["opened"], ["chirp"])

    def test_ringback_of_an_excused_child_comes_when_it_is_well(self, make_harness, make_endpoint):
        resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
        child = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, depends_on=("dns/resolver",))
        services = (Service(id=e.service, name="", endpoints=(e,)) for e in (resolver, child))
        harness = make_harness(*services, sequence=Sequence.R).advance(10 * MINUTE)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(
            5 * MINUTE
        ).acknowledge().clear_effects()
        harness.script(Reason.OK, SIGN_IN).advance(5 * MINUTE)
        assert (harness.verdict(), harness.sounds) == (Verdict.RECOVERING, [])
        harness.advance(15 * MINUTE)
        assert (harness.verdict(), harness.sounds) == (Verdict.OK, ["chirp"])
        assert harness.acknowledge().advance(HOUR).sounds == ["chirp"]

    def test_recovering_together_leaves_no_orphan(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(5 * MINUTE)
        harness.acknowledge().clear_effects().script(Reason.OK, "dns/resolver", SIGN_IN).advance(
            HOUR
        )
        assert harness.announcements == ["recovering", "closed"]
        assert harness.lamps == {"green": "steady"}


class TestOperators:
    def _answer(self, harness, event):
        effects = harness.simulation.tell(event)
        harness.effects += effects
        return next(e for e in effects if isinstance(e, Answered))

    def test_silence_swallows_realarms_until_the_incident_ends(self, make_harness):
        harness = (
            make_harness()
            .advance(10 * MINUTE)
            .script(Reason.DEADLINE, SIGN_IN)
            .advance(30)
            .clear_effects()
        )
        assert self._answer(harness, Silence(harness.now, True, by="eve", origin="mqtt")).ok
        harness.advance(10 * MINUTE)
        assert harness.sounds == []
        assert harness.lamps["red"] == "fast", "silence is sound only"

    def test_silence_ends_after_its_time(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(30)
        self._answer(harness, Silence(harness.now, True, by="eve", origin="mqtt", seconds=HOUR))
        harness.advance(HOUR - 60).clear_effects().advance(16 * MINUTE)
        assert harness.sounds == ["pulse"]

    def test_an_escalation_to_red_sounds_through_silence(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.OK, SIGN_IN, latency=9.0)
        harness.advance(4 * MINUTE)
        self._answer(harness, Silence(harness.now, True, by="eve", origin="mqtt"))
        harness.clear_effects().script(Reason.DEADLINE, SIGN_IN).advance(30)
        assert harness.sounds == ["three_pulses"]

    def test_quiet_hours_are_light_only_and_a_waiting_red_sounds_once_at_their_end(
        self, make_harness
    ):
        harness = make_harness().advance(10 * MINUTE)
        harness.simulation.tell(QuietHours(harness.now, True))
        harness.clear_effects().script(Reason.DEADLINE, SIGN_IN).advance(2 * HOUR)
        assert harness.sounds == []
        assert harness.lamps == {"red": "fast", "amber": "fast"}
        harness.effects += harness.simulation.tell(QuietHours(harness.now, False))
        assert harness.sounds == ["three_pulses"]


def test_a_three_lamp_tower_shows_blindness_by_its_slot_alone(make_harness):
    harness = make_harness(preset=Preset.TOWER_3).advance(10 * MINUTE).script(None, SIGN_IN)
    harness.advance(10 * MINUTE)
    assert harness.lamps == {}
    assert [flag.value for flag in harness.indication.flags] == ["blind"]


def test_the_impact_counts_from_the_first_failing_reading_and_rests_while_recovering(
    make_harness, usual_service
):
    harness = make_harness(usual_service("mfa", session_lifetime=1000.0)).advance(10 * MINUTE)
    harness.simulation.tell(Maintenance(harness.now, "mfa", True, by="eve", origin="cli"))
    harness.script(Reason.DEADLINE, SIGN_IN).advance(500)
    harness.simulation.tell(Maintenance(harness.now, "mfa", False, by="eve", origin="cli"))
    harness.advance(MINUTE)
    assert harness.incident.impact == pytest.approx(0.56, abs=0.02)
    harness.script(Reason.OK, SIGN_IN).advance(2 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING
    rested = harness.incident.impact
    assert rested == pytest.approx(0.62, abs=0.03)
    assert harness.advance(10 * MINUTE).incident.impact == rested


def test_the_impact_grows_while_it_is_red(make_harness, usual_service):
    harness = make_harness(usual_service(session_lifetime=HOUR)).advance(10 * MINUTE)
    harness.script(Reason.DEADLINE, SIGN_IN).advance(30 * MINUTE + 10)
    assert harness.incident.impact == pytest.approx(0.5, abs=0.02)
    assert harness.advance(HOUR).incident.impact == 1.0


def test_readings_of_endpoints_unknown_to_it_change_nothing(make_harness):
    harness = make_harness().advance(MINUTE)
    event = Observed(harness.now, "gone/away", Reading(Reason.OK), harness.now)
    assert harness.simulation.monitor.handle(event) == ()


def test_a_deadline_reached_late_is_handled_at_its_own_time(make_harness):
    harness = make_harness().advance(10 * MINUTE).script(None, SIGN_IN, HEALTH, VENDOR).advance(1)
    effects = harness.simulation.monitor.handle(TimePassed(harness.now + 10 * HOUR))
    assert max(e.at for e in effects) < harness.now + HOUR


def test_reconfiguring_keeps_what_is_unchanged(make_harness, usual_service, make_endpoint):
    harness = make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
    harness.acknowledge()
    site = harness.simulation.monitor.site
    extra = Service(id="sms", name="", endpoints=(make_endpoint("sms", "send", Evidence.SYMPTOM),))
    bigger = type(site)(id="soc", services=(*site.services, extra))
    effects = harness.simulation.monitor.reconfigure(bigger, harness.now)
    assert harness.verdict("mfa") is Verdict.GRAY_FAILURE
    assert harness.verdict("sms") is Verdict.BLIND
    assert harness.incident.acknowledged
    assert not [e for e in effects if isinstance(e, Announced)]
    smaller = type(site)(id="soc", services=(extra,))
    harness.simulation.monitor.reconfigure(smaller, harness.now)
    assert harness.incident is None


class TestNeverLying:
    """Pictures that were once wrong."""

    def test_a_failing_health_page_does_not_lower_a_red_we_can_no_longer_see(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN)
        harness.script(Reason.HTTP_STATUS, HEALTH).advance(MINUTE).acknowledge()
        harness.script(None, SIGN_IN).advance(10 * MINUTE)
        assert harness.verdict() is Verdict.GRAY_FAILURE
        assert harness.service().blind
        assert harness.lamps == {"red": "steady", "amber": "slow", "white": "steady"}

    def test_a_failing_cause_raises_what_we_cannot_see(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(None, SIGN_IN)
        harness.script(Reason.HTTP_STATUS, HEALTH).advance(10 * MINUTE)
        assert harness.verdict() is Verdict.DEGRADED
        assert harness.service().blind
        assert harness.lamps == {"amber": "fast", "white": "steady"}

    @pytest.mark.parametrize(
        "reason", [Reason.OK, Reason.INTERNAL_ERROR, Reason.DEADLINE, Reason.SLOW]
    )
    def test_one_reading_after_an_expiring_certificate_is_no_incident(self, make_harness, reason):
        harness = (
            make_harness().advance(10 * MINUTE).script(Reason.CERTIFICATE_EXPIRING, SIGN_IN, HEALTH)
        )
        harness.advance(HOUR)
        monitor, at = harness.simulation.monitor, harness.now + 1
        monitor.handle(Observed(at, SIGN_IN, Reading(reason), at))
        assert harness.verdict() is Verdict.ADVISORY
        assert harness.incident is None

    def test_an_expiring_certificate_is_not_the_first_out_of_a_later_outage(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.CERTIFICATE_EXPIRING, HEALTH)
        harness.advance(HOUR).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        assert harness.incident.first_out == SIGN_IN
        assert harness.incident.cause == "unknown"

    def test_slowness_beside_an_expiring_certificate_degrades(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.CERTIFICATE_EXPIRING, SIGN_IN)
        harness.advance(HOUR).script(Reason.SLOW, SIGN_IN).advance(3 * MINUTE)
        assert harness.verdict() is Verdict.DEGRADED

    def test_a_sign_in_that_only_ever_passed_slowly_is_proven(self, make_harness):
        harness = make_harness().script(Reason.SLOW, SIGN_IN).advance(HOUR)
        harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(5 * MINUTE)
        assert harness.verdict() is Verdict.GRAY_FAILURE

    def test_a_gray_failure_stays_one_while_the_vendors_page_cannot_be_read(self, make_harness):
        harness = (
            make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        )
        harness.script(Reason.SOURCE_DEAD, VENDOR).advance(5 * MINUTE)
        assert harness.verdict() is Verdict.GRAY_FAILURE

    def test_a_vendor_first_read_after_the_fact_makes_it_gray(self, make_harness):
        harness = (
            make_harness().script(None, VENDOR).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        )
        assert harness.verdict() is Verdict.OUTAGE
        harness.script(Reason.OK, VENDOR).advance(MINUTE)
        assert harness.verdict() is Verdict.GRAY_FAILURE

    def test_a_relapse_sounds_though_the_vendors_page_flaps(self, make_harness):
        harness = (
            make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        )
        harness.acknowledge().script(Reason.OK, SIGN_IN).advance(5 * MINUTE)
        for _ in range(4):
            harness.script(Reason.VENDOR_DEGRADED, VENDOR).advance(1).script(
                Reason.OK, VENDOR
            ).advance(1)
        harness.clear_effects().script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        assert harness.announcements == ["relapsed"]

    def test_an_uplink_blip_does_not_blind_a_stopped_sign_in(
        self, make_harness, usual_service, three_witnesses
    ):
        harness = make_harness(usual_service(), witnesses=three_witnesses).advance(10 * MINUTE)
        harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(2 * HOUR + 1)
        everything = (HEALTH, VENDOR, "witness/canary-a", "witness/canary-b")
        harness.script(Reason.UNREACHABLE, *everything).advance(MINUTE)
        harness.script(Reason.OK, *everything).advance(HOUR)
        assert harness.verdict() is Verdict.GRAY_FAILURE
        assert not harness.service().blind

    def test_a_pulled_cable_is_no_red_alarm_for_what_is_local(
        self, make_harness, make_endpoint, three_witnesses
    ):
        spec = make_endpoint("lan", "radius", Evidence.SYMPTOM, local=True, retry_interval=2.0)
        service = Service(id="lan", name="", endpoints=(spec,))
        harness = (
            make_harness(service, witnesses=three_witnesses)
            .advance(10 * MINUTE + 1)
            .clear_effects()
        )
        witnesses = tuple(w.id for w in three_witnesses)
        harness.script(Reason.UNREACHABLE, "lan/radius", *witnesses).advance(10 * MINUTE)
        assert harness.verdict("lan") is Verdict.BLIND
        assert harness.sounds == ["chirp"]

    def test_certificates_from_the_future_everywhere_are_our_clock(
        self, make_harness, make_endpoint
    ):
        services = tuple(
            Service(
                id=name,
                name="",
                endpoints=(make_endpoint(name, "x", Evidence.SYMPTOM, clock_bound=True),),
            )
            for name in ("a", "b")
        )
        harness = (
            make_harness(*services).script(Reason.TLS_NOT_YET_VALID, "a/x", "b/x").advance(HOUR)
        )
        assert harness.lamps == {"white": "steady"}
        assert harness.service("a").cause == "own clock"
        assert harness.script(Reason.OK, "a/x", "b/x").advance(2 * MINUTE).lamps == {
            "green": "steady"
        }

    def test_red_found_while_starting_shows_at_once_beside_white(self, make_harness, make_endpoint):
        specs = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("x", "y"))
        harness = make_harness(Service(id="mfa", name="", endpoints=specs))
        harness.script(Reason.DEADLINE, "mfa/x").script(None, "mfa/y").advance(MINUTE)
        assert harness.lamps == {"red": "fast", "white": "slow"}
        assert harness.service().starting

    def test_a_second_service_that_goes_blind_later_chirps_too(self, make_harness, usual_service):
        harness = (
            make_harness(usual_service("mfa"), usual_service("sms"))
            .advance(10 * MINUTE)
            .clear_effects()
        )
        harness.script(None, SIGN_IN).advance(HOUR).script(None, "sms/sign-in").advance(HOUR)
        assert harness.sounds == ["chirp", "chirp"]

    def test_a_three_lamp_tower_shows_blind_and_starting_both(self, make_harness, usual_service):
        harness = make_harness(usual_service("mfa"), usual_service("sms"), preset=Preset.TOWER_3)
        harness.script(None, "sms/sign-in", SIGN_IN).advance(1)
        ok = Reading(Reason.OK)
        harness.simulation.monitor.handle(Observed(harness.now, SIGN_IN, ok, harness.now))
        harness.advance(215)
        assert [f.value for f in harness.indication.flags] == ["blind"]

    def test_one_fail_then_errors_is_not_rechecked_for_ever(self, make_harness):
        harness = make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(1)
        harness.clear_effects().script(Reason.RATE_LIMITED, SIGN_IN).advance(10 * MINUTE)
        reads = [e for e in harness.effects if getattr(e, "endpoint", "") == SIGN_IN]
        assert len([e for e in reads if hasattr(e, "failures")]) <= 13

    def test_a_long_halt_is_not_made_up_for_in_sounds(self, make_harness):
        harness = (
            make_harness().advance(10 * MINUTE).script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        )
        effects = harness.simulation.monitor.handle(TimePassed(harness.now + 12 * HOUR))
        assert len([e for e in effects if hasattr(e, "sound")]) <= 2

    def test_a_red_that_quiet_hours_muted_does_not_mute_the_next(self, make_harness, usual_service):
        harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(10 * MINUTE)
        harness.simulation.tell(QuietHours(harness.now, True))
        harness.script(Reason.DEADLINE, SIGN_IN).advance(15)
        harness.simulation.tell(QuietHours(harness.now, False))
        harness.clear_effects().script(Reason.DEADLINE, "sms/sign-in").advance(15)
        assert harness.sounds == ["three_pulses"]

    def test_the_end_of_quiet_hours_respects_silence(self, make_harness):
        harness = make_harness().advance(10 * MINUTE)
        harness.simulation.tell(QuietHours(harness.now, True))
        harness.script(Reason.DEADLINE, SIGN_IN).advance(30)
        harness.simulation.tell(Silence(harness.now, True, by="eve", origin="mqtt"))
        harness.clear_effects().effects += harness.simulation.tell(QuietHours(harness.now, False))
        assert harness.sounds == []


class TestMoreDependencies:
    _harness = TestDependencies._harness

    def test_a_parent_that_is_unknown_holds_an_alarm_back_for_a_while(
        self, make_harness, make_endpoint
    ):
        harness = self._harness(make_harness, make_endpoint)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(5 * MINUTE).clear_effects()
        harness.script(None, "dns/resolver").advance(5 * MINUTE)
        assert "opened" not in harness.announcements
        harness.advance(5 * MINUTE)
        assert "opened" in harness.announcements, "a parent unknown for long excuses nothing"

    def test_a_stopped_child_opens_when_its_parent_is_back(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(2 * HOUR).clear_effects()
        harness.script(Reason.OK, "dns/resolver").advance(5 * MINUTE)
        assert "opened" in harness.announcements

    def test_a_suppressed_child_that_turns_red_flashes_anew(self, make_harness, make_endpoint):
        harness = self._harness(make_harness, make_endpoint)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
        harness.script(Reason.SLOW, SIGN_IN).advance(5 * MINUTE)
        harness.simulation.tell(Acknowledge(harness.now, by="analyst", origin="button"))
        harness.clear_effects().script(Reason.DNS_TIMEOUT, SIGN_IN).advance(MINUTE)
        assert harness.lamps["red"] == "fast"
        assert "escalated" not in harness.announcements

    def test_a_recovering_child_taken_down_by_its_parent_makes_no_noise(
        self, make_harness, make_endpoint
    ):
        harness = (
            self._harness(make_harness, make_endpoint)
            .script(Reason.DEADLINE, SIGN_IN)
            .advance(MINUTE)
        )
        harness.acknowledge().script(Reason.OK, SIGN_IN).advance(5 * MINUTE)
        harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(
            MINUTE
        ).acknowledge().clear_effects()
        harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(MINUTE)
        assert harness.announcements == []
        assert harness.sounds == []
        harness.script(Reason.OK, "dns/resolver").advance(5 * MINUTE)
        assert "relapsed" in harness.announcements

    def test_lamp_and_incident_agree_when_the_parent_takes_it_down_and_lets_go(
        self, make_harness, make_endpoint
    ):
        harness = (
            self._harness(make_harness, make_endpoint)
            .script(Reason.DEADLINE, SIGN_IN)
            .advance(MINUTE)
        )
        asked = []
        for _ in range(3):
            harness.acknowledge().script(Reason.OK, SIGN_IN, "dns/resolver").advance(5 * MINUTE)
            harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE).acknowledge()
            harness.script(Reason.DNS_TIMEOUT, SIGN_IN).advance(MINUTE)
            asked.append((self._child(harness).acknowledged, harness.lamps["red"]))
            harness.script(Reason.OK, "dns/resolver").advance(3 * MINUTE)
            asked.append((self._child(harness).acknowledged, harness.lamps["red"]))
        assert asked == [(False, "fast")] * 6

    @staticmethod
    def _child(harness):
        return next(i for i in harness.simulation.monitor.view().incidents if i.service == "mfa")


class TestReconfiguring:
    def test_a_removed_endpoint_leaves_no_ghost(self, make_harness):
        harness = make_harness().advance(10 * MINUTE)
        monitor = harness.simulation.monitor
        whole = monitor.site
        service = whole.services[0]
        fewer = Service(id="mfa", name="mfa", endpoints=service.endpoints[:1])
        monitor.reconfigure(Site(id="soc", services=(fewer,)), harness.now)
        effects = monitor.handle(TimePassed(harness.now + HOUR))
        assert {getattr(e, "endpoint", SIGN_IN) for e in effects} == {SIGN_IN}

    def test_a_changed_endpoint_says_that_it_starts_afresh(self, make_harness):
        harness = make_harness().advance(10 * MINUTE)
        monitor = harness.simulation.monitor
        effects = monitor.reconfigure(monitor.site, harness.now, frozenset({SIGN_IN}))
        assert [e.health.value for e in effects if hasattr(e, "failures")] == ["unknown"]
        assert not [e for e in effects if isinstance(e, Announced)]
        assert harness.lamps == {"white": "slow"}

    def test_new_thresholds_forget_neither_proof_nor_stop(self, make_harness):
        harness = (
            make_harness()
            .advance(10 * MINUTE)
            .script(Reason.SIGN_IN_REJECTED, SIGN_IN)
            .advance(HOUR)
        )
        monitor = harness.simulation.monitor
        service = monitor.site.services[0]
        first = dataclasses.replace(service.endpoints[0], failure_threshold=2)
        changed = Service(id="mfa", name="mfa", endpoints=(first, *service.endpoints[1:]))
        monitor.reconfigure(Site(id="soc", services=(changed,)), harness.now)
        assert harness.verdict() is Verdict.GRAY_FAILURE
        assert harness.lamps["blue"] == "steady"

    def test_changed_settings_lift_a_stop(self, make_harness):
        harness = make_harness().script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(HOUR)
        monitor = harness.simulation.monitor
        effects = monitor.reconfigure(monitor.site, harness.now, frozenset({SIGN_IN}))
        assert [e.until for e in effects if isinstance(e, Postpone)] == [harness.now]

    def test_reloads_while_blind_do_not_chirp_again(self, make_harness):
        harness = (
            make_harness().advance(10 * MINUTE).clear_effects().script(None, SIGN_IN).advance(HOUR)
        )
        for _ in range(3):
            monitor = harness.simulation.monitor
            harness.effects += monitor.reconfigure(monitor.site, harness.now)
            harness.advance(10 * MINUTE)
        assert harness.sounds == ["chirp"]

    def test_removing_a_service_closes_its_incident_and_ends_the_silence(
        self, make_harness, usual_service
    ):
        harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(10 * MINUTE)
        harness.script(Reason.DEADLINE, SIGN_IN).advance(MINUTE)
        harness.simulation.tell(Silence(harness.now, True, by="eve", origin="mqtt"))
        monitor = harness.simulation.monitor
        effects = monitor.reconfigure(Site(id="soc", services=(usual_service("sms"),)), harness.now)
        assert [e.what.value for e in effects if isinstance(e, Announced)] == ["closed"]
        assert [e.on for e in effects if isinstance(e, SilenceChanged)] == [False]


@pytest.mark.parametrize("step", [-86_400.0, 0.6, 1e9])
def test_an_incident_keeps_the_wall_time_of_its_opening(make_harness, step):
    harness = make_harness()
    harness.simulation.monitor.start(harness.now, zero=1_000_000.0)
    harness.script(Reason.DEADLINE, SIGN_IN).advance(5 * MINUTE)
    opened = harness.incident.opened_utc
    assert opened == 1_000_000.0 + harness.incident.since
    harness.simulation.tell(ClockStepped(harness.now, step))
    assert harness.advance(MINUTE).incident.opened_utc == opened
    memory = harness.simulation.monitor.remember(harness.now)
    again = Monitor(harness.simulation.monitor.site)
    again.start(7.0, shifted(memory, 7.0 - harness.now), zero=5.0)
    assert again.view().incidents[0].opened_utc == opened
    harness.script(Reason.OK, SIGN_IN).advance(HOUR).script(Reason.DEADLINE, SIGN_IN).advance(
        5 * MINUTE
    )
    assert harness.incident.opened_utc == 1_000_000.0 + step + harness.incident.since
