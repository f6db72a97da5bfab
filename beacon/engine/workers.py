"""Runs probes in threads, each within its deadline, one run of an endpoint at a time.

The deciding thread calls every public method and alone knows which runs there are; a worker only
takes a task, observes, and posts the reading. At the deadline the deciding thread shuts the run's
sockets and has a reading at once; what the worker posts later is dropped. Only a name resolution
can outlast that: its endpoint gets no second thread, and the same reading again until the worker
returns.
"""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from beacon.core.account.approach import Approach
from beacon.core.inputs import Controlled, Observed
from beacon.core.model import Moment, Reading, Reason
from beacon.engine.clock import Clock
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.redaction import safe_traceback
from beacon.engine.run import EXHAUSTED, DeadlinePassed, Probe, Run
from beacon.engine.schedule import DueRun
from beacon.engine.text_pattern import SearchTimeout

log = logging.getLogger(__name__)

TIDYING: Final = 6.0
"""Seconds that a run may take after its deadline, to sign out."""
GRACE: Final = 1.0
"""Seconds a worker has to return after its sockets were shut; then it counts as stuck."""


@dataclass(slots=True, eq=False)
class Task:
    """One run; it belongs to the deciding thread, the worker sets only `begun`."""

    endpoint: str
    probe: Probe
    run: Run
    regular: bool
    begun: bool = False
    over: bool = False  # it has its reading, or nobody wants one: what comes later is dropped
    again: DueRun | None = None  # due while this run was going on
    returned: threading.Event = field(default_factory=threading.Event)  # the worker is done with it

    def stuck(self, now: float) -> bool:
        """Whether the worker has not returned long after its deadline."""
        return self.over and now >= self.run.deadline + GRACE

    def notes(self, within: float = TIDYING) -> Sequence[str]:
        """The conversation, once the worker has returned: until then the run may learn a secret.

        For whoever may wait, after the reading has come.
        """
        if self.returned.wait(within):
            return self.run.notes
        return ("the run does not end: what it sent and received is not shown",)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a worker posts when its run is over."""

    at: Moment
    task: Task
    reading: Reading


class Workers:
    """A pool of daemon threads. It grows while all are busy, to at most one for each endpoint."""

    def __init__(self, clock: Clock, post: Callable[[Finished], None]) -> None:
        self._clock = clock
        self._post = post
        self._tasks: dict[str, Task] = {}
        self._deadlines: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        self._todo: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def task(self, endpoint: str) -> Task | None:
        """The run that occupies an endpoint: it goes on, or its worker has not returned."""
        return self._tasks.get(endpoint)

    def start(
        self,
        endpoint: str,
        probe: Probe,
        timeout: float,
        memory: ProbeMemory,
        approach: Approach = Approach.SIGN_IN,
        *,
        regular: bool = False,
        wrong_code: bool = False,
    ) -> None:
        """Start a run of an endpoint that has none; its result is posted."""
        run = Run(self._clock, timeout, endpoint, memory)
        run.approach, run.wrong_code = approach, wrong_code
        task = Task(endpoint, probe, run, regular)
        self._tasks[endpoint] = task
        heapq.heappush(self._deadlines, (run.deadline, next(self._count), task))
        if self._grow():
            self._todo.put(task)
        else:
            reading = Reading(Reason.INTERNAL_ERROR, "the system gives no more threads")
            self._post(Finished(run.started, task, reading))

    def next_deadline(self) -> float | None:
        """The next deadline of a run; None when nothing runs."""
        while self._deadlines and self._deadlines[0][2].over:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expire(self, now: float) -> tuple[Observed | Controlled, ...]:
        """End all runs whose deadline has come, shut their sockets, return their readings."""
        ended = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            task = heapq.heappop(self._deadlines)[2]
            ended.append(_observed(Moment(now), task, _give_up(task)))
        return tuple(ended)

    def finish(self, done: Finished) -> Observed | Controlled | None:
        """Return the reading that a worker posted; None when it is too late to count."""
        task = done.task
        if self._tasks.get(task.endpoint) is task:
            del self._tasks[task.endpoint]
        if task.over:
            return None
        task.over = True
        return _observed(done.at, task, done.reading)

    def forget(self, endpoints: Iterable[str]) -> None:
        """End the runs of these endpoints and drop their results."""
        for endpoint in endpoints:
            task = self._tasks.get(endpoint)
            if task:
                task.again = None
                _give_up(task)

    def stop(self, budget: float) -> bool:
        """End all runs and threads; return whether all ended within `budget` seconds."""
        self.forget(tuple(self._tasks))
        for _ in self._threads:
            self._todo.put(None)
        until = self._clock.monotonic() + budget
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _grow(self) -> bool:
        """Make sure there is a thread for every task; return whether there is."""
        if len(self._tasks) <= len(self._threads):
            return True
        thread = threading.Thread(
            target=self._work, name=f"probe-{len(self._threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            log.critical("cannot start another probe thread: %s (see TasksMax, ulimit -u)", error)
            return False
        self._threads.append(thread)
        return True

    def _work(self) -> None:
        while (task := self._todo.get()) is not None:
            reading = _observe(task)
            task.returned.set()
            self._post(Finished(self._clock.monotonic(), task, reading))


def _observed(at: Moment, task: Task, reading: Reading) -> Observed | Controlled:
    run, reading = task.run, task.run.naming_dead(reading)
    if run.wrong_code:
        came = run.made_wrong_code
        return Controlled(at, task.endpoint, reading, run.started, run.unanswered, came)
    return Observed(
        at, task.endpoint, reading, run.started, task.regular, run.unanswered, run.knocked
    )


def _give_up(task: Task) -> Reading:
    task.over = True
    reading = task.run.expire()
    if task.begun:
        return reading
    return Reading(Reason.INTERNAL_ERROR, "the run never began: this machine is overloaded")


def _observe(task: Task) -> Reading:
    """Run the probe; whatever it raises becomes a reading."""
    task.begun = True
    try:
        return task.run.take(task.probe)
    except DeadlinePassed:
        return task.run.overstayed()
    except SearchTimeout as timeout:
        return Reading(Reason.INTERNAL_ERROR, f"not understood in time: {timeout}")
    except Exception as error:  # noqa: BLE001 - the border: a bug in a probe costs its reading only
        # After its sockets were shut any error is possible, and its reading is dropped anyway.
        return task.run.overstayed() if task.run.expired else bug_reading(task.endpoint, error)
    finally:
        task.run.answers.let_go()


def bug_reading(endpoint: str, error: Exception) -> Reading:
    """The reading of a probe that raised; the traceback is in the log."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in EXHAUSTED):
        log.error("%s was not asked: this machine gives no more sockets or memory", endpoint)
        return Reading(Reason.INTERNAL_ERROR, "no more sockets or memory here (LimitNOFILE?)")
    log.error("probe of %s failed:\n%s", endpoint, safe_traceback(error))
    return Reading(Reason.INTERNAL_ERROR, f"bug in the probe: {type(error).__name__}")
