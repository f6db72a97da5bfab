"""`flow` at a real form portal (Canaille), as its page says; then broken on purpose."""

import re
import signal
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from beacon.config.fields import Secret
from beacon.core.model import Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.flow import Flow
from tests.probe_memories import MEMORIES
from tests.probes.runs import Watched, sign_in

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "probes" / "flow.md"
RED = {"red": "fast"}


def example() -> str:
    """The endpoint of the page, as people copy it."""
    found = re.search(r"```yaml\n(- name: portal\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def flow(portal: Any, tmp_path: Path, eventually: Callable[..., None]) -> Flow:
    """The example, pointed at the portal that runs here; its token was used long ago."""
    (tmp_path / "secrets.yaml").write_text(
        f'probe_password: "{portal.password}"\nprobe_seed: {portal.seed}\n'
    )
    (tmp_path / "secrets.yaml").chmod(0o600)
    text = example().replace("https://portal.example.com", portal.url)
    path = tmp_path / "beacon.yaml"
    head = "site: soc\nservices:\n  - name: MFA\n    endpoints:\n"
    path.write_text(head + textwrap.indent(text, 6 * " "))
    loaded = load_config(path, {}).probes["mfa/portal"]
    assert isinstance(loaded, Flow)
    eventually(lambda: time.time() % 30 < 27, "a step that does not end at once")
    return loaded


def test_the_example_signs_in_and_out(portal: Any, flow: Flow) -> None:
    reading, notes = sign_in(flow)
    assert (reading.reason, reading.detail) == (Reason.OK, "4 steps"), notes
    assert [name for name, _ in reading.phases] == ["page", "user", "password", "code"]
    assert "Successful OTP authentication for beacon-probe" in portal.log
    assert re.search(r"step sign-out\n.*GET .*/logout\n.*302 redirect", notes), "and out"


def test_the_database_is_gone_while_its_pages_are_well(
    portal: Any, flow: Flow, shown: Callable[..., Any]
) -> None:
    with portal.broken_database():
        assert requests.get(f"{portal.url}/login", timeout=5).status_code == 200
        discovery = f"{portal.url}/.well-known/openid-configuration"
        assert requests.get(discovery, timeout=5).status_code == 200
        reading, _ = sign_in(flow)
    assert (reading.reason, reading.detail) == (
        Reason.HTTP_STATUS,
        "step user: status 500, expected 2xx",
    )
    health = """
    - {name: discovery, type: http, url: "https://portal.example.com/.well-known"}
    """
    after = shown(example() + textwrap.dedent(health), {"portal": reading})
    assert (after.verdict, after.lamps) == ("outage", RED), "whatever its health page says"


def test_only_the_code_fails_where_nothing_can_be_written(portal: Any, flow: Flow) -> None:
    with portal.read_only_database():
        reading, _ = sign_in(flow)
    assert reading.reason is Reason.HTTP_STATUS
    assert reading.detail == "step code: status 500, expected 2xx"
    assert [name for name, _ in reading.phases] == ["page", "user", "password", "code"]


def test_a_wrong_password(portal: Any, flow: Flow) -> None:
    secrets = {**flow.secrets, "password": Secret("canary of another")}
    reading, notes = sign_in(replace(flow, secrets=secrets))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "step password: rejected with status 200"
    assert "step code" not in notes
    assert "step sign-out" in notes, "clean-up after a rejection"


def test_a_wrong_code(portal: Any, flow: Flow) -> None:
    reading, _ = sign_in(replace(flow, secrets={**flow.secrets, "seed": Secret("A" * 32)}))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "step code: rejected with status 200"


def test_a_wrong_code_on_purpose_is_refused_and_costs_nothing(portal: Any, flow: Flow) -> None:
    assert flow.controllable
    run = Run(SystemClock(), 60.0, memory=MEMORIES.of(flow))
    run.wrong_code = True
    assert sign_in(flow, run=run)[0].detail == "step code: rejected with status 200"
    assert sign_in(flow)[0].reason is Reason.OK


def test_a_token_that_was_deleted(portal: Any, flow: Flow) -> None:
    with portal.deleted_token():
        reading, notes = sign_in(flow)
    assert reading.reason is Reason.EXPECTATION_FAILED, notes
    assert reading.detail.startswith("step password: body")
    assert "step code" not in notes, "no code for a page that offers a new token"


def test_clean_up_is_tried_past_the_deadline(
    portal: Any, flow: Flow, eventually: Callable[..., None]
) -> None:
    def hang(line: str) -> None:
        if line == "step code":
            portal.signal(signal.SIGSTOP)
            run.deadline = run.clock.monotonic() + 2.0

    run = Watched(60.0, hang)

    def wake() -> None:
        eventually(lambda: any("step sign-out" in note for note in run.notes))
        portal.signal(signal.SIGCONT)

    waking = threading.Thread(target=wake)
    waking.start()
    reading, notes = sign_in(flow, run=run)
    waking.join(60)
    assert reading.reason is Reason.DEADLINE
    assert re.search(r"step sign-out\n.*GET .*/logout\n.*302 redirect", notes), notes
