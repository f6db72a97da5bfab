"""Sources: unchanged is fresh, dead is never fine, and who asks for a rest gets it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import (
    KEPT,
    LONGEST_REST,
    USUAL_REST,
    WHOLE_EVERY,
    BoundedCache,
)
from beacon.net.probe_failure import ProbeFailure


def words(_: Run, answer: Answer) -> str:
    if not answer.body:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "nothing")
    return answer.body.decode()


def others(_: Run, answer: Answer) -> int:
    return len(answer.body)


@pytest.fixture
def read(sources, vendor, clock):
    """Read a path of the vendor."""

    def ask(path: str = "/feed", parse: Callable[[Answer], Any] = words) -> Any:
        return sources.read(Run(clock, 5), Request(url=vendor.url + path), parse)

    return ask


@pytest.fixture
def refused(read):
    """Read a path that gives trouble."""

    def ask(path: str = "/feed") -> Reading:
        with pytest.raises(ProbeFailure) as raised:
            read(path)
        return raised.value.reading

    return ask


# --- unchanged --------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"1"'},
        {"ETag": 'W/"1"'},
        {"Last_Modified": "Mon, 05 Jan 2026 11:00:00 GMT"},
        {"ETag": '"1"', "Last_Modified": "Mon, 05 Jan 2026 11:00:00 GMT"},
    ],
)
def test_what_is_unchanged_says_the_same_again(vendor, read, headers):
    vendor.publish("/feed", b"fine", **headers)
    first, second = read(), read()
    assert first is second
    assert len(vendor.asked) == 2
    known = vendor.asked[1].headers
    assert known.get("If-None-Match") == headers.get("ETag")
    assert known.get("If-Modified-Since") == headers.get("Last_Modified")


def test_what_has_changed_is_read_anew(vendor, read):
    vendor.publish("/feed", b"fine", ETag='"1"')
    read()
    vendor.publish("/feed", b"trouble", ETag='"2"')
    assert read() == "trouble"
    assert read() == "trouble"
    assert vendor.asked[-1].headers["If-None-Match"] == '"2"'


def test_without_validators_it_is_read_whole(vendor, read):
    vendor.publish("/feed", b"fine")
    read()
    read()
    assert "If-None-Match" not in vendor.asked[1].headers


@pytest.mark.parametrize("etag", ["é", "x" * 1001])
def test_a_validator_that_cannot_be_sent_is_none(vendor, read, etag):
    vendor.publish("/feed", b"fine", ETag=etag)
    read()
    assert read() == "fine"
    assert "If-None-Match" not in vendor.asked[1].headers


def test_each_address_and_each_way_to_read_it_is_by_itself(vendor, read):
    vendor.publish("/feed", b"fine", ETag='"1"')
    vendor.publish("/other", b"trouble", ETag='"1"')
    read("/feed")
    assert read("/other") == "trouble"
    assert read("/feed", others) == 4
    assert "If-None-Match" not in vendor.asked[1].headers
    assert "If-None-Match" not in vendor.asked[2].headers


def test_it_is_not_kept_when_it_cannot_be_read(vendor, read, refused):
    vendor.publish("/feed", b"", ETag='"1"')
    assert refused().reason is Reason.PROTOCOL_ERROR
    assert refused().reason is Reason.PROTOCOL_ERROR
    assert "If-None-Match" not in vendor.asked[1].headers


def test_a_dead_source_is_dead_whatever_it_answered_before(vendor, read, refused):
    vendor.publish("/feed", b"fine", ETag='"1"')
    read()
    vendor.answers["/feed"] = (404, {}, b"")
    assert refused().reason is Reason.SOURCE_DEAD


def test_unchanged_of_what_we_never_read_is_a_dead_source(vendor, refused):
    vendor.answers["/feed"] = (304, {}, b"")
    assert refused() == Reading(
        Reason.SOURCE_DEAD, "status 304 instead of an answer; the page may be inactive"
    )


def test_an_old_dead_page_it_is_sent_to_is_not_unchanged(vendor, read, refused):
    """The page that says `inactive` is years old: not modified since we read the real one."""
    vendor.publish("/feed", b"fine", Last_Modified="Mon, 05 Jan 2026 11:00:00 GMT")
    read()
    vendor.answers["/feed"] = (302, {"Location": "/inactive"}, b"")

    def inactive(asked: Any) -> tuple[int, dict[str, str], bytes]:
        return (304 if "If-Modified-Since" in asked.headers else 401), {}, b""

    vendor.answers["/inactive"] = inactive
    assert "status 401" in refused().detail


def test_through_a_redirect_it_may_be_unchanged(vendor, read):
    vendor.answers["/old"] = (301, {"Location": "/feed"}, b"")
    vendor.publish("/feed", b"fine", ETag='"1"')
    assert read("/old") == read("/old") == "fine"
    assert len(vendor.asked) == 4


def test_once_an_hour_it_is_read_whole(vendor, read, refused, clock):
    vendor.publish("/feed", b"fine", ETag='"1"')
    read()
    vendor.answers["/feed"] = (304, {}, b"")  # a cache that has stopped
    assert read() == "fine"
    clock.advance(WHOLE_EVERY)
    assert refused().reason is Reason.SOURCE_DEAD
    assert "If-None-Match" not in vendor.asked[-1].headers


# --- rest -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "after", "seconds"),
    [
        (429, "90", 90),
        (429, None, USUAL_REST),
        (429, "soon", USUAL_REST),
        (429, "-5", USUAL_REST),
        (429, "9" * 4000, LONGEST_REST),
        (429, "Mon, 05 Jan 2026 12:02:00 GMT", 120),
        (429, "Mon, 05 Jan 2026 12:02:00 -0000", 120),
        (429, "Mon, 05 Jan 9999999 12:02:00 GMT", USUAL_REST),
        (503, "600", 600),
        (503, "86400", LONGEST_REST),
    ],
)
def test_it_is_left_alone_as_long_as_it_asks_for(
    vendor, read, refused, clock, status, after, seconds
):
    headers = {"Retry-After": after} if after is not None else {}
    vendor.answers["/feed"] = (status, headers, b"")
    limited = status == 429
    reading = refused()
    assert reading.reason is (Reason.RATE_LIMITED if limited else Reason.SOURCE_DEAD)
    vendor.publish("/feed", b"fine")
    clock.advance(seconds - 1)
    assert refused() == reading, "and it says the same, so that nobody reads news in it"
    assert len(vendor.asked) == 1
    clock.advance(1)
    assert read() == "fine"


def test_it_says_when_it_is_asked_again(vendor, refused):
    vendor.answers["/feed"] = (429, {"Retry-After": "120"}, b"")
    assert refused().detail == (
        "status 429: it asks us to wait, and is not asked again before 5 Jan 12:02 UTC"
    )


@pytest.mark.parametrize("after", ["0", "Mon, 05 Jan 2026 11:59:00 GMT", None])
def test_without_a_time_to_wait_a_busy_source_is_asked_again(vendor, read, refused, after):
    vendor.answers["/feed"] = (503, {"Retry-After": after} if after else {}, b"")
    assert refused() == Reading(Reason.SOURCE_DEAD, "status 503")
    vendor.publish("/feed", b"fine")
    assert read() == "fine"


def test_all_who_read_it_leave_it_alone(vendor, read, refused):
    vendor.answers["/feed"] = (429, {"Retry-After": "120"}, b"")
    refused()
    with pytest.raises(ProbeFailure):
        read("/feed", others)
    assert len(vendor.asked) == 1
    vendor.publish("/other", b"fine")
    assert read("/other") == "fine"


def test_a_step_of_the_wall_clock_does_not_wake_it(vendor, sources, clock):
    vendor.answers["/feed"] = (429, {"Retry-After": "120"}, b"")
    later = ManualClock(clock.utc() + timedelta(days=1), clock.monotonic())
    for each in (clock, later):
        with pytest.raises(ProbeFailure):
            sources.read(Run(each, 5), Request(url=vendor.url + "/feed"), words)
    assert len(vendor.asked) == 1


# --- keeping ----------------------------------------------------------------------


@given(st.lists(st.integers(0, 20)), st.integers(1, 8))
def test_no_more_is_kept_than_may_be_and_the_newest(keys, most):
    kept: BoundedCache[int] = BoundedCache(most)
    for key in keys:
        kept.put(key, key)
    newest = list(dict.fromkeys(reversed(keys)))
    assert {key for key in range(21) if kept.get(key) is not None} == set(newest[:most])


def test_sources_are_forgotten_when_there_are_too_many(vendor, read):
    for number in range(KEPT + 1):
        vendor.publish(f"/{number}", b"fine", ETag='"1"')
        read(f"/{number}")
    read("/1")
    read("/0")
    assert "If-None-Match" in vendor.asked[-2].headers
    assert "If-None-Match" not in vendor.asked[-1].headers


def test_many_threads_may_keep_at_once():
    kept: BoundedCache[int] = BoundedCache(4)

    def work(number: int) -> None:
        for key in range(2000):
            kept.put((number, key % 7), key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.put("last", 1)
    held = [(n, k) for n in range(4) for k in range(7) if kept.get((n, k)) is not None]
    assert len(held) == 3
