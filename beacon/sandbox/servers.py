"""The whole sandbox in one process: web server, name server, broker."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from beacon.engine.clock import Clock
from beacon.sandbox.nameserver import TRANSPORTS, ZoneRecords
from beacon.sandbox.provider import SandboxProvider
from beacon.sandbox.web import SandboxSite, SandboxWebServer
from beacon.sandbox.world import HOST, SandboxTimes, World

POLL: Final = 0.05
"""Seconds between looks at the stop flag of a server."""


class SandboxCannotStart(Exception):
    """A part of the sandbox cannot start; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the sandbox listens, on loopback only."""

    http: int = 8480
    dns: int = 8453
    mqtt: int = 8483


@contextlib.contextmanager
def sandbox(ports: Ports, pace: SandboxTimes, clock: Clock) -> Iterator[World]:
    """Inside, all servers run. Raises `SandboxCannotStart`."""
    world = World()
    site = SandboxSite(world, SandboxProvider(world, clock, pace), clock)
    with contextlib.ExitStack() as running:
        with _explained("web server", ports.http, "--http-port"):
            running.enter_context(_serving(SandboxWebServer(ports.http, site)))
        records = ZoneRecords(world)
        for server in TRANSPORTS:
            with _explained("name server", ports.dns, "--dns-port"):
                running.enter_context(_serving(server(ports.dns, records)))
        with _explained("MQTT broker", ports.mqtt, "--mqtt-port"):
            from beacon.sandbox.broker import SandboxBroker  # noqa: PLC0415 - optional dependency

            broker = SandboxBroker(ports.mqtt)
            broker.start()
        running.callback(broker.stop)
        running.callback(world.release)
        yield world


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _explained(part: str, port: int, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SandboxCannotStart(
            f"the sandbox's {part} cannot listen at {HOST}:{port}: {error.strerror or error}; "
            f"stop the program that listens there (another sandbox?), or set another {option}"
        ) from None
    except ImportError:
        raise SandboxCannotStart(
            f"the sandbox's {part} needs the package amqtt: pip install 'mfa-beacon[demo]'"
        ) from None
