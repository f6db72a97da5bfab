"""In which order a subscriber of a real broker hears things: when, and on which topics."""

import json
from dataclasses import replace

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from beacon.config.fields import Secret
from beacon.config.schema import Discovery
from beacon.core.indication import Colour
from beacon.core.model import Verdict
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.topics import HealthReport
from beacon.outputs.tower.renderer import Shown

pytestmark = pytest.mark.integration

BASE = "mfa-beacon/lab"
CONFIG = "homeassistant/device/mfa_beacon_lab/config"
AVAILABILITY = f"{BASE}/availability"
BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def tell_all(one, verdict=Verdict.OK, keep=lambda _effect: True):
    one.output.offer([effect for effect in one.words().standing(verdict) if keep(effect)])
    one.output.shown(Shown({Colour.RED: "off", Colour.GREEN: "steady"}))


def online(listener):
    return listener.kept.get(AVAILABILITY) == "online"


def messages(listener):
    return [(m.topic.removeprefix(f"{BASE}/"), m.payload.decode()) for m in listener.received]


def of(listener, path):
    return [payload for topic, payload in messages(listener) if topic == path]


def take_over(port):
    """Somebody comes with the beacon's own client id: the broker drops the beacon."""
    intruder = Client(
        CallbackAPIVersion.VERSION2, client_id="mfa-beacon-lab", protocol=MQTTProtocolVersion.MQTTv5
    )
    intruder.connect("127.0.0.1", port)
    intruder.loop_start()
    return intruder


@BOTH
def test_on_reconnect_the_states_come_before_online(broker, listen, beacon, house, quick, protocol):
    """`unavailable` → `gray_failure`, never by way of the `ok` of before."""
    broker.start()
    one = beacon(house(broker.port, protocol=protocol), replace(quick, settled=0.0))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: online(listener), "that it is there")
    intruder = take_over(broker.port)
    try:
        listener.until(lambda: not online(listener), "the last will")
        seen = len(listener.received)
        tell_all(one, Verdict.GRAY_FAILURE)
    finally:
        intruder.disconnect()
        intruder.loop_stop()
    listener.until(lambda: online(listener), "that it is back", 20.0)
    after = messages(listener)[seen:]
    until_online = after[: after.index(("availability", "online"))]
    verdicts = {json.loads(p)["verdict"] for t, p in until_online if t in ("state", "service/sms")}
    assert verdicts == {"gray_failure"}
    assert {"state", "service/sms", "service/sign-in"} <= {topic for topic, _ in until_online}


def without_sms(effect):
    return "sms" not in (
        getattr(effect, "endpoint", "").partition("/")[0],
        getattr(getattr(effect, "service", None), "id", ""),
    )


def smaller(config):
    site = config.watched
    return replace(config, watched=replace(site, services=site.services[:1]), digest="fresh")


def of_sms(listener):
    return {topic for topic, payload in listener.kept.items() if "/sms" in topic and payload}


@BOTH
def test_what_a_restart_left_behind_is_emptied(broker, listen, beacon, house, quick, protocol):
    broker.start()
    config = house(broker.port, protocol=protocol)
    first = beacon(config)
    tell_all(first)
    listener = listen(broker.port)
    listener.until(lambda: online(listener) and of_sms(listener), "all of it")
    first.output.stop(5.0)
    listener.say(f"{BASE}/explain/sms", "{}", retain=True)
    listener.say(f"{BASE}/notes/of-others", "kept", retain=True)
    second = beacon(smaller(config), replace(quick, read_back=5.0))
    tell_all(second, keep=without_sms)
    listener.until(lambda: not of_sms(listener), "that SMS is gone")
    listener.until(lambda: online(listener), "that it is back")
    late = listen(broker.port)
    theirs = f"{BASE}/notes/of-others"
    late.until(lambda: online(late) and late.kept.get(theirs) == "kept", "what is retained")
    assert not of_sms(late)
    configs = [json.loads(config)["cmps"] for config in of(listener, CONFIG)]
    assert {"p": "sensor"} in [cmps.get("service_sms") for cmps in configs], (
        "Home Assistant forgets"
    )
    late.until(lambda: late.json("service/sign-in").get("verdict") == "ok", "what stays")


