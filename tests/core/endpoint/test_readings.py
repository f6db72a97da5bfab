"""Readings in: what each is worth, whom it makes us ask, and what is published about it."""

from dataclasses import replace

import pytest

from beacon.core.effects import Postpone, Transition
from beacon.core.inputs import DateImplausible, Resume, RunDelayed, StorageDegraded, TimePassed
from beacon.core.model import ClockSeen, Evidence, Health, Reading, Reason, Site
from beacon.core.views import EndpointRead
from tests.core.endpoint.conftest import EYES, FAIL, LETTERS, PASS, Desk, build, eye

GONE = Reading(Reason.CONNECT_TIMEOUT)


def test_a_reading_is_reported_as_it_was_understood(desk):
    hung = Reading(Reason.DEADLINE, "hung", 5.0)
    report = EndpointRead(10.0, "mfa/a", hung, Health.UP, failures=1)
    assert report in desk.read(10.0, "mfa/a", hung)
    assert desk.report("mfa/a") == report


def test_a_late_pass_keeps_its_figures_and_says_why_it_is_a_warn():
    desk = Desk(build("mfa/a", slow_after=2.0))
    late = Reading(Reason.OK, "", 2.5, (("dns", 0.5), ("tls", 1.0)))
    desk.read(1.0, "mfa/a", late)
    found = desk.report("mfa/a").reading
    assert (found.reason, found.detail) == (Reason.SLOW, "took 2.5 s, more than 2 s")
    assert (found.latency, found.phases) == (late.latency, late.phases)


def test_the_first_fail_asks_all_witnesses_at_once_and_is_rechecked(desk):
    effects = desk.read(10.0, "mfa/a", FAIL)
    assert desk.asked(effects) == [(10.0, EYES), (15.0, ("mfa/a",))]
    effects = desk.read(15.0, "mfa/a", FAIL, regular=False)
    assert desk.asked(effects) == [(20.0, ("mfa/a",))], "one round a streak"


def test_witnesses_are_asked_at_most_every_two_seconds(desk):
    assert desk.asked(desk.read(10.0, "mfa/a", FAIL))[0] == (10.0, EYES)
    assert desk.asked(desk.read(10.0, "sms/b", FAIL)) == [(12.0, EYES), (15.0, ("sms/b",))]
    desk.read(11.0, "sms/b")
    assert desk.asked(desk.read(11.5, "sms/b", FAIL)) == [(16.5, ("sms/b",))], "one is on its way"
    desk.read(13.0, "sms/b")
    assert desk.asked(desk.read(13.5, "sms/b", FAIL))[0] == (14.0, EYES)
    desk.read(30.0, "sms/b")
    assert desk.asked(desk.read(31.0, "sms/b", FAIL))[0] == (31.0, EYES)


def down(desk, name, at):
    """Three fails; the health afterwards."""
    for n in range(3):
        desk.read(at + 5.0 * n, name, FAIL, regular=not n)
    return desk.report(name).health


def test_nothing_goes_down_before_our_own_eyes_were_asked(desk):
    assert down(desk, "mfa/a", 10.0) is Health.UP
    effects = desk.read(21.0, "witness/a")
    changed = [e for e in effects if isinstance(e, Transition)]
    assert changed == [Transition(21.0, "mfa/a", Health.UP, Health.DOWN, FAIL)]
    report = EndpointRead(21.0, "mfa/a", FAIL, Health.DOWN, failures=3)
    assert report in effects
    assert desk.report("mfa/a") == report
    assert not [e for e in desk.read(22.0, "witness/b") if isinstance(e, Transition)]
    kept = desk.monitor.remember(22.0).endpoints["mfa/a"]
    assert (kept.health, kept.since) == (Health.DOWN, 21.0)


def test_a_witness_that_began_before_the_first_fail_proves_nothing(desk):
    down(desk, "mfa/a", 10.0)
    desk.read(21.0, "witness/a", started=9.9)
    assert desk.report("mfa/a").health is Health.UP
    desk.read(22.0, "witness/a", started=10.0)
    assert desk.report("mfa/a").health is Health.DOWN


