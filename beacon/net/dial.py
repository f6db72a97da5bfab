"""From a name to a connected socket, within what remains of the run's time."""

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Literal

from beacon.config.fields import is_address
from beacon.core.model import Reason
from beacon.engine.run import EXHAUSTED, Phase, Run
from beacon.net.known_addresses import ADDRESSES, Address, shown
from beacon.net.probe_failure import ProbeFailure

IpVersion = Literal[4, 6]

APART: Final = 0.25
"""Seconds between two attempts (RFC 8305 §5: the Connection Attempt Delay)."""

_FAMILIES: Final = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

_LOOKUP_REASONS: Final = {
    socket.EAI_NONAME: Reason.DNS_NXDOMAIN,
    socket.EAI_NODATA: Reason.DNS_NO_ANSWER,
    socket.EAI_ADDRFAMILY: Reason.DNS_NO_ANSWER,
}
"""Error of getaddrinfo → reason; any other: the resolver failed."""


def connect(
    run: Run, host: str, port: int, ip_version: IpVersion | None = None, *, own: bool = False
) -> socket.socket:
    """A connected socket, watched by the run; the caller releases and closes it.

    Addresses are tried as RFC 8305 says: a dead one costs a quarter of a second. The address that
    worked is tried first for the rest of the run. Dead addresses are noted in the run; those of
    our `own` proxy are never an advisory. Raises `ProbeFailure`: a dns or connect reason.
    """
    run.enter(Phase.DNS)
    found = resolve(run, host, port, ip_version)
    run.remaining()
    run.enter(Phase.CONNECT)
    ordered = ADDRESSES.in_order(found, run.clock.monotonic())
    ordered.sort(key=lambda address: address[1] not in run.worked)
    race = _Race(run)
    try:
        sock = race.run(ordered)
    finally:
        race.end()
        if len(ordered) > 1:
            _note_dead(run, ordered, own=own)
    if sock is None:
        raise trouble_of(_most_telling(race.errors), f"{run.name_of(host)} port {port}")
    return sock


def _note_dead(run: Run, addresses: Sequence[Address], *, own: bool) -> None:
    now = run.clock.monotonic()
    words = {shown(address): ADDRESSES.dead(address) for address in addresses}
    # A new dictionary, because the loop's thread may be reading the old one.
    run.dead = {where: why for where, why in (run.dead | words).items() if why}
    if not own:
        run.dead_is_theirs |= any(ADDRESSES.is_theirs(address, now) for address in addresses)


class _Race:
    """Attempts to connect to one name, each begun a little after the one before.

    The first that succeeds is kept; the others are closed before anything is sent on them.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._begun: dict[socket.socket, tuple[Address, float]] = {}
        self._selector = selectors.DefaultSelector()
        self.errors: list[OSError] = []

    def run(self, addresses: Sequence[Address]) -> socket.socket | None:
        """The socket that connects first; None: `errors` says why none did."""
        todo = deque(addresses)
        while todo or self._begun:
            if todo:
                self._begin(todo.popleft())
            if not self._begun:
                continue
            left = self._run.remaining()
            ready = self._selector.select(min(left, APART) if todo else left)
            self._run.remaining()  # the deadline, too, makes sockets ready
            woken = [key.fileobj for key, _ in ready]
            for sock in [sock for sock in self._begun if sock in woken]:  # the first begun wins
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return self._won(sock)
                self._failed(sock, OSError(code, os.strerror(code)))
        return None

    def end(self) -> None:
        """Close the attempts that are left."""
        now = self._run.clock.monotonic()
        for sock, (address, began) in tuple(self._begun.items()):
            if now - began >= APART:  # too short a time proves nothing
                ADDRESSES.died(address, f"no answer in {now - began:.2g} s", began)
            self._close(sock)
        self._selector.close()

    def _begin(self, address: Address) -> None:
        now = self._run.clock.monotonic()
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
        except OSError as error:
            self._note(address, error, now)
            return
        self._run.watch(sock)
        self._begun[sock] = address, now
        self._selector.register(sock, selectors.EVENT_WRITE)
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address[1])
        if code not in (0, errno.EINPROGRESS):
            self._failed(sock, OSError(code, os.strerror(code)))

    def _failed(self, sock: socket.socket, error: OSError) -> None:
        address, began = self._begun[sock]
        self._close(sock)
        self._note(address, error, began)

    def _note(self, address: Address, error: OSError, began: float) -> None:
        if error.errno in EXHAUSTED:
            raise error
        ADDRESSES.died(address, (error.strerror or "").lower(), began)
        self.errors.append(error)

    def _won(self, sock: socket.socket) -> socket.socket:
        address, _ = self._begun.pop(sock)
        self._selector.unregister(sock)
        try:
            sock.settimeout(self._run.remaining())
        except BaseException:
            self._run.release(sock)
            sock.close()
            raise
        self._run.worked.add(address[1])
        ADDRESSES.answered(address, self._run.clock.monotonic())
        return sock

    def _close(self, sock: socket.socket) -> None:
        del self._begun[sock]
        self._selector.unregister(sock)
        self._run.release(sock)
        sock.close()


def resolve(
    run: Run,
    host: str,
    port: int,
    ip_version: IpVersion | None = None,
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> list[Address]:
    """The addresses of a host, the best first, by the system's resolver. Raises `ProbeFailure`.

    The resolver cannot be interrupted: afterwards the caller checks whether time is left.
    """
    try:
        found = look_up(run, host, port, _FAMILIES[ip_version], kind)
    except socket.gaierror as error:
        reason = _LOOKUP_REASONS.get(error.errno or 0, Reason.DNS_SERVFAIL)
        raise ProbeFailure(reason, f"{run.name_of(host)}: {error.strerror}") from None
    except UnicodeError:
        text = f"{run.name_of(host)!r} is not a valid host name"
        raise ProbeFailure(Reason.DNS_NXDOMAIN, text) from None
    return [(family, address) for family, _, _, _, address in found]


def look_up(run: Run, host: str, port: int, family: int, kind: int) -> list[Any]:
    """Call getaddrinfo, and note in the run whether our own resolver answered.

    "No such name" is an answer. Raises `gaierror`, and `UnicodeError` for an invalid name.
    """
    if is_address(host):
        return socket.getaddrinfo(host, port, family, kind)
    run.resolver = False  # until it answers: the deadline may come first
    try:
        found = socket.getaddrinfo(host, port, family, kind)
    except socket.gaierror as error:
        run.resolver = error.errno in _LOOKUP_REASONS
        raise
    except UnicodeError:
        run.resolver = None
        raise
    run.resolver = True
    return found


def _most_telling(failures: list[OSError]) -> OSError:
    """The error to report: one without a route to the address tells the least."""
    telling = (f for f in failures if reason_of(f) is not Reason.UNREACHABLE)
    return next(telling, failures[-1])


def reason_of(error: OSError) -> Reason:
    """What a socket's error means."""
    match error:
        case TimeoutError():
            return Reason.CONNECT_TIMEOUT
        case ConnectionRefusedError():
            return Reason.CONNECT_REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return Reason.CONNECT_RESET
        case OSError(errno=errno.ENOTCONN):
            return Reason.CONNECT_RESET
    return Reason.UNREACHABLE


def trouble_of(error: OSError, where: str) -> ProbeFailure:
    """A socket's error as a failure of the probe."""
    text = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return ProbeFailure(reason_of(error), f"{where}: {text.lower()}")
