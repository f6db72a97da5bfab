"""The discovery message, held to the rules of Home Assistant 2024.11 and newer."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from beacon.config.schema import Tower
from beacon.core.effects import OverlaysChanged
from beacon.core.indication import Colour
from beacon.core.model import Service, Site
from beacon.core.views import OverlayKind, SilenceChanged
from beacon.outputs.mqtt.homeassistant import (
    discovery,
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


def test_only_what_is_allowed_and_wired_is_there(house):
    config = house(commands=("silence", "bypass"))
    config = replace(config, tower=Tower())
    names = set(discovery(config, "1")["cmps"])
    assert "silence" in names
    assert {"bypass", "bypass_since"} <= names
    assert not {"acknowledge", "lamp_test", "maintenance", "buzzer", "lamp_red"} & names


def test_ids_that_meet_are_kept_apart(house, endpoint):
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
