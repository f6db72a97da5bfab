"""Messages a day: counted before they are sent, over restarts, and afresh the next day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.engine.clock import ManualClock
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.daily_quota import spend
from beacon.otp.used_codes import Ledger

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Book:
    """What a ledger wrote down."""

    key = bytes(32)

    def __init__(self) -> None:
        self.steps: list[tuple[bytes, int, int]] = []

    def used(self) -> list[tuple[bytes, int, int]]:
        return self.steps

    def write(self, step: tuple[bytes, int, int]) -> None:
        self.steps.append(step)


def kept(book: Book) -> Ledger:
    ledger = Ledger()
    ledger.keep(book)
    return ledger


def at(ledger: Ledger, moment: datetime, endpoint: str = "sms/arrives") -> Run:
    return Run(ManualClock(moment, 1000.0), 5.0, endpoint, ProbeMemory({Ledger: ledger}))


def sent(ledger: Ledger, moment: datetime, most: int, endpoint: str = "sms/arrives") -> int:
    """How many more may be sent now, sending them."""
    for count in range(most + 1):
        try:
            spend(at(ledger, moment, endpoint), most)
        except ProbeFailure:
            return count
    return most + 1


def test_a_day_has_so_many_messages_and_the_next_has_them_again() -> None:
    ledger = Ledger()
    assert sent(ledger, NOON, 3) == 3
    assert sent(ledger, NOON.replace(hour=23, minute=59), 3) == 0
    assert sent(ledger, NOON + timedelta(hours=12), 3) == 3, "another month, too"
    assert sent(ledger, NOON + timedelta(hours=36), 3) == 3


def test_it_says_when_the_next_may_be_sent_and_how_many_were() -> None:
    ledger = Ledger()
    run = at(ledger, NOON)
    spend(run, 1)
    assert "message 1 of 1 of this day" in run.notes[-1]
    with pytest.raises(ProbeFailure) as caught:
        spend(at(ledger, NOON), 1)
    assert caught.value.reading.reason is Reason.RATE_LIMITED
    assert caught.value.reading.detail == (
        "all 1 messages of this day are sent, the next from 2026-02-01 UTC on"
    )


def test_what_was_sent_before_a_restart_counts_and_is_written_down_first() -> None:
    book = Book()
    assert sent(kept(book), NOON, 2) == 2
    assert len(book.steps) >= 2
    assert sent(kept(book), NOON, 3) <= 1
    assert sent(kept(book), NOON + timedelta(days=1), 3) == 3


def test_every_endpoint_has_its_own() -> None:
    ledger = Ledger()
    assert sent(ledger, NOON, 2) == 2
    assert sent(ledger, NOON, 2, "sms/other") == 2


def test_a_larger_allowance_counts_what_was_sent() -> None:
    ledger = Ledger()
    spend(at(ledger, NOON), 1)
    assert sent(ledger, NOON, 3) == 2


def test_a_clock_that_was_ahead_holds_nothing_up_after_its_month() -> None:
    ledger = Ledger()
    assert sent(ledger, datetime(2036, 5, 5, tzinfo=UTC), 2) == 2
    assert sent(ledger, NOON, 2) == 2


@given(st.lists(st.integers(0, 72), max_size=60), st.integers(1, 10))
def test_never_more_than_allowed_on_any_day(hours: list[int], most: int) -> None:
    book, days = Book(), dict[str, int]()
    for hour in sorted(hours):
        moment = NOON.replace(day=1, hour=0) + timedelta(hours=hour)
        try:
            spend(at(kept(book), moment), most)
        except ProbeFailure:
            continue
        day = f"{moment:%d}"
        days[day] = days.get(day, 0) + 1
    assert all(count <= most for count in days.values())
    assert all(
        days.get(f"{NOON.replace(day=1) + timedelta(days=day):%d}", 0)
        == min(most, sum(hour // 24 == day for hour in hours))
        for day in range(4)
    )
