"""Our own eyes."""

import pytest

from beacon.core.model import Evidence, Reading, Reason
from beacon.core.trust.network import LONGEST_BLIP, Confirmation, Trust, reached

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
    return Trust(three_witnesses)


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


def test_what_somebody_else_reached_proves_nothing_of_our_uplink(trust, make_endpoint):
    pushed = make_endpoint("s", "x", Evidence.SYMPTOM, pushed=True)
    cut(trust, 10.0)
    trust.passed(pushed, 12.0, 11.0)
    assert trust.uplink_lost
    seen = make_endpoint("s", "y", Evidence.SYMPTOM)
    assert trust.gate(seen, 11.0) is Confirmation.SHUT


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
    assert trust.gate(failing, 9.5) is Confirmation.PENDING
    trust.witnessed("witness/canary-b", LOST, 10.5, 10.0)
    assert trust.gate(failing, 9.5) is Confirmation.PENDING
    trust.witnessed("witness/canary-a", OK, 11.0, 10.0)
    assert trust.gate(failing, 9.5) is Confirmation.OPEN
    cut(trust, 12.0)
    assert trust.gate(failing, 11.5) is Confirmation.SHUT


def test_witnesses_that_say_nothing_do_not_hold_the_gate_for_ever(trust, make_endpoint):
    broken = Reading(Reason.INTERNAL_ERROR)
    for name in ("canary-a", "canary-b"):
        trust.witnessed(f"witness/{name}", broken, 10.0, 10.0)
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 9.0) is Confirmation.OPEN


def test_without_witnesses_we_never_call_ourselves_blind(make_endpoint):
    trust = Trust(())
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 5.0) is Confirmation.OPEN
    assert trust.network == "unverified"


def test_a_local_endpoint_asks_only_the_lan(trust, make_endpoint):
    local = make_endpoint("s", "x", Evidence.SYMPTOM, local=True)
    cut(trust, 10.0)
    assert trust.gate(local, 11.0) is Confirmation.PENDING
    trust.witnessed("witness/gateway", OK, 12.0, 11.5)
    assert trust.gate(local, 11.0) is Confirmation.OPEN
    cut(trust, 13.0, "gateway")
    assert trust.gate(local, 12.5) is Confirmation.SHUT


def test_a_local_endpoint_without_a_local_witness_has_nobody_to_ask(three_witnesses, make_endpoint):
    trust = Trust(three_witnesses[1:])
    cut(trust, 10.0)
    local = make_endpoint("s", "x", Evidence.SYMPTOM, local=True)
    assert trust.gate(local, 11.0) is Confirmation.OPEN


def test_a_complete_round_in_which_nobody_was_reached_shuts_the_gate(trust, make_endpoint):
    failing = make_endpoint("s", "x", Evidence.SYMPTOM)
    cut(trust, 10.0)
    trust.passed(failing, 11.0, 11.0)  # a blip: the uplink does not count as lost any more
    assert not trust.uplink_lost
    cut(trust, 20.0)
    assert trust.gate(failing, 15.0) is Confirmation.SHUT
    trust.passed(make_endpoint("t", "y", Evidence.SYMPTOM), 21.0, 16.0)
    assert trust.gate(failing, 15.0) is Confirmation.OPEN


@pytest.mark.parametrize("other", [LOST, Reading(Reason.INTERNAL_ERROR)])
def test_dead_witnesses_leave_it_to_the_next_pass(trust, make_endpoint, other):
    failing, well = (make_endpoint(n, n, Evidence.SYMPTOM) for n in ("s", "t"))
    cut(trust, 10.0, "canary-a")
    trust.witnessed("witness/canary-b", other, 10.0, 10.0)
    trust.passed(well, 10.0 + LONGEST_BLIP, 10.0 + LONGEST_BLIP)
    cut(trust, 200.0, "canary-a")
    trust.witnessed("witness/canary-b", other, 200.0, 200.0)
    assert trust.gate(failing, 199.0) is Confirmation.WAITING, "maybe our line, too, by now"
    trust.passed(well, 201.0, 200.0)
    assert trust.gate(failing, 199.0) is Confirmation.OPEN


