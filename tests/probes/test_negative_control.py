"""Real servers that look at codes, and some that do not: what a wrong code tells of them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from beacon.config.fields import Secret, Url
from beacon.core.model import Reason, Verdict
from beacon.engine.run import Run
from beacon.otp.code_setting import WRONG_COUNTERS, WRONG_STEPS, OneTimeCode
from beacon.probes.privacyidea import PrivacyIdea
from beacon.probes.radius import Radius
from beacon.probing.base import Kind
from tests.probe_memories import MEMORIES
from tests.probes.conformance import SEED
from tests.probes.driven import Driven
from tests.probes.runs import Standing

DAY = 86_400.0
OFTEN = {"control": DAY, "interval": 700.0, "stale_after": 3000.0}


def watched(probe: Kind, seconds: float = 1500.0) -> Driven:
    """A sign-in, watched so long by a clock that stays with the server's."""
    driven = Driven({"in": probe}, **OFTEN)
    driven.live(seconds, ahead=0.0, passes=False)
    assert {reading.reason for _, reading, _ in driven.readings} == {Reason.OK}, [
        r.detail for _, r, _ in driven.readings
    ]
    return driven


def verdict(driven: Driven) -> tuple[Verdict, str | None]:
    service = driven.monitor.view().services[0]
    return service.verdict, service.cause


@pytest.mark.parametrize("kind", ["totp", "hotp"])
def test_a_wrong_code_is_unlike_all_that_a_server_might_accept(kind: str) -> None:
    code, clock = OneTimeCode(**{kind: Secret(SEED)}), Standing()
    run = Run(clock, 60.0, memory=MEMORIES.new())
    run.wrong_code = True
    at = code.token.step(clock.utc().timestamp()) if kind == "totp" else 0
    within = WRONG_STEPS if kind == "totp" else WRONG_COUNTERS
    near = {code.token.counted(max(0, at + by)) for by in range(-within, within + 1)}
    found = {code.claim(run) for _ in range(300)}
    assert not found & near
    assert all(len(each) == 6 and each.isdigit() for each in found)
    run.wrong_code = False
    assert code.claim(run) == code.token.counted(at), "none of them is used up"


def test_a_short_code_leaves_few_that_are_wrong() -> None:
    token = OneTimeCode(totp=Secret(SEED)).token
    near = {token.counted(by) for by in range(41)}
    assert token.wrong(20, 20) not in near


@pytest.mark.integration
def test_privacyidea_looks_at_codes(privacyidea: Any) -> None:
    user, seed = privacyidea.account("totp")
    code = OneTimeCode(totp=Secret(seed))
    account = {"username": user, "password": Secret("canary-pin"), "code": code}
    driven = watched(PrivacyIdea(url=Url(privacyidea.url), **account), 60.0)
    assert [reading.reason for reading in driven.controls] == [Reason.SIGN_IN_REJECTED]
    assert verdict(driven) == (Verdict.OK, None)


@pytest.mark.integration
def test_privacyidea_lets_in_whoever_has_no_token(privacyidea: Any) -> None:
    """The policy `passOnNoToken`, and a token that somebody deleted."""
    user, seed = privacyidea.account("totp")
    code = OneTimeCode(totp=Secret(seed))
    account = {"username": user, "password": Secret("canary-pin"), "code": code}
    privacyidea.administer("DELETE", f"/token/{serial(privacyidea, user)}")
    privacyidea.administer(
        "POST", "/policy/open", scope="authentication", action="passOnNoToken", realm="example"
    )
    try:
        driven = watched(PrivacyIdea(url=Url(privacyidea.url), **account))
    finally:
        privacyidea.administer("DELETE", "/policy/open")
    assert [reading.reason for reading in driven.controls] == [Reason.OK, Reason.OK]
    assert verdict(driven) == (Verdict.DEGRADED, "mfa not enforced")


def serial(server: Any, user: str) -> str:
    known = requests.post(server.url + "/auth", {"username": "admin", "password": "admin"})
    proof = {"Authorization": known.json()["result"]["value"]["token"]}
    found = requests.get(server.url + "/token/", {"user": user}, headers=proof).json()
    return str(found["result"]["value"]["tokens"][0]["serial"])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mood", "answers", "shown"),
    [
        ("", [Reason.SIGN_IN_REJECTED], (Verdict.OK, None)),
        ("accepts all", [Reason.OK, Reason.OK], (Verdict.DEGRADED, "mfa not enforced")),
    ],
)
def test_freeradius(
    freeradius: Any,
    eventually: Callable[..., None],
    mood: str,
    answers: list[Reason],
    shown: tuple[Verdict, str | None],
) -> None:
    freeradius.be(mood)
    probe = Radius(
        host="127.0.0.1",
        port=freeradius.port,
        shared_secret=Secret(freeradius.shared_secret),
        username="probe",
        password=Secret(freeradius.password),
        code=OneTimeCode(totp=Secret(freeradius.seed)),
    )
    eventually(lambda: time.time() % 30 < 18, "a step that lasts")
    driven = watched(probe, 60.0 if not mood else 1500.0)
    assert [reading.reason for reading in driven.controls] == answers
    assert verdict(driven) == shown