def test_something_else_that_passed_since_proves_the_uplink(desk):
    desk.read(10.0, "mfa/a", FAIL)
    desk.read(10.0, "sms/b")
    desk.read(15.0, "mfa/a", FAIL)
    desk.read(20.0, "mfa/a", FAIL)
    assert desk.report("mfa/a").health is Health.DOWN


def about(name, effects):
    return [e for e in effects if getattr(e, "endpoint", None) == name]


def nothing_is_reached(desk, at):
    """One witness fails, the other cannot be asked: the uplink is not lost, nor is it proved."""
    return desk.read(at, "witness/a", GONE) + desk.read(at, "witness/b", LETTERS["E"])


@pytest.mark.parametrize("witness", [nothing_is_reached, lambda desk, at: desk.read(at, EYES[0])])
def test_what_passes_while_it_waits_for_our_eyes_waits_no_longer(witness):
    """Pushed: its pass says nothing of our own uplink."""
    desk = Desk(build("mfa/a", pushed=True))
    desk.well(1.0, "mfa/a", *EYES)
    down(desk, "mfa/a", 10.0)
    desk.read(25.0, "mfa/a")
    assert about("mfa/a", witness(desk, 26.0)) == []
    assert desk.report("mfa/a").health is Health.UP


def test_a_fail_after_a_round_in_which_nothing_was_reached_is_ours(desk):
    for at in (10.0, 15.0):
        desk.read(at, "mfa/a", FAIL)
    nothing_is_reached(desk, 16.0)
    ours = Reading(Reason.OWN_NETWORK, "every witness outside fails")
    change = Transition(20.0, "mfa/a", Health.UP, Health.UNKNOWN, ours)
    assert change in desk.read(20.0, "mfa/a", FAIL)
    assert desk.monitor.remember(20.0).endpoints["mfa/a"].since == 20.0


def test_what_is_down_is_not_asked_about_again(desk):
    down(desk, "mfa/a", 10.0)
    desk.read(21.0, "sms/b")
    desk.read(25.0, "mfa/a", FAIL)
    assert desk.report("mfa/a").health is Health.DOWN
    others = (eye("witness/a"), eye("witness/b"), eye("witness/c"))
    desk.monitor.reconfigure(Site(id="soc", services=desk.services, witnesses=others), 26.0)
    desk.read(30.0, "witness/c", GONE)
    assert about("mfa/a", nothing_is_reached(desk, 30.0)) == []


def test_a_witness_is_down_at_once_and_asks_nobody(desk):
    assert desk.asked(desk.read(10.0, "witness/a", GONE)) == []
    assert desk.report("witness/a").health is Health.DOWN


def test_no_witness_reaches_anything_but_not_all_fail_then_the_fails_are_ours(desk):
    down(desk, "mfa/a", 10.0)
    down(desk, "sms/b", 10.5)
    effects = nothing_is_reached(desk, 22.5)
    ours = Reading(Reason.OWN_NETWORK, "every witness outside fails")
    assert [e for e in effects if isinstance(e, Transition) and e.endpoint not in EYES] == [
        Transition(22.5, "mfa/a", Health.UP, Health.UNKNOWN, ours),
        Transition(22.5, "sms/b", Health.UP, Health.UNKNOWN, ours),
    ]


def test_a_lost_uplink_voids_everything_outside_once(desk):
    down(desk, "mfa/a", 10.0)
    down(desk, "sms/b", 10.5)
    desk.read(22.0, "witness/a", GONE)
    effects = desk.read(22.5, "witness/b", GONE)
    ours = Reading(Reason.OWN_NETWORK, "every witness outside fails")
    changed = [e for e in effects if isinstance(e, Transition) and e.endpoint not in EYES]
    assert changed == [
        Transition(22.5, "mfa/a", Health.UP, Health.UNKNOWN, ours),
        Transition(22.5, "sms/b", Health.UP, Health.UNKNOWN, ours),
    ]
    assert desk.report("sms/b") == EndpointRead(22.5, "sms/b", ours, Health.UNKNOWN, 0)
    assert desk.monitor.view().overall.network == "lost"
    assert about("sms/b", desk.read(32.0, "witness/b", GONE)) == []
    assert desk.monitor.remember(32.0).endpoints["mfa/a"].since == 22.5
    desk.read(33.0, "mfa/a", Reading(Reason.DEADLINE, "x", 4.0))
    assert desk.report("mfa/a").reading == Reading(ours.reason, ours.detail, 4.0)


