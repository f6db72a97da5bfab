"""The order of what is published in one connection, on a clock that stands still."""

import json
import random
from dataclasses import dataclass, field, replace

import pytest
from paho.mqtt.client import MQTTMessage

from beacon.config.schema import Discovery
from beacon.core.effects import Announced, Announcement
from beacon.core.model import Health, Reason, Verdict
from beacon.engine.clock import WallClockMap
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.homeassistant import birth_topic, config_topic
from beacon.outputs.mqtt.outbox import Outbox
from beacon.outputs.mqtt.session import CommandRunner, Session, SessionTimes, Setup
from beacon.outputs.mqtt.stalled import StallWatch
from beacon.outputs.mqtt.topics import CONFIGURED_TOPICS, Topics

BASE = "mfa-beacon/lab"


@dataclass
class Line:
    """A session without a broker."""

    congested: bool = False
    arrived: list = field(default_factory=list)
    sent: list = field(default_factory=list)

    def publish(self, message):
        empty = "" if message.payload else "no "
        self.sent.append(empty + message.topic.removeprefix(f"{BASE}/"))

    def subscribe(self, subscriptions):
        self.sent += [f"subscribe {each.topics}" for each in subscriptions]

    def unsubscribe(self, topics):
        self.sent += [f"unsubscribe {topic}" for topic in topics]

    def takes(self, topic, payload=b"", retain=False):
        message = MQTTMessage(topic=topic.encode())
        message.payload, message.retain = payload, retain
        self.arrived.append(message)


READ_BACK = [f"unsubscribe {BASE}/{family}" for family in CONFIGURED_TOPICS]


@pytest.fixture
def setup(clock):
    """What a configuration makes of MQTT."""

    def make(config, push=None):
        topics = Topics(config, "1", WallClockMap(clock))
        commands = CommandRunner(config, clock, print, print, lambda _answered: None)
        return Setup(config, "1", topics, commands, push)

    return make


@pytest.fixture
def begun(house, clock, words, setup):
    """A session that has begun, its line, and the outbox it reads from."""
    of_it = setup(house())
    outbox = Outbox(of_it.topics, clock, lambda topics: topics.info(0.0, "pi"))
    line = Line()
    session = Session(
        line, of_it, outbox=outbox, clock=clock, rng=random.Random(1), pace=SessionTimes()
    )
    outbox.offer([words(clock.monotonic()).overall()])
    session.begin()
    return session, line, outbox


STATES = ["info", "state", "incident", "silence"]


def test_the_state_does_not_wait_for_the_description(begun):
    _, line, _ = begun
    assert line.sent == STATES


def test_it_is_online_once_description_and_states_are_there(begun, clock, house):
    session, line, _ = begun
    line.sent.clear()
    clock.advance(1.9)
    session.turn()
    assert line.sent == []
    assert 0 < session.due() < 0.2
    clock.advance(0.1)
    session.turn()
    ours = config_topic(house())
    assert line.sent == [f"unsubscribe {ours}", *READ_BACK, ours, *STATES, "availability"]


def test_with_the_description_in_place_it_is_online_at_once(begun, house, setup):
    session, line, _ = begun
    line.sent.clear()
    line.takes(config_topic(house()), setup(house()).description.payload.encode(), retain=True)
    session.turn()
    assert line.sent == ["availability"]


@pytest.mark.parametrize(
    ("old", "times"),
    [
        (b"\xff[[[", 1),
        (b'{"cmps": {"service_gone": {"p": "sensor"}}}', 2),  # what has gone is removed first
    ],
)
def test_another_description_is_replaced_and_the_states_published_again(begun, house, old, times):
    session, line, _ = begun
    line.sent.clear()
    line.takes(config_topic(house()), old, retain=True)
    session.turn()
    assert line.sent == [*[config_topic(house())] * times, *STATES, "availability"]


