"""One endpoint: thresholds, windows, flapping, unknown."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.streaks import Onset
from beacon.core.model import LONG_AGO, Evidence, Health, Outcome, Reading, Reason
from beacon.core.service.endpoint_snapshot import overtaken
from beacon.core.trust.network import Confirmation
from tests.core.conftest import well_formed
from tests.core.endpoint.conftest import LETTERS


@pytest.mark.parametrize(
    ("letters", "health"),
    [
        ("", Health.UNKNOWN),
        ("P", Health.UP),
        ("W", Health.UNKNOWN),
        ("WWW", Health.DEGRADED),
        ("F", Health.UNKNOWN),
        ("FF", Health.UNKNOWN),
        ("FFF", Health.DOWN),
        ("PFF", Health.UP),
        ("PFFF", Health.DOWN),
        ("PFFPFF", Health.DOWN),  # 4 of the last 6
        ("PFPFPF", Health.UP),  # 3 of the last 6
        ("PFFWF", Health.DEGRADED),  # a warn ends a fail streak; three not passed in a row
        ("PFFWFF", Health.DOWN),
        ("PFFEF", Health.DOWN),  # an error resets nothing
        ("PFFEEEF", Health.UNKNOWN),  # leaving unknown by fails takes the full threshold
        ("PFFEEEFFF", Health.DOWN),
        ("PFFFEEEF", Health.UNKNOWN),
        ("FFFEEE", Health.UNKNOWN),
        ("PFFFEEEWWF", Health.DEGRADED),  # coming back empties the window, also from unknown
        ("PEE", Health.UP),
        ("PEEE", Health.UNKNOWN),
        ("PEEPEE", Health.UP),
        ("PEEEP", Health.UP),  # it was up before: one fresh pass
        ("PFFFEEEP", Health.UNKNOWN),  # it was down before: two
        ("PFFFEEEPP", Health.UP),
        ("PEEEF", Health.UNKNOWN),
        ("PFFFP", Health.DOWN),
        ("PFFFPP", Health.UP),
        ("PFFFPW", Health.DEGRADED),
        ("PFFFWP", Health.UP),
        ("PFFFPPF", Health.UP),  # coming back empties the window
        ("PFFFPPFF", Health.UP),
        ("PWW", Health.UP),
        ("PWWW", Health.DEGRADED),
        ("PWWPWW", Health.DEGRADED),
        ("PWWWP", Health.DEGRADED),
        ("PWWWPP", Health.UP),
        ("PWWWWWWPPW", Health.UP),  # coming up empties the window of warnings
        ("PWWWFFF", Health.DOWN),
        ("PWWWEEEP", Health.UNKNOWN),
        ("PWWWEEEPP", Health.UP),
        ("PSSSSS", Health.UP),  # nobody was there: silence, until it is stale
        ("PFFFSSSP", Health.DOWN),
        ("PFFFSSSPP", Health.UP),
        ("SSSS", Health.UNKNOWN),
        ("PEESSE", Health.UNKNOWN),
    ],
)
def test_readings_to_health(feed, letters, health):
    state = feed(letters)
    assert state.health is health
    well_formed(state.kept)


@pytest.mark.parametrize(
    ("letters", "successes", "planned"),
    [
        ("PCCC", 2, True),
        ("PWWW", 2, False),
        ("PCWW", 2, True),  # two are too few to be trouble
        ("PWWCWW", 2, False),  # four of the last six
        ("PFFW", 2, False),
        ("PWWWC", 2, True),  # what was not planned is over
        ("PWWWC", 5, True),
        ("PWWWC", 6, False),
        ("FFFCCCW", 4, True),
        ("FFFCCCWW", 5, False),
    ],
)
def test_what_can_be_planned_for_is_told_from_other_trouble(feed, letters, successes, planned):
    state = feed(letters, success_threshold=successes)
    assert (state.health, state.planned) == (Health.DEGRADED, planned)


def test_it_came_up_again_only_after_it_was_down(feed):
    assert feed("PFFFPPWWWPP").kept.up_again_at == 5.0
    assert feed("PWWWPP").kept.up_again_at == LONG_AGO


def test_thresholds_are_the_endpoints_own(feed):
    assert feed("PF", failure_threshold=1).health is Health.DOWN
    assert feed("PFP", failure_threshold=1, success_threshold=1).health is Health.UP


def test_while_our_own_eyes_are_in_doubt_nothing_goes_down(feed):
    state = feed("PFFFFFF", gate=Confirmation.PENDING)
    assert state.health is Health.UP
    assert state.failing
    state.count(LETTERS["E"], 9.0, regular=True)
    state.decide(9.0, Confirmation.OPEN)
    assert state.health is Health.UP, "an error confirms nothing"


def test_errors_are_only_ours():
    errors = {r.value for r in Reason if r.outcome is Outcome.ERROR}
    assert errors == {
        "own_network",
        "own_clock",
        "own_credentials",
        "own_modem",
        "source_dead",
        "sample_too_small",
        "rate_limited",
        "guard_stopped",
        "internal_error",
        "stale",
    }


@given(st.text("PWFE", max_size=60))
def test_never_up_without_a_good_reading_and_never_down_without_fails(letters):
    from beacon.core.model import Endpoint, Evidence

    spec = Endpoint(id="s/x", service="s", name="x", kind="http", evidence=Evidence.SYMPTOM)
    state = EndpointState(spec, 0.0)
    for n, letter in enumerate(letters):
        was = state.health
        state.count(LETTERS[letter], float(n), regular=True)
        state.decide(float(n), Confirmation.OPEN)
        if state.health is not was:
            arrived = {
                Health.UP: "P",
                Health.DEGRADED: "W",
                Health.DOWN: "F",
                Health.UNKNOWN: "E",
            }[state.health]
            assert letter == arrived


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([(0.0, 300.0), (100.0, 200.0)], 300.0),  # a resolver counts down
        ([(0.0, 300.0), (200.0, 300.0), (450.0, 50.0)], 300.0),  # it asked anew
        ([(0.0, 300.0), (300.0, 100.0)], 300.0),
        ([(0.0, 300.0), (301.0, 100.0)], 100.0),  # it cannot have kept the former
        ([], 60.0),
    ],
)
def test_the_largest_ttl_within_itself_is_the_true_one(feed, answers, kept):
    state = feed("")
    for at, ttl in answers:
        state.count(Reading(Reason.OK, ttl=ttl), at, regular=True)
    state.count(Reading(Reason.DNS_NXDOMAIN, ttl=60.0), 500.0, regular=True)
    assert state.streaks.first.ttl == kept


# --- what looks back --------------------------------------------------------------


@pytest.fixture
def both(make_endpoint):
    """A sign-in and what users do, that looks back half an hour; each falls, one comes back."""

    def make(fell: float, users_failed: float, back: float, users_failed_last: float, **cell):
        ours = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
        late = EndpointState(
            make_endpoint(
                "s", "users", Evidence.SYMPTOM, hindsight=1800.0, failure_threshold=2, **cell
            ),
            0.0,
        )
        story = [(ours, fell + n, "F") for n in range(3)]
        story += [(ours, back + n, "P") for n in range(2)]
        story += [(late, users_failed, "F"), (late, users_failed_last, "F")]
        for state, at, letter in sorted(story, key=lambda each: each[1]):
            state.started = at
            state.count(LETTERS[letter], at, regular=True)
            state.decide(at, Confirmation.OPEN)
        assert (ours.health, late.health) == (Health.UP, Health.DOWN)
        return overtaken(late, [ours, late])

    return make


def test_trouble_of_before_our_sign_in_came_back_is_over(both):
    assert both(fell=100, users_failed=1000, back=5000, users_failed_last=6000)
    assert both(fell=1000, users_failed=1000, back=5000, users_failed_last=6000)
    assert not both(fell=100, users_failed=1000, back=5000, users_failed_last=6801), (
        "of afterwards it is not"
    )


def test_a_sign_in_that_was_up_while_users_failed_proves_nothing(both):
    assert not both(fell=1000, users_failed=100, back=5000, users_failed_last=6000)


def test_nor_does_one_of_another_cell(both):
    assert not both(fell=100, users_failed=1000, back=5000, users_failed_last=6000, factor="sms")


def test_an_earlier_fall_of_the_users_does_not_count_once_they_are_only_slow(make_endpoint):
    late = EndpointState(make_endpoint("s", "users", Evidence.SYMPTOM, hindsight=1800.0), 0.0)
    late.health = Health.DEGRADED
    ours = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
    late.kept = EndpointKept(
        since=5000.0,
        health=Health.DEGRADED,
        confirmed_onset=Onset(100.0, LETTERS["F"]),
        informed_at=7000.0,
    )
    ours.kept = EndpointKept(
        since=6000.0, confirmed_onset=Onset(1000.0, LETTERS["F"]), up_again_at=6000.0
    )
    assert overtaken(late, [ours])


def test_an_endpoint_without_a_reading_is_never_overtaken(make_endpoint):
    late = EndpointState(make_endpoint("s", "u", Evidence.SYMPTOM, hindsight=1800.0), 0.0)
    ours = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
    ours.kept = replace(ours.kept, up_again_at=9e9)
    assert not overtaken(late, [ours])
    late.count(LETTERS["S"], 5.0, regular=True)
    assert late.looks_back_to == float("inf"), "nobody was there: nothing was read"


@pytest.mark.parametrize(
    ("before", "ails", "since", "counts"),
    [
        (Health.UP, False, 5.0, Health.UP),
        (Health.UP, False, 15.0, Health.UNKNOWN),
        (Health.DEGRADED, True, 5.0, Health.DEGRADED),
        (Health.DEGRADED, False, 5.0, Health.UP),  # an expiring certificate is no trouble
        (Health.DOWN, False, 5.0, Health.DOWN),
        (None, False, 5.0, Health.UNKNOWN),
        (Health.UP, False, math.inf, Health.UNKNOWN),  # nothing has begun
    ],
)
def test_what_is_lost_from_sight_counts_as_it_was_last_proven(
    make_endpoint, before, ails, since, counts
):
    state = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
    state.kept = EndpointKept(since=0.0, health=before, unplanned=ails, passed_at=10.0)
    assert state.proven_since(since) is counts
    state.kept = replace(state.kept, passed_at=None)  # after a restart: known when we died
    assert since == 15.0 or state.proven_since(since) is counts


def test_what_passes_while_it_is_unknown_is_proof(feed):
    state = feed("PEEEW")
    assert (state.health, state.proven_since(4.0)) == (Health.UNKNOWN, Health.UP)
    assert state.proven_since(4.1) is Health.UNKNOWN
    assert feed("PEEEP").kept.passed_at is None, "it is known again"


def test_what_is_held_while_it_flaps_is_held_on_while_it_is_unknown(feed):
    state = feed("PP" + "FFFFPPPP" * 3 + "P", failure_threshold=3)
    assert (state.health, state.shown, state.flapping) == (Health.UP, Health.DOWN, True)
    state.void(Reading(Reason.OWN_NETWORK), 100.0)
    assert state.shown is Health.UNKNOWN
    assert state.proven_since(0.0) is Health.DOWN
