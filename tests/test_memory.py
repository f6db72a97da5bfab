"""The daemon over its own death: real processes, real signals, one state directory."""

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from beacon.cli.main import main
from beacon.outputs.control.socket import NoBeacon, ask

HEAD = """
site: test
tower: {driver: mock, lamps: {red: 17, amber: 27, green: 22, blue: 23, white: 24}}
defaults: {interval: 900ms, timeout: 800ms, retry_interval: 100ms, failure_threshold: 2}
services:
  - name: Door
    endpoints:
      - {name: open, type: tcp, host: 127.0.0.1, port: PORT, local: true}
"""
NOBODY = 65534

# A daemon that becomes somebody else once all it needs is loaded: where this repository
# lies, nobody else may be let in.
# Python itself may lie where only its owner may look: what it reads later is read before.
AS_NOBODY = f"""
import encodings.idna, encodings.utf_8_sig, os, sys
import beacon.cli.parser, beacon.daemon.life, beacon.outputs.journal, beacon.outputs.mqtt.output
import beacon.probes.tcp
import gpiozero.pins.mock
from beacon.cli.main import main
beacon.probes.kinds()
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
sys.exit(main(sys.argv[1:]))
"""

# In mounts of its own, where the state directory is bound over itself, read-only.
IN_OWN_MOUNTS = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"
"""


class Beacon:
    """One beacon, which may die and come back."""

    def __init__(self, directory: Path, port: int, eventually) -> None:
        self.config, self.state, self.port = directory / "beacon.yaml", directory / "state", port
        self.errors = directory / "stderr"
        self.config.write_text(HEAD.replace("PORT", str(port)))
        self.socket = self.state / "control.sock"
        self._eventually = eventually
        self._process: subprocess.Popen[bytes] | None = None

    def cli(self, *words: str) -> tuple[int, str, str]:
        """A command in this process: its status, what it prints, and what it prints as errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*words, "--state-dir", str(self.state)])
        return status, out.getvalue(), err.getvalue()

    def kept(self, what: str) -> bool:
        """Whether this is on disk, in what is remembered."""
        with contextlib.closing(sqlite3.connect(self.state / "history.db")) as db:
            return any(
                what in document for (document,) in db.execute("SELECT document FROM memory")
            )

    def outage_is_acknowledged(self) -> "Beacon":
        """Live until an outage was acknowledged, and that is on disk."""
        self.start()
        self._eventually(lambda: self.verdict() == "outage", "the outage")
        assert self.cli("acknowledge", "--reason", "seen")[0] == 0
        self._eventually(lambda: self.kept('"stage":"acknowledged"'), "it is written")
        return self

    def incident(self) -> dict:
        [found] = json.loads(self.cli("incidents", "--json")[1])["incidents"]
        return found

    def start(self, *before: str, program: str = "", **environ: str) -> dict:
        """Begin; the first status there is. `before` is what runs it, if not Python alone."""
        run = ["run", "-c", str(self.config), "--state-dir", str(self.state)]
        entry = ["-c", program] if program else ["-m", "beacon"]
        self.socket = Path(environ.get("RUNTIME_DIRECTORY", self.state), "control.sock")
        self._spawn([*before, sys.executable, *entry, *run], environ)
        self._eventually(self.status, "it answers", 120)
        return self.status()

    def start_without_answer(self, program: str) -> None:
        """Begin, and do not wait for an answer."""
        self.socket = self.state / "control.sock"
        run = ["run", "-c", str(self.config), "--state-dir", str(self.state)]
        self._spawn([sys.executable, "-c", program, *run], {})

    def _spawn(self, run: list[str], environ: dict[str, str]) -> None:
        with self.errors.open("a") as errors:
            self._process = subprocess.Popen(
                run, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ | environ
            )

    def ends(self) -> int:
        assert self._process is not None
        return self._process.wait(120)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return self.errors.read_text()

    def status(self) -> dict:
        try:
            answer = ask([self.socket], {"action": "status"})
        except NoBeacon:
            return {}
        return answer if answer["ok"] else {}

    def verdict(self) -> str:
        return self.status()["state"]["verdict"]

    def dies(self, number: int = signal.SIGKILL) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        return process.wait(120)

    def sounds(self) -> int:
        return self.log().count("sound: ")


