"""What is known of one endpoint's sign-ins: whether they ever passed, and what its server answers.

Two rejections make it down. Credentials that never passed stop at once: they are wrong in our own
configuration. How often an account may be tried is its budget's (`core.account.budget`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.account.budget import AccountBudget
from beacon.core.model import LONG_AGO, NEVER, Endpoint, Moment, Reading, Reason

HUNG_ENOUGH: Final = 3
"""Knocks in a row that hang, after which attempts are made all the same."""


@dataclass(frozen=True, slots=True)
class SignInGuard:
    """A knock is a request without credentials, which spends no code."""

    proven: bool = False  # its credentials have passed once
    rejections: int = 0  # since it last passed
    stopped_at: Moment | None = None  # they never passed, and a run that began then was rejected
    knocks: bool | None = None  # whether the server has answered a knock; None: to be tried
    hung: int = 0  # knocks in a row without an answer, up to `HUNG_ENOUGH`

    def passed(self) -> "SignInGuard":
        """A run passed."""
        if self.proven and not self.rejections and not self.hung and self.stopped_at is None:
            return self
        return SignInGuard(proven=True, knocks=self.knocks)

    def rejected(self, started: Moment) -> "SignInGuard":
        """A run that began at `started` was rejected."""
        if not self.proven:
            return replace(self, stopped_at=started)
        return replace(self, rejections=self.rejections + 1)

    def knocked(self, *, answered: bool) -> "SignInGuard":
        """A knock was answered, or not."""
        if answered:
            return replace(self, knocks=True, hung=0)
        hung = min(self.hung + 1, HUNG_ENOUGH) if self.knocks else 0
        return replace(self, knocks=bool(self.knocks), hung=hung)

    def recalled(self, *, resumed: bool) -> "SignInGuard":
        """Go on after a restart: a server that answered no knock is asked once more."""
        guard = self.resume() if resumed else self
        return guard if guard.knocks is not False else replace(guard, knocks=None)

    def resume(self) -> "SignInGuard":
        """Let it be tried once more."""
        return replace(self, stopped_at=None)


UNTRIED: Final = SignInGuard()


def held_until(spec: Endpoint, guard: SignInGuard, budgets: Iterable[AccountBudget]) -> Moment:
    """It does not sign in before; `inf`: until an operator resumes it."""
    if guard.stopped_at is not None:
        return NEVER
    knocks, hung = guard.knocks is True, guard.hung > 0
    return max((each.until(spec, knocks=knocks, hung=hung) for each in budgets), default=LONG_AGO)


def unproven(reading: Reading) -> Reading:
    """Credentials that never passed were rejected: that is our own mistake."""
    detail = "credentials that never passed were rejected: mend them, then resume"
    if reading.detail:  # what the server says is what helps to mend them
        detail += f" ({reading.detail})"
    return Reading(Reason.OWN_CREDENTIALS, detail, reading.latency, reading.phases)
