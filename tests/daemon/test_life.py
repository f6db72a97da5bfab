"""The daemon as a process of its own: real signals, real sockets, and what is left behind."""

import contextlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import requests
import trustme
from paho.mqtt.enums import CallbackAPIVersion

from beacon.cli.main import main
from beacon.daemon.life import CannotStart, load_config, serve
from beacon.daemon.wiring import DaemonOptions
from beacon.otp.used_codes import Token
from beacon.outputs.control.probe import question
from beacon.outputs.control.socket import ControlSocket, NoBeacon, ask
from tests.servers.terminal import Terminal

HEAD = """
site: test
name: Test
tower: {driver: mock, lamps: {red: 17, amber: 27, green: 22, blue: 23, white: 24}}
defaults: {interval: 900ms, timeout: 800ms, retry_interval: 100ms, failure_threshold: 2}
services:
  - name: Door
    endpoints:
"""

LEFT = ["history.db", "history.key", "lamps"]
"""What stays in the state directory after an orderly end."""

# A daemon that is not as others are: `{}` is put in front of its start.
PROGRAM = """
import gc, os, sys, threading, time
from dataclasses import replace
from pathlib import Path
from gpiozero.pins.mock import MockFactory
from beacon.core.model import Reading
from beacon.core.monitor import Monitor
from beacon.daemon.life import load_config, serve
from beacon.daemon.wiring import DaemonOptions

path, state = Path(sys.argv[1]), Path(sys.argv[2])
config = load_config(path, os.environ)

class Probe:
    def wait(self, utc, memory): return 0.0
{}
os._exit(serve(DaemonOptions(config=path, state_directory=state, environ=os.environ), config))
"""
# Its one probe hangs where no socket wakes it, as a name resolution may.
STUCK = """
    def observe(self, run):
        print("hangs", flush=True)
        threading.Event().wait()
config = replace(config, probes=dict.fromkeys(config.probes, Probe()))
"""
# Its probe answers what no probe may: the core breaks on it.
BREAKING = """
    def observe(self, run): return Reading("hunter2")
config = replace(config, probes=dict.fromkeys(config.probes, Probe()))
"""
# Its button is pressed for a while when a line comes in.
PRESSED = """
def press():
    sys.stdin.readline()
    [factory] = [each for each in gc.get_objects() if isinstance(each, MockFactory)]
    factory.pin(5).drive_low()
    time.sleep(0.5)
    factory.pin(5).drive_high()

threading.Thread(target=press, daemon=True).start()
"""
# Its judge hangs as soon as a file is there.
STALLING = """
handle = Monitor.handle

def hang(self, event):
    if (state / "hang").exists():
        threading.Event().wait()
    return handle(self, event)

Monitor.handle = hang
"""


def endpoint(name: str, port: int, **settings: Any) -> str:
    return "      - " + json.dumps(
        {"name": name, "type": "tcp", "host": "127.0.0.1", "port": port, "local": True} | settings
    )


