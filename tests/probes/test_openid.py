"""`openid` against a provider as it is documented, broken on purpose; and against Canaille."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reason
from beacon.probes.openid import OpenId
from tests.probes.conformance import WELL_KNOWN, Conformance
from tests.probes.runs import sign_in

CONFORMANCE = Conformance(
    """
    type: openid
    issuer: {url}
    client_id: beacon
    client_secret: !secret canary
    """,
    honest={"GET /.well-known/openid-configuration ": WELL_KNOWN},
)


DISCOVERY = """
- {name: discovery, type: openid, issuer: "https://sso.example.com"}
"""
Make = Callable[..., OpenId]
CLIENT = {"client_id": "beacon", "client_secret": Secret("canary-client")}


@pytest.fixture
def provider(openid_provider: Callable[..., Any]) -> Any:
    return openid_provider()


@pytest.fixture
def make(provider: Any) -> Make:
    def build(**given: Any) -> OpenId:
        return OpenId(**{"issuer": Url(provider.url)} | given)

    return build


def test_discovery_and_keys(make: Make, provider: Any) -> None:
    assert not list(make().faults())
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "keys offered: 1")
    assert [name for name, _ in reading.phases] == ["discovery", "keys"]
    assert provider.paths() == [provider.WELL_KNOWN, provider.KEYS]


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        ((404, {"error": "Realm does not exist"}), Reason.HTTP_STATUS, "status 404"),
        ((503, ""), Reason.HTTP_STATUS, "status 503"),
        ((429, ""), Reason.RATE_LIMITED, "status 429"),
        ((200, "<html>Sorry</html>"), Reason.PROTOCOL_ERROR, "the body is not JSON"),
        ((200, "[]"), Reason.PROTOCOL_ERROR, "the body is not a JSON object"),
    ],
)
def test_a_discovery_that_is_none(
    make: Make, provider: Any, answer: Any, reason: Reason, detail: str
) -> None:
    provider.instead[provider.WELL_KNOWN] = answer
    reading, _ = sign_in(make())
    assert reading.reason is reason
    assert reading.detail.startswith(f"discovery: {detail}")


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"issuer": "https://other.example.com"}, Reason.EXPECTATION_FAILED, "compare it"),
        ({"issuer": None}, Reason.OPERAND_MISSING, "`issuer`"),
        ({"token_endpoint": None}, Reason.OPERAND_MISSING, "`token_endpoint` is not a valid addr"),
        ({"jwks_uri": 7}, Reason.OPERAND_MISSING, "`jwks_uri` is not a valid address"),
        ({"revocation_endpoint": ""}, Reason.OPERAND_MISSING, "`revocation_endpoint`"),
    ],
)
def test_a_discovery_no_application_could_use(
    make: Make, provider: Any, change: dict[str, Any], reason: Reason, detail: str
) -> None:
    provider.document |= change
    reading, _ = sign_in(make(**CLIENT))
    assert reading.reason is reason
    assert reading.detail.startswith("discovery: ")
    assert detail in reading.detail
    assert provider.paths() == [provider.WELL_KNOWN], "nothing secret was sent"


def test_the_slash_at_the_end_counts(make: Make, provider: Any) -> None:
    reading, _ = sign_in(make(issuer=Url(provider.url + "/")))
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert reading.detail.endswith(": only the slash at its end differs")


def test_nothing_that_matters_goes_unencrypted(
    make: Make,
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


@pytest.mark.parametrize(
    ("keys", "reason", "detail"),
    [
        ([], Reason.EXPECTATION_FAILED, "no key is for verifying"),
        ([{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}], None, "no key is for verifying"),
        ([{"kty": "of 2040"}, {"kty": []}], None, "no key is for verifying"),
        (["canary"], None, "one of the keys is not an object"),
        ([{"kty": "RSA", "e": "AQAB"}], None, "one of the keys has no valid `n`"),
        ([{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": ""}], None, "no valid `y`"),
        ([{"kty": "OKP", "crv": "Ed25519", "x": "not base64!"}], None, "no valid `x`"),
        ({"one": {}}, Reason.OPERAND_MISSING, "no list of keys"),
        (None, Reason.OPERAND_MISSING, "no list of keys"),
    ],
)
def test_keys_nothing_can_be_verified_with(
    make: Make, provider: Any, keys: Any, reason: Reason | None, detail: str
) -> None:
    provider.keys = keys
    reading, _ = sign_in(make())
    assert reading.reason is (reason or Reason.EXPECTATION_FAILED)
    assert reading.detail.startswith("keys: ")
    assert detail in reading.detail


def test_all_types_of_keys(make: Make, provider: Any) -> None:
    provider.keys = [
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "kid": "ec"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ", "kid": "okp"},
        {"kty": "RSA", "n": "AQ", "e": "AQAB", "kid": 7},
        {"kty": "AKP", "pub": "AQ"},
    ]
    assert sign_in(make())[0].detail == "keys offered: 3"


@pytest.mark.parametrize(
    ("names", "detail"),
    [
        (("one",), None),
        (("one", "two"), "0 that are not configured, 1 missing"),
        (("two",), "1 that are not configured, 1 missing"),
    ],
)
def test_keys_that_change_by_hand_only(
    make: Make, shown: Callable[..., Any], names: tuple[str, ...], detail: str | None
) -> None:
    reading, _ = sign_in(make(keys=names))
    assert reading.reason is (Reason.RECORD_CHANGED if detail else Reason.OK)
    if detail:
        assert reading.detail == f"keys: {detail}"
        assert shown(DISCOVERY, {"discovery": reading}).cause != "dns"


def test_a_key_that_is_added_is_news(make: Make, provider: Any, jwk: Any) -> None:
    provider.keys = [jwk("one"), jwk("two")]
    reading, _ = sign_in(make(keys=("one",)))
    assert (reading.reason, reading.detail) == (
        Reason.OK,
        "keys offered: 2, 1 of them not configured",
    )


def test_where_no_token_is_asked_for_its_endpoint_may_be_anywhere(
    make: Make, provider: Any
) -> None:
    provider.document["token_endpoint"] = "https://tokens.example.com/token"
    assert sign_in(make())[0].reason is Reason.OK


# --- with a client ------------------------------------------------------------------------


def test_a_token_is_asked_for(make: Make, provider: Any) -> None:
    reading, _ = sign_in(make(**CLIENT, scope="health"))
    assert reading.reason is Reason.OK
    assert [name for name, _ in reading.phases] == ["discovery", "token", "keys"]
    _, headers, form = provider.asked[1]
    assert form == {"grant_type": "client_credentials", "scope": "health"}
    assert headers["Authorization"].startswith("Basic ")
    sign_in(make(**CLIENT))
    assert "scope" not in provider.asked[4][2]


SUPPORTED = [
    # what discovery says, what is set → how the secret is shown
    (None, None, "basic"),
    (["client_secret_basic"], None, "basic"),
    (["client_secret_post", "client_secret_basic"], None, "basic"),
    (["client_secret_post"], None, "post"),
    (["private_key_jwt", "client_secret_post"], None, "post"),
    (["private_key_jwt"], None, "basic"),
    ("client_secret_post", None, "basic"),
    ([None, {"a": 1}], None, "basic"),
    (["client_secret_basic"], "post", "post"),
    (["client_secret_post"], "basic", "basic"),
    (None, "basic_raw", "raw"),
]


@pytest.mark.parametrize(("supported", "given", "shown_as"), SUPPORTED)
def test_a_client_shows_its_secret_as_the_provider_wants_it(
    make: Make, provider: Any, supported: Any, given: Any, shown_as: str
) -> None:
    if supported is not None:
        provider.document["token_endpoint_auth_methods_supported"] = supported
    client = {"client_id": "beacon", "client_secret": Secret("a b+ü")}
    assert sign_in(make(**client, client_auth=given))[0].reason is Reason.OK
    _, headers, form = provider.asked[1]
    if shown_as == "post":
        assert (form["client_id"], form["client_secret"]) == ("beacon", "a b+ü")
        assert "Authorization" not in headers
    else:
        pair = "beacon:a b+ü" if shown_as == "raw" else "beacon:a+b%2B%C3%BC"
        assert headers["Authorization"] == "Basic " + base64.b64encode(pair.encode()).decode()
        assert "client_secret" not in form


def test_the_key_that_signs_is_not_offered(make: Make, provider: Any, jwk: Any) -> None:
    """Azure AD, 15 March 2021, without anybody who signs in."""
    provider.keys = [jwk("two")]
    assert sign_in(make())[0].reason is Reason.OK, "the keys alone do not tell"
    reading, _ = sign_in(make(**CLIENT))
    assert reading.reason is Reason.SIGN_IN_UNFINISHED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {"error": "invalid_client"}), Reason.OWN_CREDENTIALS),
        ((401, {"error": "unauthorized_client"}), Reason.OWN_CREDENTIALS),
        ((500, "canary"), Reason.HTTP_STATUS),
        ((302, ""), Reason.HTTP_STATUS),
        ((200, {}), Reason.PROTOCOL_ERROR),
    ],
)
def test_no_token(make: Make, provider: Any, answer: Any, reason: Reason) -> None:
    provider.instead[provider.TOKEN] = answer
    reading, _ = sign_in(make(**CLIENT))
    assert reading.reason is reason
    assert reading.detail.startswith("token: no token: ")


def test_secrets_go_where_the_settings_say(
    make: Make, provider: Any, openid_provider: Callable[..., Any]
) -> None:
    other = openid_provider()
    provider.document["token_endpoint"] = other.url + other.TOKEN
    probe = make(**CLIENT)
    reading, _ = sign_in(probe)
    assert (reading.outcome, reading.reason) == (Outcome.ERROR, Reason.OWN_CREDENTIALS)
    assert f"is at {other.url.rstrip('/')}: set `token_url`" in reading.detail
    provider.document["token_endpoint"] = provider.url + provider.TOKEN
    assert sign_in(probe)[0].reason is Reason.OK
    provider.document["token_endpoint"] = other.url + other.TOKEN
    assert sign_in(probe)[0].reason is Reason.EXPECTATION_FAILED, "once it passed it is a failure"
    assert not other.asked
    assert sign_in(make(**CLIENT, token_url=Url(other.url + other.TOKEN)))[0].reason is Reason.OK
    assert len(other.asked) == 1


# --- settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"issuer": Url("https://sso.example.com/?realm=staff")}, ("issuer",)),
        ({"client_id": "beacon"}, ()),
        ({"client_secret": Secret("canary")}, ()),
        ({"scope": "openid"}, ("scope",)),
        ({"token_url": Url("https://sso.example.com/token")}, ("token_url",)),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], path: tuple[str, ...]) -> None:
    probe = OpenId(**{"issuer": Url("https://sso.example.com")} | given)
    assert [fault.path[:1] for fault in probe.faults()] == [path]


# --- a real one ---------------------------------------------------------------------------


@pytest.mark.integration
def test_canaille(make: Make, canaille_openid: Any) -> None:
    issuer = {"issuer": Url(canaille_openid.issuer)}
    assert sign_in(make(**issuer))[0].detail == "keys offered: 2"
    assert sign_in(make(**issuer, **CLIENT))[0].reason is Reason.OK
    wrong = {**CLIENT, "client_secret": Secret("canary-other")}
    reading, _ = sign_in(make(**issuer, **wrong))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CREDENTIALS, Outcome.ERROR)
    canaille_openid.lose_its_database()
    assert sign_in(make(**issuer))[0].reason is Reason.OK, "it has not even looked"
    assert sign_in(make(**issuer, **CLIENT))[0].reason is Reason.HTTP_STATUS
