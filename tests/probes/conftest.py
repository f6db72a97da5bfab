"""Runs that end in time, scripted servers, and what the tower would show of readings."""

import contextlib
import gzip
import http.server
import json
import socket
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from beacon.core.indication import Colour
from beacon.core.model import Reading
from beacon.daemon.life import load_config
from beacon.engine.clock import Clock, SystemClock
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import DeadlinePassed, Probe, Run
from beacon.replay.simulation import ScriptedReading, Simulation
from tests.probe_memories import MEMORIES
from tests.probes.conformance import loader


@pytest.fixture
def observed() -> Callable[..., Reading]:
    """Run a probe once, expired at its deadline as the prober does it."""

    def observe(
        probe: Probe,
        budget: float = 60.0,
        clock: Clock | None = None,
        memory: ProbeMemory | None = None,
    ) -> Reading:
        run = Run(clock or SystemClock(), budget, memory=memory or MEMORIES.of(probe))
        timer = threading.Timer(budget, run.expire)
        timer.start()
        try:
            return run.take(probe)
        except DeadlinePassed:
            return run.overstayed()
        finally:
            timer.cancel()
            timer.join()
            run.answers.let_go()

    return observe


@pytest.fixture
def config_of(tmp_path: Path, shared_memory: Callable[..., Any]) -> Callable[..., Any]:
    """Load a configuration with the settings of a `Conformance` as the beacon does."""
    shared_memory()  # of an smsd that runs
    return loader(tmp_path)


@pytest.fixture
def probe_of(config_of: Callable[..., Any]) -> Callable[..., Any]:
    """Load the settings of a `Conformance`: the probe."""
    return lambda *settings: config_of(*settings).probes["mfa/it"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def silent_resolver() -> Iterator[str]:
    """A resolver that hears and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


HttpAnswer = tuple[int, dict[str, str], bytes]

DEAD: list[tuple[HttpAnswer, str]] = [
    ((404, {}, b"gone"), "status 404"),
    ((401, {}, b"Your page is inactive"), "status 401"),
    ((500, {}, b"{}"), "status 500"),
    ((503, {}, b""), "status 503"),
    ((204, {}, b""), "status 204"),
    ((304, {}, b""), "status 304"),
    ((200, {}, b""), "empty"),
    ((200, {"Content-Type": "text/html"}, b"<!doctype html><html><body>All fine<br>"), ""),
    ((200, {}, b"[" * 100_000), ""),
    ((200, {}, b'{"a":' * 100_000), ""),
    ((200, {}, b"9" * 100_000), ""),
    ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "body_undecodable"),
    ((200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(50 << 20))), "body_too_large"),
    ((200, {"Content-Length": str(50 << 20)}, b" "), "body_too_large"),
    ((302, {"Location": "/elsewhere"}, b""), "status 404"),
]
"""What a source answers that is dead, and a word of why; the same for every kind."""


@pytest.fixture(params=DEAD, ids=lambda one: f"{one[0][0]} {one[1]}")
def dead(request: pytest.FixtureRequest) -> tuple[HttpAnswer, str]:
    """One way for a source to be dead."""
    found: tuple[HttpAnswer, str] = request.param
    return found


@dataclass(frozen=True)
class Shown:
    """What people see of the only service: its verdict and cause, and the lamps that are lit."""

    verdict: str
    lamps: dict[str, str]
    cause: str | None
    shallow: bool


def shown_after(config: Any, readings: dict[str, Reading], *, proven: bool = True) -> Shown:
    """What is shown after an hour of these readings by endpoint.

    They pass for an hour before, unless `proven` is false: then they never did.
    """
    hour = 3600.0
    begin = hour if proven else 0.0
    cues = [ScriptedReading(begin, f"mfa/{name}", reading) for name, reading in readings.items()]
    simulation = Simulation(config.watched, 0.0, cues)
    simulation.start()
    list(simulation.run(begin + hour))
    view = simulation.monitor.view()
    lights = {colour.value: view.indication.light(colour).pattern.value for colour in Colour}
    service = view.services[0]
    lit = {colour: pattern for colour, pattern in lights.items() if pattern != "off"}
    return Shown(service.verdict.value, lit, service.cause, service.shallow)


@pytest.fixture
def shown(tmp_path: Path) -> Callable[..., Shown]:
    """What is shown after readings of endpoints that are configured like this."""

    def show(endpoints: str, readings: dict[str, Reading], *, proven: bool = True) -> Shown:
        path = tmp_path / "beacon.yaml"
        head = "site: soc\nservices:\n  - name: MFA\n    endpoints:\n"
        path.write_text(head + textwrap.indent(textwrap.dedent(endpoints), 6 * " "))
        return shown_after(load_config(path, environ={}), readings, proven=proven)

    return show


Asked = Callable[[str, dict[str, str]], tuple[int, Any]]


@pytest.fixture
def answering() -> Iterator[Callable[[Asked], str]]:
    """Start servers that answer a path and form with a status and a document (or bytes)."""
    with contextlib.ExitStack() as servers:

        def start(answer: Asked) -> str:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self) -> None:
                    asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                    status, found = answer(self.path, dict(parse_qsl(asked)))
                    body = found if isinstance(found, bytes) else json.dumps(found).encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    with contextlib.suppress(OSError):  # nobody waited for it
                        self.wfile.write(body)

                do_GET = do_POST  # noqa: N815 - as it is called

                def log_message(self, *_: object) -> None:
                    """Nothing: what is asked holds secrets."""

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            for end in (server.server_close, lambda: thread.join(60), server.shutdown):
                servers.callback(end)
            return f"http://127.0.0.1:{server.server_address[1]}"

        yield start
