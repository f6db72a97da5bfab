"""Whole answers against whole expectations: evidence, or no green."""

import contextlib
import json
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.redaction import Secrets
from beacon.net.http.client import Answer
from beacon.net.http.condition import Condition, StatusSet
from beacon.net.http.expectations import JSON_VALUES, Expectations, judge, parse_json, parse_json_as
from beacon.net.probe_failure import ProbeFailure


def expecting(**conditions):
    json_conditions = {p: Condition.parse(raw) for p, raw in conditions.pop("json", {}).items()}
    headers = {n: Condition.parse(raw) for n, raw in conditions.pop("headers", {}).items()}
    body = Condition.parse(conditions["body"]) if "body" in conditions else None
    status = StatusSet.parse(conditions["status"]) if "status" in conditions else None
    return Expectations(status=status, headers=headers, body=body, json=json_conditions)


def answer(body=b"", status=200, **headers):
    named = CaseInsensitiveDict({k.replace("_", "-"): v for k, v in headers.items()})
    return Answer(status=status, body=body, headers=named)


OPERATORS = {
    "value": "UP",
    "equals": {"equals": 0},
    "matches": {"matches": ".*"},
    "contains": {"contains": ""},
    "one_of": {"one_of": ["UP", 0, False]},
    "min": {"min": -1e9},
    "max": {"max": 1e9},
    "present": {"present": True},
    "length": {"length": {"min": 0}},
}
BODIES = {
    "object": (b"{}", Reason.OPERAND_MISSING),
    "list": (b"[]", Reason.OPERAND_MISSING),
    "null": (b"null", Reason.OPERAND_MISSING),
    "null value": (b'{"queue": {"depth": null}}', Reason.OPERAND_MISSING),
    "a number above": (b'{"queue": 5}', Reason.OPERAND_MISSING),
    "bad gateway": (b"<html><h1>502 Bad Gateway</h1></html>", Reason.PROTOCOL_ERROR),
    "empty": (b"", Reason.PROTOCOL_ERROR),
    "truncated": (b'{"queue": {"depth": 1}, "sta', Reason.PROTOCOL_ERROR),
    "binary": (bytes(range(256)), Reason.PROTOCOL_ERROR),
    "nan": (b'{"queue": {"depth": NaN}}', Reason.PROTOCOL_ERROR),
    "infinite": (b'{"queue": {"depth": Infinity}}', Reason.PROTOCOL_ERROR),
    "deep": (b"[" * 200_000, Reason.PROTOCOL_ERROR),
    "deep and whole": (b'{"queue":' * 100_000 + b"1" + b"}" * 100_000, Reason.PROTOCOL_ERROR),
    "latin-1": ('{"queue": "grün"}'.encode("latin-1"), Reason.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("body", BODIES)
def test_without_evidence_nothing_passes(operator, body):
    sent, reason = BODIES[body]
    expect = expecting(json={"queue.depth": OPERATORS[operator]})
    reading = judge(answer(sent), expect)
    assert reading.reason is reason
    assert reading.outcome is Outcome.FAIL


@pytest.mark.parametrize("body", BODIES)
def test_absent_is_met_by_what_is_absent_and_never_by_what_cannot_be_read(body):
    sent, reason = BODIES[body]
    reading = judge(answer(sent), expecting(json={"queue.depth": {"absent": True}}))
    expected = Reason.OK if reason is Reason.OPERAND_MISSING else reason
    assert reading.reason is expected


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_page_of_an_error_passes_no_condition(operator):
    sent = BODIES["bad gateway"][0]
    expect = expecting(json={"queue.depth": OPERATORS[operator]})
    reading = judge(answer(sent, status=502), expect)
    assert reading == Reading(Reason.HTTP_STATUS, "status 502, expected 2xx")


@pytest.mark.parametrize(
    "operator", sorted(OPERATORS.keys() - {"present", "matches", "length", "contains"})
)
def test_an_empty_body_and_a_missing_header_are_missing(operator):
    condition = OPERATORS[operator]
    assert judge(answer(), expecting(body=condition)).reason is Reason.OPERAND_MISSING
    missing = judge(answer(), expecting(headers={"X-Queue": condition}))
    assert missing.reason is Reason.OPERAND_MISSING
    assert missing.detail == "header X-Queue is missing"


def test_what_is_met_passes():
    expect = expecting(
        status=[200, 204],
        headers={"content-type": {"contains": "json"}, "X-Depth": {"max": 5}},
        body={"matches": "issuer"},
        json={"issuer": {"matches": "^https"}, "length(keys)": 2, "keys[?alg=='RS256'].kid": ["a"]},
    )
    document = {"issuer": "https://example.com", "keys": [{"alg": "RS256", "kid": "a"}, {}]}
    got = answer(json.dumps(document).encode(), Content_Type="application/json", X_Depth="4")
    assert judge(got, expect) == Reading(Reason.OK, "status 200")


@pytest.mark.parametrize(
    ("expect", "detail"),
    [
        (
            {"json": {"issuer": {"matches": "^https"}}},
            'json issuer: "http://x" does not match "^https"',
        ),
        ({"headers": {"server": "nginx"}}, 'header server: "caddy" is not "nginx"'),
        ({"body": "ok"}, 'body: "{\\"issuer\\": \\"http://x\\"}" is not "ok"'),
        ({"json": {"length(issuer)": {"max": 1}}}, "json length(issuer): 8 is above 1"),
        ({"json": {"issuer": {"min": 1}}}, "json issuer is of another type than `min` needs"),
    ],
)
def test_the_detail_says_what_was_expected_and_what_was_found(expect, detail):
    got = answer(b'{"issuer": "http://x"}', Server="caddy")
    assert Secrets().clear(judge(got, expecting(**expect)).detail) == detail


def test_the_detail_quotes_nothing_where_forbidden():
    got = answer(b'{"token": "canary"}')
    reading = judge(got, expecting(json={"token": {"matches": "^x"}}), quote=False)
    assert reading.detail == 'json token: does not match "^x"'


def test_an_expression_of_the_wrong_type_finds_nothing():
    got = answer(b'{"issuer": 5}')
    reading = judge(got, expecting(json={"length(issuer)": {"min": 0}}))
    assert reading.reason is Reason.OPERAND_MISSING


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, Reason.OK),
        (404, Reason.HTTP_STATUS),
        (503, Reason.HTTP_STATUS),
        (429, Reason.RATE_LIMITED),
    ],
)
def test_two_hundreds_are_expected_by_default(status, reason):
    assert judge(answer(status=status), Expectations()).reason is reason
    assert judge(answer(status=status), expecting(status=status)).reason is Reason.OK


