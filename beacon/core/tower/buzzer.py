"""When the buzzer may sound: quiet hours, an operator's silence, and a budget of chirps an hour.

A new red sounds even while an operator silences the buzzer; only quiet hours hold it back. The
budget is for chirps: red is outside it.
"""

from dataclasses import dataclass, replace
from typing import Final

from beacon.core.indication import Sound
from beacon.core.model import LONG_AGO, NEVER, RANK, RED, Moment, Verdict

OPENINGS_WITHIN: Final = 60.0
BUDGET: Final = 6
BUDGET_WITHIN: Final = 3600.0
PULSES_APART: Final = 60.0
"""Seconds: the re-alarms of several reds share one pulse."""


@dataclass(frozen=True, slots=True)
class BuzzerKept:
    """What survives a restart."""

    swallowed: int = 0
    opened_at: Moment = LONG_AGO  # when an opening last sounded, and how bad it was
    opened_rank: int = -1
    spent: tuple[Moment, ...] = ()  # of the budget
    pulsed_at: Moment = LONG_AGO  # when a re-alarm last sounded


SILENT_SO_FAR: Final = BuzzerKept()


@dataclass(slots=True)
class BuzzerPolicy:
    """The buzzer's rules: what may sound now, and what the budget takes away."""

    quiet: bool = False  # quiet hours: light only
    silent_until: Moment = LONG_AGO
    kept: BuzzerKept = SILENT_SO_FAR
    rehearsed: tuple[Moment, ...] = ()  # chirps of a drill: it has a budget of its own

    def opening(self, verdict: Verdict, at: Moment, *, drill: bool = False) -> Sound | None:
        """Say that an incident opened or escalated: once in 60 s, unless it is worse."""
        if self.merged(verdict, at):
            return None
        if verdict in RED:
            sound = None if self.quiet else Sound.THREE_PULSES
        else:
            sound = self.chirp(Sound.CHIRP, at, drill=drill)
        if sound is not None:
            self.kept = replace(self.kept, opened_at=at, opened_rank=RANK[verdict])
        return sound

    def merged(self, verdict: Verdict, at: Moment) -> bool:
        """Whether an opening less than 60 s ago was as bad: one sound says both."""
        recent = at - self.kept.opened_at < OPENINGS_WITHIN
        return recent and RANK[verdict] <= self.kept.opened_rank

    def forget_last_opening(self) -> None:
        """Let the next opening sound, however soon it comes."""
        self.kept = replace(self.kept, opened_at=LONG_AGO)

    def acknowledged(self) -> None:
        """Somebody is there: what opens from now on, nobody has seen; a drill may chirp again."""
        self.forget_last_opening()
        self.rehearsed = ()

    def realarm(self, at: Moment) -> Sound | None:
        """Say once more that a red is not acknowledged; all reds share one pulse a minute."""
        held = at < self.allowed_from(Sound.PULSE)
        if held or at - self.kept.pulsed_at < PULSES_APART:
            return None
        self.kept = replace(self.kept, pulsed_at=at)
        return Sound.PULSE

    def chirp(self, sound: Sound, at: Moment, *, drill: bool = False) -> Sound | None:
        """Say something for which there is a budget."""
        if self.quiet or at < self.silent_until:
            return None
        spent = self.rehearsed if drill else self.kept.spent
        spent = tuple(each for each in spent if at - each < BUDGET_WITHIN)
        allowed = len(spent) < BUDGET
        if allowed:
            spent = (*spent, at)
        if drill:
            self.rehearsed = spent
        else:
            swallowed = self.kept.swallowed + (not allowed)
            self.kept = replace(self.kept, spent=spent, swallowed=swallowed)
        return sound if allowed else None

    def allowed_from(self, sound: Sound) -> Moment:
        """From when on a sound that was held back may come; `NEVER`: when quiet hours end."""
        if self.quiet:
            return NEVER
        spent = self.kept.spent
        if sound not in (Sound.CHIRP, Sound.TWO_CHIRPS) or len(spent) < BUDGET:
            return self.silent_until
        return max(self.silent_until, Moment(spent[-BUDGET] + BUDGET_WITHIN))
