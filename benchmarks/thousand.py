"""A thousand endpoints every 10 s, a twentieth of them hanging: none lost, none late.

    python -m benchmarks.thousand [--seconds 60]

The real engine, core and clock; HTTP probes of a local nginx. Half of the hanging ones ask a
server that never answers, half hang as a name resolution hangs: nothing wakes them. How
late runs begin is shown beside the machine's own floor: a bare timer in a process of its
own, asleep until the same moments. Needs nginx.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter

from beacon.config.fields import Url
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item, ScheduledProbe
from beacon.engine.output import Heartbeat
from beacon.engine.run import Phase, Probe, Run
from beacon.engine.schedule import Schedule, share
from beacon.probes.http import Http
from benchmarks.peers import nginx
from benchmarks.table import Row, show

COUNT, INTERVAL, TIMEOUT = 1000, 10.0, 5.0
HANGING = COUNT // 20
BUDGET = 0.020


class Timed:
    """A probe that notes when its runs begin."""

    def __init__(self, probe: Probe) -> None:
        self.began: list[float] = []
        self._probe = probe

    def wait(self, _utc: float, _memory: object) -> float:
        """Never."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Note, then probe."""
        self.began.append(time.monotonic())
        return self._probe.observe(run)


class Unresolved:
    """Hangs in name resolution for ever."""

    def observe(self, run: Run) -> Reading:
        """Come back never."""
        run.enter(Phase.DNS)
        threading.Event().wait()
        raise AssertionError


def site() -> Site:
    """Forty services of twenty-five endpoints."""
    endpoints = [
        Endpoint(
            id=f"service-{n % 40}/endpoint-{n}",
            service=f"service-{n % 40}",
            name=f"endpoint-{n}",
            kind="benchmark",
            evidence=Evidence.HEALTH,
            interval=INTERVAL,
            timeout=TIMEOUT,
            retry_interval=None,
            stale_after=3 * INTERVAL + TIMEOUT,
            local=True,
        )
        for n in range(COUNT)
    ]
    names = dict.fromkeys(e.service for e in endpoints)
    services = tuple(
        Service(id=name, name=name, endpoints=tuple(e for e in endpoints if e.service == name))
        for name in names
    )
    return Site(id="benchmark", services=services)


def due_times(names: list[str], start: float, end: float) -> dict[str, list[float]]:
    """When each endpoint is to run, by the schedule itself."""
    schedule = Schedule()
    schedule.update(dict.fromkeys(names, INTERVAL), start)
    found: dict[str, list[float]] = {name: [] for name in names}
    while (due := schedule.next_due()) is not None and due < end:
        for turn in schedule.due(due):
            found[turn.endpoint].append(turn.due)
    return found


FLOOR = """
import json, sys, time
late = []
for moment in json.load(sys.stdin):
    time.sleep(max(0.0, moment - time.monotonic()))
    late.append(time.monotonic() - moment)
print(json.dumps(late))
"""


def floor(moments: list[float]) -> list[float]:
    """How late a bare timer in a process of its own wakes at these moments."""
    lines = json.dumps(moments)
    done = subprocess.run(
        [sys.executable, "-c", FLOOR], input=lines, stdout=subprocess.PIPE, text=True, check=True
    )
    late: list[float] = json.loads(done.stdout)
    return late


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def timed(names: list[str], answering: int, silent: int) -> tuple[dict[str, Timed], set[str]]:
    """A probe for each name, and the names of those that hang."""
    every = COUNT // HANGING
    hanging = set(names[::every])
    probes = {name: Timed(Http(url=Url(f"http://127.0.0.1:{answering}/"))) for name in names}
    for name in names[::every]:
        probes[name] = Timed(Http(url=Url(f"http://127.0.0.1:{silent}/")))
    for name in names[:: 2 * every]:
        probes[name] = Timed(Unresolved())
    return probes, hanging


def measure(seconds: float, answering: int, silent: int) -> bool:
    """Let them run, and print."""
    clock, watched = SystemClock(), site()
    names = [e.id for e in watched.endpoints]
    probes, hanging = timed(names, answering, silent)
    heart, monitor = Heartbeat(clock), Monitor(watched)
    inbox: Inbox[Item] = Inbox()
    engine = Engine(
        judge=monitor,
        clock=clock,
        inbox=inbox,
        outputs=(),
        heartbeat=heart,
        renderer=heart,
        feed=lambda: None,
    )
    engine.start({name: ScheduledProbe(probe, INTERVAL, TIMEOUT) for name, probe in probes.items()})
    first = engine.schedule.next_due()
    assert first is not None, "a thousand are due"
    start = first - min(map(share, names)) * INTERVAL
    dues = due_times(names, start, start + seconds)
    answers = [name for name in names if name not in hanging]
    deciding = threading.Thread(target=engine.run)
    cpu = time.process_time()
    deciding.start()
    floors = floor(sorted(due for name in answers for due in dues[name]))
    time.sleep(max(0.0, start + seconds + TIMEOUT - time.monotonic()))
    cpu = time.process_time() - cpu
    engine.stop()
    deciding.join()

    lost = sum(len(probes[name].began) < len(dues[name]) for name in answers)
    pairs = [zip(probes[name].began, dues[name], strict=False) for name in answers]
    late = [began - due for each in pairs for began, due in each]
    read = Counter(report.reading.reason for report in monitor.view().endpoints)
    passed, hung = read[Reason.OK], read[Reason.DEADLINE] + read[Reason.DNS_TIMEOUT]
    beyond = p99(late) - p99(floors)
    return show(
        f"{COUNT} endpoints every {INTERVAL:g} s, {HANGING} of them hanging, {seconds:g} s",
        [
            Row("runs of those that answer", str(len(late))),
            Row("of these endpoints, missed a turn", str(lost), "0", lost == 0),
            Row("pass", str(passed), str(COUNT - HANGING), passed == COUNT - HANGING),
            Row("hang, and are reported so", str(hung), str(HANGING), hung == HANGING),
            Row("a run begins late by, median", f"{statistics.median(late) * 1e3:.2f} ms"),
            Row("… p99", f"{p99(late) * 1e3:.2f} ms"),
            Row("… p99 of a bare timer on this machine", f"{p99(floors) * 1e3:.2f} ms"),
            Row("… p99 above it", f"{beyond * 1e3:.2f} ms", "<= 20 ms", beyond <= BUDGET),
            Row("threads", str(threading.active_count() - 1)),
            Row("CPU a run", f"{cpu / len(late) * 1e3:.2f} ms"),
        ],
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 when a budget does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.thousand")
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args(arguments).seconds
    with (
        nginx() as (answering, _, _),
        socket.create_server(("127.0.0.1", 0), backlog=4096) as silent,
    ):
        return 0 if measure(seconds, answering, silent.getsockname()[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
