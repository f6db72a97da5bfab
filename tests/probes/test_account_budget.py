"""A real server that hangs, and what it makes of the queue when it wakes.

Core, schedule and probes are the real ones. Time passes from run to run, so that an hour takes
seconds.
"""

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from beacon.config.fields import Secret, Url
from beacon.core.inputs import Observed
from beacon.core.model import Evidence, Moment, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.run import DeadlinePassed, Run
from beacon.engine.schedule import Schedule
from beacon.otp.code_setting import OneTimeCode
from beacon.probes.privacyidea import PrivacyIdea
from beacon.probing.base import Kind
from tests.core.conftest import endpoint
from tests.probe_memories import MEMORIES
from tests.probes.runs import Skewed

MINUTE = 60.0


class Driven:
    """Endpoints that sign in, run when the schedule says so; `now` is the beacon's time."""

    def __init__(self, probes: dict[str, Kind]) -> None:
        self.probes, self.clock, self.now, self.patience = probes, Skewed(), 0.0, 30.0
        self.readings: list[tuple[str, Reading, bool]] = []
        sign_ins = tuple(
            endpoint("mfa", name, Evidence.SYMPTOM, accounts=probe.accounts)
            for name, probe in probes.items()
        )
        site = Site(id="soc", services=(Service(id="mfa", name="", endpoints=sign_ins),))
        self.monitor, self.schedule = Monitor(site), Schedule()
        self.schedule.update({each.id: each.interval for each in sign_ins}, 0.0)
        self._obey(self.monitor.start(Moment(0.0)))

    def live(self, seconds: float, *, ahead: float, passes: bool = True) -> None:
        """Let time pass for core and schedule; codes are those of a clock so far `ahead`.

        Without `passes` that clock stays with the server's, but for waits for a code.
        """
        begin, until = self.now, self.now + seconds
        while (due := self.schedule.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.clock.ahead = ahead + (self.now - begin if passes else 0.0)
            for run in self.schedule.due(self.now):
                probe = self.probes[run.endpoint.partition("/")[2]]
                wait = probe.wait(self.clock.utc().timestamp(), MEMORIES.of(probe))
                if wait:
                    ahead += 0.0 if passes else wait
                    self.schedule.add(replace(run, due=self.now + wait))
                else:
                    self._run(run.endpoint, probe)
        self.now = until

    def _run(self, name: str, probe: Kind) -> None:
        at = Moment(self.now)
        run = Run(self.clock, self.patience, memory=MEMORIES.of(probe))
        run.approach = self.monitor.approach(name, at)
        try:
            reading = run.take(probe)
        except DeadlinePassed:
            reading = run.overstayed()
        self.readings.append((name, reading, run.unanswered))
        event = Observed(at, name, reading, at, unanswered=run.unanswered, knocked=run.knocked)
        self._obey(self.monitor.handle(event))

    def _obey(self, effects: Any) -> None:
        self.schedule.obey(effects, self.now)


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
    assert {reading.reason for _, reading, _ in driven.readings} == {Reason.DEADLINE}
    assert len(driven.readings) > 2 * sent, "the others only knocked"
    privacyidea.process.send_signal(signal.SIGCONT)
    counted = [0]
    eventually(lambda: is_steady(counted, failures(privacyidea, user)), "it judges its queue")
    assert 0 < counted[-1] <= sent <= 8
    driven.patience = 30.0
    driven.live(11 * MINUTE, ahead=MINUTE, passes=False)
    assert Reason.OK in {reading.reason for _, reading, _ in driven.readings}
    assert failures(privacyidea, user) == 0
