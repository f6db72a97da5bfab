"""Whatever comes back after CONNECT: words of one line, and no fault of the beacon."""

import contextlib
import socket

from hypothesis import example, given
from hypothesis import strategies as st

from beacon.config.fields import Secret
from beacon.config.schema import Mqtt
from beacon.outputs.mqtt.broker_answer import no_broker, refusal
from beacon.outputs.mqtt.client import Lost, MqttClient
from beacon.outputs.mqtt.topics import Publication

PASSWORD = "canary-of-a-password"


def met(protocol: str, answer: bytes) -> str:
    """Why a session ends that is answered so, and then nothing."""
    wake, waker = socket.socketpair()
    with wake, waker, socket.create_server(("127.0.0.1", 0)) as server:
        mqtt = Mqtt(
            host="127.0.0.1",
            port=server.getsockname()[1],
            encrypted=False,
            protocol=protocol,
            username="beacon",
            password=Secret(PASSWORD),
        )
        will = Publication("t", "")
        session = MqttClient(mqtt, "mfa-beacon-lab", will, (), patience=60.0, largest=100_000)
        with contextlib.closing(session):
            session.dial()
            broker, _ = server.accept()
            with broker:
                broker.sendall(answer)
                broker.shutdown(socket.SHUT_WR)
                try:
                    while True:
                        session.turn(wake.fileno(), 1.0)
                except Lost as lost:
                    return str(lost)


@given(st.sampled_from(["5", "3.1.1"]), st.binary(max_size=80))
@example("5", b"\xe0\x02\x8e\x00")
@example("5", b"\x20\x03\x00\x00\x00\x30\x03\x00\x01t")
@example("3.1.1", b"\xe0\x00")
@example("3.1.1", b"\x20\x02\x00\x00\x90\x03\x00\x01\x80")
def test_any_answer_ends_in_words(protocol: str, answer: bytes) -> None:
    words = met(protocol, answer)
    assert words.isprintable()
    assert words


@given(st.sampled_from(["5", "3.1.1"]), st.binary(max_size=20), st.binary(max_size=20))
def test_what_echoes_our_password_is_not_quoted(protocol: str, before: bytes, after: bytes) -> None:
    assert PASSWORD[:6] not in met(protocol, before + PASSWORD.encode() + after)


@given(st.binary(max_size=16))
def test_what_begins_as_a_connack_may_be_a_broker(rest: bytes) -> None:
    assert not no_broker(b"\x20" + rest, "b:1883")
    assert refusal(b"\x20" + rest, "5")
