"""`push`: its settings, and what is read of a body in our own words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Duration, Secret
from beacon.core.model import Evidence, Outcome, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal, Way
from beacon.engine.redaction import Secrets
from beacon.engine.run import Run
from beacon.probes.push import ERRORS, LARGEST, Push, beacon
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: push
    token: !secret canary-of-a-token
    """,
)


clear = Secrets().clear

TOKEN = Secret("canary-of-a-token")


def read(document: Any, **settings: Any) -> Pushed:
    found = Push(token=TOKEN, **settings).read(json.dumps(document).encode())
    assert found is not None
    return found


def refused(document: Any) -> str:
    with pytest.raises(PushDenied) as denied:
        Push(token=TOKEN).read(json.dumps(document).encode())
    assert denied.value.cause is PushRefusal.MALFORMED
    return denied.value.words


# --- a body in our own words --------------------------------------------------------


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_that_others_may_push_is_read(reason):
    outcome = reason.outcome
    if outcome is Outcome.ERROR and reason not in ERRORS:
        assert "is our own word" in refused({"reason": reason})
        return
    assert read({"reason": reason}).reading.reason is reason
    assert read({"reason": reason, "outcome": outcome}).reading.reason is reason


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("pass", Reason.OK),
        ("warn", Reason.PREFERENCE_UNMET),
        ("fail", Reason.EXPECTATION_FAILED),
        ("error", Reason.SOURCE_DEAD),
    ],
)
def test_an_outcome_is_enough(outcome, reason):
    assert read({"outcome": outcome}).reading.reason is reason


def test_all_that_may_be_pushed():
    at = "2026-01-05T13:00:00.250+01:00"
    found = read({"reason": "slow", "detail": "a", "latency_ms": 1500, "at": at, "id": "1"})
    assert (clear(found.reading.detail), found.reading.latency, found.id) == ("a", 1.5, "1")
    assert found.at == 1767614400.25
    assert read({"reason": "ok", "at": 1767614400.25}).at == found.at
    assert read({"reason": "ok", "at": 1767614400}).at == 1767614400.0


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "neither `reason` nor `outcome`"),
        ({"reason": "ok", "outcome": "fail"}, "ok is a pass, not a fail"),
        ({"reason": "hunter2"}, "Invalid enum value - at `$.reason`"),
        ({"reason": "ok", "hunter2": 1}, "unknown field"),
        ({"reason": "ok", "detail": 5}, "Expected `str`"),
        ({"reason": "ok", "latency_ms": -1}, "`$.latency_ms`"),
        ({"reason": "ok", "latency_ms": "1"}, "`$.latency_ms`"),
        ({"reason": "ok", "at": "2026-01-05T12:00:00"}, "`$.at`"),
        ({"reason": "ok", "at": True}, "`$.at`"),
        ({"reason": "ok", "id": ""}, "`$.id`"),
        ({"reason": "ok", "id": "x" * 101}, "`$.id`"),
        ([], "Expected `object`"),
        ("ok", "Expected `object`"),
    ],
    ids=str,
)
def test_anything_else_is_refused_with_its_place(document, words):
    message = refused(document)
    assert words in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"[" * 60_000, b'{"at":' + b"9" * 5_000 + b"}", b'{"at":1e999}', b"\xff"]
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(PushDenied):
        Push(token=TOKEN).read(body)


def test_a_body_has_an_end():
    body = json.dumps({"reason": "ok", "detail": "x" * LARGEST}).encode()
    with pytest.raises(PushDenied) as denied:
        Push(token=TOKEN).read(body)
    assert denied.value.cause is PushRefusal.TOO_LARGE


def test_a_detail_is_one_short_line_without_our_token():
    secrets = Secrets()
    secrets.hide_in(Push(token=TOKEN))
    detail = f"{'x' * 190} {TOKEN.reveal()}\r\n\x1b[2J\u202e" + "y" * 500
    found = secrets.cleared(read({"reason": "ok", "detail": detail}).reading).detail
    assert len(found) == 200
    assert found.isprintable()
    assert "canary" not in found
    assert clear(read({"reason": "ok", "detail": "a\nb\0c"}).reading.detail) == "a b c"


@given(st.text(), st.none() | st.floats() | st.integers() | st.text(), st.text() | st.none())
def test_whatever_is_pushed_is_read_or_refused(detail, at, identity):
    body = json.dumps({"reason": "ok", "detail": detail, "at": at, "id": identity}).encode()
    try:
        found = Push(token=TOKEN).read(body)
    except PushDenied:
        return
    assert found is not None
    assert found.reading.reason is Reason.OK
    assert len(clear(found.reading.detail)) <= 200
    assert not clear(found.reading.detail) or clear(found.reading.detail).isprintable()
    assert found.at is None or found.at == found.at + 0.0


@given(st.binary())
def test_no_bytes_are_a_fault_of_ours(body):
    with pytest.raises(PushDenied):
        beacon(body)


@pytest.mark.parametrize(
    ("format_", "document", "reason"),
    [
        ("alertmanager", {"version": "4", "status": "resolved", "alerts": []}, Reason.OK),
        ("sendgrid", [{"event": "bounce", "timestamp": 1}], Reason.DELIVERY_REFUSED),
        (
            "ses",
            {"eventType": "Reject", "mail": {"timestamp": "2026-01-05T12:00:00Z"}},
            Reason.DELIVERY_REFUSED,
        ),
    ],
)
def test_a_format_is_read_by_its_own_rules(format_, document, reason):
    assert read(document, format=format_).reading.reason is reason


def test_an_event_that_says_nothing_is_nothing():
    assert Push(token=TOKEN, format="sendgrid").read(b"[]") is None


# --- settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"token": TOKEN}, None),
        ({"mqtt": True}, None),
        ({"mqtt": True, "heartbeat": Duration(60), "max_age": Duration(3600)}, None),
        ({}, "nobody can push to it"),
        ({"token": Secret("short")}, "a token that can be guessed"),
        ({"token": Secret("ü" * 16)}, "a token that no header can carry"),
        ({"mqtt": True, "heartbeat": Duration(59)}, "too often"),
        ({"mqtt": True, "max_age": Duration(3601)}, "too old"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together(settings, fault):
    found = [each.message for each in Push(**settings).faults()]
    assert found == ([fault] if fault else [])


def test_ways_and_what_they_need():
    assert Push(token=TOKEN).ways == (Way.HTTP,)
    both = Push(token=TOKEN, mqtt=True)
    assert both.ways == (Way.HTTP, Way.MQTT)
    assert both.needs == {"token": "web", "mqtt": "mqtt"}


def test_its_times_go_with_its_heartbeat():
    assert Push(mqtt=True).timing is Push.ABILITIES.timing
    timing = Push(mqtt=True, heartbeat=Duration(60)).timing
    assert (timing.interval, timing.timeout) == (60.0, 30.0)
    assert Push(mqtt=True, heartbeat=Duration(86400)).timing.timeout == 30.0


def test_it_asks_nothing():
    probe = Push(mqtt=True)
    reading = Run(SystemClock(), 1.0).take(probe)
    assert reading.reason is Reason.STALE
    assert "pushed" in reading.detail
    assert (probe.wait(0.0, MEMORIES.of(probe)), probe.clock_bound, Push.ABILITIES.evidence) == (
        0.0,
        False,
        Evidence.HEALTH,
    )
