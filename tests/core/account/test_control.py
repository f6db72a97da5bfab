"""The negative control: when a wrong code is sent, and what it says of a service."""

import pytest

from beacon.core.account.control import ControlKept
from beacon.core.effects import Announced, Control
from beacon.core.inputs import Bypass
from beacon.core.model import Evidence, Moment, Reading, Reason, Service, Verdict
from beacon.replay.simulation import ScriptedReading
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
