"""Our own uplink, really cut: blind, never red, announced once."""

import re
import time

import pytest

COUNT = 8

pytestmark = pytest.mark.integration


def config(net) -> str:
    endpoints = "".join(
        f"      - {{name: e{n}, type: http, url: 'http://{net.world_at}:8000/{n}',"
        f" evidence: symptom, region: r{n}, interval: 2s, timeout: 1900ms,"
        " retry_interval: 300ms}\n"
        for n in range(COUNT)
    )
    return f"""{net.head()}
  - name: Outside
    endpoints:
{endpoints}
  - name: Inside
    endpoints:
      - {{name: router, type: tcp, host: {net.router_at}, port: 8000, local: true, interval: 2s,
         timeout: 1s, retry_interval: 1s}}
"""


def test_a_cut_uplink_is_blind_never_red_and_announced_once(net, inhabit, eventually):
    daemon = inhabit(config(net))

    def outside():
        return daemon.service("outside")

    eventually(lambda: outside()["verdict"] == "ok", "all is well", 300)
    daemon.seen.clear()
    net.cut()
    eventually(lambda: outside()["verdict"] == "blind", "blind", 300)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        outside()
    seen = daemon.seen
    assert {s["services"]["outside"]["verdict"] for s in seen} <= {"ok", "blind"}
    assert {s["services"]["inside"]["verdict"] for s in seen} == {"ok"}
    assert all(s["lamps"]["red"] == "off" == s["lamps"]["amber"] for s in seen)
    assert set(seen[-1]["services"]["outside"]["endpoints"].values()) == {"unknown"}
    net.mend()
    eventually(lambda: outside()["verdict"] == "ok", "green again", 300)
    log = daemon.end()
    announced = re.findall(r"beacon: \w+: (blind|sighted|opened)", log)
    assert announced == ["blind"], log[-3000:]
    assert not re.search(r"outside/\S+: \w+ -> down", log)