def test_a_fail_that_began_within_a_loss_or_right_after_it_proves_nothing(desk):
    down(desk, "mfa/a", 10.0)
    for name in EYES:
        desk.read(22.0, name, GONE)
    desk.read(40.0, "witness/a")
    assert desk.monitor.view().overall.network == "ok"
    desk.read(42.0, "mfa/a", FAIL, started=41.9)
    assert desk.report("mfa/a").reading.reason is Reason.OWN_NETWORK
    desk.read(42.0, "mfa/a", FAIL, started=42.0)
    assert desk.report("mfa/a").reading.reason is Reason.DEADLINE
    desk.read(43.0, "mfa/a", started=41.0)
    assert desk.report("mfa/a").health is Health.UP


def test_a_pass_outside_ends_the_loss_and_is_itself_taken(desk):
    down(desk, "mfa/a", 10.0)
    for name in EYES:
        desk.read(22.0, name, GONE)
    effects = desk.read(30.0, "mfa/a")
    assert desk.monitor.view().overall.network == "ok"
    assert Transition(30.0, "mfa/a", Health.UNKNOWN, Health.UP, PASS) in effects


def test_local_endpoints_are_unknown_only_with_the_lan():
    lan = (eye("witness/gateway", local=True), *map(eye, EYES))
    desk = Desk(build("mfa/a"), build("mfa/door", local=True), witnesses=lan)
    desk.well(1.0, "mfa/a", "mfa/door", "witness/gateway", *EYES)
    for name in EYES:
        desk.read(20.0, name, GONE)
    assert desk.report("mfa/a").health is Health.UNKNOWN
    assert desk.report("mfa/door").health is Health.UP
    desk.read(21.0, "mfa/door", FAIL, started=20.5)
    assert desk.report("mfa/door").reading.reason is Reason.DEADLINE
    desk.read(22.0, "witness/gateway", GONE)
    assert desk.report("mfa/door").health is Health.UNKNOWN
    desk.read(30.0, "witness/gateway")
    desk.read(31.0, "mfa/door", FAIL, started=29.0)
    assert desk.report("mfa/door").reading.reason is Reason.DEADLINE, "the uplink is not its own"


# --- our resolver ------------------------------------------------------------------

FOUND = Reading(Reason.OK, resolver=True)
UNRESOLVED = Reading(Reason.DNS_TIMEOUT, "no answer", 4.0, resolver=False)


@pytest.fixture
def by_name(desk):
    """Everything is asked by name but one witness."""
    for name in ("mfa/a", "sms/b", "witness/a"):
        desk.read(2.0, name, FOUND)
    return desk


def test_without_our_resolver_what_is_asked_by_name_says_nothing(by_name):
    by_name.read(10.0, "sms/b", UNRESOLVED)
    ours = Reading(
        Reason.OWN_NETWORK, "our own resolver answers for no name outside", resolver=False
    )
    lost = by_name.read(11.0, "witness/a", UNRESOLVED)
    assert Transition(11.0, "sms/b", Health.UP, Health.UNKNOWN, ours) in lost
    effects = by_name.read(12.0, "mfa/a", UNRESOLVED)
    ours = replace(ours, latency=4.0)
    assert Transition(12.0, "mfa/a", Health.UP, Health.UNKNOWN, ours) in effects
    assert by_name.report("mfa/a") == EndpointRead(12.0, "mfa/a", ours, Health.UNKNOWN, 0)
    by_name.monitor.handle(TimePassed(106.9))
    assert by_name.report("mfa/a").reading == ours
    by_name.monitor.handle(TimePassed(107.0))
    assert by_name.report("mfa/a").reading.reason is Reason.STALE


