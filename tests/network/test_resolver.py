"""Our own resolver, really dead: names are not found, addresses answer as ever."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

COUNT = 8

pytestmark = pytest.mark.integration


class Resolver:
    """Unbound on the router, the only resolver of the LAN."""

    def __init__(self, binary, net, home):
        self._binary, self._net, self._home = binary, net, home
        self._process = None
        names = [f"e{n}.example.com" for n in range(COUNT)]
        data = [f"{name}. A {net.world_at}" for name in names]
        data.append(f"canary.example.net. A {net.canaries_at[1]}")
        self._data = '  local-zone: "example.org" static\n' + "".join(
            f'  local-data: "{line}"\n' for line in data
        )

    def start(self, *, broken=False):
        """`broken`: it answers SERVFAIL, since nobody answers it."""
        self.kill()
        conf = self._home / "unbound.conf"
        conf.write_text(
            f"server:\n  interface: {self._net.router_at}\n  access-control: 0.0.0.0/0 allow\n"
            "  do-daemonize: no\n  do-ip6: no\n  use-syslog: no\n  do-not-query-localhost: no\n"
            f'  username: ""\n  chroot: ""\n  directory: "{self._home}"\n  pidfile: ""\n'
            '  module-config: "iterator"\n'
            + ("" if broken else self._data)
            + "remote-control:\n  control-enable: no\n"
            'forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@9\n'
        )
        inside = [shutil.which("ip"), "netns", "exec", self._net.router]
        self._process = subprocess.Popen(
            [*inside, self._binary, "-c", conf],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def resolver(net, need, tmp_path):
    # `ip netns exec` lays this over /etc/resolv.conf.
    own = Path("/etc/netns") / net.lan
    own.mkdir(parents=True)
    (own / "resolv.conf").write_text(f"nameserver {net.router_at}\noptions timeout:1 attempts:1\n")
    server = Resolver(need("unbound"), net, tmp_path)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(own)


def config(net):
    often = "interval: 2s, timeout: 1900ms, retry_interval: 300ms"
    endpoints = "".join(
        f"      - {{name: e{n}, type: http, url: 'http://e{n}.example.com:8000/',"
        f" evidence: symptom, region: r{n}, {often}}}\n"
        for n in range(COUNT)
    )
    return f"""{net.head("canary.example.net")}
  - name: By name
    endpoints:
      - {{name: records, type: dns, query: e0.example.com, {often}}}
{endpoints}
  - name: By address
    endpoints:
      - {{name: page, type: http, url: 'http://{net.world_at}:8000/', {often}}}
  - name: Gone
    endpoints:
      - {{name: page, type: http, url: 'http://gone.example.org:8000/', {often}}}
"""


def test_names_not_found_here_are_our_trouble_and_a_missing_name_is_the_vendors(
    net, resolver, inhabit, eventually
):
    daemon = inhabit(config(net))

    def verdict(name):
        return daemon.service(name)["verdict"]

    eventually(lambda: verdict("by-name") == "ok", "all is well", 300)
    eventually(lambda: verdict("gone") == "outage", "a name that does not exist is red", 300)
    for die in (resolver.kill, lambda: resolver.start(broken=True)):
        daemon.seen.clear()
        die()
        eventually(lambda: verdict("by-name") == "blind", "blind", 300)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            daemon.service("by-name")
        seen = daemon.seen
        assert {s["services"]["by-name"]["verdict"] for s in seen} <= {"ok", "blind"}
        assert {s["services"]["by-address"]["verdict"] for s in seen} == {"ok"}
        assert {s["services"]["gone"]["verdict"] for s in seen} == {"outage"}, "held"
        last = seen[-1]["services"]["by-name"]
        assert set(last["endpoints"].values()) == {"unknown"}
        assert last["cause"] == "own resolver"
        resolver.start()
        eventually(lambda: verdict("by-name") == "ok", "found again", 300)
    log = daemon.end()
    announced = re.findall(r"beacon: by-name: (blind|sighted|opened)", log)
    assert announced == ["blind"], log[-3000:]
    assert not re.search(r"by-name/\S+: \w+ -> down", log)
