"""The exception that carries a reading, and the reading's last touches."""

from beacon.core.model import Reading, Reason
from beacon.engine.run import Phase, Run
from beacon.net.probe_failure import ProbeFailure, timed


def test_it_carries_its_reading():
    trouble = ProbeFailure(Reason.TLS_NAME, "of another")
    assert trouble.reading == Reading(Reason.TLS_NAME, "of another")
    assert str(trouble) == "tls_name"


def test_a_reading_is_timed_with_its_last_phase(clock):
    run = Run(clock, 5.0)
    run.enter(Phase.CONNECT)
    clock.advance(1)
    run.enter(Phase.READ)
    clock.advance(2)
    reading = timed(run, Reading(Reason.OK, "well"))
    assert reading == Reading(Reason.OK, "well", 3.0, (("connect", 1.0), ("read", 2.0)))
