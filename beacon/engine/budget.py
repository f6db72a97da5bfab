"""How many bytes of answers runs may hold: each run, and all of them together.

The reader of an answer limits that answer; this limits what many large ones add up to.
"""

import itertools
import logging
from typing import Final
from weakref import WeakSet

log = logging.getLogger(__name__)

RUN_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of answers of one run."""

ALL_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of answers of all runs together."""


class TooMuchHeld(Exception):
    """The limit is reached. `ours`: because of what other runs hold."""

    def __init__(self, words: str, *, ours: bool) -> None:
        super().__init__(words)
        self.words, self.ours = words, ours


class Holder:
    """The bytes that one run holds."""

    def __init__(self, budget: "Budget") -> None:
        self._budget = budget
        self.held = 0

    def hold(self, size: int) -> None:
        """Add this many bytes. Raises `TooMuchHeld`."""
        self.held += size
        self._budget.check(self)

    def let_go(self) -> None:
        """Hold nothing any more: the run is over."""
        self.held = 0


class Budget:
    """The bytes that all runs hold. Thread-safe: each step is one operation of the interpreter."""

    def __init__(self, one: int = RUN_LIMIT, together: int = ALL_LIMIT) -> None:
        self._one, self._together = one, together
        self._holders: WeakSet[Holder] = WeakSet()
        self._refused = itertools.count(1)

    def holder(self) -> Holder:
        """Return the holder of a new run."""
        holder = Holder(self)
        self._holders.add(holder)
        return holder

    def check(self, holder: Holder) -> None:
        """Raises `TooMuchHeld`."""
        if holder.held > self._one:
            words = f"the answers of one run are longer than {self._one >> 20} MiB together"
            raise TooMuchHeld(words, ours=False)
        if sum(each.held for each in list(self._holders)) > self._together:
            number = next(self._refused)
            if str(number).strip("0") == "1":
                log.warning(
                    "all runs together hold %d MiB: an answer was not read (%d so far)",
                    self._together >> 20,
                    number,
                )
            words = f"all runs together hold more than {self._together >> 20} MiB"
            raise TooMuchHeld(words, ours=True)


BUDGET: Final = Budget()
"""The budget of this process."""
