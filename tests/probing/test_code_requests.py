"""Whose request a code answers."""

import pytest

from beacon.core.model import ClockSeen, Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.mail.imap import MessageId
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.code_requests import (
    FORGOTTEN_AFTER,
    CodeRequest,
    OpenRequests,
    Owner,
    UnansweredRequests,
)

NOW = 1_000_000.0
LOST = Reading(Reason.CODE_NOT_ARRIVED, "not arrived within 9 s")


def asked(*ages: float) -> OpenRequests:
    """Our request, now, and earlier ones so many seconds ago."""
    book = UnansweredRequests()
    for age in ages:
        book.add(CodeRequest(100.0 - age, NOW - age, {(b"INBOX", 7): 10}))
    return OpenRequests(book, CodeRequest(100.0, NOW), book.recent(100.0), began=100.0)


@pytest.mark.parametrize(
    ("ages", "sent", "dated", "server_behind", "owner"),
    [
        # nobody else asked: a clock may differ by a minute
        ((), None, False, None, Owner.OURS),
        ((), +2, True, None, Owner.OURS),
        ((), -50, True, None, Owner.OURS),
        ((), -70, True, None, Owner.EARLIER),
        ((), -70, False, None, Owner.EARLIER),
        # the server's clock is known
        ((), -7, True, 0, Owner.EARLIER),
        ((), -240, True, 240, Owner.OURS),
        ((), -250, True, 240, Owner.EARLIER),
        # an earlier run waited in vain: halfway between the two requests
        ((180,), -170, True, None, Owner.EARLIER),
        ((180,), -61, True, None, Owner.EARLIER),
        ((180,), -50, True, None, Owner.OURS),
        ((8,), -5, True, None, Owner.EARLIER),
        ((8,), -3, True, None, Owner.OURS),
        # only servers on its way say when: made earlier, got by them late
        ((180,), +1, False, None, Owner.UNSURE),
        ((180,), None, False, None, Owner.UNSURE),
        ((700,), None, False, None, Owner.OURS),
    ],
)  # fmt: skip
def test_whose_it_is(
    ages: tuple[float, ...],
    sent: float | None,
    dated: bool,
    server_behind: float | None,
    owner: Owner,
) -> None:
    run = Run(SystemClock(), 5.0)
    run.clock_seen = None if server_behind is None else ClockSeen(-server_behind)
    assert asked(*ages).owner(run, None if sent is None else NOW + sent, dated) is owner


def test_a_clock_that_was_set_back_makes_no_code_an_earlier_one() -> None:
    book = UnansweredRequests()
    book.add(CodeRequest(10.0, NOW + 5000))
    it = OpenRequests(book, CodeRequest(100.0, NOW), book.recent(100.0))
    assert it.owner(Run(SystemClock(), 5.0), NOW + 1, dated=True) is Owner.OURS


def test_requests_are_forgotten_and_dropped_one_by_one() -> None:
    it = asked(FORGOTTEN_AFTER, 200, 100)
    assert [100.0 - each.at for each in it.earlier] == [200, 100]
    assert it.match_earlier(101.0, NOW - 90)
    assert it.reading_if_lost(LOST).detail == (
        "the code of an earlier run came 101 s after its request; this run's: " + LOST.detail
    )
    it.match_unsure(102.0)
    assert it.reading_if_lost(LOST).detail == (
        "arrived 2 s after this request, or 202 s after one whose code never came"
    )
    assert it.earlier == it.unanswered.recent(100.0) == []
    assert not it.match_earlier(103.0)


def test_only_a_loss_becomes_late() -> None:
    it = asked()
    assert it.reading_if_lost(LOST) == LOST
    it.match_earlier(1.0)
    refused = Reading(Reason.DELIVERY_REFUSED, "refused")
    assert it.reading_if_lost(refused) == refused
    assert it.reading_if_lost(LOST).reason is Reason.CODE_LATE


@pytest.mark.parametrize(
    ("place", "arrived", "after"),
    [
        (MessageId(b"INBOX", 7, 9), NOW, False),
        (MessageId(b"INBOX", 7, 10), NOW - 900, True),
        (MessageId(b"INBOX", 8, 1), NOW - 101, False),
        (MessageId(b"INBOX", 8, 1), NOW - 99, True),
        (MessageId(b"Junk", 7, 1), NOW - 99, True),
    ],
)
def test_what_came_after_the_oldest_request(place: MessageId, arrived: float, after: bool) -> None:
    assert asked(100, 50).came_after(place, arrived) is after
    assert not asked().came_after(place, arrived)


@pytest.mark.parametrize(
    ("reason", "waits"), [(Reason.SIGN_IN_REJECTED, False), (Reason.DEADLINE, True)]
)
def test_a_request_that_was_answered_with_trouble_sends_no_code(
    reason: Reason, waits: bool
) -> None:
    it = asked()
    with pytest.raises(ProbeFailure), it.sending():
        raise ProbeFailure(reason, "")
    assert bool(it.unanswered.recent(100.0)) is waits
