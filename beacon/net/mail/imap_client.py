"""The protocol of IMAP (RFC 3501) on a given socket, with limits on all that is read.

imaplib keeps every line that a server sends unasked as an object of its own, until the connection
ends: so there is a limit on lines as well as on bytes.
"""

import imaplib
import socket
from typing import Final

from beacon.net.mailbox import MESSAGE_LIMIT

TRAFFIC_LIMIT: Final = 16 * 1024 * 1024
"""Bytes received on one connection: 250 messages at their limit."""

LINES_LIMIT: Final = 20_000
"""Lines received on one connection, without the text of messages."""

LINE_LIMIT: Final = 1024 * 1024
"""Bytes of a line: the numbers of ten thousand messages."""

TOO_MUCH: Final = f"more than {LINES_LIMIT} lines or {TRAFFIC_LIMIT >> 20} MiB"
"""Text by which such an error is recognised after imaplib has wrapped it in another."""

_CHUNK: Final = 64 * 1024
_LITERAL_LIMIT: Final = MESSAGE_LIMIT + 1024


class ImapClient(imaplib.IMAP4):
    """imaplib on a given socket, within the limits."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._given = sock
        self._buffer = bytearray()
        self._traffic = self._lines = 0
        super().__init__(host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        """Use the given socket."""
        self.host, self.port, self.sock = host, port, self._given

    def shutdown(self) -> None:
        """Close it."""
        self.sock.close()

    def readline(self) -> bytes:
        """One line with its end."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > LINE_LIMIT:
                raise self.abort("a line without end")
            self._fill()
        self._lines += 1
        if self._lines > LINES_LIMIT:
            raise self.abort(TOO_MUCH)
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Read this number of bytes."""
        if size > _LITERAL_LIMIT:
            raise self.abort("the server sends more than was asked for")
        while len(self._buffer) < size:
            self._fill()
        return self._take(size)

    def begin_tls(self) -> None:
        """Send STARTTLS; the caller then secures the socket. Data received before is dropped."""
        self.send(b"beacon STARTTLS\r\n")
        while not (line := self.readline()).startswith(b"beacon "):
            pass
        if not line.startswith(b"beacon OK"):
            raise self.error("STARTTLS is refused")
        self._buffer.clear()

    def begin_idle(self) -> bool:
        """Begin IDLE; whether the server announced something at once."""
        self.send(b"beacon IDLE\r\n")
        announced = False
        while not (line := self.readline()).startswith(b"+"):
            if line.startswith(b"beacon "):
                raise self.error("IDLE is refused")
            announced = True
        return announced

    def end_idle(self) -> None:
        """End IDLE."""
        self.send(b"DONE\r\n")
        while not self.readline().startswith(b"beacon "):
            pass

    def _fill(self) -> None:
        piece = self.sock.recv(_CHUNK)
        self._traffic += len(piece)
        if not piece:
            raise self.abort("the connection was closed")
        if self._traffic > TRAFFIC_LIMIT:
            raise self.abort(TOO_MUCH)
        self._buffer += piece

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
