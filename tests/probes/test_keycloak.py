"""`keycloak` against a provider as it is documented, broken on purpose; and against Canaille."""

import base64
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
from beacon.engine.redaction import quoted
from beacon.engine.run import DeadlinePassed, Run
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.keycloak import Keycloak
from tests.probe_memories import MEMORIES
from tests.probes.conformance import WELL_KNOWN, Conformance

CONFORMANCE = Conformance(
    """
    type: keycloak
    issuer: {url}
    client_id: beacon
    client_secret: !secret canary
    username: probe
    password: !secret canary
    code: {totp: !secret seed}
    """,
    honest={"GET /.well-known/openid-configuration ": WELL_KNOWN},
)


SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "canary p&ss/wörd"
ENDPOINT = f"""
- name: sign-in
  type: keycloak
  issuer: https://sso.example.com/realms/staff
  client_id: beacon
  username: probe
  password: canary
  code: {{totp: {SEED}}}
"""
DISCOVERY = """
- {name: discovery, type: openid, issuer: "https://sso.example.com/realms/staff"}
"""
CLOCK = """
- {name: clock, type: ntp, servers: [127.0.0.1]}
"""
RED = {"red": "fast"}
RED_AND_STOPPED = {"red": "fast", "blue": "steady"}


@dataclass
class Skewed(SystemClock):
    """A clock that is ahead, by the calendar and by the stop-watch, by so many seconds."""

    ahead: float = 0.0
    later: float = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.later


@pytest.fixture
def provider(openid_provider: Callable[..., Any]) -> Any:
    return openid_provider()


