"""Claims: the worst counts, in words; what is dead is never fine."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reading, Reason
from beacon.engine.redaction import Secrets
from beacon.net.parsing.dates import moment, since
from beacon.vendors.status import (
    OF_MICROSOFT,
    SEVERITY,
    Admission,
    concerned,
    entry,
    severer,
    status_text,
    worst,
)

clear = Secrets().clear

ADMISSIONS = st.lists(
    st.builds(Admission, st.sampled_from(SEVERITY), st.text(max_size=300)), min_size=1
)


@given(ADMISSIONS)
def test_the_worst_counts_and_is_one_line(admissions):
    reading = worst(admissions)
    assert all(SEVERITY.index(one.reason) <= SEVERITY.index(reading.reason) for one in admissions)
    assert reading.reason in {one.reason for one in admissions}
    assert len(clear(reading.detail)) <= 200
    assert "\n" not in clear(reading.detail)


def test_things_equally_bad_are_all_listed_and_nothing_twice():
    reading = worst(
        [
            Admission(Reason.OK, "fine"),
            Admission(Reason.VENDOR_INCIDENT, "push is down"),
            Admission(Reason.VENDOR_DEGRADED, "voice is slow"),
            Admission(Reason.VENDOR_INCIDENT, "SMS is down"),
            Admission(Reason.VENDOR_INCIDENT, "push is down"),
        ]
    )
    assert reading == Reading(Reason.VENDOR_INCIDENT, "push is down; SMS is down")


@given(st.sampled_from(SEVERITY), st.sampled_from(SEVERITY))
def test_of_two_the_severer(first, second):
    assert severer(first, second) is severer(second, first)
    assert severer(first, Reason.OK) is first


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("serviceDegradation", "Service degradation"),
        ("ServiceDegradation", "Service degradation"),
        ("SERVICE_OUTAGE", "Service outage"),
        ("in_progress", "In progress"),
        ("investigating", "Investigating"),
        ("", ""),
        ("x" * 100, "X" + "x" * 38 + "…"),
    ],
)
def test_a_status_is_spoken(status, words):
    assert clear(status_text(status)) == words


def test_an_entry_is_a_sentence_whose_title_leaves_space():
    assert clear(entry("identified", "Codes are late", "", "since 19 Nov 14:10 UTC")) == (
        "Identified: Codes are late (since 19 Nov 14:10 UTC)"
    )
    assert clear(entry("identified", "Codes\nare late")) == "Identified: Codes are late"
    long = clear(entry("identified", "x" * 500, "MO1", "since 19 Nov 14:10 UTC"))
    assert long.endswith("… (MO1, since 19 Nov 14:10 UTC)")
    assert len(long) < 200


MOMENT = datetime(2018, 11, 19, 4, 39, tzinfo=UTC)


@pytest.mark.parametrize("written", ["2018-11-18T20:39:00-08:00", " 2018-11-19 04:39 ", 1542602340])
def test_times_as_vendors_write_them(written):
    assert moment(written) == MOMENT
    assert since(written) == "since 19 Nov 04:39 UTC"
    assert since("soon") == ""


def test_foreign_text_is_searched_in_bounded_time():
    def speak(pattern: str | None, *texts: str) -> list[str]:
        return concerned(pattern, texts, str)

    assert speak(None, "a", "b") == ["a", "b"]
    assert speak(r"(?i)\bMFA\b", "no mfa today", "SMS") == ["no mfa today"]
    assert speak(r"\bMFA\b", "no MFAs today") == []
    assert speak("late", "x" * 4000 + "late") == []


def test_what_takes_too_long_to_search_may_concern_us_and_so_may_all_after_it(monkeypatch):
    searched: list[str] = []

    class Slow:
        def __init__(self, _: str) -> None:
            """Any pattern."""

        def search(self, text: str) -> None:
            searched.append(text)
            if text == "slow":
                raise TimeoutError

    monkeypatch.setattr("beacon.vendors.status.TextPattern", Slow)
    texts = ["before", "slow", *(f"{n}" for n in range(2000))]
    assert concerned("x", texts, str) == texts[1:]
    assert searched == ["before", "slow"], "else one feed would take half a second each"


def test_every_word_of_microsoft_has_its_reason():
    assert all(word == word.casefold() and word.isalpha() for word in OF_MICROSOFT)
    assert set(OF_MICROSOFT.values()) == {
        Reason.OK,
        Reason.VENDOR_DEGRADED,
        Reason.VENDOR_INCIDENT,
    }
