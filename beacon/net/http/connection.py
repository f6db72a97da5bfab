"""One HTTP exchange on one new connection, through requests' adapter, with a limit on everything.

Requests reads the CA bundle again for each connection and reads the whole body of a redirect;
urllib3 accepts a header block that ended early. So the adapter, the connection, the answer's head
and the reading of its body are our own; the rest is theirs.
"""

# ruff: noqa: ANN401 - overridden methods take whatever requests, urllib3 and http.client pass
import contextlib
import http
import http.client
import io
import logging
import ssl
from collections.abc import Callable
from email.parser import Parser
from functools import partial
from ipaddress import ip_address
from socket import socket
from typing import Any, Final, Self

from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HeaderParsingError, HTTPError, InvalidHeader
from urllib3.util.response import assert_header_parsing
from urllib3.util.retry import Retry
from urllib3.util.url import parse_url

from beacon.core.model import Reason
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net import dial, tls
from beacon.net.http.inflate import Inflate, coding_of
from beacon.net.http.route import Route
from beacon.net.known_addresses import host_port
from beacon.net.probe_failure import ProbeFailure, hold

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of all status lines and headers of an answer, with those of `100 Continue`."""

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a body, on the wire and decompressed, unless a request allows more."""

CHUNK: Final = 64 * 1024

# Its log lines contain addresses with their queries, which may hold a secret.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Exchange(HTTPAdapter):
    """One request and its answer; leaving it ends the connection, read or not.

    `inward` is the message that refuses a private address; empty: any address is allowed.
    """

    def __init__(self, run: Run, route: Route, inward: str = "") -> None:
        super().__init__()
        self._run, self._route, self._inward = run, route, inward
        self._connection: _Connection | None = None
        self._response: Response | None = None

    def __enter__(self) -> Self:
        """Ready to fetch."""
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        """Close it; at the deadline sockets are shut, which looks like other trouble."""
        self.close()
        if isinstance(error, ProbeFailure):
            self._run.remaining()

    def fetch(self, request: PreparedRequest) -> tuple[Response, "_Connection"]:
        """Send the request and read the answer's head. Raises `ProbeFailure`."""
        try:
            self._response = self.send(request, stream=True, timeout=self._run.remaining())
        except (RequestException, HTTPError) as error:
            raise trouble_of(error) from None
        assert self._connection is not None, "it has just been used"
        return self._response, self._connection

    def body(self, response: Response, limit: int = BODY_LIMIT) -> bytes:
        """The whole body, decompressed, up to the limit in bytes. Raises `ProbeFailure`."""
        try:
            return _read(self._run, response.raw, limit)
        except (HTTPError, OSError, http.client.HTTPException) as error:
            raise trouble_of(error) from None

    def close(self) -> None:
        """Close the connection without reading the rest."""
        if self._response is not None:
            self._response.raw.close()
        if self._connection is not None:
            self._connection.hang_up()

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Keep no pools: every exchange opens a connection of its own."""

    def get_connection_with_tls_context(
        self, request: PreparedRequest, *_: Any, **__: Any
    ) -> HTTPConnectionPool:
        """A pool that will open one connection."""
        address = parse_url(request.url or "")
        secure = address.scheme == "https"
        origin = (address.host or "").strip("[]"), address.port or (443 if secure else 80)
        kind = _SecureConnection if secure else _Connection

        def connection() -> _Connection:
            self._connection = kind(self._run, self._route, origin, self._inward)
            return self._connection

        return _Pool(origin[0], connection)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Load nothing: the TLS context of the policy verifies."""

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """The path; the whole address if a proxy forwards the request."""
        forwarded = self._route.proxy and not (request.url or "").startswith("https:")
        return (request.url or "").partition("#")[0] if forwarded else request.path_url


class _Pool(HTTPConnectionPool):
    """The pool that urllib3 needs around a single connection."""

    def __init__(self, host: str, connection: Callable[[], HTTPConnection]) -> None:
        super().__init__(host, maxsize=1, retries=Retry(0, read=False))
        self._connection = connection

    def _new_conn(self) -> HTTPConnection:
        return self._connection()


