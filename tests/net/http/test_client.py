"""The exchange against servers that break every rule, byte by byte."""

import gzip
import io
import logging
import math
import socket
import ssl
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests import Response

from beacon.config.tls import TlsPolicy
from beacon.core.model import ClockSeen, Outcome, Reading, Reason
from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net.http.client import (
    Answer,
    Request,
    _clock_seen,
    exchange,
    prepare,
)
from beacon.net.http.connection import BODY_LIMIT
from beacon.net.http.cookies import Jar
from beacon.net.http.route import Proxy, ProxyUrl, Route
from beacon.net.probe_failure import ProbeFailure

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def fetched(raw_server, driven):
    """What comes of asking a server with this script once."""

    def fetch(script, budget=60.0, **asked):
        server = raw_server(script)
        return driven(lambda run: exchange(run, Request(url=server.url, **asked)), budget)

    return fetch


def sends(*pieces, forever=False, pause=0.0):
    """A script that sends pieces, the last one again and again until it is stopped."""

    def script(peer, _head):
        for piece in pieces:
            peer.sendall(piece)
        while forever:
            time.sleep(pause)
            peer.sendall(pieces[-1])

    return script


def hangs_after(sent=b""):
    """A script that sends this and then says nothing until its peer leaves."""

    def script(peer, _head):
        peer.sendall(sent)
        peer.recv(1)

    return script


def resets_after(sent=b""):
    def script(peer, _head):
        peer.sendall(sent)
        # Linger zero: closing sends a reset instead of an orderly end.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    return script


# --- the head ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"", "connection closed: the answer never began"),
        (b"HTTP/1.1 200", "connection closed: the answer ended inside its header block"),
        (OK, "connection closed: the answer ended inside its header block"),
        (OK + b"Content-Le", "connection closed: the answer ended inside its header block"),
        (OK + b"A: b\r\n", "connection closed: the answer ended inside its header block"),
        (b"\x16\x03\x01 what is this\r\n\r\n", "not valid HTTP: malformed status line"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not valid HTTP: malformed status line"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "not valid HTTP: malformed status line"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not valid HTTP: malformed status line"),
        (b"HTTP/3.0 200 OK\r\n\r\n", "not valid HTTP: unknown version"),
        (OK + b"no colon here\r\nA: b\r\n\r\n", "not valid HTTP: malformed header block"),
        (OK + b"\x00\x01\xff\r\n\r\n", "not valid HTTP: malformed header block"),
        (OK + b"Content-Length: x\r\n\r\nab", "not valid HTTP: malformed header block"),
        (OK + b"Content-Length: -1\r\n\r\nab", "not valid HTTP: malformed header block"),
        (
            OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nab",
            "not valid HTTP: malformed header block",
        ),
        (
            OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "not valid HTTP: malformed header block",
        ),
        (OK + b"A: " + b"x" * 70_000, "the answer's header block is longer than 64 KiB"),
        (
            OK + (b"A: " + b"x" * 8000 + b"\r\n") * 9,
            "the answer's header block is longer than 64 KiB",
        ),
    ],
)
def test_a_head_that_is_not_whole_is_a_protocol_error(fetched, sent, detail):
    reading = fetched(sent)
    assert reading == Reading(Reason.PROTOCOL_ERROR, detail)


def test_lines_that_drip_end_at_the_deadline_with_nobody_to_expire_the_run(raw_server):
    server = raw_server(sends(OK, b"A: b\r\n", forever=True, pause=0.02))
    with pytest.raises(DeadlinePassed):
        exchange(Run(SystemClock(), 0.3), Request(url=server.url))


# --- time -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "phase"),
    [(b"", Phase.WAIT), (OK + b"Content-Length: 9\r\n\r\nab", Phase.READ)],
)
def test_a_blocked_read_is_woken_when_the_run_expires(raw_server, sent, phase, eventually):
    server = raw_server(hangs_after(sent))
    run = Run(SystemClock(), 3600.0)
    ended = threading.Event()
    caught: list[BaseException] = []

    def ask():
        try:
            exchange(run, Request(url=server.url))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at below
            caught.append(error)
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: run.phase is phase, f"phase {phase}")
    reading = run.expire()
    assert ended.wait(60), "the read was not woken"
    thread.join()
    assert [type(error) for error in caught] == [DeadlinePassed]
    assert reading.reason is Reason.DEADLINE
    assert reading.detail.endswith(f"(phase {phase})")
    assert not run._sockets


