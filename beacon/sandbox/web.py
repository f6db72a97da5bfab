"""The sandbox over HTTP: sign-in, health, status page, and the switch for faults."""

import json
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from beacon.engine.clock import Clock
from beacon.sandbox import statuspage
from beacon.sandbox.provider import Answer, SandboxProvider
from beacon.sandbox.world import HOST, RECOVER, Fault, World

STATUS_PAGE: Final = "/status/api/v2/summary.json"
BREAK: Final = "/sandbox/break/"
FORM_LIMIT: Final = 4096
"""Bytes of a form; a longer one is refused unread."""

Form = Mapping[str, str]


class SandboxSite:
    """The paths of the sandbox, and their answers."""

    def __init__(self, world: World, provider: SandboxProvider, clock: Clock) -> None:
        self._world, self._provider, self._clock = world, provider, clock

    def get(self, path: str) -> Answer:
        """Answer a GET."""
        if path == "/health":
            return self._provider.health()
        if path == STATUS_PAGE:
            admitting = self._world.broken(Fault.CLAIM)
            return 200, statuspage.summary(self._clock.utc(), admitting=admitting)
        if path == "/sandbox":
            return self._faults()
        return _nothing_here(path)

    def post(self, path: str, form: Form) -> Answer:
        """Answer a POST."""
        if path == "/login":
            return self._provider.log_in(form.get("username", ""), form.get("password", ""))
        if path == "/verify":
            return self._provider.verify(form.get("transaction", ""), form.get("code", ""))
        if path.startswith(BREAK):
            return self._break(path.removeprefix(BREAK))
        return _nothing_here(path)

    def _break(self, word: str) -> Answer:
        try:
            self._world.break_(word)
        except ValueError:
            allowed = ", ".join((*Fault, RECOVER))
            return 404, {"error": f"no fault named {word[:40]!r}: {allowed}"}
        return self._faults()

    def _faults(self) -> Answer:
        return 200, {"faults": self._world.faults}


def _nothing_here(path: str) -> Answer:
    return 404, {"error": f"nothing at {path[:80]}"}


class _Handler(BaseHTTPRequestHandler):
    server: "SandboxWebServer"
    protocol_version = "HTTP/1.1"
    timeout = 30.0

    def do_GET(self) -> None:
        self._answer(*self.server.site.get(self.path))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > FORM_LIMIT:
            self.close_connection = True
            self._answer(413, {"error": f"a form of at most {FORM_LIMIT} bytes, please"})
            return
        fields = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        form = {name: values[0] for name, values in fields.items()}
        self._answer(*self.server.site.post(self.path, form))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Log nothing: paths and forms contain codes and passwords."""


class SandboxWebServer(ThreadingHTTPServer):
    """The sandbox's web server. Raises `OSError` if the port is taken."""

    def __init__(self, port: int, site: SandboxSite) -> None:
        self.site = site
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Ignore clients that close early: a probe does so at its deadline."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
