"""The sign-in guard: stop trying rejected credentials before the provider locks the account.

After two rejections the sign-in is tried rarely, after `guard_max` only when an operator resumes
it (docs/probes/sign-ins.md). Credentials that never passed stop at once: they are wrong in our own
configuration.
"""

import math
from typing import Final

from beacon.core.model import Endpoint, Reading, Reason

REJECTIONS_TO_DOWN: Final = 2


class SignInGuard:
    """The rejections of one endpoint. Times are monotonic seconds."""

    __slots__ = ("proven", "rejections", "stopped_at", "until")

    def __init__(self) -> None:
        self.proven = False  # its credentials have passed once
        self.rejections = 0
        self.until = -math.inf  # not tried before; inf: until an operator resumes it
        self.stopped_at = -math.inf  # when the run began after which it was stopped

    @property
    def stopped(self) -> bool:
        """Whether it waits for an operator."""
        return self.until == math.inf

    def passed(self) -> None:
        """The credentials passed."""
        self.proven, self.rejections, self.until = True, 0, -math.inf

    def rejected(self, spec: Endpoint, started: float, at: float) -> None:
        """A run that began at `started` was rejected."""
        self.rejections += 1
        if self.rejections >= spec.guard_max:
            self.until, self.stopped_at = math.inf, started
        elif self.rejections >= REJECTIONS_TO_DOWN:
            self.until = at + spec.guard_interval

    def stop_unproven(self, reading: Reading, started: float) -> Reading:
        """Stop credentials that never passed; the reading as it is understood: our own mistake."""
        self.until, self.stopped_at = math.inf, started
        detail = "credentials that never passed were rejected: mend them, then resume"
        if reading.detail:  # what the server says is what helps to mend them
            detail += f" ({reading.detail})"
        return Reading(Reason.OWN_CREDENTIALS, detail, reading.latency, reading.phases)

    def resume(self, spec: Endpoint) -> None:
        """Let a stopped sign-in be tried once more: rejected again, it stops again."""
        self.until = self.stopped_at + spec.guard_interval
