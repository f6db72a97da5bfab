"""What a RADIUS answer proves, packet by packet: scripted servers, made of pyrad, that may lie."""

import hashlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrad.packet import AuthPacket

from beacon.config.fields import Secret
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net.probe_failure import ProbeFailure
from beacon.net.radius import Attribute, Packet, RadiusAnswer, Server, conversation
from tests.conftest import StandingClock

SECRET = "canary-shared-secret"
USER = {Attribute.USER_NAME: (b"probe",)}

Change = Callable[[AuthPacket, AuthPacket], list[bytes]]


def server(change: Change) -> Callable[[bytes], list[bytes]]:
    """A server that says what `change` makes of the request and of a good answer to it."""

    def answer(asked: bytes) -> list[bytes]:
        request = AuthPacket(packet=asked, secret=SECRET.encode())
        return change(request, request.CreateReply())

    return answer


def replies(**changes: Any) -> Change:
    """A good answer with some of its fields changed."""

    def change(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        for name, value in changes.items():
            setattr(reply, name, value)
        return [reply.ReplyPacket()]

    return change


good, bare = replies(), replies(message_authenticator=False)
other_secret = replies(secret=b"another")
other_secret_rejects = replies(secret=b"another", code=3)


def ask(port: int, run: Run | None = None, **settings: Any) -> RadiusAnswer:
    """One request with a password; what was noted holds no secret."""
    run = run or Run(SystemClock(), 60.0)
    to = Server(**{"host": "127.0.0.1", "port": port, "shared_secret": Secret(SECRET)} | settings)
    try:
        with conversation(run, to) as talk:
            return talk.ask(Packet.ACCESS_REQUEST, USER, "canary-password")
    finally:
        assert "canary" not in "\n".join(run.notes)


def refused(port: int, there: Any = None, **settings: Any) -> tuple[Reason, str]:
    """The reason and detail of a failure; time begins when the server has sent its answers."""
    run = Run(StandingClock(lambda: there is None or there.answered, most=0.59), 0.6)
    with pytest.raises(ProbeFailure) as caught:
        ask(port, run, **settings)
    return caught.value.reading.reason, caught.value.reading.detail


# --- what is sent --------------------------------------------------------------------


def test_the_message_authenticator_comes_first_and_is_right(udp_server):
    there = udp_server(server(good))
    assert ask(there.port).packet is Packet.ACCESS_ACCEPT
    (asked,) = there.asked
    assert asked[20:22] == bytes((Attribute.MESSAGE_AUTHENTICATOR, 18))
    request = AuthPacket(packet=asked, secret=SECRET.encode())
    assert request.verify_message_authenticator()
    assert request.PwDecrypt(request[Attribute.USER_PASSWORD][0]) == "canary-password"


def test_what_is_sent_again_is_the_same_from_the_same_port(udp_server):
    """Else a server would take it for another sign-in, with a code that is used."""
    received = []

    def second(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        received.append(request.raw_packet)
        return [reply.ReplyPacket()] if len(received) == 2 else []

    there = udp_server(server(second))
    assert ask(there.port, Run(SystemClock(), 6.0)).packet is Packet.ACCESS_ACCEPT
    assert there.asked[0] == there.asked[1]


def test_the_second_request_has_another_id_and_authenticator(udp_server):
    there = udp_server(server(good))
    run = Run(SystemClock(), 60.0)
    with conversation(run, Server("127.0.0.1", there.port, Secret(SECRET))) as talk:
        for _ in range(2):
            talk.ask(Packet.ACCESS_REQUEST, USER)
    first, second = there.asked
    assert second[1] == (first[1] + 1) % 256
    assert first[4:20] != second[4:20]


# --- what is believed ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "packet"),
    [
        (2, Packet.ACCESS_ACCEPT),
        (3, Packet.ACCESS_REJECT),
        (11, Packet.ACCESS_CHALLENGE),
    ],
)
def test_an_answer_has_its_state_and_its_words(udp_server, code, packet):
    def say(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.code = code
        reply[int(Attribute.STATE)] = [b"\0state"]
        reply[int(Attribute.REPLY_MESSAGE)] = [b"W\xc3", b"\xb6rter \xff"]
        return [reply.ReplyPacket()]

    answer = ask(udp_server(server(say)).port)
    assert answer == RadiusAnswer(packet, (b"\0state",), "Wörter \ufffd")


def resigned(request: AuthPacket, raw: bytes) -> bytes:
    """A changed answer with the response authenticator that then fits: what an MD5
    collision gives an attacker (CVE-2024-3596)."""
    raw = raw[:2] + struct.pack("!H", len(raw)) + raw[4:]
    proof = hashlib.md5(raw[:4] + request.authenticator + raw[20:] + SECRET.encode()).digest()
    return raw[:4] + proof + raw[20:]


def forged_accept(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
    reply.code = 3
    raw = reply.ReplyPacket()
    return [resigned(request, b"\x02" + raw[1:])]


def forged_with_proxy_state(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
    reply.message_authenticator = False
    return [resigned(request, reply.ReplyPacket() + b"\x21\x06abcd")]


def other_id(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
    reply.id = (reply.id + 1) % 256
    return [reply.ReplyPacket()]


SECRET_ASKED = "is `shared_secret` the one the server has for this address?"


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (bare, Reason.PROTOCOL_ERROR, "Access-Accept without Message-Authenticator"),
        (other_secret, Reason.OWN_CREDENTIALS, SECRET_ASKED),
        (other_secret_rejects, Reason.SIGN_IN_REJECTED, SECRET_ASKED),
        (forged_accept, Reason.OWN_CREDENTIALS, SECRET_ASKED),
        (forged_with_proxy_state, Reason.OWN_CREDENTIALS, SECRET_ASKED),
        (other_id, Reason.PROTOCOL_ERROR, "nothing came but an answer to another request"),
        (replies(code=5), Reason.PROTOCOL_ERROR, "nothing came but an answer to another request"),
        (
            lambda *_: [b""],
            Reason.PROTOCOL_ERROR,
            "nothing came but data that is not a RADIUS packet",
        ),
        (
            lambda *_: [b"\x02" * 40],
            Reason.PROTOCOL_ERROR,
            "nothing came but data that is not a RADIUS packet",
        ),
        (lambda *_: [], Reason.DEADLINE, "no answer: down, hanging"),
    ],
)
def test_an_answer_that_proves_nothing_is_none(udp_server, change, reason, words):
    there = udp_server(server(change))
    found, detail = refused(there.port, there)
    assert found is reason
    assert words in detail
    assert len(detail) <= 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda *_: [], "no answer: down or hanging"),
        (other_secret, "it knew our secret before: was it changed there"),
        (other_secret_rejects, "it knew our secret before: was it changed there"),
    ],
)
def test_a_secret_that_has_passed_is_not_doubted(udp_server, change, words):
    first = iter([good])

    def then(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        return next(first, change)(request, reply)

    port = udp_server(server(then)).port
    assert ask(port).packet is Packet.ACCESS_ACCEPT
    _, detail = refused(port)
    assert words in detail
    assert SECRET_ASKED not in detail


@pytest.mark.parametrize("lie", [other_secret, forged_accept, other_id, lambda *_: [b"", b"x"]])
def test_the_true_answer_is_found_behind_a_lie(udp_server, lie):
    def both(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        return [*lie(request, request.CreateReply()), reply.ReplyPacket()]

    assert ask(udp_server(server(both)).port).packet is Packet.ACCESS_ACCEPT


def test_a_rejection_is_known_without_a_message_authenticator(udp_server):
    answer = ask(udp_server(server(replies(code=3, message_authenticator=False))).port)
    assert answer == RadiusAnswer(Packet.ACCESS_REJECT, signed=False)


def test_an_unsigned_answer_can_be_accepted(udp_server):
    there = udp_server(server(bare))
    assert ask(there.port, signed=False).packet is Packet.ACCESS_ACCEPT


@pytest.mark.parametrize("lie", [other_secret, forged_accept, forged_with_proxy_state])
def test_where_unsigned_answers_are_accepted_wrong_ones_are_not(udp_server, lie):
    there = udp_server(server(lie))
    assert refused(there.port, there, signed=False)[0] is Reason.OWN_CREDENTIALS


def test_whatever_comes_is_an_answer_or_trouble(udp_server):
    """Any bytes, a true header in front of them or not."""
    waiting: list[Callable[[AuthPacket], bytes]] = []
    there = udp_server(server(lambda request, _: [waiting[-1](request)]))

    @given(st.binary(max_size=60), st.sampled_from([2, 3, 11]), st.booleans())
    def try_one(tail: bytes, code: int, signed: bool) -> None:
        def made(request: AuthPacket) -> bytes:
            raw = struct.pack("!BBH16x", code, request.id, 0) + tail
            return resigned(request, raw) if signed else tail

        waiting.append(made)
        run = Run(SystemClock(), 0.03)
        try:
            answer = ask(there.port, run)
        except (ProbeFailure, DeadlinePassed):
            return
        assert answer.packet is Packet.ACCESS_REJECT, "which needs no Message-Authenticator"

    try_one()


# --- addresses -------------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch):
    """Let the system's resolver give these ports of this machine for every name."""

    def give(*ports: int) -> None:
        found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return give


def test_after_an_address_that_refuses_the_next_is_tried(udp_server, answers, free_port):
    there = udp_server(server(good))
    answers(free_port(), there.port)
    run = Run(SystemClock(), 60.0)
    assert ask(1812, run, host="radius.example.com").packet is Packet.ACCESS_ACCEPT
    assert any("connect_refused" in note for note in run.notes)
    assert len(there.asked) == 1


def test_an_address_that_is_silent_does_not_for_it_may_have_taken_the_code(udp_server, answers):
    silent, other = udp_server(lambda _: []), udp_server(lambda _: [])
    answers(silent.port, other.port)
    assert refused(1812, host="radius.example.com")[0] is Reason.DEADLINE
    assert (len(silent.asked), other.asked) == (2, [])


def test_all_addresses_refuse(answers, free_port):
    answers(free_port(), free_port())
    reason, detail = refused(1812, host="radius.example.com")
    assert reason is Reason.CONNECT_REFUSED
    assert detail == "radius.example.com port 1812: connection refused"


def test_a_server_that_dies_after_the_challenge_is_not_replaced(udp_server, answers):
    second = udp_server(lambda _: [])
    run = Run(SystemClock(), 2.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))

        def once() -> None:
            asked, peer = first.recvfrom(4096)
            request = AuthPacket(packet=asked, secret=SECRET.encode())
            first.sendto(request.CreateReply().ReplyPacket(), peer)
            first.close()

        answers(first.getsockname()[1], second.port)
        thread = threading.Thread(target=once)
        thread.start()
        with conversation(run, Server("radius.example.com", 1812, Secret(SECRET))) as talk:
            talk.ask(Packet.ACCESS_REQUEST, USER)
            thread.join(60)
            with pytest.raises(ProbeFailure) as caught:
                talk.ask(Packet.ACCESS_REQUEST, USER)
    assert caught.value.reading.reason is Reason.CONNECT_REFUSED
    assert second.asked == []


def test_a_name_without_an_address():
    reason, _ = refused(1812, host="no host name at all." + "x" * 70)
    assert reason is Reason.DNS_NXDOMAIN


@pytest.mark.parametrize("version", [4, 6])
def test_the_ip_version_can_be_chosen(version):
    host = "127.0.0.1" if version == 6 else "::1"
    reason, _ = refused(1812, host=host, ip_version=version)
    assert reason in {Reason.DNS_NO_ANSWER, Reason.DNS_NXDOMAIN}


def test_ipv6(free_port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
        there.bind(("::1", 0))
        run = Run(StandingClock(lambda: True, most=0.29), 0.3)
        with pytest.raises(ProbeFailure):
            ask(there.getsockname()[1], run, host="::1")
        assert there.recv(4096)


# --- time ---------------------------------------------------------------------------------


def test_the_deadline_wakes_it(udp_server):
    run = Run(SystemClock(), 3600.0)

    def answer(_: bytes) -> list[bytes]:
        run.expire()
        return []

    with pytest.raises(DeadlinePassed):
        ask(udp_server(answer).port, run)
    assert run.phase is Phase.WAIT


def test_a_machine_without_sockets_is_not_the_servers_trouble(monkeypatch):
    def none(*_: object) -> None:
        raise OSError(24, "too many open files")

    run = Run(SystemClock(), 1.0)
    with conversation(run, Server("127.0.0.1", 1812, Secret(SECRET))) as talk:
        monkeypatch.setattr(socket, "socket", none)
        with pytest.raises(OSError, match="too many"):
            talk.ask(Packet.ACCESS_REQUEST, USER)
