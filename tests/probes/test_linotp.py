"""`linotp` against a server built from the fields of its source: no LinOTP ran here.

It has an account with the PIN `canary-pin` and one token, and is broken like the real one:
whatever goes wrong inside is `status: true, value: false`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Reason
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.linotp import LinOtp
from tests.probes.conformance import Conformance
from tests.probes.runs import sign_in

CONFORMANCE = Conformance(
    """
    type: linotp
    url: {url}
    username: probe
    password: !secret canary
    code: {hotp: !secret seed}
    headers: {X-Key: !secret canary-of-a-header}
    """,
)


PIN = "canary-pin"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
Make = Callable[..., LinOtp]


@dataclass
class Server:
    """It, in a mood; `asked` are the forms it was sent."""

    mood: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def __call__(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        assert path == "/validate/check"
        self.asked.append(form)
        if self.mood == "broken before":
            error = {"code": -311, "message": "canary words"}
            return 200, {"result": {"status": False, "error": error}, "id": 1}
        if self.mood == "gone":
            return 500, b"<html>Internal Server Error</html>"
        if self.mood:  # "an internal error occurs or the SMS gateway did not send the SMS"
            return 200, self.document(value=False)
        if "transactionid" in form:
            return 200, self.document(value=form["pass"] == self.code())
        if form["pass"] == PIN:
            detail = {"transactionid": "canary-7", "message": "Please enter your code: 123456"}
            return 200, self.document(value=False, detail=detail)
        return 200, self.document(value=form["pass"] == PIN + self.code())

    def code(self) -> str:
        return Token.parse(SEED).code(time.time())

    def document(self, value: bool, detail: Any = None) -> dict[str, Any]:
        document = {"jsonrpc": "2.0", "result": {"status": True, "value": value}, "id": 0}
        return document | {"detail": detail} if detail else document


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def make(server: Server, answering: Callable[..., str]) -> Make:
    def build(**given: Any) -> LinOtp:
        settings: dict[str, Any] = {
            "url": Url(answering(server)),
            "username": "beacon-probe",
            "password": Secret(PIN),
            "code": OneTimeCode(totp=Secret(SEED)),
        }
        probe = LinOtp(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


@pytest.fixture(autouse=True)
def early(eventually: Callable[..., None]) -> None:
    """The code that is made now is still good when the server looks."""
    eventually(lambda: time.time() % 30 < 28, "the next step")


def test_pin_and_code_in_one(make: Make, server: Server) -> None:
    reading, _ = sign_in(make(realm="example"))
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    (asked,) = server.asked
    assert asked.keys() == {"user", "realm", "pass"}


def test_pin_then_code(make: Make, server: Server) -> None:
    reading, _ = sign_in(make(challenge=True))
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted, after a challenge")
    assert [form.get("transactionid") for form in server.asked] == [None, "canary-7"]


def test_a_challenge_where_none_is_set(make: Make) -> None:
    reading, _ = sign_in(make(code=None, challenge=True))
    assert (reading.reason, reading.detail) == (
        Reason.OK,
        "a challenge was made: Please enter your code: ***",
    )


@pytest.mark.parametrize("challenge", [False, True])
@pytest.mark.parametrize("mood", ["database gone", "SMS gateway refuses"])
def test_a_known_good_token_that_is_rejected_is_trouble(
    make: Make, server: Server, mood: str, challenge: bool
) -> None:
    server.mood = mood
    reading, _ = sign_in(make(challenge=challenge))
    assert reading.reason is Reason.SIGN_IN_REJECTED


@pytest.mark.parametrize(
    ("mood", "reason", "words"),
    [
        ("broken before", Reason.EXPECTATION_FAILED, "status 200, error -311: *** words"),
        ("gone", Reason.HTTP_STATUS, "status 500, and not a word of the server's own"),
    ],
)
def test_trouble_it_admits(
    make: Make, server: Server, mood: str, reason: Reason, words: str
) -> None:
    server.mood = mood
    reading, _ = sign_in(make(password=Secret("canary")))
    assert (reading.reason, reading.detail) == (reason, words)
