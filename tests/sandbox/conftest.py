"""The sandbox for tests: on free ports, in this process or in one of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from beacon.engine.clock import ManualClock
from beacon.sandbox.provider import SandboxProvider
from beacon.sandbox.servers import Ports
from beacon.sandbox.world import HOST, SandboxTimes, World


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
    return Ports(http=free_port(), dns=free_port(), mqtt=free_port())


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


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `beacon …` as a process of its own; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "beacon", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()