def test_one_silent_witness_beside_a_lost_one_proves_no_uplink(trust, make_endpoint):
    trust.witnessed("witness/canary-a", Reading(Reason.INTERNAL_ERROR), 10.0, 10.0)
    cut(trust, 10.0, "canary-b")
    assert trust.gate(make_endpoint("s", "x", Evidence.SYMPTOM), 9.0) is Confirmation.SHUT


UNRESOLVED = Reading(Reason.DNS_SERVFAIL, resolver=False)
FOUND = Reading(Reason.OK, resolver=True)


@pytest.fixture
def by_name(trust, make_endpoint):
    """One witness outside is asked by name, the other by address."""
    trust.witnessed("witness/canary-a", FOUND, 1.0, 1.0)
    trust.witnessed("witness/canary-b", OK, 1.0, 1.0)
    return trust


def test_our_resolver_is_lost_when_no_name_is_found_any_more(by_name, make_endpoint):
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    by_name.looked_up(outside, UNRESOLVED, 10.0, 10.0)
    by_name.witnessed("witness/canary-a", UNRESOLVED, 11.0, 10.5)
    assert by_name.resolver_lost
    assert not by_name.uplink_lost
    assert by_name.network == "lost"
    assert by_name.unresolved(outside, UNRESOLVED, 12.0)
    assert not by_name.unresolved(outside, LOST, 12.0), "that one was found"
    assert not by_name.failed_by_name(None), "it was not read yet"
    by_name.looked_up(outside, Reading(Reason.DNS_NXDOMAIN, resolver=True), 20.0, 19.0)
    assert not by_name.resolver_lost, "that there is no such name is an answer"
    assert by_name.unresolved(outside, UNRESOLVED, 19.5), "it began before the resolver was back"
    assert not by_name.unresolved(outside, UNRESOLVED, 20.0)


def test_one_name_that_is_not_found_is_not_our_resolver(by_name, make_endpoint):
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    by_name.witnessed("witness/canary-a", UNRESOLVED, 11.0, 10.5)
    assert not by_name.resolver_lost, "its own zone may be dead"
    by_name.looked_up(outside, FOUND, 12.0, 11.0)
    by_name.looked_up(outside, UNRESOLVED, 13.0, 12.5)
    assert not by_name.resolver_lost, "a name was found since the witness was not"
    by_name.witnessed("witness/canary-a", FOUND, 20.0, 20.0)
    by_name.looked_up(outside, UNRESOLVED, 30.0, 30.0)
    assert not by_name.resolver_lost, "the vendor's zone is dead"


def test_a_name_that_was_found_while_the_resolver_died_proves_nothing(by_name, make_endpoint):
    """It began after the witness, and was answered before its end: else red, until one is found."""
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    by_name.looked_up(outside, FOUND, 10.7, 10.6)
    by_name.witnessed("witness/canary-a", UNRESOLVED, 11.0, 10.5)
    by_name.looked_up(outside, UNRESOLVED, 13.0, 12.5)
    assert by_name.resolver_lost


def test_two_witnesses_by_name_are_enough(trust, make_endpoint):
    for name in ("canary-a", "canary-b"):
        trust.witnessed(f"witness/{name}", FOUND, 1.0, 1.0)
        trust.witnessed(f"witness/{name}", UNRESOLVED, 10.0, 10.0)
    assert trust.resolver_lost
    trust.looked_up(make_endpoint("s", "x", Evidence.SYMPTOM), FOUND, 12.0, 11.0)
    assert trust.resolver_lost, "that may come out of a cache"
    trust.witnessed("witness/canary-b", FOUND, 20.0, 20.0)
    assert not trust.resolver_lost


