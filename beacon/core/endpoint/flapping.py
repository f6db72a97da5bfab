"""Flapping: a health that changes so often that its changes say nothing; the worst is held.

Only regular readings count. Behind a load balancer with one dead back end every regular try may
fail and every re-check pass.
"""

from dataclasses import dataclass
from typing import Final

from beacon.core.model import SEVERITY, Health

FLAP_READINGS: Final = 21
FLAP_STARTS_ABOVE: Final = 4  # more than 20 % of 20 possible changes

_FLAP_MASK: Final = (1 << FLAP_READINGS) - 1


@dataclass(frozen=True, slots=True)
class Flapping:
    """What is kept while it flaps. Otherwise nothing is: else each fail would cost a write."""

    held: Health  # the worst health since it began
    history: int
    changes_from: int


class FlapDetector:
    """The last regular readings of one endpoint."""

    __slots__ = ("changes_from", "held", "history", "regulars_since_down")

    def __init__(self, kept: Flapping | None = None) -> None:
        self.history = 0  # a bit for each reading, 1: it failed
        self.changes_from = 0  # so many of them there are
        self.regulars_since_down = FLAP_READINGS
        self.held: Health | None = None  # the worst health while it flaps; None: it does not
        if kept is not None:
            self.held, self.history, self.changes_from = kept.held, kept.history, kept.changes_from

    @property
    def kept(self) -> Flapping | None:
        """What must survive a restart."""
        if self.held is None:
            return None
        return Flapping(self.held, self.history, self.changes_from)

    def count(self, *, failed: bool) -> None:
        """Count one regular reading."""
        self.regulars_since_down += 1
        self.history = (self.history << 1 | failed) & _FLAP_MASK
        self.changes_from = min(self.changes_from + 1, FLAP_READINGS)
        possible = max(self.changes_from - 1, 0)  # the first reading is no change
        changes = (self.history ^ self.history >> 1) & (1 << possible) - 1
        count = changes.bit_count()
        if count > FLAP_STARTS_ABOVE and self.held is None:
            recent = self.regulars_since_down < FLAP_READINGS
            self.held = Health.DOWN if recent else Health.DEGRADED
        elif count == 0:  # below 5 % of 20
            self.held = None

    def uncount_fails(self, fails: int) -> None:
        """Take a fail streak back that was ours, and not confirmed."""
        for _ in range(fails):
            if self.history & 1:
                self.history >>= 1
                self.changes_from -= 1

    def hold(self, health: Health) -> None:
        """Hold a health that is worse than what is held."""
        if self.held is not None:
            self.held = max(self.held, health, key=SEVERITY.__getitem__)

    def shown(self, health: Health) -> Health:
        """The health to show: while flapping the worst is held."""
        if self.held is None or health is Health.UNKNOWN:
            return health
        return max(self.held, health, key=SEVERITY.__getitem__)
