"""From a name to a connected socket, within what remains of the run's time."""

import errno
import ipaddress
import socket
from typing import Any, Final, Literal

from beacon.core.model import Reason
from beacon.engine.run import EXHAUSTED, Phase, Run
from beacon.transport.trouble import Trouble

IpVersion = Literal[4, 6]

Address = tuple[socket.AddressFamily, tuple[Any, ...]]

_FAMILIES: Final = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

_LOOKUP_REASONS: Final = {
    socket.EAI_NONAME: Reason.DNS_NXDOMAIN,
    socket.EAI_NODATA: Reason.DNS_NO_ANSWER,
    socket.EAI_ADDRFAMILY: Reason.DNS_NO_ANSWER,
}
"""What getaddrinfo says → reason; any other: the resolver failed."""


def connect(run: Run, host: str, port: int, ip_version: IpVersion | None = None) -> socket.socket:
    """A connected socket, watched by the run; the caller releases and closes it.

    Tries each address in turn; each gets an equal share of what remains. Raises `Trouble`
    with a dns or connect reason.
    """
    run.enter(Phase.DNS)
    addresses = resolve(run, host, port, ip_version)
    run.remaining()
    run.enter(Phase.CONNECT)
    failures: list[OSError] = []
    for tried, (family, address) in enumerate(addresses):
        try:
            return _attempt(run, family, address, run.remaining() / (len(addresses) - tried))
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            failures.append(error)
    raise trouble_of(_most_telling(failures), f"{host} port {port}")


def resolve(
    run: Run,
    host: str,
    port: int,
    ip_version: IpVersion | None = None,
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> list[Address]:
    """The addresses of a host, the best first, by the system's resolver. Raises `Trouble`.

    It cannot be woken: the caller asks the run afterwards whether there is time left.
    """
    try:
        found = look_up(run, host, port, _FAMILIES[ip_version], kind)
    except socket.gaierror as error:
        reason = _LOOKUP_REASONS.get(error.errno or 0, Reason.DNS_SERVFAIL)
        raise Trouble(reason, f"{host}: {error.strerror}") from None
    except UnicodeError:
        raise Trouble(Reason.DNS_NXDOMAIN, f"{host!r} is no host name") from None
    return [(family, address) for family, _, _, _, address in found]


def look_up(run: Run, host: str, port: int, family: int, kind: int) -> list[Any]:
    """What getaddrinfo says of a host; the run notes whether our own resolver answered.

    "No such name" is an answer. Raises `gaierror`, and `UnicodeError` for what is no name.
    """
    if _is_address(host):
        return socket.getaddrinfo(host, port, family, kind)
    run.resolver = False  # until it has answered: the deadline may come first
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


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _attempt(run: Run, family: int, address: tuple[Any, ...], budget: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    run.watch(sock)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(budget)
        sock.connect(address)
        sock.settimeout(run.remaining())
    except BaseException:
        run.release(sock)
        sock.close()
        raise
    return sock


def _most_telling(failures: list[OSError]) -> OSError:
    """An address we have no route to says less than one that refused."""
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


def trouble_of(error: OSError, where: str) -> Trouble:
    """The trouble a socket's error comes to."""
    said = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return Trouble(reason_of(error), f"{where}: {said.lower()}")
