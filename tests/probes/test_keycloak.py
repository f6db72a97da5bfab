"""`keycloak` against a provider as it is documented, broken on purpose; and against Canaille."""

import base64
import threading
from collections.abc import Callable
from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.otp.code_setting import OneTimeCode
from beacon.probes.keycloak import Keycloak
from tests.probe_memories import MEMORIES
from tests.probes.conformance import WELL_KNOWN, Conformance
from tests.probes.runs import Skewed, Watched, sign_in
from tests.servers.stand_in import PASSWORD, SEED

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


Make = Callable[..., Keycloak]
DISCOVERY = """
- {name: discovery, type: openid, issuer: "https://sso.example.com"}
- {name: sign-in, type: flow, steps: [{id: page, url: "https://sso.example.com"}]}
"""


@pytest.fixture
def provider(openid_provider: Callable[..., Any]) -> Any:
    return openid_provider()


@pytest.fixture
def make(provider: Any) -> Make:
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
        return Keycloak(**settings | given)

    return build


# --- sound --------------------------------------------------------------------------------


def test_signs_in_and_out_again(make: Make, provider: Any) -> None:
    assert not list(make().faults())
    reading, notes = sign_in(make())
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
    assert "step token" in notes
    assert "eyJ" not in notes, "no token"


def test_a_client_without_a_secret_gives_its_name(make: Make, provider: Any) -> None:
    assert sign_in(make(client_secret=None))[0].reason is Reason.OK
    for _, headers, form in (provider.asked[1], provider.asked[3]):
        assert form["client_id"] == "beacon"
        assert "Authorization" not in headers


def test_a_wrong_code_on_purpose_goes_with_the_right_password(make: Make, provider: Any) -> None:
    run = Run(SystemClock(), 60.0, memory=MEMORIES.new())
    run.wrong_code = True
    assert sign_in(make(), run=run)[0].reason is Reason.SIGN_IN_REJECTED
    _, _, form = next(each for each in provider.asked if each[0] == provider.TOKEN)
    assert (form["password"], len(form["otp"])) == (PASSWORD, 6)
    assert sign_in(make())[0].reason is Reason.OK


# --- no -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": Secret("canary-other")},
        {"code": OneTimeCode(totp=Secret("MFRGGZDFMZTWQ2LK"))},
    ],
    ids=["password", "code"],
)
def test_a_wrong_password_and_a_wrong_code_look_alike(make: Make, wrong: dict[str, Any]) -> None:
    reading, _ = sign_in(make(**wrong))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "token: status 401: invalid_grant: Invalid user credentials"


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
    make: Make, provider: Any, status: int, body: Any, reason: Reason
) -> None:
    provider.instead[provider.TOKEN] = (status, body)
    reading, _ = sign_in(make())
    assert reading.reason is reason, reading.detail
    assert reading.detail.startswith("token: ")
    assert provider.paths()[-1] == provider.TOKEN, "nothing is asked with a token that is none"


# --- the keys -----------------------------------------------------------------------------


def test_the_key_that_signs_is_not_offered(make: Make, provider: Any, jwk: Any) -> None:
    """Azure AD, 15 March 2021: who is there is known, and no application believes it."""
    provider.keys = [jwk("two")]
    reading, _ = sign_in(make())
    assert reading.reason is Reason.SIGN_IN_UNFINISHED
    text = "keys: the key that signed the token is not offered: applications reject it"
    assert reading.detail == text
    assert not provider.sessions, "signed out all the same"


def test_an_orderly_change_of_keys_passes(make: Make, provider: Any, jwk: Any) -> None:
    probe, clock = make(), Skewed()
    for keys, signer in ((["one", "two"], "one"), (["one", "two"], "two"), (["two"], "two")):
        provider.keys = [jwk(name) for name in keys]
        provider.signer["kid"] = signer
        reading, _ = sign_in(probe, clock=clock)
        assert reading.reason is Reason.OK, reading.detail
        clock.ahead = provider.ahead = clock.ahead + 60  # a step of its own for every run
        clock.later += 400  # and the tokens of the one before are over


def test_tokens_nobody_can_read_name_no_key(make: Make, provider: Any) -> None:
    provider.issued = {"access_token": "canary-opaque", "id_token": 7}
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted; its tokens name no key")


# --- log out ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [(500, ""), (307, "", {"Location": "http://127.0.0.1:9/"})], ids=["broken", "led on"]
)
def test_signed_in_but_not_out_is_a_warning(make: Make, provider: Any, answer: Any) -> None:
    provider.instead[provider.REVOKE] = answer
    reading, _ = sign_in(make())
    assert reading.reason is Reason.PREFERENCE_UNMET
    assert reading.detail == f"signed in, but not out: logout: status {answer[0]}"


def test_what_went_wrong_first_is_the_reading(make: Make, provider: Any) -> None:
    provider.instead[provider.REVOKE] = (500, "")
    provider.instead[provider.KEYS] = (500, "")
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.HTTP_STATUS, "keys: status 500")


def test_it_signs_out_after_the_deadline_too(make: Make, provider: Any) -> None:
    hangs = provider.instead[provider.KEYS] = threading.Event()
    run = Watched(60.0, lambda line: line == "step keys" and run.expire())
    reading, _ = sign_in(make(), run=run)
    assert reading.reason is Reason.DEADLINE
    assert provider.paths()[-1] == provider.REVOKE
    assert not provider.sessions, "no session is left"
    hangs.set()


@pytest.mark.parametrize("lacking", ["endpoint", "token", "host"])
def test_where_there_is_nothing_to_revoke(make: Make, provider: Any, lacking: str) -> None:
    if lacking == "endpoint":
        del provider.document["revocation_endpoint"]
    elif lacking == "token":
        provider.issued = {"refresh_token": None}
    else:
        provider.document["revocation_endpoint"] = "http://127.0.0.1:9/revoke"
    reading, notes = sign_in(make())
    assert reading.reason is Reason.OK
    assert "no logout" in notes
    assert provider.REVOKE not in provider.paths()


# --- where secrets go, and what becomes of codes --------------------------------------------


def test_tokens_come_from_where_the_settings_say(
    make: Make, provider: Any, openid_provider: Callable[..., Any]
) -> None:
    other = openid_provider()
    reading, notes = sign_in(make(token_url=Url(other.url + other.TOKEN)))
    assert reading.reason is Reason.OK
    assert other.codes
    assert "no logout" in notes, "what one gave us the other does not get"


def test_an_issuer_has_no_query(make: Make) -> None:
    probe = make(issuer=Url("https://sso.example.com/?realm=staff"))
    assert [fault.path for fault in probe.faults()] == [("issuer",)]


# --- a real one ---------------------------------------------------------------------------


@pytest.mark.integration
def test_canaille(make: Make, canaille_openid: Any, shown: Callable[..., Any]) -> None:
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
    after = shown(DISCOVERY, {"sign-in": reading})
    assert after.lamps == {"red": "fast"}, "discovery is as green as ever"
