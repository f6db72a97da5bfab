"""The beacon's HTTP server: small, with a bound on everything, one request per connection.

`http.server` parses; this module adds the limits that it lacks. A connection has a fixed deadline,
a limit of bytes, and one of `CALLERS` places. When all places are taken, the caller that has been
sending longest is cut off: an honest request takes milliseconds. See docs/adr/0027. There is no
TLS: put a reverse proxy in front of it.
"""

import contextlib
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from beacon.core.effects import Effect
from beacon.engine.redaction import safe_traceback
from beacon.engine.text_pattern import TextPattern
from beacon.net.known_addresses import host_port

log = logging.getLogger(__name__)

HEAD: Final = 16 * 1024
"""Most bytes of a request line and its headers."""
BODY: Final = 64 * 1024
"""Most bytes of a body."""
PATIENCE: Final = 10.0
"""Seconds a connection may last."""
CALLERS: Final = 32
"""Most connections at once."""
AGAIN: Final = 5.0
"""Seconds between two tries to listen."""
_LINGER: Final = 1.0
"""Seconds in which a caller may finish sending, so that it reads the answer."""
_LENGTH: Final = TextPattern(r"[0-9]{1,12}")
_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One complete request."""

    method: str
    path: str
    authorization: str
    content_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """One answer: a status, and a document as JSON."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[WebRequest], WebAnswer]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of time and number."""

    patience: float = PATIENCE
    callers: int = CALLERS
    again: float = AGAIN


