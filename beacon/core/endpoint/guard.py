"""The sign-in guard: stop trying rejected credentials before the provider locks the account.

After two rejections the sign-in is tried rarely, after `guard_max` not before an operator resumes
it or the beacon is restarted in an orderly way (docs/probes/sign-ins.md). Credentials that never
passed stop at once: they are wrong in our own configuration.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.model import LONG_AGO, Endpoint, Moment, Reading, Reason

REJECTIONS_TO_DOWN: Final = 2


@dataclass(frozen=True, slots=True)
class SignInGuard:
    """The rejections of one endpoint."""

    proven: bool = False  # its credentials have passed once
    rejections: int = 0
    rests_until: Moment = LONG_AGO  # not tried before
    stopped_at: Moment | None = None  # when the run began after which it was stopped

    @property
    def until(self) -> float:
        """It is not tried before; `inf`: until an operator resumes it."""
        return self.rests_until if self.stopped_at is None else math.inf

    def rejected(self, spec: Endpoint, started: Moment, at: Moment) -> "SignInGuard":
        """A run that began at `started` was rejected."""
        rejections = self.rejections + 1
        if rejections >= spec.guard_max:
            return SignInGuard(self.proven, rejections, stopped_at=started)
        if rejections >= REJECTIONS_TO_DOWN:
            return SignInGuard(self.proven, rejections, Moment(at + spec.guard_interval))
        return replace(self, rejections=rejections)

    def resume(self, spec: Endpoint) -> "SignInGuard":
        """Let a stopped sign-in be tried once more: rejected again, it stops again."""
        if self.stopped_at is None:
            return self
        return SignInGuard(
            self.proven, self.rejections, Moment(self.stopped_at + spec.guard_interval)
        )


UNTRIED: Final = SignInGuard()
PASSED: Final = SignInGuard(proven=True)
"""What a pass makes of every guard."""


def unproven(reading: Reading) -> Reading:
    """Credentials that never passed were rejected: that is our own mistake."""
    detail = "credentials that never passed were rejected: mend them, then resume"
    if reading.detail:  # what the server says is what helps to mend them
        detail += f" ({reading.detail})"
    return Reading(Reason.OWN_CREDENTIALS, detail, reading.latency, reading.phases)
