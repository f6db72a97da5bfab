"""The exception that carries a reading, and the reading's last touches."""

from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reading, Reason
from beacon.engine.run import Phase, Run
from beacon.transport.trouble import Trouble, one_line, timed


def test_carries_its_reading_on_one_line():
    trouble = Trouble(Reason.TLS_NAME, "two\nlines\tand \x1b[31m more")
    assert trouble.reading == Reading(Reason.TLS_NAME, "two lines and [31m more")
    assert str(trouble) == "tls_name"


@given(st.text(), st.integers(2, 300))
def test_a_line_is_printable_and_no_longer_than_allowed(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


def test_a_reading_is_timed_with_its_last_phase(clock):
    run = Run(clock, 5.0)
    run.enter(Phase.CONNECT)
    clock.advance(1)
    run.enter(Phase.READ)
    clock.advance(2)
    reading = timed(run, Reading(Reason.OK, "well"))
    assert reading == Reading(Reason.OK, "well", 3.0, (("connect", 1.0), ("read", 2.0)))
