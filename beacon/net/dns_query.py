"""DNS queries to given servers within one run: over UDP, and over TCP where an answer is cut.

The system's resolver library is not used: it cannot be interrupted at the deadline, and it does
not tell a missing name from a missing record.
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from beacon.config.fields import Flaw, is_address
from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.net.dial import trouble_of
from beacon.net.dns_records import is_name
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer, ask_all, trouble

PORT: Final = 53
PATIENCE: Final = 0.8
"""The share of the remaining time to wait for silent servers. The rest is for the reading: it
must report the answers of the others before the deadline."""
MOST_AT_ONCE: Final = 64
"""Open queries at the same time, and so sockets of one run."""
MOST_SERVERS: Final = 13
"""Servers of one zone that are asked: no zone needs more, and a hostile one may name thousands."""
MOST_RECORDS: Final = 400
"""Records of one answer: thousands that point to a name of 126 labels take half a minute."""
_HEADER: Final = struct.Struct("!6H")
_PAYLOAD: Final = 1232  # bytes of UDP that pass every usual network unfragmented
_NO_EDNS: Final = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})
"""Answers of servers that do not know EDNS, or not its version."""
_KNOWN: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class DnsReply:
    """One server's answer at monotonic second `at`: a `message`, or the `trouble` instead."""

    peer: Peer
    at: float
    message: dns.message.QueryMessage | None = None
    trouble: Reading | None = None


def question(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, *, recurse: bool = True
) -> dns.message.QueryMessage:
    """A query with a new id; without `recurse` for authoritative servers."""
    flags = dns.flags.RD if recurse else dns.flags.Flag(0)
    return dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD, flags=flags)


def ask(
    run: Run, questions: Sequence[tuple[Peer, dns.message.QueryMessage]], share: float = PATIENCE
) -> tuple[DnsReply, ...]:
    """Send all queries, at most `MOST_AT_ONCE` at a time; the replies are in the same order.

    `share` is the part of the remaining time to wait for UDP. Datagrams with another id or
    question are ignored. A server that does not know EDNS is asked again without it
    (RFC 6891 §7). Raises `DeadlinePassed`.
    """
    replies = _send_all(run, questions, share)
    codes = [reply.message.rcode() if reply.message else None for reply in replies]
    older = [number for number, code in enumerate(codes) if code in _NO_EDNS]
    for number in older:
        run.note(f"{replies[number].peer}: does not know EDNS, asking again without")
    again = _send_all(run, [_without_edns(*questions[number]) for number in older], share)
    for number, reply in zip(older, again, strict=True):
        if reply.message is not None:
            replies[number] = reply
    return tuple(replies)


def _without_edns(
    peer: Peer, query: dns.message.QueryMessage
) -> tuple[Peer, dns.message.QueryMessage]:
    subject = query.question[0]
    plain = dns.message.make_query(subject.name, subject.rdtype, flags=query.flags)
    return peer, plain


