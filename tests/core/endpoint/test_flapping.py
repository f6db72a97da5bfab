"""Flapping: when it begins and ends, and what is held meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.endpoint.flapping import FlapDetector
from beacon.core.model import Health, Reading, Reason
from beacon.core.trust.network import Confirmation
from tests.core.endpoint.conftest import LETTERS


def test_flapping_begins_above_a_fifth_of_changes_and_ends_below_a_twentieth(feed):
    assert not feed("P" * 20 + "FPFP").flapping
    assert feed("P" * 20 + "FPFPF").flapping
    assert feed("P" * 20 + "FPFPF" + "P" * 20).flapping
    ended = feed("P" * 20 + "FPFPF" + "P" * 21)
    assert not ended.flapping
    assert ended.shown is Health.UP


def passes_until_it_rests(state):
    count = 0
    while state.flapping:
        count += 1
        state.count(LETTERS["P"], 100.0 + count, regular=True)
        state.decide(100.0 + count, Confirmation.OPEN)
    assert state.kept.flapping is None
    return count


def test_over_a_restart_it_goes_on_where_it_was(feed):
    before, again = feed("P" * 20 + "FPFPF" + "P" * 9), feed("")
    again.recall(before.kept)
    assert passes_until_it_rests(again) == passes_until_it_rests(before) > 9


def test_rechecks_do_not_count_as_flapping(feed):
    assert not feed("PF" * 20, regular=False).flapping


def test_while_flapping_the_worst_is_held(feed):
    state = feed("P" * 15 + "PFPFPF" + "FFPP")
    assert state.health is Health.UP
    assert state.flapping
    assert state.shown is Health.DOWN


def test_the_first_reading_is_no_change(feed):
    assert not feed("F").flapping
    assert not feed("FPFPF").flapping
    assert feed("FPFPFP").flapping
    assert feed("FFFPPPPPP").flaps.history.bit_count() == 3


def test_what_was_down_when_it_began_to_flap_is_held_as_down(feed):
    state = feed("P" * 15 + "FFFPPFPFPP")
    assert state.flapping
    assert state.health is Health.UP
    assert state.shown is Health.DOWN
    assert feed("FFFPP" + "P" * 15 + "FPFPF").shown is Health.DOWN, "20 readings ago"
    assert feed("FFFPP" + "P" * 16 + "FPFPF").shown is Health.DEGRADED


@given(st.lists(st.booleans(), max_size=9), st.integers(0, 5), st.integers(0, 5))
def test_fails_that_were_ours_leave_no_trace(before, regular, rechecks):
    expected, found = FlapDetector(), FlapDetector()
    for failed in [*before, False]:
        expected.count(failed=failed)
        found.count(failed=failed)
    for _ in range(regular):
        found.count(failed=True)
    found.uncount_fails(regular + rechecks)
    assert (found.history, found.changes_from) == (expected.history, expected.changes_from)


@pytest.mark.parametrize(
    ("letters", "why", "fails"),
    [
        ("PFF", Reason.OWN_NETWORK, 0),
        ("PFF", Reason.STALE, 2),  # they were not ours
        ("PFFF", Reason.OWN_NETWORK, 3),  # they were confirmed
    ],
)
def test_only_fails_that_were_ours_are_taken_back(feed, letters, why, fails):
    state = feed(letters)
    state.void(Reading(why), 9.0)
    assert state.flaps.history.bit_count() == fails
