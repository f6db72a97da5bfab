"""`duo` against what speaks as Duo does by its documentation, broken on purpose."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
import trustme

from beacon.config.fields import Secret
from beacon.config.problems import ConfigError
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.otp.code_setting import OneTimeCode
from beacon.probes.duo import Duo, DuoAnswer
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

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


SECRET = "canary-Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNm"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
COUNTED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
ENDPOINTS = f"""
- name: sign-in
  type: duo
  host: api-XXXXXXXX.duosecurity.com
  integration_key: DIXXXXXXXXXXXXXXXXXX
  secret_key: {SECRET}
  username: probe
  code: {{totp: {SEED}}}
"""
CLOCK = """
- {name: clock, type: ntp, servers: [127.0.0.1]}
"""
RED = {"red": "fast"}
BLIND = {"white": "steady"}


class Skewed(SystemClock):
    """A clock that is ahead by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)


@pytest.fixture
def make(duo_server: Any, ca_file: str) -> Callable[..., Duo]:
    """The probe of an endpoint that is configured rightly, but for what is given."""

    def build(**given: Any) -> Duo:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": duo_server.server_port,
            "integration_key": duo_server.integration_key,
            "secret_key": Secret(SECRET),
            "username": "probe",
            "code": OneTimeCode(totp=Secret(SEED)),
            "tls": TlsPolicy(ca=ca_file),
        }
        probe = Duo(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


@pytest.fixture
def counting(make: Callable[..., Duo]) -> Duo:
    """A probe whose codes are counted."""
    return make(code=OneTimeCode(hotp=Secret(COUNTED)))


def talk(probe: Duo, clock: SystemClock | None = None) -> tuple[Reading, str]:
    """One run; the reading, and what `-v` would show. Neither tells a secret."""
    run = Run(clock or SystemClock(), 60.0, memory=MEMORIES.of(probe))
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    told = "\n".join(run.notes)
    assert "canary" not in reading.detail + told
    for code in (pyotp.TOTP(SEED).now(), pyotp.HOTP(COUNTED).at(0)):
        assert code not in reading.detail + told
    return reading, told


# --- sound --------------------------------------------------------------------------


def test_preauth_then_a_code(
    make: Callable[..., Duo], duo_server: Any, shown: Callable[..., Any]
) -> None:
    reading, told = talk(make())
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
    assert "/auth/v2/preauth" in told
    assert "result='auth'" in told
    assert "devices.type='token'" in told, "whether the account has a token alone"
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps, after.shallow) == ("ok", {"green": "steady"}, False)


@pytest.mark.parametrize(
    "given", [{"username": "bücher@example.com / ~"}, {"host": "LocalHost"}], ids=str
)
def test_what_is_signed_is_what_arrives(make: Callable[..., Duo], given: dict[str, Any]) -> None:
    assert talk(make(**given))[0].reason is Reason.OK


def test_counted_codes_count(counting: Duo, duo_server: Any) -> None:
    assert not counting.code.clock_bound
    assert counting.clock_bound, "what is signed has a date all the same"
    for _ in range(2):
        assert talk(counting)[0].reason is Reason.OK
    assert duo_server.codes == [pyotp.HOTP(COUNTED).at(n) for n in (0, 1)]


def test_two_runs_in_one_step_are_one_sign_in(
    make: Callable[..., Duo], duo_server: Any, shown: Callable[..., Any]
) -> None:
    probe = make()
    assert talk(probe)[0].reason is Reason.OK
    assert probe.wait(time.time(), MEMORIES.of(probe)) > 0, "the schedule would have waited"
    reading, _ = talk(probe)
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert len(duo_server.codes) == 1
    assert duo_server.calls.count("auth") == 1
    assert shown(ENDPOINTS, {"sign-in": reading}).lamps == BLIND, "unknown, should it go on"


# --- Duo says no --------------------------------------------------------------------


def ok(**response: Any) -> tuple[int, object]:
    return 200, {"stat": "OK", "response": response}


