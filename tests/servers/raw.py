"""Servers that misbehave byte by byte, and runs that end as the prober ends them."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from beacon.core.model import Reading
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure

Script = Callable[[socket.socket, bytes], None]


class RawServer:
    """Reads a request's head, then lets a script say what it likes on the open socket."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.heads: list[bytes] = []
        self.sent = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            head = b""
            while b"\r\n\r\n" not in head and (piece := peer.recv(65536)):
                head += piece
            self.heads.append(head)
            self._script(peer, head)

    def close(self) -> None:
        # Shutting a listener wakes its accept; closing alone would leave it asleep.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(60)
        for peer in self._open:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)


@pytest.fixture
def raw_server() -> Iterator[Callable[[Script | bytes], RawServer]]:
    """Start a server that answers with these bytes, or with what a script sends."""
    started: list[RawServer] = []

    def start(script: Script | bytes) -> RawServer:
        play = (lambda peer, _: peer.sendall(script)) if isinstance(script, bytes) else script
        started.append(RawServer(play))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def driven() -> Callable[..., object]:
    """Do something with a run that is expired at its deadline, as the prober does it."""

    def drive(act: Callable[[Run], Answer], budget: float = 60.0) -> Answer | Reading:
        run = Run(SystemClock(), budget)
        timer = threading.Timer(budget, run.expire)
        timer.start()
        try:
            return act(run)
        except ProbeFailure as trouble:
            return trouble.reading
        finally:
            timer.cancel()
            timer.join()
            assert not run._sockets, "a socket was not given back"

    return drive
