"""The inbox of gammu-smsd (its `files` service): one file for each part of a message.

`IN<date>_<time>_<serial>_<sender>_<part>.txt`. The dates are the sender's: a file is new if its
name was not there before. Each part has a date of its own, often a second later. smsd writes files
in place: a file may still be empty, and parts may be missing (docs/adr/0022).
"""

import contextlib
import io
import os
import stat
from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, NoReturn

from msgspec import Meta

from beacon.config.fields import Directory, ForeignFile
from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import DOT_ALL, TextPattern
from beacon.net.mailbox import MESSAGE_LIMIT, MESSAGES_LIMIT, Message
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.gammu_modem import read_modem

POLL: Final = 0.25
"""Seconds between two readings; a message counts once it is the same in two of them."""

SAVES_NOTHING: Final = "gammu-smsd received messages and saved none: its log says why"

_NAME: Final = TextPattern(r"IN(\d{8})_(\d{6})_(\d+_.*)_(\d+)\.txt", DOT_ALL)

_Parts = Mapping[int, tuple[str, int]]  # number of a part → its file's name and bytes


@dataclass(frozen=True, kw_only=True)
class Smsd:
    """Where gammu-smsd saves messages, and its configuration, which leads to its modem's state."""

    inbox: Annotated[Directory, Meta(description="smsd's inboxpath")]
    config: Annotated[
        ForeignFile | None,
        Meta(description="smsd's configuration: its modem's signal and network are asked for"),
    ] = None

    def open(self, run: Run) -> "SmsdWatch":
        """Note the messages that are there. Raises `ProbeFailure` (`own_modem`)."""
        run.remaining()
        watch = SmsdWatch(Path(self.inbox), self.modem)
        run.note(f"modem: {'well' if self.config else 'not asked'}")
        return watch

    def modem(self) -> int | None:
        """How many messages smsd has received, if known.

        Raises `ProbeFailure` (`own_modem`) if its modem can receive none.
        """
        if self.config is None:
            return None
        found = read_modem(Path(self.config))
        if found.flaw:
            raise ProbeFailure(Reason.OWN_MODEM, found.flaw)
        return found.received


@dataclass(frozen=True, slots=True)
class Progress:
    """How many messages smsd has received since its start, if known, and when files changed."""

    received: int | None
    changed: int

    def restarted(self, before: "Progress") -> bool:
        """Whether smsd was restarted since then."""
        return (self.received or 0) < (before.received or 0)

    def saves_nothing(self, before: "Progress") -> bool:
        """Whether it has received messages since then, but no file was added or removed."""
        # A message that cannot be saved (a "/" in its sender's name) is received repeatedly.
        since = 0 if self.restarted(before) else before.received or 0
        return (self.received or 0) > since and self.changed == before.changed


