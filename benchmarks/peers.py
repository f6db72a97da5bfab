"""What benchmarks share: real servers of the distribution's, and what a process has used."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
BODY = "x" * 1000


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
    process = subprocess.Popen(
        [binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def nginx() -> Iterator[tuple[int, int, Path]]:
    """A local nginx that answers a thousand bytes: its plain and TLS ports, and its CA's file."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = trustme.CA()
        pair = ca.issue_cert("127.0.0.1")
        ca.cert_pem.write_to_path(home / "ca.pem")
        pair.private_key_pem.write_to_path(home / "key.pem")
        pair.cert_chain_pems[0].write_to_path(home / "cert.pem")
        plain, secure = free_port(), free_port()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temps = "".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
        (home / "nginx.conf").write_text(
            f"""daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;
    events {{}}
    http {{ access_log off; {temps}
      ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;
      server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
               location / {{ return 200 "{BODY}"; }} }} }}"""
        )
        arguments = ("-e", f"{home}/error.log", "-c", str(home / "nginx.conf"))
        stack.enter_context(server("nginx", secure, *arguments))
        yield plain, secure, home / "ca.pem"


def cpu_of(pid: int) -> float:
    """Seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_of(pid: int) -> float:
    """Megabytes a process has in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
