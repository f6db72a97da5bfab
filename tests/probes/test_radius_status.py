"""`radius_status` against FreeRADIUS: it says that it is there whatever becomes of sign-ins."""

from collections.abc import Callable
from typing import Any

import pytest
from pyrad.packet import AuthPacket

from beacon.config.fields import Secret
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.radius_status import RadiusStatus
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: radius_status
    host: "{host}"
    port: {port}
    shared_secret: !secret canary
    """,
    mute="tells words of a closed list",
)


SECRET = "canary-shared-secret"


def ask(port: int, budget: float = 60.0, **given: Any) -> Reading:
    settings = {"host": "127.0.0.1", "port": port, "shared_secret": Secret(SECRET)} | given
    probe = RadiusStatus(**settings)
    assert not list(probe.faults())
    assert not probe.clock_bound
    assert probe.wait(0.0, MEMORIES.of(probe)) == 0.0
    run = Run(SystemClock(), budget)
    reading = run.take(probe)
    assert "canary" not in reading.detail + "".join(run.notes)
    return reading


@pytest.mark.integration
@pytest.mark.parametrize("mood", ["", "drop", "back end gone", "bare"])
def test_it_is_there_whatever_becomes_of_sign_ins(freeradius: Any, mood: str) -> None:
    freeradius.be(mood)
    reading = ask(freeradius.port)
    assert (reading.reason, reading.detail) == (
        Reason.OK,
        "it answers; that says nothing of sign-ins",
    )


@pytest.mark.integration
def test_silence_may_be_our_shared_secret(freeradius: Any) -> None:
    reading = ask(freeradius.port, 1.0, shared_secret=Secret("canary-other"))
    assert reading.reason is Reason.DEADLINE
    assert "`shared_secret`" in reading.detail


def test_a_dead_server(free_port: Callable[[], int]) -> None:
    reading = ask(free_port())
    assert reading.reason is Reason.CONNECT_REFUSED


def test_any_other_answer_is_none(udp_server: Callable[..., Any]) -> None:
    def reject(asked: bytes) -> list[bytes]:
        reply = AuthPacket(packet=asked, secret=SECRET.encode()).CreateReply()
        reply.code = 3
        return [reply.ReplyPacket()]

    reading = ask(udp_server(reject).port)
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert reading.detail == "answered with Access-Reject, not Access-Accept"


@pytest.mark.parametrize("name", ["", "x" * 254])
def test_a_name_has_a_length(name: str) -> None:
    probe = RadiusStatus(host="127.0.0.1", shared_secret=Secret(SECRET), nas_identifier=name)
    assert [fault.path for fault in probe.faults()] == [("nas_identifier",)]
