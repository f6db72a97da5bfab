"""When the buzzer may sound: quiet hours, an operator's silence, and a budget for the hour.

A new red sounds even while an operator silences the buzzer; only quiet hours hold it back.
"""

from dataclasses import dataclass, replace
from typing import Final

from beacon.core.indication import Sound
from beacon.core.model import LONG_AGO, RANK, RED, Moment, Verdict

OPENINGS_WITHIN: Final = 60.0
BUDGET: Final = 6
BUDGET_WITHIN: Final = 3600.0


@dataclass(frozen=True, slots=True)
class BuzzerKept:
    """What survives a restart."""

    swallowed: int = 0
    opened_at: Moment = LONG_AGO  # when an opening last sounded, and how bad it was
    opened_rank: int = -1
    spent: tuple[Moment, ...] = ()  # of the budget


SILENT_SO_FAR: Final = BuzzerKept()


@dataclass(slots=True)
class BuzzerPolicy:
    """The buzzer's rules: what may sound now, and what the budget takes away."""

    quiet: bool = False  # quiet hours: light only
    silent_until: Moment = LONG_AGO
    kept: BuzzerKept = SILENT_SO_FAR

    def opening(self, verdict: Verdict, at: Moment) -> Sound | None:
        """Say that an incident opened, escalated or relapsed: once in 60 s, unless it is worse."""
        rank = RANK[verdict]
        if at - self.kept.opened_at < OPENINGS_WITHIN and rank <= self.kept.opened_rank:
            return None
        red = verdict in RED
        sound = self._allowed(Sound.THREE_PULSES if red else Sound.CHIRP, at, always=red)
        if sound is not None:
            self.kept = replace(self.kept, opened_at=at, opened_rank=rank)
        return sound

    def forget_last_opening(self) -> None:
        """Let the next opening sound, however soon it comes."""
        self.kept = replace(self.kept, opened_at=LONG_AGO)

    def remind(self, sound: Sound, at: Moment) -> Sound | None:
        """Say something that may be swallowed: a chirp or a re-alarm."""
        return self._allowed(sound, at)

    def _allowed(self, sound: Sound, at: Moment, *, always: bool = False) -> Sound | None:
        if self.quiet:
            return None
        if always:
            return sound
        if at < self.silent_until:
            return None
        spent = tuple(each for each in self.kept.spent if at - each < BUDGET_WITHIN)
        if len(spent) >= BUDGET:
            self.kept = replace(self.kept, spent=spent, swallowed=self.kept.swallowed + 1)
            return None
        self.kept = replace(self.kept, spent=(*spent, at))
        return sound
