"""Why the lamp is as it is: sentences that follow the core's own state."""

import pytest

from beacon.core.inputs import Attest, Drill, Maintenance, Shelve, Silence
from beacon.core.model import Attestation, Evidence, Health, Reading, Reason, Service

ITEM = Attestation(id="keys", name="Spare keys", every=3600.0)
RECOVERING_WHEN = (
    "recovering when every cell is up; ok 900 s after that (1800 s, if red for more than 7200 s)"
)
WHO = {"by": "analyst", "origin": "cli"}


@pytest.fixture
def explained(make_harness):
    harness = make_harness().advance(200)

    def ask(name="sign-in"):
        found = harness.simulation.monitor.explain("mfa")
        return found, next(e for e in found.endpoints if e.id == f"mfa/{name}")

    return harness, ask


def test_all_is_well(explained):
    _, ask = explained
    found, sign_in = ask()
    assert found.lamps == (("green", "steady"),)
    assert (found.why, found.prospects, found.overlays) == ((), (), ())
    assert sign_in.standing == "0 of 3 fails in a row, 0 of 4 among the last 6, until it is down"
    assert sign_in.health is Health.UP
    assert sign_in.started is not None


def test_failing_down_and_on_the_way_back(explained):
    harness, ask = explained
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(2)
    assert ask()[1].standing.startswith("1 of 3 fails in a row, 1 of 4")
    harness.advance(100)
    found, sign_in = ask()
    assert sign_in.standing == "0 of 2 passes in a row until it is up"
    assert "mfa/sign-in: deadline" in found.why[0]
    assert found.prospects[0].what == RECOVERING_WHEN
    harness.script(Reason.OK, "mfa/sign-in").advance(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"
    harness.advance(60)
    hold, flashing = ask()[0].prospects
    assert flashing.what == "it flashes until somebody acknowledges"
    assert hold.what == "ok, if all stays up until then"
    assert harness.now < hold.at <= harness.now + 900


def test_degraded(explained):
    harness, ask = explained
    harness.script(Reason.SLOW, "mfa/sign-in").advance(300)
    found, sign_in = ask()
    assert found.prospects[0].what == "ok 300 s after all is up"
    assert sign_in.standing == "0 of 2 passes in a row until it is up"


def test_degraded_after_red_recovers_first(make_harness, make_endpoint):
    two = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("east", "west"))
    harness = make_harness(Service(id="mfa", name="", endpoints=two)).advance(200)
    harness.script(Reason.DEADLINE, "mfa/east", "mfa/west").advance(200)
    harness.script(Reason.OK, "mfa/west").advance(200)
    assert harness.verdict() == "degraded"
    assert harness.simulation.monitor.explain("mfa").prospects[0].what == RECOVERING_WHEN


def test_errors_blindness_and_what_is_held(explained):
    harness, ask = explained
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100)
    harness.script(Reason.INTERNAL_ERROR, "mfa/sign-in").advance(1)
    assert ask()[1].standing == "1 of 3 errors in a row until it is unknown"
    harness.advance(200)
    found, sign_in = ask()
    assert sign_in.health is Health.UNKNOWN
    assert sign_in.standing == "0 of 2 passes in a row until it is up"
    assert "gray_failure is held while we are blind" in found.why
    assert "sighted when these have been read: mfa/sign-in" in [p.what for p in found.prospects]


def test_the_hold_waits_while_we_are_blind(make_harness, usual_service):
    harness = make_harness(usual_service(recovery_hold=900.1234)).advance(200)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100)
    harness.script(Reason.OK, "mfa/sign-in").advance(100)
    harness.script(None, "mfa/sign-in").advance(300)
    prospects = harness.simulation.monitor.explain("mfa").prospects
    assert "the hold has 690 s left, and waits until we see again" in [p.what for p in prospects]


