"""What the output says that a run by hand leads to, and that nothing secret is in it."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from beacon.cli.probe_once import in_words, run_alone
from beacon.config.fields import Secret
from beacon.config.schema import Config
from beacon.core.model import Endpoint, Evidence, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.outputs.control.probe import leads_to, run_body, spends


@pytest.fixture
def endpoint_file(tmp_path: Path) -> Config:
    """A configuration of one endpoint, `mfa/it`, with a timeout of 200 ms."""
    path = tmp_path / "beacon.yaml"
    path.write_text(
        "site: soc\nservices:\n- name: mfa\n  endpoints:\n"
        "  - {name: it, type: tcp, host: 127.0.0.1, port: 9, timeout: 200ms}\n"
    )
    return load_config(path, {})


SPEC = Endpoint(
    id="mfa/sign-in",
    service="mfa",
    name="sign-in",
    kind="flow",
    evidence=Evidence.SYMPTOM,
    interval=60.0,
    timeout=30.0,
    failure_threshold=3,
    success_threshold=2,
    retry_interval=30.0,
    stale_after=210.0,
    sign_in=True,
)


@pytest.mark.parametrize(
    ("reason", "changes", "words"),
    [
        (Reason.OK, {}, "up"),
        (Reason.SLOW, {}, "degraded after 3 in a row"),
        (Reason.CERTIFICATE_EXPIRING, {}, "advisory after 3 in a row: it can be planned"),
        (Reason.OWN_CLOCK, {}, "we could not ask; unknown after 3"),
        (Reason.DEADLINE, {}, "down after 3 in a row, re-checked every 30 s; then its cell"),
        (Reason.DEADLINE, {"retry_interval": None}, "down after 3 in a row; then its cell fails"),
        (Reason.DEADLINE, {"failure_threshold": 1}, "down after 1 in a row; then its cell fails"),
        (Reason.SIGN_IN_REJECTED, {"guard_max": 4}, "down after 2, then one attempt every 600 s"),
        (Reason.SIGN_IN_REJECTED, {"guard_max": 4}, "none after 4; if they never passed"),
    ],
)
def test_it_leads_to_what_the_rules_say(
    reason: Reason, changes: dict[str, Any], words: str
) -> None:
    assert words in leads_to(replace(SPEC, **changes), Reading(reason))


@pytest.mark.parametrize(
    ("reason", "unanswered", "words"),
    [
        (Reason.OK, False, "nothing: an accepted sign-in makes"),
        (Reason.CODE_WRONG, False, "one of the 4 attempts that may be rejected"),
        (Reason.DEADLINE, True, "one of the 8 attempts that nobody may answer"),
        (Reason.CONNECT_REFUSED, False, "nothing: no credentials were sent"),
    ],
)
def test_it_says_what_a_run_spends(reason: Reason, unanswered: bool, words: str) -> None:
    assert spends(SPEC, Reading(reason), unanswered=unanswered).startswith(words)


@pytest.mark.parametrize("evidence", Evidence)
def test_every_class_of_evidence_leads_somewhere(evidence: Evidence) -> None:
    assert "; then " in leads_to(replace(SPEC, evidence=evidence), Reading(Reason.DEADLINE))


def printed(reading: Reading, width: int, *notes: str, verbose: bool = False) -> str:
    return in_words(run_body(SPEC, reading, notes, ""), width, verbose=verbose)


def test_long_notes_and_details_are_wrapped_and_phases_aligned() -> None:
    reading = Reading(Reason.OK, "word " * 30, 1.5, (("a-rather-long-step", 1.0), ("b", 0.5)))
    text = printed(reading, 72, "    1.0 ms  " + "note " * 40, verbose=True)
    assert max(map(len, text.splitlines())) <= 72
    assert "  a-rather-long-step   1000.0 ms\n  b                     500.0 ms" in text
    assert "note" not in printed(reading, 72, "note")
    assert printed(Reading(Reason.OK), 0) == "mfa/sign-in: pass  ok"


def alone(
    config: Config, probe: Any, wait: Callable[[float], None] = print, codes: str = ""
) -> Mapping[str, Any]:
    [spec] = config.watched.endpoints
    return run_alone(replace(config, probes={spec.id: probe}), spec, wait, ProbeMemory(), codes)


def test_a_run_that_is_not_allowed_is_shown_as_a_reading(endpoint_file: Config) -> None:
    waited: list[float] = []

    class Refusing:
        def wait(self, _utc: float, _memory: ProbeMemory) -> float:
            raise ProbeFailure(Reason.RATE_LIMITED, "not shared")

    run = alone(endpoint_file, Refusing(), waited.append, "in words")
    assert (run["detail"], run["codes"], run["notes"]) == ("not shared", "in words", [])


def test_what_must_wait_waits_and_its_secrets_are_masked(endpoint_file: Config) -> None:
    waited: list[float] = []

    @dataclass(frozen=True)
    class Forgetful:
        password: Secret

        def wait(self, _utc: float, _memory: ProbeMemory) -> float:
            return 0.0 if waited else 7.0

        def observe(self, run: Run) -> Reading:
            run.note(f"{quoted('canary')} was sent")
            return Reading(Reason.HTTP_STATUS, f"no {quoted('canary')}")

    run = alone(endpoint_file, Forgetful(Secret("canary")), waited.append)
    assert waited == [7.0]
    assert run["detail"] == "no ***"
    assert "*** was sent" in run["notes"][0]


def test_a_run_that_overstays_is_shown_with_its_phase(endpoint_file: Config) -> None:

    class Hanging:
        def wait(self, _utc: float, _memory: ProbeMemory) -> float:
            return 0.0

        def observe(self, run: Run) -> Reading:
            left, right = socket.socketpair()
            with left, right, run.watching(left):
                left.recv(1)
            raise OSError

    assert alone(endpoint_file, Hanging())["reason"] is Reason.DEADLINE


def test_what_a_run_does_past_its_deadline_is_waited_for_and_shown(endpoint_file: Config) -> None:
    class Tidy:
        def wait(self, utc: float, memory: ProbeMemory) -> float:
            return 0.0

        def observe(self, run: Run) -> Reading:
            try:
                run.pause(20.0)
            finally:
                after = run.afterwards(5.0)
                after.hide("hunter2")
                after.pause(0.05)
                after.note(f"signed out {quoted('hunter2')}")
            return Reading(Reason.OK)

    run = alone(endpoint_file, Tidy())
    assert run["reason"] is Reason.DEADLINE
    assert run["notes"][-1].endswith("signed out ***")
