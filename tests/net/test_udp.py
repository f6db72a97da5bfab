"""Asking several UDP peers at once."""

import errno
import threading

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.udp import Peer, PeerReply, ask_all, trouble
from tests.conftest import StandingClock


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("192.0.2.1", "192.0.2.1", 53, "192.0.2.1:53"),
        ("192.0.2.1:8053", "192.0.2.1", 8053, "192.0.2.1:8053"),
        ("2001:db8::1", "2001:db8::1", 53, "[2001:db8::1]:53"),
        ("[2001:db8::1]", "2001:db8::1", 53, "[2001:db8::1]:53"),
        ("[2001:db8::1]:1", "2001:db8::1", 1, "[2001:db8::1]:1"),
        ("time.example.com:123", "time.example.com", 123, "time.example.com:123"),
    ],
)
def test_an_address_with_or_without_a_port(text, host, port, shown):
    peer = Peer.parse(text, 53)
    assert (peer.host, peer.port, str(peer)) == (host, port, shown)


@pytest.mark.parametrize(
    "text",
    ["", ":53", "a:", "a:0", "a:65536", "a:x", "a:²", "[::1", "[::1]53", "[]:53", "a:-1", "a: 1"],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="not an address with a port"):
        Peer.parse(text, 53)


def test_each_peer_is_waited_for_by_itself(udp_server, free_port):
    good = udp_server(lambda data: [b"noise", data.upper(), b"late"])
    mute = udp_server(lambda data: [])
    loud = udp_server(lambda data: [b"noise"] * 3)
    closed = free_port()
    peers = [Peer("127.0.0.1", port) for port in (good.port, mute.port, loud.port, closed)]
    peers.append(Peer("not-an-address", 1))
    calls = [(peer, f"ask {n}".encode()) for n, peer in enumerate(peers)]
    run = Run(StandingClock(lambda: all(s.answered for s in (good, mute, loud))), 30.0)

    replies = ask_all(run, calls, lambda n, data: data == f"ASK {n}".encode(), 0.5)

    assert [one.peer for one in replies] == peers
    assert [one.data for one in replies] == [b"ASK 0", None, None, None, None]
    assert replies[0].strays == 1
    assert run.started <= replies[0].sent <= replies[0].at
    troubles = [trouble(one, Reason.DEADLINE) for one in replies[1:]]
    assert [reading.reason for reading in troubles] == [
        Reason.DEADLINE,
        Reason.PROTOCOL_ERROR,
        Reason.CONNECT_REFUSED,
        Reason.UNREACHABLE,
    ]
    assert troubles[1].detail.startswith(f"{peers[2]} sent 3 datagram(s)")


def test_all_answered_is_not_waited_for_any_longer(udp_server):
    echo = udp_server(lambda data: [data])
    run = Run(SystemClock(), 3600.0)
    ask_all(run, [(Peer("127.0.0.1", echo.port), b"x")] * 20, lambda n, data: True, 3600.0)


def test_the_deadline_wakes_it(udp_server):
    mute = udp_server(lambda data: [])
    run = Run(SystemClock(), 3600.0)
    timer = threading.Timer(0.05, run.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        ask_all(run, [(Peer("127.0.0.1", mute.port), b"x")], lambda n, data: True, 3600.0)
    timer.join()


def test_an_unreachable_network_has_its_own_reason():
    reply = PeerReply(Peer("192.0.2.1", 53), 0.0, 0.0, error=OSError(errno.ENETUNREACH, "No route"))
    assert trouble(reply, Reason.DEADLINE).reason is Reason.UNREACHABLE
