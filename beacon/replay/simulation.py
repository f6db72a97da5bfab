"""Virtual time: a scripted past (or a test) driven through the core and the schedule that run live.

A script says what an endpoint reads from a moment on. Its regular runs begin anew at that moment;
which runs follow, the schedule decides, as in `engine.loop`. A run takes no time. Before its first
line an endpoint passes. Nothing waits for real time.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from beacon.core.account.approach import Approach
from beacon.core.effects import Control, Effect
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.inputs import Controlled, Event, Observed, TimePassed
from beacon.core.model import Moment, Reading, Reason, Site
from beacon.core.monitor import Monitor
from beacon.engine.loop import NOT_ASKED
from beacon.engine.schedule import DueRun, Schedule

PASSING: Final = Reading(Reason.OK)
WRONG_CODE: Final = {
    "refused": Reason.SIGN_IN_REJECTED,
    "accepted": Reason.OK,
    "unanswered": Reason.DEADLINE,
}
"""What a wrong code comes to in a script → the reading of the run."""


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
    control: str | None = None
    """Instead of a reading: what a wrong code comes to from then on."""


class Simulation:
    """A monitor and its schedule, scripted readings, and a clock that moves when asked."""

    def __init__(
        self,
        site: Site,
        start: float,
        readings: Iterable[ScriptedReading] = (),
        events: Iterable[Event] = (),
        lot: int = 0,
    ) -> None:
        self.now = Moment(start)
        self._lot = lot
        # At one moment, what is read comes first.
        script = [*sorted(readings, key=lambda each: each.at), *events]
        self._script = deque(sorted(script, key=lambda each: each.at))
        self._lines = {e.id: ScriptedReading(start, e.id, PASSING) for e in site.endpoints}
        self._chances: dict[str, Random] = {}
        self._controls: dict[str, str] = {}
        self._learnt: dict[tuple[str, int], Learnt] = {}
        self._boot(site)

    def start(self) -> tuple[Effect, ...]:
        """Start; the effects describe everything once."""
        return self._obey(self.monitor.start(self.now))

    def run(self, until: float) -> Iterator[Effect]:
        """Let time pass until `until`; yield the effects on the way."""
        while (due := self._next_due()) <= until:
            self.now = Moment(max(due, self.now))
            yield from self._turn()
        self.now = Moment(until)

    def restart(
        self, down: float = 0.0, changed: frozenset[str] = frozenset(), *, resume: bool = False
    ) -> tuple[Effect, ...]:
        """Be dead for `down` seconds, then start again with what was saved."""
        memory = self.monitor.remember(self.now)
        self._keep_learnt()
        self.now = Moment(self.now + down)
        while self._script and self._script[0].at < self.now:
            missed = self._script.popleft()
            if isinstance(missed, ScriptedReading):
                self._reads_now(missed)
        self._boot(self.monitor.site)
        learnt = self._learnt.values()
        return self._obey(
            self.monitor.start(self.now, memory, changed, resume=resume, learnt=learnt)
        )

    def script(self, endpoint: str, reading: Reading | None) -> None:
        """Change an endpoint's readings from now on."""
        self._reads_now(ScriptedReading(self.now, endpoint, reading))

    def tell(self, event: Event) -> tuple[Effect, ...]:
        """Handle an event now, such as an operator's command."""
        return self._obey(self.monitor.handle(event))

    def _keep_learnt(self) -> None:
        """Add what was learnt of usual latencies since the last start."""
        learnt, forgotten = self.monitor.learnt()
        kept = (each for each in self._learnt.values() if each.endpoint not in forgotten)
        self._learnt = {(each.endpoint, each.slot): each for each in (*kept, *learnt)}

    def _boot(self, site: Site) -> None:
        self.monitor, self._schedule = Monitor(site), Schedule()
        self._pushed = {e.id for e in site.endpoints if e.pushed}
        self._schedule.update({e.id: e.interval for e in site.endpoints}, self.now)

    def _next_due(self) -> float:
        dues = (
            self._script[0].at if self._script else None,
            self._schedule.next_due(),
            self.monitor.next_deadline(),
        )
        return min((due for due in dues if due is not None), default=math.inf)

    def _turn(self) -> Iterator[Effect]:
        """Do what is due now, in the order of `Engine.turn`."""
        while self._script and self._script[0].at <= self.now:
            line = self._script.popleft()
            if isinstance(line, ScriptedReading):
                self._reads_now(line)
            else:
                yield from self.tell(line)
        deadline = self.monitor.next_deadline()
        if deadline is not None and deadline <= self.now:
            yield from self.tell(TimePassed(self.now))
        for run in self._schedule.due(self.now):
            yield from self._read(run)

    def _reads_now(self, line: ScriptedReading) -> None:
        """Let an endpoint read this from now on; its runs begin anew unless it may not run."""
        if line.control is not None:
            self._controls[line.endpoint] = line.control
            return
        self._lines[line.endpoint] = line
        self._chances[line.endpoint] = Random(f"{self._lot} {line.endpoint} {line.at:g}")  # noqa: S311 - no secret
        held = self._schedule.held(line.endpoint)
        if held is not None and held <= self.now:
            self._schedule.begin(line.endpoint, self.now)

    def _read(self, run: DueRun) -> tuple[Effect, ...]:
        reading = self.reading(run.endpoint)
        if reading is None or (run.endpoint in self._pushed and not run.regular):
            return ()  # what is pushed cannot be asked for
        if self.monitor.approach(run.endpoint, self.now) is Approach.HOLD:
            reading = NOT_ASKED
        return self._observe(run, reading)

    def reading(self, endpoint: str) -> Reading | None:
        """What a run of this endpoint reads now; None: silence."""
        line = self._lines[endpoint]
        if line.reading is None or line.share >= 1:
            return line.reading
        return line.reading if self._chances[endpoint].random() < line.share else PASSING

    def _observe(self, run: DueRun, reading: Reading) -> tuple[Effect, ...]:
        unanswered = reading.reason is Reason.DEADLINE  # no script says more: the code had left
        now = self.now
        return self.tell(Observed(now, run.endpoint, reading, now, run.regular, unanswered))

    def _obey(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        self._schedule.obey(effects, self.now)
        for effect in effects:
            if isinstance(effect, Control):
                effects += self._control(effect.endpoint)
        return effects

    def _control(self, endpoint: str) -> tuple[Effect, ...]:
        answer = self._controls.get(endpoint, "refused")
        reading = Reading(WRONG_CODE[answer])
        unanswered = answer == "unanswered"
        return self.tell(Controlled(self.now, endpoint, reading, self.now, unanswered))