def test_nothing_is_subscribed_to_for_pushes_that_cannot_come(setup, house):
    [command, *others] = [each.topics for each in setup(house()).subscriptions()]
    assert command == f"{BASE}/cmd/+"
    assert not [topic for topic in others if "push" in topic]


def test_without_a_description_it_is_online_after_the_states(house, clock, setup):
    of_it = setup(house(discovery=Discovery(enabled=False)))
    outbox = Outbox(of_it.topics, clock, lambda topics: topics.info(0.0, "pi"))
    line = Line()
    Session(
        line, of_it, outbox=outbox, clock=clock, rng=random.Random(1), pace=SessionTimes()
    ).begin()
    assert line.sent == ["info", "availability"]


def test_an_endpoint_is_written_on_a_change_else_once_a_minute(begun, words):
    _, _, outbox = begun
    say = words(100.0)
    list(outbox.changes(once=True))

    def written(after, **more):
        outbox.offer([say.read(at=say.at + after, detail=str(after), **more)])
        return [json.loads(m.payload)["detail"] for m in outbox.changes(once=True)]

    slow = {"reason": Reason.SLOW}
    assert [written(after) for after in (0, 30)] == [["0"], []]
    assert [written(after, **slow) for after in (31, 32, 90, 91)] == [["31"], [], [], ["91"]]
    assert written(92, **slow, health=Health.DEGRADED) == ["92"]


def test_what_cannot_be_written_costs_its_topic_only_and_what_repeats_is_not_published(
    begun, words, caplog
):
    _, _, outbox = begun
    say = words(0.0)
    list(outbox.changes(once=True))
    changed = [say.read(latency=float("nan")), say.overall(Verdict.OUTAGE)]
    outbox.offer(changed)
    assert [message.topic for message in outbox.changes(once=True)] == [f"{BASE}/state"]
    assert "EndpointRead cannot be published" in caplog.text
    outbox.offer(changed[1:])
    assert list(outbox.changes(once=True)) == []


def test_an_event_waits_until_it_is_online_and_comes_after_the_state(begun, clock, words):
    session, line, outbox = begun
    line.sent.clear()
    say = words(clock.monotonic())
    opened = Announced(say.at, Announcement.OPENED, "sign-in", Verdict.OUTAGE)
    effects = [opened, say.read(), say.overall(Verdict.OUTAGE), say.service(Verdict.OUTAGE)]
    outbox.offer(effects)
    session.turn()
    assert line.sent == ["state", "service/sign-in", "endpoint/sign-in/portal"]
    line.sent.clear()
    clock.advance(2.0)
    session.turn()
    assert line.sent[-2:] == ["availability", "event"]
    line.sent.clear()
    read = say.read(reason=Reason.DEADLINE)
    outbox.offer([opened, read, say.overall(Verdict.GRAY_FAILURE), say.service(Verdict.OK)])
    session.turn()
    assert line.sent == ["state", "service/sign-in", "event", "endpoint/sign-in/portal"]


def test_what_became_nobodys_is_emptied(begun, house, clock):
    session, line, _ = begun
    line.sent.clear()
    for path in (
        "service/sms",
        "endpoint/sms/gateway",
        "witness/canary",
        "lamp/red",
        "explain/sms",
    ):
        line.takes(f"{BASE}/{path}", b"{}", retain=True)
    gone = ("service/old", "endpoint/sms/old", "witness/old", "lamp/blue", "explain/old")
    for path in gone:
        line.takes(f"{BASE}/{path}", b"{}", retain=True)
        line.takes(f"{BASE}/{path}", b"", retain=True)
    line.takes(f"{BASE}/service/live", b"{}")
    session.turn()
    assert line.sent == []
    clock.advance(2.0)
    session.turn()
    assert config_topic(house()) in line.sent
    line.sent.clear()
    line.takes(f"{BASE}/service/late", b"{}", retain=True)
    clock.advance(4.9)
    session.turn()
    assert line.sent == [], "Home Assistant needs a moment to forget who reads them"
    assert 0 < session.due() < 0.2
    clock.advance(0.1)
    session.turn()
    assert line.sent == [f"no {path}" for path in gone]


