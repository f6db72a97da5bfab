"""Commands from outside: understood whole, or refused with words."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import SettingRefused
from beacon.config.schema import COMMANDS
from beacon.core.model import Verdict
from beacon.core.operator.commands import Command
from beacon.outputs.mqtt.commands import FIELDS, HANDLED, LARGEST, Limit, read, refusal

SERVICES = ("sign-in", "sms")


def understand(name, payload):
    raw = payload if isinstance(payload, bytes) else payload.encode()
    return read(name, raw, HANDLED, SERVICES)


GOOD = [
    ("acknowledge", "PRESS", Command("acknowledge")),
    ("acknowledge", " PRESS\n", Command("acknowledge")),
    ("acknowledge", "{}", Command("acknowledge")),
    (
        "acknowledge",
        '{"by": "Ann", "reason": "seen", "service": "sms"}',
        Command("acknowledge", "Ann", "seen", "sms"),
    ),
    ("acknowledge", '{"by": null}', Command("acknowledge")),
    ("silence", "ON", Command("silence")),
    ("silence", "OFF", Command("silence", on=False)),
    (
        "silence",
        '{"state": "ON", "for": "10m", "by": "Ann"}',
        Command("silence", "Ann", seconds=600.0),
    ),
    ("silence", '{"state": "ON", "for": "1h"}', Command("silence", seconds=3600.0)),
    ("maintenance", "ON", Command("maintenance")),
    (
        "maintenance",
        '{"state": "OFF", "service": "sms"}',
        Command("maintenance", service="sms", on=False),
    ),
    ("bypass", "OFF", Command("bypass", on=False)),
    (
        "shelve",
        '{"state": "ON", "service": "sms", "for": "2h", "reason": "known"}',
        Command("shelve", reason="known", service="sms", seconds=7200.0),
    ),
    ("attest", "PRESS", Command("attest")),
    ("attest", '{"state": "OFF", "service": "x"}', Command("attest", service="x", on=False)),
    ("acknowledge", "OFF", Command("acknowledge", on=False)),
    ("acknowledge", '{"state": "OFF", "by": "Anna"}', Command("acknowledge", "Anna", on=False)),
    ("acknowledge", '{"state": "ON"}', Command("acknowledge")),
    ("attest", '{"service": "break-glass"}', Command("attest", service="break-glass")),
    (
        "drill",
        '{"state": "ON", "verdict": "degraded", "for": "5m"}',
        Command("drill", verdict=Verdict.DEGRADED, seconds=300.0),
    ),
    ("lamp_test", "PRESS", Command("lamp_test")),
    ("lamp_test", '{"by": "A\\u001b[31mnn\\n"}', Command("lamp_test", "A [31mnn")),
]

PRESS = "send PRESS or OFF, or an object of state, by, reason, service"
ON_OFF = "send ON or OFF, or an object of state, by, reason, for"

ON_OFF_WHERE = "send ON or OFF, or an object of state, by, reason, service"

BAD = [
    ("dance", "PRESS", f"unknown command; known: {', '.join(COMMANDS)}"),
    ("acknowledge", "", f"not understood; {PRESS}"),
    ("acknowledge", "ON", f"not understood; {PRESS}"),
    ("acknowledge", "press", f"not understood; {PRESS}"),
    ("acknowledge", '{"for": "1h"}', f"not understood; {PRESS}"),
    ("acknowledge", "[1]", f"not understood; {PRESS}"),
    ("acknowledge", b"\xff\xfe", f"not understood; {PRESS}"),
    ("acknowledge", "[" * 1000, f"not understood; {PRESS}"),
    ("acknowledge", '{"by": 7}', f"every value is text; {PRESS}"),
    ("acknowledge", '{"state": "PRESS"}', f"`state` is ON or OFF; {PRESS}"),
    ("lamp_test", "OFF", "not understood; send PRESS, or an object of by, reason"),
    ("acknowledge", '{"service": "x"}', "no such service; known: sign-in, sms"),
    ("silence", "PRESS", f"not understood; {ON_OFF}"),
    ("silence", "{}", f"`state` is ON or OFF; {ON_OFF}"),
    ("silence", '{"state": "ON", "for": "2h"}', "`for` is too long; at most 1h"),
    (
        "silence",
        '{"state": "ON", "for": "10"}',
        "`for` is not a duration; a number with a unit: 800ms, 30s, 5m, 2h, 90d",
    ),
    ("bypass", '{"state": "ON", "for": "1h"}', "not understood; " + ON_OFF_WHERE),
    ("shelve", '{"state": "ON", "service": "x"}', "no such service; known: sign-in, sms"),
    (
        "drill",
        '{"state": "ON", "verdict": "fire"}',
        f"no such verdict; known: {', '.join(Verdict)}",
    ),
    ("silence", "ON" + " " * LARGEST, "1026 bytes are too many; at most 1024"),
]


@pytest.mark.parametrize(("name", "payload", "command"), GOOD)
def test_good(name, payload, command):
    assert understand(name, payload) == command


@pytest.mark.parametrize(("name", "payload", "words"), BAD)
def test_bad(name, payload, words):
    with pytest.raises(SettingRefused) as refused:
        understand(name, payload)
    assert refusal(refused.value) == words


def test_a_command_that_is_switched_off():
    with pytest.raises(SettingRefused) as refused:
        read("silence", b"ON", ("acknowledge",), SERVICES)
    assert refusal(refused.value) == "switched off by mqtt.commands"


@given(st.sampled_from(HANDLED), st.binary(max_size=2000) | st.text().map(str.encode))
def test_whatever_comes_is_understood_or_refused(name, payload):
    with contextlib.suppress(SettingRefused):
        assert read(name, payload, HANDLED, SERVICES).name == name


@given(st.sampled_from(HANDLED), st.dictionaries(st.text(max_size=8), st.text(), max_size=4))
def test_whatever_is_said_fits_a_log_line(name, fields):
    try:
        command = understand(name, json.dumps({"by": "x", **fields}))
    except SettingRefused:
        return
    assert command.by.isprintable()
    assert command.reason.isprintable()
    assert len(command.by) <= 200


def test_ten_at_once_then_one_a_second(clock):
    limit = Limit(clock)
    assert [limit.allows() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.advance(1.0)
    assert [limit.allows() for _ in range(2)] == [True, False]
    clock.advance(3600.0)
    assert [limit.allows() for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("name", [c for c in COMMANDS if "service" in FIELDS[c] and c != "attest"])
@pytest.mark.parametrize("state", ["ON", "OFF"])
def test_a_service_that_is_not_there_is_refused_by_every_command(name, state):
    """What is attested is known to the core alone: it refuses."""
    payload = json.dumps({"state": state, "service": "gate"}).encode()
    with pytest.raises(SettingRefused) as refused:
        read(name, payload, COMMANDS, ("sign-in", "sms"))
    assert refusal(refused.value) == "no such service; known: sign-in, sms"


def test_every_command_and_its_fields_are_documented():
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    for name in COMMANDS:
        [line] = [line for line in page.splitlines() if line.startswith(f"| `cmd/{name}` |")]
        words = set(re.findall(r"`([a-z_]+)`", line))
        assert set(FIELDS[name]) <= words, name