@pytest.fixture
def make(provider: Any) -> Callable[..., Keycloak]:
    """The probe of an endpoint that is configured rightly, but for what is given."""

    def build(**given: Any) -> Keycloak:
        settings: dict[str, Any] = {
            "issuer": Url(provider.url),
            "client_id": "beacon",
            "client_secret": Secret("canary-client"),
            "username": "probe",
            "password": Secret(PASSWORD),
            "code": OneTimeCode(totp=Secret(SEED)),
        }
        probe = Keycloak(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


def sign_in(
    probe: Keycloak, budget: float = 60.0, clock: SystemClock | None = None
) -> tuple[Reading, str]:
    """One run; the reading, and what `-v` would show. Neither tells a secret."""
    run = Run(clock or SystemClock(), budget, memory=MEMORIES.of(probe))
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    told = "\n".join(run.notes)
    said = reading.detail + told + repr(probe)
    assert "canary" not in said
    assert SEED not in said
    assert Token.parse(SEED).code(time.time()) not in said
    assert "eyJ" not in said, "no token"
    return reading, told


# --- sound --------------------------------------------------------------------------------


def test_signs_in_and_out_again(
    make: Callable[..., Keycloak], provider: Any, shown: Callable[..., Any]
) -> None:
    reading, told = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    assert [name for name, _ in reading.phases] == ["discovery", "token", "keys", "logout"]
    assert provider.paths() == [
        provider.WELL_KNOWN,
        provider.TOKEN,
        provider.KEYS,
        provider.REVOKE,
    ]
    _, headers, form = provider.asked[1]
    assert form.pop("otp") == form.pop("totp") == provider.codes[0]
    assert form == {
        "grant_type": "password",
        "username": "probe",
        "password": PASSWORD,
        "scope": "openid",
    }
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"beacon:canary-client"
    assert not provider.sessions, "no session is left behind"
    assert "step token" in told
    assert shown(ENDPOINT, {"sign-in": reading}).lamps == {"green": "steady"}


def test_a_client_without_a_secret_gives_its_name(
    make: Callable[..., Keycloak], provider: Any
) -> None:
    assert sign_in(make(client_secret=None))[0].reason is Reason.OK
    for _, headers, form in (provider.asked[1], provider.asked[3]):
        assert form["client_id"] == "beacon"
        assert "Authorization" not in headers


def test_a_sign_in_without_the_code_would_not_do(make: Callable[..., Keycloak]) -> None:
    other = OneTimeCode(totp=Secret("MFRGGZDFMZTWQ2LK"))
    assert sign_in(make(code=other))[0].reason is Reason.SIGN_IN_REJECTED


# --- no -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "at"),
    [({"password": Secret("canary-other")}, 0.0), ({}, 300.0)],
    ids=["password", "the server's clock"],
)
def test_a_rejection_is_an_outage_if_it_ever_worked_else_ours(
    make: Callable[..., Keycloak],
    provider: Any,
    shown: Callable[..., Any],
    wrong: dict[str, Any],
    at: float,
) -> None:
    provider.ahead = at
    reading, _ = sign_in(make(**wrong))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    told = "token: status 401: invalid_grant: Invalid user credentials"
    assert reading.detail == told, "the same for a wrong password and a wrong code"
    after = shown(ENDPOINT, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED_AND_STOPPED)
    never = shown(ENDPOINT, {"sign-in": reading}, proven=False)
    assert (never.verdict, never.lamps) == ("blind", {"white": "steady", "blue": "steady"})


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "Account is not fully set up"},
            Reason.SIGN_IN_REJECTED,
        ),
        (400, {"error": "invalid_request"}, Reason.SIGN_IN_REJECTED),  # Canaille, wrong password
        (403, {"error": "access_denied"}, Reason.SIGN_IN_REJECTED),  # Keycloak, realm not enabled
        (401, {"error": "invalid_client"}, Reason.OWN_CREDENTIALS),
        (401, {"error": "unauthorized_client"}, Reason.OWN_CREDENTIALS),
        (400, {"error": "unsupported_grant_type"}, Reason.OWN_CREDENTIALS),
        (400, {"error": "invalid_scope"}, Reason.OWN_CREDENTIALS),
        (403, {"error": "mfa_required"}, Reason.SIGN_IN_UNFINISHED),
        (400, {"error": "interaction_required"}, Reason.SIGN_IN_UNFINISHED),
        (400, {"error": "temporarily_unavailable"}, Reason.HTTP_STATUS),
        (503, {"error": "temporarily_unavailable"}, Reason.HTTP_STATUS),
        (500, {"error": "unknown_error"}, Reason.HTTP_STATUS),
        (502, "<html>Bad Gateway</html>", Reason.HTTP_STATUS),
        (404, {"error": "Realm does not exist"}, Reason.HTTP_STATUS),
        (403, {"error": "Forbidden"}, Reason.HTTP_STATUS),
        (403, ["forbidden"], Reason.HTTP_STATUS),
        (400, {"error": 7}, Reason.HTTP_STATUS),
        (401, "<html>Who are you?</html>", Reason.OWN_CREDENTIALS),
        (429, {"error": "slow_down"}, Reason.RATE_LIMITED),
        (302, "", Reason.HTTP_STATUS),
        (204, "", Reason.HTTP_STATUS),
        (200, {"token_type": "Bearer"}, Reason.PROTOCOL_ERROR),
        (200, "canary-accepted", Reason.PROTOCOL_ERROR),
    ],
)
def test_what_an_answer_is_worth(
    make: Callable[..., Keycloak],
    provider: Any,
    status: int,
    body: Any,
    reason: Reason,
    shown: Callable[..., Any],
) -> None:
    provider.instead[provider.TOKEN] = (status, body)
    reading, _ = sign_in(make())
    assert reading.reason is reason, reading.detail
    assert reading.detail.startswith("token: ")
    assert provider.paths()[-1] == provider.TOKEN, "nothing is asked with a token that is none"
    if reading.outcome is Outcome.FAIL and reason is not Reason.SIGN_IN_REJECTED:
        assert shown(ENDPOINT, {"sign-in": reading}).lamps == RED
    elif reading.outcome is Outcome.ERROR:
        assert "red" not in shown(ENDPOINT, {"sign-in": reading}).lamps


def test_foreign_words_are_masked_then_cut(make: Callable[..., Keycloak], provider: Any) -> None:
    words = "834211 \x1b[31m " + "x" * 94 + PASSWORD
    provider.instead[provider.TOKEN] = (
        400,
        {"error": "invalid_grant", "error_description": words},
    )
    reading, _ = sign_in(make())
    assert reading.detail.startswith("token: status 400: invalid_grant: *** [31m xxx")
    assert reading.detail.endswith("x***"), "a password is not shown where the line is cut"


# --- the keys -----------------------------------------------------------------------------


