"""`duo` against what speaks as Duo does by its documentation, broken on purpose."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pyotp
import pytest

from beacon.config.fields import Secret
from beacon.core.model import Outcome, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.otp.code_setting import OneTimeCode
from beacon.probes.duo import Duo, DuoAnswer
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import Skewed, sign_in

CONFORMANCE = Conformance(
    """
    type: duo
    host: "{host}"
    port: {port}
    integration_key: DIXXXXXXXXXXXXXXXXXX
    secret_key: !secret canary
    username: probe
    code: {totp: !secret seed}
    tls: {verify: false}
    """,
    honest={"POST /auth/v2/preauth": '{"stat": "OK", "response": {"result": "auth"}}'},
)


Make = Callable[..., Duo]
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
COUNTED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def make(duo_probe: Callable[..., Duo]) -> Make:
    return partial(duo_probe, Duo, username="probe", code=OneTimeCode(totp=Secret(SEED)))


@pytest.fixture
def counting(make: Make) -> Duo:
    """A probe whose codes are counted."""
    return make(code=OneTimeCode(hotp=Secret(COUNTED)))


# --- sound --------------------------------------------------------------------------


def test_preauth_then_a_code(make: Make, duo_server: Any) -> None:
    reading, notes = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "the code was accepted")
    assert [name for name, _ in reading.phases] == ["preauth", "auth"]
    assert reading.latency is not None
    assert 0 < sum(spent for _, spent in reading.phases) <= reading.latency
    assert duo_server.asked == [
        ("preauth", {"username": "probe"}),
        (
            "auth",
            {
                "async": "0",
                "factor": "passcode",
                "passcode": duo_server.codes[0],
                "username": "probe",
            },
        ),
    ]
    assert "/auth/v2/preauth" in notes
    assert "result='auth'" in notes
    assert "devices.type='token'" in notes, "whether the account has a token alone"


@pytest.mark.parametrize(
    "given", [{"username": "bücher@example.com / ~"}, {"host": "LocalHost"}], ids=str
)
def test_what_is_signed_is_what_arrives(make: Make, given: dict[str, Any]) -> None:
    assert sign_in(make(**given))[0].reason is Reason.OK


def test_counted_codes_count(counting: Duo, duo_server: Any) -> None:
    assert not counting.code.clock_bound
    assert counting.clock_bound, "what is signed has a date all the same"
    for _ in range(2):
        assert sign_in(counting)[0].reason is Reason.OK
    assert duo_server.codes == [pyotp.HOTP(COUNTED).at(n) for n in (0, 1)]


# --- Duo says no --------------------------------------------------------------------


def ok(**response: Any) -> tuple[int, object]:
    return 200, {"stat": "OK", "response": response}


@pytest.mark.parametrize(
    ("call", "answer", "detail"),
    [
        (
            "preauth",
            {"result": "deny", "status_msg": "Your account is disabled."},
            "preauth: denied, no code was sent: Your account is disabled.",
        ),
        (
            "preauth",
            {"result": "enroll", "status_msg": "Enroll", "enroll_portal_url": "https://canary/"},
            "preauth: a user Duo does not know, or without a device: Enroll",
        ),
        (
            "auth",
            {"result": "deny", "status": "deny", "status_msg": "Incorrect passcode 834211."},
            "auth: denied: Incorrect passcode ***.",
        ),
        (
            "auth",
            {"result": "deny", "status": "locked_out", "status_msg": "Your account is locked out"},
            "auth: locked out: Your account is locked out",
        ),
        ("auth", {"result": "deny"}, "auth: denied"),
    ],
)
def test_a_no_of_either_call_is_a_rejection(
    make: Make, duo_server: Any, call: str, answer: dict[str, str], detail: str
) -> None:
    duo_server.says[call] = ok(**answer)
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.SIGN_IN_REJECTED, detail)
    assert duo_server.calls[-1] == call, "no code is sent where none is asked for"


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("preauth", {"result": "allow", "status_msg": "User is bypassed"}),
        ("auth", {"result": "allow", "status": "bypass", "status_msg": "Bypass"}),
    ],
)
def test_a_user_who_is_let_in_without_a_second_factor_proves_nothing(
    make: Make, duo_server: Any, call: str, answer: dict[str, str]
) -> None:
    duo_server.says[call] = ok(**answer)
    reading, _ = sign_in(make())
    assert (reading.reason, reading.outcome) == (Reason.CHALLENGE_MISSING, Outcome.FAIL)
    assert f"{call}: let in without a second factor: " in reading.detail
    assert duo_server.calls[-1] == call


@pytest.mark.parametrize(
    ("call", "answer", "reason"),
    [
        ("preauth", {"result": "perhaps"}, Reason.PROTOCOL_ERROR),
        ("preauth", {"result": True}, Reason.PROTOCOL_ERROR),
        ("preauth", {}, Reason.PROTOCOL_ERROR),
        ("auth", {"result": "waiting", "status_msg": "Pushed"}, Reason.SIGN_IN_UNFINISHED),
        ("auth", {"txid": "45f7c92b-f45f-4862-8545-e0f58e78075a"}, Reason.PROTOCOL_ERROR),
    ],
)
def test_an_answer_that_is_none(
    make: Make, duo_server: Any, call: str, answer: dict[str, object], reason: Reason
) -> None:
    duo_server.says[call] = ok(**answer)
    reading, _ = sign_in(make())
    assert reading.reason is reason
    assert reading.detail.startswith(f"{call}: ")


# --- Duo is broken -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "answer", "reason", "detail"),
    [
        (
            "preauth",
            (500, {"stat": "FAIL", "code": 50000, "message": "Server error"}),
            Reason.HTTP_STATUS,
            "preauth: status 500, code 50000: ",
        ),
        ("auth", (503, b"<html>"), Reason.HTTP_STATUS, "auth: status 503"),
        ("auth", (302, b""), Reason.HTTP_STATUS, "auth: status 302"),
        ("auth", (200, b"<html>"), Reason.PROTOCOL_ERROR, "auth: the body is not JSON"),
        (
            "auth",
            (400, {"stat": "FAIL", "code": 40002, "message": "Invalid request parameters"}),
            Reason.HTTP_STATUS,
            "auth: status 400, code 40002: Invalid request parameters",
        ),
    ],
)
def test_a_broken_back_end_is_not_a_rejection(
    make: Make, duo_server: Any, call: str, answer: tuple[int, object], reason: Reason, detail: str
) -> None:
    duo_server.says[call] = answer
    reading, _ = sign_in(make())
    assert reading.reason is reason
    assert reading.detail.startswith(detail)


# --- what is ours --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        (
            {"integration_key": "DIYYYYYYYYYYYYYYYYYY"},
            (
                "preauth: status 401, code 40102: Invalid integration key in request credentials "
                "(check `integration_key`, and at the type of its application)"
            ),
        ),
        (
            {"secret_key": Secret("another")},
            (
                "preauth: status 401, code 40103: Invalid signature in request credentials "
                "(check `secret_key`)"
            ),
        ),
    ],
)
def test_keys_that_duo_does_not_know_are_ours(
    make: Make, duo_server: Any, given: dict[str, Any], detail: str
) -> None:
    reading, _ = sign_in(make(**given))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CREDENTIALS, Outcome.ERROR)
    assert reading.detail == detail
    assert duo_server.codes == [], "no code is spent"


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_a_time_that_duo_refuses_is_our_clock(make: Make, duo_server: Any, ahead: float) -> None:
    reading, notes = sign_in(make(), clock=Skewed(ahead))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CLOCK, Outcome.ERROR)
    start = "preauth: Duo refuses our time (code 40105): by its own, our clock is off by "
    assert reading.detail.startswith(start)
    offset = float(reading.detail.removeprefix(start).removesuffix(" s"))
    assert offset == pytest.approx(ahead, abs=2)
    assert "by its time, our clock is off by" in notes
    assert duo_server.calls == ["preauth", "ping"]
    assert [name for name, _ in reading.phases] == ["preauth", "ping"]
    assert duo_server.codes == [], "no code is spent"


def test_duos_own_time_may_not_be_had(make: Make, duo_server: Any) -> None:
    duo_server.says["ping"] = 503, b""
    reading, _ = sign_in(make(), clock=Skewed(300))
    assert reading.reason is Reason.OWN_CLOCK
    assert reading.detail.endswith(", and does not tell its own: ping: status 503")


def test_a_ping_that_hangs_does_not_hide_our_clock(make: Make, duo_server: Any) -> None:
    duo_server.hangs.add("ping")
    duo_server.says["preauth"] = 401, {"stat": "FAIL", "code": 40105, "message": "Bad timestamp"}
    run = Run(SystemClock(), 1.0, memory=MEMORIES.new())
    with pytest.raises(DeadlinePassed):
        run.take(make())
    assert run.overstayed().reason is Reason.OWN_CLOCK


# --- judged alone --------------------------------------------------------------------


def test_results_that_may_yet_come_let_in_only_by_allow(make: Make) -> None:
    probe = make()
    assert probe.stopped(DuoAnswer("auth")) is None
    assert probe.judge(DuoAnswer("allow", "remembered")).reason is Reason.OK
    assert probe.judge(DuoAnswer("allowed")).reason is Reason.SIGN_IN_UNFINISHED
    assert probe.judge(DuoAnswer("ALLOW")).outcome is Outcome.FAIL
