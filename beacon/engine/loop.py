"""The deciding thread: takes events from the inbox, lets the core handle them, offers the effects.

Every change of state happens in `Engine.turn`, in this one thread. There is a turn when something
was posted, when something is due, and at least once a second.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from beacon.core.account.approach import Approach
from beacon.core.effects import Control, Effect
from beacon.core.inputs import Controlled, Event, Observed, RunDelayed, TimePassed
from beacon.core.model import Moment, Reading, Reason, Site
from beacon.core.monitor import Monitor
from beacon.engine.clock import Clock
from beacon.engine.inbox import Inbox
from beacon.engine.latest import Latest
from beacon.engine.output import Heartbeat, Output
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.redaction import safe_traceback
from beacon.engine.run import Probe
from beacon.engine.schedule import DueRun, Schedule
from beacon.engine.workers import Finished, Task, Workers, bug_reading

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BEAT: Final = 1.0
"""Longest time between two turns, in seconds."""
NOT_ASKED: Final = Reading(Reason.OWN_NETWORK, "not asked: our credentials stay here meanwhile")
"""The reading of a sign-in that is not made while our own network or clock is lost."""
LAG_MEMORY: Final = 60
"""The reported lag is the worst of this many beats."""


class Schedulable(Probe, Protocol):
    """A probe that may have to wait before it runs."""

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds to wait before it may run; 0: it may run now."""
        ...


@dataclass(frozen=True, slots=True)
class ScheduledProbe:
    """What the engine knows of one endpoint; times in seconds. `interval` None: it never runs."""

    probe: Schedulable
    interval: float | None
    timeout: float


@dataclass(frozen=True, slots=True)
class AskedRun:
    """What came of a run that somebody asked for; without a `task` there was no run."""

    reading: Reading
    task: Task | None


