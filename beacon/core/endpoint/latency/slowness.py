"""Whether one endpoint takes too long, lastingly: when that begins, when it ends, when it is over.

Slowness has a dead band: it begins above the limit, and ends when the median has lastingly been
below 0.8 times the limit. Without it, a latency that spreads around its limit would begin and
end to be slow hundreds of times a week (docs/slowness.md).
"""

from collections import deque
from dataclasses import replace
from typing import Final

from beacon.core.endpoint.latency.baseline import Baseline
from beacon.core.endpoint.streaks import WINDOW_MASK, frequent
from beacon.core.model import DETAIL_LIMIT, STANDING, Endpoint, Outcome, Reading, Reason

LATEST: Final = 5
"""Passing readings whose median is judged."""
LASTING: Final = 180.0
"""Seconds for which they must be slow, and no longer slow."""
DEAD_BAND: Final = 0.8
"""Slowness ends below so many times the limit."""
ENOUGH_BELOW: Final = 3
"""Readings after which the median must have been below."""
STIRRING: Final = 2
"""Slow readings among the latest, the last one too, that start the quiet time anew."""
QUIET: Final = 1800.0
QUIET_READINGS: Final = 10
"""Seconds without slowness until it is over, and so many intervals."""

SLOW_BEFORE: Final = Reading(Reason.SLOW, "slow when we were restarted")

_PASSED_BUT_FOR: Final = STANDING | {Reason.SLOW}


def with_slowness(reading: Reading, slow_after: float | None) -> Reading:
    """Turn a pass that took longer than `slow_after` seconds into a warn.

    Planned trouble that took so long becomes that warn, too: it counts for less than being slow.
    """
    if slow_after is None or reading.latency is None or reading.latency <= slow_after:
        return reading
    planned = reading.reason in STANDING
    if reading.outcome is not Outcome.PASS and not planned:
        return reading
    detail = f"took {reading.latency:.3g} s, more than {slow_after:g} s"
    detail = f"{detail}; {reading.detail}" if planned else detail
    return replace(reading, reason=Reason.SLOW, detail=detail[:DETAIL_LIMIT])


def tells_pace(reading: Reading) -> bool:
    """Whether it passed, but for slowness and what can be planned for: then its latency counts."""
    return reading.outcome is Outcome.PASS or reading.reason in _PASSED_BUT_FOR


def quiet_time(spec: Endpoint) -> float:
    """Seconds for which an endpoint must not be slow until its slowness is over.

    Half an hour proves nothing of what is asked four times an hour.
    """
    return max(QUIET, QUIET_READINGS * spec.interval)


class Slowness:
    """The latest passing latencies of one endpoint, compared with its limits.

    Against `slow_after` slowness begins with as many slow readings as any warnings must be to
    count. Against the usual it begins when the median has been above for three minutes, counted
    from the first slow reading of the row that made it so, and with a slow reading.
    """

    __slots__ = (
        "_below",
        "_below_since",
        "_latest",
        "_over_since",
        "_row",
        "_row_since",
        "_window",
    )

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._row_since: float | None = None
        self._over_since: float | None = None
        self._below_since: float | None = None
        self._below = 0
        self._row = 0  # readings in a row above `slow_after`
        self._window = 0  # a bit for each reading, 1: above `slow_after`

    @property
    def median(self) -> float | None:
        """The median of the last five; None: there were fewer."""
        if len(self._latest) < LATEST:
            return None
        return sorted(self._latest)[LATEST // 2]

    def take(self, latency: float, slow_after: float | None) -> None:
        """Take in a passing reading."""
        self._latest.append(latency)
        if slow_after is not None:
            above = latency > slow_after
            self._row = self._row + 1 if above else 0
            self._window = (self._window << 1 | above) & WINDOW_MASK

    def often_above(self, threshold: int) -> bool:
        """Whether it was above `slow_after` as often as it takes, and is."""
        return self._row > 0 and (self._row >= threshold or frequent(self._window))

    def long_above(self, usual: float, started: float, at: float) -> bool:
        """Whether it has been above this limit for long enough, and is.

        To be asked after each reading, whose run took from `started` to `at`.
        """
        over = self._latest[-1] > usual
        if not over:
            self._row_since = None
            if self._over_since is None:
                return False
        elif self._row_since is None:
            self._row_since = started
        median = self.median
        if median is None:
            return False
        if median <= usual:
            self._over_since = None
            return False
        if self._over_since is None:
            self._over_since = started if self._row_since is None else self._row_since
        return over and at - self._over_since >= LASTING

    def long_below(self, limit: float, started: float, at: float) -> bool:
        """Whether the median has been below the dead band of this limit for long enough.

        To be asked after each reading while it is slow.
        """
        median = self.median
        if median is None or median >= DEAD_BAND * limit:
            self._below_since, self._below = None, 0
            return False
        if self._below_since is None:
            self._below_since = started
        self._below += 1
        return at - self._below_since >= LASTING and self._below >= ENOUGH_BELOW

    def stirs(self, limit: float) -> bool:
        """Whether the last reading was slow, and one more of the latest."""
        slow = sum(latency > limit for latency in self._latest)
        return slow >= STIRRING and self._latest[-1] > limit

    def end(self) -> None:
        """What was slow so far counts no more."""
        self._below_since, self._below = None, 0
        self._row = self._window = 0
        self._row_since = self._over_since = None

    def against(self, baseline: Baseline) -> str:
        """Say it in words: "median 6.1 s, usually 0.4 s at this hour"."""
        words = [] if self.median is None else [f"median {self.median:.3g} s"]
        if (usual := baseline.usual) is not None:
            how = (
                f"{usual.latency:.2g} s at this hour"
                if usual.own
                else f"up to {usual.latency:.2g} s"
            )
            words.append(f"usually {how}")
        return ", ".join(words)
