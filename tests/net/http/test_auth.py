"""Who we are: headers, and tokens that are fetched within the run."""

import base64
import json
import re
from urllib.parse import parse_qs

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.net.http.auth import Auth, Basic, Bearer, OAuth2, client_request, lasting, token_of
from beacon.net.http.client import Answer
from beacon.net.http.route import Route
from beacon.net.probe_failure import ProbeFailure
from tests.probe_memories import MEMORIES


def answered(status, document):
    body = json.dumps(document) if not isinstance(document, str) else document
    head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class TokenServer:
    def __init__(self, raw_server):
        self.lasts = 3600
        self.server = raw_server(self._answer)
        self.given = 0

    def _answer(self, peer, head):
        self.given += 1
        document = {"access_token": f"token-{self.given}", "expires_in": self.lasts}
        peer.sendall(answered(200, document))


@pytest.fixture
def tokens(raw_server):
    return TokenServer(raw_server)


def oauth(url, **more):
    secret = Secret("s:e cret")
    return Auth(oauth2=OAuth2(token_url=Url(url), client_id="probe", client_secret=secret, **more))


def proof(auth, clock):
    return auth.authorization(Run(clock, 5.0, memory=MEMORIES.of(auth)), Route())


def test_basic_and_bearer_are_headers(clock):
    basic = Auth(basic=Basic(username="probe", password=Secret("pä:ss")))
    encoded = proof(basic, clock).removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "probe:pä:ss"
    assert proof(Auth(bearer=Bearer(token=Secret("abc"))), clock) == "Bearer abc"
    assert proof(Auth(), clock) == ""


def test_a_token_is_kept_until_shortly_before_its_end(tokens, clock):
    auth = oauth(tokens.server.url)
    assert proof(auth, clock) == "Bearer token-1"
    clock.advance(3569)
    assert proof(auth, clock) == "Bearer token-1"
    clock.advance(2)
    assert proof(auth, clock) == "Bearer token-2"


def test_a_token_without_an_end_is_used_once(tokens, clock):
    tokens.lasts = None
    auth = oauth(tokens.server.url)
    assert [proof(auth, clock), proof(auth, clock)] == ["Bearer token-1", "Bearer token-2"]


def test_a_refused_token_is_forgotten(tokens, clock):
    auth = oauth(tokens.server.url)
    proof(auth, clock)
    auth.refused(Run(clock, 5.0, memory=MEMORIES.of(auth)))
    assert proof(auth, clock) == "Bearer token-2"
    Auth(bearer=Bearer(token=Secret("abc"))).refused(Run(clock, 5.0))


def test_asks_by_the_rfc(raw_server, clock):
    bodies = []

    def script(peer, head):
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        body = head.partition(b"\r\n\r\n")[2]
        while len(body) < length:
            body += peer.recv(65536)
        bodies.append(body)
        peer.sendall(answered(200, {"access_token": "a"}))

    server = raw_server(script)
    proof(oauth(server.url, scope="read all", audience="api"), clock)
    assert bodies == [b"grant_type=client_credentials&scope=read+all&audience=api"]
    head = server.heads[0].decode()
    assert head.startswith("POST / HTTP/1.1\r\n")
    encoded = re.search("Authorization: Basic (.*)\r\n", head)[1]
    assert base64.b64decode(encoded) == b"probe:s%3Ae+cret"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, "", Reason.OWN_CREDENTIALS),
        (401, {"error": "invalid_client"}, Reason.OWN_CREDENTIALS),
        (400, {"error": "invalid_client"}, Reason.OWN_CREDENTIALS),
        (400, {"error": "invalid_scope"}, Reason.OWN_CREDENTIALS),
        (400, {"error": "temporarily_unavailable"}, Reason.HTTP_STATUS),
        (400, ["what"], Reason.HTTP_STATUS),
        (403, "<html>", Reason.HTTP_STATUS),
        (429, "", Reason.RATE_LIMITED),
        (503, "", Reason.HTTP_STATUS),
        (302, "", Reason.HTTP_STATUS),
        (200, "<html>", Reason.PROTOCOL_ERROR),
        (200, [], Reason.PROTOCOL_ERROR),
        (200, {}, Reason.PROTOCOL_ERROR),
        (200, {"access_token": 5}, Reason.PROTOCOL_ERROR),
        (200, {"access_token": ""}, Reason.PROTOCOL_ERROR),
    ],
)
def test_a_token_that_cannot_be_had_has_its_reason(status, body, reason):
    sent = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(ProbeFailure) as caught:
        token_of(Answer(status=status, body=sent.encode()))
    assert caught.value.reading.reason is reason
    assert "no token: " in caught.value.reading.detail


def test_nothing_of_a_foreign_answer_is_quoted():
    body = b'{"error": "canary", "error_description": "canary"}'
    with pytest.raises(ProbeFailure) as caught:
        token_of(Answer(status=401, body=body))
    assert "canary" not in caught.value.reading.detail


def test_secrets_do_not_show():
    assert "s:e" not in repr(oauth("http://example.com/"))


def test_exactly_one_way_is_allowed():
    both = Auth(bearer=Bearer(token=Secret("a")), basic=Basic(username="u", password=Secret("p")))
    assert [flaw[1] for flaw in both.flaws()] == ["not exactly one way to sign in"]
    assert not list(oauth("http://example.com/").flaws())


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (3599, 3599.0),
        ("3599", 3599.0),
        (" 3599 ", 3599.0),
        ("3599.0", 3599.0),
        (3599.5, 3599.5),
        ("0", 0.0),
        (None, 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-1", 0.0),
        (-1, 0.0),
        ("²", 0.0),
        ("٣٦٠٠", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1" * 5000, 86400.0),
        (10**400, 86400.0),
        (1e300, 86400.0),
        (True, 0.0),
        ([3599], 0.0),
        ({"s": 1}, 0.0),
    ],
)
def test_how_long_a_token_lasts(written, seconds):
    assert lasting(written) == seconds


@pytest.mark.parametrize(
    ("how", "header", "form"),
    [
        ("basic", "probe:a+b", {}),
        ("basic_raw", "probe:a b", {}),
        ("post", None, {"client_id": ["probe"], "client_secret": ["a b"]}),
    ],
)
def test_a_client_shows_its_secret_in_one_of_three_ways(how, header, form):
    request = client_request("https://id.example/", "probe", Secret("a b"), {}, how)
    sent = request.headers.get("Authorization")
    expected = None if header is None else "Basic " + base64.b64encode(header.encode()).decode()
    assert sent == expected
    assert parse_qs(request.body.decode()) == form
