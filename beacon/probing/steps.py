"""A sign-in in named steps: how long each took, which one failed, and signing out afterwards."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from beacon.engine.run import DeadlinePassed, Run
from beacon.net.probe_failure import ProbeFailure

SIGN_OUT_BUDGET: Final = 5.0
"""Seconds that signing out may take after the deadline."""


class Steps:
    """The steps of one run, in the order they were begun."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """While inside it is this step that goes wrong: the `ProbeFailure` says so."""
        began = self._run.elapsed()
        self._run.note(f"step {name}")
        try:
            yield
        except ProbeFailure as trouble:
            reading = trouble.reading
            raise ProbeFailure(reading.reason, f"{name}: {reading.detail}") from None
        finally:
            self._run.steps.append((name, self._run.elapsed() - began))

    @contextlib.contextmanager
    def signing_out(self, leave: Callable[[Run], object]) -> Iterator[None]:
        """While inside somebody is signed in: `leave` signs them out if the deadline passes.

        The reading is given by then: it takes nobody's time, and what comes of it is only noted.
        """
        try:
            yield
        except DeadlinePassed:
            run = self._run.afterwards(SIGN_OUT_BUDGET)
            run.note("past the deadline: signing out")
            with contextlib.suppress(ProbeFailure, DeadlinePassed):
                leave(run)
            raise
