"""Sign-ins that the guard stopped, and how an operator lets them be tried again."""

import math

import pytest

from beacon.core.effects import Answered, Postpone
from beacon.core.inputs import Resume
from beacon.core.model import Reason, Verdict

MINUTE, HOUR = 60.0, 3600.0
SIGN_IN = "mfa/sign-in"


@pytest.fixture(params=[Reason.SIGN_IN_REJECTED, Reason.CODE_WRONG])
def stopped(make_harness, request):
    """A proven sign-in, rejected until the guard stopped it."""
    harness = make_harness().advance(10 * MINUTE)
    harness.script(request.param, SIGN_IN).advance(2 * HOUR)
    assert "guard_stopped" in harness.service().overlays
    return harness.acknowledge().clear_effects()


def resume(harness, service=None):
    found = harness.simulation.tell(
        Resume(harness.now, service, by="analyst", origin="cli", reason="unlocked")
    )
    harness.effects += found
    return found


@pytest.mark.parametrize("named", [None, "mfa", SIGN_IN])
def test_a_resumed_sign_in_is_tried_at_once_and_may_pass(stopped, named):
    [answer] = [e for e in resume(stopped, named) if isinstance(e, Answered)]
    assert (answer.ok, answer.by, answer.command) == (True, "analyst", "resume")
    assert "guard_stopped" not in stopped.service().overlays
    assert stopped.verdict() is Verdict.GRAY_FAILURE, "held until it passes"
    stopped.script(Reason.OK, SIGN_IN).advance(10 * MINUTE)
    assert stopped.verdict() is Verdict.RECOVERING
    stopped.advance(HOUR)
    assert stopped.verdict() is Verdict.OK


def test_rejected_again_it_stops_after_that_one_try(stopped):
    resume(stopped)
    stopped.clear_effects().advance(2 * HOUR)
    assert len([e for e in stopped.effects if hasattr(e, "failures")]) >= 1
    sign_ins = [e for e in stopped.effects if hasattr(e, "failures") and e.endpoint == SIGN_IN]
    assert len(sign_ins) == 1
    assert "guard_stopped" in stopped.service().overlays
    assert stopped.sounds == [], "what was acknowledged makes no new sound"


def test_resuming_in_a_row_is_no_trying_in_a_row(stopped):
    resume(stopped)
    stopped.advance(2 * MINUTE)
    assert "guard_stopped" in stopped.service().overlays
    [rest] = [e for e in resume(stopped) if isinstance(e, Postpone)]
    assert stopped.now + 8 * MINUTE <= rest.until <= stopped.now + 10 * MINUTE


def test_credentials_that_never_passed_are_resumed_too(make_harness):
    harness = make_harness().script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(HOUR)
    [rest] = [e for e in resume(harness) if isinstance(e, Postpone)]
    assert rest.until < math.inf
    harness.script(Reason.OK, SIGN_IN).advance(5 * MINUTE)
    assert harness.verdict() is Verdict.OK
    assert harness.lamps == {"green": "steady"}


@pytest.mark.parametrize("named", [None, "mfa", "mfa/health", "nowhere"])
def test_where_nothing_is_stopped_it_is_refused(make_harness, named):
    harness = make_harness().advance(10 * MINUTE)
    [answer] = resume(harness, named)
    assert (answer.ok, answer.error) == (False, "no sign-in is stopped there")
