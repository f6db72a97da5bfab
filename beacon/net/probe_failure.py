"""Expected trouble during a run, as an exception that carries its reading."""

from dataclasses import replace
from typing import Final

from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.budget import TooMuchHeld
from beacon.engine.run import Run


class ProbeFailure(Exception):
    """Ends the run; `reading` says why. `Kind.observe` returns the reading, timed."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason.value)
        self.reading = Reading(reason, detail)


def hold(run: Run, size: int) -> None:
    """Count bytes of an answer against the budget. Raises `ProbeFailure` for too many."""
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
"""Reasons an answer may have because a secret was not sent. A rejected sign-in is not among them:
the guard must count it (docs/probes/sign-ins.md)."""


class FirstPass:
    """Whether an endpoint has passed in this process (docs/adr/0027).

    It decides what it means that a secret was not sent to another origin. Before the first pass
    our settings are wrong: an error that says what to allow. After it, the server has begun to
    redirect elsewhere: a failure.
    """

    def __init__(self) -> None:
        self._passed = False

    def correct(self, run: Run, reading: Reading) -> Reading:
        """The run's reading, corrected where a secret was not sent."""
        self._passed |= reading.outcome in (Outcome.PASS, Outcome.WARN)
        if not run.to_allow or reading.reason not in _OF_AN_ANSWER:
            return reading
        detail = reading.detail
        if run.to_allow not in detail:
            detail = f"{run.to_allow}; {detail}"
        reason = reading.reason if self._passed else Reason.OWN_CREDENTIALS
        return replace(reading, reason=reason, detail=detail)


def timed(run: Run, reading: Reading) -> Reading:
    """The reading with what the run measured: latency, phases, clock, resolver, uses.

    A latency that the reading has already is kept.
    """
    run.enter(run.phase)
    latency = run.elapsed() if reading.latency is None else reading.latency
    return replace(
        reading,
        latency=latency if run.has_latency else None,
        phases=tuple(run.steps) or run.phases(),
        clock=run.clock_seen,
        resolver=run.resolver,
        uses=run.uses,
    )
