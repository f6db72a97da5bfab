"""UDP: ask several peers at once within one run, and wait for each of them.

Every socket is connected: the kernel then drops datagrams from others and reports a closed port.
Nothing is sent twice: thresholds and re-checks make up for lost packets.
"""

import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from beacon.config.fields import HostName
from beacon.core.model import Reading, Reason
from beacon.engine.run import EXHAUSTED, Run
from beacon.net.dial import trouble_of
from beacon.net.known_addresses import host_port

_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Peer:
    """One address to ask. `host` is an IP address, `name` what people call it."""

    host: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        """The name if it has one, else the address; a port is always shown."""
        return host_port(self.name or self.host, self.port)

    @classmethod
    def parse(cls, text: str, port: int) -> "Peer":
        """Read "192.0.2.1", "192.0.2.1:8053", "2001:db8::1" or "[2001:db8::1]:53".

        `port` is the default. Raises `ValueError`.
        """
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            host = host if closed and rest[:1] in ("", ":") else ""
            number = rest[1:] if rest else str(port)
        elif text.count(":") == 1:
            host, _, number = text.partition(":")
        else:
            host, number = text, str(port)
        if not host or not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
            raise ValueError(f"not an address with a port: {text!r}")
        return cls(HostName.parse(host), int(number))


@dataclass(slots=True)
class PeerReply:
    """The result of asking one peer; times are monotonic seconds.

    `data` is None without a fitting answer, `error` is what the network reported, `strays` counts
    datagrams that did not answer the question.
    """

    peer: Peer
    sent: float
    at: float
    data: bytes | None = None
    error: OSError | None = None
    strays: int = 0


def ask_all(
    run: Run,
    calls: Sequence[tuple[Peer, bytes]],
    fits: Callable[[int, bytes], bool],
    patience: float,
) -> tuple[PeerReply, ...]:
    """Send each payload to its peer; wait up to `patience` seconds for all answers.

    `fits` says whether a datagram answers the call of that number; others are only counted.
    Raises `DeadlinePassed`, and `OSError` where this machine lacks resources.
    """
    until = run.clock.monotonic() + patience
    replies = []
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for number, (peer, payload) in enumerate(calls):
            one, sock = _send(run, stack, peer, payload)
            replies.append(one)
            if sock is not None:
                waiting.register(sock, selectors.EVENT_READ, number)
        while waiting.get_map():
            left = min(run.remaining(), until - run.clock.monotonic())
            if left <= 0:
                break
            for key, _ in waiting.select(left):
                run.remaining()  # at the deadline sockets are ready too, with nothing to read
                if _receive(run, key, replies[key.data], fits):
                    waiting.unregister(key.fileobj)
    return tuple(replies)


def _send(
    run: Run, stack: ExitStack, peer: Peer, payload: bytes
) -> tuple[PeerReply, socket.socket | None]:
    now = run.clock.monotonic()
    reply = PeerReply(peer, now, now)
    try:
        sock = _connected(run, stack, peer)
        reply.sent = reply.at = run.clock.monotonic()
        sock.send(payload)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        reply.error = error
        return reply, None
    return reply, sock


def _connected(run: Run, stack: ExitStack, peer: Peer) -> socket.socket:
    found = socket.getaddrinfo(
        peer.host, peer.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    family, kind, protocol, _, address = found[0]
    sock = stack.enter_context(socket.socket(family, kind, protocol))
    stack.enter_context(run.watching(sock))
    sock.settimeout(0)  # a datagram with a wrong checksum makes it ready, and cannot be read
    sock.connect(address)
    return sock


def _receive(
    run: Run, key: selectors.SelectorKey, reply: PeerReply, fits: Callable[[int, bytes], bool]
) -> bool:
    """Read one datagram; whether this peer is done."""
    sock = key.fileobj
    assert isinstance(sock, socket.socket)
    try:
        data = sock.recv(_LARGEST)
    except BlockingIOError:
        return False
    except OSError as error:
        reply.at, reply.error = run.clock.monotonic(), error
        return True
    if not fits(key.data, data):
        reply.strays += 1
        return False
    reply.at, reply.data = run.clock.monotonic(), data
    return True


def trouble(reply: PeerReply, silence: Reason) -> Reading:
    """The reading for a peer without a fitting answer; `silence` is the reason for no answer."""
    if reply.error is not None:
        return trouble_of(reply.error, str(reply.peer)).reading
    if reply.strays:
        text = f"{reply.peer} sent {reply.strays} datagram(s), none an answer to the question"
        return Reading(Reason.PROTOCOL_ERROR, text)
    return Reading(silence, f"{reply.peer}: no answer in time")
