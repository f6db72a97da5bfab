"""Which endpoint runs when, live and in a replay. Pure: it gets the time and starts nothing.

The regular runs of an endpoint lie on a grid, `start + offset + k * interval`. The offset comes
from its name, so that there are no bursts and no drift; missed runs are skipped. After a start the
first runs come sooner, spread over `FIRST_WITHIN`. Beside the grid an endpoint has at most one
extra run: a re-check, or a run that had to wait.
"""

import hashlib
import heapq
import itertools
import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.effects import Effect, FirstDue, Postpone, Recheck

FIRST_WITHIN: Final = 10.0
"""Seconds over which the first runs after a start are spread, if the interval is not shorter."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """An endpoint is to be run. A run that began before `requested` is too old to count for it."""

    endpoint: str
    due: float
    regular: bool
    requested: float = -math.inf


def share(endpoint: str) -> float:
    """Where in its interval an endpoint runs: 0 ≤ share < 1, always the same for a name."""
    digest = hashlib.sha256(endpoint.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class _Grid:
    """The regular runs of one endpoint; `due` is the next."""

    __slots__ = ("_base", "due", "held", "interval")

    def __init__(self, endpoint: str, interval: float, start: float) -> None:
        self.interval = interval
        self._base = start + share(endpoint) * interval
        self.due = start + share(endpoint) * min(interval, FIRST_WITHIN)
        self.held = -math.inf  # no run before this

    def begin(self, due: float) -> None:
        """Make this the first run."""
        self._base = self.due = due

    def advance(self, now: float) -> None:
        """Go to the next run after `now`, at least half an interval after this one."""
        self._move(max(now, self.held, self.due + self.interval / 2))

    def hold(self, now: float, until: float) -> None:
        """No run before `until`, never if it is `inf`; an `until` in the past ends the hold."""
        self.held = until
        if self.due < until or self.due == math.inf:
            self._move(max(now, until))

    def _move(self, after: float) -> None:
        """The next run is the first one on the grid later than `after`."""
        if after == math.inf:
            self.due = math.inf
            return
        number = math.floor((after - self._base) / self.interval) + 1
        self.due = self._base + number * self.interval


class Schedule:
    """The runs of all endpoints. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._grids: dict[str, _Grid] = {}
        self._extra: dict[str, DueRun] = {}
        self._heap: list[tuple[float, int, str, bool]] = []
        self._pushed = itertools.count()  # runs due at one moment come in the order of planning

    def update(
        self, intervals: Mapping[str, float], now: float, changed: Container[str] = ()
    ) -> None:
        """Plan exactly these endpoints (id → interval); those not `changed` keep their runs."""
        for gone in self._grids.keys() - intervals.keys():
            del self._grids[gone]
            self._extra.pop(gone, None)
        for endpoint, interval in intervals.items():
            grid = self._grids.get(endpoint)
            if grid is None or grid.interval != interval or endpoint in changed:
                self._extra.pop(endpoint, None)
                self._grids[endpoint] = _Grid(endpoint, interval, now)
                self._push_regular(endpoint)

    def next_due(self) -> float | None:
        """When the next run is due; None without endpoints."""
        while self._heap and not self._valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> tuple[DueRun, ...]:
        """Take out the runs due by `now`, earliest first, one for each endpoint."""
        runs: dict[str, DueRun] = {}
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._valid(entry):
                run = self._take(entry, now)
                runs[run.endpoint] = _combine(runs.get(run.endpoint), run)
        return tuple(runs.values())

    def obey(self, effects: Iterable[Effect], now: float) -> None:
        """Do what the core asks for; its other effects are not for the schedule."""
        for effect in effects:
            if isinstance(effect, Recheck):
                self.recheck(effect.at, effect.due, effect.endpoints)
            elif isinstance(effect, Postpone):
                self.hold(effect.endpoint, now, effect.until)
            elif isinstance(effect, FirstDue):
                self.begin(effect.endpoint, effect.due)

    def recheck(self, requested: float, due: float, endpoints: Iterable[str]) -> None:
        """Run these at `due`, beside their regular runs; a sooner extra run counts for both."""
        for endpoint in endpoints:
            self.add(DueRun(endpoint, due, regular=False, requested=requested))

    def add(self, run: DueRun) -> None:
        """Add an extra run; of two for one endpoint the sooner counts for both."""
        grid = self._grids.get(run.endpoint)
        if grid is None or run.due < grid.held:
            return
        pending = self._extra.get(run.endpoint)
        both = _combine(pending, run)
        self._extra[run.endpoint] = both
        if pending is None or both.due != pending.due:
            self._push(both.due, run.endpoint, regular=False)

    def begin(self, endpoint: str, due: float) -> None:
        """Start the regular runs of this endpoint at `due`."""
        grid = self._grids.get(endpoint)
        if grid is not None:
            grid.begin(due)
            self._push_regular(endpoint)

    def held(self, endpoint: str) -> float | None:
        """Before when an endpoint may not run; None where it never runs."""
        grid = self._grids.get(endpoint)
        return None if grid is None else grid.held

    def hold(self, endpoint: str, now: float, until: float) -> None:
        """No run of this endpoint before `until`; `inf`: none until the next hold."""
        grid = self._grids.get(endpoint)
        if grid is None:
            return
        grid.hold(now, until)
        self._push_regular(endpoint)
        extra = self._extra.get(endpoint)
        if extra is not None and extra.due < until:
            del self._extra[endpoint]

    def _push_regular(self, endpoint: str) -> None:
        due = self._grids[endpoint].due
        if due < math.inf:
            self._push(due, endpoint, regular=True)

    def _push(self, due: float, endpoint: str, *, regular: bool) -> None:
        heapq.heappush(self._heap, (due, next(self._pushed), endpoint, regular))

    def _valid(self, entry: tuple[float, int, str, bool]) -> bool:
        """Whether a heap entry is valid: a run that was replaced leaves its entry behind."""
        due, _, endpoint, regular = entry
        planned = self._grids.get(endpoint) if regular else self._extra.get(endpoint)
        return planned is not None and planned.due == due

    def _take(self, entry: tuple[float, int, str, bool], now: float) -> DueRun:
        due, _, endpoint, regular = entry
        if not regular:
            return self._extra.pop(endpoint)
        self._grids[endpoint].advance(now)
        self._push_regular(endpoint)
        return DueRun(endpoint, due, regular=True)


def _combine(first: DueRun | None, second: DueRun) -> DueRun:
    """One run that counts for two."""
    if first is None:
        return second
    return replace(
        first,
        due=min(first.due, second.due),
        regular=first.regular or second.regular,
        requested=max(first.requested, second.requested),
    )