@pytest.mark.parametrize(
    ("call", "said", "detail"),
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
def test_a_rejection_is_an_outage_if_it_ever_worked_else_ours(
    make: Callable[..., Duo],
    duo_server: Any,
    shown: Callable[..., Any],
    call: str,
    said: dict[str, str],
    detail: str,
) -> None:
    duo_server.says[call] = ok(**said)
    reading, _ = talk(make())
    assert (reading.reason, reading.detail) == (Reason.SIGN_IN_REJECTED, detail)
    assert duo_server.calls[-1] == call, "no code is sent where none is asked for"
    proven = shown(ENDPOINTS, {"sign-in": reading})
    assert (proven.verdict, proven.lamps) == ("outage", RED | {"blue": "steady"})
    never = shown(ENDPOINTS, {"sign-in": reading}, proven=False)
    assert (never.verdict, never.lamps) == ("blind", BLIND | {"blue": "steady"})
    assert never.cause == "our credentials"


ECHO = "x" * 50 + SECRET + f" {pyotp.TOTP(SEED).now()} 1 AUTHORIZATION " + SECRET * 3


@pytest.mark.parametrize(
    "said",
    [
        ok(result="deny", status=ECHO, status_msg=ECHO),
        (403, {"stat": "FAIL", "code": 40301, "message": ECHO, "message_detail": ECHO}),
    ],
    ids=["denied", "refused"],
)
@pytest.mark.parametrize("call", ["preauth", "auth"])
def test_words_that_hold_what_we_sent_are_masked(
    make: Callable[..., Duo], duo_server: Any, call: str, said: tuple[int, object]
) -> None:
    duo_server.says[call] = said
    reading, told = talk(make())
    assert "*** Basic ***" in reading.detail
    assert "***" in told or " … status_msg" in told, "masked, or left out as too long"
    assert duo_server.proofs[-1][:8] not in reading.detail + told


def test_a_wrong_token_is_rejected(make: Callable[..., Duo], duo_server: Any) -> None:
    reading, _ = talk(make(code=OneTimeCode(totp=Secret("A" * 32))))
    assert reading.detail == "auth: denied: Incorrect passcode. Please try again."
    assert len(duo_server.codes) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("preauth", {"result": "allow", "status_msg": "User is bypassed"}),
        ("auth", {"result": "allow", "status": "bypass", "status_msg": "Bypass"}),
    ],
)
def test_a_user_who_is_let_in_without_a_second_factor_proves_nothing(
    make: Callable[..., Duo],
    duo_server: Any,
    shown: Callable[..., Any],
    call: str,
    said: dict[str, str],
) -> None:
    duo_server.says[call] = ok(**said)
    reading, _ = talk(make())
    assert (reading.reason, reading.outcome) == (Reason.CHALLENGE_MISSING, Outcome.FAIL)
    assert f"{call}: let in without a second factor: " in reading.detail
    assert duo_server.calls[-1] == call
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.parametrize(
    ("call", "said", "reason"),
    [
        ("preauth", {"result": "perhaps"}, Reason.PROTOCOL_ERROR),
        ("preauth", {"result": True}, Reason.PROTOCOL_ERROR),
        ("preauth", {}, Reason.PROTOCOL_ERROR),
        ("auth", {"result": "waiting", "status_msg": "Pushed"}, Reason.SIGN_IN_UNFINISHED),
        ("auth", {"txid": "45f7c92b-f45f-4862-8545-e0f58e78075a"}, Reason.PROTOCOL_ERROR),
    ],
)
def test_an_answer_that_is_none(
    make: Callable[..., Duo],
    duo_server: Any,
    shown: Callable[..., Any],
    call: str,
    said: dict[str, object],
    reason: Reason,
) -> None:
    duo_server.says[call] = ok(**said)
    reading, _ = talk(make())
    assert reading.reason is reason
    assert reading.detail.startswith(f"{call}: ")
    assert shown(ENDPOINTS, {"sign-in": reading}).lamps == RED


