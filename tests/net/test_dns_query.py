"""Questions to given servers; the rest is tested through the `dns` probe."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.dns_query import (
    MOST_AT_ONCE,
    MOST_RECORDS,
    MOST_SERVERS,
    ask,
    locate,
    question,
    system_resolvers,
    zone_servers,
)
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer
from tests.conftest import StandingClock

OnePort: TypeAlias = tuple[socket.socket, socket.socket]

NAME = dns.name.from_text("www.deep.example.com")
Answers = dict[tuple[str, str], dict[str, list[str]]]


def resolver_with(answers: Answers) -> Callable[[bytes], list[bytes]]:
    """A resolver that knows these sections by name and type, and else says an empty yes."""

    def answer(data: bytes) -> list[bytes]:
        query = dns.message.from_wire(data)
        asked = query.question[0]
        response = dns.message.make_response(query)
        key = (asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype))
        for section, records in answers.get(key, {}).items():
            for record in records:
                owner, kind, *rest = record.split(" ", 2)
                made = dns.rrset.from_text(owner, 60, "IN", kind, *rest)
                getattr(response, section).append(made)
        return [response.to_wire()]

    return answer


def truncated(data: bytes) -> list[bytes]:
    """An answer that is cut: ask again over TCP."""
    response = dns.message.make_response(dns.message.from_wire(data))
    response.flags |= dns.flags.TC
    return [response.to_wire()]


def run() -> Run:
    return Run(SystemClock(), 60.0)


def test_the_machines_resolvers_are_read_at_each_call(tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text("search example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    assert system_resolvers(str(conf)) == (Peer("192.0.2.1", 53), Peer("2001:db8::1", 53))
    conf.write_text("nameserver 192.0.2.2\n")
    assert system_resolvers(str(conf)) == (Peer("192.0.2.2", 53),)


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "nameserver not-an-address\n"])
def test_a_machine_without_resolvers_is_our_own_trouble(tmp_path, text):
    conf = tmp_path / "resolv.conf"
    if text is not None:
        conf.write_text(text)
    with pytest.raises(ProbeFailure) as trouble:
        system_resolvers(str(conf))
    assert trouble.value.reading.reason is Reason.OWN_NETWORK
    assert "name some under `resolvers:`" in trouble.value.reading.detail


SOA = "SOA ns1.example.com. host.example.com. 1 1 1 1 1"


@pytest.mark.parametrize(
    "answers",
    [
        # the resolver tells the zone in the authority section
        {
            ("www.deep.example.com.", "NS"): {"authority": [f"example.com. {SOA}"]},
            ("example.com.", "NS"): {"answer": ["example.com. NS ns1.example.com."]},
        },
        # an alias hides it: its SOA is of another zone; we walk up
        {
            ("www.deep.example.com.", "NS"): {
                "answer": ["www.deep.example.com. CNAME a.example.net."],
                "authority": [f"example.net. {SOA}"],
            },
            ("example.com.", "NS"): {"answer": ["example.com. NS ns1.example.com."]},
        },
        # the zone is the name itself
        {
            ("www.deep.example.com.", "NS"): {
                "answer": ["www.deep.example.com. NS ns1.example.com."]
            }
        },
    ],
)
def test_the_zone_of_a_name_is_found(udp_server, answers):
    resolver = Peer("127.0.0.1", udp_server(resolver_with(answers)).port)
    assert zone_servers(run(), NAME, [resolver]) == (Peer("ns1.example.com", 53),)


def test_no_zone_anywhere_is_reported(udp_server):
    resolver = Peer("127.0.0.1", udp_server(resolver_with({})).port)
    with pytest.raises(ProbeFailure) as trouble:
        zone_servers(run(), NAME, [resolver])
    assert trouble.value.reading.reason is Reason.DNS_NO_ANSWER


def test_the_next_resolver_is_asked_where_the_first_fails(udp_server, free_port):
    answers = {("ns1.example.com.", "AAAA"): {"answer": ["ns1.example.com. AAAA 2001:db8::5"]}}
    resolvers = [
        Peer("127.0.0.1", free_port()),
        Peer("127.0.0.1", udp_server(resolver_with(answers)).port),
    ]
    wanted = [Peer("ns1.example.com", 53), Peer("192.0.2.9", 54), Peer("ns2.example.com", 53)]
    found, lost = locate(run(), wanted, resolvers)
    assert found == [Peer("2001:db8::5", 53, "ns1.example.com"), Peer("192.0.2.9", 54)]
    assert str(found[0]) == "ns1.example.com:53"
    assert [reply.trouble.reason for reply in lost if reply.trouble] == [Reason.UNREACHABLE]


# --- servers that do not know EDNS (RFC 6891, 7) ------------------------------------


def refusing(code: str, how: str) -> Callable[[bytes], list[bytes]]:
    """Refuses what has EDNS: with its own EDNS, without, or with a bare header; else answers."""

    def answer(data: bytes) -> list[bytes]:
        query = dns.message.from_wire(data)
        if query.edns < 0:
            response = dns.message.make_response(query)
            response.answer.append(dns.rrset.from_text(NAME, 60, "IN", "A", "192.0.2.1"))
            return [response.to_wire()]
        response = dns.message.make_response(query)
        if how != "with EDNS":
            response.use_edns(False)
        if how == "a header":
            response.question = []
        response.set_rcode(dns.rcode.from_text(code))
        return [response.to_wire()]

    return answer


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("FORMERR", "without EDNS"),
        ("FORMERR", "with EDNS"),
        ("FORMERR", "a header"),
        ("NOTIMP", "without EDNS"),
        ("NOTIMP", "with EDNS"),
        ("NOTIMP", "a header"),
        ("BADVERS", "with EDNS"),
    ],
)
def test_a_server_that_does_not_know_edns_is_asked_without(udp_server, code, how):
    server = udp_server(refusing(code, how))
    one = run()
    query = question(NAME, dns.rdatatype.A)
    query.flags |= dns.flags.CD
    (reply,) = ask(one, [(Peer("127.0.0.1", server.port), query)])
    assert reply.message is not None
    assert [str(record) for record in reply.message.answer[0]] == ["192.0.2.1"]
    first, second = map(dns.message.from_wire, server.asked)
    assert (first.edns, second.edns) == (0, -1)
    assert (second.flags, second.question) == (first.flags, first.question)
    assert any("does not know EDNS" in note for note in one.notes)


@pytest.mark.parametrize(
    "second", [[], [b"noise"], ["FORMERR"]], ids=["silence", "noise", "refused too"]
)
def test_who_refuses_both_ways_has_refused(udp_server, second):
    def answer(data: bytes) -> list[bytes]:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.FORMERR)
        refusal_message = [response.to_wire()]
        return refusal_message if query.edns >= 0 or second == ["FORMERR"] else second

    server = udp_server(answer)
    (reply,) = ask(
        Run(SystemClock(), 1.0),
        [(Peer("127.0.0.1", server.port), question(NAME, dns.rdatatype.A))],
    )
    assert reply.message is not None
    assert reply.message.rcode() == dns.rcode.FORMERR
    assert len(server.asked) == 2


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NXDOMAIN", "NOERROR"])
def test_other_answers_are_not_asked_for_again(udp_server, code):
    server = udp_server(refusing(code, "without EDNS"))
    ask(run(), [(Peer("127.0.0.1", server.port), question(NAME, dns.rdatatype.A))])
    assert len(server.asked) == 1


# --- what one run asks at most --------------------------------------------------------


class Counting(Run):
    """A run that counts the sockets that are open at the same time."""

    most = 0

    def watch(self, sock: socket.socket) -> None:
        super().watch(sock)
        self.most = max(self.most, len(self._sockets))


def test_a_zone_with_hundreds_of_servers_costs_little(udp_server):
    hosts = [f"ns{number:04}.example.com." for number in range(MOST_RECORDS - 1)]
    servers = dns.rrset.from_text_list("example.com.", 60, "IN", "NS", hosts)

    def answer(data: bytes) -> list[bytes]:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        if query.question[0].rdtype == dns.rdatatype.NS:
            response.answer.append(servers)
        return [response.to_wire(max_size=65535)]

    server = udp_server(answer)
    resolver, one = Peer("127.0.0.1", server.port), Counting(SystemClock(), 20.0)
    named = zone_servers(one, dns.name.from_text("example.com"), [resolver])
    assert [peer.host for peer in named] == [host[:-1] for host in hosts[:MOST_SERVERS]]
    assert locate(one, named, [resolver])[0] == []
    assert len(server.asked) == 1 + 2 * MOST_SERVERS
    assert one.most <= MOST_AT_ONCE
    assert any(f"{MOST_RECORDS - 1} name servers" in note for note in one.notes)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_an_answer_of_thousands_of_records_is_not_read(one_port, udp_server, over_tcp):
    """Half a minute of processor time, if each of them points to a name of 126 labels."""
    name = b"\x01a" * 126 + b"\0"
    record = b"\xc0\x0c" + struct.pack("!HHIH", 2, 1, 60, 2) + b"\xc0\x0c"

    def wire(data: bytes) -> bytes:
        head = data[:2] + struct.pack("!5H", 0x8180, 1, 4000, 0, 0)
        return head + name + b"\0\x02\0\x01" + record * 4000

    stream, datagrams = one_port
    server = udp_server(lambda data: truncated(data) if over_tcp else [wire(data)], datagrams)

    def serve() -> None:
        connection, _ = stream.accept()
        with connection:
            message = wire(connection.recv(2000)[2:])
            connection.sendall(struct.pack("!H", len(message)) + message)

    thread = threading.Thread(target=serve, daemon=True)
    if over_tcp:
        thread.start()
    peer = Peer("127.0.0.1", server.port)
    query = question(dns.name.from_wire(name, 0)[0], dns.rdatatype.NS)
    begun = time.thread_time()
    # Over UDP what is not read is waited for again: a second, from the answer on.
    one = run() if over_tcp else Run(StandingClock(lambda: server.answered), 5.0)
    (reply,) = ask(one, [(peer, query)], 0.2)
    assert time.thread_time() - begun < 5  # read, they take half a minute
    if over_tcp:
        thread.join(5)
    assert reply.trouble is not None
    assert reply.trouble.reason is Reason.PROTOCOL_ERROR


def test_many_questions_are_put_in_batches_and_the_silent_are_left_out(udp_server):
    good, mute = udp_server(resolver_with({})), udp_server(lambda data: [])
    peers = [Peer("127.0.0.1", each.port) for each in (good, mute)]
    questions = [
        (peer, question(dns.name.from_text(f"n{number}.example"), dns.rdatatype.A))
        for number in range(100)
        for peer in peers
    ]
    one = Counting(SystemClock(), 30.0)
    replies = ask(one, questions, 0.2)
    assert [reply.peer for reply in replies] == [peer for peer, _ in questions]
    assert all((reply.message is None) is (reply.peer == peers[1]) for reply in replies)
    assert all(reply.trouble for reply in replies if reply.peer == peers[1])
    assert (len(good.asked), len(mute.asked)) == (100, MOST_AT_ONCE // 2)
    assert one.most <= MOST_AT_ONCE


def test_one_server_whose_name_nobody_knows_does_not_lose_the_others(udp_server):
    def answer(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        name = response.question[0].name
        if name.to_text() == "ns1.example.com.":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif response.question[0].rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.2"))
        return [response.to_wire()]

    resolver = Peer("127.0.0.1", udp_server(answer).port)
    wanted = [Peer("ns1.example.com", 53), Peer("ns2.example.com", 53)]
    found, lost = locate(run(), wanted, [resolver])
    assert found == [Peer("192.0.2.2", 53, "ns2.example.com")]
    assert [reply.trouble.reason for reply in lost if reply.trouble] == [Reason.DNS_SERVFAIL]
    with pytest.raises(ProbeFailure) as trouble:
        locate(run(), wanted[:1], [resolver])
    assert trouble.value.reading.reason is Reason.DNS_SERVFAIL


def test_who_never_answers_over_tcp_is_waited_for_once(one_port, udp_server):
    """Truncated answers, and a port that takes connections and says nothing."""
    _, datagrams = one_port
    server = udp_server(truncated, datagrams)
    peer = Peer("127.0.0.1", server.port)
    one = Run(StandingClock(lambda: server.answered == 5), 5.0)
    replies = ask(one, [(peer, question(NAME, dns.rdatatype.A))] * 5, 0.1)
    assert {reply.trouble.reason for reply in replies if reply.trouble} == {Reason.DNS_TIMEOUT}
    assert sum("over TCP" in note for note in one.notes) == 1


def test_the_deadline_wakes_a_question_over_tcp(one_port, udp_server):
    waiting = Run(SystemClock(), 3600.0)
    mute, datagrams = one_port
    udp_server(truncated, datagrams)

    def take_then_end() -> None:
        connection, _ = mute.accept()
        with connection:
            connection.recv(2000)
            waiting.expire()

    thread = threading.Thread(target=take_then_end, daemon=True)
    thread.start()
    peer = Peer("127.0.0.1", mute.getsockname()[1])
    with pytest.raises(DeadlinePassed):
        ask(waiting, [(peer, question(NAME, dns.rdatatype.A))])
    thread.join(60)
