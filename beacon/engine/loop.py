"""The deciding thread: takes what was posted, folds it into the judge, offers the effects.

Everything that changes the beacon's mind passes through `Engine.turn`, in one thread. A
turn comes when something is posted, when something is due, and at least once a second.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from beacon.core.effects import Effect, FirstDue, Postpone, Recheck
from beacon.core.inputs import Event, Observed, RunDelayed, TimePassed
from beacon.core.model import Reading, Site
from beacon.engine.clock import Clock
from beacon.engine.inbox import Inbox
from beacon.engine.output import Heartbeat, Output
from beacon.engine.run import Probe
from beacon.engine.schedule import DueRun, Schedule
from beacon.engine.workers import Finished, Prober, bug, scrubbed

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BEAT: Final = 1.0
"""Longest time between two turns, in seconds."""
LAG_MEMORY: Final = 60
"""How many beats the reported lag looks back."""


class Judge(Protocol):
    """The pure core as the loop sees it (`beacon.core.monitor.Monitor`)."""

    def start(self, at: float) -> tuple[Effect, ...]:
        """Effects for everything there is, before the first event."""
        ...

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Fold one event; what follows from it."""
        ...

    def next_deadline(self) -> float | None:
        """When it will change by itself: then it wants `TimePassed`."""
        ...

    def reconfigure(
        self, site: Site, at: float, changed: frozenset[str] = frozenset()
    ) -> tuple[Effect, ...]:
        """Go on with another configuration; what is unchanged keeps its state.

        `changed` names endpoints whose probe changed, though the core may see no difference.
        """
        ...


class Schedulable(Probe, Protocol):
    """A probe that can say that it must not run yet."""

    def wait(self, utc: float) -> float:
        """Seconds it must not run yet; 0: now."""
        ...


@dataclass(frozen=True, slots=True)
class ScheduledProbe:
    """One endpoint as the engine sees it; times in seconds. `interval` None: it is never run."""

    probe: Schedulable
    interval: float | None
    timeout: float


@dataclass(frozen=True, slots=True)
class DecidedCall:
    """Something to be run in the deciding thread."""

    run: Callable[[], None]


Item = Event | Finished | DecidedCall

Sign = Callable[[float], Event | None]
"""Asked at every beat: an event that nobody posts, if there is one now."""


