"""When the buzzer may sound: quiet hours, an operator's silence, and a budget for the hour.

A new red sounds even while an operator silences the buzzer; only quiet hours hold it back.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from beacon.core.indication import Sound
from beacon.core.model import RANK, RED, Verdict

OPENINGS_WITHIN: Final = 60.0
BUDGET: Final = 6
BUDGET_WITHIN: Final = 3600.0


@dataclass(slots=True)
class BuzzerPolicy:
    """The buzzer's manners: what may sound now, and what is swallowed."""

    quiet: bool = False  # quiet hours: light only
    silent_until: float = -math.inf
    swallowed: int = 0
    opened_at: float = -math.inf  # when an opening last sounded, and how bad it was
    opened_rank: int = -1
    spent: deque[float] = field(default_factory=deque)

    def opening(self, verdict: Verdict, at: float) -> Sound | None:
        """Say that an incident opened, escalated or relapsed: within 60 s once, at the worst."""
        rank = RANK[verdict]
        if at - self.opened_at < OPENINGS_WITHIN and rank <= self.opened_rank:
            return None
        red = verdict in RED
        sound = self._allowed(Sound.THREE_PULSES if red else Sound.CHIRP, at, always=red)
        if sound is not None:
            self.opened_at, self.opened_rank = at, rank
        return sound

    def join_no_more(self) -> None:
        """Let the next opening sound, however soon it comes."""
        self.opened_at = -math.inf

    def remind(self, sound: Sound, at: float) -> Sound | None:
        """Say something that may be swallowed: a chirp or a re-alarm."""
        return self._allowed(sound, at)

    def _allowed(self, sound: Sound, at: float, *, always: bool = False) -> Sound | None:
        if self.quiet:
            return None
        if always:
            return sound
        if at < self.silent_until:
            return None
        while self.spent and at - self.spent[0] >= BUDGET_WITHIN:
            self.spent.popleft()
        if len(self.spent) >= BUDGET:
            self.swallowed += 1
            return None
        self.spent.append(at)
        return sound
