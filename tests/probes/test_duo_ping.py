"""`duo_ping`: what ping and check are good for, and what not."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from beacon.core.model import Reason
from beacon.probes.duo_ping import DuoPing
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import Skewed, sign_in

CONFORMANCE = Conformance(
    """
    type: duo_ping
    host: "{host}"
    port: {port}
    integration_key: DIXXXXXXXXXXXXXXXXXX
    secret_key: !secret canary
    tls: {verify: false}
    """,
)


Make = Callable[..., DuoPing]


@pytest.fixture
def make(duo_probe: Callable[..., DuoPing]) -> Make:
    return partial(duo_probe, DuoPing)


def test_it_answers_and_knows_us(make: Make, duo_server: Any) -> None:
    probe = make()
    reading, notes = sign_in(probe)
    assert reading.reason is Reason.OK
    assert "says nothing of sign-ins" in reading.detail
    assert duo_server.asked == [("ping", {}), ("check", {})]
    assert [name for name, _ in reading.phases] == ["ping", "check"]
    assert "by its time, our clock is off by" in notes
    assert (probe.wait(0.0, MEMORIES.of(probe)), probe.clock_bound) == (0.0, True)


def test_after_a_ping_that_fails_nothing_is_signed(make: Make, duo_server: Any) -> None:
    duo_server.says["ping"] = 503, b"<html>"
    reading, _ = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.HTTP_STATUS, "ping: status 503")
    assert duo_server.calls == ["ping"]


@pytest.mark.parametrize(
    "answer",
    [{}, {"time": "now"}, {"time": -1}, {"time": 10**15}, {"time": True}, {"time": 1e99}],
    ids=str,
)
def test_a_ping_without_the_time(make: Make, duo_server: Any, answer: dict[str, object]) -> None:
    duo_server.says["ping"] = 200, {"stat": "OK", "response": answer}
    reading, _ = sign_in(make())
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert reading.detail.startswith("ping: not in the form of Duo's answers: ")


def test_an_unsigned_call_that_is_refused_by_its_time_is_asked_once(
    make: Make, duo_server: Any
) -> None:
    duo_server.says["ping"] = 401, {"stat": "FAIL", "code": 40105, "message": "Bad timestamp"}
    assert sign_in(make())[0].reason is Reason.OWN_CLOCK
    assert duo_server.calls == ["ping"]


def test_duos_time_is_a_word_about_our_clock(make: Make) -> None:
    reading, _ = sign_in(make(), clock=Skewed(60.0))
    assert reading.clock is not None
    assert reading.clock.host == "127.0.0.1"
    assert reading.clock.offset == pytest.approx(-60.0, abs=2.0)
