"""The sandbox for tests, in this process: one for all, or on free ports."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from beacon.engine.clock import ManualClock, SystemClock
from beacon.sandbox.provider import SandboxProvider
from beacon.sandbox.servers import Ports, sandbox
from beacon.sandbox.world import HOST, RECOVER, SandboxTimes, World


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Commands take signals over; the next test shall not notice."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pace() -> SandboxTimes:
    return SandboxTimes(slow=0.01, hang=0.02)


@pytest.fixture
def provider(world: World, clock: ManualClock, pace: SandboxTimes) -> SandboxProvider:
    return SandboxProvider(world, clock, pace)


@pytest.fixture
def ports(free_port: Callable[[], int]) -> Ports:
    """Ports that nobody has."""
    return Ports(http=free_port(), dns=free_port(), mqtt=free_port())


@pytest.fixture(scope="session")
def shared(free_port: Callable[[], int]) -> Iterator[tuple[World, Ports]]:
    """One sandbox for all who only ask it."""
    ports = Ports(http=free_port(), dns=free_port(), mqtt=free_port())
    with sandbox(ports, SandboxTimes(slow=0.01, hang=0.02), SystemClock()) as world:
        yield world, ports


@pytest.fixture
def at(shared: tuple[World, Ports]) -> Ports:
    """Where it listens."""
    return shared[1]


@pytest.fixture
def running(shared: tuple[World, Ports]) -> World:
    """Its faults: none."""
    shared[0].break_(RECOVER)
    return shared[0]


@pytest.fixture
def when() -> Iterator[Callable[..., None]]:
    """Send this process a signal as soon as something holds."""
    threads: list[threading.Thread] = []

    def start(holds: Callable[[], object], number: signal.Signals) -> None:
        def wait() -> None:
            until = time.monotonic() + 60
            while not holds() and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(os.getpid(), number)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


@pytest.fixture
def ask() -> Callable[..., tuple[int, Any]]:
    """One HTTP request to a port of this machine; status and parsed body."""

    def request(port: int, method: str, path: str, **form: str) -> tuple[int, Any]:
        connection = HTTPConnection(HOST, port, timeout=10)
        try:
            body = urlencode(form) if method == "POST" else None
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return request
