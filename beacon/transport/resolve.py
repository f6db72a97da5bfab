"""DNS: questions put to given servers within one run, over UDP, and over TCP where cut short.

The system's own resolver library is not used: it can neither be woken at the deadline nor
tell a missing name from a missing record.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.transport.datagram import Peer, ask_all, trouble
from beacon.transport.dial import trouble_of
from beacon.transport.trouble import Trouble

PORT: Final = 53
PATIENCE: Final = 0.8
"""The share of the time left after which a silent server is given up on, so that the
run can still speak for the others before its deadline."""
_PAYLOAD: Final = 1232  # bytes of UDP that survive every usual path


@dataclass(frozen=True, slots=True)
class Reply:
    """What one server said, at monotonic second `at`: a `message`, or the `trouble` instead."""

    peer: Peer
    at: float
    message: dns.message.QueryMessage | None = None
    trouble: Reading | None = None


def question(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, *, recurse: bool = True
) -> dns.message.QueryMessage:
    """A query with a fresh id; without `recurse` for authoritative servers."""
    flags = dns.flags.RD if recurse else dns.flags.Flag(0)
    return dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD, flags=flags)


def ask(
    run: Run, questions: Sequence[tuple[Peer, dns.message.QueryMessage]], share: float = PATIENCE
) -> tuple[Reply, ...]:
    """Put all questions at once; the replies in their order.

    `share` is the part of the remaining time to wait for UDP. Datagrams with another id
    or question are passed over. Raises `DeadlinePassed`.
    """
    said: dict[int, dns.message.QueryMessage] = {}

    def fits(number: int, data: bytes) -> bool:
        message = _read(data)
        if message is None or not questions[number][1].is_response(message):
            return False
        said[number] = message
        return True

    calls = [(peer, query.to_wire()) for peer, query in questions]
    heard = ask_all(run, calls, fits, run.remaining() * share)
    replies = []
    for number, one in enumerate(heard):
        message = said.get(number)
        if message is None:
            reply = Reply(one.peer, one.at, trouble=trouble(one, Reason.DNS_TIMEOUT))
        elif message.flags & dns.flags.TC:
            reply = _ask_again(run, one.peer, questions[number][1])
        else:
            reply = Reply(one.peer, one.at, message)
        replies.append(reply)
    return tuple(replies)


def _read(data: bytes) -> dns.message.QueryMessage | None:
    try:
        message = dns.message.from_wire(data, raise_on_truncation=True)
    except dns.message.Truncated as cut:
        message = cut.kwargs["message"]
    except (dns.exception.DNSException, ValueError):
        return None
    return message if isinstance(message, dns.message.QueryMessage) else None


def _ask_again(run: Run, peer: Peer, query: dns.message.QueryMessage) -> Reply:
    """Put the question over TCP, as a truncated answer demands."""
    run.note(f"{peer}: truncated, asking again over TCP")
    try:
        return Reply(peer, run.clock.monotonic(), _over_tcp(run, peer, query))
    except dns.exception.Timeout:
        problem = Trouble(Reason.DNS_TIMEOUT, f"{peer} over TCP: no answer in time")
    except EOFError:
        problem = Trouble(Reason.CONNECT_RESET, f"{peer} over TCP: closed before the answer ended")
    except OSError as error:
        problem = trouble_of(error, f"{peer} over TCP")
    except (dns.exception.DNSException, ValueError) as error:
        text = f"{peer} over TCP: no answer to the question ({type(error).__name__})"
        problem = Trouble(Reason.PROTOCOL_ERROR, text)
    run.remaining()  # a socket shut by the deadline looks like a peer that closed
    return Reply(peer, run.clock.monotonic(), trouble=problem.reading)


def _over_tcp(run: Run, peer: Peer, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
    family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock, run.watching(sock):
        sock.settimeout(run.remaining() * PATIENCE)
        sock.connect((peer.host, peer.port))
        sock.settimeout(0)
        budget = run.remaining() * PATIENCE
        answer = dns.query.tcp(query, peer.host, timeout=budget, port=peer.port, sock=sock)
        return cast("dns.message.QueryMessage", answer)  # the same opcode, hence the same class


def system_resolvers(path: str = "/etc/resolv.conf") -> tuple[Peer, ...]:
    """The machine's own resolvers. Raises `Trouble` where it names none."""
    try:
        servers = dns.resolver.Resolver(path).nameservers
    except (dns.resolver.NoResolverConfiguration, OSError, ValueError):
        text = f"no resolver in {path}: name some under `resolvers:`"
        raise Trouble(Reason.OWN_NETWORK, text) from None
    return tuple(Peer(str(server), PORT) for server in servers)


def is_address(host: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def zone_servers(run: Run, name: dns.name.Name, resolvers: Sequence[Peer]) -> tuple[Peer, ...]:
    """The servers the zone of `name` is delegated to, by name, sorted.

    Raises `Trouble` and `DeadlinePassed`.
    """
    while True:
        message = _look_up(run, resolvers, name, dns.rdatatype.NS)
        for record in message.answer:
            if record.name == name and record.rdtype == dns.rdatatype.NS:
                hosts = sorted(server.target.to_text(omit_final_dot=True) for server in record)
                return tuple(Peer(host, PORT) for host in hosts)
        above = [
            soa.name
            for soa in message.authority
            if soa.rdtype == dns.rdatatype.SOA and name.is_subdomain(soa.name) and soa.name != name
        ]
        if name == dns.name.root:
            text = "no name servers found, not even those of the root"
            raise Trouble(Reason.DNS_NO_ANSWER, text)
        name = above[0] if above else name.parent()


def _look_up(
    run: Run,
    resolvers: Sequence[Peer],
    name: dns.name.Name,
    kind: dns.rdatatype.RdataType,
) -> dns.message.QueryMessage:
    """Ask one resolver after the other until one knows."""
    problem = Reading(Reason.DNS_TIMEOUT, "no resolver to ask")
    for left, resolver in zip(range(len(resolvers), 0, -1), resolvers, strict=True):
        (reply,) = ask(run, [(resolver, question(name, kind))], PATIENCE / left)
        problem = reply.trouble or problem
        if reply.message is None:
            continue
        code = reply.message.rcode()
        if code in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return reply.message
        text = f"{resolver} answered {dns.rcode.to_text(code)} to {kind.name} of {name}"
        problem = Reading(Reason.DNS_SERVFAIL, text)
    raise Trouble(problem.reason, problem.detail)


def locate(
    run: Run, wanted: Sequence[Peer], resolvers: Sequence[Peer]
) -> tuple[list[Peer], list[Reply]]:
    """Give each server its address (IPv4 first), and a reply to each that has none.

    Raises `Trouble` and `DeadlinePassed`.
    """
    found, lost = [], []
    for server in wanted:
        address = server.host if is_address(server.host) else _address(run, server, resolvers)
        if address is None:
            problem = Reading(Reason.UNREACHABLE, f"{server} has no address")
            lost.append(Reply(server, run.clock.monotonic(), trouble=problem))
        else:
            name = "" if address == server.host else server.host
            found.append(replace(server, host=address, name=name))
    return found, lost


def _address(run: Run, server: Peer, resolvers: Sequence[Peer]) -> str | None:
    name = dns.name.from_text(server.host)
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        message = _look_up(run, resolvers, name, kind)
        for record in message.answer:
            if record.rdtype == kind:
                return str(record[0].address)
    return None
