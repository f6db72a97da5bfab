"""The output that remembers: incidents, transitions, commands, used codes, and the memory.

What comes in: effects, in the deciding thread, which leaves them in a bounded queue and goes on.
What is decided: one thread commits them in batches, and with each batch what must survive a
restart. What goes out: `degraded`, while the disk fails; the writer tries again. Must never happen:
a disk that fails costs a lamp or a topic.
"""

import hmac
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from beacon.core.effects import Announced, Effect
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.memory import Memory
from beacon.core.views import IncidentView
from beacon.engine.clock import Clock, WallClockMap
from beacon.otp.used_codes import Step
from beacon.outputs.documents import incident
from beacon.outputs.history.database import Batch, DatabaseReader, Row
from beacon.outputs.history.recall import Recalled, StoredMemory, StoredState, read_copy
from beacon.outputs.history.rows import CHANGES_MEMORY, rows
from beacon.outputs.history.storage import NAME, Storage

log = logging.getLogger(__name__)

WAITING: Final = 4096
"""Most things that wait to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePace:
    """How patient the history is, in seconds.

    `batch`: how long rows are gathered; `refresh`: how old the memory of an open incident
    may grow; `again`: after which a failed disk is tried anew; `step`: how long a one-time
    code waits at most to be written down; `learn`: how often baselines and counts of
    arrived codes are written.
    """

    batch: float = 0.5
    refresh: float = 60.0
    again: float = 10.0
    step: float = 1.0
    learn: float = 900.0


USUAL: Final = WritePace()

Result = TypeVar("Result")


class Ask(Protocol):
    """Runs something in the deciding thread and returns what it returns."""

    def __call__(self, call: Callable[[], Result]) -> Result:
        """Run it. Raises `TimeoutError`."""
        ...


Baselines = tuple[Iterable[Learnt], Iterable[str]]
"""What was learnt, and the endpoints whose baselines are void."""


@dataclass(slots=True)
class _UsedCode:
    """Somebody waits until this used code is on disk."""

    step: Step
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Settle:
    """Somebody waits until all that was offered before is written."""

    done: threading.Event = field(default_factory=threading.Event)


class _Changed:
    """There is something new to remember."""


@dataclass(slots=True)
class _End:
    """Write these, then end."""

    memory: Memory | None = None
    baselines: Baselines = ((), ())


_Item = Row | IncidentView | _UsedCode | _Settle | _Changed | _End


class History:
    """An output that remembers.

    `remember` and `learnt` are for the deciding thread; `ask` runs them there, or raises
    `TimeoutError`. `learnt` says what was learnt since its last call, and what was forgotten.
    `written` is what stands in the configuration for each endpoint's probe.
    """

    name = "history"

    def __init__(
        self,
        directory: Path,
        site: str,
        clock: Clock,
        *,
        remember: Callable[[], Memory],
        learnt: Callable[[], tuple[Iterable[Learnt], Iterable[str]]],
        ask: Ask,
        written: Callable[[], Mapping[str, str]],
        pace: WritePace = USUAL,
    ) -> None:
        self.reader = DatabaseReader(directory / NAME)
        self._site, self._clock = site, clock
        self._remember, self._learn, self._ask = remember, learnt, ask
        self._written, self._pace = written, pace
        self._utc = WallClockMap(clock)
        self._storage = Storage(directory, clock, pace.again)
        self._queue: queue.Queue[_Item] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._used_before: Sequence[Step] = ()
        self._overflowed = False
        # From here on: the writing thread's.
        self._counters: dict[bytes, Step] = {}  # the newest of each token
        self._rows: deque[Row] = deque(maxlen=WAITING)
        self._open: dict[int, IncidentView] = {}
        self._last: Memory | None = None  # as it is on disk
        self._learnt: dict[tuple[str, int], Learnt] = {}  # to be written
        self._forgotten: set[str] = set()
        self._learn_at = clock.monotonic() + pace.learn
        self._commit_at: float | None = None

    # --- before the start ---

    def recall(self) -> Recalled:
        """Open the file and read the memory; if that fails, nothing, and the log says why."""
        self._storage.key.load()
        file, found = self._storage.file, StoredState()
        if not self._storage.attempt(lambda: found.read(file)):
            found = read_copy(file.path)
        self._counters = {step[0]: step for step in found.steps if not step[1]}
        self._used_before = tuple(found.steps)
        recalled = found.recalled(self._clock.monotonic(), self._utc.zero, self._prints())
        self._last = recalled.memory
        open_now = recalled.memory.open_incidents if recalled.memory else ()
        if not self._storage.failed:
            self._storage.attempt(lambda: file.tidy(view.number for view in open_now))
        return recalled

    # --- the book of used codes (`beacon.otp.used_codes.Book`); any thread ---

    @property
    def key(self) -> bytes:
        """What seeds and settings are hashed with."""
        return self._storage.key.value

    def used(self) -> Iterable[Step]:
        """The steps that were written down before the start."""
        return self._used_before

    def write(self, step: Step) -> None:
        """Return when this step is on disk, or cannot be written: it counts as used anyway."""
        asked = _UsedCode(step)
        if self._thread.is_alive() and not self._storage.failed and self._put(asked):
            asked.done.wait(self._pace.step)

    # --- the deciding thread ---

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Queue what is to be written; never blocks."""
        for effect in effects:
            if isinstance(effect, Announced) and effect.incident is not None:
                self._put(effect.incident)
            for row in rows(effect, self._utc):
                self._put(row)
        if any(isinstance(effect, CHANGES_MEMORY) for effect in effects):
            self._put(_Changed())

    def stop(self, budget: float) -> None:
        """Write the rest, and the memory as it is at the end."""
        end = _End()
        try:
            end.memory, end.baselines = self._remember(), self._learn()
        finally:
            self._put(end)
            if self._thread.is_alive():
                self._thread.join(budget)

    @property
    def degraded(self) -> bool:
        """Whether something that must survive could not be written, or was lost in this run."""
        return self._storage.failed or self._storage.lost or self._overflowed

    def settle(self, timeout: float) -> None:
        """Wait until what was offered is written, at most so many seconds; any thread."""
        asked = _Settle()
        if self._thread.is_alive() and self._put(asked):
            asked.done.wait(timeout)

    def _put(self, item: _Item) -> bool:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self._overflowed = True
            return False
        return True

    # --- the writing thread ---

    def _run(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=self._patience())
            except queue.Empty:
                self._commit()
                continue
            if isinstance(item, _End):
                self._end(item)
                return
            self._take(item)
            if self._commit_at is not None and self._clock.monotonic() >= self._commit_at:
                self._commit()

    def _patience(self) -> float:
        now = self._clock.monotonic()
        if self._commit_at is not None:
            return max(0.0, self._commit_at - now)
        return max(0.0, min(self._pace.refresh, self._learn_at - now))

    def _take(self, item: _Item) -> None:
        match item:
            case Row():
                self._rows.append(item)
            case IncidentView():
                self._open[item.number] = item
            case _UsedCode(step=step):
                token, period, _ = step
                if not period:
                    self._counters[token] = step
                self._storage.write(lambda fresh: Batch(steps=[step, *self._once_more(fresh)]))
                item.done.set()
                return
            case _Settle():
                self._commit()
                item.done.set()
                return
            case _:
                pass
        if self._commit_at is None:
            self._commit_at = self._clock.monotonic() + self._pace.batch

    def _commit(self) -> None:
        """Write what waits, with the memory as it stands now, if anything changed."""
        self._commit_at = None
        if self._storage.waiting:
            self._commit_at = self._storage.retry_at
            return
        memory, counted = None, False
        try:
            memory = self._ask(self._remember)
            if not self._storage.failed and self._clock.monotonic() >= self._learn_at:
                self._take_learnt(self._ask(self._learn))
                self._learn_at, counted = self._clock.monotonic() + self._pace.learn, True
        except TimeoutError:
            self._commit_at = self._clock.monotonic() + self._pace.batch
        self._write(memory, counted=counted)

    def _take_learnt(self, found: Baselines) -> None:
        learnt, forgotten = found
        void = frozenset(forgotten)
        self._forgotten |= void
        kept = {key: each for key, each in self._learnt.items() if key[0] not in void}
        self._learnt = kept | {(each.endpoint, each.slot): each for each in learnt}

    def _is_news(self, memory: Memory, *, counted: bool) -> bool:
        """Whether to write it. Each reading may count one more code: not news unless `counted`."""
        if self._last is None:
            return True
        last = replace(self._last, at=memory.at)
        return memory != (last if counted else replace(last, arrivals=memory.arrivals))

    def _write(self, memory: Memory | None, *, counted: bool) -> None:
        if self._storage.file.replaced():
            self._last = None  # write all that must survive once more
        news = memory is not None and self._is_news(memory, counted=counted)
        if memory is not None:
            self._open |= {view.number: view for view in memory.open_incidents}
        new = news or self._rows or self._learnt or self._forgotten
        if not (new or self._storage.failed or self._overflowed):
            return
        if not self._storage.write(lambda fresh: self._batch(memory, fresh, news=news)):
            self._commit_at = self._storage.retry_at
            return
        self._rows.clear()
        self._open, self._learnt, self._forgotten = {}, {}, set()
        self._last = memory or self._last
        if self._overflowed and self._queue.empty():
            log.warning("too much at once: some of the history was not written down")
            self._overflowed = False

    def _batch(self, memory: Memory | None, fresh: bool, *, news: bool) -> Batch:
        """All that waits; the memory only if it is news, or the file is new."""
        return Batch(
            rows=tuple(self._rows),
            steps=self._once_more(fresh),
            incidents=[self._incident(view) for view in self._open.values()],
            memory=self._encoded(memory) if memory is not None and (news or fresh) else None,
            forgotten=self._forgotten,
            learnt=self._learnt.values(),
        )

    def _once_more(self, fresh: bool) -> Sequence[Step]:
        """The steps that a new file needs once more; the memory follows with the next commit."""
        if not fresh:
            return ()
        self._last = None
        return tuple(self._counters.values())

    def _end(self, end: _End) -> None:
        self._storage.retry_at = 0.0
        self._take_learnt(end.baselines)
        self._write(end.memory, counted=True)
        self._storage.file.close()

    def _incident(self, view: IncidentView) -> tuple[int, str, bool, str]:
        body = incident(view, self._site, self._utc)
        text = msgspec.json.encode(body).decode()
        return view.number, body["id"], view.closed_at is None, text

    def _encoded(self, memory: Memory) -> str:
        return StoredMemory(zero=self._utc.zero, prints=self._prints(), memory=memory).encoded()

    def _prints(self) -> dict[str, str]:
        return {
            name: hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]
            for name, text in self._written().items()
        }
