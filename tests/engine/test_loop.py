"""The deciding thread: what it folds, what it starts, and that nothing holds it up."""

import logging
import threading

import pytest

from beacon.core.account.approach import Approach
from beacon.core.effects import Control, FirstDue, Recheck
from beacon.core.inputs import Acknowledge, Controlled, QuietHours, RunDelayed, TimePassed
from beacon.core.model import Health, Reading, Reason, Site
from beacon.core.views import EndpointRead
from beacon.engine.loop import NOT_ASKED, ScheduledProbe
from beacon.engine.run import Phase
from beacon.engine.schedule import share
from beacon.engine.workers import GRACE

FAIL = Reading(Reason.CONNECT_REFUSED)


def settle(house) -> None:
    """Wait for every run that is in flight."""
    while any(not task.over for task in house.engine.workers._tasks.values()):
        house.turn(wait=10)


def step_to(house, clock, moment: float) -> None:
    """Move on from due to due, as the running loop would; every run is waited for."""
    settle(house)
    while (due := house.engine.schedule.next_due()) is not None and due <= moment:
        clock.advance(max(0.0, due - clock.monotonic()))
        house.turn()
        settle(house)
    clock.advance(moment - clock.monotonic())
    house.turn()


def test_the_first_state_is_shown_before_anything_was_asked(house):
    house.watch({})
    assert [e.endpoint for e in house.output.effects] == ["started"]


def test_runs_happen_on_the_grid_and_reach_the_judge(house, clock, passing):
    probe = passing()
    house.watch({"a/b": probe}, interval=10.0)
    step_to(house, clock, 1060.0)
    assert probe.runs == 6
    assert [e.started for e in house.judge.readings()] == [
        pytest.approx(1000 + share("a/b") * 10 + 10 * k) for k in range(6)
    ]
    assert all(e.regular for e in house.judge.readings())


def test_what_is_pushed_is_never_run_and_its_new_settings_reach_the_judge(house, clock, passing):
    probe, other = passing(), passing()
    house.engine.start(
        {"a/b": ScheduledProbe(probe, None, 2.0), "c/d": ScheduledProbe(other, 10.0, 2.0)}
    )
    house.judge.answer = lambda event: (Recheck(event.at, event.at, ("a/b",)),)
    step_to(house, clock, 1060.0)
    assert (probe.runs, other.runs) == (0, 6)
    assert {e.endpoint for e in house.judge.readings()} == {"c/d"}
    house.engine.reconfigure(Site(id="x"), {"a/b": ScheduledProbe(other, None, 2.0)})
    assert house.judge.changed == {"a/b", "c/d"}


def test_a_recheck_is_run_beside_the_schedule_and_says_so(house, clock, passing):
    house.judge.answer = lambda event: (
        (Recheck(event.at, event.at + 1, ("a/b",)),) if event.regular else ()
    )
    house.watch({"a/b": passing()}, interval=600.0)
    step_to(house, clock, 1020.0)
    first, second = house.judge.readings()
    assert (first.regular, second.regular) == (True, False)
    assert second.started == first.at + 1


def test_an_endpoint_whose_last_reading_counts_is_not_run_at_once(house, clock, passing):
    probe = passing()
    house.watch({"a/b": probe}, interval=900.0)
    house.judge.answer = lambda event: (
        (FirstDue(event.at, "a/b", 1700.0),) if isinstance(event, Acknowledge) else ()
    )
    house.engine.post(Acknowledge(1000.0, by="a", origin="cli"))
    house.turn()
    step_to(house, clock, 1699.0)
    assert probe.runs == 0
    step_to(house, clock, 1701.0)
    assert probe.runs == 1


def test_the_judge_is_called_at_its_deadline(house, clock):
    house.watch({})
    house.judge.deadline = 1003.0
    clock.advance(2.999)
    house.turn()
    assert house.judge.events == []
    clock.advance(0.001)
    house.turn()
    assert house.judge.events == [TimePassed(1003.0)]


