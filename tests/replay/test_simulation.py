"""A scripted past runs by the schedule of the live engine."""

from beacon.core.effects import Transition
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site
from beacon.core.views import EndpointRead
from beacon.replay.simulation import ScriptedReading, Simulation

SIGN_IN, RECORD = "mfa/sign-in", "mfa/record"


def played(until: float, readings, *endpoints: Endpoint) -> tuple[list[float], list[float]]:
    """When the sign-in was read, and when it went down."""
    site = Site(id="soc", services=(Service(id="mfa", name="MFA", endpoints=endpoints),))
    simulation = Simulation(site, 0.0, readings)
    effects = [*simulation.start(), *simulation.run(until)]
    mine = [e for e in effects if getattr(e, "endpoint", "") == SIGN_IN]
    return (
        [e.at for e in mine if isinstance(e, EndpointRead)],
        [e.at for e in mine if isinstance(e, Transition) and e.now is Health.DOWN],
    )


def polled(name: str, evidence: Evidence, **settings) -> Endpoint:
    return Endpoint(id=name, service="mfa", name=name, kind="http", evidence=evidence, **settings)


def test_a_recheck_that_a_sooner_one_replaced_takes_no_later_one_with_it():
    """The re-check due at 60 gives way to one at 40, after which the next is due at 100."""
    sign_in = polled(SIGN_IN, Evidence.SYMPTOM, interval=300.0, retry_interval=60.0)
    record = polled(RECORD, Evidence.CAUSE, failure_threshold=1, explains=(SIGN_IN,))
    readings = [
        ScriptedReading(0.0, SIGN_IN, Reading(Reason.DEADLINE)),
        ScriptedReading(40.0, RECORD, Reading(Reason.SPF_MISSING)),
    ]
    assert played(120.0, readings, sign_in, record) == ([0.0, 40.0, 100.0], [100.0])


def guarded() -> Endpoint:
    times = {"interval": 60.0, "retry_interval": 30.0, "stale_after": 210.0}
    return polled(SIGN_IN, Evidence.SYMPTOM, sign_in=True, **times)


def test_a_postponed_try_comes_with_the_first_regular_run_afterwards():
    """Two rejections, then none within `guard_interval`, which ends at 690."""
    readings = [
        ScriptedReading(0.0, SIGN_IN, Reading(Reason.OK)),
        ScriptedReading(60.0, SIGN_IN, Reading(Reason.SIGN_IN_REJECTED)),
    ]
    assert played(800.0, readings, guarded()) == ([0.0, 60.0, 90.0, 720.0], [90.0])


def test_no_reading_comes_while_none_may_be_made():
    """Another line of the script within `guard_interval` is read after it."""
    readings = [
        ScriptedReading(0.0, SIGN_IN, Reading(Reason.OK)),
        ScriptedReading(60.0, SIGN_IN, Reading(Reason.SIGN_IN_REJECTED)),
        ScriptedReading(500.0, SIGN_IN, Reading(Reason.OK)),
    ]
    assert played(720.0, readings, guarded())[0] == [0.0, 60.0, 90.0, 720.0]


def test_what_is_pushed_is_not_asked_again():
    sign_in = polled(SIGN_IN, Evidence.SYMPTOM, interval=300.0, stale_after=930.0, pushed=True)
    record = polled(RECORD, Evidence.CAUSE, failure_threshold=1, explains=(SIGN_IN,))
    readings = [
        ScriptedReading(0.0, SIGN_IN, Reading(Reason.OK)),
        ScriptedReading(40.0, RECORD, Reading(Reason.SPF_MISSING)),
    ]
    assert played(310.0, readings, sign_in, record)[0] == [0.0, 300.0]