@pytest.mark.parametrize(
    "change",
    [{"protocol": "3.1.1"}, {"username": "beacon", "password": Secret("x")}, {"commands": ()}],
    ids=str,
)
def test_a_reload_that_needs_another_connection_does_not_say_offline(
    broker, listen, beacon, house, change
):
    broker.start()
    one = beacon(house(broker.port))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: online(listener), "that it is there")
    one.output.follow(replace(house(broker.port, **change), digest="fresh"))
    tell_all(one)
    listener.until(lambda: listener.json("info").get("config_hash") == "fresh", "the reload")
    count = len(of(listener, "result"))
    listener.command("acknowledge", "PRESS")
    listener.until(lambda: one.submitted or len(of(listener, "result")) > count, "that it listens")
    assert "offline" not in of(listener, "availability")


def test_a_reload_that_ends_the_connection_for_good_leaves_no_online_behind(
    broker, listen, beacon, house
):
    broker.start()
    one = beacon(house(broker.port))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: online(listener), "that it is there")
    with_tls = replace(house(broker.port).mqtt, encrypted=True)
    one.output.follow(replace(house(broker.port), mqtt=with_tls))
    listener.until(lambda: not online(listener), "that it is gone")


@pytest.mark.parametrize("prefix", ["ha", "homeassistant"])
def test_a_reload_that_moves_the_base_takes_everything_along(broker, listen, beacon, house, prefix):
    broker.start()
    one = beacon(house(broker.port))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: online(listener), "that it is there")
    moved = house(broker.port, base_topic="elsewhere", discovery=Discovery(prefix=prefix))
    one.output.follow(moved)
    tell_all(one)
    there = "elsewhere/lab/availability"
    listener.until(lambda: listener.kept.get(there) == "online", "that it is at the new place")
    late = listen(broker.port)
    description = f"{prefix}/device/mfa_beacon_lab/config"
    late.until(lambda: late.kept.get(there) == "online" and description in late.kept, "all of it")
    assert {topic.partition("/")[0] for topic in late.kept} == {"elsewhere", prefix}
    assert f'"{BASE}/' not in late.kept[description]
    sent = messages(listener)
    old = [n for n, (topic, payload) in enumerate(sent) if topic == CONFIG and BASE in payload]
    emptied = [n for n, (topic, payload) in enumerate(sent) if topic != CONFIG and not payload]
    assert max(old) < min(emptied), "who still reads a topic would complain of an empty state"
    described = next(n for n in range(max(old) + 1, len(sent)) if sent[n][0] == CONFIG)
    assert described < min(emptied)
    assert ((CONFIG, "") in sent) is (prefix == "ha"), "entities stay what people made of them"


def test_a_stalled_judge_is_published_by_the_thread_that_listens(broker, listen, beacon, house):
    broker.start()
    one = beacon(house(broker.port), judged=True)
    tell_all(one)
    one.output.health(HealthReport(one.clock.monotonic(), 1.0, False, True, 3.0, False, 40.0))
    one.judge.at = one.clock.monotonic() - Heartbeat.LIMIT  # its last beat, five seconds ago
    listener = listen(broker.port)
    listener.until(lambda: listener.json("state").get("verdict") == "blind", "that it is blind")
    listener.until(lambda: listener.json("health").get("stalled"), "that it has stalled")
    assert listener.json("service/sms")["verdict"] == "blind"
    assert listener.json("health")["rss_mb"] == 40.0
    one.judge.beat()
    listener.until(lambda: listener.json("state")["verdict"] == "ok", "that it judges again")
    listener.until(lambda: listener.json("service/sms")["verdict"] == "ok", "its services too")


def test_a_judge_that_stalls_while_the_broker_is_away_is_never_published_as_well(
    broker, listen, beacon, house, quick, eventually
):
    one = beacon(house(broker.port), replace(quick, first_retry=0.5, last_retry=0.5), judged=True)
    tell_all(one)
    one.judge.at = one.clock.monotonic() - Heartbeat.LIMIT
    eventually(lambda: one.output._outbox._stalled is not None, "that it is noticed")
    broker.start()
    listener = listen(broker.port)
    listener.until(lambda: online(listener), "that it is there")
    assert {json.loads(payload)["verdict"] for payload in of(listener, "state")} == {"blind"}
