"""A sign-in in named steps: how long each took, which one failed, and signing out afterwards."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from beacon.engine.run import DeadlinePassed, Run
from beacon.net.probe_failure import ProbeFailure

SIGN_OUT_BUDGET: Final = 5.0
"""Seconds that signing out may take after the deadline."""


@contextlib.contextmanager
def step(run: Run, name: str) -> Iterator[None]:
    """Inside, a `ProbeFailure` names this step."""
    began = run.elapsed()
    run.note(f"step {name}")
    try:
        yield
    except ProbeFailure as failure:
        reading = failure.reading
        raise ProbeFailure(reading.reason, f"{name}: {reading.detail}") from None
    finally:
        run.steps.append((name, run.elapsed() - began))


@contextlib.contextmanager
def signing_out(run: Run, leave: Callable[[Run], object]) -> Iterator[None]:
    """Inside, somebody is signed in: `leave` signs them out if the deadline passes.

    By then the run has its reading: signing out delays nobody, and a failure is only noted.
    """
    try:
        yield
    except DeadlinePassed:
        after = run.afterwards(SIGN_OUT_BUDGET)
        after.note("past the deadline: signing out")
        with contextlib.suppress(ProbeFailure, DeadlinePassed):
            leave(after)
        raise