class Daemon:
    """One daemon process; its configuration, state and log."""

    def __init__(self, directory: Path, eventually: Callable[..., None]) -> None:
        self.config = directory / "beacon.yaml"
        self.state = directory / "state"
        self.errors = directory / "stderr"
        self.process: subprocess.Popen[str] | None = None
        self._eventually = eventually

    def write(self, *endpoints: str, head: str = HEAD) -> None:
        self.config.write_text(head + "\n".join(endpoints) + "\n")

    def spawn(
        self, *options: str, program: str | None = None, into: int | None = None, **environ: str
    ) -> None:
        run = ["-m", "beacon", "run", "-c", str(self.config), "--state-dir", str(self.state)]
        if program:
            run = ["-c", PROGRAM.format(program), str(self.config), str(self.state)]
        clean = {k: v for k, v in os.environ.items() if not k.endswith("_DIRECTORY")}
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *run, *options],
                env=clean | environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors if into is None else into,
                text=True,
                start_new_session=True,  # as under systemd: without the terminal of the tests
            )

    def start(self, *options: str, **environ: str) -> None:
        self.spawn(*options, **environ)
        self._eventually(self.status, "the daemon answers", 120)

    def start_in(self, window: Terminal, before: list[str], *options: str) -> None:
        """In a terminal of its own."""
        run = ["-m", "beacon", "run", "-c", str(self.config), "--state-dir", str(self.state)]
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *before, sys.executable, *run, *options],
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
            stdin=window.inside,
            stdout=window.inside,
            stderr=window.inside,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        return ask([self.state / "control.sock"], request)

    def status(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            answer = self.ask(action="status")
        except NoBeacon:
            return {}
        return answer if answer["ok"] else {}

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(120)

    def log(self) -> str:
        return self.errors.read_text()

    def end(self) -> None:
        """In order, so that its coverage is counted; if that fails, at once."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def make_daemon(tmp_path, eventually) -> Iterator[Callable[[], Daemon]]:
    made: list[Daemon] = []

    def make() -> Daemon:
        made.append(Daemon(tmp_path, eventually))
        return made[-1]

    yield make
    for it in made:
        it.end()


@pytest.fixture
def daemon(make_daemon) -> Daemon:
    return make_daemon()


@pytest.fixture
def listening() -> Iterator[int]:
    """A port where every caller is taken and let go."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=take)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(60)


class Broker:
    """Somebody who hears all topics of ours at a real broker."""

    def __init__(self, port: int) -> None:
        self.received: dict[str, list[str]] = {}
        self.head = HEAD.replace("tower:", f"mqtt: {{broker: 'mqtt://127.0.0.1:{port}'}}\ntower:")
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda *_: self.client.subscribe("mfa-beacon/#")
        self.client.on_message = lambda _c, _u, m: self.received.setdefault(m.topic, []).append(
            m.payload.decode()
        )


@pytest.fixture
def broker(need, free_port, eventually) -> Iterator[Broker]:
    """A mosquitto of its own, and who listens to it."""
    port = free_port()
    process = subprocess.Popen(
        [need("mosquitto"), "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    found = Broker(port)
    try:
        eventually(lambda: connected(found.client, port), "the broker is up")
        found.client.loop_start()
        yield found
    finally:
        found.client.disconnect()
        found.client.loop_stop()
        process.terminate()
        process.wait(60)


@pytest.fixture
def closed(free_port) -> int:
    return free_port()


def test_a_signal_ends_it_in_order_and_leaves_nothing(daemon, listening, eventually):
    daemon.write(endpoint("open", listening))
    daemon.start()
    eventually(lambda: daemon.status()["state"]["verdict"] == "ok", "it is green")
    assert (daemon.state / "lamps").read_text().startswith("mfa-beacon-lamps 2 1 #")
    assert (daemon.state / "running").exists()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert sorted(p.name for p in daemon.state.iterdir()) == LEFT
    assert "INFO beacon.daemon.life: stopped" in daemon.log()
    assert "Traceback" not in daemon.log()


def test_a_worker_that_never_comes_back_does_not_hold_the_end(daemon, closed):
    daemon.write(endpoint("open", closed))
    daemon.spawn(program=STUCK)
    assert daemon.process.stdout.readline() == "hangs\n"
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert not (daemon.state / "running").exists()


def test_when_the_core_breaks_it_ends_in_order_and_says_where(daemon, closed):
    daemon.write(endpoint("open", closed))
    daemon.spawn(program=BREAKING)
    assert daemon.wait() == 1
    assert "the beacon broke and stops" in daemon.log()
    assert re.search(r"builtins\.\w+Error", daemon.log())
    assert "hunter2" not in daemon.log()
    assert sorted(p.name for p in daemon.state.iterdir()) == LEFT


@pytest.mark.realtime
def test_the_button_acknowledges(daemon, closed, eventually):
    daemon.write(
        endpoint("shut", closed), head=HEAD.replace("driver", "buttons: {acknowledge: 5}, driver")
    )
    daemon.spawn(program=PRESSED)
    eventually(lambda: daemon.status().get("incidents"), "an incident is open")
    daemon.process.stdin.write("press\n")
    daemon.process.stdin.flush()
    eventually(lambda: daemon.status()["incidents"][0]["acknowledged_by"] == "button", "seen")


def test_quiet_hours_are_quiet_from_the_start(daemon, closed, eventually):
    now = datetime.now(UTC)
    hours = {
        "from": f"{now - timedelta(hours=1):%H:%M}",
        "to": f"{now + timedelta(hours=1):%H:%M}",
        "time_zone": "UTC",
    }
    buzzer = json.dumps({"pin": 18, "quiet_hours": hours})
    daemon.write(endpoint("shut", closed), head=HEAD.replace("driver", f"buzzer: {buzzer}, driver"))
    daemon.start("--log-level", "debug")
    eventually(lambda: daemon.status()["incidents"], "an incident is open")
    eventually(lambda: "opened" in daemon.log(), "it is logged")
    assert "sound:" not in daemon.log()


def test_reload_keeps_what_is_unchanged_and_takes_what_is_new(
    daemon, listening, closed, eventually
):
    daemon.write(endpoint("shut", closed))
    daemon.start()
    eventually(lambda: daemon.status()["state"]["verdict"] == "outage", "it is red")
    before = daemon.status()
    assert daemon.ask(action="acknowledge")["ok"]
    daemon.write(endpoint("shut", closed), endpoint("open", listening))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "door/open" in daemon.status()["endpoints"], "the new one is polled")
    after = daemon.status()
    assert after["services"]["door"]["since"] == before["services"]["door"]["since"]
    assert after["incidents"][0]["acknowledged"]
    assert (
        after["endpoints"]["door/shut"]["failures"] > before["endpoints"]["door/shut"]["failures"]
    )
    assert "reloaded; endpoints: 2" in daemon.log()


def test_an_unchanged_reload_keeps_what_probes_remember(daemon, vendor, eventually):
    token = {"access_token": "canary-token", "expires_in": 3600}
    vendor.answers |= {"/token": (200, {}, json.dumps(token).encode()), "/": (200, {}, b"")}
    oauth2 = {"token_url": f"{vendor.url}/token", "client_id": "a", "client_secret": "canary"}
    page = {"name": "page", "type": "http", "url": f"{vendor.url}/", "auth": {"oauth2": oauth2}}
    daemon.write("      - " + json.dumps(page | {"interval": "1h", "timeout": "60s"}))
    daemon.start()
    asked = question(load_config(daemon.config, {}), "door/page")
    for reloads in range(3):
        assert daemon.ask(**asked)["outcome"] == "pass"
        daemon.signal(signal.SIGHUP)
        eventually(lambda: daemon.log().count("reloaded; end") > reloads, "a reload")  # noqa: B023
    assert (vendor.paths.count("/token"), vendor.paths.count("/") >= 3) == (1, True)


def test_systemd_hears_how_it_goes(daemon, listening, eventually):
    receiver = daemon.state.parent / "notify"
    daemon.write(endpoint("open", listening))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(receiver))
        systemd.settimeout(30)
        daemon.spawn(NOTIFY_SOCKET=str(receiver), WATCHDOG_USEC="15000000")

        def receive(word: str) -> str:
            while not (message := systemd.recv(4096).decode()).startswith(word):
                pass
            return message

        receive("READY=1")
        receive("WATCHDOG=1")
        receive("STATUS=ok: door ok")
        daemon.signal(signal.SIGHUP)
        receive("RELOADING=1")
        receive("READY=1")
        daemon.signal(signal.SIGTERM)
        receive("STOPPING=1")
    assert daemon.wait() == 0


def test_a_bad_configuration_starts_nothing(daemon):
    daemon.write(endpoint("open", 70000), endpoint("open", 7, timeout="1m"))
    daemon.spawn()
    assert daemon.wait() == 78
    assert len(daemon.log().splitlines()) >= 3
    assert not daemon.state.exists()


def test_a_start_in_the_middle_of_a_renewal_waits_for_the_new_key(daemon, listening, eventually):
    old, new = trustme.CA().issue_cert("probe"), trustme.CA().issue_cert("probe")
    pem, key = daemon.state.parent / "own.pem", daemon.state.parent / "own.key"
    new.cert_chain_pems[0].write_to_path(pem)
    old.private_key_pem.write_to_path(key)
    asked = {"name": "pair", "type": "http", "url": f"https://127.0.0.1:{listening}/"}
    tls = {"certificate": str(pem), "key": str(key)}
    daemon.write("      - " + json.dumps(asked | {"local": True, "tls": tls}))
    daemon.start()
    eventually(lambda: reads(daemon, "pair") == ("unknown", "own_credentials"), "it says why")
    assert f"the key in {key} does not belong to {pem}" in daemon.log()
    new.private_key_pem.write_to_path(key)
    eventually(lambda: reads(daemon, "pair")[0] == "down", "it asks with the new pair")


@pytest.mark.parametrize(
    ("hindrance", "words"),
    [
        ("another beacon", r"another beacon is running \(process \d+\): it serves .*control\.sock"),
        ("no pins", "^tower: "),
        ("a file", "a file.*choose one this user may write with --state-dir"),
    ],
)
def test_what_stops_a_start_is_reported_and_nothing_is_left(daemon, listening, hindrance, words):
    daemon.state = state = daemon.state.with_name("a file" if hindrance == "a file" else "state")
    driver = "lgpio" if hindrance == "no pins" else "mock"
    daemon.write(endpoint("open", listening), head=HEAD.replace("mock", driver))
    other = ControlSocket(state / "control.sock", {})
    if hindrance == "another beacon":
        state.mkdir()
        other.start()
    elif hindrance == "a file":
        state.write_text("")
    options = DaemonOptions(config=daemon.config, state_directory=state, environ={})
    try:
        with pytest.raises(CannotStart, match=words):
            serve(options, load_config(daemon.config, {}))
        assert not {"tower", "history", "reload", "retry"} & {t.name for t in threading.enumerate()}
        left = [each.name for each in state.iterdir()] if state.is_dir() else []
        assert left == (["control.sock"] if hindrance == "another beacon" else [])
    finally:
        other.stop(5)


def test_what_stops_a_start_is_the_last_word_and_the_exit_status_is_1(daemon, listening):
    daemon.write(endpoint("open", listening))
    daemon.state.write_text("a file")
    daemon.spawn()
    assert daemon.wait() == 1
    assert daemon.log().splitlines()[-1].startswith(f"beacon: state directory {daemon.state}: ")


def test_a_counter_is_never_used_twice_even_by_a_beacon_that_is_killed(daemon):
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":  # a knock has no code
                asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    def probe() -> None:
        command = ["probe", "door/open", "-c", daemon.config, "--state-dir", daemon.state]
        assert main([str(word) for word in command]) == 0

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{{{{ hotp(secrets.seed) }}}}"
        flow = {"type": "flow", "secrets": {"seed": "JBSWY3DPEHPK3PXP"}, "interval": "1h"}
        flow |= {"name": "open", "timeout": "60s", "steps": [{"id": "code", "url": url}]}
        daemon.write("      - " + json.dumps(flow))
        daemon.start()
        probe()
        probe()
        daemon.signal(signal.SIGKILL)
        daemon.end()
        assert (daemon.state / "running").exists()
        probe()
        daemon.start()
        probe()
        daemon.end()
        assert not (daemon.state / "running").exists(), "it ended in order"
        server.shutdown()
    token = Token.parse("JBSWY3DPEHPK3PXP")
    assert asked == [f"/{token.counted(number)}" for number in range(len(asked))]
    assert len(asked) >= 4


def test_no_secret_is_ever_logged(daemon, closed, eventually):
    """The canary: it flies in headers, passwords and queries, and is seen in no log."""
    canary = "hunter2canary"
    (daemon.state.parent / "secrets.yaml").write_text(f"canary: {canary}\n")
    (daemon.state.parent / "secrets.yaml").chmod(0o600)
    server = socket.create_server(("127.0.0.1", 0))
    asked = []

    def garble() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = server.accept()
                with caller:
                    caller.settimeout(5)
                    asked.append(caller.recv(65536))
                    caller.sendall(b"HTTP/1.1 200 OK\r\n" + canary.encode() + b"\x00\r\n\r\n{")

    thread = threading.Thread(target=garble)
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    daemon.write(
        f"      - {{name: a, type: http, url: {url}, auth: {{bearer: {{token: !secret canary}}}}}}",
        f'      - {{name: b, type: http, url: "http://127.0.0.1:{closed}/?token={canary}"}}',
    )
    daemon.start("--log-level", "debug")
    eventually(lambda: len(asked) > 3, "it asked")
    eventually(lambda: len(daemon.status()["endpoints"]) == 2, "both were read")
    status = json.dumps(daemon.status())
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    server.shutdown(socket.SHUT_RDWR)
    thread.join(60)
    server.close()
    assert any(canary.encode() in request for request in asked)
    assert canary not in daemon.log()
    assert canary not in status


@pytest.mark.integration
def test_mqtt_hears_it_come_reload_and_go(daemon, listening, broker, eventually):
    received = broker.received
    daemon.write(endpoint("open", listening), head=broker.head)
    daemon.start()
    says = "mfa-beacon/test/availability"
    eventually(lambda: received.get(says, [""])[-1] == "online", "it is online")
    eventually(lambda: "mfa-beacon/test/health" in received, "it says how it is")
    health = json.loads(received["mfa-beacon/test/health"][-1])
    assert health["rss_mb"] > 10
    assert health["stalled"] is False
    eventually(lambda: verdict(received) == "ok", "the state is there")
    eventually(lambda: received.get("mfa-beacon/test/lamp/green", [""])[-1] == "steady")
    why = "mfa-beacon/test/explain/door"
    eventually(lambda: explained(received, why) == "up", "it says why")

    daemon.write(endpoint("open", listening), endpoint("new", listening), head=broker.head)
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "mfa-beacon/test/endpoint/door/new" in received, "the new one is there")
    assert "offline" not in received[says], "a reload is no death"
    infos = [json.loads(info) for info in received["mfa-beacon/test/info"]]
    assert len({info["config_hash"] for info in infos}) == 2
    assert len({info["started_at"] for info in infos}) == 1

    daemon.write(endpoint("open", listening), head=broker.head)
    daemon.signal(signal.SIGHUP)
    gone = "mfa-beacon/test/endpoint/door/new"
    eventually(lambda: received[gone][-1] == "", "what is gone is emptied")

    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    eventually(lambda: received[says][-1] == "offline", "it is offline")


