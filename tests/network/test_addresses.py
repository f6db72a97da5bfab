"""A name with a dead IPv6 and a good IPv4 address, through a real router that drops packets."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SIX = """
import http.server, socket
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
class Six(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Six(("fd97:2::1", 8000), Yes).serve_forever()
"""
DEAD, ALIVE = "fd97:2::99", "fd97:2::1"


@pytest.fixture
def dual_stack(net):
    """The same net with IPv6 beside IPv4; one address of the internet is dropped on the way."""
    internet = net.lan.replace("-lan", "-internet")
    for where, device, address in (
        (net.lan, "lan0", "fd97:1::2/64"),
        (net.router, "in0", "fd97:1::1/64"),
        (net.router, "out0", "fd97:2::254/64"),
        (internet, "internet0", f"{ALIVE}/64"),
    ):
        net.run("ip", "-n", where, "-6", "address", "add", address, "dev", device, "nodad")
    net.switch_on("net/ipv6/conf/all/forwarding")
    net.run("ip", "-n", net.lan, "-6", "route", "add", "default", "via", "fd97:1::1")
    net.run("ip", "-n", internet, "-6", "route", "add", "default", "via", "fd97:2::254")
    net.run("ip", "-n", net.router, "-6", "route", "add", "blackhole", f"{DEAD}/128")
    own = Path("/etc/netns") / net.lan
    own.mkdir(parents=True)
    names = f"{net.world_at} dual.example.com\n{DEAD} dual.example.com\n{ALIVE} six.example.com\n"
    (own / "hosts").write_text(names)
    command = [shutil.which("ip"), "netns", "exec", internet, sys.executable, "-c", SIX]
    server = subprocess.Popen(command)
    yield net
    server.kill()
    server.wait()
    shutil.rmtree(own)


def config(net, six):
    often = "interval: 2s, timeout: 1900ms, retry_interval: 300ms"
    other = (
        f"""
  - name: Six
    endpoints:
      - {{name: page, type: http, url: 'http://six.example.com:8000/', {often}}}"""
        if six
        else ""
    )
    return f"""{net.head()}
  - name: Dual
    endpoints:
      - {{name: page, type: http, url: 'http://dual.example.com:8000/', {often}}}{other}
"""


def test_half_an_outage_is_explained_and_never_red(dual_stack, inhabit, eventually):
    daemon = inhabit(config(dual_stack, six=True))

    def dual():
        return daemon.service("dual")["verdict"]

    eventually(lambda: dual() == "advisory", "an advisory", 40)
    assert {s["services"]["dual"]["verdict"] for s in daemon.seen} <= {"blind", "ok", "advisory"}
    assert daemon.service("six")["verdict"] == "ok"


def test_a_family_that_fails_everywhere_is_our_own_line(dual_stack, inhabit, eventually):
    daemon = inhabit(config(dual_stack, six=False))
    answers = []

    def named():
        daemon.service("dual")
        answers.append(daemon.explained("dual"))
        return f"[{DEAD}]:8000: no answer in" in answers[-1]

    eventually(named, "the dead address in words", 40)
    later = len(daemon.seen) + 8
    eventually(lambda: daemon.service("dual") and len(daemon.seen) > later, "some readings", 40)
    assert {s["services"]["dual"]["verdict"] for s in daemon.seen} <= {"blind", "ok"}
