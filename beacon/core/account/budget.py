"""The budget of one account: attempts that were not accepted, since the last that was.

Both kinds count. A rejected attempt is a failure in the server's own count. One that nobody
answered may become one: a hung server judges its queue when it wakes, and stale codes lock a token
(docs/adr/0039).
"""

from dataclasses import dataclass
from typing import Final

from beacon.core.model import LONG_AGO, NEVER, Endpoint, Moment

REJECTIONS_TO_DOWN: Final = 2
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AccountBudget:
    """What was spent. It survives a restart; an accepted attempt empties it."""

    rejected: int = 0
    unanswered: int = 0
    began_at: Moment = LONG_AGO  # when the last of these attempts began
    ended_at: Moment = LONG_AGO
    resumed: bool = False  # an operator allows one more

    @property
    def spent(self) -> int:
        """How many attempts were not accepted."""
        return self.rejected + self.unanswered

    def count(self, began: Moment, ended: Moment, *, rejected: bool) -> "AccountBudget":
        """One more attempt was rejected, or was not answered."""
        return AccountBudget(
            self.rejected + rejected, self.unanswered + (not rejected), began, ended
        )

    def is_over(self, spec: Endpoint) -> bool:
        """Whether both kinds together end the regular attempts."""
        return self.spent >= 2 * spec.guard_max

    def needs_operator(self, spec: Endpoint) -> bool:
        """Whether an operator has something to allow: no more attempts, or rare ones."""
        return self.rejected >= spec.guard_max or self.is_over(spec)

    def until(self, spec: Endpoint, *, knocks: bool, hung: bool) -> Moment:
        """No attempt before this moment; `inf`: none until an operator resumes it.

        `knocks`: the server is known to answer a request without credentials. `hung`: the last of
        these hung, so an answer to the next one means that the server has woken.
        """
        if self.resumed:
            return Moment(self.began_at + spec.guard_interval)
        if self.rejected >= spec.guard_max:
            return NEVER
        if self.is_over(spec):
            if self.rejected or not knocks:  # it judges: one more may be the last it allows
                return NEVER
            return Moment(self.ended_at + (spec.guard_interval if hung else HOUR))
        if self.rejected >= REJECTIONS_TO_DOWN or self.unanswered >= spec.guard_max:
            return Moment(self.ended_at + spec.guard_interval)
        return LONG_AGO


UNSPENT: Final = AccountBudget()
