"""`beacon probe`: run one endpoint once, and say what the beacon would make of it."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from beacon.config.schema import Config
from beacon.core.endpoint.guard import REJECTIONS_TO_DOWN
from beacon.core.endpoint.state import slow_or
from beacon.core.model import REJECTED, STANDING, Endpoint, Evidence, Outcome, Reading
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.workers import Finished, Workers
from beacon.net.probe_failure import ProbeFailure

TIDYING: Final = 6.0
"""Seconds that a run may take after its deadline, to sign out."""

_FAILED: Final = {
    Evidence.SYMPTOM: "its cell fails: degraded, or outage if no other cell is up",
    Evidence.HEALTH: "its service is degraded; without any symptom it counts as one",
    Evidence.CLAIM: "the vendor admits trouble: advisory, or outage with failing symptoms",
    Evidence.CAUSE: "its service is degraded, and failures that follow are explained by it",
    Evidence.WITNESS: "one of our own eyes fails: if all do, we are blind",
}


@dataclass(frozen=True, slots=True)
class SingleRun:
    """What a run sent and received, its reading, and what the beacon would make of that."""

    endpoint: Endpoint
    reading: Reading
    notes: tuple[str, ...]
    codes: str = ""

    @property
    def leads_to(self) -> str:
        """Say what readings like this lead to."""
        return leads_to(self.endpoint, self.reading)

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        latency, clock = self.reading.latency, self.reading.clock
        return {
            "endpoint": self.endpoint.id,
            "kind": self.endpoint.kind,
            "evidence": self.endpoint.evidence,
            "outcome": self.reading.outcome,
            "reason": self.reading.reason,
            "detail": self.reading.detail or None,
            "latency_ms": None if latency is None else round(latency * 1000, 1),
            "phases_ms": {phase: round(s * 1000, 1) for phase, s in self.reading.phases},
            "clock_offset_ms": None if clock is None else round(clock.offset * 1000, 1),
            "leads_to": self.leads_to,
            "codes": self.codes or None,
            "notes": list(self.notes),
        }

    def text(self, width: int, *, verbose: bool) -> str:
        """Return it in words. `verbose` adds the conversation and what it leads to."""
        reading = self.reading
        lines = [_wrapped(note, width, "", " " * 12) for note in self.notes] if verbose else []
        took = "" if reading.latency is None else f"  {reading.latency * 1000:.1f} ms"
        lines.append(f"{self.endpoint.id}: {reading.outcome}  {reading.reason}{took}")
        if reading.detail:
            lines.append(_wrapped(reading.detail, width, "  ", "  "))
        widest = max((len(phase) for phase, _ in reading.phases), default=0)
        lines += [f"  {phase:<{max(widest, 8)}} {s * 1000:8.1f} ms" for phase, s in reading.phases]
        if verbose:
            lines.append(_wrapped(f"leads to: {self.leads_to}", width, "  ", "    "))
        return "\n".join(lines)


def try_endpoint(
    config: Config,
    endpoint: str,
    wait: Callable[[float], None],
    memory: ProbeMemory,
    codes: str = "",
) -> SingleRun:
    """Run one probe as the daemon would. `wait` is called while it must not run yet.

    `codes` says where used one-time codes are known from.
    """
    spec = next(each for each in config.watched.endpoints if each.id == endpoint)
    probe, clock = config.probes[endpoint], SystemClock()
    try:
        while (held := probe.wait(clock.utc().timestamp(), memory)) > 0:
            wait(held)
    except ProbeFailure as trouble:
        return SingleRun(spec, trouble.reading, (), codes)
    box: Inbox[Finished] = Inbox()
    workers = Workers(clock, box.post)
    workers.start(endpoint, probe, spec.timeout, memory, regular=True)
    task = workers.task(endpoint)
    assert task is not None, "just started"
    came = box.take(spec.timeout)
    found = workers.finish(came[0]) if came else workers.expire(task.run.deadline)[0]
    assert found is not None, "the first result of a run is never late"
    workers.stop(TIDYING)
    return SingleRun(spec, slow_or(found.reading, spec.slow_after), tuple(task.run.notes), codes)


def _wrapped(text: str, width: int, first: str, then: str) -> str:
    wide = max(width, 40)
    return textwrap.fill(text, wide, initial_indent=first, subsequent_indent=then)


def leads_to(spec: Endpoint, reading: Reading) -> str:
    """Say what readings like this lead to (docs/architecture.md)."""
    threshold = spec.failure_threshold
    if reading.reason in REJECTED:
        return (
            f"if these credentials have passed since they were changed: down after "
            f"{REJECTIONS_TO_DOWN}, then one try every {spec.guard_interval:g} s, none after "
            f"{spec.guard_max}; if they never passed: no more tries, blue"
        )
    match reading.outcome:
        case Outcome.PASS:
            return "up"
        case Outcome.WARN:
            if reading.reason in STANDING:
                return f"advisory after {threshold} in a row: it can be planned"
            return f"degraded after {threshold} in a row"
        case Outcome.ERROR:
            return f"nothing by itself: we could not ask; unknown after {threshold} in a row"
        case _:
            retry = spec.retry_interval
            again = "" if retry is None or threshold == 1 else f", re-checked every {retry:g} s"
            return f"down after {threshold} in a row{again}; then {_FAILED[spec.evidence]}"