@pytest.fixture
def beacon(tmp_path, free_port, eventually):
    made = Beacon(tmp_path, free_port(), eventually)
    yield made
    made.dies(signal.SIGTERM)


@pytest.fixture
def in_outage(beacon):
    """A beacon in an outage that was acknowledged."""
    return beacon.outage_is_acknowledged()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_acknowledged_outage_outlives_its_beacon(in_outage, number, eventually):
    """Killed: nothing is lit; back: red steady at once, the same incident, and no sound."""
    before = in_outage.incident()
    in_outage.dies(number)
    sounds = in_outage.sounds()
    first = in_outage.start()
    assert first["state"]["verdict"] == "outage"
    assert (first["lamps"]["red"], first["lamps"]["amber"]) == ("steady", "off")
    assert first["lamps"]["green"] == "off"
    [incident] = first["incidents"]
    assert incident["state"] == "acknowledged"
    began = [datetime.fromisoformat(each["since"]) for each in (incident, before)]
    assert abs(began[0] - began[1]) < timedelta(seconds=1), "its own time; clocks may be slewed"
    eventually(lambda: not in_outage.status()["state"]["starting"], "it has read again")
    assert in_outage.status()["lamps"]["red"] == "steady"
    assert in_outage.incident()["id"] == before["id"]
    assert in_outage.sounds() == sounds


def test_what_was_well_is_green_only_when_read_again(beacon, eventually):
    with socket.create_server(("127.0.0.1", beacon.port)):
        beacon.start()
        eventually(lambda: beacon.verdict() == "ok", "green")
        eventually(lambda: beacon.kept('"health":"up"'), "it is written")
        beacon.dies()
    first = beacon.start()
    assert first["state"]["verdict"] in ("blind", "outage")
    eventually(lambda: beacon.verdict() == "outage", "the outage")
    assert beacon.status()["lamps"]["green"] == "off"


def test_what_cost_a_message_is_green_at_once_and_not_asked_for_again(
    beacon, eventually, shared_memory, tmp_path
):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    code = inbox / "IN20260105_120000_00_+15550100_00.txt"
    code.write_text("Your code 123456")
    beacon.config.write_text(
        HEAD.partition("defaults:")[0]
        + f"""
services:
  - name: SMS
    endpoints:
      - name: arrives
        type: otp_sms
        mailbox: {{smsd: {{inbox: {inbox}, config: {shared_memory().config}}}}}
        pattern: code
        every: 1h
"""
    )
    beacon.start()
    eventually(lambda: beacon.verdict() == "ok", "green")
    read = beacon.status()["endpoints"]["sms/arrives"]
    beacon.dies(signal.SIGTERM)
    code.unlink()  # whoever looks again finds none
    first = beacon.start()
    assert (first["state"]["verdict"], first["state"]["starting"]) == ("ok", False)
    assert first["lamps"]["green"] == "steady"
    again = first["endpoints"]["sms/arrives"]
    ages = [datetime.fromisoformat(each.pop("checked_at")) for each in (again, read)]
    assert again == read
    assert abs(ages[0] - ages[1]) < timedelta(seconds=1), "its own age, not ours"


def test_incidents_are_listed_and_shown(in_outage):
    status, listed, _ = in_outage.cli("incidents")
    assert (status, listed.split()[0]) == (0, "1")
    assert "door: outage, acknowledged" in listed
    for name in ("1", in_outage.incident()["id"]):
        status, out, _ = in_outage.cli("incidents", name)
        assert status == 0
        assert "OPENED: outage" in out
        assert "ACKNOWLEDGED by " in out
        assert "door/open: unknown -> down, connect_refused" in out
    status, _, error = in_outage.cli("incidents", "17")
    assert (status, "no incident '17'" in error) == (1, True)
    in_outage.dies(signal.SIGTERM)
    assert in_outage.cli("incidents")[0] == 3


def test_a_history_of_a_newer_beacon_is_left_alone_and_reported(beacon, eventually):
    beacon.state.mkdir()
    db = sqlite3.connect(beacon.state / "history.db")
    db.execute("CREATE TABLE future (x)")
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = (beacon.state / "history.db").read_bytes()
    beacon.start()
    eventually(lambda: beacon.verdict() == "outage", "it judges all the same")
    eventually(lambda: beacon.status()["state"]["storage_degraded"], "it says so")
    assert "storage: degraded" in beacon.cli("status")[1]
    assert beacon.dies(signal.SIGTERM) == 0
    assert (beacon.state / "history.db").read_bytes() == before
    assert "newer beacon (schema 99" in beacon.errors.read_text()