def test_a_lost_resolver_is_seen_by_what_fails_and_is_back_with_the_first_name(by_name):
    by_name.read(9.0, "mfa/a", UNRESOLVED)
    by_name.read(9.5, "sms/b", FOUND)
    by_name.read(10.0, "witness/a", UNRESOLVED)
    lost = by_name.read(11.0, "sms/b", UNRESOLVED)
    change = next(e for e in about("mfa/a", lost) if isinstance(e, Transition))
    assert (change.at, change.now) == (11.0, Health.UNKNOWN)
    by_name.read(20.0, "sms/b", FOUND, started=19.0)
    by_name.read(21.0, "mfa/a", UNRESOLVED, started=19.5)
    assert by_name.report("mfa/a").reading.reason is Reason.OWN_NETWORK
    by_name.read(22.0, "mfa/a", UNRESOLVED, started=20.0)
    assert by_name.report("mfa/a").reading == UNRESOLVED


def test_before_a_name_is_called_dead_all_witnesses_are_asked(by_name):
    for at in (10.0, 15.0, 20.0):
        by_name.read(at, "mfa/a", UNRESOLVED, regular=at == 10.0)
    by_name.read(21.0, "witness/b")
    assert by_name.report("mfa/a").health is Health.UP
    by_name.read(22.0, "witness/a", FOUND)
    assert by_name.report("mfa/a").health is Health.DOWN


# --- the clock --------------------------------------------------------------------


def with_clock():
    bound = build("mfa/a", clock_bound=True)
    door = build("mfa/door", clock_bound=True, local=True)
    lax = build("sms/b")
    desk = Desk(bound, door, lax, witnesses=(*map(eye, EYES), eye("witness/clock", kind="ntp")))
    desk.well(1.0, "mfa/a", "mfa/door", "sms/b", *EYES, "witness/clock")
    assert desk.monitor.view().overall.clock == "ok"
    return desk


WRONG = Reading(Reason.OWN_CLOCK, "our own clock is wrong")


def test_a_wrong_clock_voids_what_is_bound_to_it_and_not_the_local():
    desk = with_clock()
    effects = desk.read(10.0, "witness/clock", Reading(Reason.OWN_CLOCK))
    changed = [e for e in effects if isinstance(e, Transition) and e.endpoint != "witness/clock"]
    assert changed == [Transition(10.0, "mfa/a", Health.UP, Health.UNKNOWN, WRONG)]
    assert desk.monitor.view().overall.clock == "lost"
    desk.read(11.0, "mfa/a")
    assert desk.report("mfa/a").reading == WRONG
    effects = desk.read(20.0, "witness/clock", Reading(Reason.OWN_CLOCK))
    assert not [e for e in effects if isinstance(e, Transition)], "once"
    desk.read(30.0, "witness/clock")
    assert desk.monitor.view().overall.clock == "ok"
    assert desk.report("mfa/a").health is Health.UNKNOWN, "not before a fresh reading"
    desk.read(31.0, "mfa/a")
    assert desk.report("mfa/a").health is Health.UP


def test_a_clock_source_that_falls_silent_says_nothing_any_more():
    desk = with_clock()
    desk.read(10.0, "witness/clock", Reading(Reason.OWN_CLOCK))
    desk.monitor.handle(TimePassed(104.9))
    assert desk.monitor.view().overall.clock == "lost", "stale at 95, and read at 10"
    desk.monitor.handle(TimePassed(105.0))
    assert desk.monitor.view().overall.clock == "unverified"


def test_a_clock_source_that_cannot_be_reached_is_taken_at_its_last_word():
    desk = with_clock()
    desk.read(10.0, "witness/clock", FAIL)
    assert desk.monitor.view().overall.clock == "ok"


def test_a_service_may_watch_a_clock_of_its_own():
    desk = Desk(build("mfa/a", clock_bound=True), build("ntp/pool", kind="ntp"))
    desk.well(1.0, "mfa/a", "ntp/pool")
    assert desk.monitor.view().overall.clock == "ok"
    desk.read(10.0, "ntp/pool", Reading(Reason.OWN_CLOCK))
    assert desk.report("mfa/a").health is Health.UNKNOWN
    assert desk.report("ntp/pool").health is Health.UP, "a time source is not void by it"