@dataclass
class SmsdWatch:
    """The inbox since it was opened."""

    inbox: Path
    modem: Callable[[], int | None]
    _known: set[str] = field(default_factory=set)
    _before: Mapping[str, _Parts] = field(default_factory=dict)
    _seen: Mapping[str, _Parts] = field(default_factory=dict)
    _given: dict[str, _Parts] = field(default_factory=dict)
    _ready: deque[tuple[str, _Parts]] = field(default_factory=deque)
    _new: int = 0

    def __post_init__(self) -> None:
        self._before = self._look()
        self._known.update(self._before)
        self._received = self.modem()
        self._came = False

    def wait(self, run: Run, until: float) -> Message | None:
        """The next complete message; None if none came by `until`. Looks at least once.

        Raises `ProbeFailure` (`own_modem`) where none came and the modem cannot receive.
        """
        while True:
            if self._ready:
                name, parts = self._ready.popleft()
                return Message(name, self._text(parts))
            before, self._seen = self._seen, self._look()
            self._came = self._came or bool(self._seen)
            for name in sorted(self._seen):
                if self._whole(name, before) and self._new < MESSAGES_LIMIT:
                    self._new += 1
                    self._known.add(name)
                    self._given[name] = self._seen[name]
                    self._ready.append((name, self._seen[name]))
            if self._ready:
                continue
            left = until - run.clock.monotonic()
            if left <= 0:
                self._ask_modem()
                return None
            run.pause(min(POLL, left))

    def _ask_modem(self) -> None:
        before, received = self._received, self.modem()
        if before is not None and received is not None and received > before and not self._came:
            raise ProbeFailure(Reason.OWN_MODEM, SAVES_NOTHING)

    def earlier(self, run: Run) -> Iterator[tuple[float, Message]]:
        """The messages that were there at the opening, with their age in seconds, newest first.

        Each is read when it is taken. Raises `ProbeFailure` if the inbox cannot be read.
        """
        now = run.clock.utc().timestamp()
        found = sorted((now - self._came_at(parts), name) for name, parts in self._before.items())
        for age, name in found:
            run.remaining()
            self._given[name] = self._before[name]
            yield age, Message(name, self._text(self._before[name]))

    def progress(self) -> Progress:
        """The state of smsd now. Raises `ProbeFailure` (`own_modem`)."""
        try:
            changed = self.inbox.stat().st_mtime_ns
        except OSError as error:
            _unreadable(error)
        return Progress(self.modem(), changed)

    def _came_at(self, parts: _Parts) -> float:
        """When its last part was written. The dates in the names are the sender's."""
        moments = [0.0]
        for file, _ in parts.values():
            with contextlib.suppress(OSError):  # another program removed it
                moments.append((self.inbox / file).stat(follow_symlinks=False).st_mtime)
        return max(moments)

    def remove(self, run: Run, message: Message) -> None:
        """Delete the files of all parts."""
        for file, _ in self._given[str(message.key)].values():
            try:
                (self.inbox / file).unlink(missing_ok=True)
            except OSError as error:
                run.note(f"the message cannot be deleted: {error.strerror}")

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _whole(self, name: str, before: Mapping[str, _Parts]) -> bool:
        parts = self._seen[name]
        without_gaps = sorted(parts) == list(range(len(parts)))
        not_empty = all(size for _, size in parts.values())
        return without_gaps and not_empty and before.get(name) == parts

    def _look(self) -> Mapping[str, _Parts]:
        """The messages that are new, each with its parts."""
        try:
            found = _messages(_files(self.inbox))
        except OSError as error:
            _unreadable(error)
        return {name: parts for name, parts in found.items() if name not in self._known}

    def _text(self, parts: _Parts) -> str:
        text = ""
        for part in sorted(parts):
            try:
                text += _decoded(_read(self.inbox / parts[part][0], MESSAGE_LIMIT - len(text)))
            except FileNotFoundError:
                continue  # another program removed it
            except OSError as error:
                _unreadable(error)
        return text


@dataclass(frozen=True, slots=True)
class _File:
    """One part of a message. `origin` is serial and sender, equal for all parts of a message."""

    name: str
    date: int
    origin: str
    part: int
    size: int


def _messages(files: Iterable[_File]) -> dict[str, dict[int, tuple[str, int]]]:
    """The parts of each message, by the name of its first part."""
    there = list(files)
    begun: dict[str, list[int]] = {}
    for file in sorted(there, key=lambda file: file.date):
        if file.part == 0:
            begun.setdefault(file.origin, []).append(file.date)
    found: dict[str, dict[int, tuple[str, int]]] = {}
    for file in there:
        date = _nearest(begun.get(file.origin, [file.date]), file.date)
        found.setdefault(f"{date}_{file.origin}", {})[file.part] = (file.name, file.size)
    return found


def _nearest(dates: Sequence[int], date: int) -> int:
    """The nearest of sorted dates."""
    at = bisect(dates, date)
    return min(dates[max(at - 1, 0) : at + 1], key=lambda each: abs(each - date))


def _files(inbox: Path) -> Iterator[_File]:
    with os.scandir(inbox) as entries:
        for entry in entries:
            named = _NAME.fullmatch(entry.name)
            if named and entry.is_file(follow_symlinks=False):
                size = entry.stat(follow_symlinks=False).st_size
                date, origin, part = int(named[1] + named[2]), named[3], int(named[4])
                yield _File(entry.name, date, origin, part, size)


def _read(path: Path, limit: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with io.FileIO(handle) as file:
        return (file.read(limit) or b"") if stat.S_ISREG(os.fstat(handle).st_mode) else b""


def _decoded(raw: bytes) -> str:
    """The text as smsd writes it: UTF-16 with a byte order mark, or else UTF-8."""
    marked = raw.startswith((b"\xfe\xff", b"\xff\xfe"))
    return raw.decode("utf-16" if marked else "utf-8", "replace")


def _unreadable(error: OSError) -> NoReturn:
    raise ProbeFailure(Reason.OWN_MODEM, f"smsd's inbox cannot be read: {error.strerror}") from None
