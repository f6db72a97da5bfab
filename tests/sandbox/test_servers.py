"""The sandbox whole, with real HTTP, DNS and MQTT clients."""

import queue
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import paho.mqtt.client as mqtt
import pyotp
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from beacon.engine.clock import SystemClock
from beacon.sandbox.provider import PASSWORD, SEED, USERNAME
from beacon.sandbox.servers import Ports, SandboxCannotStart, sandbox
from beacon.sandbox.web import FORM_LIMIT, STATUS_PAGE
from beacon.sandbox.world import HOST, Fault, SandboxTimes, World

Ask = Callable[..., tuple[int, Any]]


# --- HTTP -------------------------------------------------------------------------


def sign_in(ask: Ask, port: int) -> tuple[int, Any]:
    status, body = ask(port, "POST", "/login", username=USERNAME, password=PASSWORD)
    assert status == 200
    code = pyotp.TOTP(SEED).at(datetime.now(UTC))
    return ask(port, "POST", "/verify", transaction=body["transaction"], code=code)


def test_a_sign_in_from_end_to_end(running: World, at: Ports, ask: Ask) -> None:
    assert sign_in(ask, at.http) == (200, {"authenticated": True})


def test_the_health_page_stays_green_while_sign_ins_fail(
    running: World, at: Ports, ask: Ask
) -> None:
    assert ask(at.http, "POST", "/sandbox/break/outage") == (200, {"faults": ["outage"]})
    assert sign_in(ask, at.http)[0] == 503
    assert ask(at.http, "GET", "/health") == (200, {"status": "ok"})


def test_the_status_page_admits_only_when_asked_to(running: World, at: Ports, ask: Ask) -> None:
    assert ask(at.http, "GET", STATUS_PAGE)[1]["status"]["indicator"] == "none"
    running.break_("claim")
    assert ask(at.http, "GET", STATUS_PAGE)[1]["status"]["indicator"] == "critical"


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/sandbox", (200, {"faults": []})),
        ("GET", "/admin", (404, {"error": "nothing at /admin"})),
        ("POST", "/admin", (404, {"error": "nothing at /admin"})),
        (
            "POST",
            "/sandbox/break/meteor",
            (404, {"error": "no fault named 'meteor': slow, outage, dns, claim, recover"}),
        ),
    ],
)
def test_what_is_there_and_what_is_not(
    running: World, at: Ports, ask: Ask, method: str, path: str, answer: tuple[int, Any]
) -> None:
    assert ask(at.http, method, path) == answer


@pytest.mark.parametrize("length", [str(FORM_LIMIT + 1), "-1", "many"])
def test_a_form_that_is_much_too_long_is_refused_unread(
    running: World, at: Ports, length: str
) -> None:
    with socket.create_connection((HOST, at.http), timeout=10) as client:
        client.sendall(f"POST /login HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 413 ")


def test_who_leaves_in_the_middle_leaves_no_traceback(
    running: World, at: Ports, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((HOST, at.http), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
        client.sendall(b"GET /health HTTP/1.1\r\n")
    assert ask(at.http, "GET", "/health")[0] == 200
    assert capfd.readouterr() == ("", "")


# --- DNS --------------------------------------------------------------------------

Query = Callable[..., dns.message.Message]


@pytest.fixture(params=[dns.query.udp, dns.query.tcp], ids=["udp", "tcp"])
def query(request: pytest.FixtureRequest, running: World, at: Ports) -> Query:
    def send(name: str, kind: str) -> dns.message.Message:
        question = dns.message.make_query(name, kind)
        answer: dns.message.Message = request.param(question, HOST, port=at.dns, timeout=10)
        return answer

    return send


def texts(answer: dns.message.Message) -> list[str]:
    return [rdata.to_text().replace("OTP", "otp") for rrset in answer.answer for rdata in rrset]


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("otp.example", "TXT", '"v=spf1 ip4:192.0.2.25 -all"'),
        ("OTP.example", "MX", "10 mail.otp.example."),
        ("otp.example", "NS", "ns.otp.example."),
        ("otp.example", "A", "192.0.2.25"),
        ("_dmarc.otp.example", "TXT", '"v=DMARC1; p=reject; rua=mailto:dmarc@otp.example"'),
    ],
)
def test_the_zone_has_what_mail_needs(query: Query, name: str, kind: str, found: str) -> None:
    answer = query(name, kind)
    assert texts(answer) == [found]
    assert answer.flags & dns.flags.AA


def test_the_dkim_key_is_one_text_of_several_strings(query: Query) -> None:
    (text,) = texts(query("beacon._domainkey.otp.example", "TXT"))
    assert text.startswith('"v=DKIM1; k=rsa; p=" "MII')


