"""`authelia` against a portal as its API document and its source describe one."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.authelia import Authelia

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "canary p&ss/wörd"
ENDPOINT = f"""
- name: sign-in
  type: authelia
  url: https://auth.example.com
  username: probe
  password: canary
  code: {{totp: {SEED}}}
"""
HEALTH = """
- {name: health, type: http, url: "https://auth.example.com/api/health"}
"""
CLOCK = """
- {name: clock, type: ntp, servers: [127.0.0.1]}
"""
RED = {"red": "fast"}
RED_AND_STOPPED = {"red": "fast", "blue": "steady"}
FIRST, SECOND = "/api/firstfactor", "/api/secondfactor/totp"
STATE, LOGOUT = "/api/state", "/api/logout"


@dataclass
class Skewed(SystemClock):
    """A clock that is ahead."""

    ahead: float = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)


@pytest.fixture
def server(authelia_portal: Callable[..., Any]) -> Any:
    return authelia_portal()


@pytest.fixture
def make(server: Any, one_time: type[OneTimeCode]) -> Callable[..., Authelia]:
    """The probe of an endpoint that is configured rightly, but for what is given."""

    def build(**given: Any) -> Authelia:
        settings: dict[str, Any] = {
            "url": Url(server.url),
            "username": "probe",
            "password": Secret(PASSWORD),
            "code": one_time(totp=Secret(SEED)),
        }
        probe = Authelia(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


def sign_in(
    probe: Authelia, budget: float = 60.0, clock: SystemClock | None = None
) -> tuple[Reading, str]:
    """One run; the reading, and what `-v` would show. Neither tells a secret."""
    run = Run(clock or SystemClock(), budget)
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    told = "\n".join(run.notes)
    said = reading.detail + told + repr(probe)
    assert "canary" not in said
    assert SEED not in said
    assert Token.parse(SEED).code(time.time()) not in said
    return reading, told


def test_signs_in_and_out_again(
    make: Callable[..., Authelia], server: Any, shown: Callable[..., Any]
) -> None:
    reading, told = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted, signed in with both factors")
    assert [name for name, _ in reading.phases] == ["password", "code", "state", "logout"]
    assert server.paths() == [FIRST, SECOND, STATE, LOGOUT]
    sent = [form for _, _, form in server.asked]
    assert sent[0] == {"username": "probe", "password": PASSWORD, "keepMeLoggedIn": False}
    assert sent[1] == {"token": server.codes[0]}
    assert not server.levels, "no session is left behind"
    assert "step code" in told
    assert shown(ENDPOINT, {"sign-in": reading}).lamps == {"green": "steady"}


def test_a_portal_below_a_path(make: Callable[..., Authelia], server: Any) -> None:
    sign_in(make(url=Url(server.url + "/authelia/")))
    assert server.paths() == ["/authelia" + FIRST]


# --- no -----------------------------------------------------------------------------------


def test_a_wrong_password_is_an_outage_if_it_ever_worked_else_ours(
    make: Callable[..., Authelia], server: Any, shown: Callable[..., Any]
) -> None:
    reading, _ = sign_in(make(password=Secret("canary-other")))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == (
        "password: status 401: Authentication failed. Check your credentials."
    )
    assert server.paths() == [FIRST], "no code is used up, and there is no session to end"
    after = shown(ENDPOINT + HEALTH, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED_AND_STOPPED)
    never = shown(ENDPOINT, {"sign-in": reading}, proven=False)
    assert (never.verdict, never.lamps) == ("blind", {"white": "steady", "blue": "steady"})


def test_a_wrong_token(
    make: Callable[..., Authelia], server: Any, one_time: type[OneTimeCode]
) -> None:
    reading, _ = sign_in(make(code=one_time(totp=Secret("MFRGGZDFMZTWQ2LK"))))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "code: status 401: Authentication failed, please retry later."
    assert not server.levels, "the session of the first factor is ended"


@pytest.mark.parametrize("path", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {"status": "KO", "message": "Operation failed."}), Reason.SIGN_IN_REJECTED),
        ((403, {"status": "KO", "message": "No."}), Reason.SIGN_IN_REJECTED),
        ((500, {"status": "KO"}), Reason.HTTP_STATUS),
        ((500, "500 Internal Server Error"), Reason.HTTP_STATUS),
        ((502, "<html>Bad Gateway</html>"), Reason.HTTP_STATUS),
        ((404, "404 Not Found"), Reason.HTTP_STATUS),
        ((302, ""), Reason.HTTP_STATUS),
        ((401, "<html>Who are you?</html>"), Reason.OWN_CREDENTIALS),
        ((429, {"status": "KO"}), Reason.RATE_LIMITED),
        ((201, {"status": "OK"}), Reason.HTTP_STATUS),
        ((200, "<html>canary</html>"), Reason.PROTOCOL_ERROR),
        ((200, {"status": "UP"}), Reason.OPERAND_MISSING),
        ((200, "[]"), Reason.OPERAND_MISSING),
    ],
)
def test_what_an_answer_is_worth(
    make: Callable[..., Authelia],
    server: Any,
    shown: Callable[..., Any],
    path: str,
    answer: Any,
    reason: Reason,
) -> None:
    server.instead[path] = answer
    reading, _ = sign_in(make())
    assert reading.reason is reason, reading.detail
    assert reading.detail.startswith("password: " if path == FIRST else "code: ")
    assert STATE not in server.paths()
    assert (LOGOUT in server.paths()) is (path == SECOND)
    lamps = shown(ENDPOINT + HEALTH, {"sign-in": reading}).lamps
    assert ("red" in lamps) is (reading.outcome is Outcome.FAIL), "its health page is green"


def test_secrets_follow_no_redirect(
    make: Callable[..., Authelia], server: Any, authelia_portal: Callable[..., Any]
) -> None:
    other = authelia_portal()
    for path in (FIRST, SECOND):
        server.instead = {path: (307, "", {"Location": other.url + path})}
        sign_in(make())
    assert not other.asked


def test_foreign_words_are_masked_then_cut(make: Callable[..., Authelia], server: Any) -> None:
    words = "834211 \x1b[31m " + "x" * 94 + PASSWORD
    server.instead[FIRST] = (401, {"status": "KO", "message": words})
    reading, _ = sign_in(make())
    assert reading.detail.startswith("password: status 401: *** [31m xxx")
    assert reading.detail.endswith("x***")


# --- what it came to ----------------------------------------------------------------------


def test_both_factors_and_still_not_in(
    make: Callable[..., Authelia], server: Any, shown: Callable[..., Any]
) -> None:
    server.reached = 1
    reading, _ = sign_in(make())
    assert reading.reason is Reason.SIGN_IN_UNFINISHED
    assert reading.detail == "state: both factors were accepted, and the session has level 1"
    assert shown(ENDPOINT, {"sign-in": reading}).lamps == RED


def test_a_session_that_is_not_kept(make: Callable[..., Authelia], server: Any) -> None:
    """An address that is not the portal's own: the cookie is for another."""
    cookie = "authelia_session=canary; Domain=example.com; Secure"
    truth = server.answer

    def answer(*asked: Any) -> Any:
        status, body, headers = truth(*asked)
        return status, body, {**headers, **({"Set-Cookie": cookie} if headers else {})}

    server.answer = answer
    reading, _ = sign_in(make())
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail.startswith("code: ")


