"""HTTP servers that stand in for those that cannot run here."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

import pyotp
import pytest

from tests.servers.certificates import Pair

SEED: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD: Final = "canary p&ss/wörd"


class StandIn(ThreadingHTTPServer):
    """An HTTP server of a sign-in: what it was asked, and what it answers instead of the truth.

    `instead` maps a path to a status, a body and perhaps headers, or to an event: it hangs until
    that is set.
    """

    def __init__(self, pair: Pair | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.scheme = "http"
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.url = f"{self.scheme}://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.instead: dict[str, tuple[Any, ...] | threading.Event] = {}
        self.codes: list[str] = []
        self.ahead = 0.0

    def handle_error(self, *_: Any) -> None: ...

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def right(self, code: str) -> bool:
        """Each code once, and one step of error either way, by a clock that may be wrong."""
        fresh = code not in self.codes
        self.codes.append(code)
        now = datetime.now(UTC) + timedelta(seconds=self.ahead)
        return fresh and pyotp.TOTP(SEED).verify(code, for_time=now, valid_window=1)

    def answer(
        self, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> tuple[int, bytes | str | dict[str, Any], dict[str, str]]:
        """Status, body and headers of the truth."""
        raise NotImplementedError


class _Asked(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._say({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        as_json = self.headers["Content-Type"] == "application/json"
        self._say(json.loads(body) if as_json else dict(parse_qsl(body)))

    def _say(self, form: dict[str, str]) -> None:
        server, headers = self.server, {k.title(): v for k, v in self.headers.items()}
        server.asked.append((self.path, headers, form))
        instead = server.instead.get(self.path)
        if isinstance(instead, threading.Event):
            instead.wait(10)
            return
        truth = instead or server.answer(self.path, headers, form)
        status, body, more = (*truth, {})[:3]
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw.encode() if isinstance(raw, str) else raw)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def stand_in() -> Iterator[Callable[..., Any]]:
    """Start servers of such a class; they end with the test."""
    started: list[StandIn] = []

    def start(kind: type[StandIn], *given: Any) -> StandIn:
        server = kind(*given)
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    yield start
    for server in started:
        for instead in server.instead.values():
            if isinstance(instead, threading.Event):
                instead.set()
        server.shutdown()
        server.server_close()
