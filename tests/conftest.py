"""What every test may use: real servers by name, free ports, a clock that stands still."""

import os
import shutil
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from beacon.engine.clock import ManualClock

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """Find a real server's binary; without it skip, or fail where CI=true."""

    def find(name: str) -> Path:
        found = shutil.which(name, path=SBIN)
        if found:
            return Path(found)
        reason = f"{name} is not installed: run `make test` where it may install packages"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return find


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A TCP port of 127.0.0.1 that nobody holds now: for servers that cannot take port 0."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

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
