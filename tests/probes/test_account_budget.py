"""Real servers that hang, and what one makes of the queue when it wakes.

Core, schedule and probes are the real ones. Time passes from run to run, so that an hour takes
seconds.
"""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from beacon.config.fields import Secret, Url
from beacon.core.model import Outcome, Reason
from beacon.net.radius import Packet
from beacon.otp.code_setting import OneTimeCode
from beacon.probes.privacyidea import PrivacyIdea
from beacon.probes.radius import Radius
from tests.probes.driven import Driven
from tests.servers.freeradius import Relay

MINUTE = 60.0


def failures(server: Any, user: str) -> int:
    """How many failures privacyIDEA has counted for the only token of a user."""
    known = requests.post(server.url + "/auth", {"username": "admin", "password": "admin"})
    proof = {"Authorization": known.json()["result"]["value"]["token"]}
    found = requests.get(server.url + "/token/", {"user": user}, headers=proof).json()
    return int(found["result"]["value"]["tokens"][0]["failcount"])


def is_steady(counted: list[int], now: int) -> bool:
    """Whether a count has stayed the same for ten questions, and is not 0."""
    counted.append(now)
    return now > 0 and set(counted[-10:]) == {now}


@pytest.mark.integration
def test_a_privacyidea_that_hung_for_an_hour_locks_no_token(
    privacyidea: Any, eventually: Callable[..., None]
) -> None:
    user, seed = privacyidea.account("totp")
    settings = {"username": user, "password": Secret("canary-pin")}
    code = OneTimeCode(totp=Secret(seed))
    probes = [PrivacyIdea(url=Url(privacyidea.url), code=code, **settings) for _ in range(2)]
    driven = Driven({"one": probes[0], "two": probes[1]})
    driven.live(MINUTE, ahead=-2 * MINUTE)
    assert {name for name, reading, _ in driven.readings if reading.reason is Reason.OK} == {
        "mfa/one",
        "mfa/two",
    }
    driven.readings.clear()
    driven.patience = 0.25
    privacyidea.process.send_signal(signal.SIGSTOP)
    driven.live(60 * MINUTE, ahead=-70 * MINUTE)
    sent = sum(unanswered for *_, unanswered in driven.readings)
    assert {reading.outcome for _, reading, _ in driven.readings} == {Outcome.FAIL}
    assert len(driven.readings) > 2 * sent, "the others only knocked"
    privacyidea.process.send_signal(signal.SIGCONT)
    counted = [0]
    eventually(lambda: is_steady(counted, failures(privacyidea, user)), "it judges its queue")
    assert 0 < counted[-1] <= sent <= 8
    driven.patience = 30.0
    driven.live(11 * MINUTE, ahead=MINUTE, passes=False, waits=False)
    assert Reason.OK in {reading.reason for _, reading, _ in driven.readings}
    assert failures(privacyidea, user) == 0


@pytest.fixture
def without_status(freeradius: Any) -> Iterator[Relay]:
    """It, answering no Status-Server, as NPS does."""
    relay = Relay(
        freeradius.port, takes=lambda asked: asked[0] == Packet.ACCESS_REQUEST, patience=0.2
    )
    yield relay
    relay.close()


@pytest.mark.integration
@pytest.mark.parametrize("has_status", [True, False])
def test_a_freeradius_that_hangs_for_an_hour(
    freeradius: Any, without_status: Relay, has_status: bool
) -> None:
    """With Status-Server it is asked on; without, an operator must allow the next attempt."""
    freeradius.be("accepts all")
    port = freeradius.port if has_status else without_status.port
    settings = {"username": "probe", "password": Secret(freeradius.password)}
    probe = Radius(
        host="127.0.0.1",
        port=port,
        shared_secret=Secret(freeradius.shared_secret),
        code=OneTimeCode(hotp=Secret(freeradius.seed)),
        **settings,
    )
    driven = Driven({"in": probe})
    driven.patience = 2.0
    driven.live(MINUTE, ahead=0.0)
    assert {reading.reason for _, reading, _ in driven.readings} == {Reason.OK}
    freeradius.process.send_signal(signal.SIGSTOP)
    driven.readings.clear()
    driven.patience = 0.25
    driven.live(60 * MINUTE, ahead=0.0)
    sent = sum(unanswered for *_, unanswered in driven.readings)
    assert sent == 8
    assert (len(driven.readings) > sent) is has_status, "knocks spend nothing"
    freeradius.process.send_signal(signal.SIGCONT)
    driven.readings.clear()
    driven.patience = 2.0
    driven.live(11 * MINUTE, ahead=0.0)
    stopped = "guard_stopped" in driven.monitor.view().services[0].overlays
    assert (bool(driven.readings), stopped) == (has_status, not has_status)
