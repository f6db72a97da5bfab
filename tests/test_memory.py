"""The daemon over its own death: real processes, real signals, one state directory."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
site: test
tower: {driver: mock, lamps: {red: 17, amber: 27, green: 22, blue: 23, white: 24}}
defaults: {interval: 300ms, timeout: 200ms, retry_interval: 100ms, failure_threshold: 2}
services:
  - name: Door
    endpoints:
      - {name: open, type: tcp, host: 127.0.0.1, port: PORT, local: true}
"""
GRACE = 1.5
"""Seconds after which everything is on disk: at most one may be lost."""


class Beacon:
    """One beacon, which may die and come back."""

    def __init__(self, directory: Path, port: int, eventually) -> None:
        self.config, self.state, self.port = directory / "beacon.yaml", directory / "state", port
        self.errors = directory / "stderr"
        self.config.write_text(HEAD.replace("PORT", str(port)))
        self._eventually = eventually
        self._process: subprocess.Popen[bytes] | None = None

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        run = [sys.executable, "-m", "beacon", *words, "--state-dir", str(self.state)]
        return subprocess.run(run, capture_output=True, text=True, check=False)

    def start(self) -> dict:
        """Begin; the first status there is."""
        run = ["-m", "beacon", "run", "-c", str(self.config), "--state-dir", str(self.state)]
        with self.errors.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *run], stdout=subprocess.DEVNULL, stderr=errors
            )
        self._eventually(self.status, "it answers", 30)
        return self.status()

    def status(self) -> dict:
        from beacon.outputs.control import NoBeacon, ask

        try:
            answer = ask([self.state / "control.sock"], {"action": "status"})
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
        return process.wait(30)

    def sounds(self) -> int:
        return self.errors.read_text().count("sound: ")


@pytest.fixture
def beacon(tmp_path, free_port, eventually):
    made = Beacon(tmp_path, free_port(), eventually)
    yield made
    made.dies(signal.SIGTERM)


@pytest.fixture
def in_outage(beacon, eventually):
    """A beacon in an outage that was acknowledged."""
    beacon.start()
    eventually(lambda: beacon.verdict() == "outage", "the outage")
    assert beacon.cli("acknowledge", "--reason", "seen").returncode == 0
    return beacon


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_acknowledged_outage_outlives_its_beacon(in_outage, number, eventually):
    """Killed: nothing is lit; back: red steady at once, the same incident, and no sound."""
    [before] = json.loads(in_outage.cli("incidents", "--json").stdout)["incidents"]
    time.sleep(GRACE)
    in_outage.dies(number)
    heard = in_outage.sounds()
    first = in_outage.start()
    assert first["state"]["verdict"] == "outage"
    assert (first["lamps"]["red"], first["lamps"]["amber"]) == ("steady", "off")
    assert first["lamps"]["green"] == "off"
    [incident] = first["incidents"]
    assert incident["state"] == "acknowledged"
    assert incident["since"] == before["since"]
    eventually(lambda: not in_outage.status()["state"]["starting"], "it has read again")
    assert in_outage.status()["lamps"]["red"] == "steady"
    [after] = json.loads(in_outage.cli("incidents", "--json").stdout)["incidents"]
    assert after["id"] == before["id"]
    assert in_outage.sounds() == heard


def test_what_was_well_is_green_only_when_read_again(beacon, eventually):
    port = int(beacon.config.read_text().partition("port: ")[2].partition(",")[0])
    with socket.create_server(("127.0.0.1", port)):
        beacon.start()
        eventually(lambda: beacon.verdict() == "ok", "green")
        time.sleep(GRACE)
        beacon.dies()
    first = beacon.start()
    assert first["state"]["verdict"] in ("blind", "outage")
    eventually(lambda: beacon.verdict() == "outage", "the outage")
    assert beacon.status()["lamps"]["green"] == "off"


def test_incidents_are_listed_and_told(in_outage):
    listed = in_outage.cli("incidents")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0].split()[0] == "1"
    assert "door: outage, acknowledged" in listed.stdout
    for name in (
        "1",
        json.loads(in_outage.cli("incidents", "--json").stdout)["incidents"][0]["id"],
    ):
        told = in_outage.cli("incidents", name)
        assert told.returncode == 0
        assert "OPENED: outage" in told.stdout
        assert "ACKNOWLEDGED by " in told.stdout
        assert "door/open: unknown -> down, connect_refused" in told.stdout
    unknown = in_outage.cli("incidents", "17")
    assert unknown.returncode == 1
    assert "no incident '17'" in unknown.stderr
    in_outage.dies(signal.SIGTERM)
    assert in_outage.cli("incidents").returncode == 3


def test_a_history_of_a_newer_beacon_is_left_alone_and_said(beacon, eventually):
    beacon.state.mkdir()
    db = sqlite3.connect(beacon.state / "history.db")
    db.execute("CREATE TABLE future (x)")
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = (beacon.state / "history.db").read_bytes()
    beacon.start()
    eventually(lambda: beacon.verdict() == "outage", "it judges all the same")
    eventually(lambda: beacon.status()["state"]["storage_degraded"], "it says so")
    assert "storage: degraded" in beacon.cli("status").stdout
    assert beacon.dies(signal.SIGTERM) == 0
    assert (beacon.state / "history.db").read_bytes() == before
    assert "newer beacon (schema 99" in beacon.errors.read_text()


def test_what_latency_is_usual_is_learnt_kept_and_explained(beacon, eventually):
    def pace() -> str:
        told = beacon.cli("explain", "door", "--json")
        endpoints = json.loads(told.stdout)["endpoints"] if told.returncode == 0 else {}
        return endpoints.get("door/open", {}).get("pace") or ""

    with socket.create_server(("127.0.0.1", beacon.port)):
        beacon.start()
        eventually(lambda: "what is usual is not known yet" in pace(), "five have passed", 30)
        assert beacon.dies(signal.SIGTERM) == 0
        db = sqlite3.connect(beacon.state / "history.db")
        [(endpoint, week, votes)] = db.execute("SELECT endpoint, week, votes FROM baselines")
        assert (endpoint, len(votes)) == ("door/open", 7)
        every = [(slot, endpoint, week, bytes([100] * 7)) for slot in range(168)]
        with db:
            db.executemany("INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?)", every)
        db.close()
        beacon.start()
        eventually(lambda: "usually 0.13 s at this hour" in pace(), "it is known again", 30)
        assert "slow above 1 s for 3 min" in beacon.cli("explain", "door").stdout
