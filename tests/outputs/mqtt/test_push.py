"""Pushes over MQTT: one a second, the latest wins, nothing retained; a real broker too."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import Clock, ManualClock, SystemClock
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal
from beacon.outputs.mqtt.push import MqttPush
from beacon.outputs.push_gateway import PushGateway
from beacon.probes.push import LARGEST, Push

BASE = "mfa-beacon/lab"


@dataclass
class Inbox:
    """What came in by `push`, and how it is answered."""

    clock: Clock
    taken: list[tuple[str, Pushed]] = field(default_factory=list)
    deny: list[PushDenied] = field(default_factory=list)
    open: int = 0

    def __post_init__(self) -> None:
        endpoints = {"sign-in/portal": Push(mqtt=True), "sms/gateway": Push(mqtt=True)}
        self.push = MqttPush(PushGateway(endpoints, self.take), self.clock, self.listening)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def take(self, endpoint: str, pushed: Pushed) -> None:
        if self.deny:
            raise self.deny.pop()
        self.taken.append((endpoint, pushed))

    def say(self, endpoint: str = "sign-in/portal", retained: bool = False, **members: Any) -> None:
        body = json.dumps({"reason": "ok"} | members).encode()
        self.push.receive(endpoint, body, retained=retained)
        self.push.turn()

    @property
    def reasons(self) -> list[str]:
        return [pushed.reading.reason for _, pushed in self.taken]


@pytest.fixture
def inbox(clock) -> Inbox:
    return Inbox(clock)


def test_one_is_taken_at_once(inbox):
    inbox.say()
    assert inbox.reasons == [Reason.OK]
    assert inbox.push.due() is None


def test_of_many_in_a_second_the_first_and_the_latest_are_taken(inbox, clock: ManualClock):
    for reason in ("ok", "deadline", "slow", "unreachable"):
        inbox.say(reason=reason)
    assert inbox.reasons == [Reason.OK]
    assert inbox.push.due() == clock.monotonic() + 1.0
    clock.advance(0.99)
    inbox.push.turn()
    assert inbox.reasons == [Reason.OK]
    clock.advance(0.01)
    inbox.push.turn()
    assert inbox.reasons == [Reason.OK, Reason.UNREACHABLE]
    assert inbox.push.due() is None


def test_endpoints_do_not_wait_for_each_other(inbox):
    inbox.say("sign-in/portal")
    inbox.say("sms/gateway")
    assert [endpoint for endpoint, _ in inbox.taken] == ["sign-in/portal", "sms/gateway"]


def test_a_flood_of_ten_thousand_leaves_one_waiting(inbox, clock):
    for number in range(10_000):
        inbox.say(detail=str(number))
        inbox.say(f"nobody/{number}")
    assert len(inbox.taken) == len(inbox.push._waiting) == len(inbox.push._free_at) == 1
    clock.advance(1.0)
    inbox.push.turn()
    assert inbox.taken[-1][1].reading.detail == "9999"


def test_nothing_retained_is_taken(inbox, caplog):
    inbox.say(retained=True)
    assert inbox.taken == []
    assert "a push to sign-in/portal by mqtt was refused: retained" in caplog.text


def test_what_came_too_soon_after_another_way_waits(inbox, clock):
    inbox.deny = [PushDenied(PushRefusal.TOO_MANY, "later", 0.25)]
    inbox.say(reason="slow")
    assert inbox.taken == []
    assert inbox.push.due() == clock.monotonic() + 0.25
    clock.advance(0.25)
    inbox.push.turn()
    assert inbox.reasons == [Reason.SLOW]


def test_what_is_denied_for_good_is_gone(inbox, clock):
    inbox.deny = [PushDenied(PushRefusal.REPEATED, "seen")]
    inbox.say()
    assert inbox.push.due() is None


# --- with a broker ------------------------------------------------------------------


@pytest.fixture
def live() -> Inbox:
    return Inbox(SystemClock())


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_is_published_is_taken_and_what_is_retained_is_not(
    broker, house, beacon, listen, live, eventually, caplog, protocol
):
    broker.start()
    somebody = listen(broker.port)
    at = f"{BASE}/push/sign-in/portal"
    somebody.say(at, '{"reason": "unreachable"}', retain=True)
    beacon(house(broker.port, protocol=protocol), push=live.push)
    # Published after it has subscribed; the broker receives both in that order.
    somebody.until(lambda: somebody.kept.get(f"{BASE}/availability") == "online", "online")
    assert live.open == 1
    somebody.say(at, '{"reason": "ok", "latency_ms": 250}')
    eventually(lambda: live.taken, "the push")
    assert live.taken[0][1].reading.latency == 0.25
    somebody.say(at, "hunter2")
    somebody.say(f"{BASE}/push/sms/gateway", "x" * (LARGEST + 1))
    somebody.say(f"{BASE}/push/sms/none", "{}")
    somebody.say(f"{BASE}/push/sign-in/portal/deeper", "{}")
    if protocol == "5":  # in 3.1.1 a broker does not say so of what it passes on at once
        somebody.say(f"{BASE}/push/sms/gateway", '{"reason": "own_modem"}', retain=True)
    for cause in ("not understood", "too large", "no such endpoint", "retained"):
        eventually(lambda: f"refused: {cause}" in caplog.text, cause)  # noqa: B023 - at once
    assert live.reasons == [Reason.OK]
    assert "hunter2" not in caplog.text


@pytest.mark.integration
def test_while_the_broker_is_away_nothing_can_come(broker, house, beacon, listen, live, eventually):
    broker.start()
    beacon(house(broker.port), push=live.push)
    eventually(lambda: live.open == 1, "the beacon listens")
    broker.stop()
    eventually(lambda: live.open == 0, "the way is closed")
    broker.start()
    eventually(lambda: live.open == 1, "the beacon listens again")
    somebody = listen(broker.port)
    somebody.until(lambda: somebody.kept.get(f"{BASE}/availability") == "online", "online")
    somebody.say(f"{BASE}/push/sms/gateway", '{"outcome": "pass"}')
    eventually(lambda: live.taken, "the push")