@pytest.mark.integration
@pytest.mark.realtime
def test_a_judge_that_hangs_is_published_over_mqtt_within_ten_seconds(
    daemon, listening, broker, eventually
):
    received = broker.received
    daemon.write(endpoint("open", listening), head=broker.head)
    daemon.spawn(program=STALLING)
    eventually(lambda: verdict(received) == "ok", "it has begun", 30)
    began = time.monotonic()
    (daemon.state / "hang").touch()
    eventually(lambda: published_stalled(received), "its hanging is published", 30)
    assert verdict(received) == "blind"
    assert time.monotonic() - began < 10
    door = json.loads(received["mfa-beacon/test/service/door"][-1])
    assert door["verdict"] == "blind"
    assert "stalled" in door["explanation"]
    daemon.process.kill()


def published_stalled(received: dict[str, list[str]]) -> bool:
    return json.loads(received.get("mfa-beacon/test/health", ["{}"])[-1]).get("stalled", False)


def pipe() -> tuple[int, int]:
    return os.pipe()


def journal() -> tuple[int, int]:
    """A stream socket, as systemd hands to a service for its log."""
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


@pytest.mark.parametrize(("made", "blocking"), [(pipe, True), (journal, False)])
def test_nobody_who_reads_stderr_keeps_it_from_judging_and_from_ending(
    daemon, eventually, made, blocking
):
    reader, writer = made()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, blocking)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            daemon.write(endpoint("open", server.getsockname()[1]))
            daemon.spawn("--log-level", "debug", into=writer)
            eventually(lambda: read_verdict(daemon) == "ok", "it is green", 30)
        eventually(lambda: read_verdict(daemon) == "outage", "it has seen the fault", 30)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_a_terminal_that_nobody_reads_keeps_it_from_nothing(daemon, eventually):
    keyboard, window = os.openpty()
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            daemon.write(endpoint("open", server.getsockname()[1]))
            run = ["-m", "beacon", "run", "-c", str(daemon.config)]
            daemon.process = subprocess.Popen(
                [sys.executable, *run, "--state-dir", str(daemon.state)],
                env=os.environ | {"TERM": "xterm-256color"},
                stdin=window,
                stdout=window,
                stderr=window,
                start_new_session=True,
            )
            eventually(lambda: read_verdict(daemon) == "ok", "it is green", 30)
        eventually(lambda: read_verdict(daemon) == "outage", "it has seen the fault", 30)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    finally:
        os.close(keyboard)
        os.close(window)


