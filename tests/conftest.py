"""What every test may use: real servers by name, free ports, a clock that stands still."""

import contextlib
import os
import random
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from beacon.engine.clock import ManualClock
from beacon.transport.onetime import OneTimeCode
from beacon.transport.totp import Ledger, Token

# What others import comes first: pytest rewrites the assertions of what it imports itself.
pytest_plugins = [
    f"tests.servers.{name}"
    for name in (
        "certificates",
        "stand_in",
        "authelia",
        "duo",
        "fake_imap",
        "freeradius",
        "gammu",
        "mail",
        "nginx",
        "openid",
        "portal",
        "privacyidea",
        "twilio",
    )
]

# A busy or small machine is no failure: no example has to be done within a wall-clock time.
settings.register_profile("patient", parent=settings.default, deadline=None)
settings.load_profile("patient")

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """Find a real server's binary; without it skip, or fail where CI=true."""

    def find(name: str) -> Path:
        found = shutil.which(name, path=SBIN)
        return Path(found) if found else _missing(name)

    return find


@pytest.fixture
def one_time() -> Callable[..., OneTimeCode]:
    """Make the setting `code`, on a ledger of this test's own, begun long ago: no first wait."""
    ledger = Ledger()
    ledger.wait(Token(b"of nobody"), 0.0)

    class Fresh(OneTimeCode):
        LEDGER = ledger

    return Fresh


@pytest.fixture(scope="session")
def need_application() -> Callable[[str], Path]:
    """Find the environment of an identity server from PyPI; else as `need`."""

    def find(name: str) -> Path:
        found = Path(sys.prefix) / "applications" / name
        return found if (found / "installed.txt").exists() else _missing(name)

    return find


def _missing(name: str) -> NoReturn:
    reason = f"{name} is not installed: run `make test` where it may install packages"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A TCP port of 127.0.0.1 that nobody holds now: for servers that cannot take port 0.

    Below the range from which the kernel gives ports to whoever connects, so that nobody
    takes it before the server does.
    """
    dice = random.SystemRandom()

    def find() -> int:
        for _ in range(100):
            port = dice.randrange(20000, 32000)
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                return port
        pytest.fail("no free port between 20000 and 32000")

    return find


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; fail with `what` after `within` seconds."""

    def wait(
        holds: Callable[[], object], what: str = "the condition", within: float = 10.0
    ) -> None:
        until = time.monotonic() + within
        while not holds():
            if time.monotonic() > until:
                pytest.fail(f"{what} did not come true within {within:g} s")
            time.sleep(0.005)

    return wait


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-01-05 12:00 UTC, monotonic 1000 s, until told."""
    return ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC), 1000.0)


class UdpServer:
    """A UDP server on 127.0.0.1 that says what `answer` gives for each datagram."""

    def __init__(self, answer: Callable[[bytes], Iterable[bytes]]) -> None:
        self.asked: list[bytes] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(65535)
            if data == b"stop" and peer == self._socket.getsockname():
                return
            self.asked.append(data)
            for answer in self._answer(data):
                self._socket.sendto(answer, peer)

    def close(self) -> None:
        """Stop serving."""
        self._socket.sendto(b"stop", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def udp_server() -> Iterator[Callable[[Callable[[bytes], Iterable[bytes]]], UdpServer]]:
    """Start UDP servers; each is given the function from a datagram to its answers."""
    servers: list[UdpServer] = []

    def start(answer: Callable[[bytes], Iterable[bytes]]) -> UdpServer:
        servers.append(UdpServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