class Engine:
    """One inbox, one deciding thread. Only `post` and `ask` may be called by others.

    `signs` are asked at every beat for events nobody posts (quiet hours). `feed` is
    called at every beat while the renderer's heart beats: systemd's watchdog.
    """

    def __init__(
        self,
        *,
        judge: Judge,
        clock: Clock,
        mailbox: Inbox[Item],
        outputs: Sequence[Output],
        heart: Heartbeat,
        renderer: Heartbeat,
        feed: Callable[[], None],
        signs: Sequence[Sign] = (),
    ) -> None:
        self.schedule = Schedule()
        self.prober = Prober(clock, mailbox.post)
        self._judge = judge
        self._clock = clock
        self._mailbox = mailbox
        self._outputs = list(outputs)
        self._heart = heart
        self._renderer = renderer
        self._feed = feed
        self._signs = signs
        self._watched: Mapping[str, ScheduledProbe] = {}
        self._effects: list[Effect] = []
        self._failing: set[str] = set()
        self._now = clock.monotonic()
        self._latest = self._now
        self._wake = self._now
        self._beat_due = self._now
        self._lags: deque[float] = deque([0.0], maxlen=LAG_MEMORY)
        self._running = True

    # --- from any thread ---

    def post(self, event: Event) -> None:
        """Hand in an event."""
        self._mailbox.post(event)

    def ask(self, call: Callable[[], Result], timeout: float) -> Result:
        """Run `call` in the deciding thread and wait for what it returns or raises.

        Raises `TimeoutError` after `timeout` seconds; the call may still be run.
        """
        future: Future[Result] = Future()

        def answer() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - it belongs to the one who asked
                future.set_exception(error)

        self._mailbox.post(DecidedCall(answer))
        return future.result(timeout)

    def stop(self) -> None:
        """End `run` after the present turn; safe in a signal handler."""
        self._running = False
        self._mailbox.post(DecidedCall(lambda: None))

    # --- in the deciding thread ---

    def start(
        self,
        watched: Mapping[str, ScheduledProbe],
        begin: Callable[[float], tuple[Effect, ...]] | None = None,
    ) -> None:
        """Show the first state and schedule the first runs.

        `begin` is how the judge begins, if not from nothing.
        """
        self._now = self._clock.monotonic()
        self._watch(watched, frozenset())
        self._take((begin or self._judge.start)(self._now))
        self._offer()

    def reconfigure(self, site: Site, watched: Mapping[str, ScheduledProbe]) -> None:
        """Go on with another configuration; unchanged endpoints keep state and schedule."""
        self._now = self._clock.monotonic()
        changed = frozenset(k for k, old in self._watched.items() if watched.get(k) != old)
        self._take(self._judge.reconfigure(site, self._now, changed))
        self._watch(watched, changed)

    def attach(self, output: Output, effects: Sequence[Effect]) -> None:
        """Offer to one output more, beginning with what it must know to be up to date."""
        self._offer()
        output.offer(effects)
        self._outputs.append(output)

    def detach(self, output: Output) -> None:
        """Offer to this output no more."""
        self._offer()
        self._outputs.remove(output)

    def act(self, event: Event) -> tuple[Effect, ...]:
        """Fold an event at once and return what came of it: for use inside `ask`."""
        before = len(self._effects)
        self._fold(event)
        return tuple(self._effects[before:])

    def lag(self) -> float:
        """The worst lateness of a turn in the last minute, in seconds."""
        return max(self._lags)

    def run(self) -> None:
        """Turn after turn, until `stop`."""
        while self._running:
            self._wake = self._next_wake()
            self.turn(self._mailbox.take(self._wake - self._clock.monotonic()))

    def turn(self, items: Sequence[Item]) -> None:
        """Take in what was posted, then do what is due."""
        self._now = self._clock.monotonic()
        self._lags[-1] = max(self._lags[-1], self._now - self._wake)
        for item in items:
            self._receive(item)
        for reading in self.prober.expire(self._now):
            self._fold(reading)
        deadline = self._judge.next_deadline()
        if deadline is not None and deadline <= self._now:
            self._fold(TimePassed(self._now))
        for turn in self.schedule.due(self._now):
            self._serve(turn)
        self._offer()
        self._heart.beat()
        if self._now >= self._beat_due:
            self._beat()

    def _next_wake(self) -> float:
        dues = (
            self._beat_due,
            self.schedule.next_due(),
            self.prober.next_deadline(),
            self._judge.next_deadline(),
        )
        return min(due for due in dues if due is not None)

    def _beat(self) -> None:
        self._beat_due = self._now + BEAT
        self._lags.append(0.0)
        if self._renderer.beating:
            self._feed()
        for sign in self._signs:
            try:
                event = sign(self._now)
            except Exception as error:  # noqa: BLE001 - the border: a sign costs only itself
                self._complain(repr(sign), error)
            else:
                if event is not None:
                    self.post(event)

    def _receive(self, item: Item) -> None:
        if isinstance(item, DecidedCall):
            item.run()
        elif isinstance(item, Finished):
            self._finish(item)
        else:
            self._fold(item)

    def _finish(self, done: Finished) -> None:
        reading = self.prober.finish(done)
        if reading is not None and reading.endpoint in self._watched:
            self._fold(reading)
        if done.task.again is not None:
            self.schedule.ask(replace(done.task.again, due=self._now))

    def _serve(self, turn: DueRun) -> None:
        """Run what is due, unless a run of the same endpoint is in the way."""
        task = self.prober.task(turn.endpoint)
        if task is None:
            self._probe(turn)
        elif task.stuck(self._now):
            self._read(turn, task.run.overstayed())
        elif task.over:
            task.again = turn  # its sockets are shut: it will be back in a moment
        else:
            task.regular = task.regular or turn.regular
            if task.run.started < turn.asked:
                task.again = replace(turn, regular=False)

    def _probe(self, turn: DueRun) -> None:
        watched = self._watched[turn.endpoint]
        try:
            wait = watched.probe.wait(self._clock.utc().timestamp())
        except Exception as error:  # noqa: BLE001 - the border: a bug in a probe costs its reading
            self._read(turn, bug(turn.endpoint, error))
            return
        if wait > 0:
            self.schedule.ask(replace(turn, due=self._now + wait))
            self._fold(RunDelayed(self._now, turn.endpoint, wait))
        else:
            self.prober.start(turn.endpoint, watched.probe, watched.timeout, regular=turn.regular)

    def _read(self, turn: DueRun, reading: Reading) -> None:
        """A reading without a run."""
        self._fold(Observed(self._now, turn.endpoint, reading, self._now, turn.regular))

    def _watch(self, watched: Mapping[str, ScheduledProbe], changed: frozenset[str]) -> None:
        self.prober.forget(changed)
        self._watched = watched
        intervals = {
            name: each.interval for name, each in watched.items() if each.interval is not None
        }
        self.schedule.update(intervals, self._now, changed)

    def _fold(self, event: Event) -> None:
        # Workers stamp their own events; in the core time only moves forward.
        if event.at < self._latest:
            event = replace(event, at=self._latest)
        self._latest = event.at
        self._take(self._judge.handle(event))

    def _take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Recheck):
                self.schedule.recheck(effect.at, effect.due, effect.endpoints)
            elif isinstance(effect, Postpone):
                self.schedule.hold(effect.endpoint, self._now, effect.until)
            elif isinstance(effect, FirstDue):
                self.schedule.begin(effect.endpoint, effect.due)
        self._effects.extend(effects)

    def _offer(self) -> None:
        """Offer what this turn brought to every output; a bug in one costs that one only."""
        if not self._effects:
            return
        effects, self._effects = tuple(self._effects), []
        for output in self._outputs:
            try:
                output.offer(effects)
                self._failing.discard(f"output {output.name}")
            except Exception as error:  # noqa: BLE001 - the border
                self._complain(f"output {output.name}", error)

    def _complain(self, part: str, error: Exception) -> None:
        """Log the first of a row of failures."""
        if part not in self._failing:
            self._failing.add(part)
            log.error("%s failed:\n%s", part, scrubbed(error))