def read_verdict(daemon: Daemon) -> str:
    return daemon.status().get("state", {}).get("verdict", "")


def test_closed_streams_cost_the_daemon_nothing(daemon, listening, eventually):
    daemon.write(endpoint("open", listening))
    run = f"'{sys.executable}' -m beacon run -c '{daemon.config}' --state-dir '{daemon.state}'"
    daemon.process = subprocess.Popen(["bash", "-c", f"exec {run} <&- >&- 2>&-"])
    eventually(lambda: read_verdict(daemon) == "ok", "it is green", 30)
    descriptors = Path(f"/proc/{daemon.process.pid}/fd")
    files = [str((descriptors / n).readlink()) for n in ("0", "1", "2")]
    assert not any("state" in file for file in files), "the history is no log"
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def pushing(port: int, *, head: str = HEAD) -> str:
    """A configuration with its own HTTP port."""
    return head.replace("tower:", f"web: {{bind: '127.0.0.1:{port}'}}\ntower:")


def pushed(port: int, token: str, path: str = "door/browser", **members: Any) -> int:
    """Push over HTTP; the status, 0 where nobody listens."""
    try:
        return requests.post(
            f"http://127.0.0.1:{port}/api/push/{path}",
            json={"reason": "ok", "at": time.time()} | members,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        ).status_code
    except requests.ConnectionError:
        return 0


