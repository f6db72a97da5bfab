"""When an endpoint is slow, the dead band in which that ends, and when it is over."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.endpoint.latency.baseline import Baseline
from beacon.core.endpoint.latency.slowness import (
    LASTING,
    Slowness,
    quiet_time,
    tells_pace,
    with_slowness,
)
from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Endpoint, Evidence, Health, Moment, Reading, Reason
from beacon.core.trust.network import Confirmation

# --- against the usual ------------------------------------------------------------


def slow_after(pattern: str, interval: float = 60.0) -> list[bool]:
    """After each reading (S: slow, f: fast, =: at the limit) whether it is slow."""
    slowness, found, slow = Slowness(), [], False
    for n, letter in enumerate(pattern):
        at, latency = n * interval, {"S": 9.0, "=": 5.0, "f": 1.0}[letter]
        slowness.take(latency, None)
        slow = not slowness.long_below(5.0, at, at) if slow else slowness.long_above(5.0, at, at)
        found.append(slow)
    return found


@pytest.mark.parametrize(
    ("pattern", "at"),
    [
        ("fffffSSSS", 8),  # three minutes after the first
        ("SSSSS", 4),  # five readings at least
        ("fffffSSSfS", 9),  # three of five, and one more: with a slow reading
        ("fffffSSSff", None),
        ("fffffSSfSSSS", 11),  # the row that made it so began at 8
        ("fSfSfSfSfSfSfSfS", None),  # hardly ever
        ("fffffSSffSSff", None),
        ("fffff=SSSS", 9),  # what is at the limit is not slow
        ("fffff=====S", None),
    ],
)
def test_when_it_begins(pattern, at):
    found = slow_after(pattern)
    assert (found.index(True) if True in found else None) == at


def test_it_ends_when_it_has_not_been_so_for_as_long():
    found = slow_after("SSSSS" + "fff" + "fff" + "f")
    assert found[4:] == [True] * 6 + [False] * 2
    assert slow_after("SSSSS" + "fff" + "SSS" + "fff")[-1]


def test_five_latencies_are_needed_to_end_it_too():
    slowness = Slowness()
    for n in range(4):
        slowness.take(1.0, None)
        assert not slowness.long_below(5.0, n * 300.0, n * 300.0)
    assert slowness.median is None
    slowness.take(1.0, None)
    assert not slowness.long_below(5.0, 1200.0, 1200.0)
    slowness.take(1.0, None)
    assert not slowness.long_below(5.0, 1500.0, 1500.0), "for five minutes, and two readings"
    slowness.take(1.0, None)
    assert slowness.long_below(5.0, 1800.0, 1800.0)


@given(st.text("Sf", max_size=60), st.floats(1.0, 400.0))
def test_it_is_slow_only_after_lasting_slowness(pattern, interval):
    slow = slow_after(pattern, interval)
    for n, now in enumerate(slow):
        if now and not (n and slow[n - 1]):
            assert pattern[n] == "S"
            assert pattern[max(0, n - 4) : n + 1].count("S") >= 3
            assert n * interval >= LASTING


# --- the dead band ----------------------------------------------------------------

SPEC = Endpoint(
    id="s/x", service="s", name="x", kind="flow", evidence=Evidence.SYMPTOM, interval=60.0,
    slow_after=5.0,
)  # fmt: skip
LETTERS = {"S": 6.0, "m": 4.5, "4": 4.0, "f": 3.5, "n": None}


def read(state: EndpointState, reading: Reading, at: float, usual: float = math.inf) -> Health:
    """Let it read this; what `EndpointMonitors` does with a reading, as far as it matters here."""
    state.started = Moment(at)
    reading = state.count(with_slowness(reading, state.spec.slow_after), Moment(at), regular=True)
    if tells_pace(reading) and reading.reason is not Reason.DEADLINE:
        state.note_latency(reading.latency or 0.0, usual, Moment(at))
    state.decide(Moment(at), Confirmation.OPEN)
    return state.health


def after(pattern: str, spec: Endpoint = SPEC, usual: float = math.inf) -> EndpointState:
    """The state after these readings, one a minute; F: it fails."""
    state = EndpointState(spec, Moment(0.0))
    state.baseline = Baseline()
    for n, letter in enumerate(pattern):
        ok = letter in LETTERS
        reading = Reading(Reason.OK, latency=LETTERS[letter]) if ok else Reading(Reason.DEADLINE)
        read(state, reading, n * 60.0, usual)
    return state


SLOWED = "fffff" + "SSSSS"


@pytest.mark.parametrize(
    ("pattern", "health"),
    [
        ("fffffSS", Health.UP),
        ("fffffSSS", Health.DEGRADED),
        ("fffffSSfSfS", Health.DEGRADED),  # four of the last six
        ("fffffSSfSff", Health.UP),
        (SLOWED + "ff", Health.DEGRADED),
        (SLOWED + "fffff", Health.DEGRADED),  # below for two minutes
        (SLOWED + "ffffff", Health.UP),
        (SLOWED + "mmmmmmmmmmmmmmmmmmmm", Health.DEGRADED),  # within the band
        (SLOWED + "44444444444444444444", Health.DEGRADED),  # 0.8 x the limit is not below it
        (SLOWED + "fffffSfff", Health.UP),  # one alone hardly moves the median
        (SLOWED + "fffffS", Health.DEGRADED),  # but two passes, as after any warning
        (SLOWED + "fffmmmfffff", Health.DEGRADED),  # the three minutes begin anew
        (SLOWED + "fffmmmffffff", Health.UP),
        (SLOWED + "ffffff" + "mmmmmmmmmm", Health.UP),  # within the band it does not begin
        (SLOWED + "ffffff" + "SS", Health.UP),  # what was slow before counts no more
        (SLOWED + "nnnnnn", Health.UP),  # not measured is not slow
        (SLOWED + "FFF", Health.DOWN),
        (SLOWED + "FFFff", Health.UP),  # coming up from down ends it
        (SLOWED + "FFFfS" + "ff", Health.UP),
        (SLOWED + "FFfff", Health.DEGRADED),  # fails alone do not
    ],
)
def test_slowness_by_slow_after_has_a_dead_band(pattern, health):
    assert after(pattern).health is health


def test_slowness_against_the_usual_has_the_same_dead_band():
    spec = replace(SPEC, slow_after=None)
    assert after(SLOWED, spec, 5.0).health is Health.DEGRADED
    assert after(SLOWED + "m" * 30, spec, 5.0).health is Health.DEGRADED
    assert after(SLOWED + "fffff", spec, 5.0).health is Health.DEGRADED
    assert after(SLOWED + "ffffff", spec, 5.0).health is Health.UP


def test_the_lower_of_two_limits_counts():
    assert after(SLOWED + "f" * 30, usual=4.2).health is Health.DEGRADED
    assert after(SLOWED + "f" * 30, usual=9.0).health is Health.UP


def test_it_may_be_judged_while_something_is_planned():
    """A certificate that expires in a month would else keep it amber for a month."""
    state = after(SLOWED)
    for n in range(10, 16):
        read(state, Reading(Reason.CERTIFICATE_EXPIRING, latency=3.5), n * 60.0)
    assert not state.kept.slow


def test_a_late_code_says_nothing_of_the_pace():
    assert not tells_pace(Reading(Reason.CODE_LATE, latency=9.0))
    assert not tells_pace(Reading(Reason.DEADLINE, latency=9.0))


def test_within_the_band_it_says_why_it_is_degraded():
    state = after(SLOWED + "m")
    assert state.says == (Reading(Reason.SLOW, "took 6 s, more than 5 s", 6.0), 300.0)
    assert state.because is state.says[0]
    assert after("fffff").says[0] == Reading(Reason.OK, latency=3.5)


def test_after_a_restart_it_is_still_slow_until_it_leaves_the_band():
    kept = after(SLOWED).kept
    state = EndpointState(SPEC, Moment(0.0))
    state.recall(kept)
    for n in range(7):
        health = read(state, Reading(Reason.OK, latency=3.5), n * 60.0)
        assert state.because.detail == ("slow when we were restarted" if n else "")
        assert health is (Health.DEGRADED if n else Health.UNKNOWN)
    assert read(state, Reading(Reason.OK, latency=3.5), 420.0) is Health.UP


# --- when it is over --------------------------------------------------------------


def test_it_is_over_half_an_hour_after_the_band_was_left():
    assert after("fffff").quiet_at < 0
    assert after(SLOWED).quiet_at == math.inf
    assert after(SLOWED + "ffffff").quiet_at == 15 * 60.0 + 1800.0
    assert after(SLOWED + "ffffff" + "mmmmmfSfff").quiet_at == 15 * 60.0 + 1800.0, "one alone"


def test_two_slow_readings_of_five_begin_the_quiet_time_anew():
    assert after(SLOWED + "ffffff" + "SfffSff").quiet_at == 20 * 60.0 + 1800.0
    assert after(SLOWED + "ffffff" + "f" * 30 + "SS").quiet_at == 15 * 60.0 + 1800.0, "over"


def test_ten_intervals_are_waited_for():
    assert quiet_time(SPEC) == 1800.0
    assert quiet_time(replace(SPEC, interval=900.0)) == 9000.0


# --- a reading that took long ------------------------------------------------------


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
    assert with_slowness(Reading(Reason.OK, latency=latency), slow_after).reason is reason


@pytest.mark.parametrize("reason", [Reason.ADDRESS_DEAD, Reason.CERTIFICATE_EXPIRING])
def test_planned_trouble_does_not_hide_slowness(reason):
    reading = Reading(reason, "what is planned", latency=6.0)
    assert with_slowness(reading, 9.0) is reading
    slow = with_slowness(reading, 5.0)
    assert (slow.reason, slow.detail) == (
        Reason.SLOW,
        "took 6 s, more than 5 s; what is planned",
    )


def test_a_slow_failure_stays_a_failure():
    reading = Reading(Reason.HTTP_STATUS, latency=9.0)
    assert with_slowness(reading, 1.0) is reading