def test_certificates_from_the_future_at_two_services_are_our_clock():
    desk = with_clock()
    future = Reading(Reason.TLS_NOT_YET_VALID)
    desk.read(10.0, "mfa/a", future)
    assert desk.report("mfa/a").reading == future
    assert desk.monitor.view().overall.clock == "ok"
    effects = desk.read(11.0, "sms/b", future)
    assert desk.monitor.view().overall.clock == "lost"
    assert Transition(11.0, "mfa/a", Health.UP, Health.UNKNOWN, WRONG) in effects
    assert desk.report("sms/b").reading == future, "it is not bound to the clock"
    desk.read(12.0, "sms/b")
    assert desk.monitor.view().overall.clock == "ok"


def test_an_implausible_date_is_acted_upon_at_once():
    desk = with_clock()
    effects = desk.monitor.handle(DateImplausible(10.0, on=True))
    assert Transition(10.0, "mfa/a", Health.UP, Health.UNKNOWN, WRONG) in effects
    assert desk.monitor.handle(DateImplausible(11.0, on=True)) == ()
    assert desk.monitor.handle(DateImplausible(12.0, on=False))
    assert desk.monitor.view().overall.clock == "ok"


# --- silence ----------------------------------------------------------------------


def test_silence_is_published_at_its_moment(desk):
    effects = desk.monitor.handle(TimePassed(96.0))
    stale = Reading(Reason.STALE, "no reading for 95 s")
    assert Transition(96.0, "mfa/a", Health.UP, Health.UNKNOWN, stale) in effects
    assert desk.report("mfa/a") == EndpointRead(96.0, "mfa/a", stale, Health.UNKNOWN, 0)
    assert not [e for e in desk.monitor.handle(TimePassed(9e9)) if isinstance(e, Transition)]


def test_a_void_endpoint_that_was_failing_waits_for_nobody(desk):
    down(desk, "mfa/a", 10.0)
    desk.monitor.handle(TimePassed(20.0 + 95.0))
    assert about("mfa/a", nothing_is_reached(desk, 116.0)) == []


def sign_in(**more):
    times = {"interval": 60.0, "retry_interval": 30.0, "timeout": 30.0, "stale_after": 210.0}
    return build("mfa/a", **times | more)


def hangs(desk, *begun):
    """A sign-in that hangs for its 30 s in each of these runs; what it is before and after each."""
    shown = []
    for began in begun:
        desk.monitor.handle(TimePassed(began))
        shown.append(desk.report("mfa/a").health)
        desk.read(began + 30.0, "mfa/a", FAIL, began)
    return [*shown, desk.report("mfa/a").health]


def test_a_hang_that_waits_for_free_codes_is_red_and_never_unknown():
    """Three endpoints share one token: a confirming run begins 90 s after the one before."""
    desk = Desk(sign_in(), witnesses=())
    desk.well(1.0, "mfa/a")
    shown = []
    for due in (60.0, 180.0, 300.0):
        desk.monitor.handle(RunDelayed(due, "mfa/a", 60.0))
        shown += hangs(desk, due + 60.0)
    assert shown == [*[Health.UP] * 5, Health.DOWN]


def test_a_streak_of_fails_is_no_silence():
    desk = Desk(sign_in(retry_interval=None, failure_threshold=4), witnesses=())
    desk.well(1.0, "mfa/a")
    assert hangs(desk, 60.0, 120.0, 180.0, 240.0) == [*[Health.UP] * 4, Health.DOWN]


@pytest.mark.parametrize("retry", [10.0, 30.0])
def test_a_fail_that_nothing_confirms_is_unknown_in_time(retry):
    desk = Desk(sign_in(retry_interval=retry), witnesses=())
    desk.well(1.0, "mfa/a")
    desk.read(210.0, "mfa/a", FAIL, 180.0)
    desk.monitor.handle(TimePassed(244.9))
    assert desk.report("mfa/a").health is Health.UP
    desk.monitor.handle(TimePassed(245.0))
    assert desk.report("mfa/a").health is Health.UNKNOWN
    detail = desk.report("mfa/a").reading.detail
    assert detail == "no proof, only fails that nothing confirms, for 210 s"


def test_errors_alone_are_no_proof(desk):
    desk.read(50.0, "mfa/a", Reading(Reason.INTERNAL_ERROR))
    desk.monitor.handle(TimePassed(96.0))
    assert desk.report("mfa/a").reading.detail == "no proof, only errors, for 95 s"


