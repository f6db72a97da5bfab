"""CPU of one fresh HTTP or HTTPS probe, beside prometheus-blackbox-exporter's.

Run: python -m benchmarks.probe_cost [rounds] [probes per round]

Both ask the same local nginx, in turns, each time by a fresh connection; the exporter is
asked over one kept-alive connection. Ours is the CPU of the process that probes, theirs
that of the exporter's process. The budgets are ratios, medians over the rounds.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import trustme

from beacon.config.fields import Url
from beacon.core.model import Outcome
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.http import Http
from beacon.transport.tls import TlsPolicy
from benchmarks.table import Row, show

BUDGETS = {"https": 0.85, "http": 0.60}
BODY = "x" * 1000
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def free_port() -> int:
    """A TCP port nobody holds now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(name: str, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of the distribution's, up and listening."""
    binary = shutil.which(name, path=SBIN)
    if binary is None:
        sys.exit(f"{name} is not installed: apt-get install {name}")
    process = subprocess.Popen([binary, *arguments], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def nginx_config(home: Path, plain: int, secure: int) -> str:
    """One worker, a thousand bytes, in plain and by TLS."""
    temps = "".join(
        f"{kind}_temp_path {home}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;
    events {{}}
    http {{ access_log off; {temps}
      ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;
      server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
               location / {{ return 200 "{BODY}"; }} }} }}"""


def exporter_config(home: Path) -> str:
    """The same question as ours: status 2xx, one address family, our CA."""
    return f"""modules:
  probe:
    prober: http
    timeout: 5s
    http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {home}/ca.pem}}}}
"""


def cpu_of(pid: int) -> float:
    """Seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        ca = trustme.CA()
        pair = ca.issue_cert("127.0.0.1")
        ca.cert_pem.write_to_path(home / "ca.pem")
        pair.private_key_pem.write_to_path(home / "key.pem")
        pair.cert_chain_pems[0].write_to_path(home / "cert.pem")
        plain, secure, port = free_port(), free_port(), free_port()
        (home / "nginx.conf").write_text(nginx_config(home, plain, secure))
        (home / "exporter.yml").write_text(exporter_config(home))
        stack.enter_context(server("nginx", secure, "-c", str(home / "nginx.conf")))
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
            probe = Http(url=Url(url), tls=TlsPolicy(ca=str(home / "ca.pem")))
            rows += compare(
                name,
                rounds,
                partial(ours, probe, count),
                partial(theirs, connection, exporter.pid, url, count),
            )
        return show(f"CPU of one fresh probe, {rounds} rounds of {count}", rows)


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
