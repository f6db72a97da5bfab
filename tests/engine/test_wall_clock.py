"""The wall clock may jump as it likes: whatever is decided goes by the monotonic clock."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from beacon.core.effects import Announced, IndicationChanged
from beacon.core.inputs import Attest, Bypass, Drill, Maintenance, QuietHours, Shelve, Silence
from beacon.core.model import Attestation, Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.loop import ScheduledProbe
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.workers import Finished
from tests.engine.jumpy_clock import JumpyClock

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
WHO = {"by": "analyst", "origin": "cli"}
DAY, YEARS = timedelta(days=1), timedelta(days=3653)
KEYS = Attestation(id="keys", name="Keys", every=3000.0)


def endpoint(name, evidence, **more):
    return Endpoint(
        id=f"mfa/{name}", service="mfa", name=name, kind="http", evidence=evidence, **more
    )


SITE = Site(
    id="soc",
    services=(
        Service(
            id="mfa",
            name="MFA",
            endpoints=(
                endpoint("sign-in", Evidence.SYMPTOM, interval=60.0, stale_after=210.0),
                endpoint("vendor", Evidence.CLAIM, failure_threshold=1, retry_interval=None),
            ),
            session_lifetime=3600.0,
        ),
    ),
    attest=(KEYS,),
)


class Scripted:
    """A probe whose answer depends on the monotonic time alone."""

    def __init__(self, clock, bad, reason) -> None:
        self._clock, self._bad, self._reason = clock, bad, reason

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        return 0.0

    def observe(self, run) -> Reading:
        ill = any(begin <= self._clock.monotonic() < end for begin, end in self._bad)
        return Reading(self._reason if ill else Reason.OK)


ORDERS = {
    1900.0: lambda at: Silence(at, True, **WHO),
    2500.0: lambda at: Shelve(at, "mfa", True, **WHO, seconds=900.0),
    4300.0: lambda at: Attest(at, "keys", **WHO),
    4400.0: lambda at: Bypass(at, "mfa", True, **WHO),
    5000.0: lambda at: QuietHours(at, on=True),
    5600.0: lambda at: QuietHours(at, on=False),
    7000.0: lambda at: Maintenance(at, "mfa", True, **WHO, seconds=600.0),
    9000.0: lambda at: Drill(at, True, **WHO, seconds=300.0),
}
OUTAGES = ((1600.0, 2700.0), (4700.0, 5800.0), (6200.0, 6400.0), (7100.0, 7300.0))
ADMITS = ((2000.0, 2400.0),)


def order(item):
    """By endpoint; what a poll posted comes first."""
    return item.task.endpoint if isinstance(item, Finished) else ""


@pytest.fixture
def live(make_house):
    """Play three hours of an engine with the real core; the effects, in order."""

    def play(jumps, *, polls=(), until=12_000.0):
        clock = JumpyClock(START, 1000.0)
        house = make_house(clock, judge=Monitor(SITE), polls=tuple(poll(clock) for poll in polls))
        probes = (
            Scripted(clock, OUTAGES, Reason.DEADLINE),
            Scripted(clock, ADMITS, Reason.VENDOR_INCIDENT),
        )
        house.engine.start(
            {
                spec.id: ScheduledProbe(probe, spec.interval, spec.timeout)
                for spec, probe in zip(SITE.endpoints, probes, strict=True)
            }
        )
        jumps, orders = sorted(jumps.items()), sorted(ORDERS.items())
        while (now := clock.monotonic()) < until:
            clock.advance(5.0)
            while jumps and jumps[0][0] <= now + 5.0:
                clock.set(jumps.pop(0)[1])
            while orders and orders[0][0] <= now + 5.0:
                house.engine.post(orders.pop(0)[1](now + 5.0))
            house.turn()
            # Two runs of one turn are back in the order their threads had: that is none of ours.
            while running := sum(not t.over for t in house.engine.workers._tasks.values()):
                back = []
                while len(back) < running:
                    back += house.inbox.take(60)
                house.engine.turn(sorted(back, key=order))
        return house.output.effects

    return play


@pytest.fixture
def undisturbed(live):
    effects = live({})
    announced = [e.what.value for e in effects if isinstance(e, Announced)]
    assert {"opened", "relapsed", "recovering", "closed"} <= set(announced), "enough happens"
    assert sum(isinstance(e, IndicationChanged) for e in effects) > 10
    return effects


def of_2026(clock):
    return DateWatch(clock, "2026-01-01")


def test_a_jump_of_the_wall_clock_changes_nothing(live, undisturbed):
    moments = (1001.0, 1650.0, 1800.0, 2100.0, 3000.0, 4720.0, 7250.0, 9100.0)
    assert live(dict.fromkeys(moments, YEARS), polls=[of_2026]) == undisturbed


def test_back_and_forth_changes_nothing(live, undisturbed):
    jumps = {1500.0 + 97.0 * n: (DAY, -YEARS, YEARS, -DAY)[n % 4] for n in range(80)}
    assert live(jumps) == undisturbed


def test_only_a_date_before_the_beacon_was_built_is_a_reason_to_doubt(live):
    jumps = {1200.0: DAY, 1300.0: -DAY}
    assert live(jumps, polls=[of_2026], until=1800.0) == live({}, until=1800.0)
    jumps = {1200.0: -YEARS}
    assert live(jumps, polls=[of_2026], until=1800.0) != live({}, until=1800.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="a time namespace takes root")
def test_time_in_which_the_machine_sleeps_passes_too():
    """Ten hours asleep, as a time namespace shows them: only CLOCK_BOOTTIME counts those."""
    asleep = ["unshare", "--time", "--boottime", "36000", sys.executable, "-c"]
    say = "import time; from beacon.engine.clock import SystemClock as C; "
    difference = "print(C().monotonic() - time.clock_gettime(time.CLOCK_MONOTONIC))"
    done = subprocess.run([*asleep, say + difference], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 35_999