def test_the_key_that_signs_is_not_offered(
    make: Callable[..., Keycloak], provider: Any, shown: Callable[..., Any], jwk: Any
) -> None:
    """Azure AD, 15 March 2021: who is there is known, and no application believes it."""
    probe = make()
    provider.keys = [jwk("two")]
    reading, _ = sign_in(probe)
    assert reading.reason is Reason.SIGN_IN_UNFINISHED
    text = "keys: the key that signed the token is not offered: applications reject it"
    assert reading.detail == text
    assert not provider.sessions, "signed out all the same"
    after = shown(ENDPOINT + DISCOVERY, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


def test_an_orderly_change_of_keys_passes(
    make: Callable[..., Keycloak], provider: Any, jwk: Any, eventually: Callable[..., None]
) -> None:
    probe, clock = make(), Skewed()
    for keys, signer in (
        (["one", "two"], "one"),
        (["one", "two"], "two"),
        (["two"], "two"),
    ):
        provider.keys = [jwk(name) for name in keys]
        provider.signer["kid"] = signer
        reading, _ = sign_in(probe, clock=clock)
        assert reading.reason is Reason.OK, reading.detail
        clock.ahead = provider.ahead = clock.ahead + 60  # a step of its own for every run
        clock.later += 400  # and the tokens of the one before are over


@pytest.mark.parametrize(("lasts", "over"), [(300, 300), (864000, 3600)])
def test_a_key_that_goes_before_its_tokens(
    make: Callable[..., Keycloak], provider: Any, jwk: Any, lasts: int, over: float
) -> None:
    """Who has signed in is thrown out, while whoever signs in now is not."""
    probe, clock = make(), Skewed()
    provider.lasts = lasts
    assert sign_in(probe, clock=clock)[0].reason is Reason.OK
    provider.keys, provider.signer["kid"] = [jwk("two")], "two"
    provider.lasts = 0
    for later, reason in ((60, Reason.EXPECTATION_FAILED), (over + 5, Reason.OK)):
        clock.ahead = provider.ahead = later + 30
        clock.later = later
        reading, _ = sign_in(probe, clock=clock)
        assert reading.reason is reason, reading.detail
        if reason is not Reason.OK:
            assert reading.detail.endswith("s more is no longer offered")


def test_a_key_that_becomes_another_under_its_name(
    make: Callable[..., Keycloak], provider: Any, jwk: Any
) -> None:
    probe, clock = make(), Skewed()
    sign_in(probe, clock=clock)
    provider.keys = [jwk("one", n="b3RoZXI")]
    clock.ahead = provider.ahead = 60
    reading, _ = sign_in(probe, clock=clock)
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert reading.detail.endswith("s more was replaced under the same name")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, Reason.SIGN_IN_UNFINISHED),
        ({"kid": None}, Reason.OK),
        ({"alg": "HS256", "kid": "ours alone"}, Reason.OK),
        ({"kid": "for encryption"}, Reason.SIGN_IN_UNFINISHED),
    ],
)
def test_what_a_token_says_of_its_key(
    make: Callable[..., Keycloak], provider: Any, header: dict[str, Any], reason: Reason
) -> None:
    provider.signer |= header
    assert sign_in(make())[0].reason is reason


def test_tokens_nobody_can_read_name_no_key(make: Callable[..., Keycloak], provider: Any) -> None:
    provider.issued = {"access_token": "canary-opaque", "id_token": 7}
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted; its tokens name no key")


# --- log out ------------------------------------------------------------------------------


def test_signed_in_but_not_out_is_a_warning(
    make: Callable[..., Keycloak], provider: Any, shown: Callable[..., Any], jwk: Any
) -> None:
    provider.instead[provider.REVOKE] = (500, "")
    reading, _ = sign_in(make())
    assert reading.reason is Reason.PREFERENCE_UNMET
    assert reading.detail == "signed in, but not out: logout: status 500"
    assert shown(ENDPOINT, {"sign-in": reading}).lamps == {"amber": "fast"}


def test_what_went_wrong_before_is_told_rather(
    make: Callable[..., Keycloak], provider: Any, jwk: Any
) -> None:
    provider.instead[provider.REVOKE] = (500, "")
    provider.instead[provider.KEYS] = (500, "")
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.HTTP_STATUS, "keys: status 500")


@pytest.mark.parametrize("lacking", ["endpoint", "token", "host"])
def test_where_there_is_nothing_to_revoke(
    make: Callable[..., Keycloak], provider: Any, lacking: str
) -> None:
    if lacking == "endpoint":
        del provider.document["revocation_endpoint"]
    elif lacking == "token":
        provider.issued = {"refresh_token": None}
    else:
        provider.document["revocation_endpoint"] = "http://127.0.0.1:9/revoke"
    reading, told = sign_in(make())
    assert reading.reason is Reason.OK
    assert "no logout" in told
    assert provider.REVOKE not in provider.paths()


# --- discovery ----------------------------------------------------------------------------


