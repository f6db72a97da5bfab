"""The action `probe`: the daemon runs one endpoint now, for `beacon probe`.

It is run with the endpoint's memory, its code steps and its guard, and its reading counts as that
of a re-check (ADR 0034). The deciding thread only starts it; a thread of the control socket waits.
"""

import hmac
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from typing import Any, Final

from beacon.config.schema import Config
from beacon.core.account.budget import REJECTIONS_TO_DOWN
from beacon.core.endpoint.latency.slowness import with_slowness
from beacon.core.model import REJECTED, STANDING, Endpoint, Evidence, Outcome, Reading
from beacon.engine.loop import Engine, RunHeld
from beacon.engine.workers import TIDYING
from beacon.outputs import documents
from beacon.outputs.control.actions import ANSWER_WITHIN, text
from beacon.outputs.control.socket import ActionRefused, Answer, user_name

ACTION: Final = "probe"
AT_ONCE: Final = 4
"""Most runs at once that are waited for: the other connections stay free for other questions."""
_CODE_WITHIN: Final = 300.0
"""Seconds in which an unused code comes, also where some endpoints share a token."""

_FAILED: Final = {
    Evidence.SYMPTOM: "its cell fails: degraded, or outage if no other cell is up",
    Evidence.HEALTH: "its service is degraded; without any symptom it counts as one",
    Evidence.CLAIM: "the vendor admits trouble: advisory, or outage with failing symptoms",
    Evidence.CAUSE: "its service is degraded, and failures that follow are explained by it",
    Evidence.WITNESS: "one of our own eyes fails: if all do, we are blind",
}


def reading_within(spec: Endpoint) -> float:
    """Seconds in which a run of this endpoint has a reading."""
    return spec.timeout + ANSWER_WITHIN + (_CODE_WITHIN if spec.sign_in else 0.0)


def answer_within(spec: Endpoint) -> float:
    """Seconds in which the answer comes."""
    return ANSWER_WITHIN + reading_within(spec) + TIDYING + ANSWER_WITHIN


def question(config: Config, endpoint: str) -> dict[str, str]:
    """The request: run this endpoint, as far as its settings and secrets are those we read."""
    salt = secrets.token_hex(16)
    settings = _print_of(config, endpoint, salt)
    return {"action": ACTION, "endpoint": endpoint, "salt": salt, "settings": settings}


def _print_of(config: Config, endpoint: str, salt: str) -> str:
    """A hash of all that is written for an endpoint, secrets too; the same for the same salt."""
    written = config.written.get(endpoint, "").encode("utf-8", "surrogatepass")
    return hmac.digest(salt.encode(), written, "sha256").hex()


class ProbeNow:
    """Runs an endpoint when it is asked to. `config` is the configuration in use.

    For those alone who may know the secrets, root and our own user: who sends a hash of settings
    learns whether they are right.
    """

    def __init__(self, engine: Engine, config: Callable[[], Config]) -> None:
        self._engine, self._config = engine, config
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._allowed = sorted({"root", user_name(os.getuid())})

    def __call__(self, request: Mapping[str, Any], by: str) -> Answer:
        """Run it, or wait for the run that goes on; the answer is what `run_body` makes of it."""
        if by not in self._allowed:
            raise ActionRefused(f"only {' and '.join(self._allowed)} may have a probe run")
        name, config = text(request, "endpoint"), self._config()
        spec = next((e for e in config.watched.endpoints if e.id == name), None)
        known = _print_of(config, name, text(request, "salt"))
        if spec is None or text(request, "settings") != known:
            raise ActionRefused(
                f"the beacon that runs here has other settings for {name}, or none: make it read "
                "the configuration first (systemctl reload mfa-beacon)"
            )
        if not self._free.acquire(blocking=False):
            raise ActionRefused("too many probes are run by hand; try again")
        try:
            return self._run(spec)
        finally:
            self._free.release()

    def _run(self, spec: Endpoint) -> Answer:
        try:
            asked = self._engine.ask(lambda: self._engine.run_now(spec.id), ANSWER_WITHIN)
        except LookupError:
            raise ActionRefused(f"the beacon that runs here does not run {spec.id}") from None
        except RunHeld as held:
            raise ActionRefused(_held(spec.id, held.seconds)) from None
        try:
            came = asked.result(reading_within(spec))
        except CancelledError:
            raise ActionRefused("another configuration was taken over; try again") from None
        notes = came.task.notes() if came.task else ()
        codes = "used codes are known to the beacon that runs here" if spec.sign_in else ""
        unanswered = came.task is not None and came.task.run.unanswered
        return run_body(spec, came.reading, notes, codes, unanswered=unanswered)


def _held(endpoint: str, seconds: float) -> str:
    if seconds == float("inf"):
        return (
            f"{endpoint} was rejected and is stopped, so that the account is not locked: mend it, "
            f"then `beacon resume {endpoint}`"
        )
    return (
        f"{endpoint} was rejected: it is tried again in {seconds:.0f} s, not before, so that the "
        "account is not locked"
    )


def run_body(
    spec: Endpoint,
    reading: Reading,
    notes: Iterable[str],
    codes: str,
    *,
    unanswered: bool = False,
) -> dict[str, Any]:
    """One run as a document. `codes` says where used one-time codes are known from."""
    reading = with_slowness(reading, spec.slow_after)
    clock = reading.clock
    return {
        "endpoint": spec.id,
        "kind": spec.kind,
        "evidence": spec.evidence,
        **documents.reading(reading),
        "phases_ms": {phase: round(s * 1000, 1) for phase, s in reading.phases},
        "clock_offset_ms": None if clock is None else round(clock.offset * 1000, 1),
        "leads_to": leads_to(spec, reading),
        "spends": spends(spec, reading, unanswered=unanswered) if spec.accounts else None,
        "codes": codes or None,
        "notes": list(notes),
    }


def spends(spec: Endpoint, reading: Reading, *, unanswered: bool) -> str:
    """Say what a run spends of its account's budget (docs/probes/sign-ins.md)."""
    if reading.outcome in (Outcome.PASS, Outcome.WARN):
        return "nothing: an accepted sign-in makes the account's budget whole again"
    if reading.reason in REJECTED:
        return f"one of the {spec.guard_max} attempts that may be rejected"
    if unanswered:
        return f"one of the {2 * spec.guard_max} attempts that nobody may answer"
    return "nothing: no credentials were sent, or the server answered"


def leads_to(spec: Endpoint, reading: Reading) -> str:
    """Say what readings like this lead to (docs/architecture.md)."""
    threshold = spec.failure_threshold
    if reading.reason in REJECTED:
        return (
            f"if these credentials have passed since they were changed: down after "
            f"{REJECTIONS_TO_DOWN}, then one attempt every {spec.guard_interval:g} s, none after "
            f"{spec.guard_max}; if they never passed: no more attempts, blue"
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
