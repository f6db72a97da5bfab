"""Questions to given servers; the rest is tested through the `dns` probe."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.transport.datagram import Peer
from beacon.transport.resolve import ask, locate, question, system_resolvers, zone_servers
from beacon.transport.trouble import Trouble

NAME = dns.name.from_text("www.deep.example.com")
Answers = dict[tuple[str, str], dict[str, list[str]]]


def told(answers: Answers) -> Callable[[bytes], list[bytes]]:
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


def run() -> Run:
    return Run(SystemClock(), 5.0)


def test_the_machines_resolvers_are_read_at_each_call(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("search example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    assert system_resolvers(str(conf)) == (Peer("192.0.2.1", 53), Peer("2001:db8::1", 53))
    conf.write_text("nameserver 192.0.2.2\n")
    assert system_resolvers(str(conf)) == (Peer("192.0.2.2", 53),)


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "nameserver not-an-address\n"])
def test_a_machine_without_resolvers_is_our_own_trouble(tmp_path: Path, text: str | None) -> None:
    conf = tmp_path / "resolv.conf"
    if text is not None:
        conf.write_text(text)
    with pytest.raises(Trouble) as trouble:
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
def test_the_zone_of_a_name_is_found(udp_server: Callable[..., object], answers: Answers) -> None:
    resolver = Peer("127.0.0.1", udp_server(told(answers)).port)
    assert zone_servers(run(), NAME, [resolver]) == (Peer("ns1.example.com", 53),)


def test_no_zone_anywhere_is_told(udp_server: Callable[..., object]) -> None:
    resolver = Peer("127.0.0.1", udp_server(told({})).port)
    with pytest.raises(Trouble) as trouble:
        zone_servers(run(), NAME, [resolver])
    assert trouble.value.reading.reason is Reason.DNS_NO_ANSWER


def test_the_next_resolver_is_asked_where_the_first_fails(
    udp_server: Callable[..., object], free_port: Callable[[], int]
) -> None:
    answers = {("ns1.example.com.", "AAAA"): {"answer": ["ns1.example.com. AAAA 2001:db8::5"]}}
    resolvers = [
        Peer("127.0.0.1", free_port()),
        Peer("127.0.0.1", udp_server(told(answers)).port),
    ]
    wanted = [Peer("ns1.example.com", 53), Peer("192.0.2.9", 54), Peer("ns2.example.com", 53)]
    found, lost = locate(run(), wanted, resolvers)
    assert found == [Peer("2001:db8::5", 53, "ns1.example.com"), Peer("192.0.2.9", 54)]
    assert str(found[0]) == "ns1.example.com:53"
    assert [reply.trouble.reason for reply in lost if reply.trouble] == [Reason.UNREACHABLE]


def test_the_deadline_wakes_a_question_over_tcp() -> None:
    waiting = Run(SystemClock(), 60.0)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(mute.getsockname())

        def truncate_then_end() -> None:
            data, peer = udp.recvfrom(2000)
            response = dns.message.make_response(dns.message.from_wire(data))
            response.flags |= dns.flags.TC
            udp.sendto(response.to_wire(), peer)
            connection, _ = mute.accept()
            with connection:
                connection.recv(2000)
                waiting.expire()

        thread = threading.Thread(target=truncate_then_end, daemon=True)
        thread.start()
        peer = Peer("127.0.0.1", mute.getsockname()[1])
        with pytest.raises(DeadlinePassed):
            ask(waiting, [(peer, question(NAME, dns.rdatatype.A))])
        thread.join(5)
    assert waiting.elapsed() < 10
