"""CPU of one fresh HTTP or HTTPS probe, beside prometheus-blackbox-exporter's.

Run: python -m benchmarks.probe_cost [rounds] [probes per round]

Both ask the same local nginx, in turns, each time by a fresh connection; the exporter is
asked over one kept-alive connection. Ours is the CPU of the process that probes, theirs
that of the exporter's process. The budgets are ratios, medians over the rounds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from beacon.config.fields import File, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.http import Http
from benchmarks.peers import cpu_of, free_port, nginx, server
from benchmarks.table import Row, show

BUDGETS = {"https": 0.85, "http": 0.60}


def exporter_config(ca: Path) -> str:
    """The same question as ours: status 2xx, one address family, our CA."""
    return f"""modules:
  probe:
    prober: http
    timeout: 5s
    http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca}}}}}
"""


def ours(probe: Http, count: int) -> float:
    """CPU seconds of one of our probes."""
    clock, began = SystemClock(), time.process_time()
    for _ in range(count):
        reading = probe.observe(Run(clock, 5.0))
        if reading.outcome is not Outcome.PASS:
            sys.exit(f"our probe failed: {reading}")
    return (time.process_time() - began) / count


def theirs(connection: HTTPConnection, pid: int, url: str, count: int) -> float:
    """CPU seconds of one of the exporter's probes."""
    began = cpu_of(pid)
    for _ in range(count):
        connection.request("GET", f"/probe?module=probe&target={quote(url, safe='')}")
        if b"\nprobe_success 1" not in connection.getresponse().read():
            sys.exit("the exporter's probe failed")
    return (cpu_of(pid) - began) / count


def compare(
    name: str, rounds: int, mine: Callable[[], float], peer: Callable[[], float]
) -> list[Row]:
    """Measure both in turns; the ratio is the median over the rounds."""
    mine(), peer()  # warm both
    pairs = [(mine(), peer()) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    budget = BUDGETS[name]
    return [
        Row(f"{name}: beacon", f"{statistics.median(a for a, _ in pairs) * 1000:.2f} ms"),
        Row(
            f"{name}: blackbox_exporter", f"{statistics.median(b for _, b in pairs) * 1000:.2f} ms"
        ),
        Row(
            f"{name}: ratio, median of {rounds}",
            f"{ratio:.2f}",
            f"<= {budget:.2f}",
            ratio <= budget,
        ),
    ]


def main(rounds: int = 9, count: int = 400) -> bool:
    """Measure and print; whether the budgets hold."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain, secure, ca = stack.enter_context(nginx())
        port = free_port()
        (home / "exporter.yml").write_text(exporter_config(ca))
        exporter = stack.enter_context(
            server(
                "prometheus-blackbox-exporter",
                port,
                f"--config.file={home}/exporter.yml",
                f"--web.listen-address=127.0.0.1:{port}",
            )
        )
        connection = HTTPConnection("127.0.0.1", port)
        stack.callback(connection.close)
        rows = []
        for name, at in (("https", secure), ("http", plain)):
            url = f"{name}://127.0.0.1:{at}/"
            probe = Http(url=Url(url), tls=TlsPolicy(ca=File(ca)))
            rows += compare(
                name,
                rounds,
                partial(ours, probe, count),
                partial(theirs, connection, exporter.pid, url, count),
            )
        return show(f"CPU of one fresh probe, {rounds} rounds of {count}", rows)


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
