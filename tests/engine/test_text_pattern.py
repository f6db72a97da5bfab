"""Patterns for foreign text end in time, each way to use them."""

import threading
from collections.abc import Callable

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.engine.text_pattern import ASCII, DOT_ALL, IGNORE_CASE, SearchTimeout, TextPattern
from beacon.engine.workers import Finished, Workers

SLOW = TextPattern(r"(?:a|aa|aaa)*b|(a*)*c")
HOSTILE = "a" * 40


def test_they_find_what_re_finds() -> None:
    word = TextPattern(r"\b(\w)(\d{2})\b", IGNORE_CASE)
    text = "x11 Y22 no z3"
    assert word.groups == 2
    assert word.search(text)[0] == "x11"
    assert word.fullmatch(text) is None
    assert word.findall(text) == [("x", "11"), ("Y", "22")]
    assert [match[2] for match in word.finditer(text)] == ["11", "22"]
    assert word.sub(r"\2", text) == "11 22 no z3"
    assert word.sub(lambda match: match[1], text) == "x Y no z3"
    assert TextPattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]
    assert TextPattern(".", DOT_ALL).fullmatch("\n")
    assert not TextPattern(r"\d", ASCII).fullmatch("٣")


@pytest.mark.parametrize(
    "search",
    [
        SLOW.search,
        SLOW.fullmatch,
        SLOW.findall,
        SLOW.finditer,
        lambda text: SLOW.sub("", text),
    ],
    ids=["search", "fullmatch", "findall", "finditer", "sub"],
)
def test_what_takes_too_long_is_ended(
    search: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beacon.engine.text_pattern.REGEX_BUDGET", 0.01)
    with pytest.raises(SearchTimeout):
        search(HOSTILE)


def test_in_a_probe_that_is_a_reading_and_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beacon.engine.text_pattern.REGEX_BUDGET", 0.01)
    done: list[Finished] = []
    came = threading.Event()

    class Searching:
        def observe(self, run: Run) -> Reading:
            SLOW.search(HOSTILE)
            raise AssertionError

    workers = Workers(SystemClock(), lambda finished: (done.append(finished), came.set()))
    workers.start("endpoint", Searching(), 60, ProbeMemory(), regular=True)
    assert came.wait(60)
    assert workers.stop(60)
    assert done[0].reading.reason is Reason.INTERNAL_ERROR
    assert done[0].reading.detail == (
        "not understood in time: a text took longer than 0.01 s to search"
    )