class RunHeld(Exception):
    """The endpoint is not run now but in `seconds`; `inf`: not before an operator resumes it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class PostedCall:
    """A call that somebody posted, to be made in the deciding thread."""

    run: Callable[[], None]


Item = Event | Finished | PostedCall

Poll = Callable[[Moment], Event | None]
"""Called at every beat: returns an event that nobody posts, if there is one now."""


class Engine:
    """One inbox, one deciding thread. Others may call only `post`, `ask` and `stop`.

    `polls` are called at every beat for events that nobody posts, such as quiet hours. `feed` feeds
    systemd's watchdog: it is called at every beat while the renderer's heartbeat is young.
    `new_memory` makes the memory of an endpoint's probe, for its first run with these settings.
    """

    def __init__(
        self,
        *,
        judge: Monitor,
        clock: Clock,
        inbox: Inbox[Item],
        outputs: Sequence[Output],
        heartbeat: Heartbeat,
        renderer: Heartbeat,
        feed: Callable[[], None],
        polls: Sequence[Poll] = (),
        new_memory: Callable[[], ProbeMemory] = ProbeMemory,
    ) -> None:
        self.schedule = Schedule()
        self.latest = Latest()
        self.workers = Workers(clock, inbox.post)
        self._judge = judge
        self._clock = clock
        self._inbox = inbox
        self._outputs = list(outputs)
        self._heartbeat = heartbeat
        self._renderer = renderer
        self._feed = feed
        self._polls = polls
        self._probes: Mapping[str, ScheduledProbe] = {}
        self._new_memory = new_memory
        self._memories: Mapping[str, ProbeMemory] = {}
        self._asked: dict[str, list[Future[AskedRun]]] = {}
        self._effects: list[Effect] = []
        self._failing: set[str] = set()
        self._now = clock.monotonic()
        self._last_event = self._now
        self._wake: float = self._now
        self._beat_due: float = self._now
        self._lags: deque[float] = deque([0.0], maxlen=LAG_MEMORY)
        self._running = True

    # --- from any thread ---

    def post(self, event: Event) -> None:
        """Post an event."""
        self._inbox.post(event)

    def ask(self, call: Callable[[], Result], timeout: float) -> Result:
        """Run `call` in the deciding thread and wait for what it returns or raises.

        Raises `TimeoutError` after `timeout` seconds; the call may still be run.
        """
        future: Future[Result] = Future()

        def answer() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - raised where `ask` was called
                future.set_exception(error)

        self._inbox.post(PostedCall(answer))
        return future.result(timeout)

    def stop(self) -> None:
        """End `run` after the current turn; safe in a signal handler."""
        self._running = False
        self._inbox.post(PostedCall(lambda: None))

    # --- in the deciding thread ---

    def start(
        self,
        watched: Mapping[str, ScheduledProbe],
        begin: Callable[[Moment], tuple[Effect, ...]] | None = None,
    ) -> None:
        """Show the first state and plan the first runs.

        `begin` starts the judge, where it starts with what was saved.
        """
        self._now = self._clock.monotonic()
        self._schedule_all(watched, frozenset())
        self._obey((begin or self._judge.start)(self._now))
        self._offer()

    def reconfigure(self, site: Site, watched: Mapping[str, ScheduledProbe]) -> None:
        """Use another configuration; unchanged endpoints keep state, schedule and memory."""
        self._now = self._clock.monotonic()
        changed = frozenset(k for k, old in self._probes.items() if watched.get(k) != old)
        self._obey(self._judge.reconfigure(site, self._now, changed))
        self._schedule_all(watched, changed)
        self._offer()
        self.latest.follow(site)

    def attach(self, output: Output) -> None:
        """Add an output and bring it up to date."""
        self._offer()
        output.offer(self.latest.everything())
        self._outputs.append(output)

    def detach(self, output: Output) -> None:
        """Remove an output."""
        self._offer()
        self._outputs.remove(output)

    def act(self, event: Event) -> tuple[Effect, ...]:
        """Handle an event now and return its effects: for use inside `ask`."""
        before = len(self._effects)
        self._handle(event)
        return tuple(self._effects[before:])

    def run_now(self, endpoint: str) -> Future[AskedRun]:
        """Run an endpoint beside its schedule; a run that goes on already counts for this one.

        It waits for an unused code as any run does. Cancelled where its settings change meanwhile.
        Raises `RunHeld`, and `LookupError` for an endpoint that is not run here.
        """
        until = self.schedule.held(endpoint)
        if until is None:
            raise LookupError(endpoint)
        if until > self._now:
            raise RunHeld(until - self._now)
        asked: Future[AskedRun] = Future()
        self._asked.setdefault(endpoint, []).append(asked)
        task = self.workers.task(endpoint)
        if task is None or task.over or task.run.wrong_code:
            self.schedule.add(DueRun(endpoint, self._now, regular=False))
        return asked

    def lag(self) -> float:
        """The worst delay of a turn in the last minute, in seconds."""
        return max(self._lags)

    def run(self) -> None:
        """Take turns until `stop`."""
        while self._running:
            self._wake = self._next_wake()
            self.turn(self._inbox.take(self._wake - self._clock.monotonic()))

    def turn(self, items: Sequence[Item]) -> None:
        """Handle what was posted, then do what is due."""
        self._now = self._clock.monotonic()
        self._lags[-1] = max(self._lags[-1], self._now - self._wake)
        for item in items:
            self._receive(item)
        for reading in self.workers.expire(self._now):
            self._conclude(reading, self.workers.task(reading.endpoint))
        deadline = self._judge.next_deadline()
        if deadline is not None and deadline <= self._now:
            self._handle(TimePassed(self._now))
        for due_run in self.schedule.due(self._now):
            self._run_due(due_run)
        self._offer()
        self._heartbeat.beat()
        if self._now >= self._beat_due:
            self._beat()

    def _next_wake(self) -> float:
        dues = (
            self._beat_due,
            self.schedule.next_due(),
            self.workers.next_deadline(),
            self._judge.next_deadline(),
        )
        return min(due for due in dues if due is not None)

    def _beat(self) -> None:
        self._beat_due = self._now + BEAT
        self._lags.append(0.0)
        if self._renderer.beating:
            self._feed()
        for poll in self._polls:
            try:
                event = poll(self._now)
            except Exception as error:  # noqa: BLE001 - the border: a bug in a poll costs that poll only
                self._complain(repr(poll), error)
            else:
                if event is not None:
                    self.post(event)

    def _receive(self, item: Item) -> None:
        if isinstance(item, PostedCall):
            item.run()
        elif isinstance(item, Finished):
            self._finish(item)
        else:
            self._handle(item)

    def _finish(self, done: Finished) -> None:
        reading = self.workers.finish(done)
        if reading is not None and reading.endpoint in self._probes:
            self._conclude(reading, done.task)
        if done.task.again is not None:
            self.schedule.add(replace(done.task.again, due=self._now))

    def _run_due(self, due_run: DueRun) -> None:
        """Start a run that is due, unless the endpoint has a run already."""
        task = self.workers.task(due_run.endpoint)
        if task is None:
            self._start_run(due_run)
        elif task.stuck(self._now):
            self._observed(due_run, task.run.overstayed(), task)
        elif task.over or task.run.wrong_code:
            # Its sockets are shut, or it is no reading: it ends in a moment.
            regular = due_run.regular or (task.again is not None and task.again.regular)
            task.again = replace(due_run, regular=regular)
        else:
            task.regular = task.regular or due_run.regular
            if task.run.started < due_run.requested:
                task.again = replace(due_run, regular=False)

    def _start_run(self, due_run: DueRun) -> None:
        endpoint = due_run.endpoint
        watched, memory = self._probes[endpoint], self._memories[endpoint]
        approach = self._judge.approach(endpoint, self._now)
        if approach is Approach.HOLD:
            self._observed(due_run, NOT_ASKED)
            return
        if any(map(self._is_running, self._judge.sharing(endpoint))):
            self._wait(due_run, BEAT)
            return
        try:
            wait = watched.probe.wait(self._clock.utc().timestamp(), memory)
        except Exception as error:  # noqa: BLE001 - the border: a bug in a probe costs its reading
            self._observed(due_run, bug_reading(endpoint, error))
            return
        if wait > 0:
            self._wait(due_run, wait)
        else:
            regular = due_run.regular
            self.workers.start(
                endpoint, watched.probe, watched.timeout, memory, approach, regular=regular
            )

    def _start_control(self, endpoint: str) -> None:
        """Sign in with a wrong code, right after an accepted run of the same endpoint."""
        watched = self._probes.get(endpoint)
        if watched is not None and self.workers.task(endpoint) is None:
            memory = self._memories[endpoint]
            self.workers.start(endpoint, watched.probe, watched.timeout, memory, wrong_code=True)

    def _is_running(self, endpoint: str) -> bool:
        """Whether an endpoint has a run without a reading."""
        task = self.workers.task(endpoint)
        return task is not None and not task.over

    def _wait(self, due_run: DueRun, seconds: float) -> None:
        """Start a run later: for an unused code, or for another run with the same account."""
        self.schedule.add(replace(due_run, due=self._now + seconds))
        self._handle(RunDelayed(self._now, due_run.endpoint, seconds))

    def _observed(self, due_run: DueRun, reading: Reading, task: Task | None = None) -> None:
        """Handle a reading that needs no run of its own."""
        event = Observed(self._now, due_run.endpoint, reading, self._now, due_run.regular)
        self._conclude(event, task)

    def _conclude(self, event: Observed | Controlled, task: Task | None) -> None:
        """Handle a reading, and give it to whoever asked for a run."""
        self._handle(event)
        if isinstance(event, Controlled):
            return
        for asked in self._asked.pop(event.endpoint, ()):
            asked.set_result(AskedRun(event.reading, task))

    def _schedule_all(self, watched: Mapping[str, ScheduledProbe], changed: frozenset[str]) -> None:
        self.workers.forget(changed)
        for endpoint in changed:
            for asked in self._asked.pop(endpoint, ()):
                asked.cancel()
        self._probes = watched
        kept = {name: held for name, held in self._memories.items() if name not in changed}
        self._memories = {name: kept.get(name) or self._new_memory() for name in watched}
        intervals = {
            name: each.interval for name, each in watched.items() if each.interval is not None
        }
        self.schedule.update(intervals, self._now, changed)

    def _handle(self, event: Event) -> None:
        # Workers set the time of their events; for the core, time only moves forward.
        if event.at < self._last_event:
            event = replace(event, at=self._last_event)
        self._last_event = event.at
        self._obey(self._judge.handle(event))

    def _obey(self, effects: Sequence[Effect]) -> None:
        self.schedule.obey(effects, self._now)
        for effect in effects:
            if isinstance(effect, Control):
                self._start_control(effect.endpoint)
        self._effects.extend(effects)

    def _offer(self) -> None:
        """Offer the effects of this turn to every output; a bug in one costs that output only."""
        if not self._effects:
            return
        effects, self._effects = tuple(self._effects), []
        self.latest.take(effects)
        for output in self._outputs:
            try:
                output.offer(effects)
                self._failing.discard(f"output {output.name}")
            except Exception as error:  # noqa: BLE001 - the border
                self._complain(f"output {output.name}", error)

    def _complain(self, part: str, error: Exception) -> None:
        """Log the first failure of a series."""
        if part not in self._failing:
            self._failing.add(part)
            log.error("%s failed:\n%s", part, safe_traceback(error))