def test_time_only_moves_forward_for_the_judge(house, clock):
    house.watch({})
    late, early = (
        Acknowledge(1000.5, by="a", origin="cli"),
        Acknowledge(1000.2, by="b", origin="cli"),
    )
    clock.advance(1)
    house.engine.post(late)
    house.engine.post(early)
    house.turn()
    assert [e.at for e in house.judge.events] == [1000.5, 1000.5]


def test_a_hanging_endpoint_delays_nobody(live, hanging, passing, eventually):
    quick = {f"quick/{n}": passing() for n in range(5)}
    slow = {f"slow/{n}": hanging(Phase.READ) for n in range(20)}
    live.watch({**quick, **slow}, interval=0.2, timeout=30.0)
    live.run()
    eventually(lambda: all(p.runs == 1 for p in slow.values()), "every slow one hangs")
    seen = {name: probe.runs for name, probe in quick.items()}
    eventually(lambda: all(p.runs > seen[n] + 4 for n, p in quick.items()), "the quick go on")
    assert all(p.runs == 1 for p in slow.values())


def test_a_stuck_name_resolution_reads_the_same_again_without_a_second_thread(
    house, clock, hanging
):
    probe = hanging(Phase.DNS)
    house.watch({"a/b": probe}, interval=10.0, timeout=2.0)
    clock.advance(share("a/b") * 10)
    house.turn()
    assert probe.entered.acquire(timeout=60)
    for _ in range(3):
        clock.advance(2)
        house.turn()
        clock.advance(8)
        house.turn()
    assert probe.runs == 1
    assert [e.reading.reason for e in house.judge.readings()] == [Reason.DNS_TIMEOUT] * 4
    probe.go_on.set()
    house.turn(wait=10)
    clock.advance(10)
    house.turn()
    house.turn(wait=10)
    assert [e.reading.reason for e in house.judge.readings()][-1] is Reason.OK


def test_a_recheck_that_finds_a_worker_on_its_way_back_waits_for_it(house, clock, hanging):
    probe = hanging(Phase.READ)
    house.watch({"a/b": probe}, interval=10.0, timeout=2.0)
    clock.advance(share("a/b") * 10)
    house.turn()
    assert probe.entered.acquire(timeout=60)
    clock.advance(2)
    house.turn()
    house.engine.schedule.recheck(clock.monotonic(), clock.monotonic(), ["a/b"])
    clock.advance(GRACE / 2)
    house.turn()
    assert len(house.judge.readings()) == 1
    probe.go_on.set()
    house.turn(wait=10)
    house.turn(wait=10)
    assert [e.reading.reason for e in house.judge.readings()] == [Reason.DEADLINE, Reason.OK]
    assert [e.regular for e in house.judge.readings()] == [True, False]


def test_a_recheck_asked_for_during_a_run_is_answered_by_another(house, clock, hanging):
    probe = hanging()
    house.watch({"a/b": probe}, interval=10.0, timeout=9.0)
    clock.advance(share("a/b") * 10)
    house.turn()
    assert probe.entered.acquire(timeout=60)
    clock.advance(1)
    house.engine.schedule.recheck(clock.monotonic(), clock.monotonic(), ["a/b"])
    house.turn()
    assert probe.runs == 1
    probe.go_on.set()
    house.turn(wait=10)
    house.turn(wait=10)
    first, second = house.judge.readings()
    assert second.started >= first.at
    assert not second.regular


def test_a_regular_turn_met_by_a_recheck_in_flight_makes_that_one_regular(house, clock, hanging):
    probe = hanging()
    house.watch({"a/b": probe}, interval=10.0, timeout=9.0)
    house.engine.schedule.recheck(1000.0, 1000.0, ["a/b"])
    house.turn()
    assert probe.entered.acquire(timeout=60)
    clock.advance(share("a/b") * 10)
    house.turn()
    probe.go_on.set()
    house.turn(wait=10)
    [seen] = house.judge.readings()
    assert seen.regular
    assert probe.runs == 1