def test_secrets_go_where_they_were_told_to_go(
    make: Callable[..., Keycloak], provider: Any, openid_provider: Callable[..., Any]
) -> None:
    other = openid_provider()
    provider.document["token_endpoint"] = other.url + other.TOKEN
    reading, _ = sign_in(make())
    assert (reading.outcome, reading.reason) == (Outcome.ERROR, Reason.OWN_CREDENTIALS)
    assert f"is at {other.url.rstrip('/')}: set `token_url`" in reading.detail
    assert not other.asked
    reading, told = sign_in(make(token_url=Url(other.url + other.TOKEN)))
    assert reading.reason is Reason.OK
    assert "no logout" in told, "nor what it gave us"


def test_secrets_follow_no_redirect(
    make: Callable[..., Keycloak], provider: Any, openid_provider: Callable[..., Any]
) -> None:
    other, clock = openid_provider(), Skewed()
    for path in (provider.TOKEN, provider.REVOKE):
        provider.instead = {path: (307, "", {"Location": other.url + path})}
        sign_in(make(), clock=clock)
        clock.ahead = provider.ahead = 60
        assert provider.paths()[-1] == path
    assert not other.asked


def test_tokens_are_hidden(make: Callable[..., Keycloak], provider: Any) -> None:
    run = Run(SystemClock(), 60.0, memory=MEMORIES.new())
    run.take(make())
    refresh = provider.asked[-1][2]["token"]
    for token in (refresh, provider.jwt(typ="JWT"), provider.jwt(typ="ID")):
        run.note(f"it is {quoted(token)}")
        assert run.notes[-1].endswith("it is ***")


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"issuer": "https://other.example.com"}, Reason.EXPECTATION_FAILED, "compare it"),
        ({"issuer": None}, Reason.OPERAND_MISSING, "`issuer`"),
        (
            {"token_endpoint": None},
            Reason.OPERAND_MISSING,
            "`token_endpoint` is not a valid address",
        ),
        ({"jwks_uri": 7}, Reason.OPERAND_MISSING, "`jwks_uri` is not a valid address"),
        ({"revocation_endpoint": ""}, Reason.OPERAND_MISSING, "`revocation_endpoint`"),
    ],
)
def test_a_discovery_no_application_could_use(
    make: Callable[..., Keycloak],
    provider: Any,
    change: dict[str, Any],
    reason: Reason,
    detail: str,
) -> None:
    provider.document |= change
    reading, _ = sign_in(make())
    assert reading.reason is reason
    assert reading.detail.startswith("discovery: ")
    assert detail in reading.detail
    assert not provider.codes, "nothing secret was sent"


def test_the_slash_at_the_end_counts(make: Callable[..., Keycloak], provider: Any) -> None:
    reading, _ = sign_in(make(issuer=Url(provider.url + "/")))
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert reading.detail.endswith(": only the slash at its end differs")


# --- TLS, time ----------------------------------------------------------------------------


def test_nothing_that_matters_goes_unencrypted(
    make: Callable[..., Keycloak],
    openid_provider: Callable[..., Any],
    issue: Callable[..., Any],
    authority: Any,
    ca_file: str,
) -> None:
    server = openid_provider(issue(authority, "127.0.0.1"))
    server.document["jwks_uri"] = "http://127.0.0.1:9/keys"
    reading, _ = sign_in(make(issuer=Url(server.url), tls=TlsPolicy(ca=ca_file)))
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert reading.detail == "discovery: `jwks_uri` is not https"


