"""One endpoint: thresholds, windows, flapping, unknown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.endpoint.state import EndpointState, overtaken, slow_or
from beacon.core.model import OUTCOME_OF, Evidence, Health, Outcome, Reading, Reason
from beacon.core.trust.network import Confirmation

LETTERS = {
    "P": Reading(Reason.OK),
    "W": Reading(Reason.SLOW),
    "F": Reading(Reason.DEADLINE),
    "E": Reading(Reason.INTERNAL_ERROR),
    "S": Reading(Reason.SAMPLE_TOO_SMALL),
}


@pytest.fixture
def feed(make_endpoint):
    def run(letters: str, regular: bool = True, gate: Confirmation = Confirmation.OPEN, **settings):
        state = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM, **settings), 0.0)
        for n, letter in enumerate(letters):
            state.started = float(n)
            state.count(LETTERS[letter], float(n), regular=regular)
            state.decide(float(n), gate)
        return state

    return run


@pytest.mark.parametrize("first", ["", "P"])
def test_the_guard_does_not_stop_sign_ins_of_others(feed, first):
    state = feed(first, pushed=True)
    for at in range(10, 20):
        read = state.count(Reading(Reason.SIGN_IN_REJECTED), float(at), regular=True)
        state.decide(float(at), Confirmation.OPEN)
        assert read.reason is Reason.SIGN_IN_REJECTED
    assert not state.guarded
    assert state.health is Health.DOWN


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
    assert feed(letters).health is health


def test_thresholds_are_the_endpoints_own(feed):
    assert feed("PF", failure_threshold=1).health is Health.DOWN
    assert feed("PFP", failure_threshold=1, success_threshold=1).health is Health.UP


def test_while_our_own_eyes_are_in_doubt_nothing_goes_down(feed):
    state = feed("PFFFFFF", gate=Confirmation.PENDING)
    assert state.health is Health.UP
    assert state.failing


def test_flapping_begins_above_a_fifth_of_changes_and_ends_below_a_twentieth(feed):
    assert not feed("P" * 20 + "FPFP").flapping
    assert feed("P" * 20 + "FPFPF").flapping
    assert feed("P" * 20 + "FPFPF" + "P" * 19).flapping
    ended = feed("P" * 20 + "FPFPF" + "P" * 21)
    assert not ended.flapping
    assert ended.shown is Health.UP


def test_rechecks_do_not_count_as_flapping(feed):
    assert not feed("PF" * 20, regular=False).flapping


def test_while_flapping_the_worst_is_held(feed):
    state = feed("P" * 15 + "PFPFPF" + "FFPP")
    assert state.health is Health.UP
    assert state.flapping
    assert state.shown is Health.DOWN


def test_the_first_reading_is_no_change(feed):
    state = feed("F")
    assert not state.flapping
    assert feed("FFFPPPPPP").flaps.history.bit_count() == 3


def test_void_empties_streak_and_window(feed):
    state = feed("PFF")
    state.void(Reading(Reason.OWN_NETWORK), 9.0)
    assert state.health is Health.UNKNOWN
    state.count(LETTERS["F"], 10.0, regular=True)
    state.decide(10.0, Confirmation.OPEN)
    assert state.streaks.fails == 1


@pytest.mark.parametrize(
    ("latency", "slow_after", "reason"),
    [
        (6.0, 5.0, Reason.SLOW),
        (5.0, 5.0, Reason.OK),
        (6.0, None, Reason.OK),
        (None, 5.0, Reason.OK),
    ],
)
def test_a_late_pass_is_a_warn(latency, slow_after, reason):
    assert slow_or(Reading(Reason.OK, latency=latency), slow_after).reason is reason


@pytest.mark.parametrize("reason", [Reason.ADDRESS_DEAD, Reason.CERTIFICATE_EXPIRING])
def test_planned_trouble_does_not_hide_slowness(reason):
    reading = Reading(reason, "what is planned", latency=6.0)
    assert slow_or(reading, 9.0) is reading
    slow = slow_or(reading, 5.0)
    assert (slow.reason, slow.detail) == (
        Reason.SLOW,
        "took 6 s, more than 5 s; what is planned",
    )


def test_a_slow_failure_stays_a_failure():
    reading = Reading(Reason.HTTP_STATUS, latency=9.0)
    assert slow_or(reading, 1.0) is reading


def test_every_reason_has_one_outcome_and_errors_are_only_ours():
    assert set(OUTCOME_OF) == set(Reason)
    errors = {r.value for r, o in OUTCOME_OF.items() if o is Outcome.ERROR}
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


def test_one_dead_back_end_of_two_is_seen_though_every_recheck_passes(make_endpoint):
    from beacon.core.model import Evidence

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


def test_what_was_down_when_it_began_to_flap_is_held_as_down(feed):
    state = feed("P" * 15 + "FFFPPFPFPP")
    assert state.flapping
    assert state.health is Health.UP
    assert state.shown is Health.DOWN
    assert feed("FFF" + "P" * 25 + "FPFPFP").shown is Health.DEGRADED


# --- what looks back --------------------------------------------------------------


@pytest.fixture
def both(make_endpoint):
    """A sign-in and what users do, that looks back half an hour; each falls, one comes back."""

    def make(fell: float, told_fell: float, back: float, told: float, **cell):
        ours = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
        late = EndpointState(
            make_endpoint(
                "s", "users", Evidence.SYMPTOM, hindsight=1800.0, failure_threshold=1, **cell
            ),
            0.0,
        )
        story = [(ours, fell + n, "F") for n in range(3)]
        story += [(ours, back + n, "P") for n in range(2)]
        story += [(late, told_fell, "F"), (late, told, "F")]
        for state, at, letter in sorted(story, key=lambda each: each[1]):
            state.started = at
            state.count(LETTERS[letter], at, regular=True)
            state.decide(at, Confirmation.OPEN)
        assert (ours.health, late.health) == (Health.UP, Health.DOWN)
        return overtaken(late, [ours, late])

    return make


def test_trouble_of_before_our_sign_in_came_back_is_over(both):
    assert both(fell=100, told_fell=1000, back=5000, told=6000)
    assert not both(fell=100, told_fell=1000, back=5000, told=6802), "of afterwards it is not"


def test_a_sign_in_that_was_up_while_users_failed_proves_nothing(both):
    assert not both(fell=1000, told_fell=100, back=5000, told=6000)


def test_nor_does_one_of_another_cell(both):
    assert not both(fell=100, told_fell=1000, back=5000, told=6000, factor="sms")


def test_whoever_told_nothing_is_never_overtaken(make_endpoint):
    late = EndpointState(make_endpoint("s", "u", Evidence.SYMPTOM, hindsight=1800.0), 0.0)
    ours = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM), 0.0)
    ours.confirmed_onset, ours.up_again_at = None, 9e9
    assert not overtaken(late, [ours])
    late.count(LETTERS["S"], 5.0, regular=True)
    assert late.looks_back_to == float("inf"), "nobody was there: nothing was told"


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
    state.before, state.unplanned, state.passed_at = before, ails, 10.0
    assert state.proven_since(since) is counts
    state.passed_at = math.inf  # after a restart: it was well when we died
    assert since == 15.0 or state.proven_since(since) is counts
