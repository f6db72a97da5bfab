"""Readings that others deliver: what is believed, and whose fault silence is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import OverallChanged
from beacon.core.inputs import Observed
from beacon.core.model import Reading, Reason, Verdict
from beacon.core.views import OverallView
from beacon.engine.clock import ManualClock
from beacon.engine.pushed.receiver import Expected, PushDenied, Pushed, Pushes, PushRefusal, Way
from beacon.engine.pushed.samples import MailEvent, Share

OK, FAILED = Reading(Reason.OK), Reading(Reason.DEADLINE)
PORTAL = "mfa/portal"


@dataclass
class Desk:
    """Pushes on a clock that is moved by hand; what they post is kept."""

    clock: ManualClock
    posted: list[Observed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pushes = Pushes(self.clock, self.posted.append)

    @property
    def utc(self) -> float:
        return self.clock.utc().timestamp()

    @property
    def reasons(self) -> list[Reason]:
        return [each.reading.reason for each in self.posted]

    def expect(self, *ways: Way, **more) -> None:
        self.pushes.expect({PORTAL: Expected(**{"ways": ways, "max_age": 300.0} | more)})

    def take(self, reading: Reading = OK, **more) -> PushRefusal | None:
        try:
            self.pushes.take(PORTAL, Pushed(reading, **more))
        except PushDenied as denied:
            return denied.cause
        return None

    def later(self, seconds: float) -> list[Reason]:
        """Let time pass, a beat a second; what was read meanwhile."""
        before = len(self.posted)
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.pushes(self.clock.monotonic())
        return self.reasons[before:]

    def tell(self, **words: str) -> None:
        plain = {"blind": False, "starting": False, "services": (), "problem": False}
        overall = OverallView(verdict=Verdict.OK, since=0.0, **(plain | words))
        self.pushes.offer([OverallChanged(self.clock.monotonic(), overall)])


@pytest.fixture
def desk(clock) -> Desk:
    it = Desk(clock)
    it.expect(Way.HTTP)
    return it


@pytest.fixture
def listening(desk) -> Iterator[Callable[[Way], None]]:
    with ExitStack() as stack:
        yield lambda way: stack.enter_context(desk.pushes.listening(way))


# --- what is believed ---------------------------------------------------------------


def test_a_push_is_a_reading_of_now(desk):
    assert desk.take(Reading(Reason.SLOW, "hm", 3.0)) is None
    now = desk.clock.monotonic()
    assert desk.posted == [Observed(now, PORTAL, Reading(Reason.SLOW, "hm", 3.0), now)]


def test_nobody_pushes_to_what_expects_nothing(desk):
    with pytest.raises(PushDenied, match="no such endpoint"):
        desk.pushes.take("mfa/other", Pushed(OK))
    assert desk.posted == []


def test_one_a_second(desk):
    assert desk.take() is None
    desk.clock.advance(0.4)
    with pytest.raises(PushDenied) as denied:
        desk.pushes.take(PORTAL, Pushed(FAILED))
    assert denied.value.cause is PushRefusal.TOO_MANY
    assert denied.value.retry_after == pytest.approx(0.6)
    desk.clock.advance(0.6)
    assert desk.take(FAILED) is None
    assert desk.reasons == [Reason.OK, Reason.DEADLINE]


def test_what_was_denied_takes_nobodys_place(desk):
    assert desk.take(at=0.0) is None, "nobody knows whose clock is wrong"
    desk.clock.advance(1.0)
    desk.tell(clock="ok")
    assert desk.take(at=0.0) is PushRefusal.SKEWED
    assert desk.take() is None


@pytest.mark.parametrize(("off", "taken"), [(0, True), (300, True), (-300, True), (301, False)])
def test_a_reading_of_another_time_is_denied_by_a_clock_that_is_right(desk, off, taken):
    desk.tell(clock="ok")
    assert desk.take(at=desk.utc + off) is (None if taken else PushRefusal.SKEWED)


@pytest.mark.parametrize("word", ["lost", "unverified"])
@pytest.mark.parametrize("off", [-3600.0, 3600.0])
def test_by_a_clock_that_may_be_wrong_it_is_neither_believed_nor_denied(desk, word, off):
    desk.tell(clock=word)
    assert desk.take(FAILED, at=desk.utc + off) is None
    assert desk.reasons == [Reason.OWN_CLOCK]
    way = "ahead of" if off > 0 else "behind"
    detail = f"timestamp is 3600 s {way} our clock, and ours is not verified: not judged"
    assert desk.posted[0].reading.detail == detail
    desk.clock.advance(1.0)
    assert desk.take(at=desk.utc) is None, "and does not put off what is of now"
    assert desk.reasons[-1] is Reason.OK


def test_an_older_one_does_not_undo_a_younger(desk):
    assert desk.take(FAILED, at=desk.utc) is None
    desk.clock.advance(1.0)
    assert desk.take(at=desk.utc - 2.0) is PushRefusal.OUTDATED
    assert desk.take(at=desk.utc - 1.0) is None, "of the same moment"


def test_an_id_is_taken_once(desk):
    assert desk.take(id="a") is None
    desk.clock.advance(1.0)
    assert desk.take(id="a") is PushRefusal.REPEATED
    assert desk.take(id="b") is None
    desk.clock.advance(2 * 300.0 - 2.0)
    assert desk.take(id="a") is PushRefusal.REPEATED
    desk.clock.advance(2.0)
    assert desk.take(id="a") is None, "forgotten: what is so old is denied by its time"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-400, 400), st.integers(0, 30))))
def test_nothing_counts_twice_whatever_comes(pushes):
    """An id that was taken is never taken again while its `at` would be believed."""
    desk = Desk(ManualClock(datetime(2026, 1, 5, tzinfo=UTC), 1000.0))
    desk.expect(Way.HTTP)
    desk.tell(clock="ok")
    made: dict[str, float] = {}
    taken: list[str] = []
    for number, off, wait in pushes:
        desk.clock.advance(wait)
        name = str(number)
        at = made.setdefault(name, desk.utc + off)
        if desk.take(id=name, at=at) is None:
            taken.append(name)
            assert abs(at - desk.utc) <= 300
    assert len(taken) == len(set(taken)) == len(desk.posted)


def test_many_pushes_leave_little_behind(desk):
    for number in range(2_000):
        desk.take(id=f"{number}", at=desk.utc)
        desk.clock.advance(1.0)
    [state] = desk.pushes._states.values()
    assert len(desk.posted) == 2_000
    assert len(state.ids) <= 601


# --- silence ------------------------------------------------------------------------


def test_a_heartbeat_that_is_missed_is_a_fail_each_time(desk, listening):
    desk.expect(Way.HTTP, heartbeat=600.0)
    listening(Way.HTTP)
    assert desk.later(599) == []
    assert desk.later(1) == [Reason.HEARTBEAT_MISSED]
    assert desk.posted[0].reading.detail == "no push for 600 s"
    assert desk.later(599) == []
    assert desk.later(1) == [Reason.HEARTBEAT_MISSED]
    assert desk.posted[1].reading.detail == "no push for 1200 s"
    desk.take()
    assert desk.later(599) == []


def test_without_a_heartbeat_silence_is_left_to_the_core(desk, listening):
    listening(Way.HTTP)
    assert desk.later(5_000) == []


@pytest.mark.parametrize("way", [Way.HTTP, Way.MQTT])
def test_silence_while_nothing_can_come_is_ours(desk, way):
    desk.expect(Way.HTTP, Way.MQTT, heartbeat=600.0)
    other = Way.MQTT if way is Way.HTTP else Way.HTTP
    with desk.pushes.listening(other):
        assert desk.later(600) == [Reason.OWN_NETWORK]
        assert way in desk.posted[0].reading.detail


def test_a_way_that_was_closed_for_a_moment_gives_the_sender_a_whole_heartbeat(desk):
    desk.expect(Way.MQTT, heartbeat=600.0)
    with desk.pushes.listening(Way.MQTT):
        assert desk.later(595) == []
    with desk.pushes.listening(Way.MQTT):
        assert desk.later(599) == []
        assert desk.later(1) == [Reason.HEARTBEAT_MISSED]


def test_a_lost_uplink_is_a_closed_way(desk, listening):
    desk.expect(Way.HTTP, Way.UPLINK, heartbeat=600.0)
    listening(Way.HTTP)
    desk.later(500)
    desk.tell(network="lost")
    assert desk.later(100) == [Reason.OWN_NETWORK]
    desk.tell(network="ok")
    assert desk.later(599) == []
    assert desk.later(1) == [Reason.HEARTBEAT_MISSED]


def test_a_push_by_a_wrong_clock_is_a_sign_of_life(desk, listening):
    """Were it not, our own wrong clock would deny every heartbeat, and call it the sender's."""
    desk.expect(Way.HTTP, heartbeat=600.0)
    listening(Way.HTTP)
    desk.later(590)
    assert desk.take(at=0.0) is None
    assert desk.later(599) == []


