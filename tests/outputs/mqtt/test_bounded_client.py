"""A message that is too large costs itself only, whatever the broker makes of our limit."""

import contextlib
import socket
import struct
import threading
import tracemalloc

import pytest

from beacon.config.schema import Mqtt
from beacon.outputs.mqtt.client import Lost, MqttClient
from beacon.outputs.mqtt.output import LARGEST
from beacon.outputs.mqtt.topics import Publication

pytestmark = pytest.mark.integration

BASE = "mfa-beacon/lab"
BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
CONNACK = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}
HUGE = 200_000_000


def length(size: int) -> bytes:
    """The remaining length of a packet, as MQTT writes it."""
    written = b""
    while True:
        size, low = divmod(size, 128)
        written += bytes([low | (0x80 if size else 0)])
        if not size:
            return written


def publish(topic: bytes, size: int, mid: int, protocol: str):
    """A PUBLISH of QoS 1 in pieces."""
    head = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid)
    head += b"\x00" if protocol == "5" else b""
    yield b"\x32" + length(len(head) + size) + head
    piece = b"x" * 65536
    for at in range(0, size, len(piece)):
        yield piece[: size - at]


class Careless(threading.Thread):
    """A broker that ignores our limit: after CONNECT it sends these (topic, size)."""

    def __init__(self, protocol: str, sends: list[tuple[bytes, int]]) -> None:
        super().__init__(daemon=True)
        self.protocol, self.sends = protocol, sends
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.received = b""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError), self.server.accept()[0] as sock:
            self.received += sock.recv(65536)
            sock.sendall(CONNACK[self.protocol])
            for mid, (topic, size) in enumerate(self.sends, 1):
                for piece in publish(topic, size, mid, self.protocol):
                    sock.sendall(piece)
            while piece := sock.recv(65536):
                self.received += piece


@contextlib.contextmanager
def visit(broker: Careless):
    mqtt = Mqtt(host="127.0.0.1", port=broker.port, encrypted=False, protocol=broker.protocol)
    will = Publication(f"{BASE}/availability", "offline")
    session = MqttClient(mqtt, "mfa-beacon-lab", will, [], patience=5.0, largest=LARGEST)
    mine, theirs = socket.socketpair()
    with contextlib.closing(session), mine, theirs, broker.server:
        session.dial()
        yield lambda: session.turn(mine.fileno(), 0.5), session


@BOTH
@pytest.mark.parametrize("topic", [b"cmd/acknowledge", b"t" * 65535], ids=["short", "long"])
def test_one_huge_message_is_dropped_acknowledged_and_logged(protocol, topic, caplog):
    broker = Careless(protocol, [(topic, HUGE), (b"small", LARGEST - 100)])
    with visit(broker) as (turn, session):
        tracemalloc.start()
        try:
            while not session.arrived:
                turn()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [m.topic for m in session.arrived] == ["small"]
        assert peak < 4_000_000
        while b"\x40\x02\x00\x01" not in broker.received:
            turn()
    [line] = [r.getMessage() for r in caplog.records if "is dropped: too large" in r.getMessage()]
    assert topic[:200].decode() in line


def test_a_broker_of_mqtt_5_gets_the_limit():
    broker = Careless("5", [(b"small", 1)])
    with visit(broker) as (turn, session):
        while not session.arrived:
            turn()
    assert b"\x27" + struct.pack("!I", LARGEST) in broker.received


@BOTH
def test_a_broker_that_hangs_up_in_the_middle_is_lost(protocol):
    class HangsUp(Careless):
        def run(self) -> None:
            with contextlib.suppress(OSError), self.server.accept()[0] as sock:
                sock.recv(65536)
                sock.sendall(CONNACK[self.protocol])
                sock.sendall(next(publish(b"t", HUGE, 1, self.protocol)) + b"x" * 100)

    with visit(HangsUp(protocol, [])) as (turn, _), pytest.raises(Lost):
        any(turn() for _ in iter(int, 1))  # for ever


@BOTH
@pytest.mark.parametrize("retained", [False, True])
def test_with_a_real_broker_commands_go_on(
    broker, listen, beacon, house, protocol, retained, eventually
):
    broker.start("allow_anonymous true", "max_packet_size 3000000")  # 2.1 takes 2 MB by itself
    listener = listen(broker.port)
    one = beacon(house(broker.port, protocol=protocol))
    availability = f"{BASE}/availability"
    listener.until(lambda: listener.kept.get(availability) == "online", "that it is there")
    listener.command("lamp_test", "x" * 2_000_000, retain=retained)
    for _ in range(3):
        listener.command("acknowledge", "PRESS")
    eventually(lambda: len(one.submitted) == 3, "the commands")
    assert [m.payload for m in listener.received if m.topic == availability] == [b"online"]
    one.output.stop(5.0)
    listener.until(lambda: listener.kept[availability] == "offline", "that it is gone")
    second = beacon(house(broker.port, protocol=protocol))  # to which the retained one comes again
    listener.until(lambda: listener.kept[availability] == "online", "that it is back")
    listener.command("acknowledge", "PRESS")
    eventually(lambda: second.submitted, "the command")
