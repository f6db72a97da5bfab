"""`duo_ping`: what ping and check are good for, and what not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.config.problems import ConfigError
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.duo_ping import DuoPing
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

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


SECRET = "canary-Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNm"
KEYS = f"{{host: api-XXXXXXXX.duosecurity.com, integration_key: DIX, secret_key: {SECRET}"
PING = f"""
- {{name: ping, type: duo_ping, {KEYS[1:]}}}
"""
SIGN_IN = f"""
- {{name: sign-in, type: duo, {KEYS[1:]}, username: probe, code: {{totp: MFRGGZDFMZTWQ2LK}}}}
"""


class Skewed(SystemClock):
    """A clock that is ahead by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)


@pytest.fixture
def make(duo_server: Any, ca_file: str) -> Callable[..., DuoPing]:
    def build(**given: Any) -> DuoPing:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": duo_server.server_port,
            "integration_key": duo_server.integration_key,
            "secret_key": Secret(SECRET),
            "tls": TlsPolicy(ca=ca_file),
        }
        probe = DuoPing(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


def talk(probe: DuoPing, clock: SystemClock | None = None) -> tuple[Reading, str]:
    run = Run(clock or SystemClock(), 10.0, memory=MEMORIES.of(probe))
    reading = run.take(probe)
    told = "\n".join(run.notes)
    assert "canary" not in reading.detail + told
    return reading, told


def test_it_answers_and_knows_us(
    make: Callable[..., DuoPing], duo_server: Any, shown: Callable[..., Any]
) -> None:
    probe = make()
    reading, told = talk(probe)
    assert reading.reason is Reason.OK
    assert "says nothing of sign-ins" in reading.detail
    assert duo_server.asked == [("ping", {}), ("check", {})]
    assert [name for name, _ in reading.phases] == ["ping", "check"]
    assert "by its time, our clock is off by" in told
    assert (probe.wait(0.0, MEMORIES.of(probe)), probe.clock_bound) == (0.0, True)
    after = shown(PING, {"ping": reading})
    assert (after.verdict, after.lamps, after.shallow) == ("ok", {"green": "steady"}, True)


def test_it_passes_while_nobody_can_sign_in(
    make: Callable[..., DuoPing], duo_server: Any, shown: Callable[..., Any]
) -> None:
    duo_server.says["auth"] = 500, b""
    reading, _ = talk(make())
    assert reading.reason is Reason.OK
    hung = Reading(Reason.DEADLINE)
    after = shown(SIGN_IN + PING, {"sign-in": hung, "ping": reading})
    assert (after.verdict, after.lamps) == ("outage", {"red": "fast"})


def test_beside_a_passing_sign_in_it_makes_degraded_never_more(
    make: Callable[..., DuoPing], duo_server: Any, shown: Callable[..., Any]
) -> None:
    duo_server.says["ping"] = 503, b"<html>"
    reading, _ = talk(make())
    assert (reading.reason, reading.detail) == (Reason.HTTP_STATUS, "ping: status 503")
    assert duo_server.calls == ["ping"]
    after = shown(SIGN_IN + PING, {"ping": reading})
    assert (after.verdict, after.lamps) == ("degraded", {"amber": "fast"})


@pytest.mark.parametrize(
    "said",
    [{}, {"time": "now"}, {"time": -1}, {"time": 10**15}, {"time": True}, {"time": 1e99}],
    ids=str,
)
def test_a_ping_that_does_not_tell_the_time(
    make: Callable[..., DuoPing], duo_server: Any, said: dict[str, object]
) -> None:
    duo_server.says["ping"] = 200, {"stat": "OK", "response": said}
    reading, _ = talk(make())
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert reading.detail.startswith("ping: not in the form of Duo's answers: ")


def test_an_unsigned_call_that_is_refused_by_its_time_is_asked_once(
    make: Callable[..., DuoPing], duo_server: Any
) -> None:
    duo_server.says["ping"] = 401, {"stat": "FAIL", "code": 40105, "message": "Bad timestamp"}
    assert talk(make())[0].reason is Reason.OWN_CLOCK
    assert duo_server.calls == ["ping"]


def test_a_wrong_key_is_ours(make: Callable[..., DuoPing], shown: Callable[..., Any]) -> None:
    reading, _ = talk(make(secret_key=Secret("another")))
    assert (reading.reason, reading.outcome) == (Reason.OWN_CREDENTIALS, Outcome.ERROR)
    assert reading.detail.startswith("check: status 401, code 40103")
    assert shown(PING, {"ping": reading}).lamps == {"white": "steady"}


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_a_time_that_duo_refuses_is_our_clock(
    make: Callable[..., DuoPing], shown: Callable[..., Any], ahead: float
) -> None:
    reading, told = talk(make(), Skewed(ahead))
    assert reading.reason is Reason.OWN_CLOCK
    start = "check: Duo refuses our time (code 40105): by its own, our clock is off by "
    assert reading.detail.startswith(start)
    assert float(reading.detail.removeprefix(start)[:-2]) == pytest.approx(ahead, abs=2)
    assert told.count("by its time, our clock is off by") == 2
    after = shown(PING, {"ping": reading})
    assert (after.verdict, after.lamps, after.cause) == ("blind", {"white": "steady"}, "own clock")


def test_mistakes_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "beacon.yaml"
    lines = "".join(f"      {line}\n" for line in PING.strip().splitlines())
    head = "site: soc\nservices:\n  - name: MFA\n    endpoints:\n"
    path.write_text(head + lines.replace("host: api", "host: https://api"))
    with pytest.raises(ConfigError) as error:
        load_config(path, environ={})
    assert "only the API hostname" in str(error.value)


def test_duos_time_is_a_word_about_our_clock(make: Callable[..., DuoPing]) -> None:
    reading, _ = talk(make(), Skewed(60.0))
    assert reading.clock is not None
    assert reading.clock.host == "127.0.0.1"
    assert reading.clock.offset == pytest.approx(-60.0, abs=2.0)
