"""Each operator on each operand; what settings are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import SettingRefused
from beacon.core.model import Reason
from beacon.engine.redaction import Secrets
from beacon.net.http.condition import SUCCESS, Condition, StatusSet, WireText, same

clear = Secrets().clear

FAILED, MISSING = Reason.EXPECTATION_FAILED, Reason.OPERAND_MISSING


def unmet(raw, operand, **how):
    found = Condition.parse(raw).unmet(operand, **how)
    return found and found.reason


@pytest.mark.parametrize(
    ("raw", "operand"),
    [
        ("UP", "UP"),
        (5, 5),
        (True, True),
        (1.5, 1.5),
        ([1, "a"], [1, "a"]),
        ({"equals": {"a": [True]}}, {"a": [True]}),
        ("text", WireText("text")),
        ({"matches": "^U.$"}, "UP"),
        ({"contains": "lo w"}, "hello world"),
        ({"contains": 2}, [1, 2]),
        ({"one_of": ["UP", "OK", 1]}, 1),
        ({"min": 3, "max": 3}, 3),
        ({"min": 2}, 2.5),
        ({"max": 10}, WireText(" 7.5e0 ")),
        ({"present": True}, False),
        ({"present": True}, []),
        ({"absent": True}, None),
        ({"length": 2}, "ab"),
        ({"length": {"min": 1, "max": 2}}, [1, 2]),
        ({"length": 1}, {"a": 1}),
    ],
)
def test_a_condition_that_is_met(raw, operand):
    assert unmet(raw, operand) is None


@pytest.mark.parametrize(
    ("raw", "operand", "reason"),
    [
        ("UP", "up", FAILED),
        (1, True, FAILED),
        (True, 1, FAILED),
        (1, 1.0, FAILED),
        ("1", 1, FAILED),
        ([1], [True], FAILED),
        ([1], [1, 2], FAILED),
        ({"equals": {"a": 1}}, {"a": 1, "b": 2}, FAILED),
        ({"equals": {"a": 1}}, {"a": 1.0}, FAILED),
        ("UP", None, MISSING),
        ({"matches": "^U"}, "DOWN", FAILED),
        ({"matches": "1"}, 1, MISSING),
        ({"contains": "a"}, "b", FAILED),
        ({"contains": 1}, [True], FAILED),
        ({"contains": "a"}, {"a": 1}, MISSING),
        ({"contains": 1}, "1", MISSING),
        ({"one_of": [1, 2]}, 3, FAILED),
        ({"one_of": [1]}, True, FAILED),
        ({"min": 3}, 2, FAILED),
        ({"max": 3}, 4, FAILED),
        ({"min": 0}, True, MISSING),
        ({"min": 0}, "5", MISSING),
        ({"max": 5}, WireText("soon"), MISSING),
        ({"max": 5}, WireText(""), MISSING),
        ({"max": 5}, WireText("nan"), MISSING),
        ({"max": 5}, WireText("-inf"), MISSING),
        ({"min": 1}, WireText("\x1e2"), MISSING),
        ({"min": 1}, WireText("2\x1f"), MISSING),
        ({"min": 1}, WireText("\x0b2"), MISSING),
        ({"min": 1}, WireText("\xa02"), MISSING),
        ({"min": 1}, WireText("\u20282"), MISSING),
        ({"min": 1}, WireText("²"), MISSING),
        ({"min": 1}, WireText("٣"), MISSING),
        ({"min": 1}, WireText("1_000"), MISSING),
        ({"min": 1}, WireText("1e999"), MISSING),
        ({"max": 1}, WireText("-1e999"), MISSING),
        ({"min": 1}, WireText("9" * 100_000), MISSING),
        ({"min": 1}, "2", MISSING),
        ({"max": 5}, [], MISSING),
        ({"present": True}, None, MISSING),
        ({"absent": True}, False, FAILED),
        ({"length": 2}, "abc", FAILED),
        ({"length": {"max": 2}}, [1, 2, 3], FAILED),
        ({"length": 1}, 5, MISSING),
        ({"min": 1, "max": 3}, 5, FAILED),
    ],
)
def test_a_condition_that_is_not_met_has_its_reason(raw, operand, reason):
    assert unmet(raw, operand) is reason


EVERY = [
    "UP",
    0,
    {"equals": "UP"},
    {"matches": ""},
    {"contains": ""},
    {"one_of": ["UP"]},
    {"min": 0},
    {"max": 1e9},
    {"present": True},
    {"length": 0},
    {"length": {"max": 9}},
]


@pytest.mark.parametrize("raw", EVERY)
def test_what_is_missing_meets_nothing_but_absent(raw):
    assert unmet(raw, None) is MISSING


def test_a_never_ending_expression_fails_in_time():
    found = Condition.parse({"matches": "^(a|aa)+$"}).unmet(WireText("a" * 60 + "b"))
    assert found.reason is FAILED
    assert found.words == 'took longer than 0.5 s to match "^(a|aa)+$"'


@pytest.mark.parametrize(
    ("raw", "operand", "words"),
    [
        ({"matches": "^https"}, "http://x", ': "http://x" does not match "^https"'),
        ({"max": 2}, 3, ": 3 is above 2"),
        ({"min": 2}, 1, ": 1 is below 2"),
        ({"one_of": ["a", "b"]}, "c", ': "c" is none of ["a", "b"]'),
        ({"one_of": [1, 2, 3, 4, 5, 6]}, 7, ": 7 is none of a list"),
        ({"length": {"min": 2}}, "a", ': "a" has not the length min 2'),
        ("UP", "x" * 90, f': "{"x" * 38}… is not "UP"'),
        ("UP", {"password": "canary"}, ': an object is not "UP"'),
        ("UP", WireText("canary " * 20), ': text of 140 characters is not "UP"'),
        ({"contains": "b"}, "a\nc", ': "a\\nc" does not contain "b"'),
    ],
)
def test_the_words_quote_little(raw, operand, words):
    assert clear(Condition.parse(raw).unmet(operand).words) == words


def test_the_words_quote_nothing_where_forbidden():
    found = Condition.parse({"matches": "^x"}).unmet("canary", quote=False)
    assert found.words == ': does not match "^x"'


@pytest.mark.parametrize(
    ("raw", "message", "path"),
    [
        (None, "null meets no condition: it counts as missing", ()),
        ({}, "an empty condition", ()),
        ({"matchs": "a"}, "unknown operator 'matchs'", ("matchs",)),
        ({"matches": "("}, "not a regular expression: missing ) at position 1", ("matches",)),
        ({"matches": 5}, "not a regular expression: 5", ("matches",)),
        ({"min": "5"}, "not a number: '5'", ("min",)),
        ({"max": True}, "not a number: True", ("max",)),
        ({"max": float("nan")}, "not a number: nan", ("max",)),
        ({"present": False}, "False has no meaning here", ("present",)),
        ({"one_of": []}, "not a list of values: []", ("one_of",)),
        ({"one_of": ["a", None]}, "null meets no condition: it counts as missing", ("one_of",)),
        ({"length": "5"}, "a length is a whole number", ("length",)),
        ({"length": {"matches": "a"}}, "a length is a whole number", ("length",)),
        ({"length": {"foo": 1}}, "unknown operator 'foo'", ("length", "foo")),
        ({"equals": object}, f"a server cannot send this value: {object!r}", ("equals",)),
    ],
)
def test_a_wrong_condition_is_refused(raw, message, path):
    with pytest.raises(SettingRefused) as caught:
        Condition.parse(raw)
    assert (caught.value.message, caught.value.path) == (message, path)


def test_the_refusal_of_an_operator_says_what_was_meant():
    with pytest.raises(SettingRefused) as caught:
        Condition.parse({"matchs": "a"})
    assert caught.value.hint == "matches"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_a_value_is_the_same_as_itself(value):
    assert same(value, value)


@given(VALUES, VALUES)
def test_the_same_is_equal_and_of_one_type(one, other):
    if same(one, other):
        assert one == other
        assert type(one) is type(other)


@given(VALUES, st.sampled_from(EVERY))
def test_no_operand_is_too_strange_to_be_judged(operand, raw):
    assert unmet(raw, operand) in (None, FAILED, MISSING)


# --- status -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "inside", "outside"),
    [
        (200, (200,), (201, 404)),
        ([200, 204], (200, 204), (201,)),
        ("2xx", (200, 299), (199, 300)),
        (["3xx", 401], (302, 401), (200, 403)),
    ],
)
def test_a_set_of_statuses(raw, inside, outside):
    found = StatusSet.parse(raw)
    assert all(status in found for status in inside)
    assert not any(status in found for status in outside)


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ("200", "200"),
        ("OK", ""),
        (99, ""),
        (600, ""),
        (True, ""),
        ([], ""),
        (None, ""),
        (["2xy"], ""),
    ],
)
def test_a_wrong_status_is_refused(raw, hint):
    with pytest.raises(SettingRefused) as caught:
        StatusSet.parse(raw)
    assert caught.value.hint == hint


def test_sets_compare_as_values():
    assert StatusSet.parse("2xx") == SUCCESS
    assert hash(StatusSet.parse("2xx")) == hash(SUCCESS)
    assert StatusSet.parse(200) != SUCCESS
    assert str(StatusSet.parse([200, "3xx"])) == "200 or 3xx"
