"""Deadlines by name: stored once, compared as themselves, cheap to move later.

Moving a deadline later (what every passing reading does) costs one dictionary write: the
heap keeps the earlier entry and looks again when that comes up.
"""

import heapq
import math
from collections.abc import Hashable


class Timers:
    """Named deadlines in monotonic seconds."""

    def __init__(self) -> None:
        self._due: dict[Hashable, float] = {}
        self._queued: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._entries = 0

    def set(self, name: Hashable, at: float | None) -> None:
        """Set, move or (None) drop a deadline."""
        if at is None or at == math.inf:
            self._due.pop(name, None)
            return
        self._due[name] = at
        queued = self._queued.get(name)
        if queued is None or at < queued:
            self._push(name, at)

    def get(self, name: Hashable) -> float | None:
        """When this deadline is, if it is set."""
        return self._due.get(name)

    def next(self) -> float:
        """The earliest deadline, `inf` if none."""
        while self._heap:
            at, _, name = self._heap[0]
            if self._due.get(name) == at:
                return at
            heapq.heappop(self._heap)
            if self._queued.get(name) == at:
                self._requeue(name)
        return math.inf

    def pop(self) -> Hashable:
        """Take the name of the earliest deadline out."""
        self.next()
        _, _, name = heapq.heappop(self._heap)
        del self._due[name], self._queued[name]
        return name

    def _requeue(self, name: Hashable) -> None:
        del self._queued[name]
        if name in self._due:
            self._push(name, self._due[name])

    def _push(self, name: Hashable, at: float) -> None:
        self._entries += 1  # first set, first out among equals: the order never depends on names
        self._queued[name] = at
        heapq.heappush(self._heap, (at, self._entries, name))
