"""Duo's Auth API as documented; it checks signatures by its own code."""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pyotp
import pytest
import trustme

from beacon.config.fields import Secret
from beacon.config.tls import TlsPolicy
from tests.servers.certificates import Pair


class DuoServer(ThreadingHTTPServer):
    """Duo's Auth API, made of its documentation: ping, check, preauth, auth with a passcode; and of
    its Admin API the authentication log.

    It verifies signatures by itself, and judges codes: of time by its own clock, which is
    `ahead`, each once; counted ones in order. `says` sets what a call answers instead;
    None: it hangs up. The word AUTHORIZATION in it becomes the header's value.
    """

    integration_key = "DIXXXXXXXXXXXXXXXXXX"
    secret_key = "canary-Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNm"
    seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    counted = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    tolerance = 150  # seconds a request's Date may be off; Duo does not tell its own

    def __init__(self, pair: Pair) -> None:
        super().__init__(("127.0.0.1", 0), _DuoCall)
        self.ahead = 0.0
        self.says: dict[str, tuple[int, object] | None] = {}
        self.hangs: set[str] = set()
        self.over = threading.Event()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.proofs: list[str] = []
        self.codes: list[str] = []
        self.logs: list[dict[str, Any]] = []
        self.counter = 0
        self.errors: list[BaseException | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def calls(self) -> list[str]:
        return [name for name, _ in self.asked]

    def now(self) -> float:
        return time.time() + self.ahead

    def log(self, params: dict[str, str]) -> dict[str, Any]:
        """A page of the authentication log (Admin API, version 2), as its client asks for it."""
        assert params["sort"] == "ts:desc"
        since, until = int(params["mintime"]), int(params["maxtime"])
        found = [
            entry
            for entry in sorted(self.logs, key=lambda e: -e["timestamp"])
            if since <= entry["timestamp"] * 1000 <= until
            and params.get("users") in (None, entry["user"]["key"])
        ]
        begin, size = int(params.get("next_offset", ",0").partition(",")[2]), int(params["limit"])
        end = begin + size
        offset = ["1767614850000", str(end)] if end < len(found) else None
        metadata = {"next_offset": offset, "total_objects": len(found)}
        return {"authlogs": found[begin:end], "metadata": metadata}

    def accepts(self, code: str) -> bool:
        fresh = code not in self.codes
        self.codes.append(code)
        moment = datetime.fromtimestamp(self.now(), UTC)
        if fresh and pyotp.TOTP(self.seed).verify(code, for_time=moment, valid_window=1):
            return True
        if code == pyotp.HOTP(self.counted).at(self.counter):
            self.counter += 1
            return True
        return False

    def handle_error(self, *_: object) -> None:
        self.errors.append(sys.exc_info()[1])


class _DuoCall(BaseHTTPRequestHandler):
    server: DuoServer

    def do_GET(self) -> None:
        self._answer(b"", dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self._answer(body, json.loads(body))

    def _answer(self, body: bytes, params: dict[str, str]) -> None:
        server, path = self.server, urlsplit(self.path).path
        name = path.removeprefix("/auth/v2/")
        server.asked.append((name, params))
        if name in server.hangs:
            server.over.wait(60)
            return
        code, message = (0, "") if name == "ping" else self._refused(path, body)
        if code:
            answer: tuple[int, object] | None = (
                401,
                {"code": code, "message": message, "stat": "FAIL"},
            )
        elif name in server.says:
            answer = server.says[name]
        else:
            answer = 200, {"stat": "OK", "response": self._response(name, params)}
        if answer is not None:
            self._say(*answer)

    def _response(self, name: str, params: dict[str, str]) -> dict[str, Any]:
        if name in ("ping", "check"):
            return {"time": int(self.server.now())}
        if name == "/admin/v2/logs/authentication":
            return self.server.log(params)
        if name == "preauth":
            token = {"device": "DHFZEJKYRW5VA0I0RDWI", "name": "0", "type": "token"}
            words = "Account is active"
            return {"result": "auth", "status_msg": words, "devices": [token]}
        assert (params["factor"], params["async"]) == ("passcode", "0")
        if self.server.accepts(params["passcode"]):
            words = "Success. Logging you in..."
            return {"result": "allow", "status": "allow", "status_msg": words}
        words = "Incorrect passcode. Please try again."
        return {"result": "deny", "status": "deny", "status_msg": words}

    def _refused(self, path: str, body: bytes) -> tuple[int, str]:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        self.server.proofs.append(given)
        if scheme != "Basic":
            return 40101, "Missing request credentials"
        key, _, proof = base64.b64decode(given).decode().partition(":")
        if key != self.server.integration_key:
            return 40102, "Invalid integration key in request credentials"
        if proof != self._proof(path, body):
            return 40103, "Invalid signature in request credentials"
        sent = parsedate_to_datetime(self.headers["Date"]).timestamp()
        if abs(sent - self.server.now()) > self.server.tolerance:
            return 40105, "Bad request timestamp"
        return 0, ""

    def _proof(self, path: str, body: bytes) -> str:
        """Version 5, from what came over the wire."""
        pairs = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        query = "&".join(sorted(f"{quote(k, '~')}={quote(v, '~')}" for k, v in pairs))
        extra = {n.lower(): v for n, v in self.headers.items() if n.lower()[:6] == "x-duo-"}
        joined = "\0".join(part for pair in sorted(extra.items()) for part in pair)
        mac = hmac.new(self.server.secret_key.encode(), digestmod=hashlib.sha512)
        mac.update(f"{self.headers['Date']}\n{self.command}\n".encode())
        mac.update(f"{self.headers['Host'].partition(':')[0].lower()}\n{path}\n{query}\n".encode())
        mac.update(hashlib.sha512(body).hexdigest().encode() + b"\n")
        mac.update(hashlib.sha512(joined.encode()).hexdigest().encode())
        return mac.hexdigest()

    def _say(self, status: int, answer: object) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        body = body.replace(b"AUTHORIZATION", self.headers.get("Authorization", "").encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "https://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def duo_with() -> Iterator[Callable[[Pair], DuoServer]]:
    """Start what speaks as Duo does, with this certificate."""
    started: list[tuple[DuoServer, threading.Thread]] = []

    def start(pair: Pair) -> DuoServer:
        server = DuoServer(pair)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.over.set()
        server.shutdown()
        thread.join(60)
        server.server_close()
        assert all(isinstance(error, OSError) for error in server.errors), server.errors


@pytest.fixture
def duo_server(
    duo_with: Callable[[Pair], DuoServer],
    issue: Callable[..., Pair],
    authority: trustme.CA,
) -> DuoServer:
    """It, with a good certificate."""
    return duo_with(issue(authority, "127.0.0.1", "localhost"))


@pytest.fixture
def duo_probe(duo_server: DuoServer, ca_file: str) -> Callable[..., Any]:
    """Make a probe of this kind that is configured rightly, but for what is given."""

    def make(kind: Callable[..., Any], **given: Any) -> Any:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": duo_server.server_port,
            "integration_key": duo_server.integration_key,
            "secret_key": Secret(duo_server.secret_key),
            "tls": TlsPolicy(ca=ca_file),
        }
        probe = kind(**settings | given)
        assert not list(probe.faults())
        return probe

    return make
