"""The HTTP server, asked by real clients and by sockets that do not behave."""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from beacon.outputs.web.server import BODY, HEAD, Limits, WebAnswer, WebRequest, WebServer

QUICK = Limits(patience=1.0, callers=8, again=0.05)


class Site:
    """A server on a free port, that keeps what it was asked."""

    def __init__(self, port: int, limits: Limits, host: str = "127.0.0.1") -> None:
        self.port, self.asked = port, []
        self.open = 0
        self.answers: Callable[[WebRequest], WebAnswer] = lambda _: WebAnswer(200, {"ok": True})
        self.server = WebServer((host, port), {"/api/": self.answer}, self.listening, limits)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def answer(self, request: WebRequest) -> WebAnswer:
        self.asked.append(request)
        return self.answers(request)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str = "/api/x", **more: Any) -> requests.Response:
        return requests.post(f"{self.url}{path}", timeout=5, **({"json": {}} | more))

    def dial(self, request: bytes = b"") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        sock.sendall(request)
        return sock

    def say(self, request: bytes) -> bytes:
        """Everything that is answered until the end of the connection."""
        with self.dial(request) as sock:
            return read(sock)


def read(sock: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            answer += piece
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
def make_site(free_port) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(limits: Limits = QUICK, port: int = 0, **more: Any) -> Site:
        made.append(Site(port or free_port(), limits, **more))
        made[-1].server.start()
        return made[-1]

    yield make
    for site in made:
        site.server.stop(5)
        assert not site.open


@pytest.fixture
def site(make_site) -> Site:
    return make_site()


def threads() -> int:
    return sum(thread.name == "web-caller" for thread in threading.enumerate())


# --- in order -----------------------------------------------------------------------


def test_a_request_comes_whole_and_its_answer_goes_back(site):
    site.answers = lambda _: WebAnswer(418, {"ok": False}, {"Retry-After": "3"})
    answer = site.post(
        "/api/a/b?c=d", data=b'{"e": 1}', json=None, headers={"Authorization": "Bearer x"}
    )
    assert (answer.status_code, answer.json()) == (418, {"ok": False})
    assert answer.headers["Retry-After"] == "3"
    assert answer.headers["Connection"] == "close"
    assert "Server" not in answer.headers
    assert site.asked == [WebRequest("POST", "/api/a/b", "Bearer x", "", b'{"e": 1}')]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "BREW"])
def test_any_method_is_answered_by_who_is_there(site, method):
    assert requests.request(method, f"{site.url}/api/x", timeout=5).ok
    assert site.asked[0].method == method
    assert requests.request(method, f"{site.url}/elsewhere", timeout=5).status_code == 404
    assert len(site.asked) == 1


def test_a_client_that_asks_first_may_go_on_at_once(site):
    sock = site.dial(
        b"POST /api/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    with sock:
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert status(read(sock)) == 200


def test_it_listens_on_ipv6_too(make_site):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        site = make_site(host="::1")
        with socket.create_connection(("::1", site.port), timeout=5) as sock:
            sock.sendall(b"GET /api/ HTTP/1.1\r\n\r\n")
            assert status(read(sock)) == 200
        return
    pytest.skip("no IPv6 on the loopback")


def test_a_fault_in_an_answer_costs_that_answer(site, caplog):
    def break_down(request: WebRequest) -> WebAnswer:
        raise ValueError(request.body.decode())

    site.answers = break_down
    assert site.post(json="hunter2").status_code == 500
    site.answers = lambda _: WebAnswer(200, {})
    assert site.post().status_code == 200
    assert "an answer below /api/ failed" in caplog.text
    assert "hunter2" not in caplog.text


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"POST /api/ HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /api/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /api/ HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: x\r\n\r\n{}", 411),
        (b"POST /api/ HTTP/9.9\r\n\r\n", 505),
        (b"POST /api/ hunter2\r\n\r\n", 400),
        (b"hunter2\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /api/" + b"x" * HEAD + b" HTTP/1.1\r\n\r\n", 431),
        (b"POST /api/ HTTP/1.1\r\nX: " + b"x" * HEAD + b"\r\n\r\n", 431),
        (b"POST /api/ HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
    ],
    ids=lambda it: repr(it[:60]) if isinstance(it, bytes) else str(it),
)
def test_what_is_not_understood_is_refused_and_not_repeated(site, sent, answered):
    answer = site.say(sent)
    assert status(answer) == answered
    assert b"hunter2" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["ok"] is False
    assert site.asked == []


def test_the_largest_body_comes_in_and_one_byte_more_does_not(site):
    assert site.post(data=b"x" * BODY, json=None).ok
    assert site.post(data=b"x" * (BODY + 1), json=None).status_code == 413
    assert len(site.asked) == 1


