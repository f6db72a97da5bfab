"""Events of many mails make one reading: by their share, and by their number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.engine.pushed.samples import MOST, EventWindow, MailEvent, Share

NOW = 1_767_614_400.0
GOOD, LATE, BAD = Reason.OK, Reason.CODE_LATE, Reason.DELIVERY_REFUSED
FEW = Reason.SAMPLE_TOO_SMALL
SHARE = Share(window=900.0, minimum=5, min_ratio=0.5)


def mails(*reasons: Reason, ago: float = 60.0) -> list[MailEvent]:
    """One mail each, the youngest last."""
    return [
        MailEvent(f"{number}/{ago}", NOW - ago + number / 1000, reason, reason.value)
        for number, reason in enumerate(reasons)
    ]


TABLE = [
    ((), FEW, "0 mails in 15 min; too few to judge (minimum 5)"),
    ((BAD,) * 4, FEW, "4 mails in 15 min"),
    ((GOOD,) * 4, FEW, ""),
    ((GOOD,) * 5, GOOD, "5 of 5 mails arrived in 15 min"),
    ((BAD,) * 5, BAD, "0 of 5 mails arrived in 15 min; last: delivery_refused"),
    # one user's mail that arrived clears nothing, and one that did not raises nothing
    ((*(BAD,) * 9, GOOD), BAD, "1 of 10"),
    ((*(GOOD,) * 9, BAD), GOOD, "9 of 10"),
    ((*(LATE,) * 9, GOOD), LATE, "1 of 10 mails arrived in 15 min; last: code_late"),
    ((*(GOOD,) * 9, LATE), GOOD, ""),
    # half is enough
    ((*(BAD,) * 5, *(GOOD,) * 5), GOOD, "5 of 10"),
    ((*(BAD,) * 6, *(GOOD,) * 4), BAD, "4 of 10"),
    ((*(BAD,) * 3, *(LATE,) * 3, *(GOOD,) * 4), LATE, "4 of 10"),
]


@pytest.mark.parametrize(("reasons", "reason", "words"), TABLE)
def test_what_a_window_comes_to(reasons: tuple[Reason, ...], reason: Reason, words: str) -> None:
    reading = EventWindow(SHARE).add(mails(*reasons), NOW, 300.0)
    assert reading.reason is reason
    assert words in reading.detail


def test_batches_and_single_events_are_the_same() -> None:
    whole, single = EventWindow(SHARE), EventWindow(SHARE)
    events = mails(*(BAD,) * 9, GOOD)
    found = [single.add([event], NOW, 300.0) for event in events]
    assert found[-1] == whole.add(events, NOW, 300.0)
    assert [each.reason for each in found] == [FEW] * 4 + [BAD] * 6


def test_of_a_mail_the_newest_event_counts_in_whatever_order() -> None:
    late = [MailEvent(f"{n}", NOW - 60, LATE, "deferred") for n in range(5)]
    arrived = [MailEvent(f"{n}", NOW - 30, GOOD, "delivered") for n in range(5)]
    for order in (late + arrived, arrived + late):
        assert EventWindow(SHARE).add(order, NOW, 300.0).reason is GOOD
    window = EventWindow(SHARE)
    window.add(arrived, NOW, 300.0)
    assert window.add(late, NOW, 300.0).reason is GOOD
    assert window.add(arrived, NOW, 300.0).detail.startswith("5 of 5"), "sent again"


def test_what_is_older_than_the_window_is_forgotten_and_the_future_has_not_come() -> None:
    window = EventWindow(SHARE)
    assert window.add(mails(*(BAD,) * 10, ago=890.0), NOW, 300.0).reason is BAD
    assert window.add(mails(*(GOOD,) * 5), NOW + 20, 300.0).detail.startswith("5 of 5")
    assert window.add(mails(*(BAD,) * 9, ago=-500.0), NOW, 300.0).reason is GOOD


def test_it_does_not_grow_without_end() -> None:
    window = EventWindow(SHARE)
    window.add(mails(*(BAD,) * MOST), NOW, 300.0)
    window.add(mails(*(GOOD,) * MOST, ago=30.0), NOW, 300.0)
    assert len(window._newest) == MOST


@given(st.lists(st.sampled_from([GOOD, LATE, BAD]), max_size=30), st.integers(1, 10))
def test_no_mail_alone_decides(reasons: list[Reason], minimum: int) -> None:
    """Neither raises nor clears what the rest say by more than itself."""
    share = Share(window=900.0, minimum=minimum, min_ratio=0.5)
    found = EventWindow(share).add(mails(*reasons), NOW, 300.0).reason
    assert (found is FEW) == (len(reasons) < minimum)
    if found is GOOD:
        assert reasons.count(GOOD) * 2 >= len(reasons)
    if found is BAD:
        assert reasons.count(BAD) * 2 > len(reasons)


@pytest.mark.parametrize("ends", [GOOD, BAD])
@pytest.mark.parametrize("turned", [False, True])
def test_within_a_second_a_mail_waits_before_it_arrives_or_comes_back(
    ends: Reason, turned: bool
) -> None:
    """A batch has no order, and its times are whole seconds."""
    events = [
        MailEvent(f"{number}", NOW - 60, reason, reason.value)
        for number in range(5)
        for reason in (LATE, ends)
    ]
    assert EventWindow(SHARE).add(events[::-1] if turned else events, NOW, 60.0).reason is ends
