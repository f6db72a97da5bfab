"""The web servers of vendors that speak of themselves, with ETags and dates."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from beacon.config.fields import Url
from beacon.net.http.conditional_client import ConditionalClient


@dataclass(frozen=True)
class Asked:
    """One request that a vendor got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


HttpAnswer = tuple[int, dict[str, str], bytes]


class Vendor(ThreadingHTTPServer):
    """A vendor's web server: path → what it answers, or how it comes to its answer.

    A path may be given without its query, or without a function's arguments.
    """

    def __init__(self) -> None:
        self.answers: dict[str, HttpAnswer | Callable[[Asked], HttpAnswer]] = {}
        self.asked: list[Asked] = []
        super().__init__(("127.0.0.1", 0), _Clerk)
        self.url = Url(f"http://127.0.0.1:{self.server_port}")

    @property
    def paths(self) -> list[str]:
        """The paths it was asked for, in order."""
        return [one.path for one in self.asked]

    def publish(self, path: str, body: bytes, **headers: str) -> None:
        """Answer with 200, and with 304 whoever knows this ETag or date already."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        def answer(asked: Asked) -> HttpAnswer:
            known = (asked.headers.get("If-None-Match"), asked.headers.get("If-Modified-Since"))
            mine = (named.get("ETag"), named.get("Last-Modified"))
            if any(value and value == other for value, other in zip(mine, known, strict=True)):
                return 304, named, b""
            return 200, named, body

        self.answers[path] = answer


class _Clerk(BaseHTTPRequestHandler):
    server: Vendor

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
        self.server.asked.append(asked)
        bare = self.path.partition("?")[0].partition("(")[0]
        answer = self.server.answers.get(self.path, self.server.answers.get(bare, (404, {}, b"")))
        status, headers, body = answer(asked) if callable(answer) else answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client hung up
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - as the library has it

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def vendors() -> Iterator[Callable[[], Vendor]]:
    """Start vendors' web servers."""
    with contextlib.ExitStack() as stack:

        def start() -> Vendor:
            server = stack.enter_context(Vendor())
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def vendor(vendors: Callable[[], Vendor]) -> Vendor:
    """One of them."""
    return vendors()


@pytest.fixture
def sources() -> ConditionalClient:
    """A memory of sources of this test's own."""
    return ConditionalClient()
