"""Who is due when: on the grid, without drift, without bursts, never twice at once."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.engine.schedule import FIRST_WITHIN, DueRun, Schedule, share

names = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=12)
intervals = st.floats(0.5, 900)


def made(plan: dict[str, float], start: float = 100.0) -> Schedule:
    schedule = Schedule()
    schedule.update(plan, start)
    return schedule


def turns_until(schedule: Schedule, end: float) -> list[tuple[float, DueRun]]:
    """Every turn taken by someone who always wakes when something is due."""
    taken = []
    while (due := schedule.next_due()) is not None and due <= end:
        taken += [(due, turn) for turn in schedule.due(due)]
    return taken


def test_nobody_to_watch_is_never_due():
    assert made({}).next_due() is None
    assert made({}).due(1e9) == ()


@given(names, intervals, st.floats(0, 1e6))
def test_turns_do_not_drift(name, interval, start):
    schedule = made({name: interval}, start)
    taken = [due for due, _ in turns_until(schedule, start + 50 * interval)]
    base = start + share(name) * interval
    for due in taken[1:]:
        turn = (due - base) / interval
        assert turn == pytest.approx(round(turn), abs=1e-6)
    gaps = [b - a for a, b in itertools.pairwise(taken[1:])]
    assert all(gap == pytest.approx(interval, abs=1e-6) for gap in gaps)


@given(names, intervals)
def test_the_first_turn_comes_soon_and_the_second_not_at_once(name, interval):
    schedule = made({name: interval}, 0.0)
    first, second = (due for due, _ in turns_until(schedule, 3 * interval)[:2])
    assert 0 <= first < min(interval, FIRST_WITHIN)
    assert 0.499 * interval <= second - first <= 1.501 * interval


@given(st.lists(st.floats(0.001, 100), max_size=40), intervals)
def test_missed_turns_are_skipped_and_each_wake_gives_one(steps, interval):
    schedule = made({"a/b": interval}, 0.0)
    now = 0.0
    for step in steps:
        now += step
        assert len(schedule.due(now)) <= 1
        due = schedule.next_due()
        assert due is not None
        assert now < due <= now + 1.51 * interval + FIRST_WITHIN


def test_a_thousand_endpoints_are_spread_evenly():
    plan = {f"service-{n % 40}/endpoint-{n}": 10.0 for n in range(1000)}
    taken = [due for due, turn in turns_until(made(plan, 0.0), 10.0)]
    per_second = [sum(1 for due in taken if second <= due < second + 1) for second in range(10)]
    assert sum(per_second) == 1000
    assert min(per_second) > 60
    assert max(per_second) < 150


def test_names_decide_the_offset_so_it_survives_a_restart():
    assert share("entra-mfa/sign-in") == share("entra-mfa/sign-in") != share("entra-mfa/metadata")
    assert 0 <= share("") < 1


def test_a_recheck_comes_beside_the_regular_turns():
    schedule = made({"a/b": 600.0}, 0.0)
    [(first, _)] = turns_until(schedule, 10.0)
    schedule.recheck(first, first + 5, ["a/b", "gone/away"])
    assert schedule.next_due() == first + 5
    assert schedule.due(first + 5) == (DueRun("a/b", first + 5, regular=False, requested=first),)
    assert schedule.next_due() > first + 299


def test_of_two_rechecks_the_sooner_serves_both():
    schedule = made({"a/b": 600.0}, 0.0)
    turns_until(schedule, 10.0)
    schedule.recheck(20.0, 30.0, ["a/b"])
    schedule.recheck(21.0, 40.0, ["a/b"])
    schedule.recheck(22.0, 25.0, ["a/b"])
    assert [t for _, t in turns_until(schedule, 100.0)] == [
        DueRun("a/b", 25.0, regular=False, requested=22.0)
    ]


def test_a_recheck_and_a_regular_turn_due_together_are_one():
    schedule = made({"a/b": 5.0}, 0.0)
    due = schedule.next_due()
    schedule.recheck(0.5, due, ["a/b"])
    assert schedule.due(due) == (DueRun("a/b", due, regular=True, requested=0.5),)


def test_of_runs_due_together_the_one_planned_first_comes_first():
    schedule = made({"a/b": 60.0, "a/c": 60.0, "a/d": 60.0}, 0.0)
    for endpoint in ("a/c", "a/d", "a/b"):
        schedule.begin(endpoint, 20.0)
    schedule.due(19.0)
    assert [run.endpoint for run in schedule.due(20.0)] == ["a/c", "a/d", "a/b"]


def test_a_turn_that_must_wait_keeps_what_it_is():
    schedule = made({"a/b": 60.0}, 0.0)
    [(due, turn)] = turns_until(schedule, 10.0)
    assert turn == DueRun("a/b", due, regular=True, requested=-math.inf)
    schedule.add(DueRun("a/b", due + 17, regular=True))
    assert [t.regular for _, t in turns_until(schedule, due + 20)] == [True]


def test_an_update_leaves_the_unchanged_alone():
    schedule = made({"a/keep": 7.0, "a/drop": 7.0, "a/change": 7.0}, 0.0)
    turns_until(schedule, 100.0)
    kept = made({"a/keep": 7.0}, 0.0)
    turns_until(kept, 100.0)
    schedule.recheck(100.0, 101.0, ["a/drop", "a/keep"])
    schedule.update({"a/keep": 7.0, "a/change": 3.0, "a/new": 3.0}, 100.0)
    taken = turns_until(schedule, 121.0)
    assert {turn.endpoint for _, turn in taken} == {"a/keep", "a/change", "a/new"}
    assert [d for d, t in taken if t.endpoint == "a/keep" and t.regular] == [
        d for d, _ in turns_until(kept, 121.0)
    ]
    assert next(d for d, t in taken if t.endpoint == "a/new") == 100.0 + share("a/new") * 3.0


def test_an_endpoint_that_went_and_came_back_runs_once_a_turn():
    schedule = made({"a/b": 10.0}, 0.0)
    schedule.update({}, 1.0)
    assert schedule.next_due() is None
    schedule.update({"a/b": 10.0}, 0.0)
    assert len(turns_until(schedule, 9.99)) == 1


def test_turns_begin_when_asked_and_go_on_from_there():
    schedule = made({"a/b": 900.0, "a/c": 900.0}, 0.0)
    schedule.begin("a/b", 500.0)
    schedule.begin("gone/away", 1.0)
    taken = [due for due, turn in turns_until(schedule, 2400.0) if turn.endpoint == "a/b"]
    assert taken == [500.0, 1400.0, 2300.0]
    schedule.add(DueRun("a/b", 2500.0, regular=False))
    assert schedule.next_due() == 2500.0, "a turn that somebody asks for is not held"


def test_a_held_endpoint_has_no_turn_until_then_and_stays_on_its_grid():
    schedule, free = made({"a/b": 60.0}, 0.0), made({"a/b": 60.0}, 0.0)
    turns_until(schedule, 10.0)
    schedule.recheck(10.0, 40.0, ["a/b"])
    schedule.hold("a/b", 10.0, 610.0)
    schedule.recheck(11.0, 41.0, ["a/b"])
    schedule.hold("gone/away", 10.0, 610.0)
    taken = [due for due, _ in turns_until(schedule, 800.0)]
    assert taken == [due for due, _ in turns_until(free, 800.0) if due > 610.0]
    schedule.recheck(800.0, 801.0, ["a/b"])
    assert schedule.next_due() == 801.0


def test_held_for_ever_until_it_is_let_go():
    schedule = made({"a/b": 60.0}, 0.0)
    schedule.hold("a/b", 0.0, math.inf)
    assert schedule.next_due() is None
    schedule.hold("a/b", 500.0, 0.0)
    assert 500.0 < schedule.next_due() <= 560.0


def test_changed_settings_end_a_hold():
    schedule = made({"a/b": 60.0}, 0.0)
    schedule.hold("a/b", 0.0, math.inf)
    schedule.update({"a/b": 60.0}, 100.0, changed={"a/b"})
    assert 100.0 <= schedule.next_due() < 110.0