def test_a_sign_in_that_was_resumed_becomes_stale_in_its_time():
    desk = Desk(build("mfa/a", sign_in=True, guard_max=1), witnesses=())
    desk.read(1.0, "mfa/a")
    desk.read(10.0, "mfa/a", Reading(Reason.SIGN_IN_REJECTED))
    effects = desk.monitor.handle(Resume(100.0, None, by="analyst", origin="cli"))
    assert Postpone(100.0, "mfa/a", 610.0) in effects
    desk.monitor.handle(TimePassed(704.9))
    assert desk.report("mfa/a").reading.reason is Reason.SIGN_IN_REJECTED
    desk.monitor.handle(TimePassed(705.0))
    assert desk.report("mfa/a").reading.reason is Reason.STALE


def test_only_the_wait_itself_is_not_counted_as_silence():
    desk = Desk(sign_in(), witnesses=())
    desk.well(1.0, "mfa/a")
    # One wait, reported in parts; later another.
    for at, seconds in ((60.0, 40.0), (80.0, 20.0), (90.0, 5.0), (100.0, 10.0), (120.0, 0.5)):
        desk.monitor.handle(RunDelayed(at, "mfa/a", seconds))
    desk.monitor.handle(RunDelayed(130.0, "mfa/none", 50.0))
    desk.monitor.handle(TimePassed(261.4))
    assert desk.report("mfa/a").health is Health.UP
    desk.monitor.handle(TimePassed(261.5))
    assert desk.report("mfa/a").health is Health.UNKNOWN


# --- other settings ---------------------------------------------------------------


def test_an_endpoint_with_other_settings_starts_afresh_and_says_so(desk):
    effects = desk.monitor.reconfigure(desk.site, 10.0, frozenset({"mfa/a"}))
    afresh = Reading(Reason.STALE, "not read since its settings changed")
    assert EndpointRead(10.0, "mfa/a", afresh, Health.UNKNOWN, 0) in effects
    assert Postpone(10.0, "mfa/a", 10.0) in effects
    assert desk.monitor.remember(10.0).endpoints["mfa/a"].since == 10.0
    assert not [e for e in effects if isinstance(e, EndpointRead) and e.endpoint != "mfa/a"]
    desk.read(20.0, "sms/b")
    effects = desk.monitor.handle(TimePassed(105.0))
    assert [e.endpoint for e in effects if isinstance(e, EndpointRead)] == [*EYES, "mfa/a"]


def test_what_is_watched_no_longer_is_forgotten(desk):
    down(desk, "sms/b", 10.0)
    desk.monitor.reconfigure(
        Site(id="soc", services=desk.services[:1], witnesses=desk.site.witnesses), 21.0
    )
    assert "sms/b" not in {r.endpoint for r in desk.monitor.view().endpoints}
    assert desk.read(22.0, "sms/b") == ()
    assert about("sms/b", desk.read(22.0, "witness/a")) == []
    desk.monitor.reconfigure(desk.site, 23.0)
    assert "sms/b" not in {r.endpoint for r in desk.monitor.view().endpoints}


def test_other_witnesses_start_afresh(desk):
    for name in EYES:
        desk.read(10.0, name, GONE)
    assert desk.monitor.view().overall.network == "lost"
    same = desk.monitor.reconfigure(desk.site, 11.0)
    assert desk.monitor.view().overall.network == "lost", "the very same go on"
    assert not [e for e in same if isinstance(e, Transition)]
    others = (eye("witness/a"), eye("witness/c"))
    desk.monitor.reconfigure(Site(id="soc", services=desk.services, witnesses=others), 12.0)
    assert desk.monitor.view().overall.network == "ok"
    desk.read(13.0, "mfa/a", started=12.5)
    one = (eye("witness/d"),)
    desk.monitor.reconfigure(Site(id="soc", services=desk.services, witnesses=one), 14.0)
    desk.read(15.0, "witness/d", GONE)
    assert desk.report("mfa/a").health is Health.UNKNOWN, "its first word is acted upon"


# --- known at once, not with the next event -----------------------------------------


