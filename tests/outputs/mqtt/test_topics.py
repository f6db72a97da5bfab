"""What stands on the topics, word for word."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import Announced, Announcement, Answered, OverlaysChanged
from beacon.core.indication import Colour, Pattern, Sound
from beacon.core.model import Health, Reason, Verdict
from beacon.core.monitor import Monitor
from beacon.core.views import IncidentState, Overlay, OverlayKind, SilenceChanged, VendorWord
from beacon.outputs.mqtt.topics import (
    LONGEST_TEXT,
    OFFLINE,
    HealthReport,
    MqttTopic,
    Publication,
    Topics,
    endpoint_path,
    text,
)

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


def test_availability_is_one_plain_word_and_the_will(topics):
    will = topics.available(OFFLINE)
    assert (will.topic, will.payload) == ("mfa-beacon/lab/availability", "offline")
    assert (will.retain, will.qos) == (True, 1)


def test_state(topics, say):
    overall = say.overall(
        Verdict.DEGRADED, services=(("sign-in", Verdict.DEGRADED),), overlays=("drill",)
    ).overall
    message = topics.state(replace(overall, storage_degraded=True, first_out="sign-in"))
    assert (message.topic, message.retain, message.qos) == ("mfa-beacon/lab/state", True, 0)
    assert payload(message) == {
        "verdict": "degraded",
        "problem": True,
        "since": "2026-01-05T12:00:00.000+00:00",
        "blind": False,
        "starting": False,
        "overlays": ["drill"],
        "services": {"sign-in": "degraded"},
        "network": "unverified",
        "clock": "unverified",
        "storage_degraded": True,
        "first_out": "sign-in",
        "version": "1.2.3",
    }


def test_service(topics, say):
    view = say.service(
        Verdict.GRAY_FAILURE,
        cause="vendor",
        explanation="every cell is down",
        cells=(("emea/totp", Health.DOWN),),
        endpoints=(("sign-in/portal", Health.DOWN),),
        vendor_says_fine=True,
    ).service
    message = topics.service(view)
    assert (message.topic, message.retain) == ("mfa-beacon/lab/service/sign-in", True)
    shown = payload(message)
    assert shown["verdict"] == "gray_failure"
    assert shown["cells"] == {"emea/totp": "down"}
    assert shown["endpoints"] == {"sign-in/portal": "down"}
    assert shown["vendor_says_fine"] is True
    assert shown["proof_at"] is None


def test_endpoint(topics, say):
    message = topics.endpoint(
        say.read(reason=Reason.SLOW, health=Health.DEGRADED, latency=1.23456, failures=2)
    )
    assert message.topic == "mfa-beacon/lab/endpoint/sign-in/portal"
    assert payload(message) == {
        "health": "degraded",
        "outcome": "warn",
        "reason": "slow",
        "detail": None,
        "latency_ms": 1234.6,
        "checked_at": "2026-01-05T12:00:00.000+00:00",
        "failures": 2,
    }
    assert payload(topics.endpoint(say.read(latency=None)))["latency_ms"] is None


def test_a_witness_has_its_own_branch():
    assert endpoint_path("witness/canary") == "witness/canary"
    assert endpoint_path("sign-in/portal") == "endpoint/sign-in/portal"


def test_incident(topics, say):
    incident = say.incident(
        state=IncidentState.ACKNOWLEDGED,
        acknowledged=True,
        acknowledged_at=AT + 60,
        acknowledged_by="Ann",
        vendor_lead=2340.0,
        impact=0.25,
        vendor=(
            VendorWord("sign-in/page", "fine", "all well", AT),
            VendorWord("sign-in/feed", "admits", "w" * 300),
        ),
    )
    assert payload(topics.incident(incident, 2)) == {
        "state": "acknowledged",
        "acknowledged": True,
        "others": 2,
        "id": "lab-20260105T120000Z-7",
        "since": "2026-01-05T12:00:00.000+00:00",
        "service": "sign-in",
        "verdict": "outage",
        "peak": "outage",
        "first_out": "sign-in/portal",
        "cause": None,
        "explanation": None,
        "vendor_lead_s": 2340.0,
        "vendor_differs": True,
        "vendor": [
            {
                "endpoint": "sign-in/page",
                "says": "fine",
                "words": "all well",
                "since": "2026-01-05T12:00:00.000+00:00",
            },
            {
                "endpoint": "sign-in/feed",
                "says": "admits",
                "words": "w" * 199 + "…",
                "since": None,
            },
        ],
        "impact": 0.25,
        "acknowledged_at": "2026-01-05T12:01:00.000+00:00",
        "acknowledged_by": "Ann",
        "runbook": "Call the duty officer.",
    }


def test_no_incident_has_the_same_keys(topics, say):
    some = payload(topics.incident(say.incident(), 0))
    for none in (None, say.incident(state=IncidentState.CLOSED)):
        shown = payload(topics.incident(none, 0))
        assert shown.keys() == some.keys()
        assert shown["state"] == "none"
        assert {k for k, v in shown.items() if v is not None} == {"state", "acknowledged", "others"}


EXPLANATION, IMPACT = "sign-in/portal: deadline", 0.25


def test_event(topics, say):
    announced = Announced(
        AT,
        Announcement.CLOSED,
        "sign-in",
        Verdict.OK,
        say.incident(explanation=EXPLANATION, impact=IMPACT),
        "dns",
        "Ann",
    )
    message = topics.event(announced)
    assert (message.topic, message.retain, message.qos) == ("mfa-beacon/lab/event", False, 1)
    assert payload(message) == {
        "event_type": "closed",
        "id": "lab-20260105T120000Z-7",
        "service": "sign-in",
        "verdict": "ok",
        "cause": "dns",
        "explanation": EXPLANATION,
        "impact": IMPACT,
        "runbook": "Call the duty officer.",
        "by": "Ann",
        "at": "2026-01-05T12:00:00.000+00:00",
    }
    blind = Announced(AT, Announcement.BLIND, "sign-in", Verdict.BLIND)
    assert payload(topics.event(blind)) | {"at": None, "verdict": None} == {
        "event_type": "blind",
        "service": "sign-in",
        "runbook": "Call the duty officer.",
        **dict.fromkeys(("id", "verdict", "cause", "explanation", "impact", "by", "at")),
    }


def test_lamps_and_buzzer(topics):
    [red, green] = topics.lamps({Colour.RED: "signal", Colour.GREEN: Pattern.STEADY.value})
    assert (red.topic, red.payload) == ("mfa-beacon/lab/lamp/red", "signal")
    assert (green.topic, green.payload) == ("mfa-beacon/lab/lamp/green", "steady")
    on = payload(topics.buzzer(Sound.CHIRP, silenced=False))
    assert on == {"state": "ON", "pattern": "chirp", "silenced": False}
    off = payload(topics.buzzer(None, silenced=True))
    assert off == {"state": "OFF", "pattern": None, "silenced": True}


def test_silence(topics):
    on = SilenceChanged(AT, on=True, since=AT, until=AT + 3600, by="Ann", reason="on the phone")
    assert payload(topics.silence(on)) == {
        "state": "ON",
        "since": "2026-01-05T12:00:00.000+00:00",
        "until": "2026-01-05T13:00:00.000+00:00",
        "by": "Ann",
        "reason": "on the phone",
    }


def test_info_and_health(topics):
    info = payload(topics.info(AT, "pi"))
    assert info["started_at"] == "2026-01-05T12:00:00.000+00:00"
    assert (info["host"], info["site"], info["config_hash"]) == ("pi", "lab", "0123abcd")
    unknown = HealthReport(
        AT,
        loop_lag_ms=1.26,
        stalled=False,
        clock_synced=None,
        clock_offset_ms=None,
        storage_degraded=False,
        rss_mb=41.234,
    )
    shown = payload(topics.health(unknown))
    assert (shown["loop_lag_ms"], shown["rss_mb"]) == (1.3, 41.2)
    assert shown["clock_synced"] is None
    assert shown["clock_offset_ms"] is None


def test_result(topics):
    message = topics.result(Answered(AT, "silence", ok=False, by="Ann", origin="mqtt", error="no"))
    assert (message.topic, message.retain, message.qos) == ("mfa-beacon/lab/result", False, 1)
    assert payload(message) == {
        "cmd": "silence",
        "ok": False,
        "error": "no",
        "by": "Ann",
        "at": "2026-01-05T12:00:00.000+00:00",
    }


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


def laid(kind, subject, since, until, by="Ann", reason="upgrade"):
    return Overlay(
        kind, subject, AT + since, by, "cli", reason, None if until is None else AT + until
    )


def stamp(seconds):
    return moment(AT + seconds).isoformat(timespec="milliseconds")


def test_overlays_of_one_kind_share_a_topic(topics):
    kind = OverlayKind.MAINTENANCE
    two = (laid(kind, "sms", 60.0, 120.0, "Bob", "late"), laid(kind, "sign-in", 0.0, 90.0))
    message = topics.overlays(OverlaysChanged(AT, kind, True, two))
    assert (message.topic, message.retain) == ("mfa-beacon/lab/maintenance", True)
    assert payload(message) == {
        "state": "ON",
        "since": stamp(0),
        "until": stamp(120),
        "by": "Ann",
        "reason": "upgrade",
        "services": ["sms", "sign-in"],
    }


def test_one_without_an_end_has_none_for_all(topics):
    kind = OverlayKind.MAINTENANCE
    two = (laid(kind, "sms", 0.0, None), laid(kind, "sign-in", 0.0, 90.0))
    assert payload(topics.overlays(OverlaysChanged(AT, kind, True, two)))["until"] is None


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (OverlayKind.MAINTENANCE, {"services": []}),
        (OverlayKind.BYPASS, {"services": []}),
        (OverlayKind.SHELVE, {"services": []}),
        (OverlayKind.ATTEST, {"overdue": []}),
        (OverlayKind.DRILL, {"verdict": None}),
        (OverlayKind.BREAK_GLASS, {"services": []}),
    ],
)
def test_no_overlay(topics, kind, more):
    message = topics.overlays(OverlaysChanged(AT, kind, on=False))
    nothing = dict.fromkeys(("since", "until", "by", "reason"))
    assert payload(message) == {"state": "OFF", **nothing, **more}


def test_attestations_and_drill(topics):
    kind = OverlayKind.ATTEST
    two = (laid(kind, "tokens", 0.0, 500.0), laid(kind, "break-glass", 10.0, 90.0))
    found = payload(topics.overlays(OverlaysChanged(AT, kind, True, two, ("break-glass",))))
    assert (found["state"], found["until"], found["overdue"]) == ("ON", stamp(90), ["break-glass"])
    drill = laid(OverlayKind.DRILL, "outage", 0.0, 900.0)
    found = payload(topics.overlays(OverlaysChanged(AT, OverlayKind.DRILL, True, (drill,))))
    assert found["verdict"] == "outage"


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
