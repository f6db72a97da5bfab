"""The discovery message, held to the rules of Home Assistant 2024.11 and newer."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.schema import Tower
from beacon.core.effects import Announcement, OverlaysChanged
from beacon.core.indication import Colour
from beacon.core.model import Service, Site
from beacon.core.operator.commands import OVER_MQTT
from beacon.core.views import OverlayKind, SilenceChanged
from beacon.outputs.mqtt.homeassistant import (
    birth_topic,
    config_topic,
    discovery,
    message,
    removals,
)
from beacon.outputs.mqtt.topics import Topics

BASE = "mfa-beacon/lab"

COMMON = {"p", "name", "uniq_id", "default_entity_id", "object_id", "ent_cat", "en", "avty"}
READ = {"stat_t", "val_tpl", "json_attr_t", "exp_aft", "dev_cla"}
ALLOWED = {
    "sensor": COMMON | READ | {"options", "unit_of_meas", "stat_cla"},
    "binary_sensor": COMMON | READ | {"payload_on", "payload_off"},
    "event": COMMON | {"stat_t", "event_types"},
    "button": COMMON | {"cmd_t", "pl_prs", "qos"},
    "switch": COMMON | {"cmd_t", "stat_t", "val_tpl", "json_attr_t", "qos"},
}
NEEDED = {
    "sensor": {"stat_t"},
    "binary_sensor": {"stat_t"},
    "event": {"stat_t", "event_types"},
    "button": {"cmd_t", "qos"},
    "switch": {"cmd_t", "stat_t", "qos"},
}


@pytest.fixture
def document(house):
    return discovery(house(), "1.2.3")


def test_the_shape_home_assistant_accepts(document):
    assert document.keys() == {"dev", "o", "avty", "cmps"}
    assert document["dev"] == {
        "ids": ["mfa_beacon_lab"],
        "name": "Lab beacon",
        "mdl": "MFA beacon",
        "sw": "1.2.3",
    }
    assert document["o"]["name"] == "mfa-beacon"
    assert document["avty"] == [{"t": f"{BASE}/availability"}]


def test_every_component_obeys_the_rules(document):
    for name, part in document["cmps"].items():
        kind = part["p"]
        assert re.fullmatch("[a-zA-Z0-9_-]+", name)
        assert part.keys() <= ALLOWED[kind], name
        assert part.keys() >= NEEDED[kind] | {"name", "uniq_id", "default_entity_id"}, name
        assert part["uniq_id"] == f"mfa_beacon_lab_{name}"
        assert re.fullmatch(rf"{kind}\.[a-z0-9_]+", part["default_entity_id"])
        assert "beacon" not in part["name"].lower()
        assert part.get("ent_cat") in (None, "diagnostic")
        if "options" in part:
            assert part["dev_cla"] == "enum"
            assert "stat_cla" not in part
        if "cmd_t" in part:
            assert part["qos"] == 1
    uniques = [part["uniq_id"] for part in document["cmps"].values()]
    assert len(set(uniques)) == len(uniques)


def test_exactly_the_entities_with_a_handler(document):
    assert list(document["cmps"]) == [
        *("verdict", "problem", "incident", "incident_since", "incident_cause", "incident_event"),
        *("service_sign-in", "service_sms"),
        *("lamp_red", "lamp_amber", "lamp_green", "buzzer"),
        *("acknowledge", "silence", "lamp_test"),
        *("witness_canary", "witness_canary_latency"),
        *("endpoint_sign-in_portal", "endpoint_sign-in_portal_latency"),
        *("endpoint_sign-in_otp", "endpoint_sign-in_otp_latency"),
        *("endpoint_sms_gateway", "endpoint_sms_gateway_latency"),
        *("connection", "version", "started", "loop_lag", "stalled", "clock", "clock_offset"),
    ]


def test_a_state_topic_is_one_that_is_written(document, house, words):
    config, say = house(), words(0.0)
    topics = Topics(
        config, "1", lambda at: datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=at)
    )
    written = {
        topics.availability,
        topics.state(say.overall().overall).topic,
        topics.incident(None, 0).topic,
        topics.buzzer(None, silenced=False).topic,
        topics.silence(SilenceChanged(0.0, on=False)).topic,
        *(topics.overlays(OverlaysChanged(0.0, kind, on=False)).topic for kind in OverlayKind),
        topics.info(0.0, "").topic,
        f"{BASE}/health",
        f"{BASE}/event",
        *(m.topic for m in topics.lamps(dict.fromkeys(Colour, "off"))),
        *(topics.endpoint(say.read(e.id)).topic for e in config.watched.endpoints),
        *(topics.service(say.service(id=s.id).service).topic for s in config.watched.services),
    }
    for part in document["cmps"].values():
        for key in ("stat_t", "json_attr_t"):
            assert part.get(key, topics.availability) in written


def test_what_matters_most_word_for_word(document):
    parts = document["cmps"]
    assert parts["connection"] == {
        "p": "binary_sensor",
        "name": "Connection",
        "stat_t": f"{BASE}/availability",
        "dev_cla": "connectivity",
        "payload_on": "online",
        "payload_off": "offline",
        "avty": [],
        "ent_cat": "diagnostic",
        "uniq_id": "mfa_beacon_lab_connection",
        "default_entity_id": "binary_sensor.mfa_beacon_lab_connection",
        "object_id": "mfa_beacon_lab_connection",
    }
    assert parts["service_sign-in"]["default_entity_id"] == "sensor.mfa_beacon_lab_service_sign_in"
    assert parts["silence"]["stat_t"] == f"{BASE}/silence"
    assert parts["silence"]["cmd_t"] == f"{BASE}/cmd/silence"
    assert parts["acknowledge"]["pl_prs"] == "PRESS"
    assert "ent_cat" not in parts["acknowledge"]
    assert parts["lamp_test"]["ent_cat"] == "diagnostic"
    assert parts["incident_event"]["event_types"] == [a.value for a in Announcement]
    assert parts["incident"]["options"] == ["none", "open", "acknowledged", "recovering"]
    assert "closed" not in parts["incident"]["options"]
    assert parts["lamp_red"]["options"] == ["off", "steady", "slow", "fast", "double", "signal"]
    assert parts["clock_offset"]["en"] is False


def test_an_entity_expires_later_than_its_topic_is_written(document):
    parts = document["cmps"]
    assert parts["witness_canary"]["exp_aft"] == 180  # every 10 s, written once a minute
    assert parts["endpoint_sms_gateway_latency"]["exp_aft"] == 900
    assert parts["endpoint_sign-in_otp"]["exp_aft"] == 1800  # its guard interval
    assert parts["stalled"]["exp_aft"] == 180


def test_what_is_pushed_expires_when_it_is_stale(house, endpoint):
    told = endpoint("mail/bounces", pushed=True, interval=300.0, stale_after=86_400.0)
    site = Site(id="lab", services=(Service(id="mail", name="Mail", endpoints=(told,)),))
    parts = discovery(house(site=site), "1.2.3")["cmps"]
    assert parts["endpoint_mail_bounces"]["exp_aft"] == 86_400


def test_only_what_is_allowed_and_wired_is_there(house):
    config = house(commands=("silence", "bypass"))
    config = replace(config, tower=Tower())
    names = set(discovery(config, "1")["cmps"])
    assert "silence" in names
    assert {"bypass", "bypass_since"} <= names
    assert not {"acknowledge", "lamp_test", "maintenance", "buzzer", "lamp_red"} & names


def test_of_all_commands_those_are_offered_that_need_one_press(house):
    document = discovery(house(commands=OVER_MQTT), "1")
    parts = document["cmps"]
    commanded = [name for name, part in parts.items() if "cmd_t" in part]
    assert commanded == ["acknowledge", "silence", "lamp_test", "maintenance", "bypass"]
    assert parts["maintenance"]["p"] == "switch"
    assert parts["maintenance"]["stat_t"] == f"{BASE}/maintenance"
    assert parts["bypass"]["cmd_t"] == f"{BASE}/cmd/bypass"
    assert parts["bypass_since"]["stat_t"] == f"{BASE}/bypass"
    assert parts["bypass_since"]["dev_cla"] == "timestamp"


def test_ids_that_meet_are_told_apart(house, endpoint):
    site = Site(
        id="lab",
        services=(
            Service(id="a_b", name="A", endpoints=(endpoint("a_b/c"),)),
            Service(id="a", name="B", endpoints=(endpoint("a/b_c"),)),
        ),
    )
    document = discovery(house(site=site), "1")
    topics = [p["stat_t"] for n, p in document["cmps"].items() if n.startswith("endpoint_a_b_c")]
    assert set(topics) == {f"{BASE}/endpoint/a_b/c", f"{BASE}/endpoint/a/b_c"}


def test_the_topics(house):
    config = house()
    assert config_topic(config) == "homeassistant/device/mfa_beacon_lab/config"
    assert birth_topic(config) == "homeassistant/status"
    with pytest.raises(ValueError, match="section mqtt"):
        config_topic(replace(config, mqtt=None))


def test_the_message_is_compact_and_retained(house, document):
    sent = message(house(), document)
    assert (sent.retain, sent.qos) == (True, 1)
    assert json.loads(sent.payload) == document
    assert ": " not in sent.payload.replace("Lab beacon", "").split('"val_tpl"')[0]
    assert message(house(), None).payload == ""


def test_removals(document):
    old = {"cmps": {"gone": {"p": "sensor", "name": "x"}, "verdict": {"p": "sensor"}}}
    stubs = removals(json.dumps(old), document)
    assert stubs is not None
    assert stubs["cmps"]["gone"] == {"p": "sensor"}
    assert stubs["cmps"]["verdict"] == document["cmps"]["verdict"]
    assert {k: v for k, v in stubs["cmps"].items() if k != "gone"} == document["cmps"]


def test_a_component_of_another_kind_is_removed_first(document):
    stubs = removals(json.dumps({"cmps": {"problem": {"p": "sensor"}}}), document)
    assert stubs is not None
    assert stubs["cmps"]["problem"] == {"p": "sensor"}


def test_nothing_to_remove(document):
    assert removals(json.dumps(document), document) is None
    assert removals("", document) is None


STRANGE = [
    "[" * 100_000,
    "[]",
    '{"cmps": 3}',
    '{"cmps": {"a b": {"p": "sensor"}}}',
    '{"cmps": {"a": 3, "b": {"p": 3}, "c": {"p": "x y"}, "d": {}}}',
]


@pytest.mark.parametrize("old", STRANGE)
def test_what_is_not_understood_counts_for_nothing(old, house):
    assert removals(old, discovery(house(), "1")) is None


@given(st.recursive(st.none() | st.text() | st.integers(), lambda c: st.dictionaries(st.text(), c)))
def test_removals_never_fails(old):
    stubs = removals(json.dumps({"cmps": old}), {"cmps": {}})
    assert stubs is None or all(set(part) == {"p"} for part in stubs["cmps"].values())