def test_a_probe_that_must_wait_is_run_later(house, clock, passing):
    probe = passing(held=7.0)
    house.watch({"a/b": probe}, interval=60.0)
    first = 1000 + share("a/b") * 10
    clock.advance(first - 1000)
    house.turn()
    assert probe.runs == 0
    assert house.engine.schedule.next_due() == pytest.approx(first + 7)
    probe.held = 0.0
    clock.advance(7)
    house.turn()
    house.turn(wait=10)
    assert [e.regular for e in house.judge.readings()] == [True]


def test_a_probe_that_cannot_say_how_long_it_waits_has_a_bug(house, clock, passing, caplog):
    probe = passing()
    probe.wait = lambda utc, memory: 1 / 0
    house.watch({"a/b": probe})
    clock.advance(10)
    house.turn()
    [seen] = house.judge.readings()
    assert seen.reading == Reading(Reason.INTERNAL_ERROR, "bug in the probe: ZeroDivisionError")
    assert "a/b" in caplog.text


def test_a_broken_output_costs_itself_only(make_house, clock, noting_output, caplog):
    broken = noting_output("broken", broken=True)
    house = make_house(clock, outputs=[broken])
    house.judge.answer = lambda event: (EndpointRead(event.at, "x", FAIL, Health.DOWN, 1),)
    with caplog.at_level(logging.DEBUG):
        house.watch({})
        for _ in range(3):
            house.engine.post(TimePassed(clock.monotonic()))
            house.turn()
    assert len(house.output.effects) == 4
    assert caplog.text.count("output broken failed") == 1
    assert "ValueError" in caplog.text
    assert "hunter2" not in caplog.text.replace('raise ValueError("password=hunter2")', "")
    broken.broken = False
    house.engine.post(TimePassed(clock.monotonic()))
    house.turn()
    assert len(broken.effects) == 1


def test_the_watchdog_is_fed_only_while_the_renderer_lives(house, clock):
    house.watch({})
    house.turn()
    assert house.fed == 0
    house.renderer.beat()
    for _ in range(4):
        clock.advance(1)
        house.turn()
    assert house.fed == 4
    for _ in range(20):
        clock.advance(1)
        house.turn()
    assert house.fed == 4
    assert house.heart.beating


def test_polls_are_called_once_a_second(make_house, clock):
    asked = []

    def poll(at: float) -> QuietHours | None:
        asked.append(at)
        return QuietHours(at, on=True) if len(asked) == 2 else None

    house = make_house(clock, polls=[poll])
    house.watch({})
    for _ in range(8):
        clock.advance(0.5)
        house.turn()
    assert asked == [1000.5, 1001.5, 1002.5, 1003.5]
    assert house.judge.events == [QuietHours(1001.5, on=True)]


def test_lag_is_the_worst_lateness_of_the_last_minute(house, clock):
    house.watch({})
    house.engine._wake = clock.monotonic()
    clock.advance(0.3)
    house.turn()
    assert house.engine.lag() == pytest.approx(0.3)
    for _ in range(70):
        house.engine._wake = clock.monotonic() + 1
        clock.advance(1)
        house.turn()
    assert house.engine.lag() == 0.0


def test_ask_runs_in_the_deciding_thread_and_brings_back_what_came(live):
    live.watch({})
    live.run()
    deciding = live.engine.ask(threading.current_thread, 10)
    assert deciding is not threading.current_thread()
    live.judge.answer = lambda event: (EndpointRead(event.at, "answer", FAIL, Health.DOWN, 1),)
    event = Acknowledge(live.clock.monotonic(), by="a", origin="cli")
    [effect] = live.engine.ask(lambda: live.engine.act(event), 10)
    assert effect.endpoint == "answer"
    with pytest.raises(ZeroDivisionError):
        live.engine.ask(lambda: 1 / 0, 10)
    live.engine.ask(lambda: None, 10)
    assert [e.endpoint for e in live.output.effects] == ["started", "answer"]


def test_asking_a_loop_that_does_not_turn_times_out(house):
    with pytest.raises(TimeoutError):
        house.engine.ask(lambda: None, 0.01)


