"""Our own uplink, really cut: a room, its router and the world, in network namespaces."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from beacon.outputs.control import NoBeacon, ask

COUNT = 50
SERVER = """
import http.server, sys
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Yes).serve_forever()
"""
# The world has three addresses: the endpoints', and one for each witness outside.
WORLD, CANARY_A, CANARY_B, ROUTER = "10.97.2.1", "10.97.2.2", "10.97.2.3", "10.97.1.1"

pytestmark = pytest.mark.integration


@dataclass
class Net:
    """The namespaces by name."""

    run: Callable[..., None]
    room: str
    router: str

    def cut(self) -> None:
        self.run("ip", "-n", self.router, "link", "set", "out0", "down")

    def mend(self) -> None:
        self.run("ip", "-n", self.router, "link", "set", "out0", "up")


@pytest.fixture
def net(need, eventually) -> Iterator[Net]:
    ip = str(need("ip"))
    tag = f"b{os.getpid()}"
    room, router, world = (f"{tag}-{name}" for name in ("room", "router", "world"))

    def run(*command: str) -> None:
        done = subprocess.run([ip, *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    if subprocess.run([ip, "netns", "add", room], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")
    servers = []
    try:
        for name in (router, world):
            run("ip", "netns", "add", name)
        run("ip", "-n", room, "link", "add", "room0", "type", "veth",
            "peer", "name", "in0", "netns", router)  # fmt: skip
        run("ip", "-n", router, "link", "add", "out0", "type", "veth",
            "peer", "name", "world0", "netns", world)  # fmt: skip
        for where, device, address in (
            (room, "room0", "10.97.1.2/24"),
            (router, "in0", f"{ROUTER}/24"),
            (router, "out0", "10.97.2.254/24"),
            (world, "world0", f"{WORLD}/24"),
            (world, "world0", f"{CANARY_A}/24"),
            (world, "world0", f"{CANARY_B}/24"),
        ):
            run("ip", "-n", where, "address", "add", address, "dev", device)
        for where, devices in ((room, "lo room0"), (router, "lo in0 out0"), (world, "lo world0")):
            for device in devices.split():
                run("ip", "-n", where, "link", "set", device, "up")
        run("ip", "-n", room, "route", "add", "default", "via", ROUTER)
        run("ip", "-n", world, "route", "add", "default", "via", "10.97.2.254")
        run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for where in (router, world):
            command = [ip, "netns", "exec", where, sys.executable, "-c", SERVER]
            servers.append(subprocess.Popen(command))
        yield Net(run, room, router)
    finally:
        for server in servers:
            server.kill()
            server.wait()
        for name in (room, router, world):
            subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)


def config() -> str:
    endpoints = "".join(
        f"      - {{name: e{n}, type: http, url: 'http://{WORLD}:8000/{n}', evidence: symptom,"
        f" region: r{n}, interval: 2s, timeout: 1s, retry_interval: 300ms}}\n"
        for n in range(COUNT)
    )
    return f"""
site: room
tower: {{driver: mock}}
witnesses:
  - {{name: gateway, type: tcp, host: {ROUTER}, port: 8000, local: true}}
  - {{name: canary-a, type: http, url: 'http://{CANARY_A}:8000/'}}
  - {{name: canary-b, type: http, url: 'http://{CANARY_B}:8000/'}}
services:
  - name: Outside
    endpoints:
{endpoints}
  - name: Inside
    endpoints:
      - {{name: router, type: tcp, host: {ROUTER}, port: 8000, local: true, interval: 2s,
         timeout: 1s, retry_interval: 1s}}
"""


def test_a_cut_uplink_is_blind_never_red_and_told_twice_in_all(net, need, tmp_path, eventually):
    path, state = tmp_path / "beacon.yaml", tmp_path / "state"
    path.write_text(config())
    log = (tmp_path / "log").open("w+")
    command = [str(need("ip")), "netns", "exec", net.room, sys.executable, "-m", "beacon"]
    daemon = subprocess.Popen(
        [*command, "run", "-c", str(path), "--state-dir", str(state)],
        stdout=subprocess.DEVNULL,
        stderr=log,
        env={k: v for k, v in os.environ.items() if k != "RUNTIME_DIRECTORY"},
    )
    socket = [state / "control.sock"]
    seen: list[dict[str, Any]] = []

    def outside() -> dict[str, Any]:
        with contextlib.suppress(NoBeacon):
            answer = ask(socket, {"action": "status"})
            if answer.get("ok"):
                seen.append(answer)
        return seen[-1]["services"]["outside"] if seen else {"verdict": None}

    try:
        eventually(lambda: outside()["verdict"] == "ok", "all is well", 40)
        seen.clear()
        net.cut()
        began = time.monotonic()
        eventually(lambda: outside()["verdict"] == "blind", "blind", 20)
        took = time.monotonic() - began
        until = time.monotonic() + 6
        while time.monotonic() < until:
            outside()
        assert {s["services"]["outside"]["verdict"] for s in seen} <= {"ok", "blind"}
        assert {s["services"]["inside"]["verdict"] for s in seen} == {"ok"}
        assert all(s["lamps"]["red"] == "off" == s["lamps"]["amber"] for s in seen)
        assert set(seen[-1]["services"]["outside"]["endpoints"].values()) == {"unknown"}
        assert took < 10, "within one interval of the witnesses"
        net.mend()
        eventually(lambda: outside()["verdict"] == "ok", "green again", 40)
    finally:
        daemon.terminate()
        daemon.wait(20)
        log.seek(0)
        said = log.read()
        log.close()
    told = re.findall(r"beacon: \w+: (blind|sighted|opened)", said)
    assert told == ["blind", "sighted"], said[-3000:]
    assert not re.search(r"outside/\S+: \w+ -> down", said)
