"""The sign-in guard: rejected credentials are tried rarely, then not at all."""

import math

import pytest

from beacon.core.account.guard import SignInGuard
from beacon.core.effects import Postpone, Transition
from beacon.core.inputs import TimePassed
from beacon.core.model import Health, Reading, Reason
from tests.core.endpoint.conftest import Desk, build


@pytest.mark.parametrize("first", ["", "P"])
def test_the_guard_does_not_stop_sign_ins_of_others(first):
    desk = Desk(build("mfa/a", pushed=True), witnesses=())
    if first:
        desk.read(5.0, "mfa/a")
    for at in range(10, 20):
        desk.read(float(at), "mfa/a", Reading(Reason.SIGN_IN_REJECTED))
        assert desk.report("mfa/a").reading.reason is Reason.SIGN_IN_REJECTED
    assert desk.monitor.view().stopped == ()
    assert desk.report("mfa/a").health is Health.DOWN


def test_credentials_that_never_passed_are_ours_and_the_figures_are_kept():
    desk = Desk(build("mfa/a", sign_in=True))
    rejected = Reading(Reason.SIGN_IN_REJECTED, "bad", 0.3, (("tls", 0.1),))
    effects = desk.read(1.0, "mfa/a", rejected)
    found = desk.report("mfa/a").reading
    assert found.reason is Reason.OWN_CREDENTIALS
    words = "credentials that never passed were rejected: mend them, then resume (bad)"
    assert found.detail == words
    assert (found.latency, found.phases) == (0.3, (("tls", 0.1),))
    assert Postpone(1.0, "mfa/a", math.inf) in effects


def test_rejections_are_spaced_and_then_stopped():
    desk = Desk(build("mfa/a", sign_in=True, guard_max=3), witnesses=())
    rejected = Reading(Reason.SIGN_IN_REJECTED)
    desk.read(1.0, "mfa/a")
    first = desk.read(10.0, "mfa/a", rejected)
    assert not [e for e in first if isinstance(e, Postpone)]
    assert desk.asked(first) == [(15.0, ("mfa/a",))]
    second = desk.read(15.0, "mfa/a", rejected)
    assert desk.report("mfa/a").health is Health.DOWN
    assert [e for e in second if isinstance(e, Postpone)] == [Postpone(15.0, "mfa/a", 615.0)]
    assert desk.asked(second) == []
    assert not [e for e in desk.monitor.handle(TimePassed(615.0)) if isinstance(e, Transition)]
    third = desk.read(616.0, "mfa/a", rejected)
    assert [e for e in third if isinstance(e, Postpone)] == [Postpone(616.0, "mfa/a", math.inf)]
    desk.monitor.handle(TimePassed(1e6))
    assert desk.report("mfa/a").health is Health.DOWN, "the stop holds"


@pytest.mark.parametrize(("knew", "knows"), [(None, None), (True, True), (False, None)])
def test_a_server_that_answered_no_knock_is_asked_once_more_after_a_restart(knew, knows):
    guard = SignInGuard(proven=True, stopped_at=5.0, knocks=knew)
    assert guard.recalled(resumed=False) == SignInGuard(True, stopped_at=5.0, knocks=knows)
    assert guard.recalled(resumed=True) == SignInGuard(True, knocks=knows)
