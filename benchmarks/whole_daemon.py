"""The whole daemon beside the stack people would build: python -m benchmarks.whole_daemon [s].

Fifty HTTPS endpoints every 20 s on one local nginx. Ours: `beacon run` with tower (mock
pins) and MQTT to mosquitto. Theirs: blackbox_exporter, Prometheus (fifty probes every 20 s,
an alert rule) and Alertmanager. Both run at the same time; CPU is what the processes used
over the measured seconds after a warm-up, memory what they hold at the end. Also what a
start costs: CPU until the first reading, over that of a bare `python -c pass`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers import cpu_of, free_port, nginx, rss_of, server
from benchmarks.table import Row, show

COUNT, INTERVAL = 50, 20
WARM_UP = 25.0
STARTS = 5


def beacon_config(url: str, ca: Path, broker: int | None) -> str:
    """Fifty endpoints in ten services; JSON is YAML."""
    services = [
        {
            "name": f"service {n}",
            "endpoints": [
                {
                    "name": f"endpoint {k}",
                    "type": "http",
                    "url": url,
                    "interval": f"{INTERVAL}s",
                    "local": True,
                    "tls": {"ca": str(ca)},
                }
                for k in range(COUNT // 10)
            ],
        }
        for n in range(10)
    ]
    config: dict[str, object] = {
        "site": "bench",
        "tower": {"driver": "mock"},
        "services": services,
    }
    if broker is not None:
        config["mqtt"] = {"broker": f"mqtt://127.0.0.1:{broker}"}
    return json.dumps(config)


@contextmanager
def beacon(home: Path, config: str) -> Iterator[subprocess.Popen[str]]:
    """The daemon as a service would run it; its log goes to a pipe."""
    path = home / "beacon.yaml"
    path.write_text(config)
    command = [sys.executable, "-m", "beacon", "run", "-c", str(path)]
    command += ["--state-dir", str(home / "state")]
    with (home / "beacon.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def prometheus_config(url: str, exporter: int, alertmanager: int) -> str:
    """Fifty probes of one address through the exporter."""
    targets = [f"{url}?{n}" for n in range(COUNT)]
    return json.dumps(
        {
            "global": {"scrape_interval": f"{INTERVAL}s", "evaluation_interval": "15s"},
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": "probes",
                    "metrics_path": "/probe",
                    "params": {"module": ["probe"]},
                    "static_configs": [{"targets": targets}],
                    "relabel_configs": [
                        {"source_labels": ["__address__"], "target_label": "__param_target"},
                        {"source_labels": ["__param_target"], "target_label": "instance"},
                        {"target_label": "__address__", "replacement": f"127.0.0.1:{exporter}"},
                    ],
                }
            ],
        }
    )


RULES = """groups: [{name: probes, rules: [{alert: Down, expr: probe_success == 0, for: 30s}]}]\n"""


def stack_of(stack: ExitStack, home: Path, url: str, ca: Path) -> dict[str, int]:
    """Start exporter, Prometheus and Alertmanager; their process numbers."""
    exporter, prometheus, manager = free_port(), free_port(), free_port()
    module = {"prober": "http", "timeout": "5s"}
    http = {"preferred_ip_protocol": "ip4", "tls_config": {"ca_file": str(ca)}}
    (home / "exporter.yml").write_text(json.dumps({"modules": {"probe": {**module, "http": http}}}))
    (home / "rules.yml").write_text(RULES)
    (home / "prometheus.yml").write_text(prometheus_config(url, exporter, manager))
    route = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
    (home / "alertmanager.yml").write_text(json.dumps(route))
    started = {
        "blackbox_exporter": server(
            "prometheus-blackbox-exporter",
            exporter,
            f"--config.file={home}/exporter.yml",
            f"--web.listen-address=127.0.0.1:{exporter}",
        ),
        "Prometheus": server(
            "prometheus",
            prometheus,
            f"--config.file={home}/prometheus.yml",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            f"--storage.tsdb.path={home}/tsdb",
        ),
        "Alertmanager": server(
            "prometheus-alertmanager",
            manager,
            f"--config.file={home}/alertmanager.yml",
            f"--web.listen-address=127.0.0.1:{manager}",
            f"--storage.path={home}/alertmanager",
            "--cluster.listen-address=",
        ),
    }
    return {name: stack.enter_context(process).pid for name, process in started.items()}


def side_by_side(seconds: float) -> list[Row]:
    """Run both at the same time, and compare."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, secure, ca = stack.enter_context(nginx())
        url, broker = f"https://127.0.0.1:{secure}/", free_port()
        stack.enter_context(server("mosquitto", broker, "-p", str(broker)))
        theirs = stack_of(stack, home, url, ca)
        daemon = stack.enter_context(beacon(home, beacon_config(url, ca, broker)))
        pids = {"beacon": daemon.pid, **theirs}
        time.sleep(WARM_UP)
        before = {name: cpu_of(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        cpu = {name: cpu_of(pid) - before[name] for name, pid in pids.items()}
        rss = {name: rss_of(pid) for name, pid in pids.items()}
        log = (home / "beacon.log").read_text()
    up = log.count("-> up")
    cpu_ratio = cpu["beacon"] / sum(cpu[name] for name in theirs)
    rss_ratio = rss["beacon"] / sum(rss[name] for name in theirs)
    rows = [Row("endpoints up", str(up), str(COUNT), up == COUNT)]
    rows += [
        Row(name, f"{cpu[name]:.2f} s CPU in {seconds:g} s, {rss[name]:.1f} MB") for name in pids
    ]
    rows += [
        Row("CPU: beacon over the stack", f"{cpu_ratio:.2f}", "<= 0.90", cpu_ratio <= 0.9),
        Row("RSS: beacon over the stack", f"{rss_ratio:.2f}", "<= 0.45", rss_ratio <= 0.45),
    ]
    return rows


def bare_start() -> float:
    """CPU seconds of `python -c pass`."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    return (
        after.children_user
        + after.children_system
        - (before.children_user + before.children_system)
    )


def beacon_start(url: str, ca: Path) -> float:
    """CPU seconds of `beacon run` until its first reading of one endpoint is published."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        text = json.loads(beacon_config(url, ca, None))
        text["services"] = [{**text["services"][0]}]
        text["services"][0]["endpoints"] = text["services"][0]["endpoints"][:1]
        text["services"][0]["endpoints"][0]["interval"] = "6s"
        with beacon(home, json.dumps(text)) as process:
            log, until = home / "beacon.log", time.monotonic() + 30
            while "-> up" not in log.read_text() and time.monotonic() < until:
                time.sleep(0.005)
            return cpu_of(process.pid)


def starts() -> list[Row]:
    """What a start costs, over a bare interpreter's."""
    with nginx() as (_, secure, ca):
        url = f"https://127.0.0.1:{secure}/"
        ours = statistics.median(beacon_start(url, ca) for _ in range(STARTS))
    bare = statistics.median(bare_start() for _ in range(3 * STARTS))
    ratio = ours / bare
    return [
        Row("start to first reading", f"{ours * 1000:.0f} ms CPU"),
        Row("bare python -c pass", f"{bare * 1000:.0f} ms CPU"),
        Row("ratio", f"{ratio:.1f}", "<= 25", ratio <= 25),
    ]


def main(seconds: float = 120.0) -> bool:
    """Measure and print; whether the budgets hold."""
    title = f"the whole daemon, {COUNT} HTTPS endpoints every {INTERVAL} s"
    return all([show(title, side_by_side(seconds)), show("a start", starts())])


if __name__ == "__main__":
    sys.exit(0 if main(*map(float, sys.argv[1:])) else 1)
