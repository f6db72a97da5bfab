"""`flow` at a real form portal (Canaille), as its page says; then broken on purpose."""

import re
import signal
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from beacon.config.fields import Secret
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.probes.flow import Flow
from tests.probe_memories import MEMORIES

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "probes" / "flow.md"
RED = {"red": "fast"}
RED_AND_STOPPED = {"red": "fast", "blue": "steady"}


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


def sign_in(flow: Flow, run: Run | None = None) -> tuple[Reading, str]:
    """One run, and all that was told in it; nothing of it is secret."""
    run = run or Run(SystemClock(), 60.0, memory=MEMORIES.of(flow))
    try:
        reading = run.take(flow)
    except DeadlinePassed:
        reading = run.overstayed()
    told = "\n".join(run.notes) + reading.detail
    for hidden in ("canary", "p%26ss", *(each.reveal() for each in flow.secrets.values())):
        assert hidden not in told
    return reading, told


def changed(flow: Flow, **settings: Any) -> Flow:
    return replace(flow, **settings)


class Skewed(SystemClock):
    """A clock that is ahead by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)


class Watched(Run):
    """A run whose notes something else happens at."""

    def __init__(self, budget: float, noted: Callable[[str], None]) -> None:
        super().__init__(SystemClock(), budget, memory=MEMORIES.new())
        self.noted = noted

    def note(self, line: str) -> None:
        super().note(line)
        self.noted(line)


def test_the_example_signs_in_and_out(portal: Any, flow: Flow, shown: Callable[..., Any]) -> None:
    reading, told = sign_in(flow)
    assert (reading.reason, reading.detail) == (Reason.OK, "4 steps"), told
    assert [name for name, _ in reading.phases] == ["page", "user", "password", "code"]
    assert "Successful OTP authentication for beacon-probe" in portal.log
    assert re.search(r"step sign-out\n.*GET .*/logout\n.*302 redirect", told), "and out"
    after = shown(example(), {"portal": reading})
    assert (after.verdict, after.lamps, after.shallow) == ("ok", {"green": "steady"}, False)


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


def test_only_the_code_fails_where_nothing_can_be_written(
    portal: Any, flow: Flow, shown: Callable[..., Any]
) -> None:
    with portal.read_only_database():
        reading, _ = sign_in(flow)
    assert reading.reason is Reason.HTTP_STATUS
    assert reading.detail == "step code: status 500, expected 2xx"
    assert [name for name, _ in reading.phases] == ["page", "user", "password", "code"]
    assert shown(example(), {"portal": reading}).lamps == RED


def test_a_wrong_password(portal: Any, flow: Flow, shown: Callable[..., Any]) -> None:
    secrets = {**flow.secrets, "password": Secret("canary of another")}
    reading, told = sign_in(changed(flow, secrets=secrets))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "step password: rejected with status 200"
    assert "step code" not in told
    assert "step sign-out" in told, "clean-up after a rejection"
    known = shown(example(), {"portal": reading})
    assert (known.verdict, known.lamps) == ("outage", RED_AND_STOPPED)
    never = shown(example(), {"portal": reading}, proven=False)
    assert (never.verdict, never.lamps) == ("blind", {"white": "steady", "blue": "steady"})


def test_a_wrong_code(portal: Any, flow: Flow, shown: Callable[..., Any]) -> None:
    reading, _ = sign_in(changed(flow, secrets={**flow.secrets, "seed": Secret("A" * 32)}))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "step code: rejected with status 200"
    assert shown(example(), {"portal": reading}).lamps == RED_AND_STOPPED


@pytest.mark.parametrize("ahead", [20.0, 45.0, 300.0])
def test_a_clock_that_is_ahead(
    portal: Any, flow: Flow, shown: Callable[..., Any], ahead: float
) -> None:
    begun, clock = time.time(), Skewed(ahead)
    reading, _ = sign_in(flow, Run(clock, 20.0, memory=MEMORIES.of(flow)))
    ended = time.time()
    same = {int((moment + ahead) // 30) == int(moment // 30) for moment in (begun, ended)}
    if same == {True}:
        assert reading.reason is Reason.OK, "20 s ahead early in a step"
        return
    if same == {False}:
        assert reading.reason is Reason.SIGN_IN_REJECTED, "it takes codes of the present step only"
    rejected = Reading(Reason.SIGN_IN_REJECTED, reading.detail)
    ntp = "- {name: clock, type: ntp, servers: [127.0.0.1]}\n"
    known = shown(example() + ntp, {"portal": rejected, "clock": Reading(Reason.OWN_CLOCK)})
    assert (known.verdict, known.lamps) == ("blind", {"white": "steady"})


def test_a_token_that_was_deleted(portal: Any, flow: Flow, shown: Callable[..., Any]) -> None:
    with portal.deleted_token():
        reading, told = sign_in(flow)
    assert reading.reason is Reason.EXPECTATION_FAILED, told
    assert reading.detail.startswith("step password: body")
    assert "step code" not in told, "no code for a page that offers a new token"
    after = shown(example(), {"portal": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


def test_a_server_that_hangs_after_the_first_factor(
    portal: Any, flow: Flow, shown: Callable[..., Any]
) -> None:
    def hang(line: str) -> None:
        if line == "step code":
            portal.signal(signal.SIGSTOP)
            run.deadline = run.clock.monotonic() + 2.0

    run = Watched(60.0, hang)
    reading, told = sign_in(changed(flow, clean_up=()), run)
    assert reading.reason is Reason.DEADLINE, told
    assert re.fullmatch(r"no answer within [\d.]+ s \(phase wait\)", reading.detail)
    after = shown(example(), {"portal": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


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
    reading, told = sign_in(flow, run)
    waking.join(60)
    assert reading.reason is Reason.DEADLINE
    assert re.search(r"step sign-out\n.*GET .*/logout\n.*302 redirect", told), told


def test_a_certificate_that_has_expired(
    nginx: Any, ca_file: str, flow: Flow, shown: Callable[..., Any]
) -> None:
    variables = {**flow.variables, "portal": nginx.https("expired")}
    reading, _ = sign_in(changed(flow, variables=variables, tls=replace(flow.tls, ca=ca_file)))
    assert reading.reason is Reason.TLS_EXPIRED
    assert reading.detail.startswith("step page: ")
    assert shown(example(), {"portal": reading}).lamps == RED


def test_two_runs_in_one_step_send_one_code(
    portal: Any, flow: Flow, shown: Callable[..., Any]
) -> None:
    before = portal.log.count("OTP authentication for beacon-probe")
    assert sign_in(flow)[0].reason is Reason.OK
    assert flow.wait(time.time(), MEMORIES.of(flow)) > 0, "the schedule would not begin it now"
    again, told = sign_in(flow)
    if int(time.time() // 30) == int((time.time() - 5) // 30):
        assert (again.reason, again.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
        assert "step sign-out" in told, "who came that far is signed out all the same"
        assert portal.log.count("OTP authentication for beacon-probe") == before + 1
    after = shown(example(), {"portal": Reading(Reason.RATE_LIMITED)})
    assert (after.verdict, after.lamps) == ("blind", {"white": "steady"})


def test_a_sign_out_that_fails_changes_nothing_but_words(portal: Any, flow: Flow) -> None:
    (sign_out,) = flow.clean_up
    nowhere = type(sign_out.url).parse("{{ variables.portal }}/nowhere")
    reading, _ = sign_in(changed(flow, clean_up=(replace(sign_out, url=nowhere),)))
    assert reading.reason is Reason.OK
    assert reading.detail == "4 steps; clean-up: step sign-out: status 404, expected 2xx"