def test_a_reload_keeps_what_did_not_change(house, clock, hanging, passing):
    keep, change, drop = passing(), hanging(), hanging()
    house.watch({"a/keep": keep, "a/change": change, "a/drop": drop}, interval=10.0, timeout=9.0)
    clock.advance(9.99)
    house.turn()
    assert change.entered.acquire(timeout=60)
    assert drop.entered.acquire(timeout=60)
    due = 1000 + share("a/keep") * 10
    fresh = passing()
    watched = {
        "a/keep": ScheduledProbe(keep, 10.0, 9.0),
        "a/change": ScheduledProbe(fresh, 10.0, 9.0),
    }
    house.engine.reconfigure(Site(id="other"), watched)
    assert house.judge.changed == {"a/change", "a/drop"}
    change.go_on.set()
    drop.go_on.set()
    while house.engine.workers.task("a/change") or house.engine.workers.task("a/drop"):
        house.turn(wait=10)  # until their old runs are back, they are occupied
    step_to(house, clock, due + 10)
    assert "reconfigured other" in [e.endpoint for e in house.output.effects]
    assert {e.endpoint for e in house.judge.readings()} <= {"a/keep", "a/change"}
    assert house.judge.readings("a/keep")[-1].started == pytest.approx(due + 10)
    assert house.judge.readings("a/change") == []  # what the old settings saw is not wanted
    assert (change.runs, drop.runs) == (1, 1)
    step_to(house, clock, due + 20)
    assert fresh.runs >= 1


def test_the_loop_waits_for_the_next_thing_due(house, clock):
    house.watch({})
    house.turn()
    assert house.engine._next_wake() == 1001.0
    house.judge.deadline = 1000.25
    assert house.engine._next_wake() == 1000.25


def test_a_poll_that_breaks_costs_only_itself_and_is_logged_once(make_house, clock, caplog):
    asked = []

    def broken(_at: float) -> None:
        raise OSError(24, "Too many open files")

    house = make_house(clock, polls=[broken, asked.append])
    house.watch({})
    for _ in range(4):
        clock.advance(1)
        house.turn()
    assert len(asked) == 4
    assert [r.levelname for r in caplog.records] == ["ERROR"]


# --- sign-ins ---------------------------------------------------------------------


def test_what_is_held_is_not_run_and_has_a_reading(house, clock, passing):
    probe = passing()
    house.judge.approaches["a/b"] = Approach.HOLD
    house.watch({"a/b": probe}, interval=10.0)
    step_to(house, clock, 1030.0)
    assert probe.runs == 0
    assert {e.reading for e in house.judge.readings()} == {NOT_ASKED}


def test_of_two_with_one_account_only_one_runs_at_a_time(house, clock, hanging):
    first, second = hanging(), hanging()
    house.judge.shared = {"a/b": ("c/d",), "c/d": ("a/b",)}
    house.watch({"a/b": first, "c/d": second}, interval=100.0, timeout=50.0)
    clock.advance(100.0)
    house.turn()
    started = [name for name in ("a/b", "c/d") if house.engine.workers.task(name)]
    assert len(started) == 1
    assert [e.seconds for e in house.judge.events if isinstance(e, RunDelayed)] == [1.0]


def test_a_negative_control_follows_at_once_and_a_run_that_is_due_meanwhile_comes_after(
    house, clock, hanging
):
    probe = hanging(Phase.WAIT)
    house.watch({"a/b": probe}, interval=10.0, timeout=50.0)
    house.judge.answer = lambda event: (
        (Control(event.at, "a/b"),) if isinstance(event, TimePassed) else ()
    )
    house.engine.act(TimePassed(clock.monotonic()))
    task = house.engine.workers.task("a/b")
    assert (task.run.wrong_code, task.regular) == (True, False)
    clock.advance(20.0)
    house.turn()
    assert task.again.regular, "it is no reading: the regular run is still to come"
    probe.go_on.set()
    while house.engine.workers.task("a/b") is task:
        house.turn(wait=10)
    house.turn()
    [controlled] = [e for e in house.judge.events if isinstance(e, Controlled)]
    assert controlled.endpoint == "a/b"
    settle(house)
    assert len(house.judge.readings("a/b")) == 1