def test_what_latency_is_usual_is_learnt_kept_and_explained(beacon, eventually):
    def pace() -> str:
        status, out, _ = beacon.cli("explain", "door", "--json")
        endpoints = json.loads(out)["endpoints"] if status == 0 else {}
        return endpoints.get("door/open", {}).get("pace") or ""

    with socket.create_server(("127.0.0.1", beacon.port)):
        beacon.start()
        eventually(lambda: "what is usual is not known yet" in pace(), "five have passed")
        assert beacon.dies(signal.SIGTERM) == 0
        db = sqlite3.connect(beacon.state / "history.db")
        [(endpoint, week, votes)] = db.execute("SELECT endpoint, week, votes FROM baselines")
        assert (endpoint, len(votes)) == ("door/open", 7)
        every = [(slot, endpoint, week, bytes([100] * 7)) for slot in range(168)]
        with db:
            db.executemany("INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?)", every)
        db.close()
        beacon.start()
        eventually(lambda: "usually 0.13 s at this hour" in pace(), "it is known again")
        assert "slow above 1 s for 3 min" in beacon.cli("explain", "door")[1]


# --- a state directory that cannot be written -------------------------------------


@pytest.fixture
def elsewhere():
    """A directory that others may enter; those of pytest are for their owner."""
    if os.geteuid():
        pytest.skip("needs to be root to become somebody else")
    made = Path(tempfile.mkdtemp(prefix="beacon-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def acknowledged(elsewhere, free_port, eventually):
    """A beacon that died in an outage that was acknowledged."""
    made = Beacon(elsewhere, free_port(), eventually).outage_is_acknowledged()
    made.dies()
    runtime = elsewhere / "runtime"
    runtime.mkdir()
    shutil.chown(runtime, NOBODY, NOBODY)
    yield made
    made.dies(signal.SIGTERM)


def owned_by_nobody(directory: Path) -> None:
    for path in (directory, *directory.iterdir()):
        shutil.chown(path, NOBODY, NOBODY)


def well(beacon: Beacon) -> bool:
    return beacon.status().get("state", {}).get("storage_degraded") is False


def comes_back_and_says_so(beacon: Beacon, first: dict, sounds: int, eventually) -> None:
    """Judged, lit, silent about what was acknowledged; and the storage is degraded."""
    assert first["state"]["verdict"] == "outage"
    assert (first["lamps"]["red"], first["lamps"]["green"]) == ("steady", "off")
    [incident] = first["incidents"]
    assert incident["state"] == "acknowledged"
    eventually(lambda: not beacon.status()["state"]["starting"], "it has read again")
    eventually(lambda: beacon.status()["state"]["storage_degraded"], "it says so")
    out = beacon.cli("status")[1]
    assert "storage: degraded" in out or beacon.socket.parent != beacon.state
    assert beacon.status()["lamps"]["red"] == "steady"
    assert beacon.sounds() == sounds
    assert "Traceback" not in beacon.log()


def test_a_database_of_somebody_else(acknowledged, eventually):
    """The directory may be written, the file may only be read."""
    beacon = acknowledged
    owned_by_nobody(beacon.state)
    database = beacon.state / "history.db"
    shutil.chown(database, "root", "root")
    database.chmod(0o644)
    sounds = beacon.sounds()
    comes_back_and_says_so(beacon, beacon.start(program=AS_NOBODY), sounds, eventually)
    before = database.read_bytes()
    assert "the history cannot be written" in beacon.log()
    shutil.chown(database, NOBODY, NOBODY)
    eventually(lambda: well(beacon), "the storage is well again")
    assert beacon.dies(signal.SIGTERM) == 0
    assert database.read_bytes() != before, "it was written"
    assert beacon.sounds() == sounds


@pytest.mark.parametrize("runtime", [True, False], ids=["runtime", "no-runtime"])
def test_a_directory_of_somebody_else(acknowledged, eventually, elsewhere, runtime):
    """Nothing in it may be written; the control socket has another place, or none."""
    beacon = acknowledged
    for path in beacon.state.iterdir():
        path.chmod(0o644)
    beacon.state.chmod(0o755)
    sounds = beacon.sounds()
    if runtime:
        first = beacon.start(program=AS_NOBODY, RUNTIME_DIRECTORY=str(elsewhere / "runtime"))
        comes_back_and_says_so(beacon, first, sounds, eventually)
        assert "control socket" not in beacon.log()
    else:
        (beacon.state / "control.sock").unlink()  # left by a kill; it could not be taken away
        beacon.start_without_answer(AS_NOBODY)
        eventually(lambda: beacon.log().count("started; endpoints") == 2, "it runs")
        assert "control.sock cannot be made: `beacon status`, `acknowledge`" in beacon.log()
        assert "or name another in $RUNTIME_DIRECTORY" in beacon.log()
        assert beacon.cli("status")[0] == 3
    assert "cannot be written, going on without" in beacon.log()
    owned_by_nobody(beacon.state)
    eventually(lambda: well(beacon), "the storage is well again, and commands reach it")
    assert beacon.status()["incidents"][0]["state"] == "acknowledged"
    assert (beacon.state / "running").exists()
    assert beacon.dies(signal.SIGTERM) == 0
    assert beacon.sounds() == sounds


def test_a_socket_of_somebody_else_is_not_taken(acknowledged):
    """Their beacon may be running: two would judge, and one of them could not be asked."""
    beacon = acknowledged
    (beacon.state / "control.sock").chmod(0o600)
    beacon.state.chmod(0o755)
    beacon.start_without_answer(AS_NOBODY)
    assert beacon.ends() == 1
    assert "another user's, whose beacon may be running" in beacon.log()


@pytest.mark.integration
def test_a_card_that_remounts_itself_read_only(acknowledged, eventually, need, free_port):
    """A worn-out card: restored, judged, lit and published; well when it can be written."""
    beacon, port = acknowledged, free_port()
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts of its own: this user may not, or / is no mount point here")
    with listener(need("mosquitto"), port, eventually) as states:
        head = beacon.config.read_text()
        address = f"mqtt: {{broker: 'mqtt://127.0.0.1:{port}'}}\ntower:"
        beacon.config.write_text(head.replace("tower:", address))
        sounds, before = beacon.sounds(), (beacon.state / "history.db").read_bytes()
        runtime = str(beacon.state.parent / "runtime")
        mounts = ("unshare", "--mount", "sh", "-c", IN_OWN_MOUNTS, "sh", str(beacon.state))
        first = beacon.start(*mounts, RUNTIME_DIRECTORY=runtime)
        comes_back_and_says_so(beacon, first, sounds, eventually)
        eventually(lambda: states and states[-1]["storage_degraded"], "it is published")
        assert states[-1]["verdict"] == "outage"
        assert (beacon.state / "history.db").read_bytes() == before
        inside = ["nsenter", "-t", str(beacon.pid), "--mount", "--root"]
        remount = [*inside, "mount", "-o", "remount,bind,rw", str(beacon.state)]
        subprocess.run(remount, check=True)
        eventually(lambda: not states[-1]["storage_degraded"], "it is published")
        assert beacon.dies(signal.SIGTERM) == 0
    assert beacon.sounds() == sounds
    kept = sqlite3.connect(beacon.state / "history.db")
    rows = kept.execute("SELECT document FROM incidents").fetchall()
    kept.close()
    assert [json.loads(document)["state"] for (document,) in rows] == ["acknowledged"]


@contextlib.contextmanager
def listener(mosquitto: Path, port: int, eventually):
    """A broker, and what is published of the state."""
    states: list[dict] = []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    broker = subprocess.Popen([mosquitto, "-p", str(port)], **quiet)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("mfa-beacon/test/state")
    client.on_message = lambda _c, _u, message: states.append(json.loads(message.payload))

    def connected() -> bool:
        with contextlib.suppress(OSError):
            client.connect("127.0.0.1", port)
            return True
        return False

    try:
        eventually(connected, "the broker is up")
        client.loop_start()
        yield states
    finally:
        client.disconnect()
        client.loop_stop()
        broker.terminate()
        broker.wait(60)
