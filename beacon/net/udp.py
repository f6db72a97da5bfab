"""UDP: ask several peers at once within one run, and hear each of them out.

Every socket is connected: the kernel then drops what others send, and reports a closed
port. Nothing is sent twice; lost packets are the business of thresholds and re-checks.
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

_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Peer:
    """One address to ask. `host` is an IP address, `name` what people call it."""

    host: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        """The name if it has one, else the address; a port is always shown."""
        shown = self.name or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{shown}:{self.port}"

    @classmethod
    def parse(cls, text: str, port: int) -> "Peer":
        """Read "192.0.2.1", "192.0.2.1:8053", "2001:db8::1" or "[2001:db8::1]:53".

        `port` is the default. The host is taken as it stands. Raises `ValueError`.
        """
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")):
                raise ValueError(f"not an address with a port: {text!r}")
            number = rest[1:] if rest else str(port)
        elif text.count(":") == 1:
            host, _, number = text.partition(":")
        else:
            host, number = text, str(port)
        if not host or not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
            raise ValueError(f"not an address with a port: {text!r}")
        return cls(HostName.parse(host), int(number))


@dataclass(slots=True)
class Heard:
    """What came of asking one peer; times are monotonic seconds.

    `data` None: nothing that fits; `error` is the network's word, `strays` counts
    datagrams that were no answer to what was asked.
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
) -> tuple[Heard, ...]:
    """Send each payload to its peer; wait up to `patience` seconds for all the answers.

    `fits` says whether a datagram answers the call of that number; others are counted and
    passed over. Raises `DeadlinePassed`, and `OSError` where this machine lacks resources.
    """
    until = run.clock.monotonic() + patience
    heard = []
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for number, (peer, payload) in enumerate(calls):
            one, sock = _send(run, stack, peer, payload)
            heard.append(one)
            if sock is not None:
                waiting.register(sock, selectors.EVENT_READ, number)
        while waiting.get_map():
            left = min(run.remaining(), until - run.clock.monotonic())
            if left <= 0:
                break
            for key, _ in waiting.select(left):
                run.remaining()  # a deadline wakes the sockets too, with nothing to read
                if _receive(run, key, heard[key.data], fits):
                    waiting.unregister(key.fileobj)
    return tuple(heard)


def _send(
    run: Run, stack: ExitStack, peer: Peer, payload: bytes
) -> tuple[Heard, socket.socket | None]:
    now = run.clock.monotonic()
    heard = Heard(peer, now, now)
    try:
        sock = _connected(run, stack, peer)
        heard.sent = heard.at = run.clock.monotonic()
        sock.send(payload)
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        heard.error = error
        return heard, None
    return heard, sock


def _connected(run: Run, stack: ExitStack, peer: Peer) -> socket.socket:
    found = socket.getaddrinfo(
        peer.host, peer.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    family, kind, protocol, _, address = found[0]
    sock = stack.enter_context(socket.socket(family, kind, protocol))
    stack.enter_context(run.watching(sock))
    sock.settimeout(0)  # a datagram with a wrong checksum wakes, and is not there
    sock.connect(address)
    return sock


def _receive(
    run: Run, key: selectors.SelectorKey, heard: Heard, fits: Callable[[int, bytes], bool]
) -> bool:
    """Take one datagram; whether this peer needs no more waiting."""
    sock = key.fileobj
    assert isinstance(sock, socket.socket)
    try:
        data = sock.recv(_LARGEST)
    except BlockingIOError:
        return False
    except OSError as error:
        heard.at, heard.error = run.clock.monotonic(), error
        return True
    if not fits(key.data, data):
        heard.strays += 1
        return False
    heard.at, heard.data = run.clock.monotonic(), data
    return True


def trouble(heard: Heard, silence: Reason) -> Reading:
    """The reading of a peer without a fitting answer; `silence` is the reason of saying nothing."""
    if heard.error is not None:
        return trouble_of(heard.error, str(heard.peer)).reading
    if heard.strays:
        text = f"{heard.peer} sent {heard.strays} datagram(s), none an answer to the question"
        return Reading(Reason.PROTOCOL_ERROR, text)
    return Reading(silence, f"{heard.peer}: no answer in time")
