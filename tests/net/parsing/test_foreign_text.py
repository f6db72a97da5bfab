"""Whatever a server writes where a number, an address or a header belongs: a reading, no bug."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Secret, Url
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.auth import Auth, Basic, Bearer
from beacon.net.http.client import Answer, Request, confined, prepare
from beacon.net.http.condition import Condition
from beacon.net.http.cookies import Jar
from beacon.net.http.expectations import Expectations, judge
from beacon.net.origin import join, origin, same_origin
from beacon.net.probe_failure import ProbeFailure
from beacon.probes.flow import Flow
from beacon.probes.http import Http
from beacon.probing.extract import Capture
from beacon.probing.sign_in_step import Step
from beacon.probing.template import JsonTemplate, Template

T = Template.parse
STRANGE = st.text(st.characters(max_codepoint=0x2FFFF), max_size=40)
OPERATORS = ("min", "max", "equals", "matches", "length", "contains")
NUMBERS = st.sampled_from(
    ["²", "٣", "1e999", "-0", "nan", "inf", "\x1e2", "1_0", "0x1", "9" * 5000, "1e", "½", "\ud8002"]
)


def sent_or(act):
    """What is sent, or the reading of the trouble with it."""
    try:
        return act()
    except ProbeFailure as trouble:
        return trouble.reading


@given(STRANGE | NUMBERS, st.sampled_from(OPERATORS))
def test_every_header_and_body_meets_a_condition_or_not(text, operator):
    wanted = {"matches": "^a", "equals": "5", "length": 1, "contains": "a"}.get(operator, 5)
    condition = Condition.parse({operator: wanted})
    answer = Answer(status=200, headers={"x-a": text}, body=text.encode(errors="replace"))
    expect = Expectations(headers={"X-A": condition}, body=condition)
    assert isinstance(judge(answer, expect), Reading)


PATHS = (
    *("a", "avg(a)", "sum(a)", "ceil(a)", "floor(a)", "abs(a)", "max(a)", "min(a)", "sort(a)"),
    *("to_number(a)", "ceil(to_number(a))", "floor(to_number(a))", "to_string(a)", "length(a)"),
    *("a[0]", "join('', a)", "keys(a)", "a > `5`", "reverse(a)", "avg(a[*].to_number(@))"),
)
VALUES = (
    *("inf", "nan", "-inf", "²", 10**400, -(10**400), 1e308, [10**400], [1e308, 1e308], ["inf"]),
    *([], {}, None, True, "9" * 5000, ["a", 1], [[]], {"b": 1}),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(type(value).__name__))
def test_every_document_meets_an_expression_or_not(path, value):
    answer = Answer(status=200, body=json.dumps({"a": value}).encode())
    expect = Expectations(json={path: Condition.parse({"min": 1})})
    assert isinstance(judge(answer, expect), Reading)
    taken = Capture(json=path).take(Run(SystemClock(), 60), answer, Jar())
    assert taken is None or isinstance(taken, str)


@given(
    STRANGE | st.text("htps:/\\@[]%.?#&=x1 \t", max_size=40).map(lambda text: f"http:{text}"),
    st.sampled_from(["https://id.example.com/a", "http://[::1]:81/b?c"]),
)
def test_every_location_is_followed_or_trouble(written, base):
    run, jar = Run(SystemClock(), 60.0), Jar()
    same_origin(written, base)
    try:
        url = join(base, written)
        origin(url)
    except ValueError:
        return
    jar.take(base, ["a=b; Domain=example.com"], run.clock.utc())
    request = Request(url=url, method="POST", body=b"x", headers={"X-Api-Key": "canary"})
    sent = sent_or(lambda: prepare(confined(run, request, {origin(base)}), jar))
    if isinstance(sent, Reading):
        assert sent.reason in (Reason.PROTOCOL_ERROR, Reason.EXPECTATION_FAILED)
    else:
        assert origin(sent.url or "") == origin(base)


@given(STRANGE, STRANGE)
def test_every_header_is_sent_or_trouble(name, value):
    sent = sent_or(lambda: prepare(Request(url="http://localhost/", headers={name: value})))
    if isinstance(sent, Reading):
        assert sent.reason is Reason.PROTOCOL_ERROR
    else:
        for header, text in sent.headers.items():
            header.encode("ascii")
            text.encode("latin-1")


NOT_SENT = ["snow ☃", "a\r\nb: c", "a\nb", "\udcff", "ключ", "a\0b", "a\x1eb", "\x7f"]
NO_NAMES = ["X Key", "X:Key", "X(Key)", "X-Key\t", "Transfer-Encoding", "content-length"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_of_a_configured_header_is_refused(name):
    url = Url("https://id.example.com/")
    (fault,) = Http(url=url, headers={name: Secret("12")}).faults()
    assert "cannot be sent" in fault.message


@pytest.mark.parametrize("text", NOT_SENT)
def test_a_configured_header_that_cannot_be_sent_is_refused(text):
    url = Url("https://id.example.com/")
    by_header = Http(url=url, headers={"X-Key": Secret(text)})
    by_token = Http(url=url, auth=Auth(bearer=Bearer(token=Secret(text))))
    for probe in (by_header, by_token):
        (fault,) = probe.faults()
        assert "cannot be sent" in fault.message
        assert text not in fault.message + fault.allowed


def test_a_password_in_any_script_can_be_sent():
    basic = Basic(username="probe", password=Secret("пароль ☃"))
    assert not list(Http(url=Url("https://id.example.com/"), auth=Auth(basic=basic)).faults())


@pytest.mark.parametrize("text", NOT_SENT)
def test_a_header_of_a_step_that_cannot_be_sent_is_refused(text):
    steps = (
        Step(id="fixed", url=T("http://localhost/"), headers={"X-A": T(text)}),
        Step(id="secret", url=T("http://localhost/"), headers={"X-A": T("{{ secrets.key }}")}),
        Step(id="name", url=T("http://localhost/"), headers={"Schlüssel": T("a")}),
        Step(id="well", url=T("http://localhost/"), headers={"X-A": T("ü {{ secrets.well }}")}),
    )
    flow = Flow(steps=steps, secrets={"key": Secret(text), "well": Secret("a")})
    found = {fault.path for fault in flow.faults()}
    assert found == {
        ("steps", 0, "headers", "X-A"),
        ("steps", 1, "headers", "X-A"),
        ("steps", 2, "headers", "Schlüssel"),
    }


@pytest.mark.parametrize("text", ["☃", "a\r\nb", "\ud800", "²"])
@pytest.mark.parametrize(
    "sends",
    [
        {"headers": {"X-A": T("{{ taken }}")}},
        {"method": "POST", "form": {"a": T("{{ taken }}")}},
        {"method": "POST", "json": JsonTemplate.parse({"a": "{{ taken }}"})},
        {"method": "POST", "body": T("{{ taken }}")},
    ],
    ids=["header", "form", "json", "body"],
)
def test_what_a_server_sent_is_sent_again_or_trouble(text, sends):
    step = Step(id="a", url=T("http://localhost/?a={{ taken|urlencode }}"), **sends)
    sent = sent_or(lambda: prepare(step.request({"taken": text, "variables": SimpleNamespace()})))
    refused = (Reason.PROTOCOL_ERROR, Reason.OPERAND_MISSING)
    assert not isinstance(sent, Reading) or sent.reason in refused
