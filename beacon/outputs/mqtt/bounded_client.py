"""A paho client that drops messages above a limit, and keeps the first bytes of the answer.

With MQTT 5 the broker knows the largest packet, but may ignore it; 3.1.1 has no such property. So
the bytes of a message that is too large are read and thrown away: one hostile message costs only
itself. Disconnecting would not help: a retained one comes again at every connection.

paho has no public interface for this. It calls `_sock_recv` for the rest of a packet once the
length is known; `_in_packet` is what it has read of the packet.
`tests/outputs/mqtt/test_bounded_client.py` fails when that changes.
"""

import copy
import struct
from typing import Any, Final

from paho.mqtt.enums import CallbackAPIVersion

from beacon.outputs.mqtt.dialling_client import DialledClient

OPENING: Final = 16
_PIECE: Final = 65536
_PUBLISH: Final = 0x30


class BoundedClient(DialledClient):
    """Drops packets of more than `largest` bytes, and reports them.

    `opening`: the first bytes of the answer.
    """

    def __init__(self, largest: int, **more: Any) -> None:  # noqa: ANN401 - paho's own
        super().__init__(CallbackAPIVersion.VERSION2, **more)
        self._no_packet = copy.deepcopy(self._in_packet)
        self.opening = b""
        self._largest = largest
        self._left = 0
        self._head = b""
        self._drops: list[str] = []

    def dropped(self) -> list[str]:
        """What was dropped since the last call."""
        drops, self._drops = self._drops, []
        return drops

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize <= self._largest:
            taken: bytes = super()._sock_recv(bufsize)
            if len(self.opening) < OPENING:
                self.opening += taken[: OPENING - len(self.opening)]
            return taken
        if not self._left:
            self._left, self._head = bufsize, b""
        piece = super()._sock_recv(min(_PIECE, self._left))
        if not piece:
            return piece  # the end: paho notices
        if len(self._head) < _PIECE + 4:  # a topic, and the number behind it
            self._head += piece
        self._left -= len(piece)
        if not self._left:
            self._drop(self._in_packet["command"], bufsize)
        raise BlockingIOError  # paho comes back for more

    def _drop(self, command: int, size: int) -> None:
        """Drop the packet and report it; acknowledge it, or the broker would wait for that."""
        topic = ""
        if command & 0xF0 == _PUBLISH and len(self._head) >= 2:
            (length,) = struct.unpack_from("!H", self._head)
            topic = self._head[2 : 2 + length].decode("utf-8", "replace")
            if command & 0x06 and len(self._head) >= 4 + length:
                self._send_puback(struct.unpack_from("!H", self._head, 2 + length)[0])
        self._drops.append(f"a message of {size} bytes on {topic[:200]!r} is dropped: too large")
        self._in_packet = copy.deepcopy(self._no_packet)
