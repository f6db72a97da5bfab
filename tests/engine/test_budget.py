"""What runs hold: each within its own limit, and all within one."""

import gc
import logging

import pytest

from beacon.engine.budget import Budget, TooMuchHeld


def test_one_run_holds_so_much_and_not_a_byte_more() -> None:
    holder = Budget(one=2 << 20, together=9 << 20).holder()
    holder.hold(1 << 20)
    holder.hold(1 << 20)
    with pytest.raises(TooMuchHeld) as raised:
        holder.hold(1)
    assert not raised.value.ours
    assert raised.value.words == "the answers of one run are longer than 2 MiB together"


def test_all_runs_together_hold_so_much_until_one_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = Budget(one=2 << 20, together=3 << 20)
    first, second = budget.holder(), budget.holder()
    first.hold(2 << 20)
    second.hold(1 << 20)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            with pytest.raises(TooMuchHeld) as raised:
                second.hold(1)
    assert raised.value.ours
    assert raised.value.words == "all runs together hold more than 3 MiB"
    counts = [record.getMessage().rpartition("(")[2] for record in caplog.records]
    assert counts == ["1 so far)", "10 so far)"]
    first.let_go()
    second.hold(1)


def test_a_run_that_is_forgotten_holds_nothing() -> None:
    budget = Budget(one=2 << 20, together=2 << 20)
    forgotten = budget.holder()
    forgotten.hold(2 << 20)
    del forgotten
    gc.collect()
    budget.holder().hold(2 << 20)
