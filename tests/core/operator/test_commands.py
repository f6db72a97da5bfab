"""The table of operator commands, and `parse`: one rule and one sentence, whoever asks."""

import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.inputs import Acknowledge, Attest, Bypass, Drill, Resume, Shelve, Silence
from beacon.core.model import Verdict
from beacon.core.operator.commands import (
    COMMANDS,
    HARMLESS,
    OVER_MQTT,
    LampTest,
    Refusal,
    parse,
    span,
)

WHO = {"by": "ann", "origin": "cli"}
DOCS = Path(__file__).parents[3] / "docs"
LASTING = [name for name, command in COMMANDS.items() if command.longest]


def ask(name, **asked):
    return parse(name, asked, at=7.0, **WHO)


@pytest.mark.parametrize(
    ("name", "asked", "event"),
    [
        ("acknowledge", {"service": "sms"}, Acknowledge(7.0, **WHO, service="sms")),
        ("acknowledge", {"on": False}, Acknowledge(7.0, **WHO, on=False)),
        (
            "silence",
            {"seconds": 60, "reason": "call"},
            Silence(7.0, True, **WHO, reason="call", seconds=60.0),
        ),
        ("silence", {"seconds": 3600}, Silence(7.0, True, **WHO, seconds=3600.0)),
        ("silence", {"on": False, "seconds": 1e9}, Silence(7.0, False, **WHO)),
        ("silence", {"seconds": 0.5}, Silence(7.0, True, **WHO, seconds=0.5)),
        ("lamp_test", {"reason": "x" * 200}, LampTest(7.0, **WHO, reason="x" * 200)),
        ("bypass", {}, Bypass(7.0, None, True, **WHO)),
        (
            "shelve",
            {"service": "sms", "reason": "a\x1b[2J\n"},
            Shelve(7.0, "sms", True, **WHO, reason="a [2J"),
        ),
        ("attest", {"service": "keys"}, Attest(7.0, "keys", **WHO)),
        ("drill", {"verdict": "blind"}, Drill(7.0, True, **WHO, verdict=Verdict.BLIND)),
        ("resume", {"on": True, "service": "mfa/x"}, Resume(7.0, "mfa/x", **WHO)),
    ],
)
def test_what_a_command_comes_to(name, asked, event):
    assert ask(name, **asked) == event


@pytest.mark.parametrize(
    ("name", "asked", "field", "message"),
    [
        ("dance", {}, "command", f"no command 'dance'; there is: {', '.join(COMMANDS)}"),
        ("silence", {"seconds": 10_800}, "seconds", "too long: at most 1 h"),
        ("drill", {"seconds": 3601}, "seconds", "too long: at most 1 h"),
        ("maintenance", {"seconds": 604_801}, "seconds", "too long: at most 7 d"),
        (
            "shelve",
            {"seconds": 28_801},
            "seconds",
            "too long: at most 8 h; for planned work there is maintenance",
        ),
        ("silence", {"seconds": float("inf")}, "seconds", "too long: at most 1 h"),
        ("silence", {"seconds": float("nan")}, "seconds", "`seconds` is a number greater than 0"),
        ("silence", {"seconds": 0}, "seconds", "`seconds` is a number greater than 0"),
        ("silence", {"seconds": True}, "seconds", "`seconds` is a number greater than 0"),
        ("bypass", {"seconds": 60}, "seconds", "bypass takes no time: leave it out"),
        (
            "silence",
            {"service": "x"},
            "service",
            "silence concerns the whole tower: leave `service` out",
        ),
        ("shelve", {"service": ""}, "service", "`service` is the id of one, or left out for all"),
        ("shelve", {"on": "yes"}, "on", "`on` is true or false"),
        ("resume", {"on": False}, "on", "resume cannot be undone"),
        ("attest", {"reason": "x" * 201}, "reason", "`reason` is text of at most 200 characters"),
        ("drill", {"verdict": "fire"}, "verdict", f"`verdict` is one of {', '.join(Verdict)}"),
        ("bypass", {"verdict": "ok"}, "verdict", "bypass takes no verdict: leave it out"),
    ],
)
def test_what_is_refused_names_its_field_and_why(name, asked, field, message):
    assert ask(name, **asked) == Refusal(field, message)


JUNK = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.none())
KEYS = st.sampled_from(["on", "reason", "service", "seconds", "verdict", "action"])


@given(st.sampled_from(sorted(COMMANDS)), st.dictionaries(KEYS, JUNK))
def test_whatever_is_asked_becomes_an_event_in_its_bounds_or_is_refused(name, asked):
    event = parse(name, asked, at=7.0, **WHO)
    if isinstance(event, Refusal):
        assert event.message
        return
    assert (event.at, event.by, event.origin) == (7.0, "ann", "cli")
    assert event.reason.isprintable()
    assert 0 < getattr(event, "seconds", 1.0) <= (COMMANDS[name].longest or 1.0)


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_ends_by_itself_within_its_longest_time(name):
    assert 0 < ask(name).seconds == COMMANDS[name].usual <= COMMANDS[name].longest
    assert ask(name, seconds=COMMANDS[name].longest).seconds == COMMANDS[name].longest


@pytest.mark.parametrize("name", COMMANDS)
def test_a_row_agrees_with_its_event(name):
    command = COMMANDS[name]
    taken = set(inspect.signature(command.event).parameters)
    if name != "attest":  # its event calls the service an item
        assert {"service", "seconds", "verdict"} & taken == set(command.fields)
        assert ("on" in taken) == bool(command.undone)
    assert bool(command.longest) == ("seconds" in command.fields)
    assert command.example.startswith(f"beacon {name.replace('_', '-')} ")


def test_what_is_harmless_is_allowed_over_mqtt():
    assert HARMLESS == ("acknowledge", "silence", "lamp_test")
    assert set(HARMLESS) < set(OVER_MQTT)


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "1 min"), (900, "15 min"), (28_800, "8 h"), (604_800, "7 d")]
)
def test_a_span_has_the_largest_unit_that_divides_it(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name):
    assert f"`beacon {name.replace('_', '-')}" in (DOCS / "cli.md").read_text()
    if name != "lamp_test":
        assert f"\n| {name} |" in (DOCS / "operators.md").read_text()
