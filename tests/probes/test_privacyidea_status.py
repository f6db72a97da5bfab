"""What privacyIDEA says of itself; the real one is in test_privacyidea.py, its database gone."""

from collections.abc import Callable
from typing import Any

import pytest

from beacon.config.fields import Url
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.privacyidea_status import PrivacyIdeaStatus
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: privacyidea_status
    url: !secret canary-of-an-address
    """,
)


def wrapped(**value: str) -> dict[str, Any]:
    return {"id": 1, "jsonrpc": "2.0", "result": {"status": True, "value": value}}


READY = (200, wrapped(status="ready", hsm="OK"))
REACHED = (200, wrapped(status="OK"))


def ask(url: str) -> Reading:
    probe = PrivacyIdeaStatus(url=Url(url))
    assert not list(probe.faults())
    assert probe.wait(0.0, MEMORIES.of(probe)) == 0.0
    return Run(SystemClock(), 60.0).take(probe)


@pytest.mark.integration
def test_a_real_one(privacyidea: Any) -> None:
    reading = ask(privacyidea.url)
    assert (reading.reason, reading.detail) == (
        Reason.OK,
        "it says that all is well, which proves little",
    )


@pytest.mark.parametrize(
    ("ready", "resolvers", "reason", "detail"),
    [
        (READY, REACHED, Reason.OK, "it says that all is well, which proves little"),
        (
            (503, wrapped(status="not ready", hsm="fail")),
            REACHED,
            Reason.HTTP_STATUS,
            "/healthz/readyz: status 503, expected 2xx",
        ),
        (
            READY,
            (200, wrapped(status="fail")),
            Reason.EXPECTATION_FAILED,
            "/healthz/resolversz: json result.value.status",
        ),
        (
            READY,
            (503, wrapped(status="error")),
            Reason.HTTP_STATUS,
            "/healthz/resolversz: status 503, expected 2xx",
        ),
        (
            (200, {"status": "ready", "hsm": "OK"}),
            REACHED,
            Reason.OPERAND_MISSING,
            "/healthz/readyz: json result.value.status",
        ),
        ((200, b"<html>"), REACHED, Reason.PROTOCOL_ERROR, "/healthz/readyz: the body is not"),
        ((429, b""), REACHED, Reason.RATE_LIMITED, "/healthz/readyz: status 429"),
    ],
)
def test_what_its_pages_come_to(
    answering: Callable[..., str], ready: Any, resolvers: Any, reason: Reason, detail: str
) -> None:
    pages = {"/healthz/readyz": ready, "/healthz/resolversz": resolvers}
    reading = ask(answering(lambda path, _: pages[path]))
    assert reading.reason is reason
    assert reading.detail.startswith(detail)
    assert reading.latency is not None
