"""A LAN, its router and the internet, in network namespaces; a daemon that runs in the LAN."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from beacon.outputs.control.socket import NoBeacon, ask

SERVER = """
import http.server, sys
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Yes).serve_forever()
"""
PACE = 0.2  # seconds between two questions: whoever asks all the time holds the judge up
# The internet has three addresses: the endpoints', and one for each witness outside.
INTERNET, CANARY_A, CANARY_B, ROUTER = "10.97.2.1", "10.97.2.2", "10.97.2.3", "10.97.1.1"


@dataclass
class Net:
    """The namespaces by name."""

    run: Callable[..., None]
    lan: str
    router: str
    world_at: str = INTERNET
    canaries_at: tuple[str, str] = (CANARY_A, CANARY_B)
    router_at: str = ROUTER

    def switch_on(self, setting: str) -> None:
        """Set a kernel setting of the router to 1, without procps, which not every machine has."""
        write = f"echo 1 > /proc/sys/{setting}"
        self.run("ip", "netns", "exec", self.router, "sh", "-c", write)

    def head(self, canary_b: str = CANARY_B) -> str:
        """What every configuration begins with: a tower, and witnesses near and far."""
        return f"""
site: lan
tower: {{driver: mock}}
witnesses:
  - {{name: gateway, type: tcp, host: {self.router_at}, port: 8000, local: true}}
  - {{name: canary-a, type: http, url: 'http://{self.canaries_at[0]}:8000/'}}
  - {{name: canary-b, type: http, url: 'http://{canary_b}:8000/'}}
services:"""

    def cut(self) -> None:
        self.run("ip", "-n", self.router, "link", "set", "out0", "down")

    def mend(self) -> None:
        self.run("ip", "-n", self.router, "link", "set", "out0", "up")


@pytest.fixture
def net(need, eventually) -> Iterator[Net]:
    ip = str(need("ip"))
    tag = f"b{os.getpid()}"
    lan, router, internet = (f"{tag}-{name}" for name in ("lan", "router", "internet"))

    def run(*command: str) -> None:
        done = subprocess.run([ip, *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    if subprocess.run([ip, "netns", "add", lan], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")
    inside = [ip, "netns", "exec", lan, "true"]
    if subprocess.run(inside, capture_output=True, check=False).returncode:
        subprocess.run([ip, "netns", "delete", lan], check=False)
        pytest.skip("network namespaces cannot be entered: / is no mount point here")
    servers = []
    try:
        for name in (router, internet):
            run("ip", "netns", "add", name)
        run("ip", "-n", lan, "link", "add", "lan0", "type", "veth",
            "peer", "name", "in0", "netns", router)  # fmt: skip
        run("ip", "-n", router, "link", "add", "out0", "type", "veth",
            "peer", "name", "internet0", "netns", internet)  # fmt: skip
        for where, device, address in (
            (lan, "lan0", "10.97.1.2/24"),
            (router, "in0", f"{ROUTER}/24"),
            (router, "out0", "10.97.2.254/24"),
            (internet, "internet0", f"{INTERNET}/24"),
            (internet, "internet0", f"{CANARY_A}/24"),
            (internet, "internet0", f"{CANARY_B}/24"),
        ):
            run("ip", "-n", where, "address", "add", address, "dev", device)
        for where, devices in (
            (lan, "lo lan0"),
            (router, "lo in0 out0"),
            (internet, "lo internet0"),
        ):
            for device in devices.split():
                run("ip", "-n", where, "link", "set", device, "up")
        run("ip", "-n", lan, "route", "add", "default", "via", ROUTER)
        run("ip", "-n", internet, "route", "add", "default", "via", "10.97.2.254")
        for where in (router, internet):
            command = [ip, "netns", "exec", where, sys.executable, "-c", SERVER]
            servers.append(subprocess.Popen(command))
        there = Net(run, lan, router)
        there.switch_on("net/ipv4/ip_forward")
        yield there
    finally:
        for server in servers:
            server.kill()
            server.wait()
        for name in (lan, router, internet):
            subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)


class Inhabitant:
    """`beacon run` in the LAN, and what it logged."""

    def __init__(self, net: Net, home: Path, config: str) -> None:
        (home / "beacon.yaml").write_text(config)
        self._log = (home / "log").open("w+")
        self._socket = [home / "state" / "control.sock"]
        self.seen: list[dict[str, Any]] = []
        command = [shutil.which("ip"), "netns", "exec", net.lan, sys.executable, "-m", "beacon"]
        self._process = subprocess.Popen(
            [*command, "run", "-c", home / "beacon.yaml", "--state-dir", home / "state"],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={k: v for k, v in os.environ.items() if k != "RUNTIME_DIRECTORY"},
        )

    def service(self, name: str) -> dict[str, Any]:
        time.sleep(PACE)
        assert self._process.poll() is None, self.log()
        with contextlib.suppress(NoBeacon):
            answer = ask(self._socket, {"action": "status"})
            if answer.get("ok"):
                self.seen.append(answer)
        return self.seen[-1]["services"][name] if self.seen else {"verdict": None}

    def explained(self, service: str) -> str:
        """All that it knows of a service."""
        with contextlib.suppress(NoBeacon):
            return str(ask(self._socket, {"action": "explain", "service": service}))
        return ""

    def log(self) -> str:
        """What it has logged until now."""
        return Path(self._log.name).read_text()

    def end(self) -> str:
        """Stop it; all that it logged."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)
        if self._log.closed:
            return ""
        self._log.seek(0)
        log = self._log.read()
        self._log.close()
        return log


@pytest.fixture
def inhabit(net: Net, tmp_path: Path) -> Iterator[Callable[[str], Inhabitant]]:
    """Let a daemon with this configuration run in the LAN."""
    there: list[Inhabitant] = []

    def move_in(config: str) -> Inhabitant:
        there.append(Inhabitant(net, tmp_path, config))
        return there[-1]

    yield move_in
    for one in there:
        one.end()