def test_never_read(make_harness):
    found = make_harness().simulation.monitor.explain("mfa")
    assert {e.standing for e in found.endpoints} == {"one pass until it is up"}
    assert all(e.started is None and e.last is None for e in found.endpoints)


def test_a_silent_endpoint_says_when_it_will_be_unknown(explained):
    harness, ask = explained
    again, stale = ask()[1].prospects
    assert (again.what, again.at) == ("read again by then", ask()[1].started + 60.0)
    assert harness.now <= again.at
    assert stale.what == "unknown, if no reading comes until then"
    assert stale.at > harness.now


def test_suppressed_and_not_yet_settled(explained):
    harness, ask = explained
    harness.simulation.tell(Shelve(harness.now, "mfa", True, **WHO, seconds=600.0))
    found, _ = ask()
    assert found.lamps == (("blue", "steady"),)
    assert found.why[0].startswith("an operator or the calendar suppresses it")
    assert (found.prospects[0].what, found.prospects[0].at) == ("shelve ends", harness.now + 600.0)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(300).script(None, "mfa/sign-in").advance(
        1
    )
    harness.simulation.tell(Shelve(harness.now, "mfa", False, **WHO))
    assert ask()[0].why[1:] == (
        "it was suppressed until now, and what is wrong has not been confirmed since",
    )


def test_maintenance_ends_by_itself_after_four_hours(explained):
    harness, ask = explained
    harness.simulation.tell(Maintenance(harness.now, "mfa", True, **WHO))
    found, _ = ask()
    assert [(p.what, p.at - harness.now) for p in found.prospects] == [
        ("maintenance ends", 4 * 3600)
    ]


def test_everything_an_endpoint_stands_on(explained):
    harness, ask = explained
    found, sign_in = ask()
    assert found.view == harness.service()
    assert (sign_in.evidence, sign_in.health) == (Evidence.SYMPTOM, Health.UP)
    assert (sign_in.last, sign_in.since) == (Reading(Reason.OK), 1000.0)
    assert sign_in.started == 1180.0


def test_the_guard(explained):
    harness, ask = explained
    harness.script(Reason.SIGN_IN_REJECTED, "mfa/sign-in").advance(100)
    _, sign_in = ask()
    (again, stale) = sign_in.prospects
    assert again.what == "the account's budget lets it be tried again"
    assert harness.now < again.at <= harness.now + 600
    assert stale.at > again.at
    assert sign_in.account == (
        "its account: 2 rejected and 0 unanswered attempts since one was accepted; "
        "the budget ends at 4 rejected, or 8 of both"
    )
    harness.advance(2 * 3600)
    _, sign_in = ask()
    assert sign_in.standing == "stopped by the sign-in guard, until an operator resumes it"
    left = whats(sign_in.prospects)
    assert not {"the account's budget lets it be tried again", "read again by then"} & {*left}
    harness.simulation.restart(resume=True)
    harness.script(Reason.OK, "mfa/sign-in").advance(3600)
    assert all(p.what != "the account's budget lets it be tried again" for p in ask()[1].prospects)


def test_flapping(explained):
    harness, ask = explained
    for n in range(30):
        harness.script(Reason.OK if n % 2 else Reason.DEADLINE, "mfa/sign-in").advance(3)
    assert ask()[1].standing == "flapping: the worst is held until it rests"


