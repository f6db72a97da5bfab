"""A small IMAP server that can be made to misbehave, for what no sound one does."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

Mood = Callable[[str], bytes | None]


@dataclass
class FakeImap:
    """One account; `inbox` holds its messages. A mood answers a command in its own way.

    It is given the command without its tag, and gives all the bytes of the answer (`TAG` stands
    for the tag), or None to let the command be answered properly.
    """

    able: str = "IMAP4rev1 AUTH=PLAIN UIDPLUS"
    mood: Mood = lambda _: None
    greeting: bytes = b"* OK ready\r\n"
    inbox: list[bytes] = field(default_factory=list)
    on_search: Callable[[], None] = lambda: None
    received: list[str] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    dates: dict[int, str] = field(default_factory=dict)
    validity: int = 7

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over:
            with contextlib.suppress(OSError):
                caller, _ = self._listening.accept()
                with caller, caller.makefile("rb") as lines, contextlib.suppress(OSError):
                    self._converse(caller, lines)

    def _converse(self, caller: socket.socket, lines: BinaryIO) -> None:
        caller.sendall(self.greeting)
        while self.greeting and (line := lines.readline()):
            tag, _, command = line.decode().strip().partition(" ")
            self.received.append(command)
            if command.startswith("AUTHENTICATE"):
                caller.sendall(b"+ \r\n")
                self.received.append(lines.readline().decode().strip())
            answer = self.mood(command)
            answer = self._proper(command) + b"TAG OK done\r\n" if answer is None else answer
            caller.sendall(answer.replace(b"TAG", tag.encode()))
            if not answer or b"* BYE" in answer:
                return

    def _proper(self, command: str) -> bytes:
        there = [uid for uid in range(1, len(self.inbox) + 1) if uid not in self.deleted]
        match command.split():
            case ["CAPABILITY"]:
                return f"* CAPABILITY {self.able}\r\n".encode()
            case ["STATUS", *_]:
                numbers = len(self.inbox) + 1, self.validity
                return b"* STATUS INBOX (UIDNEXT %d UIDVALIDITY %d)\r\n" % numbers
            case ["SELECT", *_]:
                return (
                    f"* {len(there)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] ok\r\n".encode()
                )
            case ["UID", "SEARCH", *_]:
                self.on_search()
                return (
                    b"* SEARCH "
                    + " ".join(map(str, range(1, len(self.inbox) + 1))).encode()
                    + b"\r\n"
                )
            case ["UID", "FETCH", uid, *_]:
                return self._fetched(int(uid))
            case ["FETCH", numbers, *_]:
                first, last = map(int, numbers.split(":"))
                listed = enumerate(there[first - 1 : last], first)
                return b"".join(b"* %d FETCH (UID %d)\r\n" % (n, uid) for n, uid in listed)
            case ["UID", "STORE", uid, *_]:
                self.deleted.add(int(uid))
        return b""

    def _fetched(self, uid: int) -> bytes:
        if uid in self.deleted:
            return b""
        raw = self.inbox[uid - 1][: int(re.search(r"\.(\d+)>", self.received[-1])[1])]  # type: ignore[index]
        date = self.dates.get(uid, "22-Nov-2026 09:40:00 +0000").encode()
        return b'* 1 FETCH (UID %d INTERNALDATE "%b" BODY[]<0> {%d}\r\n%b)\r\n' % (
            uid,
            date,
            len(raw),
            raw,
        )

    def close(self) -> None:
        """Stop serving."""
        self._over = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


@pytest.fixture
def fake_imap() -> Iterator[Callable[..., FakeImap]]:
    """Start such servers."""
    with contextlib.ExitStack() as servers:

        def start(**given: object) -> FakeImap:
            server = FakeImap(**given)  # type: ignore[arg-type]
            servers.callback(server.close)
            return server

        yield start