def reads(daemon: Daemon, name: str = "browser") -> tuple[str, str]:
    """Health and reason of one endpoint of the door."""
    found = daemon.status()["endpoints"].get(f"door/{name}", {})
    return str(found.get("health")), str(found.get("reason"))


def test_what_is_pushed_over_http_lights_the_lamps_and_no_token_is_shown(
    daemon, free_port, eventually
):
    port, old, new = free_port(), "canary-of-a-first-token", "canary-of-another-token"
    settings = {"name": "browser", "type": "push", "evidence": "symptom", "local": True}
    as_written = "      - " + json.dumps(settings | {"token": old})
    daemon.write(as_written, head=pushing(port))
    daemon.start("--log-level", "debug")
    eventually(lambda: pushed(port, old) == 200, "the push is taken")
    eventually(lambda: reads(daemon) == ("up", "ok"), "and counts")
    assert daemon.status()["state"]["verdict"] == "ok"
    eventually(
        lambda: pushed(port, old, reason="sign_in_rejected", detail=f"by {old}") == 200, "a fail"
    )
    eventually(lambda: reads(daemon) == ("down", "sign_in_rejected"), "one is enough")
    assert daemon.status()["state"]["verdict"] == "outage"
    assert pushed(port, old, "door/none") == pushed(port, new) == 401

    as_written = "      - " + json.dumps(settings | {"token": new})
    daemon.write(as_written, head=pushing(other := free_port()))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: pushed(other, new) == 200, "another port, another token")
    assert pushed(other, old) == 401
    assert pushed(port, new) == 0
    status = json.dumps(daemon.status())
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert pushed(other, new) == 0
    for output in (daemon.log(), status):
        assert old not in output
        assert new not in output