@pytest.mark.parametrize("data", [None, {}, {"authentication_level": "2"}, []])
def test_a_state_that_does_not_say(make: Callable[..., Authelia], server: Any, data: Any) -> None:
    server.instead[STATE] = (200, {"status": "OK", "data": data})
    reading, _ = sign_in(make())
    assert reading.reason is Reason.OPERAND_MISSING
    assert reading.detail == "state: no `authentication_level`"
    assert not server.levels


@pytest.mark.parametrize("answer", [(200, {"status": "KO"}), (500, {"status": "OK"}), (502, "")])
def test_signed_in_but_not_out_is_a_warning(
    make: Callable[..., Authelia], server: Any, shown: Callable[..., Any], answer: Any
) -> None:
    server.instead[LOGOUT] = answer
    reading, _ = sign_in(make())
    assert reading.reason is Reason.PREFERENCE_UNMET
    assert reading.detail.startswith("signed in, but not out: logout: status ")
    assert shown(ENDPOINT, {"sign-in": reading}).lamps == {"amber": "fast"}


def test_what_went_wrong_before_is_told_rather(make: Callable[..., Authelia], server: Any) -> None:
    server.instead[LOGOUT] = (502, "")
    server.instead[STATE] = (503, "")
    reading, _ = sign_in(make())
    assert reading.reason is Reason.HTTP_STATUS
    assert reading.detail.startswith("state: status 503")


