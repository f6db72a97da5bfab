"""What an hour costs the SD card: `python -m benchmarks.disk_writes`.

Fifty endpoints every 30 s, folded faster than life, with the history writing to a real file
system; each figure is the kernel's (`write_bytes` of /proc/self/io). Three in a thousand
readings fail once and pass when asked again; what
latency is usual is learnt. The budget is for an hour in which nothing happens.
"""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from beacon.core.inputs import Observed
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.calendar.hour_watch import HourWatch
from beacon.engine.clock import ManualClock
from beacon.otp.used_codes import Ledger, Token
from beacon.outputs.history.output import History, WritePace
from benchmarks.table import Row, show

BUDGET_MB = 1.0
HOURS = 6
PASS, FAIL = Reading(Reason.OK, latency=0.1), Reading(Reason.DEADLINE, "no answer")


def site() -> Site:
    """Build ten services of five endpoints each."""

    def endpoint(service: str, name: str) -> Endpoint:
        full = f"{service}/{name}"
        evidence = Evidence.SYMPTOM if name == "e0" else Evidence.HEALTH
        return Endpoint(id=full, service=service, name=name, kind="http", evidence=evidence)

    services = (
        Service(id=f"s{n}", name="", endpoints=tuple(endpoint(f"s{n}", f"e{k}") for k in range(5)))
        for n in range(10)
    )
    return Site(id="bench", services=tuple(services))


def written() -> int:
    """Bytes this process has caused to be written to disks, so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


class Life:
    """A monitor and its history in virtual time."""

    def __init__(self, directory: Path) -> None:
        self.watched = site()
        self.clock = ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC), 1000.0)
        self.monitor = Monitor(self.watched)
        self.history = History(
            directory,
            "bench",
            self.clock,
            remember=lambda: self.monitor.remember(self.clock.monotonic()),
            learnt=self.monitor.learnt,
            ask=lambda call: call(),
            written=lambda: {e.id: e.id for e in self.watched.endpoints},
            pace=WritePace(refresh=3600.0),
        )
        self.history.recall()
        self.history.start()
        self.history.offer(self.monitor.start(self.clock.monotonic()))
        self.hour = HourWatch(self.clock, "2026-01-01")
        self.ledger, self.chance = Ledger(), random.Random(1)
        self.ledger.keep(self.history)

    def minute(self, failing: str = "", codes: int = 0) -> None:
        """Let one minute pass: two readings of each endpoint, and one commit if there is cause."""
        if (hour := self.hour(self.clock.monotonic())) is not None:
            self.history.offer(self.monitor.handle(hour))
        for event in self._readings(failing):
            self.history.offer(self.monitor.handle(event))
        for number in range(codes):
            self.ledger.claim(Token(b"seed%d" % number), self.clock.utc().timestamp())
        self.history.settle(10.0)

    def _readings(self, failing: str) -> Iterator[Observed]:
        for _ in range(2):
            self.clock.advance(30.0)
            at = self.clock.monotonic()
            for endpoint in self.watched.endpoints:
                down = endpoint.id == failing
                bad = down or self.chance.random() < 0.003
                passed = replace(PASS, latency=self.chance.lognormvariate(-2.3, 0.3))
                for reading in [FAIL] * 3 if down else [FAIL, passed] if bad else [passed]:
                    yield Observed(at, endpoint.id, reading, at, regular=reading is FAIL or not bad)

    def hours(self, count: int, **how: int) -> float:
        """Live some hours; MB written in each."""
        before = written()
        for _ in range(count * 60):
            self.minute(codes=how.get("codes", 0))
        return (written() - before) / count / 1e6

    def incident(self) -> float:
        """Live through an outage of half an hour and the half hour after it; MB written."""
        before = written()
        for minute in range(60):
            self.minute(failing="s3/e0" if minute < 30 else "")
        return (written() - before) / 1e6


def main() -> int:
    """Measure each kind of hour; 1 where one is over its budget."""
    Path(".state").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=".state") as directory:
        life = Life(Path(directory))
        life.hours(1)
        quiet = life.hours(HOURS)
        codes = life.hours(HOURS, codes=2)
        incident = life.incident()
        size = sum(path.stat().st_size for path in Path(directory).iterdir()) / 1e6
        life.history.stop(10.0)
    budget = f"<= {BUDGET_MB:g} MB/h"
    rows = [
        Row("an hour in which nothing happens", f"{quiet:.2f} MB", budget, quiet <= BUDGET_MB),
        Row("... two sign-ins a minute by code", f"{codes:.2f} MB", budget, codes <= BUDGET_MB),
        Row("an hour with an outage of 30 min", f"{incident:.2f} MB"),
        Row("all files afterwards", f"{size:.2f} MB"),
    ]
    return 0 if show("disk writes, 50 endpoints every 30 s", rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
