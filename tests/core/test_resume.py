"""Sign-ins that the guard stopped, and how an operator lets them be tried again."""

import math

import pytest

from beacon.core.effects import Answered, Postpone
from beacon.core.inputs import Resume
from beacon.core.model import Reason, Verdict

MINUTE, HOUR = 60.0, 3600.0
SIGN_IN = "mfa/sign-in"


@pytest.fixture(params=[Reason.SIGN_IN_REJECTED, Reason.CODE_WRONG])
def stopped(make_room, request):
    """A proven sign-in, rejected until the guard stopped it."""
    room = make_room().passes(10 * MINUTE)
    room.cue(request.param, SIGN_IN).passes(2 * HOUR)
    assert "guard_stopped" in room.service().overlays
    return room.acknowledge().forget()


def resume(room, service=None):
    found = room.simulation.tell(
        Resume(room.now, service, by="analyst", origin="cli", reason="unlocked")
    )
    room.effects += found
    return found


@pytest.mark.parametrize("named", [None, "mfa", SIGN_IN])
def test_a_resumed_sign_in_is_tried_at_once_and_may_pass(stopped, named):
    [answer] = [e for e in resume(stopped, named) if isinstance(e, Answered)]
    assert (answer.ok, answer.by, answer.command) == (True, "analyst", "resume")
    assert "guard_stopped" not in stopped.service().overlays
    assert stopped.verdict() is Verdict.GRAY_FAILURE, "held until it passes"
    stopped.cue(Reason.OK, SIGN_IN).passes(10 * MINUTE)
    assert stopped.verdict() is Verdict.RECOVERING
    stopped.passes(HOUR)
    assert stopped.verdict() is Verdict.OK


def test_rejected_again_it_stops_after_that_one_try(stopped):
    resume(stopped)
    stopped.forget().passes(2 * HOUR)
    assert len([e for e in stopped.effects if hasattr(e, "failures")]) >= 1
    sign_ins = [e for e in stopped.effects if hasattr(e, "failures") and e.endpoint == SIGN_IN]
    assert len(sign_ins) == 1
    assert "guard_stopped" in stopped.service().overlays
    assert stopped.sounds == [], "what was acknowledged is not said again"


def test_resuming_in_a_row_is_no_trying_in_a_row(stopped):
    resume(stopped)
    stopped.passes(2 * MINUTE)
    assert "guard_stopped" in stopped.service().overlays
    [rest] = [e for e in resume(stopped) if isinstance(e, Postpone)]
    assert stopped.now + 8 * MINUTE <= rest.until <= stopped.now + 10 * MINUTE


def test_credentials_that_never_passed_are_resumed_too(make_room):
    room = make_room().cue(Reason.SIGN_IN_REJECTED, SIGN_IN).passes(HOUR)
    [rest] = [e for e in resume(room) if isinstance(e, Postpone)]
    assert rest.until < math.inf
    room.cue(Reason.OK, SIGN_IN).passes(5 * MINUTE)
    assert room.verdict() is Verdict.OK
    assert room.lamps == {"green": "steady"}


@pytest.mark.parametrize("named", [None, "mfa", "mfa/health", "nowhere"])
def test_where_nothing_is_stopped_it_is_refused(make_room, named):
    room = make_room().passes(10 * MINUTE)
    [answer] = resume(room, named)
    assert (answer.ok, answer.error) == (False, "no sign-in is stopped there")