def test_without_a_witness_by_name_our_resolver_is_never_lost(trust, make_endpoint):
    for name in ("canary-a", "canary-b"):
        trust.witnessed(f"witness/{name}", OK, 1.0, 1.0)
    for name in ("x", "y"):
        trust.looked_up(make_endpoint(name, "x", Evidence.SYMPTOM), UNRESOLVED, 10.0, 10.0)
    assert not trust.resolver_lost


def test_a_local_name_says_nothing_of_names_outside(by_name, make_endpoint):
    local = make_endpoint("s", "l", Evidence.SYMPTOM, local=True)
    by_name.looked_up(make_endpoint("s", "x", Evidence.SYMPTOM), UNRESOLVED, 10.0, 10.0)
    by_name.witnessed("witness/canary-a", UNRESOLVED, 11.0, 10.5)
    by_name.looked_up(local, FOUND, 12.0, 12.0)
    assert by_name.resolver_lost


def test_the_gate_waits_for_all_eyes_where_a_name_was_not_found(by_name, make_endpoint):
    failing = make_endpoint("s", "x", Evidence.SYMPTOM)
    by_name.looked_up(failing, UNRESOLVED, 10.0, 10.0)
    by_name.witnessed("witness/canary-b", OK, 11.0, 10.0)
    assert by_name.gate(failing, 10.0) is Confirmation.OPEN
    assert by_name.gate(failing, 10.0, by_name=True) is Confirmation.PENDING
    by_name.witnessed("witness/canary-a", UNRESOLVED, 12.0, 10.5)
    assert by_name.gate(failing, 10.0, by_name=True) is Confirmation.SHUT
    by_name.looked_up(make_endpoint("t", "y", Evidence.SYMPTOM), FOUND, 13.0, 12.5)
    assert by_name.gate(failing, 10.0, by_name=True) is Confirmation.OPEN


# --- to the very moment -----------------------------------------------------------


def test_what_began_with_the_first_fail_counts(trust, make_endpoint):
    failing = make_endpoint("s", "x", Evidence.SYMPTOM)
    trust.witnessed("witness/canary-a", OK, 11.0, 10.0)
    assert trust.gate(failing, 10.0) is Confirmation.OPEN
    assert trust.gate(failing, 10.5) is Confirmation.PENDING
    trust.passed(failing, 13.0, 12.0)
    assert trust.gate(failing, 12.0) is Confirmation.OPEN
    assert trust.gate(failing, 12.5) is Confirmation.PENDING


def test_a_pass_inside_is_proof_for_the_lan_alone(trust, make_endpoint):
    door = make_endpoint("s", "door", Evidence.SYMPTOM, local=True)
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    trust.passed(door, 12.0, 11.0)
    assert trust.gate(door, 11.0) is Confirmation.OPEN
    assert trust.gate(outside, 11.0) is Confirmation.PENDING
    trust.passed(door, 12.5, 9.0)
    assert trust.gate(door, 11.0) is Confirmation.OPEN, "an older run takes nothing back"
    trust.passed(outside, 14.0, 13.0)
    assert trust.gate(door, 13.0) is Confirmation.OPEN, "what is outside is reached through the LAN"


def test_a_pass_that_began_as_the_last_witness_was_lost_proves_the_uplink(trust, make_endpoint):
    outside = make_endpoint("s", "x", Evidence.SYMPTOM)
    cut(trust, 10.0)
    trust.passed(outside, 12.0, 10.0 - 0.001)
    assert trust.uplink_lost
    trust.passed(outside, 13.0, 10.0)
    assert (trust.uplink_lost, trust.back_at) == (False, 13.0)


def test_without_a_loss_nothing_is_back(trust, make_endpoint):
    trust.witnessed("witness/canary-a", OK, 10.0, 10.0)
    trust.passed(make_endpoint("s", "x", Evidence.SYMPTOM), 11.0, 11.0)
    assert trust.back_at == trust.resolver_back_at == float("-inf")