# --- Duo is broken -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said", "reason", "detail"),
    [
        (
            "preauth",
            (500, {"stat": "FAIL", "code": 50000, "message": "canary? no: Server error"}),
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
def test_a_broken_back_end_is_an_outage(
    make: Callable[..., Duo],
    duo_server: Any,
    shown: Callable[..., Any],
    call: str,
    said: tuple[int, object],
    reason: Reason,
    detail: str,
) -> None:
    duo_server.says[call] = said
    run = Run(SystemClock(), 60.0, memory=MEMORIES.new())
    reading = run.take(make())
    assert reading.reason is reason
    assert reading.detail.startswith(detail)
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.parametrize("call", ["preauth", "auth"])
def test_a_server_that_hangs(
    make: Callable[..., Duo],
    duo_server: Any,
    observed: Callable[..., Reading],
    shown: Callable[..., Any],
    call: str,
) -> None:
    duo_server.hangs.add(call)
    reading = observed(make(), 1.0)
    assert (reading.reason, reading.outcome) == (Reason.DEADLINE, Outcome.FAIL)
    assert duo_server.calls[-1] == call
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


def test_asked_to_come_less_often(
    make: Callable[..., Duo], duo_server: Any, shown: Callable[..., Any]
) -> None:
    duo_server.says["auth"] = 429, {"stat": "FAIL", "code": 42901, "message": "Too Many Requests"}
    reading, _ = talk(make())
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert duo_server.calls == ["preauth", "auth"], "not tried again"
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("blind", BLIND)


def test_nobody_listens(
    make: Callable[..., Duo], free_port: Callable[[], int], shown: Callable[..., Any]
) -> None:
    reading, _ = talk(make(port=free_port()))
    assert reading.reason is Reason.CONNECT_REFUSED
    assert reading.detail.startswith("preauth: ")
    assert shown(ENDPOINTS, {"sign-in": reading}).lamps == RED


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (None, True),
        ((503, b""), True),
        ((429, b""), True),
        ((302, b""), True),
        ((200, b"<html>"), False),
        (ok(result="deny"), False),
        (ok(txid="1"), False),
    ],
    ids=str,
)
def test_a_counted_code_that_was_not_judged_is_the_next_again(
    counting: Duo, duo_server: Any, said: tuple[int, object] | None, again: bool
) -> None:
    duo_server.says["auth"] = said
    talk(counting)
    del duo_server.says["auth"]
    talk(counting)
    sent = [params["passcode"] for name, params in duo_server.asked if name == "auth"]
    assert (sent[0] == sent[1]) is again


def test_the_deadline_gives_a_counted_code_back(
    counting: Duo, duo_server: Any, observed: Callable[..., Reading]
) -> None:
    duo_server.hangs.add("auth")
    assert observed(counting, 1.0).reason is Reason.DEADLINE
    duo_server.hangs.clear()
    assert talk(counting)[0].reason is Reason.OK
    assert duo_server.codes == [pyotp.HOTP(COUNTED).at(0)]


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
    make: Callable[..., Duo],
    duo_server: Any,
    shown: Callable[..., Any],
    given: dict[str, Any],
    detail: str,
) -> None:
    reading, _ = talk(make(**given))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CREDENTIALS, Outcome.ERROR)
    assert reading.detail == detail
    assert duo_server.codes == [], "no code is spent"
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("blind", BLIND)
    assert after.cause == "our credentials"


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_a_time_that_duo_refuses_is_our_clock(
    make: Callable[..., Duo], duo_server: Any, shown: Callable[..., Any], ahead: float
) -> None:
    reading, told = talk(make(), Skewed(ahead))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CLOCK, Outcome.ERROR)
    start = "preauth: Duo refuses our time (code 40105): by its own, our clock is off by "
    assert reading.detail.startswith(start)
    told_offset = float(reading.detail.removeprefix(start).removesuffix(" s"))
    assert told_offset == pytest.approx(ahead, abs=2)
    assert "by its time, our clock is off by" in told
    assert duo_server.calls == ["preauth", "ping"]
    assert [name for name, _ in reading.phases] == ["preauth", "ping"]
    assert duo_server.codes == [], "no code is spent"
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("blind", BLIND)
    assert after.cause == "own clock"


def test_duos_own_time_may_not_be_had(make: Callable[..., Duo], duo_server: Any) -> None:
    duo_server.says["ping"] = 503, b""
    reading, _ = talk(make(), Skewed(300))
    assert reading.reason is Reason.OWN_CLOCK
    assert reading.detail.endswith(", and does not tell its own: ping: status 503")


