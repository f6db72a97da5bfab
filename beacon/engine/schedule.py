"""Who is due when. Pure: it is told the time and starts nothing.

An endpoint's regular turns lie on a grid, `start + offset + k * interval`, with the offset
taken from its name: no bursts, no drift, and turns that were missed are skipped. After a
start the first turns come sooner, spread over `FIRST_WITHIN`. Beside the grid an endpoint
has at most one extra turn: a re-check, or a turn that had to wait.
"""

import hashlib
import heapq
import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

FIRST_WITHIN: Final = 10.0
"""Seconds over which the first turns after a start are spread, if the interval is not shorter."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """One endpoint is to be run. A run that began before `asked` does not answer the turn."""

    endpoint: str
    due: float
    regular: bool
    asked: float = -math.inf


def share(endpoint: str) -> float:
    """Where in its interval an endpoint runs: 0 ≤ share < 1, always the same for one name."""
    digest = hashlib.sha256(endpoint.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class _Grid:
    """The regular turns of one endpoint; `due` is the next."""

    __slots__ = ("_base", "due", "held", "interval")

    def __init__(self, endpoint: str, interval: float, start: float) -> None:
        self.interval = interval
        self._base = start + share(endpoint) * interval
        self.due = start + share(endpoint) * min(interval, FIRST_WITHIN)
        self.held = -math.inf  # not before this

    def begin(self, due: float) -> None:
        """The first turn is this one."""
        self._base = self.due = due

    def advance(self, now: float) -> None:
        """Move on to the next turn after `now`, at least half an interval after this one."""
        self._move(max(now, self.held, self.due + self.interval / 2))

    def hold(self, now: float, until: float) -> None:
        """No turn before `until`, for ever if `inf`; one already past lets it go on."""
        self.held = until
        if self.due < until or self.due == math.inf:
            self._move(max(now, until))

    def _move(self, after: float) -> None:
        """The next turn is the first one later than `after`."""
        if after == math.inf:
            self.due = math.inf
            return
        turn = math.floor((after - self._base) / self.interval) + 1
        self.due = self._base + turn * self.interval


class Schedule:
    """The turns of all endpoints. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._grids: dict[str, _Grid] = {}
        self._extra: dict[str, DueRun] = {}
        self._heap: list[tuple[float, str, bool]] = []

    def update(
        self, intervals: Mapping[str, float], now: float, changed: Container[str] = ()
    ) -> None:
        """Watch exactly these endpoints (id → interval); those not `changed` keep their turns."""
        for gone in self._grids.keys() - intervals.keys():
            del self._grids[gone]
            self._extra.pop(gone, None)
        for endpoint, interval in intervals.items():
            grid = self._grids.get(endpoint)
            if grid is None or grid.interval != interval or endpoint in changed:
                self._extra.pop(endpoint, None)
                self._grids[endpoint] = _Grid(endpoint, interval, now)
                self._push(endpoint)

    def next_due(self) -> float | None:
        """When the next turn is due; None without endpoints."""
        while self._heap and not self._valid(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> tuple[DueRun, ...]:
        """Take out the turns due by `now`, earliest first, one for an endpoint."""
        turns: dict[str, DueRun] = {}
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._valid(*entry):
                turn = self._taken(*entry, now=now)
                turns[turn.endpoint] = _both(turns.get(turn.endpoint), turn)
        return tuple(turns.values())

    def recheck(self, asked: float, due: float, endpoints: Iterable[str]) -> None:
        """Run these at `due` beside their regular turns; where one is sooner, that one serves."""
        for endpoint in endpoints:
            self.ask(DueRun(endpoint, due, regular=False, asked=asked))

    def ask(self, turn: DueRun) -> None:
        """Add one extra turn; of two for one endpoint the sooner serves both."""
        grid = self._grids.get(turn.endpoint)
        if grid is None or turn.due < grid.held:
            return
        pending = self._extra.get(turn.endpoint)
        both = _both(pending, turn)
        self._extra[turn.endpoint] = both
        if pending is None or both.due != pending.due:
            heapq.heappush(self._heap, (both.due, turn.endpoint, False))

    def begin(self, endpoint: str, due: float) -> None:
        """Let the regular turns of this endpoint begin then, and go on from there."""
        grid = self._grids.get(endpoint)
        if grid is not None:
            grid.begin(due)
            self._push(endpoint)

    def hold(self, endpoint: str, now: float, until: float) -> None:
        """No turn of this endpoint before `until`; `inf`: none until it is held anew."""
        grid = self._grids.get(endpoint)
        if grid is None:
            return
        grid.hold(now, until)
        self._push(endpoint)
        extra = self._extra.get(endpoint)
        if extra is not None and extra.due < until:
            del self._extra[endpoint]

    def _push(self, endpoint: str) -> None:
        due = self._grids[endpoint].due
        if due < math.inf:
            heapq.heappush(self._heap, (due, endpoint, True))

    def _valid(self, due: float, endpoint: str, grid: bool) -> bool:
        """Whether a heap entry still stands: a replaced turn leaves its entry behind."""
        held = self._grids.get(endpoint) if grid else self._extra.get(endpoint)
        return held is not None and held.due == due

    def _taken(self, due: float, endpoint: str, grid: bool, *, now: float) -> DueRun:
        if not grid:
            return self._extra.pop(endpoint)
        self._grids[endpoint].advance(now)
        self._push(endpoint)
        return DueRun(endpoint, due, regular=True)


def _both(first: DueRun | None, second: DueRun) -> DueRun:
    """One turn that answers two."""
    if first is None:
        return second
    return replace(
        first,
        due=min(first.due, second.due),
        regular=first.regular or second.regular,
        asked=max(first.asked, second.asked),
    )
