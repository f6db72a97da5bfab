"""Our own clock: who may say that it is wrong, and when it is believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import ClockSeen, Endpoint, Evidence, Reading, Reason
from beacon.core.trust.clock import REMEMBERED, OwnClock, _median

DAY = 86400.0


def offset_by(offset: float, host: str = "") -> Reading:
    return Reading(Reason.OK, clock=ClockSeen(offset, host))


def page(service: str, name: str = "page", **more) -> Endpoint:
    evidence = Evidence.WITNESS if service == "witness" else Evidence.HEALTH
    return Endpoint(
        id=f"{service}/{name}", service=service, name=name, kind=more.pop("kind", "http"),
        evidence=evidence, **more,
    )  # fmt: skip


A, B, C, D = page("a"), page("b"), page("c"), page("witness", "canary")
NTP, OTHER = page("a", "clock", kind="ntp"), page("b", "clock", kind="ntp")
LOCAL = page("c", "local", local=True)
ALL = (A, B, C, D, NTP, OTHER, LOCAL)


@pytest.fixture
def clock() -> OwnClock:
    made = OwnClock()
    made.watch(ALL, frozenset())
    return made


def word_after(clock: OwnClock, *readings: tuple[Endpoint, Reading], at: float = 1.0) -> str:
    for endpoint, reading in readings:
        clock.read(endpoint, reading, at, at)
    return clock.word


def test_before_any_reading(clock):
    assert (clock.word, clock.offset) == ("unverified", None)


@pytest.mark.parametrize(("off", "word"), [(0, "ok"), (15, "ok"), (-15, "ok"), (15.1, "lost")])
def test_an_ntp_endpoint_counts_alone(clock, off, word):
    assert word_after(clock, (NTP, offset_by(off))) == word
    assert clock.offset == off


def test_pushed_readings_prove_nothing_about_our_clock(clock):
    one, other = (page(name, "pushed", pushed=True) for name in "ab")
    early = Reading(Reason.TLS_NOT_YET_VALID, clock=ClockSeen(DAY))
    assert word_after(clock, (one, early), (other, early)) == "unverified"
    assert word_after(clock, (A, early), (B, early)) == "lost"


def test_one_web_server_may_confirm_and_never_blinds(clock):
    assert word_after(clock, (A, offset_by(DAY, "a.example"))) == "unverified"
    assert word_after(clock, (A, offset_by(2.0, "a.example"))) == "ok"


def test_two_unrelated_places_that_agree_blind(clock):
    assert word_after(clock, (A, offset_by(DAY)), (B, offset_by(DAY + 1))) == "lost"


def test_one_of_two_lies_and_nothing_is_lost(clock):
    assert word_after(clock, (A, offset_by(DAY)), (B, offset_by(1.0))) == "ok"
    assert word_after(clock, (NTP, offset_by(DAY))) == "lost", "two of three"


def test_a_lying_time_server_is_outvoted(clock):
    assert (
        word_after(clock, (NTP, offset_by(DAY)), (A, offset_by(0.3)), (B, offset_by(0.1))) == "ok"
    )
    assert clock.offset == 0.3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((A, "a.example"), (page("a", "more"), "b.example")),  # one service
        ((A, "same.example"), (B, "same.example")),  # one host
    ],
)
def test_one_place_and_one_host_have_one_vote(one, other):
    clock = OwnClock()
    clock.watch((*ALL, other[0]), frozenset())
    readings = [(endpoint, offset_by(DAY, host)) for endpoint, host in (one, other)]
    assert word_after(clock, *readings) == "unverified"
    assert word_after(clock, (D, offset_by(DAY, "canary.example"))) == "lost"


def test_of_one_place_the_nearest_to_our_time_counts(clock):
    clock.watch((*ALL, page("a", "more")), frozenset())
    assert (
        word_after(clock, (A, offset_by(DAY, "x")), (page("a", "more"), offset_by(1.0, "y")))
        == "ok"
    )


def test_what_is_local_shares_our_clock(clock):
    assert word_after(clock, (LOCAL, offset_by(0.0)), (LOCAL, offset_by(DAY))) == "unverified"
    assert word_after(clock, (LOCAL, Reading(Reason.TLS_NOT_YET_VALID))) == "unverified"
    near = page("a", "near", kind="ntp", local=True)
    clock.watch((*ALL, near), frozenset())
    assert word_after(clock, (near, offset_by(40.0))) == "lost", (
        "a time server is asked for the time"
    )


def test_the_last_word_counts_and_stands_for_an_hour(clock):
    word_after(clock, (NTP, offset_by(0.0)))
    gone = Reading(Reason.DEADLINE)
    assert word_after(clock, (NTP, gone), at=REMEMBERED) == "ok"
    assert word_after(clock, (NTP, gone), at=REMEMBERED + 2) == "unverified"


def test_while_dates_are_why_nothing_is_read_the_last_word_stands(clock):
    word_after(clock, (A, offset_by(0.0, "a")), (B, offset_by(0.0, "b")))
    clock.stepped(10.0, 90 * DAY)
    assert clock.word == "lost"
    expired = Reading(Reason.TLS_EXPIRED)
    for hour in range(1, 100):
        at = hour * 0.5 * REMEMBERED
        assert word_after(clock, (A, expired), (B, expired), at=at) == "lost"


def test_what_fell_silent_has_no_vote(clock):
    word_after(clock, (NTP, offset_by(DAY)))
    clock.forget(NTP.id)
    assert clock.word == "unverified"


def test_a_step_moves_all_offsets(clock):
    assert (
        word_after(clock, (A, offset_by(224 * DAY, "a")), (B, offset_by(224 * DAY, "b"))) == "lost"
    )
    clock.stepped(5.0, 224 * DAY)
    assert (clock.word, clock.offset) == ("ok", 0.0)
    clock.read(A, offset_by(224 * DAY, "a"), 6.0, 4.0)
    assert clock.offset == 0.0, "a run that began before the step measured another clock"
    clock.stepped(7.0, -40.0)
    assert (clock.word, clock.offset) == ("lost", 40.0)


def test_certificates_from_the_future_at_two_unrelated_places(clock):
    early = Reading(Reason.TLS_NOT_YET_VALID)
    same = page("a", "more")
    clock.watch((*ALL, same), frozenset())
    assert word_after(clock, (A, early), (same, early)) == "unverified", "one service, one mistake"
    assert word_after(clock, (D, early)) == "lost", "a witness is a clock source of its own"
    assert word_after(clock, (D, Reading(Reason.UNREACHABLE))) == "unverified"
    assert word_after(clock, (B, Reading(Reason.OWN_CLOCK))) == "lost", (
        "a host that rejects our time"
    )
    assert word_after(clock, (B, Reading(Reason.RATE_LIMITED))) == "lost", "that proves nothing"
    assert word_after(clock, (B, Reading(Reason.OK))) == "unverified"
    word_after(clock, (B, early))
    clock.stepped(9.0, DAY)
    assert clock.word == "unverified", "that was another clock"


def test_a_date_before_the_build_outweighs_everybody(clock):
    word_after(clock, (NTP, offset_by(0.0)))
    clock.synchronised(on=True)
    clock.date_implausible(on=True)
    assert clock.word == "lost"
    clock.date_implausible(on=False)
    assert clock.word == "ok"


def test_the_kernels_word_never_blinds_and_never_outweighs_what_was_measured(clock):
    clock.synchronised(on=True)
    assert clock.word == "ok"
    assert word_after(clock, (A, offset_by(DAY))) == "ok", "one web server against the kernel"
    assert word_after(clock, (NTP, offset_by(40.0)), (B, offset_by(40.0))) == "lost"
    clock.synchronised(on=False)
    assert word_after(clock, (NTP, offset_by(0.0)), (B, offset_by(0.0))) == "ok"
    assert word_after(clock, (A, offset_by(0.0))) == "ok"


def test_scripts_need_no_numbers(clock):
    assert word_after(clock, (NTP, Reading(Reason.OWN_CLOCK))) == "lost"
    assert clock.offset == math.inf
    assert word_after(clock, (OTHER, Reading(Reason.OK))) == "ok"
    assert word_after(clock, (A, Reading(Reason.OK))) == "ok"


def test_what_is_watched_no_longer_or_anew_is_forgotten(clock):
    word_after(clock, (NTP, offset_by(40.0)), (A, Reading(Reason.TLS_NOT_YET_VALID)))
    clock.watch(ALL, frozenset({NTP.id}))
    assert clock.word == "unverified"
    word_after(clock, (NTP, offset_by(40.0)))
    clock.watch((A, B), frozenset())
    assert clock.word == "unverified"


def test_only_what_lives_by_the_clock_and_is_not_local_is_void(clock):
    bound = page("a", "sign-in", clock_bound=True)
    assert not clock.voids(bound)
    word_after(clock, (NTP, offset_by(40.0)))
    assert clock.voids(bound)
    assert not clock.voids(A)
    assert not clock.voids(page("a", "near", clock_bound=True, local=True))


offsets = st.floats(-1000, 1000, allow_nan=False)


@given(st.lists(offsets, min_size=1, max_size=9))
def test_fewer_than_half_who_lie_change_nothing(lies):
    """However far they are off: with as many honest ones and one more, the clock is right."""
    honest = [0.1 * n for n in range(len(lies) + 1)]
    assert abs(_median([*lies, *honest])) <= 15
    assert abs(_median([*lies, *honest[:-1]])) <= 15, "and as many do not either"


@given(
    st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from("xyz"), offsets), max_size=30),
)
def test_the_word_is_always_that_of_the_votes_as_they_stand(script):
    """Judging only where something may have changed comes to the same as judging always."""
    clock, last = OwnClock(), {}
    clock.watch(ALL, frozenset())
    for at, (endpoint, host, offset) in enumerate(script):
        clock.read(endpoint, offset_by(offset, host), at, at)
        last[endpoint.id] = (endpoint, offset_by(offset, host))
        anew = OwnClock()
        anew.watch(ALL, frozenset())
        for one in (last[k] for k in last):
            anew.read(*one, at, at)
        assert clock.word == anew.word


# --- to the letter ----------------------------------------------------------------


def future(endpoint):
    return endpoint, Reading(Reason.TLS_NOT_YET_VALID)


def test_what_doubted_and_fell_silent_doubts_no_more(clock):
    assert word_after(clock, future(A), future(B)) == "lost"
    clock.forget(A.id)
    assert clock.word == "unverified"
    clock.forget("nobody/ever")
    assert clock.word == "unverified"


def test_neither_what_is_local_nor_a_time_source_doubts_by_its_certificate(clock):
    assert word_after(clock, future(A), future(LOCAL)) == "unverified"
    assert word_after(clock, future(NTP), future(OTHER)) == "unverified"


def test_a_local_answer_has_no_vote(clock):
    assert (
        word_after(clock, (LOCAL, offset_by(0.0)), (LOCAL, offset_by(1.0, "here"))) == "unverified"
    )
    assert clock.offset is None


def test_a_time_source_without_a_number_is_taken_at_its_word(clock):
    word_after(clock, (NTP, Reading(Reason.OK)))
    assert clock.offset == 0.0
    assert word_after(clock, (NTP, Reading(Reason.OWN_CLOCK))) == "lost"
    assert clock.offset == math.inf


def test_a_run_that_began_as_the_clock_was_set_counts(clock):
    clock.stepped(100.0, 0.0)
    clock.read(NTP, offset_by(DAY), 101.0, 99.9)
    assert clock.word == "unverified"
    clock.read(NTP, offset_by(DAY), 101.0, 100.0)
    assert clock.word == "lost"


def test_the_last_word_is_remembered_to_the_second(clock):
    word_after(clock, (NTP, offset_by(DAY)), at=1.0)
    assert word_after(clock, (NTP, Reading(Reason.DEADLINE)), at=1.0 + REMEMBERED) == "lost"
    assert word_after(clock, (NTP, Reading(Reason.DEADLINE)), at=1.5 + REMEMBERED) == "unverified"


def test_dates_that_keep_it_from_being_read_prolong_its_last_word(clock):
    word_after(clock, (A, offset_by(DAY, "a.example")), (B, offset_by(DAY, "b.example")), at=1.0)
    word_after(clock, (A, Reading(Reason.TLS_EXPIRED)), (B, Reading(Reason.TLS_EXPIRED)), at=3000.0)
    silent = Reading(Reason.DEADLINE)
    assert word_after(clock, (A, silent), (B, silent), at=3000.0 + REMEMBERED) == "lost"


@pytest.mark.parametrize("offsets", [(-DAY, 5.0), (5.0, -DAY), (DAY, -5.0), (-5.0, DAY)])
def test_of_a_place_or_a_host_the_nearest_counts_whatever_the_sign(clock, offsets):
    nearest = min(offsets, key=abs)
    again = page("a", "again")
    clock.watch((*ALL, again), frozenset())
    for endpoint, offset, host in zip((A, again), offsets, ("x", "y"), strict=True):
        word_after(clock, (endpoint, offset_by(offset, host)))
    assert clock.offset == nearest
    for endpoint, offset in zip((B, C), offsets, strict=True):
        word_after(clock, (endpoint, offset_by(offset, "one.example")))
    assert clock.offset == nearest


def test_who_changes_its_host_is_judged_anew(clock):
    word_after(clock, (A, offset_by(2.0, "one.example")), (B, offset_by(3.0, "one.example")))
    assert clock.offset == 2.0
    word_after(clock, (A, offset_by(2.0, "other.example")))
    assert clock.offset == 2.0
    word_after(clock, (B, offset_by(1.0, "one.example")))
    assert clock.word == "ok"