def test_a_warn_is_no_clean_pass_and_counts_after_down_all_the_same(explained):
    harness, ask = explained
    harness.script(Reason.SLOW, "mfa/sign-in").advance(300).script(
        Reason.OK, "mfa/sign-in"
    ).advance(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100).script(
        Reason.SLOW, "mfa/sign-in"
    ).advance(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"


def test_what_hangs_on_something_else_says_so(make_harness, make_endpoint, usual_service):
    child = make_endpoint("sms", "send", Evidence.SYMPTOM, depends_on=("mfa/sign-in",))
    harness = make_harness(usual_service(), Service(id="sms", name="", endpoints=(child,))).advance(
        200
    )
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(60)
    harness.script(Reason.DEADLINE, "sms/send").advance(200)
    why = harness.simulation.monitor.explain("sms").why
    assert why[1:] == (
        "all its trouble is explained by what it depends on: no incident of its own",
    )


def test_shallow_is_explained_while_all_is_well_and_not_in_trouble(make_harness, make_endpoint):
    page = make_endpoint("mfa", "health", Evidence.HEALTH)
    harness = make_harness(Service(id="mfa", name="", endpoints=(page,))).advance(200)
    shallow = "shallow: nothing proves a sign-in from end to end"
    assert harness.simulation.monitor.explain("mfa").why == (shallow,)
    harness.script(Reason.HTTP_STATUS, "mfa/health").advance(200)
    assert shallow not in harness.simulation.monitor.explain("mfa").why


def test_what_is_not_seen_is_listed(make_harness, make_endpoint):
    endpoints = tuple(make_endpoint("mfa", name, Evidence.SYMPTOM) for name in ("a", "b"))
    harness = make_harness(Service(id="mfa", name="", endpoints=endpoints)).advance(200)
    harness.script(None, "mfa/a", "mfa/b").advance(3600)
    prospects = [p.what for p in harness.simulation.monitor.explain("mfa").prospects]
    assert prospects == ["sighted when these have been read: mfa/a, mfa/b"]


def test_no_such_service(explained):
    assert explained[0].simulation.monitor.explain("gate") is None


def whats(prospects):
    return [p.what for p in prospects]


def test_an_unacknowledged_red_says_when_it_sounds_again(explained):
    harness, ask = explained
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100)
    found, _ = ask()
    again = next(p for p in found.prospects if p.what.startswith("the buzzer"))
    assert harness.now < again.at <= harness.now + 60.0
    assert "first-out: of the alarms that nobody has acknowledged, its came first" in found.why
    assert found.silence is None
    harness.simulation.tell(Silence(harness.now, True, **WHO, seconds=600.0))
    assert ask()[0].silence.until == harness.now + 600.0
    harness.acknowledge()
    found, _ = ask()
    assert whats(found.prospects) == [RECOVERING_WHEN]
    assert found.lamps == (("red", "steady"), ("amber", "slow"))
    assert not any(why.startswith("first-out") for why in found.why)


def test_what_is_to_be_tested_by_hand_and_when_next(make_harness):
    harness = make_harness(attest=(ITEM,)).advance(200)
    found = harness.simulation.monitor.explain("mfa")
    assert whats(found.prospects) == ["no advisory for it once tested by hand: beacon attest keys"]
    assert "not tested for too long: Spare keys" in found.why
    harness.simulation.tell(Attest(harness.now, "keys", **WHO))
    (due,) = harness.simulation.monitor.explain("mfa").prospects
    assert due.what == "advisory, if Spare keys is not tested by then"
    assert due.at == harness.now + 3600.0
    assert harness.advance(3600).simulation.monitor.explain("mfa").prospects == found.prospects


def test_a_drill_lies_over_every_service(explained):
    harness, ask = explained
    harness.simulation.tell(Drill(harness.now, True, **WHO, seconds=600.0))
    found, _ = ask()
    assert [(o.kind, o.by) for o in found.overlays] == [("drill", "analyst")]
    assert [(p.what, p.at) for p in found.prospects] == [("drill ends", harness.now + 600.0)]


def test_one_that_fails_from_the_start_says_how_far_it_is(make_harness):
    harness = make_harness().script(Reason.DEADLINE, "mfa/sign-in")
    while harness.simulation.monitor.explain("mfa").endpoints[0].last is None:
        harness.advance(1)
    sign_in = harness.simulation.monitor.explain("mfa").endpoints[0]
    assert sign_in.health is Health.UNKNOWN
    assert sign_in.standing == "1 of 3 fails in a row, 1 of 4 among the last 6, until it is down"