# --- hanging, TLS, time ---------------------------------------------------------------------


@pytest.mark.parametrize("path", [FIRST, SECOND, STATE, LOGOUT])
def test_a_portal_that_hangs(
    make: Callable[..., Authelia],
    server: Any,
    observed: Callable[..., Reading],
    shown: Callable[..., Any],
    path: str,
) -> None:
    server.instead[path] = threading.Event()
    reading = observed(make(), 0.7)
    assert reading.reason is Reason.DEADLINE
    after = shown(ENDPOINT + HEALTH, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.parametrize("path", [SECOND, STATE])
def test_it_signs_out_after_the_deadline_too(
    make: Callable[..., Authelia], server: Any, observed: Callable[..., Reading], path: str
) -> None:
    server.instead[path] = threading.Event()
    assert observed(make(), 0.7).reason is Reason.DEADLINE
    assert server.paths()[-2:] == [path, LOGOUT]
    assert not server.levels, "no session is left"


@pytest.mark.parametrize(
    ("days", "reason"), [(-3, Reason.TLS_EXPIRED), (30, Reason.OK)], ids=["expired", "sound"]
)
def test_the_certificate(
    make: Callable[..., Authelia],
    authelia_portal: Callable[..., Any],
    issue: Callable[..., Any],
    authority: Any,
    ca_file: str,
    shown: Callable[..., Any],
    days: float,
    reason: Reason,
) -> None:
    server = authelia_portal(issue(authority, "127.0.0.1", since=-60, until=days))
    reading, _ = sign_in(make(url=Url(server.url), tls=TlsPolicy(ca=ca_file)))
    assert reading.reason is reason
    if reason is not Reason.OK:
        after = shown(ENDPOINT, {"sign-in": reading})
        assert (after.verdict, after.cause) == ("outage", "tls")


def steps_off(clock: SystemClock) -> int:
    return abs(int(clock.utc().timestamp() // 30) - int(time.time() // 30))


@pytest.mark.parametrize("ahead", [20, 45, 300, -20, -45, -300])
def test_a_wrong_clock_of_our_own(
    make: Callable[..., Authelia], shown: Callable[..., Any], ahead: float
) -> None:
    clock = Skewed(ahead)
    before = steps_off(clock)
    reading, _ = sign_in(make(), clock=clock)
    # One step of error is let pass: a small one cannot be seen. At its edge either will do.
    possible = {before, steps_off(clock)}
    right = {Reason.OK if off <= 1 else Reason.SIGN_IN_REJECTED for off in possible}
    assert reading.reason in right
    rejected = Reading(Reason.SIGN_IN_REJECTED, "code: status 401")
    known = shown(ENDPOINT + CLOCK, {"sign-in": rejected, "clock": Reading(Reason.OWN_CLOCK)})
    assert (known.verdict, known.lamps) == ("blind", {"white": "steady"})


def test_two_runs_in_one_step_are_one_code(make: Callable[..., Authelia], server: Any) -> None:
    class Still(SystemClock):
        """The calendar stands in the middle of a step, for the server too."""

        def utc(self) -> datetime:
            return moment

    probe, moment = make(), SystemClock().utc().replace(second=10)
    server.ahead = moment.timestamp() - time.time()
    assert sign_in(probe, clock=Still())[0].reason is Reason.OK
    assert probe.wait(moment.timestamp()) > 20, "the schedule waits for the next step"
    reading, _ = sign_in(probe, clock=Still())
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert len(server.codes) == 1
    assert not server.levels, "the session of the first factor is ended"


# --- settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"code": OneTimeCode(hotp=Secret(SEED))}, ("code",)),
        ({"tls": TlsPolicy(certificate="/etc/hostname")}, ("tls",)),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], path: tuple[str, ...]) -> None:
    settings: dict[str, Any] = {
        "url": Url("https://auth.example.com"),
        "username": "probe",
        "password": Secret(PASSWORD),
        "code": OneTimeCode(totp=Secret(SEED)),
    }
    assert Authelia(**settings).clock_bound
    assert [fault.path[:1] for fault in Authelia(**settings | given).faults()] == [path]