def test_a_ping_that_hangs_does_not_hide_our_clock(
    make: Callable[..., Duo], duo_server: Any
) -> None:
    duo_server.hangs.add("ping")
    duo_server.says["preauth"] = 401, {"stat": "FAIL", "code": 40105, "message": "Bad timestamp"}
    run = Run(SystemClock(), 1.0, memory=MEMORIES.new())
    with pytest.raises(DeadlinePassed):
        run.take(make())
    assert run.overstayed().reason is Reason.OWN_CLOCK


@pytest.mark.parametrize("ahead", [90.0, -90.0])
def test_a_clock_too_wrong_for_codes_and_not_for_signatures(
    make: Callable[..., Duo], shown: Callable[..., Any], ahead: float
) -> None:
    rejected, _ = talk(make(), Skewed(ahead))
    assert rejected.reason is Reason.SIGN_IN_REJECTED
    known = shown(ENDPOINTS + CLOCK, {"sign-in": rejected, "clock": Reading(Reason.OWN_CLOCK)})
    assert (known.verdict, known.lamps, known.cause) == ("blind", BLIND, "own clock")
    unknown = shown(ENDPOINTS, {"sign-in": rejected})
    assert unknown.verdict == "outage", "without a source of time nobody can know"


def test_a_clock_that_is_a_little_wrong_is_no_matter(make: Callable[..., Duo]) -> None:
    assert talk(make(), Skewed(20))[0].reason is Reason.OK


# --- certificates --------------------------------------------------------------------


@pytest.mark.parametrize("pinned", [True, False])
def test_pinned_to_other_authorities_nothing_is_said_to_it(
    make: Callable[..., Duo], duo_server: Any, tmp_path: Path, pinned: bool
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    policy = TlsPolicy(ca=str(tmp_path / "ca.pem")) if pinned else TlsPolicy()
    reading, _ = talk(make(tls=policy))
    assert reading.reason is Reason.TLS_UNTRUSTED
    assert duo_server.asked == []


# --- judged alone --------------------------------------------------------------------


def test_results_that_may_yet_come_let_in_only_by_allow(make: Callable[..., Duo]) -> None:
    probe = make()
    assert probe.stopped(DuoAnswer("auth"), "") is None
    assert probe.judge(DuoAnswer("allow", "remembered"), "").reason is Reason.OK
    assert probe.judge(DuoAnswer("allowed"), "").reason is Reason.SIGN_IN_UNFINISHED
    assert probe.judge(DuoAnswer("ALLOW"), "").outcome is Outcome.FAIL


# --- configuration -------------------------------------------------------------------


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "beacon.yaml"
    lines = "".join(f"      {line}\n" for line in text.strip().splitlines())
    head = "site: soc\ndefaults: {retry_interval: 5s}\nservices:\n  - name: MFA\n    endpoints:\n"
    path.write_text(head + lines)
    return load_config(path, environ={})


def test_at_most_one_auth_an_interval(tmp_path: Path) -> None:
    spec = loaded(tmp_path, ENDPOINTS).watched.services[0].endpoints[0]
    assert spec.retry_interval is None, "a fail is confirmed by the next regular run"
    assert (spec.interval, spec.timeout, spec.failure_threshold) == (60, 30, 3)
    assert (spec.sign_in, spec.clock_bound, spec.evidence) == (True, True, "symptom")


@pytest.mark.parametrize(
    ("was", "wrong", "words"),
    [
        ("host: api", "host: https://api", "only the API hostname, without https://"),
        ("DIXX", "DI:X", "not an integration key"),
        (SECRET, '""', "an empty secret"),
        (SEED, "canary!", "not a base32 seed"),
        ("username: probe", 'username: ""', "username"),
        (f"{{totp: {SEED}}}", "{}", "one of totp, hotp"),
        ("username: probe", "tls: {ca: /nowhere.pem}\n  username: probe", "/nowhere.pem"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, was: str, wrong: str, words: str
) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ENDPOINTS.replace(was, wrong))
    told = str(error.value)
    assert words in told
    assert "beacon.yaml:" in told
    assert "canary" not in told