# --- a reload -----------------------------------------------------------------------


@pytest.fixture
def settled(begun, clock, words):
    """A session in which everything of the house was published."""
    session, line, outbox = begun
    outbox.offer(words(0.0).standing())
    clock.advance(2.0)
    session.turn()
    line.sent.clear()
    return session, line, outbox


def reload(settled, of_it, words, keep=lambda effect: True):
    session, line, outbox = settled
    outbox.follow(of_it.topics)
    outbox.offer([effect for effect in words(0.0).standing() if keep(effect)])
    session.follow(of_it)
    session.turn()
    return line.sent


def test_a_reload_that_changes_nothing_says_nothing(settled, setup, house, words):
    assert reload(settled, setup(house()), words) == []


def test_a_reload_says_the_new_digest(settled, setup, house, words):
    fresh = replace(house(), digest="other")
    assert reload(settled, setup(fresh), words) == ["info"]


LEAVING = ("service/sms", "endpoint/sms/gateway", "witness/canary")


def test_what_a_reload_takes_away_is_emptied(settled, setup, house, words, clock):
    site = house().watched
    fresh = house(site=replace(site, services=site.services[:1], witnesses=()))
    gone = ("sms", *(path.removeprefix("endpoint/") for path in LEAVING))

    def keep(effect):
        name = getattr(effect, "endpoint", getattr(getattr(effect, "service", None), "id", ""))
        return name not in gone

    sent = reload(settled, setup(fresh), words, keep)
    ours = config_topic(house())
    assert sent.count(ours) == 2, "what goes is taken from the description, then the new one"
    assert "availability" not in sent
    assert not [path for path in sent if path.removeprefix("no ") in LEAVING]
    sent.clear()
    clock.advance(5.0)
    settled[0].turn()
    assert sorted(sent) == sorted(f"no {path}" for path in LEAVING)


def test_what_changed_just_before_it_left_is_not_published(settled, setup, house, words):
    _, _, outbox = settled
    site = house().watched
    outbox.offer([words(0.0).service(Verdict.OUTAGE, id="sms")])
    outbox.follow(setup(house(site=replace(site, services=site.services[:1]))).topics)
    assert list(outbox.changes(once=True)) == []


def test_what_a_second_reload_brings_back_is_not_emptied(settled, setup, house, words, clock):
    site = house().watched
    reload(settled, setup(house(site=replace(site, witnesses=()))), words, lambda effect: (
        getattr(effect, "endpoint", "") != "witness/canary"
    ))  # fmt: skip
    sent = reload(settled, setup(house()), words)
    assert "witness/canary" in sent
    clock.advance(5.0)
    settled[0].turn()
    assert "no witness/canary" not in sent


def test_a_changed_prefix_empties_the_old_description(settled, setup, house, words):
    fresh = house(discovery=Discovery(prefix="ha"))
    sent = reload(settled, setup(fresh), words)
    assert sent[:3] == ["unsubscribe homeassistant/status", "subscribe ha/status",
                        f"no {config_topic(house())}"]  # fmt: skip
    assert sent[3] == config_topic(fresh)
    assert "availability" not in sent


def test_description_switched_off_by_a_reload_is_emptied(settled, setup, house, words):
    fresh = house(discovery=Discovery(enabled=False))
    sent = reload(settled, setup(fresh), words)
    assert sent == ["unsubscribe homeassistant/status", f"no {config_topic(house())}"]


# --- a judge that has stalled ---------------------------------------------------------


