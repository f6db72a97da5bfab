"""A small share of readings that fail, spread over a service: no endpoint alone can see it.

A cumulative sum (CUSUM) over all symptoms of a service: each fail adds `FAIL_ADDS`, each pass takes
away 1, never below 0. A fail weighs a little more than the likelihood ratio of 5 % against 0.1 %
failing says (78): fewer false alarms for the same delay.
At the limit the share is too high; at half of that it is over: after a hundred passes or more.
`docs/alarm-performance.md` says what this sees, how soon, and how often it is wrong.

What fails together is one event. So a fail counts when its streak ends in a pass: a streak that
ends in an endpoint being down is announced by that. Re-checks are correlated with the fail they
confirm; they never count by themselves. While people know of other trouble, and when an endpoint
goes down, it begins anew: that trouble says more. For `ONE_EVENT` seconds after a fail nothing
else counts, and fails within less than `SPREAD` seconds are never enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import LONG_AGO, Endpoint, Evidence, Health, Moment, Reason
from beacon.core.views import Cause, Cited

FAIL_ADDS: Final = 90
LIMIT: Final = 262
BUSY_LIMIT: Final = 346
"""The limit where an hour brings so many readings that it may wait for more of them."""
BUSY: Final = 200.0
"""Readings an hour of all its symptoms."""
ONE_EVENT: Final = 15.0
SPREAD: Final = 600.0
"""Seconds from the first to the last fail, at least: less may be a deployment."""
USUAL: Final = 0.001
"""Share of failing readings that is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareKept:
    """What survives a restart: as it stood at the last fail, else each pass would be written."""

    score: int = 0
    readings: int = 0  # since the score was last 0
    fails: int = 0
    since: Moment = LONG_AGO
    failed_at: Moment = LONG_AGO
    failed: str = ""  # the endpoint that failed last
    low_since: Moment | None = None
    words: str = ""  # why it is low


NO_FAILS: Final = ShareKept()


class FailingShare:
    """The failing share of one service."""

    def __init__(self) -> None:
        self.kept, self._score, self._readings = NO_FAILS, 0, 0
        self._limit, self._several = LIMIT, False

    def follow(self, endpoints: Iterable[Endpoint]) -> None:
        """Pool the symptoms among these endpoints from now on: one alone has its own rules."""
        pooled = [e for e in endpoints if is_pooled(e)]
        self._limit = BUSY_LIMIT if sum(3600 / e.interval for e in pooled) >= BUSY else LIMIT
        self._several = len(pooled) > 1
        if not self._several:
            self.forget()

    def restore(self, kept: ShareKept) -> None:
        """Go on from what was kept."""
        self.kept, self._score, self._readings = kept, kept.score, kept.readings

    @property
    def low(self) -> bool:
        """Whether too many readings fail."""
        return self.kept.low_since is not None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What it says while it is low."""
        kept, reason = self.kept, Reason.SUCCESS_RATIO_LOW
        if kept.low_since is None:
            return ()
        cited = Cited(kept.failed, reason, kept.words, kept.low_since)
        return (Cause("unknown", f"{reason} ({kept.words})", (cited,)),)

    def read(
        self, state: EndpointState, was: Health, at: Moment, *, failed: bool, void: bool
    ) -> bool:
        """Take in that a symptom fell, or passed after `failed`; whether its service changes.

        `void`: an operator suppresses the service, or people know of other trouble in it.
        """
        low = self.low
        if void or not self._several or (state.health is Health.DOWN and was is not Health.DOWN):
            self.forget()
        elif {was, state.health} <= {Health.UP, Health.DEGRADED}:
            self.count(state.spec.id, at, failed=failed)
        return self.low is not low

    def forget(self) -> None:
        """Begin anew."""
        self.kept, self._score, self._readings = NO_FAILS, 0, 0

    def count(self, endpoint: str, at: Moment, *, failed: bool) -> None:
        """Count a pass, or a streak of fails that ended in one."""
        if at < self.kept.failed_at + ONE_EVENT:
            return
        self._readings += self._score > 0 or failed
        if failed:
            self._count_fail(endpoint, at)
        elif self._score:
            self._score -= 1
            if self._score <= (self._limit // 2 if self.low else 0):
                self.forget()

    def _count_fail(self, endpoint: str, at: Moment) -> None:
        kept = self.kept
        self._score = min(self._limit, self._score + FAIL_ADDS)
        self.kept = kept = replace(
            kept,
            score=self._score,
            readings=self._readings,
            fails=kept.fails + 1,
            since=kept.since if kept.fails else at,
            failed_at=at,
            failed=endpoint,
        )
        lasting = at >= kept.since + SPREAD
        if self._score >= self._limit and lasting and not self.low:
            self.kept = replace(kept, low_since=at, words=_words(kept))


def is_pooled(spec: Endpoint) -> bool:
    """Whether an endpoint's readings count: those of real users are shares themselves."""
    return spec.evidence is Evidence.SYMPTOM and not spec.looks_back


def _words(kept: ShareKept) -> str:
    minutes = max(1, round((kept.failed_at - kept.since) / 60))
    usual = f"usual 1 in {1 / USUAL:,.0f}"
    return f"{kept.fails} of {kept.readings} readings failed in the last {minutes} min; {usual}"
