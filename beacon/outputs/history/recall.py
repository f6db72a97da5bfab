"""The memory of an earlier run, read from the history and converted to this boot's seconds.

Whatever the file holds, the beacon starts: what cannot be read, or cannot be true, is dropped with
a warning.
"""

import logging
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.memory import Memory, with_moments
from beacon.core.model import Moment
from beacon.otp.used_codes import Step
from beacon.outputs.history.database import HIGHEST_NUMBER, LOG, HistoryFile, Newer, damaged

log = logging.getLogger(__name__)

LONGEST_AWAY: Final = 30 * 86400.0
"""Most seconds a beacon can have been off: more is a wall clock that jumped."""
FARTHEST: Final = 10 * 366 * 86400.0
"""Most seconds between a remembered moment and now: more is damage."""

LAST_DATE: Final = 32503680000.0
"""The year 3000 in UTC seconds: a later date is damage."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known from before the start, in this boot's monotonic seconds."""

    memory: Memory | None = None
    changed: frozenset[str] = frozenset()
    learnt: Sequence[Learnt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMemory:
    """The memory as a document. `zero` is the UTC of monotonic 0, `prints` hash settings."""

    zero: float
    prints: dict[str, str]
    memory: Memory

    def encoded(self) -> str:
        """As JSON."""
        return msgspec.json.encode(_sparse(msgspec.to_builtins(self))).decode()


@dataclass(slots=True)
class StoredState:
    """What the file holds."""

    document: str | None = None
    steps: list[Step] = field(default_factory=list)
    last_number: int = 0
    learnt: Sequence[Learnt] = ()

    def read(self, file: HistoryFile) -> None:
        """Open a file and read it. Raises `sqlite3.Error`, `OSError` and `Newer`."""
        try:
            file.open()
            self.document, self.steps = file.memory(), file.steps()
            self.last_number, self.learnt = file.last_number(), file.learnt()
        except (sqlite3.Error, OSError, Newer):
            raise
        except Exception as error:  # noqa: BLE001 - a damaged byte may surface as anything
            raise damaged(f"{type(error).__name__}: {error}") from None

    def recalled(self, now: Moment, zero: float, prints: Mapping[str, str]) -> Recalled:
        """Convert it to this boot's monotonic seconds; `zero` and `prints` are the present ones."""
        found = Recalled()
        stored = _decoded(self.document)
        if stored is not None:
            found = _rebased(stored, now, zero, prints)
        if found.memory is not None:
            number = max(found.memory.incidents, self.last_number)
            found = replace(found, memory=replace(found.memory, incidents=number))
        elif self.last_number:
            found = Recalled(Memory(at=now, incidents=self.last_number))
        return replace(found, learnt=self.learnt)


def read_copy(path: Path) -> StoredState:
    """Read a copy of a file that cannot be opened in place: SQLite must write to read its log.

    Empty if the copy cannot be read either.
    """
    state = StoredState()
    try:
        with tempfile.TemporaryDirectory(prefix="beacon-") as scratch:
            for end in ("", LOG):
                part = Path(f"{path}{end}")
                if not end or part.exists():
                    shutil.copyfile(part, Path(scratch, part.name))
            copy = HistoryFile(Path(scratch, path.name))
            try:
                state.read(copy)
            finally:
                copy.close()
    except (sqlite3.Error, OSError, Newer):
        return StoredState()
    log.warning("the memory was read; what is new waits to be written")
    return state


def _decoded(text: str | None) -> StoredMemory | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=StoredMemory)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        log.warning("what was remembered cannot be read and is dropped: %s", error)
        return None


def _rebased(stored: StoredMemory, now: Moment, zero: float, prints: Mapping[str, str]) -> Recalled:
    """Convert the moments of an earlier boot to this one's monotonic seconds."""
    away = now + zero - (stored.zero + stored.memory.at)
    by = stored.zero - zero
    if not 0 <= away <= LONGEST_AWAY:
        by = now - stored.memory.at - min(max(away, 0.0), LONGEST_AWAY)
    far = []

    def moved(moment: Moment) -> Moment:
        there = Moment(moment + by)
        if math.isfinite(there) and abs(there - now) > FARTHEST:
            far.append(there)
        return there

    memory = with_moments(stored.memory, moved)
    numbers = (memory.incidents, *(view.number for view in memory.open_incidents))
    dates = [view.opened_utc for view in memory.open_incidents if view.opened_utc is not None]
    possible = all(0 <= number < HIGHEST_NUMBER for number in numbers)
    if far or not possible or not all(0 <= date < LAST_DATE for date in dates):
        log.warning("what was remembered cannot be true: it is damaged, and dropped")
        return Recalled()
    changed = frozenset(k for k, print_ in stored.prints.items() if prints.get(k) != print_)
    return Recalled(memory, changed)


def _sparse(tree: object) -> object:
    """Leave out what is the default of its field: None, half of a memory, and infinite moments.

    JSON has no infinity.
    """
    match tree:
        case dict():
            return {key: _sparse(value) for key, value in tree.items() if value not in _DEFAULTS}
        case list() | tuple():
            return [_sparse(each) for each in tree]
        case _:
            return tree


_DEFAULTS: Final = (None, math.inf, -math.inf)
