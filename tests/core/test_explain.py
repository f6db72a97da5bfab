"""Why the lamp is as it is: sentences that follow the core's own state."""

import pytest

from beacon.core.events import Maintenance, Shelve
from beacon.core.model import Health, Reason

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
    assert found.prospects[0].what == "recovering when every cell is up; ok 900 s after that"
    room.cue(Reason.OK, "mfa/sign-in").passes(2)
    assert ask()[1].standing == "1 of 2 passes in a row until it is up"
    room.passes(60)
    (hold,) = ask()[0].prospects
    assert hold.what == "ok, if all stays up until then"
    assert room.now < hold.at <= room.now + 900


def test_degraded(explained):
    room, ask = explained
    room.cue(Reason.SLOW, "mfa/sign-in").passes(300)
    found, sign_in = ask()
    assert found.prospects[0].what == "ok 300 s after all is up"
    assert sign_in.standing == "0 of 2 passes in a row until it is up"


def test_errors_blindness_and_what_is_held(explained):
    room, ask = explained
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    room.cue(Reason.INTERNAL_ERROR, "mfa/sign-in").passes(1)
    assert ask()[1].standing == "1 of 3 errors in a row until it is unknown"
    room.passes(200)
    found, _ = ask()
    assert "gray_failure is held while we are blind" in found.why
    assert found.prospects[-1].what == "sighted when these have been read: mfa/sign-in"


def test_the_hold_waits_while_we_are_blind(explained):
    room, ask = explained
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    room.cue(Reason.OK, "mfa/sign-in").passes(100)
    room.cue(None, "mfa/sign-in").passes(300)
    assert any("waits until we see again" in p.what for p in ask()[0].prospects)


def test_never_read(make_room):
    found = make_room().simulation.monitor.explain("mfa")
    assert {e.standing for e in found.endpoints} == {"one pass until it is up"}
    assert all(e.started is None and e.last is None for e in found.endpoints)


def test_a_silent_endpoint_says_when_it_will_be_unknown(explained):
    room, ask = explained
    stale = ask()[1].prospects[0]
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
    assert "it was suppressed until now" in ask()[0].why[1]


def test_maintenance_without_an_end_has_none(explained):
    room, ask = explained
    room.simulation.tell(Maintenance(room.now, "mfa", True, **WHO))
    found, _ = ask()
    assert (len(found.overlays), found.prospects) == (1, ())


def test_no_such_service(explained):
    assert explained[0].simulation.monitor.explain("gate") is None
