"""What goes to another origin with a redirect: bytes in, bytes out."""

import contextlib

import pytest

from beacon.config.fields import SettingRefused
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.redaction import Secrets
from beacon.engine.run import Run
from beacon.net.http.client import Request, exchange
from beacon.net.origin import Origin, origin
from beacon.net.probe_failure import ProbeFailure

clear = Secrets().clear

DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SECRET = b"canary"
HEADERS = {
    "Authorization": "Bearer canary",
    "Cookie": "sid=canary",
    "X-Api-Key": "canary",
    "PRIVATE-TOKEN": "canary",
    "x-csrf": "canary",
    "Host": "canary.example",
}
PUBLIC = {"Accept": "text/html", "Accept-Language": "de", "User-Agent": "me", "If-None-Match": "e"}
STATUSES = (301, 302, 303, 307, 308)


def redirect(to, status=302):
    return f"HTTP/1.1 {status} Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def sent_to(server):
    """All a server was sent: heads, and of bodies what came with them."""
    return b"".join(server.heads)


class Keeper:
    """A script that reads the whole body, keeps it and answers."""

    def __init__(self, answer=DONE):
        self.answer = answer
        self.bodies = []

    def __call__(self, peer, head):
        start, _, body = head.partition(b"\r\n\r\n")
        length = 0
        for line in start.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += peer.recv(65536)
        self.bodies.append(body)
        peer.sendall(self.answer)


@pytest.fixture
def pair(raw_server):
    """Two origins; the first sends everybody to the second."""

    def make(status=302, path=""):
        kept = Keeper()
        other = raw_server(kept)
        return raw_server(Keeper(redirect(other.url + path, status))), other, kept

    return make


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_ours_goes_to_no_other_origin(pair, status, name):
    server, other, _ = pair(status)
    run = Run(SystemClock(), 60.0)
    exchange(run, Request(url=server.url, headers={name: HEADERS[name]}))
    assert SECRET in sent_to(server)
    assert len(other.heads) == 1, "the redirect is followed"
    assert SECRET not in sent_to(other)
    assert f"`follow_to: [{other.url.rstrip('/')}]`" in clear(run.to_allow)


@pytest.mark.parametrize("status", STATUSES)
def test_what_every_browser_says_goes_along(pair, status):
    server, other, _ = pair(status)
    run = Run(SystemClock(), 60.0)
    exchange(run, Request(url=server.url, headers=PUBLIC))
    assert all(f"{name}: {value}".encode() in other.heads[0] for name, value in PUBLIC.items())
    assert run.to_allow == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_body_goes_to_no_other_origin(pair, status, method):
    server, other, kept = pair(status)
    run = Run(SystemClock(), 60.0)
    request = Request(url=server.url, method=method, body=b"otp=canary")
    becomes_get = status == 303 or (status in (301, 302) and method == "POST")
    if becomes_get:
        exchange(run, request)
        assert other.heads[0].startswith(b"GET ")
        assert kept.bodies == [b""]
        assert run.to_allow == ""
        return
    with pytest.raises(ProbeFailure) as caught:
        exchange(run, request)
    assert other.heads == []
    assert caught.value.reading.reason is Reason.EXPECTATION_FAILED
    assert f"secrets are not sent to {origin(other.url)}" in clear(caught.value.reading.detail)


@pytest.mark.parametrize("status", [307, 308])
def test_it_goes_where_it_is_allowed_to(pair, status):
    server, other, kept = pair(status)
    allowed = (Origin.parse(other.url),)
    request = Request(
        url=server.url, method="POST", body=b"otp=canary", headers=HEADERS, follow_to=allowed
    )
    run = Run(SystemClock(), 60.0)
    exchange(run, request)
    assert kept.bodies == [b"otp=canary"]
    assert b"X-Api-Key: canary" in other.heads[0]
    assert run.to_allow == ""


def test_what_is_allowed_for_one_is_not_for_the_next(raw_server):
    third = raw_server(DONE)
    second = raw_server(redirect(third.url))
    first = raw_server(redirect(second.url))
    request = Request(
        url=first.url, headers={"X-Api-Key": "canary"}, follow_to=(Origin.parse(second.url),)
    )
    exchange(Run(SystemClock(), 60.0), request)
    assert SECRET in sent_to(second)
    assert SECRET not in sent_to(third)


def test_what_was_left_out_once_stays_out(raw_server):
    """Whoever is not trusted does not say either what the first origin is asked with a secret."""
    answers = []
    first = raw_server(lambda peer, _: peer.sendall(answers.pop(0)))
    second = raw_server(redirect(first.url + "transfer"))
    answers[:] = [redirect(second.url), DONE]
    exchange(Run(SystemClock(), 60.0), Request(url=first.url, headers={"X-Api-Key": "canary"}))
    assert [SECRET in head for head in first.heads] == [True, False]


@pytest.mark.parametrize(
    "written",
    ["http://{other}\\@{own}/", "http://{other}\\\\@{own}/x", "http://{own}@{other}/", "//{other}"],
)
def test_an_address_that_two_parsers_read_in_two_ways_gets_nothing(raw_server, written):
    other = raw_server(DONE)
    own = raw_server(lambda peer, _: peer.sendall(answer))
    other_at, own_at = (f"127.0.0.1:{each.port}" for each in (other, own))
    answer = redirect(written.format(other=other_at, own=own_at), 307)
    run = Run(SystemClock(), 60.0)
    request = Request(url=own.url, method="POST", body=SECRET, headers={"X-Api-Key": "canary"})
    with pytest.raises(ProbeFailure):
        exchange(run, request)
    assert other.heads == []


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("https://id.example.com", "https://id.example.com"),
        ("https://ID.example.com/", "https://id.example.com"),
        ("HTTPS://id.example.com:443", "https://id.example.com"),
        ("http://id.example.com:8080", "http://id.example.com:8080"),
        ("http://[::1]:81", "http://[::1]:81"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_as_people_do(written, text):
    assert str(Origin.parse(written)) == text


@pytest.mark.parametrize("second", [b"HTTP/1.1 502 Bad\r\n\r\n", b"", b"HTTP/1.1 "])
def test_a_code_that_was_answered_is_used_up_whatever_the_next_page_is(raw_server, second):
    answers, given_back, run = [redirect("/home", 303), second], [], Run(SystemClock(), 5)
    server = raw_server(lambda peer, _: peer.sendall(answers.pop(0)))
    run.claims_code(lambda: given_back.append(1))
    with contextlib.suppress(ProbeFailure):
        exchange(run, Request(url=server.url, method="POST", body=b"otp=1"))
    run.give_back_codes()
    assert (run.unanswered, given_back) == (False, [])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("https://id.example.com/login", "an origin has no path"),
        ("https://id.example.com?a=b", "an origin has no path"),
        ("id.example.com", "not an address: 'id.example.com'"),
        ("ftp://id.example.com", "not an address: 'ftp://id.example.com'"),
        ("https://user:word@id.example.com", "a user name or password in the address"),
        (5, "not an address: 5"),
    ],
)
def test_what_is_no_origin_is_refused(written, message):
    with pytest.raises(SettingRefused) as caught:
        Origin.parse(written)
    assert caught.value.message == message
    assert caught.value.allowed == Origin.ALLOWED
