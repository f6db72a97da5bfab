"""When to announce that a service is blind: a flapping uplink of ours is announced twice at most.

Lamps and topics show every change at once; only the announcement waits here.
"""

import math
from dataclasses import dataclass
from typing import Final

from beacon.core.effects import Announcement

LASTING: Final = 60.0
"""Seconds without blindness before that is announced: one full interval of a sign-in."""
AGAIN_WITHIN: Final = 600.0
"""Blind again within so many seconds of "sighted": the next "sighted" waits as long."""


@dataclass(slots=True)
class BlindAnnouncer:
    """One service. Times are monotonic seconds."""

    announced_blind: bool = False
    sighted_at: float | None = None  # when "sighted" was last announced
    damped: bool = False  # it was lost again soon after that
    since: float = math.inf  # since when it sees, without a break

    def update(self, at: float, *, blind: bool, starting: bool) -> Announcement | None:
        """Take in whether it is blind; what to announce, if anything."""
        if blind:
            self.since = math.inf
            return None if self.announced_blind or starting else self._lost(at)
        self.since = min(self.since, at)
        return self._back(at) if at >= self.due else None

    @property
    def due(self) -> float:
        """When it has not been blind for long enough, `inf` if nothing waits."""
        if not self.announced_blind:
            return math.inf
        return self.since + (AGAIN_WITHIN if self.damped else LASTING)

    def _lost(self, at: float) -> Announcement:
        self.announced_blind = True
        self.damped = self.sighted_at is not None and at - self.sighted_at < AGAIN_WITHIN
        return Announcement.BLIND

    def _back(self, at: float) -> Announcement:
        self.announced_blind, self.sighted_at = False, at
        return Announcement.SIGHTED
