"""The order of what is said in one connection, on a clock that stands still."""

import random
from dataclasses import dataclass, field

import pytest
from paho.mqtt.client import MQTTMessage

from beacon.core.model import Verdict
from beacon.outputs.homeassistant import birth_topic, config_topic, discovery
from beacon.outputs.mqtt import Moments
from beacon.outputs.mqtt_board import Board
from beacon.outputs.mqtt_conversation import Commands, Conversation, Pace
from beacon.outputs.topics import Topics

BASE = "mfa-beacon/lab"


@dataclass
class Line:
    """A session without a broker."""

    congested: bool = False
    arrived: list = field(default_factory=list)
    said: list = field(default_factory=list)

    def publish(self, message):
        self.said.append(message.topic.removeprefix(f"{BASE}/"))

    def unsubscribe(self, topic):
        self.said.append(f"unsubscribe {topic}")


@pytest.fixture
def talk(house, clock, words):
    """A conversation that has begun, its line, and the board it reads from."""
    config = house()
    topics = Topics(config, "1", Moments(clock))
    board = Board(topics, clock, lambda: topics.info(0.0, "pi"))
    line = Line()
    conversation = Conversation(
        line,
        config=config,
        topics=topics,
        board=board,
        commands=Commands(config, clock, print, print, board.say),
        push=None,
        document=discovery(config, "1"),
        clock=clock,
        rng=random.Random(1),
        pace=Pace(),
    )
    board.offer([words(clock.monotonic()).overall()])
    conversation.begin()
    return conversation, line, board


def test_the_state_does_not_wait_for_the_description(talk):
    _, line, _ = talk
    assert line.said == ["availability", "info", "state", "incident", "silence"]


def test_without_a_retained_description_ours_comes_after_two_seconds(talk, clock, house):
    conversation, line, _ = talk
    line.said.clear()
    clock.advance(1.9)
    conversation.turn()
    assert line.said == []
    assert 0 < conversation.due() < 0.2
    clock.advance(0.1)
    conversation.turn()
    ours = config_topic(house())
    assert line.said[:3] == [f"unsubscribe {ours}", ours, "availability"]
    assert line.said[3:] == ["info", "state", "incident", "silence"]


def test_home_assistant_is_given_one_to_five_seconds(talk, clock, house):
    conversation, line, _ = talk
    clock.advance(2.0)
    conversation.turn()
    line.said.clear()
    birth = MQTTMessage(topic=birth_topic(house()).encode())
    birth.payload = b"online"
    line.arrived.append(birth)
    conversation.turn()
    assert 1.0 <= conversation.due() <= 5.0
    clock.advance(0.99)
    conversation.turn()
    assert line.said == []
    clock.advance(4.01)
    conversation.turn()
    assert line.said[:2] == [config_topic(house()), "availability"]
    line.said.clear()
    gone = MQTTMessage(topic=birth_topic(house()).encode())
    gone.payload = b"offline"
    line.arrived.append(gone)
    conversation.turn()
    assert conversation.due() > 5.0


def test_everything_again_each_five_minutes(talk, clock, house):
    conversation, line, _ = talk
    clock.advance(2.0)
    conversation.turn()
    line.said.clear()
    clock.advance(298.0)
    conversation.turn()
    assert line.said[:3] == [config_topic(house()), "availability", "info"]
    line.said.clear()
    clock.advance(299.0)
    conversation.turn()
    assert line.said == []


def test_a_broker_that_does_not_take_gets_only_the_latest(talk, clock, words):
    conversation, line, board = talk
    line.said.clear()
    line.congested = True
    for verdict in (Verdict.DEGRADED, Verdict.OUTAGE, Verdict.RECOVERING):
        board.offer([words(clock.monotonic()).overall(verdict)])
        conversation.turn()
    assert line.said == []
    line.congested = False
    conversation.turn()
    assert line.said == ["state"]


def test_a_message_that_breaks_costs_only_itself(talk, clock, house, caplog):
    conversation, line, _ = talk
    birth = MQTTMessage(topic=birth_topic(house()).encode())
    birth.payload = b"online"
    line.arrived += [MQTTMessage(topic=b"\xff"), birth]
    conversation.turn()
    assert "a message could not be handled" in caplog.text
    clock.advance(5.0)
    line.said.clear()
    conversation.turn()
    assert config_topic(house()) in line.said
