"""The protocol of IMAP (RFC 3501) on a socket of ours, with limits on all that is read.

imaplib speaks. It keeps what a server tells unasked, each line as an object of its own, for as long
as the connection lasts: so lines have a limit too, not bytes alone.
"""

import imaplib
import socket
from typing import Final

from beacon.net.mailbox import MESSAGE_LIMIT

TRAFFIC_LIMIT: Final = 16 * 1024 * 1024
"""Bytes one connection may bring, whatever they are: 250 messages at their limit."""

LINES_LIMIT: Final = 20_000
"""Lines one connection may bring; the text of messages is not counted, it comes as a whole."""

LINE_LIMIT: Final = 1024 * 1024
"""Bytes of a line: of ten thousand messages the numbers."""

TOO_MUCH: Final = f"more than {LINES_LIMIT} lines or {TRAFFIC_LIMIT >> 20} MiB"
"""What an error says that is one of these limits: imaplib makes another one of it."""

_CHUNK: Final = 64 * 1024
_LITERAL_LIMIT: Final = MESSAGE_LIMIT + 1024


class ImapClient(imaplib.IMAP4):
    """imaplib on a socket of ours, with every limit kept."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._given = sock
        self._buffer = bytearray()
        self._traffic = self._lines = 0
        super().__init__(host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        """Take the socket that is there."""
        self.host, self.port, self.sock = host, port, self._given

    def shutdown(self) -> None:
        """Close it."""
        self.sock.close()

    def readline(self) -> bytes:
        """One line with its end."""
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            if looked > LINE_LIMIT:
                raise self.abort("a line without end")
            self._fill()
        self._lines += 1
        if self._lines > LINES_LIMIT:
            raise self.abort(TOO_MUCH)
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """So many bytes."""
        if size > _LITERAL_LIMIT:
            raise self.abort("more than was asked for")
        while len(self._buffer) < size:
            self._fill()
        return self._take(size)

    def begin_tls(self) -> None:
        """STARTTLS: the caller secures the socket. What came before it is forgotten."""
        self.send(b"beacon STARTTLS\r\n")
        while not (line := self.readline()).startswith(b"beacon "):
            pass
        if not line.startswith(b"beacon OK"):
            raise self.error("STARTTLS is refused")
        self._buffer.clear()

    def begin_idle(self) -> bool:
        """Begin to wait; whether the server told of something at once."""
        self.send(b"beacon IDLE\r\n")
        told = False
        while not (line := self.readline()).startswith(b"+"):
            if line.startswith(b"beacon "):
                raise self.error("IDLE is refused")
            told = True
        return told

    def end_idle(self) -> None:
        """Speak again."""
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