@pytest.mark.integration
def test_a_flood_of_pushes_keeps_nothing_from_the_lamps(
    daemon, listening, broker, free_port, eventually
):
    """By HTTP and MQTT at once, to one endpoint, while another is polled and one client drips."""
    web, token = free_port(), "canary-of-a-token"
    browser = {"name": "browser", "type": "push", "token": token, "mqtt": True, "local": True}
    head = pushing(web, head=broker.head)
    daemon.write(endpoint("open", listening), "      - " + json.dumps(browser), head=head)
    daemon.start()
    eventually(lambda: pushed(web, token) == 200, "a push is taken")
    with contextlib.ExitStack() as open_drips:
        drips = [
            open_drips.enter_context(socket.create_connection(("127.0.0.1", web)))
            for _ in range(40)
        ]
        statuses = set()
        for number in range(60):
            body = json.dumps({"reason": "ok", "detail": "x" * number})
            broker.client.publish("mfa-beacon/test/push/door/browser", body, 1)
            statuses.add(pushed(web, token, detail=str(number)))
            with contextlib.suppress(OSError):  # it is cut off for another
                drips[number % 40].send(b"x")
    assert statuses <= {200, 429}
    broker.client.publish("mfa-beacon/test/push/door/browser", '{"reason": "unreachable"}', 1)
    eventually(lambda: reads(daemon) == ("down", "unreachable"), "the latest is shown")
    assert reads(daemon, "open") == ("up", "ok")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert "Traceback" not in daemon.log()
    assert daemon.log().count("too many") <= 4