def test_a_head_may_be_so_long_and_no_longer(site):
    rest = b"POST /api/ HTTP/1.1\r\nX: \r\n\r\n"
    for more, answered in ((0, 200), (1, 431)):
        padded = rest.replace(b"X: ", b"X: " + b"x" * (HEAD - len(rest) + more))
        assert status(site.say(padded)) == answered


def test_who_is_refused_in_the_middle_of_a_large_body_hears_why(site):
    """Closed over what is still coming, the connection would be reset, and the answer lost."""
    with site.dial(b"POST /api/ HTTP/1.1\r\nContent-Length: 300000\r\n\r\n") as sock:
        assert sock.recv(1, socket.MSG_PEEK) == b"H"
        for _ in range(5):
            sock.sendall(b"x" * 1000)
            time.sleep(0.01)
        assert status(read(sock)) == 413


def test_somebody_who_says_nothing_or_hangs_up_is_forgotten(site, eventually):
    site.dial().close()
    site.dial(b"POST /api/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nab").close()
    site.dial(b"POST /ap").close()
    eventually(lambda: threads() == 0, "no caller left")
    assert site.asked == []
    assert site.post().ok


def test_only_one_request_a_connection(site):
    one = b"POST /api/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    assert site.say(one + one).count(b"HTTP/1.1") == 1
    assert len(site.asked) == 1


# --- the slow and the many ------------------------------------------------------------


@pytest.mark.realtime
@pytest.mark.parametrize(
    "begin",
    [b"", b"POST /api/ HTTP/1.1\r\nX: ", b"POST /api/ HTTP/1.1\r\nContent-Length: 60000\r\n\r\n"],
    ids=["silent", "in its head", "in its body"],
)
def test_a_trickle_does_not_move_the_deadline(make_site, begin):
    site = make_site(Limits(patience=0.3))
    began = time.monotonic()
    with site.dial(begin) as sock:
        sock.settimeout(0.02)
        answer = b""
        while True:  # for ever, if the trickle moved it
            with contextlib.suppress(TimeoutError):
                piece = sock.recv(4096)
                answer += piece
                if not piece:
                    break
            with contextlib.suppress(OSError):
                sock.send(b"x")
    assert time.monotonic() - began > 0.25
    assert answer == b"" or status(answer) == 408


def test_the_slow_do_not_keep_the_honest_out(make_site, eventually):
    site = make_site(Limits(patience=30.0, callers=8))
    slow = [site.dial(b"POST /api/ HTTP/1.1\r\nX: ") for _ in range(60)]
    for _ in range(40):
        assert site.post().ok
        slow.append(site.dial(b"P"))
    assert threads() <= 10
    for sock in slow:
        sock.close()
    eventually(lambda: threads() == 0, "no caller left")


def test_who_waits_for_an_answer_is_not_cut_off_for_another(make_site, eventually):
    site = make_site(Limits(patience=30.0, callers=2))
    go_on = threading.Event()
    site.answers = lambda _: WebAnswer(200, {}) if go_on.wait(10) else WebAnswer(500, {})
    whole = b"POST /api/ HTTP/1.1\r\n\r\n"
    waiting = [site.dial(whole), site.dial(whole)]
    eventually(lambda: len(site.asked) == 2, "both wait")
    assert site.say(whole) == b""
    go_on.set()
    assert [status(read(sock)) for sock in waiting] == [200, 200]
    for sock in waiting:
        sock.close()


def test_hundreds_of_posts_leave_nobody_behind(make_site, eventually):
    site = make_site(Limits(callers=16))
    whole = b'POST /api/ HTTP/1.1\r\nContent-Length: 15\r\n\r\n{"reason":"ok"}'
    for _ in range(500):
        assert site.say(whole)[:15] == b"HTTP/1.1 200 OK"
    assert len(site.asked) == 500
    eventually(lambda: threads() == 0, "no caller left")
    assert not site.server._callers
    assert not site.server._sending


# --- listening ----------------------------------------------------------------------


def test_a_port_that_is_taken_stops_nobody_and_is_tried_again(make_site, eventually, caplog):
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site = make_site(port=port)
        time.sleep(0.2)
        assert site.open == 0
    eventually(lambda: site.open == 1, "it listens")
    assert site.post().ok
    assert caplog.text.count("cannot listen at 127.0.0.1") == 1
    assert f"HTTP: listening at 127.0.0.1:{port}" in caplog.text


def test_after_the_end_nobody_listens_and_the_port_is_free(make_site):
    site = make_site()
    slow = site.dial(b"POST")
    site.server.stop(5)
    assert site.open == 0
    assert read(slow) == b""
    slow.close()
    again = make_site(port=site.port)
    assert again.post().ok


def test_where_listening_ends_it_says_so_and_begins_again(site, eventually, caplog):
    site.server._listener.shutdown(socket.SHUT_RDWR)
    eventually(lambda: "listening ended" in caplog.text, "the end of listening")
    eventually(lambda: post_ok(site), "it listens again")


def post_ok(site: Site) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return site.post().ok
    return False