class _Connection(HTTPConnection):
    """A connection whose socket we open and the run watches."""

    certificate_days: float | None = None
    """Days until the server's certificate expires; None without TLS."""
    waited = 0.0
    """Seconds from the request's first byte to the end of the answer's head."""
    public = False
    """Whether the server has a public address; behind a proxy that is unknown."""
    in_the_clear = True
    """Whether a portal on the way can answer instead of the server (RFC 6585 §6)."""

    def __init__(self, run: Run, route: Route, origin: tuple[str, int], inward: str) -> None:
        super().__init__(*(route.proxy.address if route.proxy else origin))
        self._run, self._route, self._origin, self._inward = run, route, origin, inward
        self._watched: Any = None
        self._sent_at = 0.0
        self.response_class = partial(_Answer, run=run)  # type: ignore[assignment]

    def connect(self) -> None:
        self.sock = self._watched = self._dial()

    def _dial(self) -> Any:
        if self._route.proxy is None:
            return self._allowed(dial.connect(self._run, *self._origin, self._route.ip_version))
        try:
            host, port = self._route.proxy.address
            return dial.connect(self._run, host, port, self._route.ip_version, own=True)
        except ProbeFailure as trouble:
            raise ProbeFailure(Reason.OWN_NETWORK, f"our proxy: {trouble.reading.detail}") from None

    def _allowed(self, sock: socket) -> socket:
        """The socket, unless a redirect leads to a private address. Raises `ProbeFailure`."""
        self.public = ip_address(sock.getpeername()[0]).is_global
        if self.public or not self._inward:
            return sock
        self._run.release(sock)
        sock.close()
        self._run.to_allow = self._inward
        raise ProbeFailure(Reason.EXPECTATION_FAILED, self._inward)

    def request(self, *args: Any, **kwargs: Any) -> None:
        run = self._run
        try:
            self.connect()
            run.enter(Phase.SEND)
            self._sent_at = run.clock.monotonic()
            headers = kwargs.get("headers", {})
            if kwargs.get("body") is not None or run.holds_code:
                run.credentials_leave()
            kwargs["headers"] = {**headers, **self._for_the_proxy()}
            super().request(*args, **kwargs)
        except (BrokenPipeError, ConnectionResetError):
            raise  # urllib3 still reads what the server sent before it closed
        except OSError as error:
            raise trouble_of(error) from None

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        self._run.enter(Phase.WAIT)
        try:
            answer = super().getresponse()
        except (OSError, http.client.HTTPException, HTTPError) as error:
            raise trouble_of(error) from None
        self._run.answered(answer.status)
        self._run.enter(Phase.READ)
        self.waited = self._run.clock.monotonic() - self._sent_at
        if trouble := self._on_the_way(answer):
            answer.close()  # it holds the socket
            raise trouble
        return answer

    def _on_the_way(self, answer: HTTPResponse) -> ProbeFailure | None:
        """The failure where this answer is not the server's but from a proxy or a portal."""
        if self._forwarded and answer.status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return _not_let_through(self._route, answer.headers.get("proxy-authenticate", ""))
        if answer.status == http.HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED and self.in_the_clear:
            text = "a network on the way wants a sign-in first: status 511"
            return ProbeFailure(Reason.OWN_NETWORK, text)
        return None

    @property
    def _forwarded(self) -> bool:
        """Whether a proxy reads the request; in a tunnel it does not."""
        return self._route.proxy is not None and self.in_the_clear

    def _for_the_proxy(self) -> dict[str, str]:
        """The headers for the proxy only."""
        return _proof(self._run, self._route) if self._forwarded else {}

    def hang_up(self) -> None:
        """Close it finally: http.client calls `close` before the body is read."""
        self.close()
        if self._watched is not None:
            self._run.release(self._watched)
            self._watched.close()