def steps_off(clock: SystemClock) -> int:
    return abs(int(clock.utc().timestamp() // 30) - int(time.time() // 30))


@pytest.mark.parametrize("ahead", [20, 45, 300, -20, -45, -300])
def test_a_wrong_clock_of_our_own(
    make: Callable[..., Keycloak], shown: Callable[..., Any], ahead: float
) -> None:
    clock = Skewed(ahead)
    before = steps_off(clock)
    reading, _ = sign_in(make(), clock=clock)
    # One step of error is let pass: a small one cannot be seen. At its edge either will do.
    possible = {before, steps_off(clock)}
    right = {Reason.OK if off <= 1 else Reason.SIGN_IN_REJECTED for off in possible}
    assert reading.reason in right
    rejected = Reading(Reason.SIGN_IN_REJECTED, "token: status 401")
    known = shown(ENDPOINT + CLOCK, {"sign-in": rejected, "clock": Reading(Reason.OWN_CLOCK)})
    assert (known.verdict, known.lamps) == ("blind", {"white": "steady"})


def test_two_runs_in_one_step_are_one_sign_in(make: Callable[..., Keycloak], provider: Any) -> None:
    class Still(SystemClock):
        """The calendar stands in the middle of a step, for the server too."""

        def utc(self) -> datetime:
            return moment

    probe, moment = make(), SystemClock().utc().replace(second=10)
    provider.ahead = moment.timestamp() - time.time()
    assert sign_in(probe, clock=Still())[0].reason is Reason.OK
    waits = probe.wait(moment.timestamp(), MEMORIES.of(probe))
    assert waits > 20, "the schedule waits for the next step"
    reading, _ = sign_in(probe, clock=Still())
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert len(provider.codes) == 1


# --- hanging, and counted codes -------------------------------------------------------------


@pytest.mark.parametrize("step", ["WELL_KNOWN", "TOKEN", "KEYS", "REVOKE"])
def test_a_provider_that_hangs(
    make: Callable[..., Keycloak],
    provider: Any,
    observed: Callable[..., Reading],
    shown: Callable[..., Any],
    step: str,
) -> None:
    provider.instead[getattr(provider, step)] = threading.Event()
    reading = observed(make(), 1.0)
    assert reading.reason is Reason.DEADLINE
    after = shown(ENDPOINT, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


def test_it_signs_out_after_the_deadline_too(
    make: Callable[..., Keycloak], provider: Any, observed: Callable[..., Reading]
) -> None:
    provider.instead[provider.KEYS] = threading.Event()
    assert observed(make(), 1.0).reason is Reason.DEADLINE
    assert provider.paths()[-2:] == [provider.KEYS, provider.REVOKE]
    assert not provider.sessions, "no session is left"


@pytest.mark.parametrize(
    ("instead", "judged"),
    [
        ((401, {"error": "invalid_grant"}), True),
        ((403, {"error": "mfa_required"}), True),
        ((401, {"error": "invalid_client"}), False),
        ((503, ""), False),
        ((429, ""), False),
        (threading.Event(), False),
    ],
    ids=["rejected", "more", "our client", "down", "busy", "hangs"],
)
def test_a_counted_code_that_nobody_judged_is_the_next_again(
    make: Callable[..., Keycloak],
    provider: Any,
    observed: Callable[..., Reading],
    instead: Any,
    judged: bool,
) -> None:
    probe = make(code=OneTimeCode(hotp=Secret(SEED)))
    provider.instead[provider.TOKEN] = instead
    observed(probe, 0.5)
    del provider.instead[provider.TOKEN]
    observed(probe)
    first, second = (form["otp"] for path, _, form in provider.asked if path == provider.TOKEN)
    assert (first != second) is judged


# --- settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"issuer": Url("https://sso.example.com/?realm=staff")}, ("issuer",)),
        ({"issuer": Url("https://sso.example.com/#staff")}, ("issuer",)),
        ({"tls": TlsPolicy(certificate="/etc/hostname")}, ("tls",)),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], path: tuple[str, ...]) -> None:
    settings: dict[str, Any] = {
        "issuer": Url("https://sso.example.com"),
        "client_id": "beacon",
        "username": "probe",
        "password": Secret(PASSWORD),
        "code": OneTimeCode(totp=Secret(SEED)),
    }
    assert not list(Keycloak(**settings).faults())
    assert [fault.path[:1] for fault in Keycloak(**settings | given).faults()] == [path]


# --- a real one ---------------------------------------------------------------------------


@pytest.mark.integration
def test_canaille(
    make: Callable[..., Keycloak], canaille_openid: Any, shown: Callable[..., Any]
) -> None:
    """Its grant asks for no code, but its tokens are signed, and its errors are its own."""
    clock = Skewed()
    probe = make(issuer=Url(canaille_openid.issuer))
    reading, _ = sign_in(probe, clock=clock)
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    assert [name for name, _ in reading.phases] == ["discovery", "token", "keys", "logout"]

    other = make(issuer=Url(canaille_openid.issuer), password=Secret("canary-other"))
    clock.ahead = 60
    reading, _ = sign_in(other, clock=clock)
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert "status 400: invalid_request" in reading.detail

    stranger = make(issuer=Url(canaille_openid.issuer), client_secret=Secret("canary-none"))
    clock.ahead = 120
    assert sign_in(stranger, clock=clock)[0].reason is Reason.OWN_CREDENTIALS

    canaille_openid.stop()
    canaille_openid.start()  # with another key, while the token of the first run is valid
    clock.ahead = 180
    reading, _ = sign_in(probe, clock=clock)
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert reading.detail.endswith("is no longer offered")

    canaille_openid.lose_its_database()
    clock.ahead = 240
    reading, _ = sign_in(probe, clock=clock)
    assert reading.reason is Reason.HTTP_STATUS
    assert reading.detail == "token: status 500: internal_server_error", "not its SQL"
    after = shown(ENDPOINT + DISCOVERY, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED), "discovery is as green as ever"
