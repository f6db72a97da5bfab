"""From decision to subscriber, over a broker here: `python -m benchmarks.mqtt_latency`.

A decision is the moment the deciding thread offers its effects; the subscriber is another
process, on the event topic at QoS 1. Once nothing else happens; once every decision brings
fifty changed endpoints, their service and the overall verdict with it; once four explanations
a second of those fifty come just before a decision, the most the daemon sends. Needs mosquitto.

Where others use the machine too, p99 tells of them: `chrt -f 20` in front leaves them out.
"""

import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from beacon.config.schema import Config, Mqtt, Tower
from beacon.core.effects import Announced, Announcement, Effect, OverallChanged, ServiceChanged
from beacon.core.explain import Explained
from beacon.core.inputs import Observed
from beacon.core.model import (
    Endpoint,
    Evidence,
    Health,
    Moment,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.monitor import Monitor
from beacon.core.views import EndpointRead, OverallView, ServiceView
from beacon.engine.clock import SystemClock
from beacon.outputs.mqtt.output import MqttOutput
from benchmarks.table import Row, show

BUDGET_MS = 5.0
DECISIONS = 1000
PAUSE = 0.01
EXPLAINED_EVERY = 25
ENDPOINTS = 50
TOPIC = "mfa-beacon/bench/event"


def listen(port: int, count: int) -> None:
    """Print the monotonic moment of every event, after the word ready."""
    client = Client(CallbackAPIVersion.VERSION2)
    moments: list[float] = []

    def received(*_: object) -> None:
        moments.append(time.monotonic())
        if len(moments) == count:
            client.disconnect()

    client.on_message = received
    client.on_subscribe = lambda *_: print("ready", flush=True)

    def connected(*_: object) -> None:
        client.subscribe(TOPIC, 1)

    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_forever()
    print(*moments)


def config(port: int) -> Config:
    """Make a beacon of one service with fifty endpoints."""
    endpoints = tuple(
        Endpoint(id=f"s/{n}", service="s", name=str(n), kind="http", evidence=Evidence.SYMPTOM)
        for n in range(ENDPOINTS)
    )
    return Config(
        path="",
        name="Bench",
        watched=Site(id="bench", services=(Service(id="s", name="S", endpoints=endpoints),)),
        probes={},
        tower=Tower(),
        mqtt=Mqtt(host="127.0.0.1", port=port, encrypted=False),
        digest="",
    )


def decision(at: float, number: int, busy: bool) -> list[Effect]:
    """Say what the core would: an announcement, and perhaps all that goes with it."""
    effects: list[Effect] = [Announced(at, Announcement.OPENED, "s", Verdict.OUTAGE)]
    if not busy:
        return effects
    reason, health = [(Reason.OK, Health.UP), (Reason.DEADLINE, Health.DOWN)][number % 2]
    reading = Reading(reason, "no answer within 5 s (phase wait)", 5.0)
    reads = [EndpointRead(at, f"s/{n}", reading, health, 3) for n in range(ENDPOINTS)]
    verdict = [Verdict.OK, Verdict.OUTAGE][number % 2]
    overall = OverallView(
        verdict,
        problem=number % 2 == 1,
        since=at,
        blind=False,
        starting=False,
        services=(("s", verdict),),
    )
    return [
        *reads,
        ServiceChanged(at, ServiceView("s", verdict, at)),
        OverallChanged(at, overall),
        *effects,
    ]


def explanations() -> Callable[[Moment], Explained]:
    """Explain the service anew after one more reading, as the deciding thread does."""
    monitor = Monitor(config(0).watched)
    started = Moment(time.monotonic())
    monitor.start(started)

    def explain(at: Moment) -> Explained:
        for n in range(ENDPOINTS):
            monitor.handle(Observed(at, f"s/{n}", Reading(Reason.OK, latency=0.05), at))
        explained = monitor.explain("s")
        assert explained is not None
        return explained

    return explain


def latencies(port: int, busy: bool, explained: bool) -> list[float]:
    """Milliseconds from each decision to its arrival, sorted."""
    command = [sys.executable, "-m", "benchmarks.mqtt_latency", "--listen", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout
        listener.stdout.readline()
        clock = SystemClock()
        output = MqttOutput(config(port), clock, print, print, "0", random.Random(1))
        output.start()
        time.sleep(3.0)  # past the description and what follows it
        decided = []
        explain = explanations()
        for number in range(DECISIONS):
            if explained and number % EXPLAINED_EVERY == 0:
                output.explain(explain(clock.monotonic()), clock.monotonic())
            decided.append(clock.monotonic())
            output.offer(decision(decided[-1], number, busy))
            time.sleep(PAUSE)
        arrived = [float(word) for word in listener.stdout.readline().split()]
        output.stop(5.0)
    return sorted((b - a) * 1000 for a, b in zip(decided, arrived, strict=True))


def rows(port: int) -> list[Row]:
    """One row a load."""
    found = []
    loads = (
        (False, False, "event alone"),
        (True, False, f"with {ENDPOINTS} changed endpoints"),
        (False, True, f"beside explanations of {ENDPOINTS}"),
    )
    for busy, explained, words in loads:
        took = latencies(port, busy, explained)
        p99 = took[int(len(took) * 0.99)]
        measured = f"p50 {statistics.median(took):.2f} ms, p99 {p99:.2f} ms, max {took[-1]:.2f} ms"
        found.append(
            Row(
                f"decision to subscriber, {words}",
                measured,
                f"p99 <= {BUDGET_MS:g} ms",
                p99 <= BUDGET_MS,
            )
        )
    return found


def main() -> int:
    """Start a broker, measure, print."""
    if sys.argv[1:2] == ["--listen"]:
        listen(int(sys.argv[2]), DECISIONS)
        return 0
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/sbin")
    if binary is None:
        print("needs mosquitto: apt-get install mosquitto")
        return 1
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        conf = Path(directory) / "mosquitto.conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\n")
        with subprocess.Popen([binary, "-c", conf]) as broker:
            try:
                time.sleep(1.0)
                return 0 if show("MQTT, QoS 1, mosquitto on this machine", rows(port)) else 1
            finally:
                broker.terminate()


if __name__ == "__main__":
    sys.exit(main())