class WebServer:
    """Listens at one address. `routes` maps the beginning of a path to what answers it.

    While it listens, it is inside `listening`. Answers are made in threads of callers.
    """

    name = "web"

    def __init__(
        self,
        address: tuple[str, int],
        routes: Mapping[str, Route],
        listening: Callable[[], AbstractContextManager[None]],
        limits: Limits = Limits(),
    ) -> None:
        self._address, self._routes, self._listening = address, routes, listening
        self.limits = limits
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._callers: dict[socket.socket, None] = {}  # all, the oldest first
        self._sending: dict[socket.socket, None] = {}  # those still sending
        self._cause = ""
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    # --- an output --------------------------------------------------------------------

    def start(self) -> None:
        """Listen, now or as soon as possible."""
        self._listener = self._listen()
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Nothing: callers ask."""

    def stop(self, budget: float) -> None:
        """Stop listening, and cut off all callers."""
        self._stopping.set()
        listener = self._listener
        if listener is not None:
            _shut(listener)
        for caller in list(self._callers):
            _shut(caller)
        if self._thread.is_alive():
            self._thread.join(budget)

    # --- its thread -------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._listener is None:
                self._stopping.wait(self.limits.again)
                self._listener = self._listen()
                continue
            with self._listener as listener, self._listening():
                self._serve(listener)
            self._listener = None

    def _listen(self) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            listener = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        except OSError as error:
            self._log_cause(
                f"cannot listen at {host_port(*self._address)}: {error.strerror or error}"
            )
            return None
        self._cause = ""
        log.info("HTTP: listening at %s", host_port(*self._address))
        return listener

    def _serve(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                caller, _ = listener.accept()
            except ConnectionAbortedError:
                continue  # the caller has hung up
            except OSError as error:
                if not self._stopping.is_set():
                    self._log_cause(f"listening ended: {error.strerror or error}")
                    self._stopping.wait(self.limits.again)  # perhaps no sockets are left
                return
            if not self._admits_one_more():
                caller.close()
                continue
            self._callers[caller] = self._sending[caller] = None
            thread = threading.Thread(
                target=self._handle_request, args=(caller,), name="web-caller", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                self._forget(caller)

    def _admits_one_more(self) -> bool:
        """Where it is full, cut off the longest sender; callers that wait for us stay."""
        if len(self._callers) < self.limits.callers:
            return True
        for oldest in list(self._sending)[:1]:
            self._sending.pop(oldest, None)
            self._callers.pop(oldest, None)
            _shut(oldest)
        return len(self._callers) < self.limits.callers

    def _forget(self, caller: socket.socket) -> None:
        self._sending.pop(caller, None)
        self._callers.pop(caller, None)
        caller.close()

    def _log_cause(self, cause: str) -> None:
        if cause != self._cause:
            self._cause = cause
            log.warning("HTTP: %s; the beacon goes on without and tries again", cause)

    # --- a caller's thread ------------------------------------------------------------

    def _handle_request(self, caller: socket.socket) -> None:
        try:
            _Exchange(caller, self)
        except Exception as error:  # noqa: BLE001 - the border: it costs this caller only
            _log_fault("a request", error)
        finally:
            self._forget(caller)

    def complete(self, caller: socket.socket) -> None:
        """A caller has sent its whole request: it is no longer cut off for another."""
        self._sending.pop(caller, None)

    def answer(self, request: WebRequest) -> WebAnswer:
        """The answer of the route of this path; a bug in it costs this request only."""
        for begin, route in self._routes.items():
            if request.path.startswith(begin):
                try:
                    return route(request)
                except Exception as error:  # noqa: BLE001 - the border
                    _log_fault(f"an answer below {begin}", error)
                    return _refused(500, "internal error; see the beacon's log")
        return _refused(404, "nothing is here")


class _TooMuch(Exception):
    """More was sent than the limit."""


class _Inlet(io.RawIOBase):
    """What a caller sends, until its time or its bytes are used up."""

    def __init__(self, caller: socket.socket, patience: float, allowance: int) -> None:
        super().__init__()
        self._caller, self._allowance = caller, allowance
        self._until = time.monotonic() + patience

    def readable(self) -> bool:
        """It is."""
        return True

    def allow(self, more: int) -> None:
        """Allow so many more bytes."""
        self._allowance += more

    def left(self) -> float:
        """Seconds left; raises `TimeoutError` when none are."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever can be written to
        """Read once."""
        if self._allowance <= 0:
            raise _TooMuch
        self._caller.settimeout(self.left())
        number = self._caller.recv_into(memoryview(buffer)[: self._allowance])
        self._allowance -= number
        return number


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer; then the connection ends."""

    protocol_version = "HTTP/1.1"
    command = ""

    def __init__(self, caller: socket.socket, server: WebServer) -> None:
        self._web = server
        self._read = False  # the whole request
        super().__init__(caller, ("", 0), server)  # type: ignore[arg-type]

    def setup(self) -> None:
        """Read through the inlet."""
        self._inlet = _Inlet(self.request, self._web.limits.patience, HEAD)
        self.rfile = io.BufferedReader(self._inlet)
        self.wfile = self._written = io.BytesIO()

    def handle(self) -> None:
        """Read, answer, and make sure that the answer arrives."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._handle_request()
            self._inlet.left()
            self.request.sendall(self._written.getvalue())
            if not self._read:
                self._linger()

    def finish(self) -> None:
        """Nothing is left to write."""

    def _handle_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(HEAD + 1)
            if self.raw_requestline and self.parse_request():
                self._answer()
        except _TooMuch:
            self.send_error(431)
        except TimeoutError:
            self.send_error(408)

    def _answer(self) -> None:
        length = self._length()
        if isinstance(length, WebAnswer):
            self._send(length)
            return
        self._inlet.allow(length)
        body = self.rfile.read(length)
        if len(body) < length:
            return  # it hung up
        self._read = True
        self._web.complete(self.request)
        request = WebRequest(
            self.command,
            self.path.partition("?")[0],
            self.headers.get("Authorization", ""),
            self.headers.get("Content-Type", ""),
            body,
        )
        self._send(self._web.answer(request))

    def _length(self) -> int | WebAnswer:
        """Bytes of the body, or the answer why it is not read."""
        if self.headers.get("Transfer-Encoding") is not None:
            return _refused(411, "send `Content-Length`")
        lengths = self.headers.get_all("Content-Length", ["0"])
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0].strip()):
            return _refused(400, "`Content-Length` is one number")
        length = int(lengths[0])
        return length if length <= BODY else _refused(413, f"at most {BODY} bytes")

    def _send(self, answer: WebAnswer) -> None:
        body = json.dumps(answer.document).encode()
        self.request_version = self.protocol_version  # or a garbled request would get no headers
        self.send_response_only(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= {"Connection": "close", "Cache-Control": "no-store", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _linger(self) -> None:
        """Read what is left: closing a socket with unread bytes may lose the answer."""
        self.request.shutdown(socket.SHUT_WR)
        self.request.settimeout(min(_LINGER, self._inlet.left()))
        for _ in range(8):
            if not self.request.recv(65536):
                return

    def send_error(self, code: int, *_: object) -> None:
        """Answer what the parser rejects, without quoting the request."""
        self._send(_refused(code, HTTPStatus(code).phrase))

    def handle_expect_100(self) -> bool:
        """Ask for the body at once."""
        self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's word
        """Nothing: the request is foreign text."""


def _log_fault(what: str, error: Exception) -> None:
    log.error("HTTP: %s failed:\n%s", what, safe_traceback(error))


def _refused(status: int, error: str) -> WebAnswer:
    return WebAnswer(status, {"ok": False, "error": error})


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
