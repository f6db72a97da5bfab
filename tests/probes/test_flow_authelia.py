"""The recipe of the page for an Authelia portal, as it stands there."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.core.model import Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.flow import Flow
from tests.probe_memories import MEMORIES
from tests.servers.stand_in import PASSWORD, SEED

PAGE = Path(__file__).parents[2] / "docs" / "probes" / "flow.md"


@pytest.fixture
def server(authelia_portal: Callable[..., Any]) -> Any:
    return authelia_portal()


@pytest.fixture
def flow(server: Any, tmp_path: Path) -> Flow:
    """The recipe, pointed at the portal that runs here, with a token of its own."""
    found = re.search(r"### At an Authelia portal\n```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    (tmp_path / "secrets.yaml").write_text(
        f'probe_password: "{PASSWORD}"\nprobe_seed: {SEED}\n', encoding="utf-8"
    )
    (tmp_path / "secrets.yaml").chmod(0o600)
    recipe = found[1].replace("https://auth.example.com", server.url)
    path = tmp_path / "beacon.yaml"
    head = "site: soc\nservices:\n  - name: MFA\n    endpoints:\n"
    path.write_text(head + textwrap.indent(recipe, 6 * " "))
    loaded = load_config(path, {}).probes["mfa/portal"]
    assert isinstance(loaded, Flow)
    return loaded


def once(flow: Flow) -> Reading:
    return Run(SystemClock(), 60.0, memory=MEMORIES.new()).take(flow)


def test_signs_in_with_both_factors_and_out(server: Any, flow: Flow) -> None:
    reading = once(flow)
    assert reading.reason is Reason.OK, reading
    assert [step for step, _ in reading.phases] == ["password", "code", "state"]
    assert server.levels == {}


@pytest.mark.parametrize(
    ("secret", "step"),
    [
        ({"password": Secret("wrong")}, "password"),
        ({"seed": Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")}, "code"),
    ],
)
def test_a_no_to_a_factor_is_a_rejection(
    server: Any, flow: Flow, secret: dict[str, Secret], step: str
) -> None:
    reading = once(replace(flow, secrets={**flow.secrets, **secret}))
    assert (reading.reason, reading.detail.split(":")[0]) == (
        Reason.SIGN_IN_REJECTED,
        f"step {step}",
    )
    assert server.levels == {}


def test_a_session_that_did_not_get_both_factors_is_no_pass(server: Any, flow: Flow) -> None:
    server.reached = 1
    assert once(flow).reason is Reason.EXPECTATION_FAILED
    assert server.levels == {}