@pytest.mark.parametrize("beats", [True, False])
def test_a_stalled_judge_is_published_in_place_of_its_last_state(house, clock, setup, words, beats):
    """Also one that hangs before its first beat."""
    outbox = Outbox(setup(house()).topics, clock, lambda topics: topics.info(0.0, "pi"))
    heart = Heartbeat(clock)
    watch = StallWatch(heart, clock)

    def after(seconds):
        clock.advance(seconds)
        outbox.stall(watch.look())
        sent = {m.topic.removeprefix(f"{BASE}/"): m.payload for m in outbox.changes(once=True)}
        return {path: json.loads(payload) for path, payload in sent.items()}

    outbox.offer(words(clock.monotonic()).standing())
    assert after(1.0)["state"]["verdict"] == "ok"
    if beats:
        heart.beat()
    for _ in range(4 if beats else 3):
        assert after(1.0) == {}
    sent = after(1.0)
    assert sent["state"]["verdict"] == "blind"
    assert (sent["state"]["problem"], sent["state"]["blind"]) == (True, True)
    assert set(sent["state"]["services"].values()) <= {"blind"}
    for service in ("service/sign-in", "service/sms"):
        assert sent[service]["verdict"] == "blind"
        assert "stalled" in sent[service]["explanation"]
    assert sent["health"]["stalled"] is True
    assert sent["health"]["loop_lag_ms"] == 5000
    sent = [path for _ in range(120) for path in after(1.0)]
    assert sent == ["health", "health"], "each minute, so that it does not expire"
    heart.beat()
    sent = after(1.0)
    assert {each["verdict"] for path, each in sent.items() if path != "health"} == {"ok"}
    assert "health" not in sent, "the judge says by itself that it was late"


def test_one_who_was_stopped_as_well_waits_for_one_more_beat(clock):
    heart = Heartbeat(clock)
    watch = StallWatch(heart, clock)
    heart.beat()
    clock.advance(60.0)
    assert watch.look() is None
    clock.advance(1.0)
    assert watch.look() == clock.monotonic() - 61.0
    clock.advance(60.0)
    assert watch.look() == clock.monotonic() - 121.0, "late again, but nothing has beaten since"
    heart.beat()
    assert watch.look() is None


def test_home_assistant_is_given_one_to_five_seconds(begun, clock, house):
    session, line, _ = begun
    clock.advance(2.0)
    session.turn()
    line.sent.clear()
    line.takes(birth_topic(house()), b"online")
    session.turn()
    assert 1.0 <= session.due() <= 5.0
    clock.advance(0.99)
    session.turn()
    assert line.sent == []
    clock.advance(4.01)
    session.turn()
    assert line.sent == [config_topic(house()), *STATES, "availability"]
    line.sent.clear()
    line.takes(birth_topic(house()), b"offline")
    session.turn()
    assert session.due() > 5.0


def test_everything_again_each_five_minutes(begun, clock, house):
    session, line, _ = begun
    clock.advance(2.0)
    session.turn()
    line.sent.clear()
    clock.advance(298.0)
    session.turn()
    assert line.sent == [config_topic(house()), *STATES, "availability"]
    line.sent.clear()
    clock.advance(299.0)
    session.turn()
    assert line.sent == []


def test_a_broker_that_does_not_take_gets_only_the_latest(begun, clock, words):
    session, line, outbox = begun
    line.sent.clear()
    line.congested = True
    for verdict in (Verdict.DEGRADED, Verdict.OUTAGE, Verdict.RECOVERING):
        outbox.offer([words(clock.monotonic()).overall(verdict)])
        session.turn()
    assert line.sent == []
    line.congested = False
    session.turn()
    assert line.sent == ["state"]


def test_a_message_that_breaks_costs_only_itself(begun, clock, house, caplog):
    session, line, _ = begun
    birth = MQTTMessage(topic=birth_topic(house()).encode())
    birth.payload = b"online"
    line.arrived += [MQTTMessage(topic=b"\xff"), birth]
    session.turn()
    assert "a message could not be handled" in caplog.text
    clock.advance(5.0)
    line.sent.clear()
    session.turn()
    assert config_topic(house()) in line.sent
