"""The negative control: when a wrong code is sent, and what it says of a service."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.account.control import LEAST_DOUBT, ControlKept
from beacon.core.effects import Announced, Control, Transition
from beacon.core.inputs import Bypass, Controlled
from beacon.core.model import NEVER, Evidence, Moment, Reading, Reason, Service, Site, Verdict
from beacon.core.views import EndpointRead
from beacon.replay.simulation import ScriptedReading, Simulation
from tests.core.endpoint.conftest import build

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SIGN_IN = "mfa/sign-in"
SPEC = build(SIGN_IN, control=DAY)


@pytest.mark.parametrize(
    ("kept", "at", "due"),
    [
        (ControlKept(), 0.0, True),
        (ControlKept(made_at=Moment(100.0)), 100.0 + DAY - 1, False),
        (ControlKept(made_at=Moment(100.0)), 100.0 + DAY, True),
        (ControlKept(made_at=Moment(100.0), accepted=1), 699.0, False),
        (ControlKept(made_at=Moment(100.0), accepted=1), 700.0, True),
        (ControlKept(made_at=Moment(100.0), accepted=2), 700.0, True),
    ],
)
def test_when_a_wrong_code_is_sent(kept, at, due):
    assert kept.due(SPEC, Moment(at)) is due
    assert not kept.due(build(SIGN_IN), Moment(at)), "never"
    assert not kept.due(build(SIGN_IN, control=DAY, guard_max=1), Moment(at)), "it would stop"


@pytest.fixture
def watched(make_harness, make_endpoint):
    """A sign-in whose wrong codes come to this."""

    def make(answer, **settings):
        settings = {"control": DAY, "accounts": ("token",), "sign_in": True} | settings
        spec = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, **settings)
        harness = make_harness(Service(id="mfa", name="", endpoints=(spec,)))
        answers(harness, answer)
        return harness

    return make


def answers(harness, answer):
    line = ScriptedReading(harness.now, SIGN_IN, None, control=answer)
    harness.simulation._reads_now(line)


def sent(harness):
    return [effect.at for effect in harness.effects if isinstance(effect, Control)]


def test_it_is_sent_once_a_day_and_says_nothing_while_it_is_refused(watched):
    harness = watched("refused").advance(3 * DAY + HOUR)
    pauses = [b - a for a, b in zip(sent(harness), sent(harness)[1:], strict=False)]
    assert len(pauses) == 3
    assert all(DAY <= pause <= DAY + 2 * MINUTE for pause in pauses)
    assert (harness.announcements, harness.verdict()) == ([], Verdict.OK)
    assert harness.lamps == {"green": "steady"}


def test_accepted_twice_the_service_is_degraded_until_one_is_refused(watched):
    harness = watched("accepted").advance(5 * MINUTE)
    assert (harness.announcements, harness.verdict()) == ([], Verdict.OK), "once may be a race"
    harness.advance(7 * MINUTE)
    assert (harness.announcements, harness.verdict()) == (["opened"], Verdict.DEGRADED)
    assert harness.service().cause == "mfa not enforced"
    assert harness.incident.first_out == SIGN_IN
    assert "wrong_code_accepted" in harness.incident.explanation
    assert (harness.lamps, harness.sounds) == ({"amber": "fast"}, ["chirp"])
    harness.advance(DAY)
    assert harness.verdict() is Verdict.DEGRADED, "it latches"
    pauses = [b - a for a, b in zip(sent(harness), sent(harness)[1:], strict=False)]
    assert all(10 * MINUTE <= pause <= 12 * MINUTE for pause in pauses)
    answers(harness.acknowledge(), "refused")
    harness.advance(30 * MINUTE)
    assert (harness.verdict(), harness.incident) == (Verdict.OK, None)


@pytest.mark.parametrize("down", [0.0, 30.0, HOUR])
def test_a_restart_triggers_none_and_keeps_what_is_latched(watched, down):
    harness = watched("accepted").advance(15 * MINUTE)
    answers(harness, "refused")
    assert harness.verdict() is Verdict.DEGRADED
    count = len(sent(harness))
    harness.simulation.restart(down)
    harness.advance(30.0)
    assert harness.verdict() is Verdict.DEGRADED
    assert len(sent(harness)) == count or down > 10 * MINUTE


def test_without_a_proof_for_three_days_it_is_advisory(watched):
    harness = watched("unanswered", accounts=()).advance(2.9 * DAY)
    assert harness.verdict() is Verdict.OK
    harness.advance(0.2 * DAY)
    assert (harness.verdict(), harness.service().cause) == (Verdict.ADVISORY, "mfa unproven")
    answers(harness, "refused")
    harness.advance(DAY)
    assert harness.verdict() is Verdict.OK


def test_none_is_sent_while_mfa_is_bypassed_and_one_when_that_ends(watched):
    harness = watched("accepted").advance(5 * MINUTE)
    answers(harness, "refused")
    who = {"by": "analyst", "origin": "cli"}
    harness.effects += harness.simulation.tell(Bypass(harness.now, service="mfa", on=True, **who))
    harness.clear_effects().advance(5 * DAY)
    assert (sent(harness), harness.verdict()) == ([], Verdict.OK)
    harness.effects += harness.simulation.tell(Bypass(harness.now, service="mfa", on=False, **who))
    harness.advance(2 * MINUTE)
    assert len(sent(harness)) == 1


def test_it_is_in_no_streak_and_counts_in_the_budget(watched):
    harness = watched("refused", control=MINUTE, interval=30.0, retry_interval=None)
    harness.advance(HOUR)
    assert len(sent(harness)) > 50
    assert (harness.verdict(), harness.announcements) == (Verdict.OK, [])
    harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(DAY)
    read = [e for e in harness.effects if hasattr(e, "failures")]
    assert sum(e.reading == Reading(Reason.SIGN_IN_REJECTED) for e in read) in (3, 4)
    assert "guard_stopped" in harness.service().overlays
    told = [e for e in harness.effects if isinstance(e, Announced) and e.what == "opened"]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("answer", "minutes", "said"),
    [
        ("refused", 30, "codes are looked at: a wrong code was refused"),
        ("unanswered", 30, "no wrong code has been refused yet"),
        ("accepted", 5, "a wrong code was accepted; a second one decides"),
        ("accepted", 30, "wrong codes are accepted: MFA is not being enforced for this account"),
    ],
)
def test_explain_says_what_became_of_the_last(watched, answer, minutes, said):
    harness = watched(answer).advance(minutes * MINUTE)
    [explained] = harness.simulation.monitor.explain("mfa").endpoints
    assert explained.control.startswith(said)
    assert (explained.controlled_at is None) is (answer == "unanswered")


# --- what it must not do ------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"control": None}, {"control": DAY, "guard_max": 1}])
def test_where_none_is_sent_any_more_nothing_is_held_against_the_service(settings):
    kept = ControlKept(made_at=Moment(0.0), doubted_since=Moment(0.0), accepted=2)
    assert kept.latched(SPEC)
    spec = replace(SPEC, **settings)
    assert (kept.latched(spec), kept.unproven_at(spec)) == (False, NEVER)


def test_time_in_which_no_proof_was_due_is_no_doubt():
    fine = ControlKept().made(Moment(0.0)).refused(Moment(1.0))
    assert fine.unproven_at(SPEC) == NEVER, "a beacon that was off for a week doubts nothing"
    asked = fine.made(Moment(9 * DAY))
    assert asked.unproven_at(SPEC) == 9 * DAY + LEAST_DOUBT
    assert asked.slept(7 * DAY).unproven_at(SPEC) == 16 * DAY + LEAST_DOUBT
    assert asked.put_off().unproven_at(SPEC) == NEVER, "MFA is off on purpose"
    assert asked.put_off().made(Moment(20 * DAY)).unproven_at(SPEC) == 20 * DAY + LEAST_DOUBT


@pytest.mark.parametrize("reason", [Reason.OK, Reason.SIGN_IN_REJECTED])
def test_a_run_that_ended_before_its_code_proves_nothing(watched, reason):
    harness = watched("unanswered").advance(5 * MINUTE)
    was = harness.simulation.monitor.remember(harness.now).endpoints[SIGN_IN].control
    at = harness.now
    event = Controlled(at, SIGN_IN, Reading(reason), at, code_sent=False)
    harness.effects += harness.simulation.tell(event)
    assert harness.simulation.monitor.remember(harness.now).endpoints[SIGN_IN].control == was


def test_it_stands_beside_an_outage_and_outlasts_it(watched):
    harness = watched("accepted").advance(15 * MINUTE).acknowledge()
    harness.script(Reason.DEADLINE, SIGN_IN).advance(10 * MINUTE).acknowledge()
    assert harness.verdict() is Verdict.OUTAGE
    assert harness.service().cause == "unknown", "it brings nothing down"
    harness.script(Reason.OK, SIGN_IN).advance(HOUR)
    assert (harness.verdict(), harness.service().cause) == (Verdict.DEGRADED, "mfa not enforced")


def test_beneath_a_known_trouble_it_widens(watched):
    harness = watched("refused", control=HOUR, slow_after=5.0).advance(10 * MINUTE)
    harness.script(Reason.OK, SIGN_IN, latency=9.0).advance(15 * MINUTE).acknowledge()
    assert harness.verdict() is Verdict.DEGRADED
    answers(harness.clear_effects(), "accepted")
    harness.advance(2 * HOUR)
    assert harness.announcements == ["widened"]
    assert harness.incident.cause == "mfa not enforced"


ANSWERS = st.sampled_from(["refused", "accepted", "unanswered"])
READ = st.sampled_from([Reason.OK, Reason.SLOW, Reason.DEADLINE, Reason.RATE_LIMITED])


@pytest.mark.untraced
@given(st.lists(st.tuples(READ, ANSWERS, st.floats(MINUTE, DAY / 2)), max_size=6))
def test_health_is_as_if_there_were_no_controls(life):
    """Wrong codes are in no streak, window, baseline or freshness; and never in a hurry."""

    def lived(control):
        spec = build(SIGN_IN, control=control, interval=60.0, stale_after=400.0)
        site = Site(id="soc", services=(Service(id="mfa", name="", endpoints=(spec,)),))
        simulation = Simulation(site, 0.0)
        effects = list(simulation.start())
        for reason, answer, seconds in life:
            simulation.script(SIGN_IN, Reading(reason))
            simulation._reads_now(ScriptedReading(simulation.now, SIGN_IN, None, control=answer))
            effects += simulation.run(simulation.now + seconds)
        return effects

    ours, without = lived(HOUR), lived(None)
    kinds = (EndpointRead, Transition)
    assert [e for e in ours if isinstance(e, kinds)] == [e for e in without if isinstance(e, kinds)]
    made = [e.at for e in ours if isinstance(e, Control)]
    assert all(b >= a + 600.0 for a, b in itertools.pairwise(made))
    if all(answer != "accepted" for _, answer, _ in life):
        assert all(b >= a + HOUR for a, b in itertools.pairwise(made))
