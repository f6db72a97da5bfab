"""Runs of sign-ins: ended as the prober ends them, by wrong clocks, and noted without a secret."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from beacon.core.model import Reading
from beacon.engine.clock import Clock, SystemClock
from beacon.engine.redaction import secrets_in
from beacon.engine.run import DeadlinePassed, Run
from tests.probe_memories import MEMORIES


class Skewed(SystemClock):
    """A clock that is ahead by so many seconds; `later`: as many have passed."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead, self.later = ahead, 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.later


class Standing(SystemClock):
    """A clock whose date stands still, in the middle of a step."""

    def __init__(self) -> None:
        self.now = super().utc().replace(second=10)

    def utc(self) -> datetime:
        return self.now


class Leaping(SystemClock):
    """A clock that leaps ahead by so many seconds as soon as something holds."""

    def __init__(self, seconds: float, holds: Callable[[], object]) -> None:
        self.seconds, self.holds = seconds, holds

    def monotonic(self) -> float:
        return super().monotonic() + (self.seconds if self.holds() else 0.0)


class Watched(Run):
    """A run whose notes something else happens at."""

    def __init__(self, budget: float, noted: Callable[[str], object]) -> None:
        super().__init__(SystemClock(), budget, memory=MEMORIES.new())
        self.noted = noted

    def note(self, line: str) -> None:
        super().note(line)
        self.noted(line)


def sign_in(
    probe: Any, budget: float = 60.0, clock: Clock | None = None, run: Run | None = None
) -> tuple[Reading, str]:
    """One run; the reading, and what `-v` would show. Neither tells a secret."""
    run = run or Run(clock or SystemClock(), budget, memory=MEMORIES.of(probe))
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    notes = "\n".join(run.notes)
    text = f"{reading.detail}\n{notes}\n{probe!r}"
    assert not [each for each in ("canary", *secrets_in(probe)) if each in text], text
    return reading, notes
