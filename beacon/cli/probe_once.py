"""`beacon probe`: one run of one endpoint, by the beacon that runs here, else by this process."""

import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from beacon.config.schema import Config
from beacon.core.model import Endpoint
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.workers import Finished, Workers
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import Ledger
from beacon.outputs.control.probe import answer_within, question, run_body
from beacon.outputs.control.socket import NoBeacon, NotAllowed, NotAnswering, ask
from beacon.outputs.history.left_book import left_ledger

_QUIET: Final = 2.0
"""Seconds after which the user sees what is waited for."""

Body = Mapping[str, Any]


class ProbeRefused(Exception):
    """The beacon that runs here does not run this sign-in; the message says why."""


def probe_once(
    config: Config,
    spec: Endpoint,
    *,
    sockets: Sequence[Path],
    state: Path,
    tell: Callable[[str], object],
    wait: Callable[[float], None],
) -> Body:
    """Let the beacon that runs here run it, else run it alone. Raises `ProbeRefused`.

    A sign-in runs alone only where no beacon runs: two might send one code, or lock the account.
    """
    waiting = "the beacon that runs here makes the run; a sign-in may wait for an unused code"
    patient = threading.Timer(_QUIET, tell, (waiting,))
    patient.daemon = True
    patient.start()
    try:
        return _asked(sockets, question(config, spec.id), answer_within(spec))
    except ProbeRefused as refused:
        if spec.sign_in:
            raise
        tell(f"{refused}; it is run without that beacon")
    except NoBeacon:
        pass
    finally:
        patient.cancel()
    ledger, codes = left_ledger(state) if spec.sign_in else (Ledger(), "")
    return run_alone(config, spec, wait, ProbeMemory({Ledger: ledger}), codes)


def _asked(sockets: Sequence[Path], request: Body, timeout: float) -> Body:
    """The run by the beacon that runs here. Raises `ProbeRefused`, and `NoBeacon` if none does."""
    try:
        answer = ask(sockets, request, timeout)
    except (NotAllowed, NotAnswering) as why:
        raise ProbeRefused(str(why)) from None
    if not answer.pop("ok"):
        raise ProbeRefused(answer["error"])
    return answer


def run_alone(
    config: Config,
    spec: Endpoint,
    wait: Callable[[float], None],
    memory: ProbeMemory,
    codes: str = "",
) -> Body:
    """Run one probe as the daemon would. `wait` is called while it must not run yet."""
    probe, clock = config.probes[spec.id], SystemClock()
    try:
        while (held := probe.wait(clock.utc().timestamp(), memory)) > 0:
            wait(held)
    except ProbeFailure as trouble:
        return run_body(spec, trouble.reading, (), codes)
    box: Inbox[Finished] = Inbox()
    workers = Workers(clock, box.post)
    workers.start(spec.id, probe, spec.timeout, memory, regular=True)
    task = workers.task(spec.id)
    assert task is not None, "just started"
    came = box.take(spec.timeout)
    found = workers.finish(came[0]) if came else workers.expire(task.run.deadline)[0]
    assert found is not None, "the first result of a run is never late"
    notes = task.notes()
    workers.stop(0.0)
    return run_body(spec, found.reading, notes, codes, unanswered=task.run.unanswered)


def in_words(run: Body, width: int, *, verbose: bool) -> str:
    """The run in words. `verbose` adds the conversation and what it leads to."""
    lines = [_wrapped(note, width, "", " " * 12) for note in run["notes"]] if verbose else []
    took = "" if run["latency_ms"] is None else f"  {run['latency_ms']:.1f} ms"
    lines.append(f"{run['endpoint']}: {run['outcome']}  {run['reason']}{took}")
    if run["detail"]:
        lines.append(_wrapped(run["detail"], width, "  ", "  "))
    widest = max((len(phase) for phase in run["phases_ms"]), default=0)
    lines += [f"  {phase:<{max(widest, 8)}} {ms:8.1f} ms" for phase, ms in run["phases_ms"].items()]
    if verbose:
        lines.append(_wrapped(f"leads to: {run['leads_to']}", width, "  ", "    "))
    if verbose and run["spends"]:
        lines.append(_wrapped(f"spends: {run['spends']}", width, "  ", "    "))
    return "\n".join(lines)


def _wrapped(text: str, width: int, first: str, then: str) -> str:
    wide = max(width, 40)
    return textwrap.fill(text, wide, initial_indent=first, subsequent_indent=then)
