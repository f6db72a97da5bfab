"""Signing as Duo's own client signs, and what the envelope of an answer comes to."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.core.model import Reason
from beacon.engine.clock import ManualClock
from beacon.engine.redaction import Secrets
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.vendors.duo import CHECK, PING, DuoApplication, DuoCall, signature, unwrap, words

clear = Secrets().clear

HOST = "api-XXXXXXXX.duosecurity.com"
DATE = "Tue, 21 Aug 2012 17:29:18 +0000"
SECRET_KEY = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"

AUTH = DuoCall(
    path="/auth/v2/auth",
    method="POST",
    params={"username": "beacon", "passcode": "123456", "factor": "passcode", "async": "0"},
)
VECTORS = {
    "check": (
        CHECK,
        SECRET_KEY,
        (
            "81d2bd6f5636fc63f48011be43782db01c4bfd98cb5fe52f51c861f781565adc"
            "024807a1e41b6336c3f98c8b2db305dacc69a17e5c3f9de367db1c0280b353b0"
        ),
    ),
    "auth": (
        AUTH,
        SECRET_KEY,
        (
            "98f2596df9d43c3304373c95d74a172b53968474390e8754f0cd0093485111d5"
            "110bd2e46eab6f27aa3fa172fd36f0d70abcf270bc68127d0eb3564fb28d988a"
        ),
    ),
    "a user beyond ASCII": (
        DuoCall(
            path="/auth/v2/preauth", method="POST", params={"username": "bücher@example.com / ~"}
        ),
        SECRET_KEY,
        (
            "bca8b4cb016de27ec95eccb300964094066b286fa9fe8bbdd8385c21f7355851"
            "c6c13ab5df2bddf259e56ba6ec7e8b6489cbf022b772d8867c9dc06fed4ae17f"
        ),
    ),
    "parameters of a GET": (
        DuoCall(
            path="/auth/v2/auth_status",
            params={
                "txid": "45f7c92b-f45f-4862-8545-e0f58e78075a",
                "Z y": "~ä/+&=",
                "a": "1",
            },
        ),
        SECRET_KEY,
        (
            "441c00602b626c0a2d44629bc9a7343b6c11555de0ef8ceb9a206824db809478"
            "585148ff6fda034e3ecb95382abe468a6283f06e6451d3eaeb28322ffa452f49"
        ),
    ),
    "a key beyond ASCII": (
        CHECK,
        "gehëim",
        (
            "6fc33dc16b4e031f88d1d2dcbbaf510dbe00dc274ca16cacfa83eca0b1a5d049"
            "ee343d75df841e763f7a6efe2aea77e907fed2887304ec455b1fd25dde9c13e8"
        ),
    ),
}
"""Computed by running duo_client 5.7.0."""


@pytest.fixture
def run():
    return Run(ManualClock(datetime(2012, 8, 21, 17, 29, 18, tzinfo=UTC)), 5.0)


@pytest.mark.parametrize("name", VECTORS)
def test_signatures_are_those_of_duos_own_client(name):
    call, secret_key, expected = VECTORS[name]
    assert signature(call, HOST, DATE, secret_key) == expected


def test_the_host_is_signed_in_lower_case():
    assert signature(CHECK, HOST.lower(), DATE, SECRET_KEY) == VECTORS["check"][2]
    assert signature(CHECK, HOST.upper(), DATE, SECRET_KEY) == VECTORS["check"][2]


@pytest.mark.parametrize(
    ("call", "host", "date"),
    [
        (PING, HOST, DATE),
        (DuoCall(path=CHECK.path, method="POST"), HOST, DATE),
        (CHECK, "api-YYYYYYYY.duosecurity.com", DATE),
        (CHECK, HOST, "Tue, 21 Aug 2012 17:29:19 +0000"),
        (DuoCall(path=CHECK.path, params={"a": "1"}), HOST, DATE),
    ],
)
def test_all_of_a_call_is_signed(call, host, date):
    assert signature(call, host, date, SECRET_KEY) != VECTORS["check"][2]


def test_the_date_is_written_as_in_the_vectors(run):
    assert format_datetime(run.clock.utc()) == DATE


def test_parameters_are_in_the_address_or_the_body_never_both():
    asked = VECTORS["parameters of a GET"][0]
    assert asked.query == (
        "Z%20y=~%C3%A4%2F%2B%26%3D&a=1&txid=45f7c92b-f45f-4862-8545-e0f58e78075a"
    )
    assert asked.body == b""
    assert AUTH.query == ""
    assert AUTH.body == (
        b'{"async":"0","factor":"passcode","passcode":"123456","username":"beacon"}'
    )
    assert (CHECK.query, CHECK.body) == ("", b"")
    assert "123456" not in repr(AUTH)


def answered(status: int, document: object) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status=status, body=body)


def fail(code: int, message: str = "Some words", **more: Any) -> dict[str, Any]:
    return {"stat": "FAIL", "code": code, "message": message, **more}


def test_an_answer_that_says_ok_is_opened(run):
    document = {"stat": "OK", "response": {"result": "auth", "status_msg": "Hello Mary", "new": 1}}
    assert unwrap(run, answered(200, document)) == document["response"]
    assert "result='auth'" in run.notes[-1], run.notes
    assert "status_msg" in run.notes[-1]
    assert "Mary" not in run.notes[-1], "its words are foreign"


@pytest.mark.parametrize(
    ("status", "document", "reason", "detail"),
    [
        (401, fail(40101), Reason.OWN_CREDENTIALS, "status 401, code 40101: Some words"),
        (401, fail(40102), Reason.OWN_CREDENTIALS, "(check `integration_key`, and at the type"),
        (401, fail(40103), Reason.OWN_CREDENTIALS, "(check `secret_key`)"),
        (401, fail(40104), Reason.OWN_CREDENTIALS, "code 40104"),
        (401, fail(40105), Reason.OWN_CLOCK, "Duo refuses our time (code 40105)"),
        (401, b"<html>who are you?", Reason.HTTP_STATUS, "status 401"),
        (401, {"error": "no"}, Reason.HTTP_STATUS, "status 401"),
        (403, fail(40301), Reason.HTTP_STATUS, "status 403, code 40301: Some words"),
        (
            400,
            fail(40002, "Invalid request parameters", message_detail="username"),
            Reason.HTTP_STATUS,
            "code 40002: Invalid request parameters username",
        ),
        (404, fail(40401), Reason.HTTP_STATUS, "code 40401"),
        (429, fail(42901), Reason.RATE_LIMITED, "status 429, code 42901: Some words"),
        (429, b"slow down", Reason.RATE_LIMITED, "status 429"),
        (500, fail(50000), Reason.HTTP_STATUS, "status 500, code 50000: Some words"),
        (503, b"<html>", Reason.HTTP_STATUS, "status 503"),
        (503, {"stat": "OK", "response": {}}, Reason.HTTP_STATUS, "status 503"),
        (302, b"", Reason.HTTP_STATUS, "status 302"),
        (200, fail(40103), Reason.OWN_CREDENTIALS, "status 200, code 40103"),
        (200, {"stat": "FAIL"}, Reason.PROTOCOL_ERROR, "it does not say OK"),
        (200, {"response": {}}, Reason.PROTOCOL_ERROR, "not in the form of Duo's answers"),
        (
            200,
            {"stat": "OK", "response": "fine"},
            Reason.PROTOCOL_ERROR,
            "not in the form of Duo's answers",
        ),
        (200, [], Reason.PROTOCOL_ERROR, "not in the form of Duo's answers"),
        (200, b"", Reason.PROTOCOL_ERROR, "the body is empty"),
        (200, b"<html>sign in to the wireless network", Reason.PROTOCOL_ERROR, "not JSON"),
    ],
)
def test_any_other_answer_is_trouble(run, status, document, reason, detail):
    with pytest.raises(ProbeFailure) as trouble:
        unwrap(run, answered(status, document))
    assert trouble.value.reading.reason is reason
    assert detail in clear(trouble.value.reading.detail)


def test_foreign_words_are_masked_before_they_are_cut():
    secrets = Secrets()
    secrets.codes = True
    secrets.hide("canary" * 30)

    def cleared(message: str) -> str:
        return secrets.clear(words(message))

    assert cleared("x" * 100 + "canary" * 30) == ": " + "x" * 100 + "***"
    assert cleared("y" * 500) == ": " + "y" * 119 + "…"
    assert cleared("your code\n834211 of 12:30") == ": your code *** of 12:30"
    assert words(" ") == ""


def application(**given: Any) -> DuoApplication:
    settings: dict[str, Any] = {
        "host": HOST,
        "integration_key": "DIXXXXXXXXXXXXXXXXXX",
        "secret_key": Secret(SECRET_KEY),
    }
    return DuoApplication(**settings | given)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"host": f"https://{HOST}"}, ("host",)),
        ({"host": f"{HOST}/auth/v2"}, ("host",)),
        ({"host": "a host"}, ("host",)),
        ({"integration_key": "DI:X"}, ("integration_key",)),
        ({"integration_key": "DIX\n"}, ("integration_key",)),
    ],
)
def test_settings_that_cannot_be_meant(given, path):
    assert [flaw[0] for flaw in application(**given).flaws()] == [path]


def test_sound_settings_have_no_flaw():
    assert list(application().flaws()) == []
    assert SECRET_KEY not in repr(application())
