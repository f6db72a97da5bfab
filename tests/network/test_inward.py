"""A public server that redirects into our own network, in a namespace with public addresses."""

import json
import subprocess
import sys

import pytest

from beacon.engine.redaction import Secrets

pytestmark = pytest.mark.integration

PUBLIC, OTHER, PRIVATE = (
    "http://9.9.9.9:8000",
    "http://149.112.112.112:8000",
    "http://10.9.9.9:8000",
)
SELF, NAMED = "http://127.0.0.1:8000", "http://localhost:8000"

PROGRAM = """
import http.server, json, subprocess, sys, threading
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.origin import origin
from beacon.net.http.client import Request, exchange
from beacon.net.probe_failure import ProbeFailure

subprocess.run("ip link set lo up && for a in 9.9.9.9 149.112.112.112 10.9.9.9; do"
               " ip address add $a/32 dev lo; done", shell=True, check=True)
asked = []

class Sends(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.server.name)
        self.send_response(302 if self.server.hops else 200)
        if self.server.hops:
            self.send_header("Location", self.server.hops.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass

class Server(http.server.ThreadingHTTPServer):
    hops = []

for name in ("9.9.9.9", "149.112.112.112", "10.9.9.9", "127.0.0.1"):
    server = Server((name, 8000), Sends)
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()

for begin, hops, allowed in json.loads(sys.argv[1]):
    asked.clear()
    Server.hops[:] = hops
    run = Run(SystemClock(), 60.0)
    try:
        exchange(run, Request(url=begin, follow_to=[origin(each) for each in allowed]))
        print(json.dumps(["", len(asked)]))
    except ProbeFailure as trouble:
        print(json.dumps([trouble.reading.detail, len(asked)]))
        assert run.to_allow == trouble.reading.detail
"""

CASES = [
    # begin, where each answer redirects to, follow_to, what is refused
    (PUBLIC, [OTHER], [], ""),
    (PUBLIC, [SELF], [], SELF),
    (PUBLIC, [NAMED], [], NAMED),
    (PUBLIC, [PRIVATE], [], PRIVATE),
    (PUBLIC, [OTHER, PUBLIC, PRIVATE], [], PRIVATE),
    (PUBLIC, [PRIVATE], [PRIVATE], ""),
    (PUBLIC, [PRIVATE, SELF], [PRIVATE], SELF),
    (PRIVATE, [SELF], [], ""),
    (PRIVATE, [PUBLIC, PRIVATE], [], ""),
    (PRIVATE, [PUBLIC, SELF], [], SELF),
]


def test_nobody_outside_sends_us_to_a_private_address(need):
    here = ["unshare", "--net"]
    if subprocess.run([*here, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")
    need("ip")
    done = subprocess.run(
        [*here, sys.executable, "-c", PROGRAM, json.dumps([case[:3] for case in CASES])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for (begin, hops, allowed, refused), line in zip(CASES, done.stdout.splitlines(), strict=True):
        detail, asked = json.loads(line)
        detail = Secrets().clear(detail)
        case = f"{begin} -> {hops}, {allowed}"
        assert asked == len(hops) + (not refused), case
        words = f"{refused} is a private address behind a public one; `follow_to: [{refused}]`"
        assert detail.startswith(words) if refused else not detail, case
