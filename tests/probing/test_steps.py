"""Steps: which one failed, what each took, what may be shown."""

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.probing.steps import SIGN_OUT_BUDGET, signing_out, step


def test_the_seconds_of_each_step_are_the_phases(clock: ManualClock) -> None:
    run = Run(clock, 10.0)
    for name, seconds in (("password", 1.5), ("code", 0.25)):
        with step(run, name):
            clock.advance(seconds)
    reading = timed(run, Reading(Reason.OK, "accepted"))
    assert reading == Reading(Reason.OK, "accepted", 1.75, (("password", 1.5), ("code", 0.25)))
    assert [note.split("ms  ")[1] for note in run.notes] == ["step password", "step code"]


def test_trouble_names_its_step(clock: ManualClock) -> None:
    run = Run(clock, 10.0)

    def ask() -> None:
        with step(run, "code"):
            clock.advance(2.0)
            raise ProbeFailure(Reason.HTTP_STATUS, "status 500")

    with pytest.raises(ProbeFailure) as caught:
        ask()
    assert caught.value.reading == Reading(Reason.HTTP_STATUS, "code: status 500")
    assert run.steps == [("code", 2.0)]


def test_a_deadline_passes_through(clock: ManualClock) -> None:
    with pytest.raises(DeadlinePassed), step(Run(clock, 10.0), "code"):
        raise DeadlinePassed


@pytest.mark.parametrize("raised", [None, DeadlinePassed(), ProbeFailure(Reason.HTTP_STATUS, "no")])
def test_somebody_who_is_signed_in_when_time_is_up_is_signed_out(raised):
    run = Run(SystemClock(), 0.0)
    left = []

    def leave(after):
        left.append(after.remaining())
        if raised is not None:
            raise raised

    with pytest.raises(DeadlinePassed), signing_out(run, leave):
        run.remaining()
    assert 0 < left[0] <= SIGN_OUT_BUDGET


def test_whose_time_is_not_up_is_left_alone():
    run = Run(SystemClock(), 60.0)
    with signing_out(run, lambda _: pytest.fail("signed out")):
        pass
    with pytest.raises(ProbeFailure), signing_out(run, lambda _: pytest.fail("signed out")):
        raise ProbeFailure(Reason.HTTP_STATUS, "no")
