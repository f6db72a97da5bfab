"""How the broker is reached: a dead address beside a good one, TLS by the one policy."""

import contextlib
import socket
import ssl
import threading
from dataclasses import replace

import pytest
import trustme

from beacon.config.schema import Mqtt
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reading, Reason
from beacon.outputs.mqtt.client import Lost, MqttClient
from beacon.outputs.mqtt.dialling_client import why_not
from beacon.outputs.mqtt.topics import Publication

HOST = "broker.example.com"


@pytest.fixture
def session():
    made = []

    def make(patience=10.0, **settings):
        mqtt = Mqtt(**{"host": HOST, "port": 1, "encrypted": False, **settings})
        will = Publication("t", "")
        made.append(MqttClient(mqtt, "beacon", will, (), patience=patience, largest=1000))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def names(monkeypatch):
    """Have the system's resolver say this of every name: a host, or a host with its own port."""

    def say(*hosts):
        def getaddrinfo(host, port, family=0, kind=0, *_, **__):
            found = [each if isinstance(each, tuple) else (each, port) for each in hosts]
            assert all(address.startswith("127.") for address, _ in found), "loopback only"
            return [(socket.AF_INET, kind, 6, "", each) for each in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return say


@pytest.fixture
def listening():
    """A listener, and what the first caller says to it."""
    listener = socket.create_server(("127.0.0.1", 0))
    received = []

    def start(context=None):
        def accept():
            try:
                peer, _ = listener.accept()
            except OSError:  # closed: nobody called
                return
            with peer:
                try:
                    if context is not None:
                        peer = context.wrap_socket(peer, server_side=True)
                    received.append(peer.recv(1000))
                except OSError:
                    pass
                peer.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        return listener.getsockname()[1], received, thread

    yield start
    listener.close()


@pytest.mark.parametrize("order", [("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")])
def test_a_broker_with_one_dead_address_is_reached(session, names, listening, order):
    port, received, thread = listening()
    names(*order)
    session(port=port).dial()
    thread.join(10)
    assert received[0][:1] == b"\x10", "CONNECT"


def test_a_silent_address_takes_a_part_of_the_time_only(session, names):
    """The listener's queue is full at the first address: it says nothing."""
    with contextlib.ExitStack() as opened:
        silent = opened.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        good = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        names(silent.getsockname(), good.getsockname())
        session(patience=60.0).dial()
        peer, _ = good.accept()
        with peer:
            assert peer.recv(1) == b"\x10"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize(
    ("issued", "changed", "refused"),
    [
        (HOST, {}, None),
        ("inside.example.com", {"server_name": "inside.example.com"}, None),
        ("inside.example.com", {}, "the certificate of broker.example.com"),
        (HOST, {"ca": None}, "the certificate of broker.example.com"),
        (HOST, {"ca": None, "verify": False}, None),
        (HOST, {"ca": "/nowhere"}, "cannot use the files of mqtt.tls"),
    ],
)
def test_every_key_of_the_policy_means_what_it_does_for_probes(
    session, names, listening, authority, tmp_path, issued, changed, refused
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(issued).configure_cert(context)
    names("127.0.0.1")
    port, received, thread = listening(context)
    policy = replace(TlsPolicy(ca=str(tmp_path / "ca.pem")), **changed)
    asked = session(port=port, encrypted=True, tls=policy)
    if refused:
        with pytest.raises(Lost, match=refused):
            asked.dial()
    else:
        asked.dial()
        thread.join(10)
        assert received[0][:1] == b"\x10"


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (Reading(Reason.DNS_NXDOMAIN, "b: Name unknown"), "cannot find b in DNS: Name unknown"),
        (
            Reading(Reason.CONNECT_REFUSED, "b port 1: refused"),
            "nobody listens at b:1: connection refused",
        ),
        (Reading(Reason.CONNECT_TIMEOUT, "b port 1: no answer in time"), "no answer from b:1"),
        (
            Reading(Reason.TLS_EXPIRED, "certificate: certificate has expired"),
            "TLS: the certificate of b:1 is refused: certificate has expired",
        ),
        (
            Reading(Reason.TLS_HANDSHAKE, "TLS: wrong version number"),
            "TLS: no agreement with b:1: wrong version number",
        ),
        (Reading(Reason.UNREACHABLE, "b port 1: no route"), "cannot connect to b:1: no route"),
    ],
)
def test_the_words(reading, words):
    assert why_not("b", 1, reading) == words