def left(desk, at):
    """What only the next event makes known; how many codes arrived may wait for it."""
    view = desk.monitor.view()
    known = [replace(each, arrivals=()) for each in (*view.services, *view.incidents)]

    def counts(effect):
        about = getattr(effect, "service", None) or getattr(effect, "incident", None)
        return replace(about, arrivals=()) in known

    return tuple(e for e in desk.monitor.handle(StorageDegraded(at, on=False)) if not counts(e))


def test_a_service_that_cannot_be_seen_starts_no_more_and_says_so_at_once():
    it = Desk(build("mfa/a"))
    for n in range(3):
        it.read(10.0 + n, "mfa/a", Reading(Reason.INTERNAL_ERROR))
    (service,) = it.monitor.view().services
    assert not service.starting
    assert left(it, 12.0) == ()


@pytest.mark.parametrize("seen_first", [True, False])
def test_what_falls_again_beneath_a_held_health_is_explained_at_once(seen_first):
    """By the reading that fells it, or by the witness that was asked about it."""
    it, at = Desk(build("mfa/a"), build("mfa/records", Evidence.CAUSE)), 0.0
    for reading in [PASS, *[FAIL, FAIL, FAIL, PASS, PASS] * 4, PASS]:
        at += 30.0
        it.read(at, "mfa/records")
        it.read(at, "mfa/a", reading)
        it.well(at, *EYES)
        assert left(it, at) == ()
    assert it.report("mfa/a").health is Health.DOWN, "held: it flaps"
    for fails in range(1, 4):
        at += 30.0
        for name in ("mfa/records", "mfa/a"):
            it.read(at, name, FAIL)
            if seen_first or fails == 3:
                it.well(at, *EYES)
        assert left(it, at) == ()
    (service,) = it.monitor.view().services
    assert service.explanation.startswith("mfa/records: deadline")


def test_one_that_waits_for_our_eyes_does_not_keep_the_others_waiting():
    desk = Desk(build("mfa/a", failure_threshold=4), build("sms/b"))
    desk.well(1.0, "mfa/a", "sms/b", *EYES)
    for at in (10.0, 15.0, 20.0):
        desk.read(at, "mfa/a", FAIL, regular=False)
    for at in (30.0, 31.0, 32.0):
        desk.read(at, "sms/b", FAIL, regular=False)
    desk.read(40.0, "mfa/a", FAIL, regular=False)
    desk.read(41.0, "witness/a", started=25.0)
    assert desk.report("mfa/a").health is Health.DOWN
    assert desk.report("sms/b").health is Health.UP, "it began to fail after that"
    desk.read(42.0, "witness/b", started=33.0)
    assert desk.report("sms/b").health is Health.DOWN


OFFSETS = {"app": 0.0, "sms": 0.0, "mfa": -3600.0, "vpn": -3600.0}


def disagree(desk, at, *names):
    """These services say what time it is."""
    for name in names:
        desk.read(at, f"{name}/a", Reading(Reason.OK, clock=ClockSeen(OFFSETS[name], name)))


@pytest.fixture
def doubtful():
    """A clock that two of four services find wrong: not enough."""
    desk = Desk(*(build(f"{n}/a", clock_bound=n == "vpn") for n in OFFSETS), witnesses=())
    disagree(desk, 1.0, *OFFSETS)
    assert desk.monitor.view().overall.clock == "ok"
    return desk


def test_a_clock_that_is_wrong_once_somebody_is_watched_no_longer_voids_at_once(doubtful):
    effects = doubtful.monitor.reconfigure(Site(id="soc", services=doubtful.services[2:]), 3.0)
    assert doubtful.monitor.view().overall.clock == "lost"
    assert Transition(3.0, "vpn/a", Health.UP, Health.UNKNOWN, WRONG) in effects


def test_a_clock_that_is_wrong_once_somebody_falls_silent_voids_at_once(doubtful):
    disagree(doubtful, 50.0, "sms", "mfa", "vpn")
    effects = doubtful.monitor.handle(TimePassed(96.0))
    assert doubtful.monitor.view().overall.clock == "lost"
    assert Transition(96.0, "vpn/a", Health.UP, Health.UNKNOWN, WRONG) in effects
