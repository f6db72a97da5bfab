"""What is taken of an answer, by each of its sources."""

import pytest
from requests.cookies import RequestsCookieJar

from beacon.config.fields import Regex
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.extract import Capture, Form

RUN = Run(SystemClock(), 60)
ANSWER = Answer(
    status=200,
    headers={"X-Token": "t"},
    body=b'{"id": 7, "on": true, "page": "<form><input name=csrf value=c></form>"}',
    url="https://idp.example.com/",
)


@pytest.fixture
def jar() -> RequestsCookieJar:
    jar = RequestsCookieJar()
    jar.set("session", "s", domain="a.example.com")
    jar.set("session", "other", domain="b.example.com")
    return jar


@pytest.mark.parametrize(
    ("capture", "value"),
    [
        (Capture(header="X-Token"), "t"),
        (Capture(header="X-Other"), None),
        (Capture(cookie="session"), "s"),
        (Capture(cookie="other"), None),
        (Capture(json="id"), "7"),
        (Capture(json="page"), "<form><input name=csrf value=c></form>"),
        (Capture(json="on"), None),
        (Capture(json="length(id)"), None),
        (Capture(regex=Regex('"id": ([0-9])')), "7"),
        (Capture(regex=Regex("[a-z]+")), "id"),
        (Capture(regex=Regex("nothing")), None),
        (Capture(field="csrf"), "c"),
        (Capture(form="form"), Form("https://idp.example.com/", (("csrf", "c"),))),
        (Capture(form="#other"), None),
    ],
)
def test_a_value_is_taken(capture: Capture, value: object, jar: RequestsCookieJar) -> None:
    assert not capture.flaw()
    assert capture.take(RUN, ANSWER, jar) == value


@pytest.mark.parametrize(
    ("capture", "flaw"),
    [
        (Capture(), "one source"),
        (Capture(cookie="a", field="b"), "one source"),
        (Capture(form="form["), "not a CSS selector"),
        (Capture(json="a["), "not a JMESPath expression"),
    ],
)
def test_a_capture_has_one_source_that_can_be_read(capture: Capture, flaw: str) -> None:
    assert flaw in capture.flaw()


def test_an_expression_that_never_ends_finds_nothing(jar: RequestsCookieJar) -> None:
    slow = Capture(regex=Regex(r"^(a?)*?(a|aa)+$"))
    assert slow.take(RUN, Answer(status=200, body=b"a" * 60 + b"!"), jar) is None


def test_a_body_that_is_no_json_is_trouble(jar: RequestsCookieJar) -> None:
    with pytest.raises(ProbeFailure) as caught:
        Capture(json="id").take(RUN, Answer(status=200, body=b"<html>"), jar)
    assert caught.value.reading.reason is Reason.PROTOCOL_ERROR
