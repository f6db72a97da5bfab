"""Why the lamp is as it is: sentences that follow the core's own state."""

import pytest

from beacon.core.inputs import Attest, Drill, Maintenance, Shelve
from beacon.core.model import Attestation, Evidence, Health, Reading, Reason, Service

ITEM = Attestation(id="keys", name="Spare keys", every=3600.0)
RECOVERING_WHEN = (
    "recovering when every cell is up; ok 900 s after that (1800 s, if red for more than 7200 s)"
)
WHO = {"by": "analyst", "origin": "cli"}


@pytest.fixture
def explained(make_room):
    room = make_room().passes(200)

    def ask(name="sign-in"):
        found = room.simulation.monitor.explain("mfa")
        return found, next(e for e in found.endpoints if e.id == f"mfa/{name}")

    return room, ask


def test_all_is_well(explained):
    _, ask = explained
    found, sign_in = ask()
    assert found.lamps == (("green", "steady"),)
    assert (found.why, found.prospects, found.overlays) == ((), (), ())
    assert sign_in.standing == "0 of 3 fails in a row, 0 of 4 among the last 6, until it is down"
    assert sign_in.health is Health.UP
    assert sign_in.started is not None


def test_failing_down_and_on_the_way_back(explained):
    room, ask = explained
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(2)
    assert ask()[1].standing.startswith("1 of 3 fails in a row, 1 of 4")
    room.passes(100)
    found, sign_in = ask()
    assert sign_in.standing == "0 of 2 passes in a row until it is up"
    assert "mfa/sign-in: deadline" in found.why[0]
    assert found.prospects[0].what == RECOVERING_WHEN
    room.cue(Reason.OK, "mfa/sign-in").passes(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"
    room.passes(60)
    hold, flashing = ask()[0].prospects
    assert flashing.what == "it flashes until somebody acknowledges"
    assert hold.what == "ok, if all stays up until then"
    assert room.now < hold.at <= room.now + 900


def test_degraded(explained):
    room, ask = explained
    room.cue(Reason.SLOW, "mfa/sign-in").passes(300)
    found, sign_in = ask()
    assert found.prospects[0].what == "ok 300 s after all is up"
    assert sign_in.standing == "0 of 2 passes in a row until it is up"


def test_degraded_after_red_recovers_first(make_room, make_endpoint):
    two = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("east", "west"))
    room = make_room(Service(id="mfa", name="", endpoints=two)).passes(200)
    room.cue(Reason.DEADLINE, "mfa/east", "mfa/west").passes(200)
    room.cue(Reason.OK, "mfa/west").passes(200)
    assert room.verdict() == "degraded"
    assert room.simulation.monitor.explain("mfa").prospects[0].what == RECOVERING_WHEN


def test_errors_blindness_and_what_is_held(explained):
    room, ask = explained
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    room.cue(Reason.INTERNAL_ERROR, "mfa/sign-in").passes(1)
    assert ask()[1].standing == "1 of 3 errors in a row until it is unknown"
    room.passes(200)
    found, sign_in = ask()
    assert sign_in.health is Health.UNKNOWN
    assert sign_in.standing == "0 of 2 passes in a row until it is up"
    assert "gray_failure is held while we are blind" in found.why
    assert "sighted when these have been read: mfa/sign-in" in [p.what for p in found.prospects]


def test_the_hold_waits_while_we_are_blind(make_room, usual_service):
    room = make_room(usual_service(recovery_hold=900.1234)).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    room.cue(Reason.OK, "mfa/sign-in").passes(100)
    room.cue(None, "mfa/sign-in").passes(300)
    prospects = room.simulation.monitor.explain("mfa").prospects
    assert "the hold has 690 s left, and waits until we see again" in [p.what for p in prospects]


def test_never_read(make_room):
    found = make_room().simulation.monitor.explain("mfa")
    assert {e.standing for e in found.endpoints} == {"one pass until it is up"}
    assert all(e.started is None and e.last is None for e in found.endpoints)


def test_a_silent_endpoint_says_when_it_will_be_unknown(explained):
    room, ask = explained
    again, stale = ask()[1].prospects
    assert (again.what, again.at) == ("read again by then", ask()[1].started + 60.0)
    assert room.now <= again.at
    assert stale.what == "unknown, if nothing is heard until then"
    assert stale.at > room.now


def test_suppressed_and_not_yet_settled(explained):
    room, ask = explained
    room.simulation.tell(Shelve(room.now, "mfa", True, **WHO, seconds=600.0))
    found, _ = ask()
    assert found.lamps == (("blue", "steady"),)
    assert found.why[0].startswith("an operator or the calendar suppresses it")
    assert (found.prospects[0].what, found.prospects[0].at) == ("shelve ends", room.now + 600.0)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(300).cue(None, "mfa/sign-in").passes(1)
    room.simulation.tell(Shelve(room.now, "mfa", False, **WHO))
    assert ask()[0].why[1:] == (
        "it was suppressed until now, and what is wrong has not been confirmed since",
    )


def test_maintenance_ends_by_itself_after_four_hours(explained):
    room, ask = explained
    room.simulation.tell(Maintenance(room.now, "mfa", True, **WHO))
    found, _ = ask()
    assert [(p.what, p.at - room.now) for p in found.prospects] == [("maintenance ends", 4 * 3600)]


