"""From a fault to a red lamp: interval 10 s, re-check 1 s × 2, many towers at once.

    python -m benchmarks.fault_to_lamp [--count 120]

Each of the beacons here has one endpoint (the HTTP probe, asking a local server), the real
core and engine, and a tower of gpiozero's mock pins. The faults come at moments spread
evenly over the interval, so that the mean does not depend on luck. A fault that answers
says 503; one that hangs says nothing, and the probe's timeout is 3 s.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gpiozero.pins.mock import MockFactory

from beacon.config.fields import Url
from beacon.config.schema import Tower
from beacon.core.indication import Colour
from beacon.core.model import Endpoint, Evidence, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item, ScheduledProbe
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.gpio import GpioChannels
from beacon.outputs.tower.output import StackLight
from beacon.probes.http import Http
from benchmarks.table import Row, show

INTERVAL, TIMEOUT, RETRY, THRESHOLD = 10.0, 3.0, 1.0, 3
SOUND_TURNS = 2
"""Turns that pass before the fault."""
PATIENCE = 60.0
TOWER = Tower(lamps=dict(zip(Colour, (17, 27, 22, 23, 24), strict=True)))


@dataclass
class Server:
    """Says 200 until an endpoint's fault begins, then 503 or nothing."""

    hangs: bool
    faults: dict[str, float] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[int]:
        """Serve; its port."""
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                broken = time.monotonic() >= world.faults.get(self.path, float("inf"))
                if broken and world.hangs:
                    world.over.wait(PATIENCE)
                    return
                self.send_response(503 if broken else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            self.over.set()
            server.shutdown()
            serving.join()
            server.server_close()


class Watching:
    """A tower's lines that note when red is first lit."""

    def __init__(self) -> None:
        self.red: float | None = None
        self._lines = GpioChannels(TOWER, MockFactory())

    def set(self, channel: str, lit: bool) -> None:
        """Note, and drive the pin."""
        self._lines.set(channel, lit)
        if lit and channel == Colour.RED and self.red is None:
            self.red = time.monotonic()

    def pressed(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Let go."""
        self._lines.close()


def site(endpoint: str) -> Site:
    """One service whose one endpoint proves it."""
    spec = Endpoint(
        id=endpoint,
        service="s",
        name=endpoint,
        kind="http",
        evidence=Evidence.SYMPTOM,
        interval=INTERVAL,
        timeout=TIMEOUT,
        retry_interval=RETRY,
        failure_threshold=THRESHOLD,
        stale_after=3 * INTERVAL + TIMEOUT,
        local=True,
    )
    return Site(id="benchmark", services=(Service(id="s", name="S", endpoints=(spec,)),))


class Beacon:
    """A whole beacon with one endpoint, deciding in a thread of its own."""

    def __init__(self, name: str, port: int) -> None:
        clock = SystemClock()
        self.lines = Watching()
        heart = Heartbeat(clock)
        self._tower = StackLight(TOWER, clock, heart, lambda: None, self.lines)
        inbox: Inbox[Item] = Inbox()
        self._engine = Engine(
            judge=Monitor(site(name)),
            clock=clock,
            inbox=inbox,
            outputs=(self._tower,),
            heartbeat=heart,
            renderer=self._tower.heart,
            feed=lambda: None,
        )
        probe = Http(url=Url(f"http://127.0.0.1:{port}/{name}"))
        self._tower.start()
        self._engine.start({name: ScheduledProbe(probe, INTERVAL, TIMEOUT)})
        first = self._engine.schedule.next_due()
        assert first is not None, "its endpoint is due"
        self.first_turn = first
        self._thread = threading.Thread(target=self._engine.run)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._engine.stop()
        self._thread.join()
        self._engine.workers.stop(1.0)
        self._tower.stop(1.0)


def delays(count: int, *, hangs: bool) -> list[float]:
    """Seconds from fault to red, one for each of `count` beacons."""
    server = Server(hangs)
    found: list[float] = []
    with ExitStack() as stack:
        port = stack.enter_context(server.running())
        beacons = {f"endpoint-{n}": Beacon(f"endpoint-{n}", port) for n in range(count)}
        for number, (name, beacon) in enumerate(beacons.items()):
            stack.callback(beacon.stop)
            into = (number + 0.5) / count
            server.faults[f"/{name}"] = beacon.first_turn + (SOUND_TURNS + into) * INTERVAL
        until = max(server.faults.values()) + PATIENCE
        while any(b.lines.red is None for b in beacons.values()) and time.monotonic() < until:
            time.sleep(0.2)
        for name, beacon in beacons.items():
            red = beacon.lines.red
            found.append((red or until) - server.faults[f"/{name}"])
    return found


def p95(values: list[float]) -> float:
    """The 95th percentile of evenly spread samples: each stands for the middle of its share."""
    position = 0.95 * len(values) - 0.5
    below = int(position)
    return values[below] + (position - below) * (values[below + 1] - values[below])


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 when a budget does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.fault_to_lamp")
    parser.add_argument("--count", type=int, default=120)
    count = parser.parse_args(arguments).count
    answering, hanging = sorted(delays(count, hangs=False)), sorted(delays(count, hangs=True))
    mean, late = statistics.mean(answering), p95(answering)
    hung = statistics.mean(hanging)
    held = show(
        f"fault to lamp, n = {count}, interval 10 s, re-check 1 s × 2",
        [
            Row("answering fault: mean", f"{mean:.2f} s", "<= 7.2 s", mean <= 7.2),
            Row("answering fault: p95", f"{late:.2f} s", "<= 11.6 s", late <= 11.6),
            Row("answering fault: least, most", f"{answering[0]:.2f} s, {answering[-1]:.2f} s"),
            Row("hanging fault, timeout 3 s: mean", f"{hung:.2f} s", "<= 16 s", hung <= 16.0),
            Row("hanging fault: least, most", f"{hanging[0]:.2f} s, {hanging[-1]:.2f} s"),
        ],
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
