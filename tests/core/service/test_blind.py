"""What is announced of blindness: at once when it comes, and of sight when it lasts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import Announcement
from beacon.core.service.blind import AGAIN_WITHIN, LASTING, BlindAnnouncer, BlindKept

BLIND, SIGHTED = Announcement.BLIND, Announcement.SIGHTED


def update(sight, at, blind):
    return sight.update(at, blind=blind, starting=False)


def test_blindness_is_announced_at_once_and_sight_when_it_has_lasted():
    sight = BlindAnnouncer()
    assert update(sight, 0, True) is BLIND
    assert update(sight, 40, False) is None
    assert sight.due == 40 + LASTING
    assert update(sight, 40 + LASTING - 1, False) is None
    assert update(sight, 40 + LASTING, False) is SIGHTED
    assert update(sight, 500, False) is None


def test_a_start_is_no_blindness():
    sight = BlindAnnouncer()
    assert sight.update(0, blind=True, starting=True) is None
    assert update(sight, 5, False) is None


def test_sight_that_was_lost_soon_after_it_was_announced_must_last_longer():
    sight = BlindAnnouncer(BlindKept(announced=True))
    assert (update(sight, 0, False), update(sight, LASTING, False)) == (None, SIGHTED)
    assert update(sight, LASTING + AGAIN_WITHIN - 1, True) is BLIND
    assert update(sight, 1000, False) is None
    assert update(sight, 1000 + AGAIN_WITHIN - 1, False) is None
    assert update(sight, 1000 + AGAIN_WITHIN, False) is SIGHTED
    assert update(sight, 1000 + 2 * AGAIN_WITHIN, True) is BLIND
    assert sight.due == float("inf")
    update(sight, 3000, False)
    assert sight.due == 3000 + LASTING


@given(st.lists(st.floats(1, 400), min_size=1, max_size=80))
def test_however_it_flaps_it_is_announced_at_most_twice_in_the_time_sight_must_last(turns):
    sight, at, blind, announced = BlindAnnouncer(), 0.0, True, []
    for turn in turns:
        if what := update(sight, at, blind):
            announced.append((at, what))
        due = sight.due
        at += turn
        if due < at and (what := update(sight, due, blind)):
            announced.append((due, what))
        blind = not blind
    order = [what for _, what in announced]
    assert order == [BLIND, SIGHTED] * (len(announced) // 2) + [BLIND] * (len(announced) % 2)
    backs = [at for at, what in announced if what is SIGHTED]
    assert all(later - earlier >= LASTING for earlier, later in pairwise(backs))
