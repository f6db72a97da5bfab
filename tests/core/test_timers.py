"""Deadlines by name."""

import math

from hypothesis import given
from hypothesis import strategies as st

from beacon.core.timers import Timers


def test_nothing_set_is_never():
    assert Timers().next() == math.inf


def test_moving_later_earlier_and_dropping():
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("b", 7.0)
    timers.set("a", 9.0)
    assert (timers.next(), timers.get("a")) == (7.0, 9.0)
    timers.set("a", 1.0)
    assert timers.next() == 1.0
    timers.set("a", None)
    assert timers.next() == 7.0
    assert timers.pop() == "b"
    assert timers.next() == math.inf
    timers.set("c", math.inf)
    assert timers.next() == math.inf


def test_among_equals_the_first_set_comes_first():
    timers = Timers()
    for name in "zyx":
        timers.set(name, 3.0)
    assert [timers.pop() for _ in "zyx"] == ["z", "y", "x"]


moves = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 50))), max_size=60
)


@given(moves)
def test_it_is_a_dictionary_that_knows_its_minimum(script):
    timers, model = Timers(), {}
    for name, at in script:
        timers.set(name, None if at is None else float(at))
        model.pop(name, None)
        if at is not None:
            model[name] = float(at)
        assert timers.next() == min(model.values(), default=math.inf)
    while model:
        due = timers.next()
        name = timers.pop()
        assert model.pop(name) == due
