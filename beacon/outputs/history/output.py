"""What the beacon writes down: incidents, transitions, orders, used codes, and its memory.

The deciding thread leaves rows in a bounded queue and goes on; one thread commits them in
batches, and with each batch what must survive a restart. Whatever is wrong with the disk,
lamps and topics go on: the beacon then says `storage_degraded`, and tries again.
"""

import hmac
import logging
import os
import queue
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from beacon.core.effects import (
    Announced,
    Answered,
    Effect,
    IndicationChanged,
    OverlaysChanged,
    Postpone,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.endpoint.latency_baseline import Learnt
from beacon.core.snapshot import Memory
from beacon.core.views import IncidentView, SilenceChanged
from beacon.engine.clock import Clock, WallClockMap
from beacon.engine.workers import scrubbed
from beacon.otp.used_codes import Step
from beacon.outputs.documents import incident
from beacon.outputs.history.database import Batch, DatabaseReader, HistoryFile, Newer, Row, rotten
from beacon.outputs.history.recall import Recalled, StoredMemory, StoredState, read_copy

log = logging.getLogger(__name__)

NAME: Final = "history.db"
KEY: Final = "history.key"
WAITING: Final = 4096
"""Most things that wait to be written."""

_MOVING: Final = (
    *(Announced, Answered, IndicationChanged, OverlaysChanged, Postpone, ServiceChanged),
    *(SilenceChanged, Sounded, Transition),
)
"""Effects after which there is something new to remember."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePace:
    """How patient the history is, in seconds.

    `batch`: how long rows are gathered; `refresh`: how old the memory of an open incident
    may grow; `again`: after which a failed disk is tried anew; `step`: how long a one-time
    code waits at most to be written down; `learn`: how often baselines are.
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


@dataclass(slots=True)
class _Step:
    entry: tuple[bytes, int, int]
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Settle:
    """Somebody waits until all that was offered before is written."""

    done: threading.Event = field(default_factory=threading.Event)


class _Moved:
    """There is something new to remember."""


_Item = Row | IncidentView | _Step | _Settle | _Moved | None  # None: come to an end


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
        self._directory, self._site, self._clock = directory, site, clock
        self._remember, self._learn, self._ask = remember, learnt, ask
        self._written, self._pace = written, pace
        self._moments = WallClockMap(clock)
        self._file = HistoryFile(directory / NAME)
        self._queue: queue.Queue[_Item] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._key = b""
        self._steps: list[Step] = []
        self._counters: dict[bytes, Step] = {}  # the newest of each token
        self._rows: deque[Row] = deque(maxlen=WAITING)
        self._open: dict[int, IncidentView] = {}
        self._last: Memory | None = None
        self._final: Memory | None = None
        self._learnt: dict[tuple[str, int], Learnt] = {}  # to be written
        self._forgotten: set[str] = set()
        self._last_learnt: tuple[Iterable[Learnt], Iterable[str]] = ((), ())
        self._learn_at = clock.monotonic() + pace.learn
        self._remember_at: float | None = None
        self._open_at = 0.0
        self._failed = self._lost = self._overflowed = False
        self._anew = False  # the file is a new one: what must survive is written once more

    # --- before the start ---

    def recall(self) -> Recalled:
        """Open the file and read what is remembered; nothing, and a warning, if that fails."""
        self._key = self._kept_key()
        found = StoredState()
        if not self._attempt(lambda: found.read(self._file)):
            found = read_copy(self._directory / NAME)
        self._counters = {step[0]: step for step in found.steps if not step[1]}
        self._steps = found.steps
        recalled = found.recalled(self._clock.monotonic(), self._moments.zero, self._prints())
        self._last = recalled.memory
        open_now = recalled.memory.open_incidents if recalled.memory else ()
        numbers = {view.number for view in open_now}
        if not self._failed:
            self._attempt(lambda: self._tidy(numbers))
        return recalled

    def _tidy(self, numbers: Iterable[int]) -> None:
        self._file.prune()
        self._file.close_others(numbers)

    # --- the book of used codes (`beacon.otp.used_codes.Book`); any thread ---

    @property
    def key(self) -> bytes:
        """What seeds and settings are hashed with; made once, kept beside the history."""
        return self._key

    def _kept_key(self) -> bytes:
        path = self._directory / KEY
        try:
            if path.exists() and len(found := path.read_bytes()) == 32:
                return found
        except OSError as error:
            log.warning("%s: %s; used codes are not remembered", path, error.strerror)
        self._key_owed = True
        return secrets.token_bytes(32)

    _key_owed = False

    def _keep_key(self) -> None:
        """Write down a key that was made, before anything that was hashed with it."""
        if not self._key_owed:
            return
        path = self._directory / KEY
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(self._key)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        self._key_owed = False

    def used(self) -> Iterable[tuple[bytes, int, int]]:
        """The steps that were written down before the start."""
        return tuple(self._steps)

    def write(self, step: tuple[bytes, int, int]) -> None:
        """Return when this step is on disk, or cannot be: then it is used all the same."""
        asked = _Step(step)
        if self._thread.is_alive() and not self._failed and self._put(asked):
            asked.done.wait(self._pace.step)

    # --- the deciding thread ---

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what is to be written; never blocks."""
        moved = False
        for effect in effects:
            moved = moved or isinstance(effect, _MOVING)
            for item in self._items(effect):
                self._put(item)
        if moved:
            self._put(_Moved())

    def stop(self, budget: float) -> None:
        """Write down the rest, and where everything stands."""
        try:
            self._final = self._remember()
            self._last_learnt = self._learn()
        finally:
            self._put(None)
            if self._thread.is_alive():
                self._thread.join(budget)

    @property
    def degraded(self) -> bool:
        """Whether something that must survive could not be written, or was lost in this run."""
        return self._failed or self._lost or self._overflowed

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

    def _items(self, effect: Effect) -> Iterable[_Item]:
        match effect:
            case Transition():
                because = effect.because
                change = (effect.endpoint, effect.was, effect.now)
                yield self._row("transitions", effect.at, *change, because.reason, because.detail)
            case Answered():
                order = (effect.command, effect.by, effect.origin)
                state = "ON" if effect.on else "OFF"
                what = (effect.reason, effect.error, effect.service, state)
                yield self._row("operators", effect.at, *order, *what)
            case Announced():
                view = effect.incident
                if view is not None:
                    yield view
                number = None if view is None else view.number
                at = self._moments(effect.at).timestamp()
                happened = (effect.service, effect.what, effect.verdict, effect.cause, effect.by)
                yield Row("story", (number, at, *happened))
            case _:
                pass

    def _row(self, table: str, at: float, *values: str | None) -> Row:
        return Row(table, (self._moments(at).timestamp(), *values))

    # --- the writing thread ---

    def _run(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=self._patience())
            except queue.Empty:
                self._commit()
                continue
            if item is None:
                self._end()
                return
            self._take(item)
            if self._remember_at is not None and self._clock.monotonic() >= self._remember_at:
                self._commit()

    def _patience(self) -> float:
        now = self._clock.monotonic()
        if self._remember_at is not None:
            return max(0.0, self._remember_at - now)
        return max(0.0, min(self._pace.refresh, self._learn_at - now))

    def _take(self, item: _Item) -> None:
        match item:
            case Row():
                self._rows.append(item)
            case IncidentView():
                self._open[item.number] = item
            case _Step():
                token, period, _ = item.entry
                if not period:
                    self._counters[token] = item.entry
                self._save(Batch(steps=[item.entry]))
                item.done.set()
                return
            case _Settle():
                self._commit()
                item.done.set()
                return
            case _:
                pass
        if self._remember_at is None:
            self._remember_at = self._clock.monotonic() + self._pace.batch

    def _commit(self) -> None:
        """Write what waits, with the memory as it stands now, if anything changed."""
        self._remember_at = None
        if self._failed and self._clock.monotonic() < self._open_at:
            self._remember_at = self._open_at
            return
        memory = None
        try:
            memory = self._ask(self._remember)
            if not self._failed and self._clock.monotonic() >= self._learn_at:
                self._take_learnt(self._ask(self._learn))
                self._learn_at = self._clock.monotonic() + self._pace.learn
        except TimeoutError:
            self._remember_at = self._clock.monotonic() + self._pace.batch
        self._write(memory)

    def _take_learnt(self, found: tuple[Iterable[Learnt], Iterable[str]]) -> None:
        learnt, forgotten = found
        void = frozenset(forgotten)
        self._forgotten |= void
        kept = {key: each for key, each in self._learnt.items() if key[0] not in void}
        self._learnt = kept | {(each.endpoint, each.slot): each for each in learnt}

    def _write(self, memory: Memory | None) -> None:
        if self._file.replaced():
            self._last = None  # write all that must survive once more
        last = self._last
        news = memory is not None and (last is None or replace(last, at=memory.at) != memory)
        if memory is not None:
            self._open |= {view.number: view for view in memory.open_incidents}
        rows = tuple(self._rows)
        new = news or rows or self._learnt or self._forgotten
        if not (new or self._failed or self._overflowed):
            return
        batch = Batch(
            rows=rows,
            incidents=[self._incident(view) for view in self._open.values()],
            memory=self._encoded(memory) if memory is not None and news else None,
            forgotten=self._forgotten,
            learnt=self._learnt.values(),
        )
        if not self._save(batch):
            self._remember_at = self._open_at
            return
        for _ in rows:
            self._rows.popleft()
        self._open, self._learnt, self._forgotten = {}, {}, set()
        self._last = memory or last
        if self._overflowed and self._queue.empty():
            log.warning("too much at once: some of the history was not written down")
            self._overflowed = False

    def _end(self) -> None:
        self._open_at = 0.0
        self._take_learnt(self._last_learnt)
        self._write(self._final)
        self._file.close()

    def _incident(self, view: IncidentView) -> tuple[int, str, bool, str]:
        body = incident(view, self._site, self._moments)
        text = msgspec.json.encode(body).decode()
        return view.number, body["id"], view.closed_at is None, text

    def _encoded(self, memory: Memory) -> str:
        return StoredMemory(zero=self._moments.zero, prints=self._prints(), memory=memory).encoded()

    def _prints(self) -> dict[str, str]:
        return {
            name: hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]
            for name, text in self._written().items()
        }

    def _save(self, batch: Batch) -> bool:
        def save() -> None:
            if self._file.replaced():
                log.error("%s was deleted or replaced while we ran", self._file.path)
                self._file.close()
                self._lost = self._anew = True
            self._keep_key()
            self._file.open()
            again = self._counters.values() if self._anew else ()
            self._file.write(replace(batch, steps=(*batch.steps, *again)))
            self._anew = False

        if self._failed and self._clock.monotonic() < self._open_at:
            return False
        return self._attempt(save)

    def _attempt(self, do: Callable[[], None]) -> bool:
        """Do something with the file; a broken one is set aside and made anew, once."""
        try:
            try:
                do()
            except sqlite3.Error as error:
                if not rotten(error):
                    raise
                self._set_aside(error)
                do()
        except (sqlite3.Error, OSError, Newer) as error:
            self._fail(error)
            return False
        except Exception as error:  # noqa: BLE001 - the border: a bug here costs the history only
            self._fail(scrubbed(error))
            return False
        if self._failed:
            log.info("the history is written again")
        self._failed = False
        return True

    def _set_aside(self, error: sqlite3.Error) -> None:
        self._lost = self._anew = True
        self._last = None
        log.error("the history is broken (%s); it is set aside as %s.corrupt", error, NAME)
        self._file.set_aside()

    def _fail(self, error: object) -> None:
        if not self._failed:
            log.error("the history cannot be written, the beacon goes on without: %s", error)
        self._failed = True
        self._open_at = self._clock.monotonic() + self._pace.again
        self._file.close()