def test_the_mail_records_vanish_and_come_back(query: Query, running: World) -> None:
    running.break_(Fault.DNS)
    for kind in ("TXT", "MX"):
        answer = query("otp.example", kind)
        assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert query("_dmarc.otp.example", "TXT").rcode() == dns.rcode.NXDOMAIN
    assert texts(query("otp.example", "A")) == ["192.0.2.25"]
    running.break_("recover")
    assert len(query("otp.example", "MX").answer) == 1


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("nothing.otp.example", dns.rcode.NXDOMAIN),
        ("_domainkey.otp.example", dns.rcode.NOERROR),  # empty, but something lies below
        ("example.com", dns.rcode.REFUSED),
    ],
)
def test_names_that_are_not_there(query: Query, name: str, rcode: dns.rcode.Rcode) -> None:
    answer = query(name, "TXT")
    assert (answer.rcode(), answer.answer) == (rcode, [])


def test_an_update_is_not_implemented(running: World, at: Ports) -> None:
    question = dns.message.make_query("otp.example", "A")
    question.set_opcode(dns.opcode.NOTIFY)
    answer = dns.query.udp(question, HOST, port=at.dns, timeout=10)
    assert answer.rcode() == dns.rcode.NOTIMP


def test_bytes_that_are_no_query_are_not_answered(running: World, at: Ports) -> None:
    with socket.create_connection((HOST, at.dns), timeout=10) as client:
        client.sendall(b"\0\3abc")
        assert client.recv(1) == b""
    with socket.create_connection((HOST, at.dns), timeout=10) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"abc", (HOST, at.dns))
    assert dns.query.udp(dns.message.make_query("otp.example", "A"), HOST, 10, at.dns).answer


# --- MQTT -------------------------------------------------------------------------


class Client:
    """A paho client that notes what it hears."""

    def __init__(
        self, port: int, name: str, will: str | None = None, topics: str = "site/#"
    ) -> None:
        self.topics = topics
        self.before: list[bytes] = []
        self.received: queue.Queue[bytes] = queue.Queue()
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv311
        )
        self.paho.on_connect = lambda *_: self.subscribed()
        self.paho.on_message = lambda _c, _d, m: self.received.put(m.payload)
        if will:
            self.paho.will_set("site/availability", will, qos=1, retain=True)
        self.paho.connect(HOST, port)
        self.paho.loop_start()

    def subscribed(self) -> None:
        self.paho.subscribe(self.topics, qos=1)

    def hear(self, payload: bytes) -> None:
        """Wait for this payload; raises `queue.Empty` without it. Keeps what came before it."""
        while (message := self.received.get(timeout=10)) != payload:
            self.before.append(message)

    def vanish(self) -> None:
        """Be gone without a word, as a killed process is."""
        self.paho.loop_stop()
        sock = self.paho.socket()
        assert sock is not None
        sock.close()

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def test_retained_messages_and_wills_outlive_their_sender(running: World, at: Ports) -> None:
    beacon = Client(at.mqtt, "beacon", will="offline")
    beacon.paho.publish("site/availability", "online", qos=1, retain=True)
    beacon.hear(b"online")
    late = Client(at.mqtt, "late")
    late.hear(b"online")
    beacon.vanish()
    late.hear(b"offline")
    later = Client(at.mqtt, "later")
    later.hear(b"offline")
    later.close()
    late.close()


def test_nobody_is_greeted_with_what_others_subscribed(running: World, at: Ports) -> None:
    everything = Client(at.mqtt, "everything", topics="#")
    everything.paho.publish("elsewhere/secret", "theirs", qos=1, retain=True)
    everything.paho.publish("lab/state", "ours", qos=1, retain=True)
    everything.hear(b"ours")
    modest = Client(at.mqtt, "modest", topics="lab/#")
    modest.hear(b"ours")
    modest.paho.publish("lab/state", "last")
    modest.hear(b"last")
    assert modest.before == []
    modest.close()
    everything.close()


# --- together ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "option"),
    [("http", "--http-port"), ("dns", "--dns-port"), ("mqtt", "--mqtt-port")],
)
def test_a_taken_port_is_reported_with_its_cure(
    ports: Ports, pace: SandboxTimes, part: str, option: str
) -> None:
    port = getattr(ports, part)
    with (
        socket.create_server((HOST, port)),
        pytest.raises(SandboxCannotStart) as refused,
        sandbox(ports, pace, SystemClock()),
    ):
        pass
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use" in str(refused.value)
    assert option in str(refused.value)


def test_a_taken_datagram_port_is_reported_too(ports: Ports, pace: SandboxTimes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, ports.dns))
        with (
            pytest.raises(SandboxCannotStart, match="name server"),
            sandbox(ports, pace, SystemClock()),
        ):
            pass


def test_all_ports_are_free_again_afterwards(ports: Ports, pace: SandboxTimes) -> None:
    for _ in range(2):
        with sandbox(ports, pace, SystemClock()):
            pass
    for port in (ports.http, ports.dns, ports.mqtt):
        with socket.create_server((HOST, port)):
            pass