def test_a_run_without_time_left_asks_nothing(raw_server):
    server = raw_server(OK + b"\r\n")
    run = Run(SystemClock(), 60.0)
    run.expire()
    with pytest.raises(DeadlinePassed):
        exchange(run, Request(url=server.url))
    assert server.heads == []


FRAGMENTS = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 302 Found\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n"),
    *(b"Content-Length: 3\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n", b"Location: ://\r\n"),
    *(b"Set-Cookie: a=b; Domain=\xff; Max-Age=x\r\n", b"Content-Type: \xff; charset=\r\n"),
    *(
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"-3\r\n",
        gzip.compress(b"abc", mtime=0),
    ),
    *(b" folded\r\n", b": no name\r\n", b"\r", b"\n", b"\x00"),
]


class Echo:
    """A server that answers with whatever `says` holds."""

    says = b""

    def __call__(self, peer, _head):
        peer.sendall(self.says)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(parts=st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=8))
def test_whatever_a_server_sends_is_an_answer_or_trouble(raw_server, driven, parts):
    echo = Echo()
    echo.says = b"".join(parts)
    server = raw_server(echo)
    try:
        came = driven(lambda run: exchange(run, Request(url=server.url), follow=False))
    finally:
        server.close()
    if isinstance(came, Reading):
        assert came.outcome is Outcome.FAIL
        assert came.detail.isprintable()
    else:
        assert b"\n" in echo.says


@pytest.mark.parametrize("sent", [b"", OK, OK + b"Content-Length: 9\r\n\r\nab"])
def test_silence_ends_in_time_with_nobody_to_expire_the_run(raw_server, sent):
    server = raw_server(hangs_after(sent))
    with pytest.raises(DeadlinePassed):
        exchange(Run(SystemClock(), 0.2), Request(url=server.url))


def test_a_body_nobody_takes_ends_in_time(raw_server):
    gone = threading.Event()
    server = raw_server(lambda peer, head: gone.wait(10))
    request = Request(url=server.url, method="POST", body=bytes(20_000_000))
    with pytest.raises(DeadlinePassed):
        exchange(Run(SystemClock(), 0.2), request)
    gone.set()


# --- the body ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"Content-Length: 9\r\n\r\nab", Reason.PROTOCOL_ERROR),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", Reason.PROTOCOL_ERROR),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Reason.PROTOCOL_ERROR),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", Reason.PROTOCOL_ERROR),
        (b"Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n", Reason.PROTOCOL_ERROR),
        (b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000, Reason.PROTOCOL_ERROR),
        (b"Content-Length: 1048577\r\n\r\n", Reason.BODY_TOO_LARGE),
        (b"Content-Length: 10000000000\r\n\r\n", Reason.BODY_TOO_LARGE),
        (b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nab", Reason.BODY_UNDECODABLE),
        (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", Reason.BODY_UNDECODABLE),
        (b"Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\n\xffb", Reason.BODY_UNDECODABLE),
        (
            b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"early", mtime=0)[:-9],
            Reason.BODY_UNDECODABLE,
        ),
    ],
)
def test_a_body_that_is_not_whole_has_its_reason(fetched, sent, reason):
    assert fetched(OK + sent).reason is reason


@pytest.mark.parametrize(
    "script",
    [
        sends(OK + b"\r\n", b"x" * 65536, forever=True),
        sends(
            OK + b"Transfer-Encoding: chunked\r\n\r\n",
            b"1000\r\n" + b"x" * 4096 + b"\r\n",
            forever=True,
        ),
    ],
    ids=["until close", "chunked"],
)
def test_an_endless_body_is_cut_at_its_limit(fetched, script):
    reading = fetched(script)
    assert reading == Reading(Reason.BODY_TOO_LARGE, "the body is longer than 1 MiB")


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_a_chunk_of_negative_size_is_not_read_to_the_end_of_time(fetched, size):
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n"
    reading = fetched(sends(head, b"x" * 65536, forever=True), 2.0)
    assert reading == Reading(Reason.PROTOCOL_ERROR, "a chunk of negative size")


