"""Virtual time: a scripted past (or a test) driven through the very same core.

A cue says what an endpoint reads from a moment on, until its next cue. There is a reading at
the cue itself, then one every interval, and one for each re-check the core asks for. Before
its first cue an endpoint passes. Nothing waits for real time.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from beacon.core.effects import Effect, FirstDue, Postpone, Recheck
from beacon.core.inputs import Event, Observed, TimePassed
from beacon.core.model import Moment, Reading, Reason, Site
from beacon.core.monitor import Monitor

PASSING: Final = Reading(Reason.OK)
_ALWAYS: Final = (1.0, Random())  # noqa: S311 - never drawn from


@dataclass(frozen=True, slots=True)
class ScriptedReading:
    """From `at` (monotonic seconds) on, this endpoint's readings are like this; None: silence.

    With a `share` below 1 only that part of them is; the others pass. Chance decides which, the
    same way each time for the same `lot`.
    """

    at: float
    endpoint: str
    reading: Reading | None
    share: float = 1.0


class Simulation:
    """A monitor, scripted readings for its endpoints, and a clock that moves when asked."""

    def __init__(
        self,
        site: Site,
        start: float,
        cues: Iterable[ScriptedReading] = (),
        events: Iterable[Event] = (),
        lot: int = 0,
    ) -> None:
        self.monitor = Monitor(site)
        self.now = Moment(start)
        self._specs = {e.id: e for e in site.endpoints}
        self._reading: dict[str, Reading | None] = dict.fromkeys(self._specs, PASSING)
        self._lot = lot
        self._lots: dict[str, tuple[float, Random]] = {}  # share and chance of each endpoint
        self._not_before: dict[str, float] = {}
        self._grid: dict[str, float] = {}  # the next regular reading of each endpoint
        self._extra: dict[str, float] = {}  # its next re-check; one at a time
        self._heap: list[tuple[float, bool, int, ScriptedReading | Event | tuple[str, bool]]] = []
        self._pushed = 0
        for cue in sorted(cues, key=lambda cue: cue.at):
            self._push(cue.at, cue)
        for event in events:
            self._push(event.at, event)
        for name in self._specs:
            self._plan(name, start)

    def run(self, until: float) -> Iterator[Effect]:
        """Let time pass until `until`; yield the effects on the way."""
        while True:
            due = self._heap[0][0] if self._heap else math.inf
            deadline = self.monitor.next_deadline()
            if deadline is not None and deadline < due and deadline <= until:
                yield from self._handle(TimePassed(Moment(deadline)))
            elif due <= until:
                yield from self._step()
            else:
                break
        self.now = Moment(until)
        yield from self._handle(TimePassed(self.now))

    def start(self) -> tuple[Effect, ...]:
        """Start; the effects describe everything once."""
        return self.monitor.start(self.now)

    def restart(
        self, down: float = 0.0, changed: frozenset[str] = frozenset(), *, resume: bool = False
    ) -> tuple[Effect, ...]:
        """Be dead for `down` seconds, then start again with what was saved."""
        memory = self.monitor.remember(self.now)
        self.now = Moment(self.now + down)
        self._miss(self.now)
        self.monitor = Monitor(self.monitor.site)
        return self._obey(self.monitor.start(self.now, memory, changed, resume=resume))

    def _miss(self, now: float) -> None:
        """Skip what happens while dead, then plan every endpoint anew."""
        self._not_before.clear()
        self._extra.clear()
        while self._heap and self._heap[0][0] < now:
            *_, item = heapq.heappop(self._heap)
            if isinstance(item, ScriptedReading):
                self._begin(item)
        for name in self._specs:
            self._plan(name, now)

    def cue(self, endpoint: str, reading: Reading | None) -> None:
        """Change an endpoint's readings from now on."""
        self._push(self.now, ScriptedReading(self.now, endpoint, reading))

    def tell(self, event: Event) -> tuple[Effect, ...]:
        """Handle an event now, such as an operator's command."""
        return self._handle(event)

    def _step(self) -> tuple[Effect, ...]:
        at, _, _, item = heapq.heappop(self._heap)
        self.now = Moment(at)
        if isinstance(item, ScriptedReading):
            self._begin(item)
            self._plan(item.endpoint, at)
            return ()
        if isinstance(item, tuple):
            return self._read(*item)
        return self._handle(item)

    def _begin(self, cue: ScriptedReading) -> None:
        self._reading[cue.endpoint] = cue.reading
        self._lots[cue.endpoint] = cue.share, self._draw(cue)

    def _draw(self, cue: ScriptedReading) -> Random:
        return Random(f"{self._lot} {cue.endpoint} {cue.at:g}")  # noqa: S311 - no secret

    def _read(self, name: str, regular: bool) -> tuple[Effect, ...]:
        if regular:
            if self._grid[name] != self.now:
                return ()  # a cue has moved the grid
            self._plan(name, self.now + self._specs[name].interval)
        elif self._extra.pop(name, None) != self.now:
            return ()  # a sooner one has taken its place
        reading = self._reading[name]
        if reading is None or self.now < self._not_before.get(name, -math.inf):
            return ()
        share, lot = self._lots.get(name, _ALWAYS)
        if share < 1 and lot.random() >= share:
            reading = PASSING
        return self._handle(Observed(self.now, name, reading, self.now, regular=regular))

    def _plan(self, name: str, at: float) -> None:
        self._grid[name] = at
        self._push(at, (name, True))

    def _handle(self, event: Event) -> tuple[Effect, ...]:
        return self._obey(self.monitor.handle(event))

    def _obey(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        for effect in effects:
            if isinstance(effect, Recheck):
                for name in effect.endpoints:
                    self._ask(name, effect.due)
            elif isinstance(effect, Postpone):
                self._not_before[effect.endpoint] = effect.until
                if effect.until < math.inf:
                    self._ask(effect.endpoint, effect.until)
            elif isinstance(effect, FirstDue):
                self._plan(effect.endpoint, effect.due)
        return effects

    def _ask(self, name: str, due: float) -> None:
        if due < self._extra.get(name, math.inf):
            self._extra[name] = due
            self._push(due, (name, False))

    def _push(self, at: float, item: ScriptedReading | Event | tuple[str, bool]) -> None:
        self._pushed += 1
        later = not isinstance(item, ScriptedReading)  # at one moment, cues come first
        heapq.heappush(self._heap, (at, later, self._pushed, item))