def test_prefer_warns_and_never_covers_a_failure():
    wish = expecting(json={"queue": {"max": 2}})
    got = answer(b'{"queue": 3}')
    assert judge(got, Expectations(), wish).reason is Reason.PREFERENCE_UNMET
    assert judge(got, expecting(json={"queue": 1}), wish).reason is Reason.EXPECTATION_FAILED
    assert judge(answer(b"<html>"), Expectations(), wish).reason is Reason.PROTOCOL_ERROR
    assert judge(answer(b'{"queue": 1}'), Expectations(), wish).reason is Reason.OK


def test_a_body_that_is_not_text_has_its_reason():
    got = answer(b"\xff\xfe", Content_Type="text/plain; charset=utf-8")
    assert judge(got, expecting(body={"matches": "."})).reason is Reason.BODY_UNDECODABLE


def test_a_byte_order_mark_is_no_part_of_the_json():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(
    st.binary(max_size=200)
    | st.text(alphabet='[]{}",:0123456789.eE+-truefalsn ', max_size=60).map(str.encode)
)
def test_any_bytes_are_json_or_trouble(body):
    with contextlib.suppress(ProbeFailure):
        parse_json(body)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a..b", "not JMESPath from column 3 on"),
        ("a[", "not JMESPath from column 3 on"),
        ("a.'unclosed", "not JMESPath from column 3 on"),
        ("nosuch(a)", "Unknown function: nosuch()"),
        ("length()", "Expected 1 argument for function length(), received 0"),
        ("", "Invalid JMESPath expression: cannot be empty."),
    ],
)
def test_a_wrong_expression_is_found_at_load(path, message):
    ((where, found, _),) = expecting(json={path: 1}).flaws()
    assert where == ("json", path)
    assert found == message


def test_sound_expressions_have_no_flaw():
    sound = {"length(a)": 1, "a.b[0].c": 1, "join(',', a)": "x", "a || b": 1}
    assert list(expecting(json=sound, body={"one_of": ["a", 1]}).flaws()) == []


@pytest.mark.parametrize("condition", [5, True, {"contains": 1}, {"one_of": [1, 2]}])
def test_text_compared_with_no_text_is_a_flaw(condition):
    (flaw,) = expecting(body=condition).flaws()
    assert flaw == (("body",), "text never equals a number, true or a list", "the value in quotes")


class Named(msgspec.Struct):
    id: str = ""


MANY = JSON_VALUES
BOUNDS = [
    (b"[" + b"[]," * (MANY // 2) + b"[]]", None),
    (b"[" + b'{"a":1},' * (MANY // 2) + b"{}]", None),
    (b"[" + b"1," * MANY + b"1]", None),
    (b'["' + b"," * MANY + b'"]', None),
    (b"[" + b"1," * (MANY - 10) + b"1]", list),
    (b"[" * (MANY + 1), None),
]


@pytest.mark.parametrize(("body", "kind"), BOUNDS)
def test_json_of_too_many_values_is_refused_before_it_is_read(body, kind):
    if kind is not None:
        assert isinstance(parse_json(body), kind)
        return
    with pytest.raises(ProbeFailure) as raised:
        parse_json(body)
    assert raised.value.reading.reason is Reason.PROTOCOL_ERROR
    assert raised.value.reading.detail == "JSON of more than 100000 values"


def test_what_a_form_does_not_name_costs_no_memory():
    body = b'{"id": "a", "x": [' + b"1," * 90_000 + b"1]}"
    tracemalloc.start()
    assert parse_json_as(body, Named).id == "a"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    with pytest.raises(msgspec.ValidationError):
        parse_json_as(b"[]", Named)
