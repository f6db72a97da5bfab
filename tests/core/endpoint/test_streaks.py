"""Readings in a row, and fails among the last six."""

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Evidence, Health, Reading, Reason
from beacon.core.trust.network import Confirmation
from tests.core.endpoint.conftest import LETTERS


def test_void_empties_streak_and_window(feed):
    state = feed("PFF")
    state.void(Reading(Reason.OWN_NETWORK), 9.0)
    assert state.health is Health.UNKNOWN
    state.count(LETTERS["F"], 10.0, regular=True)
    state.decide(10.0, Confirmation.OPEN)
    assert state.streaks.fails == 1


def test_one_dead_back_end_of_two_is_seen_though_every_recheck_passes(make_endpoint):

    state = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
    state.count(LETTERS["P"], -1.0, regular=True)
    state.decide(-1.0, Confirmation.OPEN)
    for n in range(4):
        state.count(LETTERS["F"], float(2 * n), regular=True)
        state.decide(float(2 * n), Confirmation.OPEN)
        if state.health is not Health.DOWN:
            state.count(LETTERS["P"], float(2 * n + 1), regular=False)
            state.decide(float(2 * n + 1), Confirmation.OPEN)
    assert state.health is Health.DOWN
