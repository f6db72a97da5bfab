"""Readings in a row, and fails among the last six: what thresholds are compared with.

A threshold alone would miss what fails now and then: four fails of the last six count as much.
"""

from dataclasses import dataclass
from typing import Final

from beacon.core.model import Moment, Reading

WINDOW: Final = 6
WINDOW_FAILS: Final = 4

WINDOW_MASK: Final = (1 << WINDOW) - 1


def frequent(window: int) -> bool:
    """Whether four of the last six have their bit in this window."""
    return window.bit_count() >= WINDOW_FAILS


@dataclass(frozen=True, slots=True)
class Onset:
    """How trouble began: the first failing reading, and the TTL (seconds) seen before it."""

    at: Moment
    reading: Reading
    ttl: float | None = None


@dataclass(slots=True)
class Streaks:
    """The latest readings of one endpoint. A window has a bit for each, 1: it failed or warned."""

    fails: int = 0
    first: Onset | None = None  # the first of the last fails in a row
    latest: tuple[Onset, ...] = ()  # the last fails, in a row or not
    good: int = 0  # passed, or passed with a warning
    clean: int = 0  # passed without a warning
    troubled: int = 0  # failed, or passed with a warning
    unplanned: int = 0  # so, and not for something that can be planned for
    window: int = 0
    window_regular: int = 0
    window_troubled: int = 0
    window_unplanned: int = 0

    def count_fail(self, onset: Onset) -> None:
        """Count a reading that failed, and may be how trouble begins."""
        if not self.fails:
            self.first = onset
        self.latest = (*self.latest, onset)[-WINDOW:]
        self.fails += 1
        self.good = self.clean = 0
        self.window = (self.window << 1 | 1) & WINDOW_MASK
        self._count_trouble(troubled=True, unplanned=True)

    def count_good(self, *, warned: bool, planned: bool) -> None:
        """Count a reading that passed. `planned`: it warns of something that can be planned for."""
        self.fails = 0
        self.good += 1
        self.clean = 0 if warned else self.clean + 1
        self.window = self.window << 1 & WINDOW_MASK
        self._count_trouble(troubled=warned, unplanned=warned and not planned)

    def _count_trouble(self, *, troubled: bool, unplanned: bool) -> None:
        self.troubled = self.troubled + 1 if troubled else 0
        self.unplanned = self.unplanned + 1 if unplanned else 0
        self.window_troubled = (self.window_troubled << 1 | troubled) & WINDOW_MASK
        self.window_unplanned = (self.window_unplanned << 1 | unplanned) & WINDOW_MASK

    def count_regular(self, *, failed: bool) -> None:
        """Count a regular reading once more: between re-checks that pass, all of them may fail."""
        self.window_regular = (self.window_regular << 1 | failed) & WINDOW_MASK

    def come_back(self) -> None:
        """It is up or degraded again: repetition is the flap detector's."""
        self.window = self.window_regular = 0

    def come_up(self) -> None:
        """It is up: warnings of before count no more."""
        self.window_troubled = self.troubled = 0

    def onset(self, threshold: int) -> Onset | None:
        """The first of the fails that are enough: of those in a row, else of the last six."""
        if self.fails >= threshold or not self.often:
            return self.first
        return self.latest[-self.often :][0]

    @property
    def lately(self) -> int:
        """How many of the last six failed, of all or of the regular ones."""
        return max(self.window.bit_count(), self.window_regular.bit_count())

    @property
    def often(self) -> int:
        """How many of the last six failed, if that is often; else 0."""
        return self.lately if self.lately >= WINDOW_FAILS else 0

    def enough_fails(self, threshold: int) -> bool:
        """Whether it fails often enough to be down."""
        return self.fails >= threshold or self.often > 0

    def enough_warns(self, threshold: int) -> bool:
        """Whether it warns often enough to be degraded."""
        often = self.troubled >= threshold or frequent(self.window_troubled)
        return self.troubled > 0 and often

    def enough_unplanned(self, threshold: int) -> bool:
        """Whether it is troubled often enough by what cannot be planned for."""
        return self.unplanned >= threshold or frequent(self.window_unplanned)
