"""A sign-in in named steps: how long each took, which one failed, and what may be told of it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from beacon.core.model import Reading, Reason
from beacon.engine.mask import HIDDEN
from beacon.engine.run import DeadlinePassed, Run
from beacon.engine.text_pattern import TextPattern
from beacon.transport.trouble import Trouble, one_line, timed

SIGN_OUT_BUDGET: Final = 5.0
"""Seconds that signing out may take after the deadline."""

_WORDS: Final = 120
_DIGITS: Final = TextPattern(r"\d{4,}")  # in foreign words they may be somebody's code


class Steps:
    """The steps of one run, in the order they were begun."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._spent: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """While inside it is this step that goes wrong: the `Trouble` says so."""
        began = self._run.elapsed()
        self._run.note(f"step {name}")
        try:
            yield
        except Trouble as trouble:
            reading = trouble.reading
            raise Trouble(reading.reason, f"{name}: {reading.detail}") from None
        finally:
            self._spent.append((name, self._run.elapsed() - began))

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
            with contextlib.suppress(Trouble, DeadlinePassed):
                leave(run)
            raise

    def told(self, reading: Reading) -> Reading:
        """The reading, masked and timed, with the seconds of each step as its phases."""
        found = timed(self._run, self._run.masked(reading))
        return replace(found, phases=tuple(self._spent))


def quoted(run: Run, words: object) -> str:
    """What a server says in words, on one short line; nothing where it says nothing.

    Masked before it is cut: half a password is one, too.
    """
    if not isinstance(words, str):
        return ""
    masked = run.masked(Reading(Reason.OK, one_line(words, len(words)))).detail
    return one_line(_DIGITS.sub(HIDDEN, masked), _WORDS)
