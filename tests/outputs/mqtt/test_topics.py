"""Texts, keys, and the page that describes them; `test_bodies` has every body word for word."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import Announcement
from beacon.core.model import Verdict
from beacon.core.monitor import Monitor
from beacon.outputs.mqtt.topics import LONGEST_TEXT, MqttTopic, Publication, Topics, text

AT = 1000.0
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def moment(at):
    return NOON + timedelta(seconds=at - AT)


@pytest.fixture
def topics(house):
    return Topics(house(), "1.2.3", moment)


@pytest.fixture
def say(words):
    return words(AT)


def payload(message):
    return json.loads(message.payload)


def test_topics_need_a_section(house):
    with pytest.raises(ValueError, match="section mqtt"):
        Topics(replace(house(), mqtt=None), "1", moment)


@given(st.text(st.characters(codec=None), max_size=300))
def test_a_text_is_short_valid_and_null_for_nothing(words_of_others):
    found = text(words_of_others)
    assert (found is None) == (not words_of_others)
    if found is not None:
        assert len(found) <= LONGEST_TEXT
        found.encode("utf-8")


def test_a_long_text_says_that_it_was_cut():
    assert text("x" * 200) == "x" * 200
    assert text("x" * 201) == "x" * 199 + "…"


def documented(topic):
    """The words in the line of a topic in docs/mqtt.md."""
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith(f"| `{topic}`"))
    return set(re.findall(r"\w+", line))


def test_what_is_written_is_documented(topics, say, house):
    state, service = say.overall(Verdict.OK).overall, say.service().service
    assert set(payload(topics.state(state))) <= documented("state")
    assert set(payload(topics.service(service))) <= documented("service/<service>")
    assert set(payload(topics.endpoint(say.read()))) <= documented("endpoint/<service>/<endpoint>")
    assert set(payload(topics.incident(say.incident(), 0))) <= documented("incident")
    assert {*Announcement} <= documented("event")
    monitor = Monitor(house().watched)
    monitor.start(say.at)
    message = topics.explain(monitor.explain("sms"), say.at)
    assert (message.topic, message.retain, message.qos) == (
        "mfa-beacon/lab/explain/sms",
        True,
        0,
    )
    own = set(payload(message)) - set(payload(topics.service(service)))
    assert own <= documented("explain/<service>")


@pytest.mark.parametrize(
    ("keys", "payload"),
    [
        ((), '{"b":"x","a":{"texts":["LONG"]}}'),
        (("b",), '{"b":"x"}'),
        (("a", "b"), '{"a":{"texts":["LONG"]},"b":"x"}'),
        (("b", "missing"), '{"b":"x","missing":null}'),
    ],
)
def test_a_topic_picks_keys_in_their_order_and_cuts_texts(keys, payload):
    body = {"b": "x", "a": {"texts": ["l" * 300]}}
    found = MqttTopic("some/{}", keys, retain=False, qos=1).publication("base/lab", body, "where")
    expected = payload.replace("LONG", "l" * 199 + "…")
    assert found == Publication("base/lab/some/where", expected, retain=False, qos=1)
    assert body["a"]["texts"] == ["l" * 300]