def test_everything_an_endpoint_stands_on(explained):
    room, ask = explained
    found, sign_in = ask()
    assert found.view == room.service()
    assert (sign_in.evidence, sign_in.health) == (Evidence.SYMPTOM, Health.UP)
    assert (sign_in.last, sign_in.since) == (Reading(Reason.OK), 1000.0)
    assert sign_in.started == 1180.0


def test_the_guard(explained):
    room, ask = explained
    room.cue(Reason.SIGN_IN_REJECTED, "mfa/sign-in").passes(100)
    _, sign_in = ask()
    (again, stale) = sign_in.prospects
    assert again.what == "the guard lets it be tried again"
    assert room.now < again.at <= room.now + 600
    assert stale.at > again.at
    room.passes(2 * 3600)
    _, sign_in = ask()
    assert sign_in.standing == "stopped by the sign-in guard, until an operator resumes it"
    left = whats(sign_in.prospects)
    assert not {"the guard lets it be tried again", "read again by then"} & {*left}
    room.simulation.restart(resume=True)
    room.cue(Reason.OK, "mfa/sign-in").passes(3600)
    assert all(p.what != "the guard lets it be tried again" for p in ask()[1].prospects)


def test_flapping(explained):
    room, ask = explained
    for n in range(30):
        room.cue(Reason.OK if n % 2 else Reason.DEADLINE, "mfa/sign-in").passes(3)
    assert ask()[1].standing == "flapping: the worst is held until it rests"


def test_a_warn_is_no_clean_pass_and_counts_after_down_all_the_same(explained):
    room, ask = explained
    room.cue(Reason.SLOW, "mfa/sign-in").passes(300).cue(Reason.OK, "mfa/sign-in").passes(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100).cue(Reason.SLOW, "mfa/sign-in").passes(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"


def test_what_hangs_on_something_else_says_so(make_room, make_endpoint, usual_service):
    child = make_endpoint("sms", "send", Evidence.SYMPTOM, depends_on=("mfa/sign-in",))
    room = make_room(usual_service(), Service(id="sms", name="", endpoints=(child,))).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(60)
    room.cue(Reason.DEADLINE, "sms/send").passes(200)
    why = room.simulation.monitor.explain("sms").why
    assert why[1:] == (
        "all its trouble is explained by what it depends on: no incident of its own",
    )


def test_shallow_is_said_of_what_is_well_and_not_of_trouble(make_room, make_endpoint):
    page = make_endpoint("mfa", "health", Evidence.HEALTH)
    room = make_room(Service(id="mfa", name="", endpoints=(page,))).passes(200)
    shallow = "shallow: nothing proves a sign-in from end to end"
    assert room.simulation.monitor.explain("mfa").why == (shallow,)
    room.cue(Reason.HTTP_STATUS, "mfa/health").passes(200)
    assert shallow not in room.simulation.monitor.explain("mfa").why


def test_what_is_not_seen_is_listed(make_room, make_endpoint):
    endpoints = tuple(make_endpoint("mfa", name, Evidence.SYMPTOM) for name in ("a", "b"))
    room = make_room(Service(id="mfa", name="", endpoints=endpoints)).passes(200)
    room.cue(None, "mfa/a", "mfa/b").passes(3600)
    told = [p.what for p in room.simulation.monitor.explain("mfa").prospects]
    assert told == ["sighted when these have been read: mfa/a, mfa/b"]


def test_no_such_service(explained):
    assert explained[0].simulation.monitor.explain("gate") is None


def whats(prospects):
    return [p.what for p in prospects]


def test_an_unacknowledged_red_says_when_it_sounds_again(explained):
    room, ask = explained
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    found, _ = ask()
    again = next(p for p in found.prospects if p.what.startswith("the buzzer"))
    assert room.now < again.at <= room.now + 60.0
    assert "first-out: of the alarms that nobody has acknowledged, its came first" in found.why
    room.acknowledge()
    found, _ = ask()
    assert whats(found.prospects) == [RECOVERING_WHEN]
    assert found.lamps == (("red", "steady"), ("amber", "slow"))
    assert not any(why.startswith("first-out") for why in found.why)


def test_what_is_to_be_tested_by_hand_and_when_next(make_room):
    room = make_room(attest=(ITEM,)).passes(200)
    found = room.simulation.monitor.explain("mfa")
    assert whats(found.prospects) == ["no advisory for it once tested by hand: beacon attest keys"]
    assert "not tested for too long: Spare keys" in found.why
    room.simulation.tell(Attest(room.now, "keys", **WHO))
    (due,) = room.simulation.monitor.explain("mfa").prospects
    assert due.what == "advisory, if Spare keys is not tested by then"
    assert due.at == room.now + 3600.0


def test_a_drill_lies_over_every_service(explained):
    room, ask = explained
    room.simulation.tell(Drill(room.now, True, **WHO, seconds=600.0))
    found, _ = ask()
    assert [(o.kind, o.by) for o in found.overlays] == [("drill", "analyst")]
    assert [(p.what, p.at) for p in found.prospects] == [("drill ends", room.now + 600.0)]


def test_one_that_fails_from_the_start_says_how_far_it_is(make_room):
    room = make_room().cue(Reason.DEADLINE, "mfa/sign-in")
    while room.simulation.monitor.explain("mfa").endpoints[0].last is None:
        room.passes(1)
    sign_in = room.simulation.monitor.explain("mfa").endpoints[0]
    assert sign_in.health is Health.UNKNOWN
    assert sign_in.standing == "1 of 3 fails in a row until it is down"