def test_endless_trailers_are_cut(fetched):
    script = sends(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"A: " + b"b" * 1000 + b"\r\n",
        forever=True,
    )
    assert fetched(script) == Reading(Reason.PROTOCOL_ERROR, "the answer's framing never ends")


@pytest.mark.parametrize("sent", [b"", OK + b"Content-Length: 9\r\n\r\nab"], ids=["head", "body"])
def test_a_reset_is_a_reset(fetched, sent):
    assert fetched(resets_after(sent)).reason is Reason.CONNECT_RESET


def raw_deflate(data):
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("identity", b"hello"),
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("X-GZIP", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", raw_deflate(b"hello")),
    ],
)
@pytest.mark.parametrize("chunked", [True, False])
def test_what_was_asked_for_is_decompressed(fetched, coding, data, chunked):
    head = OK + f"Content-Encoding: {coding}\r\n".encode()
    if chunked:
        body = b"".join(b"1\r\n" + data[i : i + 1] + b"\r\n" for i in range(len(data)))
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    else:
        sent = head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data
    assert fetched(sent).body == b"hello"


def test_the_largest_body_allowed_is_read(fetched):
    sent = OK + f"Content-Length: {BODY_LIMIT}\r\n\r\n".encode() + b"x" * BODY_LIMIT
    assert len(fetched(sent).body) == BODY_LIMIT


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_without_a_body_is_whole(fetched, method):
    status = b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n"
    length = b"Content-Length: 5\r\n" if method == "HEAD" else b""
    assert fetched(status + length + b"\r\n", method=method).body == b""


# --- text -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", "grün".encode(), "grün"),
        ("text/plain", b"\xef\xbb\xbfgreen", "green"),
        ("text/plain; charset=iso-8859-1", "grün".encode("latin-1"), "grün"),
        ('text/plain; format=flowed; charset="UTF-16"', "grün".encode("utf-16"), "grün"),
        ("text/plain; charset=", b"green", "green"),
    ],
)
def test_text_is_decoded_by_its_charset(kind, body, text):
    assert Answer(status=200, headers={"content-type": kind}, body=body).text() == text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"\xff\xfe\x00binary"),
        ("application/octet-stream", bytes(range(256))),
        ("text/plain; charset=utf-8", "grün".encode("latin-1")),
        ("text/plain; charset=klingon", b"a"),
        ("text/plain; charset=idna", b"a" * BODY_LIMIT),
    ],
)
def test_text_that_cannot_be_decoded_has_its_reason(kind, body, bounded):
    with bounded(), pytest.raises(ProbeFailure) as caught:
        Answer(status=200, headers={"content-type": kind}, body=body).text()
    assert caught.value.reading.reason is Reason.BODY_UNDECODABLE


# --- redirects --------------------------------------------------------------------


def redirect(to, status=302, more=b"", body=b""):
    return f"HTTP/1.1 {status} Found\r\nLocation: {to}\r\n".encode() + more + b"\r\n" + body


