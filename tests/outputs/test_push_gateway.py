"""The door for what others push: who may come in, and how others are refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.core.model import Reading, Reason
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal, Way
from beacon.outputs.push_gateway import PushGateway

READ = Pushed(Reading(Reason.OK, "read"))


@dataclass(frozen=True)
class Mat:
    """An endpoint that reads whatever the test gives it."""

    ways: tuple[Way, ...]
    reads: Callable[[bytes], Pushed | None] = lambda _: READ
    token: Secret | None = None
    dated: bool = False

    def read(self, body: bytes) -> Pushed | None:
        return self.reads(body)


def fails(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.fixture
def taken() -> list[tuple[str, Pushed]]:
    return []


@pytest.fixture
def make_door(taken) -> Callable[..., PushGateway]:
    def make(mat: Mat, take: Callable[..., None] | None = None) -> PushGateway:
        return PushGateway({"a/b": mat}, take or (lambda *what: taken.append(what)))

    return make


def denied(door: PushGateway, endpoint: str = "a/b", way: Way = Way.MQTT) -> PushDenied:
    with pytest.raises(PushDenied) as found:
        door.deliver(way, endpoint, b"")
    return found.value


def test_what_is_read_is_taken(make_door, taken):
    assert make_door(Mat((Way.MQTT,))).deliver(Way.MQTT, "a/b", b"") == READ.reading
    assert taken == [("a/b", READ)]


@pytest.mark.parametrize(
    ("way", "dated", "at", "let_in"),
    [
        (Way.HTTP, True, None, False),
        (Way.HTTP, True, 1.0, True),
        (Way.HTTP, False, None, True),  # a sender that cannot say
        (Way.MQTT, True, None, True),
    ],
)
def test_what_could_be_sent_again_at_any_time_is_refused(make_door, taken, way, dated, at, let_in):
    mat = Mat((way,), lambda _: Pushed(READ.reading, at), dated=dated)
    if let_in:
        make_door(mat).deliver(way, "a/b", b"")
        assert len(taken) == 1
        return
    with pytest.raises(PushDenied, match="send `at`, when it was seen") as denied:
        make_door(mat).deliver(way, "a/b", b"")
    assert denied.value.cause is PushRefusal.MALFORMED
    assert taken == []


def test_what_says_nothing_is_not(make_door, taken):
    assert make_door(Mat((Way.MQTT,), lambda _: None)).deliver(Way.MQTT, "a/b", b"") is None
    assert taken == []


@pytest.mark.parametrize(("endpoint", "way"), [("a/c", Way.MQTT), ("a/b", Way.HTTP)])
def test_one_who_may_not_be_pushed_to_this_way_is_nobody(make_door, endpoint, way):
    assert denied(make_door(Mat((Way.MQTT,))), endpoint, way).cause is PushRefusal.UNKNOWN


def test_a_fault_costs_this_push_and_shows_nothing_of_it(make_door, caplog):
    secret = "hunter2"
    door = make_door(Mat((Way.MQTT,), fails(ValueError(secret))))
    assert denied(door).cause is PushRefusal.BUG
    assert "a push to a/b failed" in caplog.text
    assert secret not in caplog.text.replace("secret", "")


def test_when_nobody_decides_in_time_it_is_worth_another_try(make_door):
    found = denied(make_door(Mat((Way.MQTT,)), fails(TimeoutError())))
    assert (found.cause, found.retry_after) == (PushRefusal.BUSY, 5.0)


def test_the_log_has_each_cause_once_and_at_ten_times_as_many(make_door, caplog):
    door = make_door(
        Mat((Way.MQTT,), fails(PushDenied(PushRefusal.MALFORMED, "words for the sender")))
    )
    for _ in range(1234):
        denied(door)
    denied(door, "hunter2")
    refused = "a push to a/b by mqtt was refused: not understood"
    assert [record.getMessage() for record in caplog.records] == [
        refused,
        *(f"{refused}; {many} so far" for many in (10, 100, 1000)),
        "a push by mqtt was refused: no such endpoint",
    ]


def test_what_is_counted_is_bounded(make_door):
    door = make_door(Mat((Way.MQTT,)))
    for number in range(1000):
        denied(door, f"a/{number}")
    assert len(door._counts) == 1
