"""`beacon probe` where a beacon runs: that one runs it, with its codes, memory and guard."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beacon.cli.main import main
from beacon.config.schema import Config
from beacon.core.inputs import Observed
from beacon.core.model import Reading, Reason
from beacon.core.monitor import Monitor
from beacon.daemon.life import load_config
from beacon.daemon.wiring import scheduled
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.outputs.control.actions import Actions
from beacon.outputs.control.probe import AT_ONCE, ProbeNow, question
from beacon.outputs.control.socket import ActionRefused, ControlSocket, ask
from tests.probe_memories import engine_of

SEED, PASSWORD = "JBSWY3DPEHPK3PXP", "canary-password"
CONFIG = """\
site: soc
services:
- name: Door
  endpoints:
  - name: sign-in
    type: flow
    interval: 1h
    control: never
    timeout: 60s
    secrets: {{seed: !secret seed, password: !secret password}}
    steps:
    - id: code
      url: {url}/code?is={{{{ hotp(secrets.seed) }}}}
      method: POST
      form: {{password: "{{{{ secrets.password }}}}"}}
      rejected: {{status: 401}}
  - {{name: page, type: http, url: "{url}/page", interval: 1h, timeout: 60s}}
"""


@pytest.fixture
def provider(vendor: Any) -> Any:
    """Answers with 200, or, when the test asks for it, with something else or only later."""
    vendor.free = threading.Event()
    vendor.free.set()

    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        assert vendor.free.wait(60)
        return 200, {}, b""

    vendor.answers |= {"/code": answer, "/page": answer}
    return vendor


def codes(provider: Any) -> list[str]:
    """Those it was sent, in order."""
    return [path.partition("=")[2] for path in provider.paths if path.startswith("/code")]


@pytest.fixture
def path(tmp_path: Path, provider: Any) -> Path:
    found = tmp_path / "beacon.yaml"
    found.write_text(CONFIG.format(url=provider.url))
    secrets_are(found)
    return found


def secrets_are(path: Path, password: str = PASSWORD) -> None:
    beside = path.parent / "secrets.yaml"
    beside.write_text(f"seed: {SEED}\npassword: {password}\n")
    beside.chmod(0o600)


class Running:
    """A beacon without lamps: the engine and the monitor, and its control socket."""

    def __init__(self, config: Config, state: Path) -> None:
        self.config, clock = config, SystemClock()
        self.monitor = Monitor(config.watched)
        self.engine = engine_of(self.monitor, clock, Inbox())
        self.probe = ProbeNow(self.engine, lambda: self.config)
        actions = Actions(self.engine, self.monitor, lambda _: None, clock)
        self.served = [state / "control.sock"]
        self.socket = ControlSocket(self.served[0], {**actions.all(), "probe": self.probe})
        self.engine.start(scheduled(config))
        self.socket.start()
        self._thread = threading.Thread(target=self.engine.run)
        self._thread.start()

    def hear(self, reason: Reason) -> None:
        """Let a reading of the sign-in come in."""
        event = Observed(self.engine._now, "door/sign-in", Reading(reason), self.engine._now)
        self.engine.ask(lambda: self.engine.act(event), 60)

    def health(self) -> str:
        """Of the sign-in, as people see it."""
        shown = ask(self.served, {"action": "status"})["endpoints"]
        return str(shown["door/sign-in"]["health"])

    def stop(self) -> None:
        self.engine.stop()
        self._thread.join(60)
        assert self.engine.workers.stop(60)
        self.socket.stop(60)


@pytest.fixture
def run_beacon(path: Path, tmp_path: Path) -> Iterator[Callable[[], Running]]:
    with contextlib.ExitStack() as running:

        def start() -> Running:
            it = Running(load_config(path, {}), tmp_path)
            running.callback(it.stop)
            return it

        yield start


Probe = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def probe(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Probe:
    """`beacon probe … --json`: its exit status, its answer, what it says beside."""

    def run(endpoint: str = "door/sign-in") -> tuple[int, dict[str, Any], str]:
        asked = ["probe", endpoint, "-c", str(path), "--state-dir", str(tmp_path), "--json"]
        status = main(asked)
        out, err = capsys.readouterr()
        assert PASSWORD not in out + err
        assert SEED not in out + err
        return status, json.loads(out) if out else {}, err

    return run


def test_a_code_is_not_used_twice_and_the_reading_counts(
    run_beacon: Callable[[], Running], probe: Probe, provider: Any
) -> None:
    beacon = run_beacon()
    for _ in range(3):
        status, run, _ = probe()
        assert (status, run["outcome"], run["leads_to"]) == (0, "pass", "up")
        assert run["codes"] == "used codes are known to the beacon that runs here"
    assert len(set(codes(provider))) == len(codes(provider)) >= 3
    assert beacon.health() == "up"


def test_its_notes_come_with_secrets_masked(
    run_beacon: Callable[[], Running], probe: Probe, provider: Any
) -> None:
    run_beacon()
    _, run, _ = probe()
    assert any("step code" in note for note in run["notes"])
    assert not any(codes(provider)[-1] in note for note in run["notes"])


@pytest.mark.parametrize(
    ("rejections", "words"),
    [(2, "it is tried again in "), (4, "mend it, then `beacon resume door/sign-in`")],
)
def test_what_the_guard_stopped_is_refused(
    run_beacon: Callable[[], Running],
    probe: Probe,
    provider: Any,
    rejections: int,
    words: str,
) -> None:
    beacon = run_beacon()
    probe()
    for _ in range(rejections):
        beacon.hear(Reason.SIGN_IN_REJECTED)
    sent = len(codes(provider))
    status, run, err = probe()
    assert (status, run, len(codes(provider))) == (3, {}, sent)
    assert words in err


def test_a_rejection_by_hand_counts_for_the_guard(
    run_beacon: Callable[[], Running], probe: Probe, provider: Any
) -> None:
    run_beacon()
    probe()
    provider.answers["/code"] = (401, {}, b"")
    before = len(codes(provider))
    statuses = [probe()[0] for _ in range(3)]
    assert (statuses[0], statuses[-1]) == (2, 3)
    assert len(codes(provider)) == before + 2, "by hand or by the beacon: a third is not sent"


@pytest.mark.parametrize("changed", ["a setting", "a secret"])
def test_with_other_settings_a_sign_in_is_refused_and_what_harms_nobody_runs_alone(
    run_beacon: Callable[[], Running], probe: Probe, path: Path, provider: Any, changed: str
) -> None:
    run_beacon()
    probe()
    sent = len(codes(provider))
    if changed == "a secret":
        secrets_are(path, "canary-password-2")
    else:
        text = path.read_text().replace("hotp(secrets.seed", "hotp( secrets.seed")
        path.write_text(text.replace("/page", "/page?"))
    status, run, err = probe()
    assert (status, run, len(codes(provider))) == (3, {}, sent)
    assert "has other settings for door/sign-in" in err
    assert "systemctl reload mfa-beacon" in err
    if changed == "a setting":
        status, run, err = probe("door/page")
        assert (status, run["outcome"]) == (0, "pass")
        assert "it is run without that beacon" in err


def test_what_is_not_changed_is_run_though_others_are(
    run_beacon: Callable[[], Running], probe: Probe, path: Path
) -> None:
    run_beacon()
    path.write_text(path.read_text().replace("/page", "/other"))
    assert probe()[0] == 0


def test_without_a_beacon_it_runs_alone_and_a_counted_code_is_not_sent(
    probe: Probe, provider: Any
) -> None:
    status, run, _ = probe()
    assert (status, run["reason"], codes(provider)) == (3, "rate_limited", [])
    assert "no counted code is sent" in run["detail"]
    assert probe("door/page")[0] == 0


@pytest.mark.parametrize("error", ["no such action; there is: status", "the beacon is starting"])
def test_a_beacon_that_does_not_run_it_is_a_reason_to_send_nothing(
    probe: Probe, provider: Any, tmp_path: Path, error: str
) -> None:
    def refuse(_request: object, _by: str) -> dict[str, Any]:
        raise ActionRefused(error)

    server = ControlSocket(tmp_path / "control.sock", {"probe": refuse})
    server.start()
    try:
        status, run, err = probe()
        assert (status, run, codes(provider)) == (3, {}, [])
        assert error in err
        assert probe("door/page")[0] == 0
    finally:
        server.stop(60)


def test_only_who_may_know_the_secrets_is_answered(path: Path) -> None:
    config = load_config(path, {})
    action = ProbeNow(None, lambda: config)  # type: ignore[arg-type]
    with pytest.raises(ActionRefused, match="may have a probe run"):
        action(question(config, "door/sign-in"), "somebody")


@pytest.mark.parametrize(
    "request_",
    [{}, {"endpoint": 17}, {"endpoint": "x" * 300}, {"endpoint": "no/such"}, {"settings": ["a"]}],
)
def test_nonsense_is_refused(
    run_beacon: Callable[[], Running], tmp_path: Path, request_: dict[str, Any]
) -> None:
    run_beacon()
    answer = ask([tmp_path / "control.sock"], {"action": "probe"} | request_)
    assert not answer["ok"]
    assert "internal error" not in answer["error"]


def test_runs_that_hang_leave_others_free_and_are_limited(
    run_beacon: Callable[[], Running], tmp_path: Path, provider: Any, eventually: Any
) -> None:
    beacon = run_beacon()
    provider.free.clear()
    served, answers = [tmp_path / "control.sock"], []

    def hang() -> None:
        answers.append(ask(served, question(beacon.config, "door/page"), 60))

    threads = [threading.Thread(target=hang) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    eventually(lambda: not beacon.probe._free._value, "all of them wait")
    assert ask(served, {"action": "status"})["ok"]
    assert "too many" in ask(served, question(beacon.config, "door/page"))["error"]
    provider.free.set()
    for thread in threads:
        thread.join(60)
    assert [answer["outcome"] for answer in answers] == ["pass"] * AT_ONCE
    assert provider.paths.count("/page") == 1, "all wait for one run"


def test_a_new_configuration_ends_the_waiting(
    run_beacon: Callable[[], Running], tmp_path: Path, provider: Any, eventually: Any
) -> None:
    beacon = run_beacon()
    provider.free.clear()
    answers = []
    asked = question(beacon.config, "door/page")
    thread = threading.Thread(
        target=lambda: answers.append(ask([tmp_path / "control.sock"], asked, 60))
    )
    thread.start()
    eventually(lambda: provider.asked, "it runs")
    fresh = dict(scheduled(beacon.config))
    fresh["door/page"] = replace(fresh["door/page"], timeout=1.0)
    beacon.engine.ask(lambda: beacon.engine.reconfigure(beacon.config.watched, fresh), 60)
    thread.join(60)
    assert "another configuration was taken over" in answers[0]["error"]
    provider.free.set()