class _SecureConnection(_Connection):
    """A connection with TLS, through a tunnel if there is a proxy."""

    in_the_clear = False
    default_port = 443  # type: ignore[misc]  # a ClassVar in urllib3 only

    def connect(self) -> None:
        if self._route.proxy is not None:
            self.set_tunnel(*self._origin)
        super().connect()
        if self._route.proxy is not None:
            self._open_tunnel()
        secured = tls.handshake(self._run, self.sock, self._route.tls, self._origin[0])
        self.sock = self._watched = secured
        self.certificate_days = tls.certificate_days(self._run, secured)

    def _open_tunnel(self) -> None:
        """Ask the proxy for a tunnel (RFC 9110 §9.3.6). Raises `ProbeFailure`."""
        where = host_port(*self._origin)
        lines = {"Host": where, **_proof(self._run, self._route)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with contextlib.closing(_Answer(self.sock, method="CONNECT", run=self._run)) as answer:
            try:
                self.sock.sendall(f"CONNECT {where} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
                answer.begin()
            except (http.client.HTTPException, HTTPError, ProbeFailure, ConnectionError):
                self._run.remaining()  # at the deadline the socket is shut, which fails here too
                raise ProbeFailure(Reason.OWN_NETWORK, "our proxy does not speak HTTP") from None
        status = answer.status
        if status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            offered = ", ".join(answer.headers.get_all("proxy-authenticate", ()))
            raise _not_let_through(self._route, offered)
        if status >= 500 and status != http.HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
            text = f"our proxy does not reach the server: status {status}"
            raise ProbeFailure(Reason.UNREACHABLE, text)
        if not 200 <= status < 300:
            raise ProbeFailure(Reason.OWN_NETWORK, f"our proxy opens no tunnel: status {status}")


def _proof(run: Run, route: Route) -> dict[str, str]:
    """Our sign-in at the proxy."""
    proof = route.proxy.authorization() if route.proxy else ""
    run.hide(proof.removeprefix("Basic "))
    return {"Proxy-Authorization": proof} if proof else {}


def _not_let_through(route: Route, offered: str) -> ProbeFailure:
    """The failure for a proxy's 407, with the setting to correct."""
    if route.proxy and route.proxy.authorization():
        text = "our proxy refuses `proxy.username` or `proxy.password`"
    else:
        text = "our proxy wants a sign-in: set `proxy.username` and `proxy.password`"
    if offered and "basic" not in offered.lower():
        text = "our proxy wants a sign-in other than Basic, which the beacon does not support"
    return ProbeFailure(Reason.OWN_CREDENTIALS, text)


_BODILESS: Final = (http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED, 101)


class _Answer(http.client.HTTPResponse):
    """An answer whose head has a limit, and must be complete."""

    _method: str | None
    _read_status: Callable[[], tuple[str, int, str]]

    def __init__(self, sock: Any, *args: Any, run: Run, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: _Lines = _Lines(self.fp.detach(), run)

    def begin(self) -> None:
        """Read the head: any number of lines, up to `HEAD_LIMIT` bytes. Raises `HTTPException`."""
        version, status, reason = self._read_status()
        while 100 <= status < 200 and status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self._read_headers()  # an interim answer: the final one follows
            version, status, reason = self._read_status()
        if version != "HTTP/0.9" and not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/0.9", "HTTP/1.0") else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = self.msg = self._read_headers()
        self.fp.left = BODY_LIMIT  # from here on for chunk sizes and trailers
        self.fp.in_head = False
        assert_header_parsing(self.headers)
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = self._content_length()
        self.will_close = True  # every request asks for that

    def _read_headers(self) -> http.client.HTTPMessage:
        lines = [self.fp.readline()]
        while lines[-1] not in (b"\r\n", b"\n"):
            lines.append(self.fp.readline())
        text = b"".join(lines).decode("iso-8859-1")
        return Parser(_class=http.client.HTTPMessage).parsestr(text)

    def _content_length(self) -> int | None:
        """How many bytes the body has; None where its end is marked in another way."""
        lengths = ",".join(self.headers.get_all("content-length", ())).split(",")
        if not all(each.strip().isdecimal() and len(each) < 20 for each in lengths if each):
            raise http.client.HTTPException("invalid Content-Length")
        if self.status in _BODILESS or self._method == "HEAD":
            return 0
        return int(lengths[0]) if lengths[0] and not self.chunked else None


class _Lines(io.BufferedReader):
    """The bytes from the server, with a limit on the lines of head and framing."""

    def __init__(self, raw: Any, run: Run) -> None:
        super().__init__(raw)
        self._run = run
        self.left = HEAD_LIMIT
        self.in_head = True

    def readline(self, size: int | None = -1, /) -> bytes:
        self._run.remaining()
        most = self.left + 1 if size is None or size < 0 else min(size, self.left + 1)
        line = super().readline(most)
        self.left -= len(line)
        if self.left < 0:
            limit = "header block is longer than 64 KiB" if self.in_head else "framing never ends"
            raise ProbeFailure(Reason.PROTOCOL_ERROR, f"the answer's {limit}")
        if self.in_head and not line.endswith(b"\n") and len(line) < most:
            what = "ended inside its header block" if self.left < HEAD_LIMIT else "never began"
            raise ProbeFailure(Reason.PROTOCOL_ERROR, f"connection closed: the answer {what}")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # a chunk of "-1" bytes would be read without end
            raise ProbeFailure(Reason.PROTOCOL_ERROR, "a chunk of negative size")
        return super().read(size)


def _read(run: Run, raw: HTTPResponse, limit: int) -> bytes:
    """Read a body to its end, decompressing as it comes."""
    if raw.status in _BODILESS:
        return b""  # even if its header announces chunks
    if (raw.length_remaining or 0) > limit:
        raise ProbeFailure(Reason.BODY_TOO_LARGE, f"{raw.length_remaining} bytes are announced")
    coding = coding_of(raw.headers.get("content-encoding") or "")
    body, received = bytearray(), 0
    inflate: Inflate | None = None
    for piece in raw.stream(CHUNK, decode_content=False):
        run.remaining()
        received += len(piece)
        before = len(body)
        if coding:
            inflate = inflate or Inflate(coding, piece)
            body += inflate.feed(piece, limit + 1 - len(body))
        else:
            body += piece
        hold(run, len(body) - before)
        if max(len(body), received) > limit:
            longer = f"the body is longer than {limit // 2**20} MiB"
            raise ProbeFailure(Reason.BODY_TOO_LARGE, longer)
    if inflate and not inflate.complete:
        raise ProbeFailure(Reason.BODY_UNDECODABLE, f"the {coding} data ends too early")
    return bytes(body)


def trouble_of(error: BaseException) -> ProbeFailure:
    """An error of requests, urllib3, http.client or a socket as a failure of the probe.

    Raises `DeadlinePassed` for a timeout: every timeout here is the time left of the run.
    """
    causes = _causes(error)
    for cause in causes:
        match cause:
            case TimeoutError():
                raise DeadlinePassed from None
            case ssl.SSLError():
                return tls.trouble_of(cause)
            case OSError() if not isinstance(cause, RequestException):
                return dial.trouble_of(cause, "connection")
    # The server's own text is not quoted.
    words = next(words for kind, words in _CAUSES if any(isinstance(c, kind) for c in causes))
    return ProbeFailure(Reason.PROTOCOL_ERROR, f"not valid HTTP: {words}")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


_CAUSES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (http.client.BadStatusLine, "malformed status line"),
    (http.client.LineTooLong, "a line without end"),
    (http.client.UnknownProtocol, "unknown version"),
    (http.client.IncompleteRead, "the body ended too early"),
    (HeaderParsingError, "malformed header block"),
    (InvalidHeader, "malformed header block"),
    (http.client.HTTPException, "malformed header block"),
    (BaseException, "malformed body"),
)