def test_the_body_of_a_redirect_is_never_read(raw_server, driven):
    target = raw_server(OK + b"Content-Length: 2\r\n\r\nok")
    sent = []

    def script(peer, _head):
        peer.sendall(redirect(target.url, more=b"Content-Length: 200000000\r\n"))
        block = b"x" * 65536
        for _ in range(200_000_000 // len(block)):
            peer.sendall(block)
            sent.append(len(block))

    server = raw_server(script)
    answer = driven(lambda run: exchange(run, Request(url=server.url)))
    assert (answer.body, answer.redirects, answer.url) == (b"ok", 1, target.url)
    server.close()
    assert sum(sent) < 20_000_000  # what the kernel's buffers took


def test_five_redirects_are_followed_and_a_sixth_is_not(raw_server, driven):
    def script(peer, head):
        left = int(head.split(b" ", 2)[1].strip(b"/"))
        peer.sendall(redirect(f"/{left - 1}") if left else OK + b"Content-Length: 0\r\n\r\n")

    server = raw_server(script)
    assert driven(lambda run: exchange(run, Request(url=server.url + "5"))).redirects == 5
    reading = driven(lambda run: exchange(run, Request(url=server.url + "6")))
    assert reading == Reading(Reason.REDIRECT_LIMIT, "more than 5 redirects")


@pytest.mark.parametrize(
    ("status", "asked", "method", "keeps"),
    [
        (302, "POST", b"GET", False),
        (301, "POST", b"GET", False),
        (303, "PUT", b"GET", False),
        (307, "POST", b"POST", True),
        (308, "PUT", b"PUT", True),
        (303, "HEAD", b"HEAD", False),
    ],
)
def test_the_method_after_a_redirect_is_what_browsers_use(
    raw_server, driven, status, asked, method, keeps
):
    def script(peer, head):
        first = b" / " in head
        peer.sendall(redirect("/next", status) if first else OK + b"Content-Length: 0\r\n\r\n")

    server = raw_server(script)
    body = None if asked == "HEAD" else b"data"
    headers = {"Content-Type": "a/b", "Authorization": "Bearer x"}
    request = Request(url=server.url, method=asked, body=body, headers=headers)
    driven(lambda run: exchange(run, request))
    second = server.heads[1]
    assert b"Bearer x" in second, "its own origin may have it"
    assert second.startswith(method + b" /next ")
    assert (b"Content-Length: 4" in second) is keeps


def test_cookies_of_a_run_go_back_to_their_own_door_alone(raw_server, driven):
    other = raw_server(OK + b"Content-Length: 0\r\n\r\n")
    server = raw_server(
        lambda peer, head: peer.sendall(
            redirect("/in", more=b"Set-Cookie: sid=1\r\n")
            if b" / " in head
            else redirect(other.url)
        )
    )
    jar = Jar()
    driven(lambda run: exchange(run, Request(url=server.url), jar=jar))
    driven(lambda run: exchange(run, Request(url=server.url + "later"), jar=jar))
    assert [b"sid=1" in head for head in server.heads] == [False, True, True]
    assert not any(b"sid=1" in head for head in other.heads)
    driven(lambda run: exchange(run, Request(url=server.url + "stranger")))
    assert b"sid=1" not in server.heads[-1]


@pytest.mark.parametrize("location", [None, "/x"])
def test_a_3xx_that_leads_nowhere_is_the_answer(raw_server, driven, location):
    sent = b"HTTP/1.1 304 Not Modified\r\n" if location else b"HTTP/1.1 302 Found\r\n"
    sent += f"Location: {location}\r\n".encode() if location else b"Content-Length: 0\r\n"
    server = raw_server(sent + b"\r\n")
    assert driven(lambda run: exchange(run, Request(url=server.url))).status in (302, 304)


# --- the way there ----------------------------------------------------------------


def test_every_exchange_dials_anew_and_asks_plainly(raw_server, driven):
    server = raw_server(OK + b"Content-Length: 0\r\n\r\n")
    for _ in range(2):
        driven(lambda run: exchange(run, Request(url=server.url + "a?b=c#d")))
    assert len(server.heads) == 2
    head = server.heads[0].decode()
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    assert "Connection: close\r\n" in head
    assert "Accept-Encoding: gzip, deflate\r\n" in head
    assert f"Host: 127.0.0.1:{server.port}\r\n" in head


def test_an_early_refusal_is_read_although_the_body_was_not_taken(raw_server, driven):
    # Closing with unread data resets the connection, while we are still sending.
    server = raw_server(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    request = Request(url=server.url, method="POST", body=bytes(20_000_000))
    assert driven(lambda run: exchange(run, request)).status == 413


def through(server):
    return Proxy(url=ProxyUrl(server.url))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def pumps(one, two):
    while data := one.recv(65536):
        two.sendall(data)


def test_a_proxy_tunnels_tls(raw_server, driven, authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("inside.example").configure_cert(context)

    def script(peer, head):
        assert head.startswith(b"CONNECT inside.example:443 ")
        peer.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
        with context.wrap_socket(peer, server_side=True) as secured:
            asked.append(secured.recv(65536))
            secured.sendall(OK + b"Content-Length: 2\r\n\r\nhi")

    asked = []
    proxy = raw_server(script)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    route = Route(proxy=through(proxy), tls=TlsPolicy(ca=str(tmp_path / "ca.pem")))
    answer = driven(lambda run: exchange(run, Request(url="https://inside.example/x"), route))
    assert answer.body == b"hi"
    assert answer.certificate_days > 1000
    assert asked[0].startswith(b"GET /x HTTP/1.1\r\nHost: inside.example\r\n")


@pytest.mark.parametrize("before", [b"", OK + b"Content-Length: 9\r\n\r\nab"], ids=["head", "body"])
def test_tls_that_breaks_after_the_handshake_has_its_own_reason(raw_server, driven, before):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        plain = peer.dup()
        with plain, context.wrap_socket(peer, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(before)
            plain.sendall(b"no record of TLS " * 9)

    thread = threading.Thread(target=serve)
    thread.start()
    route = Route(tls=TlsPolicy(verify=False))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    reading = driven(lambda run: exchange(run, Request(url=url), route))
    thread.join()
    listener.close()
    assert reading.reason is Reason.TLS_HANDSHAKE


def test_a_request_that_cannot_be_sent_is_reported(driven):
    for request in (
        Request(url="http://exa mple/"),
        Request(url="http://example.com/", headers={"A": "b\nc: d"}),
    ):
        with pytest.raises(ProbeFailure):
            prepare(request)


def test_the_conversation_is_noted_without_query_and_secrets(raw_server):
    server = raw_server(OK + b"Content-Length: 0\r\nContent-Type: text/x\r\n\r\n")
    run = Run(SystemClock(), 60.0)
    exchange(run, Request(url=server.url + "a?token=canary", headers={"Cookie": "canary"}))
    noted = "\n".join(run.notes)
    assert f"GET http://127.0.0.1:{server.port}/a" in noted
    assert "200 text/x, 0 bytes" in noted
    assert "canary" not in noted


def test_no_library_logs_an_address(raw_server, driven):
    log = io.StringIO()
    root = logging.getLogger()
    handler, level = logging.StreamHandler(log), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        server = raw_server(OK + b"Content-Length: 0\r\n\r\n")
        driven(lambda run: exchange(run, Request(url=server.url + "?token=canary")))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "canary" not in log.getvalue()


# --- what the answer says of our clock --------------------------------------------

NOON = datetime(2026, 1, 5, 12, 0, 0, 500_000, tzinfo=UTC)
DATE = b"Date: Mon, 05 Jan 2026 12:00:00 GMT\r\n"


class SlowWait(ManualClock):
    """Lets time pass whenever it is asked for: an exchange of this many seconds."""

    def __init__(self, start, step):
        super().__init__(start)
        self.step = step

    def monotonic(self):
        self.advance(self.step)
        return super().monotonic()


def clock_seen(raw_server, sent, clock):
    run = Run(clock, 60.0)
    exchange(run, Request(url=raw_server(OK + sent + b"Content-Length: 0\r\n\r\n").url))
    return run.clock_seen


@pytest.mark.parametrize("off", [0.0, 40.0, -86400.0])
def test_the_date_of_an_answer_shows_how_far_our_clock_is_off(raw_server, off):
    fresh = DATE + b"Age: 0\r\n"  # of a cache
    seen = clock_seen(raw_server, fresh, ManualClock(NOON - timedelta(seconds=off)))
    assert seen == ClockSeen(off, "127.0.0.1")


def test_it_is_compared_with_the_middle_of_the_exchange(raw_server):
    clock = SlowWait(NOON, 0.01)
    seen = clock_seen(raw_server, DATE, clock)
    assert -1.0 < seen.offset < 0.0
    assert abs(seen.offset) < (clock.utc() - NOON).total_seconds(), "not with its end"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"Date: \r\n",
        b"Date: yesterday\r\n",
        b"Date: Mon, 99 Jan 2026 12:00:00 GMT\r\n",
        b"Date: Mon, 05 Jan 99999999999 12:00:00 GMT\r\n",
        DATE + b"Age: 12\r\n",
        DATE + b"Age: soon\r\n",
    ],
)
def test_what_is_no_date_or_comes_from_a_cache_says_nothing(raw_server, sent):
    assert clock_seen(raw_server, sent, ManualClock(NOON)) is None


def test_an_answer_that_took_too_long_says_nothing_of_our_clock(raw_server):
    assert clock_seen(raw_server, DATE, SlowWait(NOON, 1.0)) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_no_text_of_a_date_is_a_crash(text):
    answer = Response()
    answer.headers["Date"], answer.url = text, "http://example.com/"
    seen = _clock_seen(Run(ManualClock(NOON), 5.0), 0.0, answer)
    assert seen is None or math.isfinite(seen.offset)
