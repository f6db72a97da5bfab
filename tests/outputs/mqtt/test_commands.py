"""Commands from outside: understood whole, or refused with words."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import SettingRefused
from beacon.core.effects import Answered
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    Drill,
    Maintenance,
    Shelve,
    Silence,
)
from beacon.core.model import Verdict
from beacon.core.operator.commands import COMMANDS, OVER_MQTT, LampTest
from beacon.outputs.mqtt.commands import LARGEST, CommandRunner, Limit, fields_of, read

NOW = 42.0
MQTT = {"by": "mqtt", "origin": "mqtt"}
ANN = {"by": "Ann", "origin": "mqtt"}


def understand(name, payload):
    raw = payload if isinstance(payload, bytes) else payload.encode()
    return read(name, raw, OVER_MQTT, NOW)


def refusal(refused):
    """The whole sentence for the sender."""
    return f"{refused.message}; {refused.allowed}" if refused.allowed else refused.message


GOOD = [
    ("acknowledge", "PRESS", Acknowledge(NOW, **MQTT)),
    ("acknowledge", " PRESS\n", Acknowledge(NOW, **MQTT)),
    ("acknowledge", "{}", Acknowledge(NOW, **MQTT)),
    (
        "acknowledge",
        '{"by": "Ann", "reason": "seen", "service": "sms"}',
        Acknowledge(NOW, **ANN, reason="seen", service="sms"),
    ),
    ("acknowledge", '{"by": null}', Acknowledge(NOW, **MQTT)),
    ("acknowledge", "OFF", Acknowledge(NOW, **MQTT, on=False)),
    ("acknowledge", '{"state": "OFF", "by": "Ann"}', Acknowledge(NOW, **ANN, on=False)),
    ("acknowledge", '{"state": "ON"}', Acknowledge(NOW, **MQTT)),
    ("silence", "ON", Silence(NOW, True, **MQTT, seconds=3600.0)),
    ("silence", "OFF", Silence(NOW, False, **MQTT)),
    (
        "silence",
        '{"state": "ON", "for": "10m", "by": "Ann"}',
        Silence(NOW, True, **ANN, seconds=600.0),
    ),
    ("silence", '{"state": "ON", "for": "1h"}', Silence(NOW, True, **MQTT, seconds=3600.0)),
    ("maintenance", "ON", Maintenance(NOW, None, True, **MQTT, seconds=14_400.0)),
    (
        "maintenance",
        '{"state": "OFF", "service": "sms"}',
        Maintenance(NOW, "sms", False, **MQTT),
    ),
    ("bypass", "OFF", Bypass(NOW, None, False, **MQTT)),
    (
        "shelve",
        '{"state": "ON", "service": "sms", "for": "2h", "reason": "known"}',
        Shelve(NOW, "sms", True, **MQTT, reason="known", seconds=7200.0),
    ),
    ("attest", "PRESS", Attest(NOW, None, **MQTT)),
    ("attest", '{"state": "OFF", "service": "x"}', Attest(NOW, "x", **MQTT, on=False)),
    ("attest", '{"service": "break-glass"}', Attest(NOW, "break-glass", **MQTT)),
    (
        "drill",
        '{"state": "ON", "verdict": "degraded", "for": "5m"}',
        Drill(NOW, True, **MQTT, verdict=Verdict.DEGRADED, seconds=300.0),
    ),
    ("lamp_test", "PRESS", LampTest(NOW, **MQTT)),
    ("lamp_test", '{"by": "A\\u001b[31mnn\\n"}', LampTest(NOW, "A [31mnn", "mqtt")),
]

PRESS = "send PRESS or OFF, or an object of state, by, reason, service"
ON_OFF = "send ON or OFF, or an object of state, by, reason, for"

ON_OFF_WHERE = "send ON or OFF, or an object of state, by, reason, service"

BAD = [
    ("dance", "PRESS", f"unknown command; known: {', '.join(OVER_MQTT)}"),
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
    ("silence", "PRESS", f"not understood; {ON_OFF}"),
    ("silence", "{}", f"`state` is ON or OFF; {ON_OFF}"),
    ("silence", '{"state": "ON", "for": "2h"}', "too long: at most 1 h"),
    (
        "silence",
        '{"state": "ON", "for": "10"}',
        "`for` is not a duration; a number with a unit: 800ms, 30s, 5m, 2h, 90d",
    ),
    ("bypass", '{"state": "ON", "for": "1h"}', "not understood; " + ON_OFF_WHERE),
    (
        "drill",
        '{"state": "ON", "verdict": "fire"}',
        f"`verdict` is one of {', '.join(Verdict)}",
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
        read("silence", b"ON", ("acknowledge",), NOW)
    assert refusal(refused.value) == "switched off by mqtt.commands"


@given(st.sampled_from(OVER_MQTT), st.binary(max_size=2000) | st.text().map(str.encode))
def test_whatever_comes_is_understood_or_refused(name, payload):
    with contextlib.suppress(SettingRefused):
        assert read(name, payload, OVER_MQTT, NOW).at == NOW


@given(st.sampled_from(OVER_MQTT), st.dictionaries(st.text(max_size=8), st.text(), max_size=4))
def test_every_field_of_a_command_fits_a_log_line(name, fields):
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


@pytest.fixture
def runner(clock, house):
    """A runner of commands, and what it answered, submitted, and tested."""
    done = []

    def lamp_test():
        done.append("lamp test")
        raise RuntimeError("the lamps are on strike")

    allowed = house(commands=("acknowledge", "lamp_test"))
    return CommandRunner(allowed, clock, done.append, lamp_test, done.append), done


@pytest.mark.parametrize(
    ("name", "payload", "retained", "error"),
    [
        ("acknowledge", b"PRESS", True, "ignored: retained"),
        ("silence", b"ON", False, "switched off by mqtt.commands"),
        ("dance", b"PRESS", False, f"unknown command; known: {', '.join(OVER_MQTT)}"),
        ("lamp_test", b"PRESS", False, "failed: see the beacon's log"),
    ],
)
def test_what_is_not_carried_out_is_answered(runner, caplog, name, payload, retained, error):
    run, done = runner
    run.obey(name, payload, retained=retained)
    assert (done[-1].command, done[-1].ok, done[-1].error) == (name, False, error)
    assert done[:-1] == (["lamp test"] if name == "lamp_test" else [])
    assert ("on strike" in caplog.text) is (name == "lamp_test")


def test_every_command_of_a_flood_is_answered(runner):
    run, done = runner
    for _ in range(12):
        run.obey("acknowledge", b"PRESS", retained=False)
    assert [type(each) for each in done] == [Acknowledge] * 10 + [Answered] * 2
    assert done[-1].error == "ignored: too many commands; 10 at once, then 1 a second"


def test_every_command_and_its_fields_are_documented():
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    for name in OVER_MQTT:
        [line] = [line for line in page.splitlines() if line.startswith(f"| `cmd/{name}` |")]
        words = set(re.findall(r"`([a-z_]+)`", line))
        assert set(fields_of(COMMANDS[name])) <= words, name
