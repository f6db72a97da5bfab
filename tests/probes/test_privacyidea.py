"""`privacyidea` against a real privacyIDEA 3.14, broken on purpose; and against what others say."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reading, Reason
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.http import Http
from beacon.probes.privacyidea import PrivacyIdea
from beacon.probes.privacyidea_status import PrivacyIdeaStatus
from beacon.probing.validate_api import parse
from tests.probes.conformance import Conformance
from tests.probes.runs import Skewed, Watched, sign_in

CONFORMANCE = Conformance(
    """
    type: privacyidea
    url: {url}
    username: probe
    password: !secret canary
    code: {hotp: !secret seed}
    headers: {X-Key: !secret canary-of-a-header}
    """,
)


PIN = "canary-pin"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
ENDPOINTS = f"""
- name: sign-in
  type: privacyidea
  url: http://127.0.0.1
  username: beacon-probe
  password: {PIN}
  code: {{totp: {SEED}}}
"""
READY = """
- {name: ready, type: http, url: "http://127.0.0.1/healthz/readyz"}
"""
RED = {"red": "fast"}


Make = Callable[..., PrivacyIdea]


@pytest.fixture
def make(privacyidea: Any) -> Make:
    """The probe of an account of its own that is configured rightly, but for what is given."""

    def build(kind: str = "totp", **given: Any) -> PrivacyIdea:
        username, seed = privacyidea.account(kind)
        settings: dict[str, Any] = {
            "url": Url(privacyidea.url),
            "username": username,
            "password": Secret(PIN),
            "code": OneTimeCode(**{kind: Secret(seed)}),
        }
        probe = PrivacyIdea(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


# --- sound ------------------------------------------------------------------------------


@pytest.mark.integration
def test_pin_and_code_in_one(make: Make) -> None:
    reading, notes = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    assert [name for name, _ in reading.phases] == ["request"]
    assert "POST http://127.0.0.1:" in notes
    assert "accepted: matching 1 tokens" in notes


@pytest.mark.integration
def test_pin_then_code(make: Make) -> None:
    reading, notes = sign_in(make(challenge=True))
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted, after a challenge")
    assert [name for name, _ in reading.phases] == ["request", "code"]
    assert "challenge: please enter otp:" in notes
    assert notes.count("POST") == 2


@pytest.mark.integration
def test_counted_codes_go_on_counting(make: Make) -> None:
    probe = make("hotp")
    assert [sign_in(probe)[0].reason for _ in range(3)] == [Reason.OK] * 3
    assert not probe.clock_bound


@pytest.mark.integration
def test_a_token_by_its_serial(make: Make) -> None:
    probe = make()
    by_serial = PrivacyIdea(
        url=probe.url,
        serial=(probe.username or "").upper(),
        password=probe.password,
        code=probe.code,
    )
    assert sign_in(by_serial)[0].reason is Reason.OK


# --- broken on purpose --------------------------------------------------------------------


@pytest.mark.integration
def test_the_database_is_gone_while_the_health_page_is_green(
    make: Make, privacyidea: Any, shown: Callable[..., Any]
) -> None:
    probe, pages = make(), PrivacyIdeaStatus(url=Url(privacyidea.url))
    ready = Http(url=Url(privacyidea.url + "/healthz/readyz"))
    with privacyidea.without_database():
        reading, _ = sign_in(probe)
        assert reading.reason is Reason.HTTP_STATUS
        assert reading.detail.startswith("status 500, error -500: ")
        green, _ = sign_in(ready)
        status, _ = sign_in(pages)
    assert green.reason is Reason.OK, "it lies"
    assert (status.reason, status.detail) == (
        Reason.HTTP_STATUS,
        "/healthz/resolversz: status 503, expected 2xx",
    )
    after = shown(ENDPOINTS + READY, {"sign-in": reading, "ready": green})
    assert (after.verdict, after.lamps) == ("outage", RED)
    sound, _ = sign_in(pages)
    assert sound.reason is Reason.OK


REJECTIONS = {
    "unknown user": ({"username": "nobody"}, "error 904: ERR904: User <nobody@example>"),
    "unknown realm": ({"realm": "elsewhere"}, "error 904: ERR904: User <"),
    "no token": ({"username": "none"}, "the first request was rejected: The user has no tokens"),
    "wrong PIN": (
        {"password": Secret("canary-other")},
        "the first request was rejected: wrong otp",
    ),
    "unknown serial": ({"username": None, "serial": "NO0001"}, "error 601: The requested token"),
}


@pytest.mark.integration
@pytest.mark.parametrize("case", REJECTIONS)
def test_an_unknown_account_counts_as_rejected(make: Make, case: str) -> None:
    given, words = REJECTIONS[case]
    reading, _ = sign_in(make(**given))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail.startswith(words)


@pytest.mark.integration
@pytest.mark.parametrize("state", ["locked", "disabled", "deleted"])
def test_a_token_that_was_good(make: Make, privacyidea: Any, state: str) -> None:
    probe = make()
    serial = (probe.username or "").upper()
    if state == "locked":
        wrong = {"user": probe.username, "pass": PIN + "000000"}
        for _ in range(10):
            requests.post(privacyidea.url + "/validate/check", wrong)
    elif state == "disabled":
        privacyidea.administer("POST", "/token/disable", serial=serial)
    else:
        privacyidea.administer("DELETE", f"/token/{serial}")
    reading, _ = sign_in(probe)
    assert reading.reason is Reason.SIGN_IN_REJECTED
    words = {"locked": "Failcounter", "disabled": "Token is disabled", "deleted": "no tokens"}
    assert words[state] in reading.detail


@pytest.mark.integration
@pytest.mark.parametrize(("ahead", "accepted"), [(45, True), (-300, False)])
def test_a_wrong_clock_of_our_own(make: Make, ahead: float, accepted: bool) -> None:
    """privacyIDEA forgives 180 s either way."""
    reading, _ = sign_in(make(), clock=Skewed(ahead))
    assert reading.reason is (Reason.OK if accepted else Reason.SIGN_IN_REJECTED)


@pytest.mark.integration
def test_a_server_that_hangs_after_the_first_factor(make: Make, privacyidea: Any) -> None:
    def stop(line: str) -> None:
        if "challenge: " in line and "please" in line:
            privacyidea.process.send_signal(signal.SIGSTOP)
        elif sum("/validate/check" in note for note in run.notes) == 2:
            run.deadline = run.clock.monotonic() + 0.5

    run = Watched(60.0, stop)
    reading, _ = sign_in(make(challenge=True), run=run)
    assert reading.reason is Reason.DEADLINE
    assert run.notes[-1].endswith("/validate/check"), "the second request was sent"


# --- codes that are sent to somebody ----------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize(
    ("language", "made", "unsent"),
    [
        (
            "en",
            "Enter the OTP from the SMS:",
            "The PIN was correct, but the SMS could not be sent!",
        ),
        (
            "de-DE",
            "Bitte geben Sie das Einmalpasswort aus der SMS ein:",
            "Die PIN ist korrekt aber die SMS konnte nicht gesendet werden!",
        ),
    ],
)
def test_a_gateway_that_takes_messages_and_one_that_does_not(
    make: Make,
    privacyidea: Any,
    answering: Callable[..., str],
    language: str,
    made: str,
    unsent: str,
) -> None:
    """Judged by the shape of the answer, not by its words: they are translated."""
    status = [200]
    options = {
        "option.URL": answering(lambda *_: (status[0], b"")),
        "option.HTTP_METHOD": "POST",
        "option.text": "{otp}",
    }
    module = "privacyidea.lib.smsprovider.HttpSMSProvider.HttpSMSProvider"
    privacyidea.administer("POST", "/smsgateway", name="gateway", module=module, **options)
    privacyidea.administer("POST", "/system/setConfig", **{"sms.identifier": "gateway"})
    headers = {} if language == "en" else {"Accept-Language": Secret(language)}
    probe = make(username="sms", code=None, challenge=True, headers=headers)
    good, _ = sign_in(probe)
    assert (good.reason, good.detail) == (Reason.OK, f"a challenge was made: {made}")
    status[0] = 503
    refused, _ = sign_in(probe)
    assert refused.reason is Reason.DELIVERY_REFUSED
    assert refused.detail == f"the code could not be sent: {unsent}"
    policy = {"scope": "authentication", "action": "hide_specific_error_message"}
    privacyidea.administer("POST", "/policy/hiding", **policy)
    hidden, _ = sign_in(probe)
    excepted, _ = sign_in(replace(probe, exception=True))
    privacyidea.administer("DELETE", "/policy/hiding")
    assert hidden.reason is Reason.SIGN_IN_REJECTED
    assert excepted.reason is Reason.HTTP_STATUS, "as if its database were gone"


# --- what others say ------------------------------------------------------------------------


def document(**result: Any) -> dict[str, Any]:
    detail = result.pop("detail", None)
    return {"jsonrpc": "2.0", "id": 2, "result": {"status": True} | result, "detail": detail}


def failed(code: int, message: str = "canary words 123456") -> dict[str, Any]:
    return document(status=False, error={"code": code, "message": message})


ACCEPT = document(value=True, authentication="ACCEPT")
TRANSACTION = "canary-of-a-challenge"
CHALLENGE = document(
    value=False,
    authentication="CHALLENGE",
    detail={"transaction_id": TRANSACTION, "message": f"please answer {TRANSACTION}"},
)
REJECT = document(value=False, authentication="REJECT", detail={"message": "canary no"})


@pytest.fixture
def reading_of(answering: Callable[..., str]) -> Callable[..., Reading]:
    """The reading of a sign-in that is answered like this, step by step."""

    def ask(*answers: tuple[int, Any], **given: Any) -> Reading:
        left = list(answers)
        settings: dict[str, Any] = {"username": "probe", "password": Secret("canary")} | given
        url = answering(lambda *_: left.pop(0))
        reading, _ = sign_in(PrivacyIdea(url=Url(url), **settings))
        assert not left, "every answer was asked for"
        assert "123456" not in reading.detail
        return reading

    return ask


@pytest.fixture
def counted() -> OneTimeCode:
    return OneTimeCode(hotp=Secret(SEED))


JUDGED = [
    (200, ACCEPT, Reason.OK, "accepted"),
    (200, document(value=True), Reason.OK, "accepted"),
    (200, REJECT, Reason.SIGN_IN_REJECTED, "the first request was rejected: *** no"),
    (200, REJECT | {"detail": {"transaction_id": "t"}}, Reason.SIGN_IN_REJECTED, ""),
    (200, document(value=True, authentication="REJECT"), Reason.SIGN_IN_REJECTED, ""),
    (200, document(value=False, authentication="DECLINED"), Reason.SIGN_IN_REJECTED, ""),
    (200, CHALLENGE, Reason.SIGN_IN_UNFINISHED, "a challenge, which is not set: please answer ***"),
    (400, failed(904), Reason.SIGN_IN_REJECTED, "error 904: *** words ***"),
    (401, failed(403), Reason.SIGN_IN_REJECTED, "error 403: "),
    (403, failed(303), Reason.SIGN_IN_REJECTED, "error 303: "),
    (400, failed(1007), Reason.SIGN_IN_REJECTED, "error 1007: "),
]
FAILED = [
    (400, failed(902), Reason.HTTP_STATUS, "status 400, error 902: *** words ***"),
    (400, failed(903), Reason.HTTP_STATUS, "status 400, error 903: "),
    (400, failed(907), Reason.HTTP_STATUS, "status 400, error 907: "),
    (400, failed(707), Reason.HTTP_STATUS, "status 400, error 707: "),
    (401, failed(902), Reason.HTTP_STATUS, "status 401, error 902: "),
    (400, document(status=False), Reason.HTTP_STATUS, "status 400"),
    (200, document(status=False), Reason.EXPECTATION_FAILED, "status 200"),
    (500, failed(-500), Reason.HTTP_STATUS, "status 500, error -500: "),
    (500, ACCEPT, Reason.HTTP_STATUS, "status 500"),
    (502, b"<html>Bad Gateway", Reason.HTTP_STATUS, "status 502, and not a word"),
    (302, b"", Reason.HTTP_STATUS, "status 302, and not a word"),
    (403, b"<html>Forbidden", Reason.HTTP_STATUS, "status 403, and not a word"),
    (401, b"", Reason.OWN_CREDENTIALS, "status 401: something before the server"),
    (429, ACCEPT, Reason.RATE_LIMITED, "status 429"),
    (200, b"<html>welcome", Reason.PROTOCOL_ERROR, "the body is not JSON"),
    (200, b"", Reason.PROTOCOL_ERROR, "the body is empty"),
    (200, {}, Reason.OPERAND_MISSING, "not an answer of /validate/check: "),
    (200, [], Reason.OPERAND_MISSING, "not an answer of /validate/check: "),
    (200, {"result": {"status": True, "value": "true"}}, Reason.OPERAND_MISSING, "not an answer"),
    (200, {"result": {"value": True}}, Reason.OPERAND_MISSING, "not an answer"),
]


@pytest.mark.parametrize(("status", "answer", "reason", "words"), [*JUDGED, *FAILED])
def test_what_an_answer_comes_to(
    reading_of: Callable[..., Reading],
    counted: OneTimeCode,
    status: int,
    answer: Any,
    reason: Reason,
    words: str,
) -> None:
    reading = reading_of((status, answer), code=counted)
    assert reading.reason is reason
    assert reading.detail.startswith(words)


SCALARS = st.sampled_from([None, True, False, 0, 1, "", "true", "ACCEPT", "CHALLENGE", "REJECT"])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "result": SCALARS
        | st.fixed_dictionaries(
            {}, optional={"status": SCALARS, "value": SCALARS, "authentication": SCALARS}
        ),
        "detail": SCALARS | st.fixed_dictionaries({}, optional={"transaction_id": SCALARS}),
    },
)


@given(st.sampled_from([200, 201, 302, 400, 401, 500]), DOCUMENTS | SCALARS)
def test_only_a_clear_yes_passes(status: int, sent: Any) -> None:
    """Only a complete, correct yes is a pass; what is missing or of another type is none."""
    probe = PrivacyIdea(url=Url("http://pi.example.com"), username="p", password=Secret("p"))
    try:
        answer = parse(Answer(status=status, body=json.dumps(sent).encode()))
    except ProbeFailure:
        return  # no kind of yes
    reading = probe.judge(answer, challenged=False)
    result = sent["result"]
    yes = result["status"] is True and result.get("value") is True and status < 300
    assert (reading.reason is Reason.OK) == (
        yes and result.get("authentication") in (None, "ACCEPT")
    )


@pytest.mark.parametrize(
    ("answers", "reason", "words"),
    [
        ([CHALLENGE, ACCEPT], Reason.OK, "accepted, after a challenge"),
        ([CHALLENGE, REJECT], Reason.SIGN_IN_REJECTED, "the answer to the challenge was rejected"),
        ([CHALLENGE, CHALLENGE], Reason.SIGN_IN_UNFINISHED, "one more challenge"),
        ([CHALLENGE, {}], Reason.OPERAND_MISSING, "the answer to the challenge: not an answer"),
        ([ACCEPT], Reason.CHALLENGE_MISSING, "accepted without a challenge: nobody asked"),
        ([REJECT], Reason.SIGN_IN_REJECTED, "the first request was rejected"),
        ([{}], Reason.OPERAND_MISSING, "the first request: not an answer"),
    ],
)
def test_a_challenge(
    reading_of: Callable[..., Reading],
    counted: OneTimeCode,
    answers: list[Any],
    reason: Reason,
    words: str,
) -> None:
    reading = reading_of(*((200, answer) for answer in answers), code=counted, challenge=True)
    assert reading.reason is reason
    assert reading.detail.startswith(words)


def test_what_is_sent(counted: OneTimeCode, answering: Callable[..., str]) -> None:
    sent: list[tuple[str, dict[str, str]]] = []

    def answer(*asked: Any) -> tuple[int, Any]:
        sent.append(asked)
        return 200, (CHALLENGE, ACCEPT)[len(sent) - 1]

    probe = PrivacyIdea(
        url=Url(answering(answer) + "/pi/"),
        username="probe",
        realm="r",
        password=Secret("canary p&ss"),
        code=counted,
        challenge=True,
        exception=True,
    )
    assert sign_in(probe)[0].reason is Reason.OK
    account = {"user": "probe", "realm": "r", "exception": "1"}
    code = Token.parse(SEED).counted(0)
    assert sent == [
        ("/pi/validate/check", account | {"pass": "canary p&ss"}),
        ("/pi/validate/check", account | {"pass": code, "transaction_id": TRANSACTION}),
    ]


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({}, [()]),
        ({"username": None}, [(), ()]),
        ({"serial": "S", "challenge": True, "password": Secret("x")}, [()]),
        (
            {"username": None, "serial": "S", "realm": "r", "challenge": True},
            [("realm",), ("challenge",)],
        ),
        (
            {"challenge": True, "password": Secret("x"), "headers": {"X": Secret("a\nb")}},
            [("headers",)],
        ),
        (
            {
                "challenge": True,
                "password": Secret("x"),
                "tls": TlsPolicy(certificate="/etc/hostname"),
            },
            [("tls", "certificate")],
        ),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, Any], paths: list[Any]) -> None:
    probe = PrivacyIdea(**{"url": Url("https://pi.example.com"), "username": "p"} | given)
    assert [fault.path for fault in probe.faults()] == paths
