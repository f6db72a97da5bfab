"""What is announced of blindness: at once when it comes, and of sight when it lasts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import Announcement
from beacon.core.service.blind import AGAIN_WITHIN, LASTING, BlindAnnouncer, BlindKept

BLIND, SIGHTED = Announcement.BLIND, Announcement.SIGHTED


def news(sight, at, blind):
    return sight.update(at, blind=blind, starting=False)


def test_blindness_is_told_at_once_and_sight_when_it_has_lasted():
    sight = BlindAnnouncer()
    assert news(sight, 0, True) is BLIND
    assert news(sight, 40, False) is None
    assert sight.due == 40 + LASTING
    assert news(sight, 40 + LASTING - 1, False) is None
    assert news(sight, 40 + LASTING, False) is SIGHTED
    assert news(sight, 500, False) is None


def test_a_start_is_no_blindness():
    sight = BlindAnnouncer()
    assert sight.update(0, blind=True, starting=True) is None
    assert news(sight, 5, False) is None


def test_sight_that_was_lost_soon_after_it_was_told_must_last_longer():
    sight = BlindAnnouncer(BlindKept(announced=True))
    assert (news(sight, 0, False), news(sight, LASTING, False)) == (None, SIGHTED)
    assert news(sight, LASTING + AGAIN_WITHIN - 1, True) is BLIND
    assert news(sight, 1000, False) is None
    assert news(sight, 1000 + AGAIN_WITHIN - 1, False) is None
    assert news(sight, 1000 + AGAIN_WITHIN, False) is SIGHTED
    assert news(sight, 1000 + 2 * AGAIN_WITHIN, True) is BLIND
    assert sight.due == float("inf")
    news(sight, 3000, False)
    assert sight.due == 3000 + LASTING


@given(st.lists(st.floats(1, 400), min_size=1, max_size=80))
def test_however_it_flaps_it_is_told_at_most_twice_in_the_time_sight_must_last(turns):
    sight, at, blind, told = BlindAnnouncer(), 0.0, True, []
    for turn in turns:
        if what := news(sight, at, blind):
            told.append((at, what))
        due = sight.due
        at += turn
        if due < at and (what := news(sight, due, blind)):
            told.append((due, what))
        blind = not blind
    words = [what for _, what in told]
    assert words == [BLIND, SIGHTED] * (len(told) // 2) + [BLIND] * (len(told) % 2)
    backs = [at for at, what in told if what is SIGHTED]
    assert all(later - earlier >= LASTING for earlier, later in pairwise(backs))
