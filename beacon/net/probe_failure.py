"""Expected trouble on the way to a reading, as an exception that carries the reading."""

from dataclasses import replace
from typing import Final

from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.budget import TooMuchHeld
from beacon.engine.run import Run


class ProbeFailure(Exception):
    """The run ends here; `reading` says why. A probe catches it and returns it, timed."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason.value)
        self.reading = Reading(reason, detail)


def hold(run: Run, size: int) -> None:
    """Count bytes of an answer that is read. Raises `ProbeFailure` where they are too many."""
    try:
        run.answers.hold(size)
    except TooMuchHeld as much:
        reason = Reason.INTERNAL_ERROR if much.ours else Reason.BODY_TOO_LARGE
        raise ProbeFailure(reason, much.words) from None


_OF_AN_ANSWER: Final = frozenset(
    {
        Reason.HTTP_STATUS,
        Reason.EXPECTATION_FAILED,
        Reason.OPERAND_MISSING,
        Reason.PROTOCOL_ERROR,
        Reason.REDIRECT_LIMIT,
    }
)
"""What an answer may come to for want of what was not sent. A rejection is not among them:
the guard must count it."""


class FirstPass:
    """Whether an endpoint has passed in this process.

    Until then it is ours to mend that something was kept from another origin: an error that
    says what to allow. Later it is a failure: who passed yesterday is led elsewhere today.
    """

    def __init__(self) -> None:
        self._passed = False

    def judged(self, run: Run, reading: Reading) -> Reading:
        """What a reading of the run comes to."""
        self._passed |= reading.outcome in (Outcome.PASS, Outcome.WARN)
        if not run.to_allow or reading.reason not in _OF_AN_ANSWER:
            return reading
        detail = reading.detail
        if run.to_allow not in detail:
            detail = f"{run.to_allow}; {detail}"
        reason = reading.reason if self._passed else Reason.OWN_CREDENTIALS
        return replace(reading, reason=reason, detail=detail)


def timed(run: Run, reading: Reading) -> Reading:
    """The reading with all the run noted: latency, seconds of each phase, clock, resolver, uses."""
    run.enter(run.phase)
    return replace(
        reading,
        latency=run.elapsed(),
        phases=run.phases(),
        clock=run.clock_seen,
        resolver=run.resolver,
        uses=run.uses,
    )