def _send_all(
    run: Run, questions: Sequence[tuple[Peer, dns.message.QueryMessage]], share: float
) -> list[DnsReply]:
    """Send the queries in batches; a server that is silent in one batch is left out of the next."""
    until = run.clock.monotonic() + run.remaining() * share if questions else 0.0
    silent: dict[Peer, DnsReply] = {}
    replies: list[DnsReply] = []
    for start in range(0, len(questions), MOST_AT_ONCE):
        batch = questions[start : start + MOST_AT_ONCE]
        awake = [each for each in batch if each[0] not in silent]
        batches = -(-(len(questions) - start) // MOST_AT_ONCE)
        patience = max(until - run.clock.monotonic(), 0.0) / batches
        fresh = iter(_send_batch(run, awake, patience, share))
        replies += [silent[peer] if peer in silent else next(fresh) for peer, _ in batch]
        latest = replies[start:]
        answered = {reply.peer for reply in latest if reply.message is not None}
        silent |= {reply.peer: reply for reply in latest if reply.peer not in answered}
    return replies


def _send_batch(
    run: Run,
    questions: Sequence[tuple[Peer, dns.message.QueryMessage]],
    patience: float,
    share: float,
) -> list[DnsReply]:
    """One batch: UDP for `patience` seconds, TCP for that share of the remaining time."""
    messages: dict[int, dns.message.QueryMessage] = {}

    def fits(number: int, data: bytes) -> bool:
        message = _read(data)
        if message is None or not questions[number][1].is_response(message):
            return False
        messages[number] = message
        return True

    calls = [(peer, query.to_wire()) for peer, query in questions]
    replies: list[DnsReply] = []
    stuck: dict[Peer, DnsReply] = {}
    for number, one in enumerate(ask_all(run, calls, fits, patience)):
        message = messages.get(number)
        if message is None:
            reply = DnsReply(one.peer, one.at, trouble=trouble(one, Reason.DNS_TIMEOUT))
        elif message.flags & dns.flags.TC:
            reply = stuck.get(one.peer) or _ask_again(run, *questions[number], share)
            if reply.message is None:
                stuck[one.peer] = reply
        else:
            reply = DnsReply(one.peer, one.at, message)
        replies.append(reply)
    return replies


def _read(data: bytes) -> dns.message.QueryMessage | None:
    """The message; None for invalid data, and for more records than can be read in time."""
    if len(data) < _HEADER.size or sum(_HEADER.unpack_from(data)[3:]) > MOST_RECORDS:
        return None
    try:
        message = dns.message.from_wire(data, raise_on_truncation=True)
    except dns.message.Truncated as cut:
        message = cut.kwargs["message"]
    except (dns.exception.DNSException, ValueError):
        return None
    return message if isinstance(message, dns.message.QueryMessage) else None


def _ask_again(run: Run, peer: Peer, query: dns.message.QueryMessage, share: float) -> DnsReply:
    """Send the query over TCP, because the answer over UDP was truncated."""
    run.note(f"{peer}: truncated, asking again over TCP")
    try:
        return DnsReply(peer, run.clock.monotonic(), _over_tcp(run, peer, query, share))
    except TimeoutError:
        problem = ProbeFailure(Reason.DNS_TIMEOUT, f"{peer} over TCP: no answer in time")
    except EOFError:
        problem = ProbeFailure(
            Reason.CONNECT_RESET, f"{peer} over TCP: closed before the answer ended"
        )
    except OSError as error:
        problem = trouble_of(error, f"{peer} over TCP")
    except (dns.exception.DNSException, ValueError) as error:
        text = f"{peer} over TCP: no answer to the question ({type(error).__name__})"
        problem = ProbeFailure(Reason.PROTOCOL_ERROR, text)
    run.remaining()  # at the deadline the run shuts the socket: that looks like a closed peer
    return DnsReply(peer, run.clock.monotonic(), trouble=problem.reading)


def _over_tcp(
    run: Run, peer: Peer, query: dns.message.QueryMessage, share: float
) -> dns.message.QueryMessage:
    family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock, run.watching(sock):
        sock.settimeout(run.remaining() * share)
        sock.connect((peer.host, peer.port))
        wire = query.to_wire()
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        (size,) = struct.unpack("!H", _received(run, sock, 2, share))
        message = _read(_received(run, sock, size, share))
        if message is None or not query.is_response(message):
            raise dns.query.BadResponse
        return message


def _received(run: Run, sock: socket.socket, size: int, share: float) -> bytes:
    """Read this number of bytes, within that share of the remaining time. Raises `EOFError`."""
    until = run.clock.monotonic() + run.remaining() * share
    data = b""
    while len(data) < size:
        left = min(until - run.clock.monotonic(), run.remaining())
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def system_resolvers(path: str = "/etc/resolv.conf") -> tuple[Peer, ...]:
    """The machine's own resolvers. Raises `ProbeFailure` where the file names none."""
    try:
        servers = dns.resolver.Resolver(path).nameservers
    except (dns.resolver.NoResolverConfiguration, OSError, ValueError):
        text = f"no resolver in {path}: name some under `resolvers:`"
        raise ProbeFailure(Reason.OWN_NETWORK, text) from None
    return tuple(Peer(str(server), PORT) for server in servers)


_ADDRESS: Final = "an IP address with or without a port: 192.0.2.1, 192.0.2.1:8053, [2001:db8::1]"


def server_flaws(resolvers: Sequence[str], authoritative: bool | Sequence[str]) -> Iterator[Flaw]:
    """Report resolvers that are not addresses, and other servers that are not names either."""
    for number, text in enumerate(resolvers):
        if not is_address(_host(text)):
            yield ("resolvers", number), f"not an address: {text!r}", _ADDRESS
    for number, text in enumerate(() if isinstance(authoritative, bool) else authoritative):
        if not (is_address(_host(text)) or is_name(_host(text))):
            yield ("authoritative", number), f"not a server: {text!r}", f"a name, or {_ADDRESS}"


def _host(text: str) -> str:
    try:
        return Peer.parse(text, PORT).host
    except ValueError:
        return ""


def has_reverse(host: str) -> bool:
    """Whether DNS can have a reverse name for it: an IP address without an interface (`%eth0`)."""
    return is_address(host) and "%" not in host


def zone_servers(run: Run, name: dns.name.Name, resolvers: Sequence[Peer]) -> tuple[Peer, ...]:
    """The name servers of the zone that `name` is in, sorted; at most `MOST_SERVERS`.

    Raises `ProbeFailure` and `DeadlinePassed`.
    """
    while True:
        (message,) = _look_up_all(run, resolvers, [name], dns.rdatatype.NS)
        if isinstance(message, Reading):
            raise ProbeFailure(message.reason, message.detail)
        for record in message.answer:
            if record.name == name and record.rdtype == dns.rdatatype.NS:
                hosts = sorted(server.target.to_text(omit_final_dot=True) for server in record)
                if len(hosts) > MOST_SERVERS:
                    run.note(f"{name} has {len(hosts)} name servers: {MOST_SERVERS} are asked")
                return tuple(Peer(host, PORT) for host in hosts[:MOST_SERVERS])
        above = [
            soa.name
            for soa in message.authority
            if soa.rdtype == dns.rdatatype.SOA and name.is_subdomain(soa.name) and soa.name != name
        ]
        if name == dns.name.root:
            text = "no name servers found, not even those of the root"
            raise ProbeFailure(Reason.DNS_NO_ANSWER, text)
        name = above[0] if above else name.parent()


def _look_up_all(
    run: Run,
    resolvers: Sequence[Peer],
    names: Sequence[dns.name.Name],
    kind: dns.rdatatype.RdataType,
) -> list[dns.message.QueryMessage | Reading]:
    """Look up all names at once; what one resolver does not answer is asked of the next."""
    nobody = Reading(Reason.DNS_TIMEOUT, "no resolver to ask")
    found: list[dns.message.QueryMessage | Reading] = [nobody] * len(names)
    for left, resolver in zip(range(len(resolvers), 0, -1), resolvers, strict=True):
        open_ = [number for number, each in enumerate(found) if isinstance(each, Reading)]
        questions = [(resolver, question(names[number], kind)) for number in open_]
        for number, reply in zip(open_, ask(run, questions, PATIENCE / left), strict=True):
            message = reply.message
            if message is None:
                found[number] = reply.trouble or nobody
            elif message.rcode() in _KNOWN:
                found[number] = message
            else:
                code = dns.rcode.to_text(message.rcode())
                text = f"{resolver} answered {code} to {kind.name} of {names[number]}"
                found[number] = Reading(Reason.DNS_SERVFAIL, text)
    return found


def locate(
    run: Run, wanted: Sequence[Peer], resolvers: Sequence[Peer]
) -> tuple[list[Peer], list[DnsReply]]:
    """The servers with their addresses (IPv4 first), and a reply for each that has none.

    Raises `ProbeFailure` where no address can be looked up, and `DeadlinePassed`.
    """
    hosts = list(dict.fromkeys(peer.host for peer in wanted if not is_address(peer.host)))
    results: dict[str, str | Reading | None] = {}
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        missing = [host for host in hosts if not isinstance(results.get(host), str)]
        names = [dns.name.from_text(host) for host in missing]
        answers = _look_up_all(run, resolvers, names, kind)
        found_now = (_address(kind, answer) for answer in answers)
        results |= dict(zip(missing, found_now, strict=True))
    found, lost, unasked = [], [], []
    for server in wanted:
        address = results.get(server.host, server.host)
        if isinstance(address, str):
            name = "" if address == server.host else server.host
            found.append(replace(server, host=address, name=name))
            continue
        problem = address or Reading(Reason.UNREACHABLE, f"{server} has no address")
        unasked += [address] if address else []
        lost.append(DnsReply(server, run.clock.monotonic(), trouble=problem))
    if unasked and not found:
        raise ProbeFailure(unasked[0].reason, unasked[0].detail)
    return found, lost


def _address(
    kind: dns.rdatatype.RdataType, answer: dns.message.QueryMessage | Reading
) -> str | Reading | None:
    """The first address of an answer; None where there is none, a reading without an answer."""
    if isinstance(answer, Reading):
        return answer
    addresses = (str(each[0].address) for each in answer.answer if each.rdtype == kind)
    return next(addresses, None)
