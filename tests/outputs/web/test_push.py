"""Pushes over HTTP: tokens, statuses, and nothing shown to strangers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Secret
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal
from beacon.outputs.push_gateway import PushGateway
from beacon.outputs.web.push import WebPush
from beacon.outputs.web.server import WebAnswer, WebRequest
from beacon.probes.push import Push

TOKEN, OTHER = "canary-of-a-token", "canary-of-another"


def made(take: Callable[[str, Pushed], None] = lambda *_: None) -> WebPush:
    endpoints = {
        "mfa/portal": Push(token=Secret(TOKEN)),
        "mfa/other": Push(token=Secret(OTHER)),
        "mfa/by-mqtt": Push(mqtt=True),
    }
    return WebPush(PushGateway(endpoints, take))


def asked(endpoint: str = "mfa/portal", token: str | None = TOKEN, **more: Any) -> WebRequest:
    plain: dict[str, Any] = {
        "method": "POST",
        "path": f"/api/push/{endpoint}",
        "authorization": "" if token is None else f"Bearer {token}",
        "content_type": "application/json",
        "body": b'{"reason": "ok", "at": 1767614400}',
    }
    return WebRequest(**(plain | more))


def test_a_push_is_taken_and_answered():
    taken = []
    answer = made(lambda *what: taken.append(what))(asked())
    assert (answer.status, answer.document) == (200, {"ok": True, "reason": "ok"})
    assert [endpoint for endpoint, _ in taken] == ["mfa/portal"]


def test_a_push_without_a_reading_is_answered():
    push = WebPush(
        PushGateway({"a/b": Push(token=Secret(TOKEN), format="sendgrid")}, lambda *_: None)
    )
    assert push(asked("a/b", body=b"[]")).document == {"ok": True, "reason": None}


STRANGERS = [
    asked(token=None),
    asked(token="wrong"),
    asked(token=OTHER),
    asked(token=TOKEN + "x"),
    asked(token=TOKEN[:-1]),
    asked(token="\udcff"),
    asked(authorization=TOKEN),
    asked(authorization=f"Basic {TOKEN}"),
    asked(authorization=f"Bearer {TOKEN} {TOKEN}"),
    asked("mfa/none"),
    asked("mfa/by-mqtt"),
    asked("mfa/by-mqtt", token=""),
    asked("", token=""),
    asked("mfa/none", token=None, content_type="text/plain", body=b"x"),
    asked("mfa/portal", token=None, content_type="text/plain", body=b"x"),
    asked("mfa/../mfa/portal"),
]


@pytest.mark.parametrize("request_", STRANGERS, ids=lambda each: each.path + each.authorization)
def test_a_stranger_gets_the_same_answer_whether_there_is_an_endpoint_or_not(request_, caplog):
    answer = made(lambda *_: pytest.fail("it was let in"))(request_)
    assert answer == made()(asked("mfa/portal", token=None))
    assert answer.status == 401
    assert answer.headers == {"WWW-Authenticate": "Bearer"}
    assert "canary" not in caplog.text + json.dumps(answer.document)


@given(st.text(), st.text())
def test_no_other_token_lets_anybody_in(endpoint, authorization):
    answer = made()(asked(endpoint, authorization=authorization))
    assert answer.status == 401 or authorization.strip().endswith((TOKEN, OTHER))


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER "])
def test_the_scheme_may_be_written_in_any_case(word):
    assert made()(asked(authorization=f" {word} {TOKEN} ")).status == 200


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/cloudevents+json", 200),
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
    ],
)
def test_only_json_is_taken(written, status):
    assert made()(asked(content_type=written)).status == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_it_is_only_posted_to(method):
    answer = made()(asked(method=method))
    assert (answer.status, answer.headers) == (405, {"Allow": "POST"})


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (PushRefusal.MALFORMED, 400),
        (PushRefusal.REPEATED, 409),
        (PushRefusal.OUTDATED, 409),
        (PushRefusal.TOO_LARGE, 413),
        (PushRefusal.SKEWED, 422),
        (PushRefusal.TOO_MANY, 429),
        (PushRefusal.BUG, 500),
        (PushRefusal.BUSY, 503),
    ],
)
@pytest.mark.parametrize(
    ("wait", "header"), [(None, None), (0.01, "1"), (0.6, "1"), (1.0, "1"), (1.1, "2")]
)
def test_what_is_denied_is_answered_with_its_status(cause, status, wait, header):
    def deny(*_: Any) -> None:
        raise PushDenied(cause, "words", wait)

    answer = made(deny)(asked())
    headers = {} if header is None else {"Retry-After": header}
    assert answer == WebAnswer(status, {"ok": False, "error": "words"}, headers)
