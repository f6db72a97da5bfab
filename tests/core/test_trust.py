"""Our own eyes."""

import pytest

from beacon.core.endpoint import Gate
from beacon.core.model import Evidence, Reading, Reason
from beacon.core.trust import Trust, reached

OK, LOST = Reading(Reason.OK), Reading(Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        (Reason.OK, True),
        (Reason.SLOW, True),
        (Reason.TLS_EXPIRED, True),
        (Reason.TLS_NOT_YET_VALID, True),
        (Reason.OWN_CLOCK, True),
        (Reason.RATE_LIMITED, True),
        (Reason.UNREACHABLE, False),
        (Reason.DNS_TIMEOUT, False),
        (Reason.INTERNAL_ERROR, None),
    ],
)
def test_what_a_witness_shows(reason, found):
    assert reached(Reading(reason)) is found


@pytest.fixture
def trust(three_witnesses):
    return Trust(three_witnesses, ("mfa/clock",))


def cut(trust: Trust, at: float, *names: str) -> None:
    for name in names or ("canary-a", "canary-b"):
        trust.witnessed(f"witness/{name}", LOST, at, at)


def test_the_uplink_is_lost_when_every_witness_outside_fails(trust):
    cut(trust, 10.0, "canary-a")
    assert not trust.uplink_lost
    cut(trust, 11.0, "canary-b")
    assert trust.uplink_lost
    assert not trust.lan_lost
    assert trust.network == "lost"
    cut(trust, 12.0, "gateway")
    assert trust.lan_lost


def test_something_outside_that_passed_since_proves_the_uplink(trust, make_endpoint):
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    cut(trust, 10.0)
    trust.passed(outside, 12.0, 11.0)
    assert not trust.uplink_lost
    assert trust.back_at == 12.0
    cut(trust, 20.0)
    assert not trust.uplink_lost, "the witnesses fail, and outside was reached since they did"


def test_a_run_that_began_before_proves_nothing(trust, make_endpoint):
    cut(trust, 10.0)
    trust.passed(make_endpoint("s", "x", Evidence.SYMPTOM), 12.0, 9.0)
    assert trust.uplink_lost


def test_a_local_pass_proves_nothing_about_outside(trust, make_endpoint):
    cut(trust, 10.0)
    trust.passed(make_endpoint("s", "x", Evidence.SYMPTOM, local=True), 12.0, 11.0)
    assert trust.uplink_lost


def test_one_witness_is_enough_to_be_back(trust):
    cut(trust, 10.0)
    trust.witnessed("witness/canary-a", OK, 20.0, 19.0)
    assert (trust.uplink_lost, trust.back_at) == (False, 20.0)


def test_the_gate_opens_only_to_a_round_that_began_after_the_first_fail(trust, make_endpoint):
    failing = make_endpoint("s", "x", Evidence.SYMPTOM)
    trust.witnessed("witness/canary-a", OK, 10.0, 9.0)
    assert trust.gate(failing, 9.5) is Gate.PENDING
    trust.witnessed("witness/canary-b", LOST, 10.5, 10.0)
    assert trust.gate(failing, 9.5) is Gate.PENDING
    trust.witnessed("witness/canary-a", OK, 11.0, 10.0)
    assert trust.gate(failing, 9.5) is Gate.OPEN
    cut(trust, 12.0)
    assert trust.gate(failing, 11.5) is Gate.SHUT


def test_witnesses_that_say_nothing_do_not_hold_the_gate_for_ever(trust, make_endpoint):
    broken = Reading(Reason.INTERNAL_ERROR)
    for name in ("canary-a", "canary-b"):
        trust.witnessed(f"witness/{name}", broken, 10.0, 10.0)
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 9.0) is Gate.OPEN


def test_without_witnesses_we_never_call_ourselves_blind(make_endpoint):
    trust = Trust((), ())
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 5.0) is Gate.OPEN
    assert trust.network == "unverified"


def test_a_local_endpoint_asks_only_the_lan(trust, make_endpoint):
    local = make_endpoint("s", "x", Evidence.SYMPTOM, local=True)
    cut(trust, 10.0)
    assert trust.gate(local, 11.0) is Gate.PENDING
    trust.witnessed("witness/gateway", OK, 12.0, 11.5)
    assert trust.gate(local, 11.0) is Gate.OPEN
    cut(trust, 13.0, "gateway")
    assert trust.gate(local, 12.5) is Gate.SHUT


def test_a_local_endpoint_without_a_local_witness_has_nobody_to_ask(three_witnesses, make_endpoint):
    trust = Trust(three_witnesses[1:], ())
    cut(trust, 10.0)
    local = make_endpoint("s", "x", Evidence.SYMPTOM, local=True)
    assert trust.gate(local, 11.0) is Gate.OPEN


def test_a_heard_round_in_which_nobody_was_reached_shuts_the_gate(trust, make_endpoint):
    failing = make_endpoint("s", "x", Evidence.SYMPTOM)
    cut(trust, 10.0)
    trust.passed(failing, 11.0, 11.0)  # a blip: the uplink does not count as lost any more
    assert not trust.uplink_lost
    cut(trust, 20.0)
    assert trust.gate(failing, 15.0) is Gate.SHUT
    trust.passed(make_endpoint("t", "y", Evidence.SYMPTOM), 21.0, 16.0)
    assert trust.gate(failing, 15.0) is Gate.OPEN


def test_one_silent_witness_beside_a_lost_one_proves_no_uplink(trust, make_endpoint):
    trust.witnessed("witness/canary-a", Reading(Reason.INTERNAL_ERROR), 10.0, 10.0)
    cut(trust, 10.0, "canary-b")
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 9.0) is Gate.SHUT


def test_the_clock_is_lost_only_when_every_source_that_answered_says_so(make_endpoint):
    trust = Trust((), ("a", "b"))
    assert trust.clock == "unverified"
    trust.told_time("a", Reading(Reason.OWN_CLOCK))
    assert trust.clock == "lost"
    trust.told_time("b", OK)
    assert trust.clock == "ok"
    trust.told_time("b", LOST)
    assert trust.clock == "lost", "a source that is gone says nothing any more"
    trust.told_time("a", LOST)
    assert trust.clock == "unverified"
    bound = make_endpoint("s", "x", Evidence.SYMPTOM, clock_bound=True)
    trust.told_time("b", Reading(Reason.OWN_CLOCK))
    assert trust.clock_voids(bound)
    assert not trust.clock_voids(make_endpoint("s", "y", Evidence.SYMPTOM))


def test_certificates_from_the_future_at_two_unrelated_places_are_our_clock(make_endpoint):
    trust = Trust((), ())
    here = make_endpoint("a", "x", Evidence.SYMPTOM)
    trust.not_yet_valid(here)
    trust.not_yet_valid(make_endpoint("a", "y", Evidence.SYMPTOM))
    assert trust.clock == "unverified", "one service may share one mistake"
    trust.not_yet_valid(make_endpoint("b", "x", Evidence.SYMPTOM))
    assert trust.clock == "lost"
    trust.passed(make_endpoint("b", "x", Evidence.SYMPTOM), 5.0, 4.0)
    assert trust.clock == "unverified"


def test_a_date_before_the_beacon_was_built_is_a_lost_clock():
    trust = Trust((), ("a",))
    trust.told_time("a", OK)
    trust.date_implausible(on=True)
    assert trust.clock == "lost"
    trust.date_implausible(on=False)
    assert trust.clock == "ok"