def test_an_old_one_sent_again_is_none(desk, listening):
    desk.expect(Way.HTTP, heartbeat=600.0)
    desk.tell(clock="ok")
    listening(Way.HTTP)
    at = desk.utc
    desk.take(at=at, id="a")
    for _ in range(9):
        desk.later(66)
        assert desk.take(at=at, id="a") in (PushRefusal.REPEATED, PushRefusal.SKEWED)
    assert desk.later(6) == [Reason.HEARTBEAT_MISSED]


def test_a_reload_keeps_what_is_unchanged(desk, listening):
    desk.expect(Way.HTTP, heartbeat=600.0)
    listening(Way.HTTP)
    desk.take(id="a")
    desk.later(500)
    desk.expect(Way.HTTP, heartbeat=600.0)
    assert desk.take(id="a") is PushRefusal.REPEATED
    assert desk.later(100) == [Reason.HEARTBEAT_MISSED]
    desk.expect(Way.HTTP, heartbeat=900.0)
    assert desk.later(899) == []
    desk.pushes.expect({})
    assert desk.later(10) == []


# --- events of many mails -----------------------------------------------------------

SHARE = Share(window=900.0, minimum=2, min_ratio=0.5)


def test_events_of_mails_are_judged_together_over_pushes(desk):
    desk.expect(Way.HTTP, share=SHARE)
    desk.tell(clock="ok")

    def mail(name: str, reason: Reason, ago: float = 1.0) -> PushRefusal | None:
        desk.clock.advance(2.0)
        event = MailEvent(name, desk.utc - ago, reason, "bounce")
        return desk.take(Reading(reason), at=event.at, id=name, events=(event,))

    assert mail("a", Reason.DELIVERY_REFUSED) is None
    assert mail("b", Reason.DELIVERY_REFUSED) is None
    assert mail("c", Reason.OK) is None
    assert desk.reasons == [
        Reason.SAMPLE_TOO_SMALL,
        Reason.DELIVERY_REFUSED,
        Reason.DELIVERY_REFUSED,
    ]
    assert mail("d", Reason.OK, ago=200.0) is None, "older than one that came, and counted"
    assert desk.reasons[-1] is Reason.OK
    assert mail("d", Reason.OK) is PushRefusal.REPEATED
    assert mail("e", Reason.OK, ago=400.0) is PushRefusal.SKEWED


def test_without_a_share_the_youngest_event_is_the_reading(desk):
    event = MailEvent("a", desk.utc, Reason.OK, "delivered")
    assert desk.take(FAILED, at=desk.utc, events=(event,)) is None
    assert desk.reasons == [FAILED.reason]
