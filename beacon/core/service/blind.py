"""When to announce that a service is blind: a flapping uplink of ours is announced twice at most.

Lamps and topics show every change at once; only the announcement waits here.
"""

import math
from dataclasses import dataclass
from typing import Final

from beacon.core.effects import Announcement
from beacon.core.model import Moment

LASTING: Final = 60.0
"""Seconds without blindness before that is announced: one full interval of a sign-in."""
AGAIN_WITHIN: Final = 600.0
"""Blind again within so many seconds of "sighted": the next "sighted" waits as long."""


@dataclass(frozen=True, slots=True)
class BlindKept:
    """What survives a restart: what was announced."""

    announced: bool = False  # that it is blind
    sighted_at: Moment | None = None  # when "sighted" was last announced
    damped: bool = False  # it was lost again soon after that


NOTHING_ANNOUNCED: Final = BlindKept()


class BlindAnnouncer:
    """One service. Times are monotonic seconds."""

    def __init__(self, kept: BlindKept = NOTHING_ANNOUNCED) -> None:
        self.kept = kept
        self._since = math.inf  # since when it sees, without a break

    def update(self, at: Moment, *, blind: bool, starting: bool) -> Announcement | None:
        """Take in whether it is blind; what to announce, if anything."""
        if blind:
            self._since = math.inf
            return None if self.kept.announced or starting else self._lost(at)
        self._since = min(self._since, at)
        return self._back(at) if at >= self.due else None

    @property
    def due(self) -> float:
        """When it has not been blind for long enough, `inf` if nothing waits."""
        if not self.kept.announced:
            return math.inf
        return self._since + (AGAIN_WITHIN if self.kept.damped else LASTING)

    def _lost(self, at: Moment) -> Announcement:
        sighted_at = self.kept.sighted_at
        damped = sighted_at is not None and at - sighted_at < AGAIN_WITHIN
        self.kept = BlindKept(announced=True, damped=damped)
        return Announcement.BLIND

    def _back(self, at: Moment) -> Announcement:
        self.kept = BlindKept(sighted_at=at)
        return Announcement.SIGHTED