def explained(received: dict[str, list[str]], topic: str) -> str:
    """The health of the door, as the explanation has it."""
    document = json.loads(received.get(topic, ['{"endpoints": {}}'])[-1])
    return str(document["endpoints"].get("door/open", {}).get("health"))


def connected(client: mqtt.Client, port: int) -> bool:
    with contextlib.suppress(OSError):
        client.connect("127.0.0.1", port)
        return True
    return False


def verdict(received: dict[str, list[str]]) -> str:
    return json.loads(received.get("mfa-beacon/test/state", ["{}"])[-1]).get("verdict", "")


def test_in_a_terminal_the_tower_is_drawn_and_the_log_does_not_spoil_it(
    daemon, listening, eventually, terminal
):
    daemon.write(endpoint("open", listening))
    window = terminal()
    daemon.start_in(window, [], "--caption", "break it")
    eventually(lambda: b"break it" in window.shown, "the caption is there", 60)
    eventually(lambda: b"beacon.daemon.life: started" in window.shown, "the log is in the picture")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    eventually(
        lambda: window.shown.rstrip().endswith(b"INFO beacon.daemon.life: stopped"), "its end"
    )
    assert window.shown.index(b"\x1b[?1049h") < window.shown.index(b"\x1b[?1049l")


def test_closing_the_terminal_ends_it_in_order(daemon, listening, eventually, terminal):
    """Where its first process is one that waits for us, as in `xterm -e make run`."""
    daemon.write(endpoint("open", listening))
    window = terminal()
    daemon.start_in(window, ["bash", "-c", 'trap : HUP; "$@"; exit $?', "make"])
    eventually(daemon.status, "the daemon answers", 60)
    window.close()
    assert daemon.wait() == 0
    assert sorted(p.name for p in daemon.state.iterdir()) == LEFT


def test_a_state_directory_gone_read_only_is_lived_without(daemon, listening, eventually):
    """A worn-out card remounts itself read-only: the tower must not stay dark for that."""
    daemon.write(endpoint("open", listening))
    state = Path(daemon.state)
    state.mkdir(parents=True, exist_ok=True)
    runtime = state.parent / "runtime"
    runtime.mkdir()
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no mounts of its own: this user may not, or / is no mount point here")
    script = 'mount -t tmpfs none "$1" && mount -o remount,ro "$1" && shift && exec "$@"'
    run = ["-m", "beacon", "run", "-c", daemon.config, "--state-dir", state]
    daemon.process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(state), sys.executable]
        + [str(word) for word in run],
        env=os.environ | {"RUNTIME_DIRECTORY": str(runtime)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    eventually((runtime / "control.sock").exists, "it serves")
    asking = [runtime / "control.sock"], {"action": "status"}

    def answers() -> bool:
        with contextlib.suppress(NoBeacon):  # bound, and not yet listening
            return bool(ask(*asking)["ok"])
        return False

    eventually(answers, "it answers")
    daemon.process.send_signal(signal.SIGTERM)
    output, _ = daemon.process.communicate(timeout=120)
    assert daemon.process.returncode == 0, output
    assert "going on without" in output
    assert "Traceback" not in output


def test_mqtt_does_not_bring_dnspython_and_does_not_hinder_it():
    code = (
        "import sys; from beacon.daemon.wiring import without_dnspython\n"
        "with without_dnspython():\n    import beacon.outputs.mqtt.output\n"
        "assert 'dns.resolver' not in sys.modules and 'dns.message' not in sys.modules\n"
        "import dns.resolver, beacon.probes.dns\n"
        "with without_dnspython():\n    pass\n"
        "assert sys.modules['dns.resolver'] is dns.resolver\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
