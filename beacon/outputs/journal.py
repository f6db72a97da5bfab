"""The log on stderr: one line per record, without secrets.

Tracebacks are cut down to places and types, because messages of foreign exceptions quote addresses
and bodies. Foreign libraries log only from WARNING on, because their DEBUG records quote whole
requests.

Must never happen: the beacon waits for the reader of stderr. A full pipe, a stopped terminal or a
journal that hangs costs log lines, which are counted, and never a verdict.
"""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, TextIO

from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    Effect,
    OverallChanged,
    OverlaysChanged,
    Sounded,
    Transition,
)
from beacon.core.model import Health
from beacon.core.views import OverlayKind, SilenceChanged
from beacon.engine.redaction import safe_traceback

log = logging.getLogger("beacon")

_SYSTEMD: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
MOST_WAITING: Final = 1000
"""Most lines that wait for their reader; further ones are dropped and counted."""
FLUSH_WITHIN: Final = 1.0
"""Seconds for the last lines to be written at the end."""
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class OneLine(logging.Formatter):
    """Formats a record as one line; for the journal with its priority instead of the time."""

    def __init__(self, *, journal: bool, timed: bool = True) -> None:
        shape = "%(levelname)s %(name)s: %(message)s"
        super().__init__(f"%(asctime)s {shape}" if timed and not journal else shape)
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Join the lines of a record with a mark."""
        line = " | ".join(
            filter(None, (part.strip() for part in super().format(record).split("\n")))
        )
        line = "".join(char if char.isprintable() else " " for char in line)
        return f"<{_SYSTEMD.get(record.levelno, 2)}>{line}" if self._journal else line

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the name logging calls
        """Places and types only."""
        return safe_traceback(ei[1]) if ei[1] is not None else ""


class LineWriter(logging.Handler):
    """Writes lines to a stream in a thread of its own, so that logging never waits."""

    def __init__(self, stream: TextIO, most: int = MOST_WAITING) -> None:
        super().__init__()
        self._stream, self._most = stream, most
        self._lines: SimpleQueue[str] = SimpleQueue()
        # Both under the handler's lock, which is never held while something is written.
        self._queued = self._dropped = 0
        self._done = 0  # of those queued
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record, or count it."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - logging itself would write to stderr
            line = " | ".join(f"{record.name}: no such line\n{safe_traceback(error)}".split("\n"))
        self.say(line)

    def say(self, line: str) -> None:
        """Queue a line as it is, or count it. Any thread may call this."""
        self.acquire()
        try:
            self._put(line)
        finally:
            self.release()

    def _put(self, line: str) -> None:
        if self._queued - self._done >= self._most:
            self._dropped += 1
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        self._queued += 1
        self._lines.put(line)

    def drain(self, within: float) -> None:
        """Wait until everything is written, `within` seconds at most."""
        until = time.monotonic() + within
        while self._done < self._queued and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self) -> None:
        while True:
            lines = [self._lines.get()]
            with contextlib.suppress(Empty):
                while True:
                    lines.append(self._lines.get_nowait())
            written = self._write(lines)
            self._done += len(lines)
            if not written:
                self._drop(len(lines))
            elif report := list(self._report_dropped()):
                self._write(report)

    def _write(self, lines: Sequence[str]) -> bool:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone; another may come
            return False
        return True

    def _report_dropped(self) -> Iterator[str]:
        """The line that reports dropped lines, if there are any."""
        dropped = self._drop(-self._dropped)
        if dropped:
            words = f"{dropped} log lines were dropped: nobody read them in time"
            yield self.format(logging.LogRecord(log.name, logging.WARNING, "", 0, words, (), None))

    def _drop(self, count: int) -> int:
        """Count dropped lines; return how many there were before."""
        self.acquire()
        try:
            before, self._dropped = self._dropped, max(0, self._dropped + count)
        finally:
            self.release()
        return before


def set_up(level: str, environ: Mapping[str, str]) -> LineWriter:
    """Log to stderr from `level` on. Under systemd the journal adds the time."""
    writer = LineWriter(sys.stderr)
    writer.setFormatter(OneLine(journal="JOURNAL_STREAM" in environ))
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())
    return writer


class _Diverted(logging.Handler):
    """Gives each line to what shows it."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.setFormatter(OneLine(journal=False, timed=False))
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != log.name:  # the terminal shows these by itself
            self._note(self.format(record))


@contextlib.contextmanager
def diverted(note: Callable[[str], None]) -> Iterator[None]:
    """Inside, lines that would spoil the picture in the terminal go to `note` instead."""
    root = logging.getLogger()
    before = root.handlers[:]
    if sys.stderr.isatty():
        root.handlers[:] = [_Diverted(note)]
    try:
        yield
    finally:
        root.handlers[:] = before


class LogBook:
    """Logs what happened; `tell` gets the one line for `systemctl status`."""

    name = "log"

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._laid: set[OverlayKind] = set()

    def start(self) -> None:
        """Nothing to begin."""

    def offer(self, effects: Sequence[Effect]) -> None:
        """Log one line for each effect that people ask about later."""
        for effect in effects:
            if isinstance(effect, OverallChanged):
                services = ", ".join(
                    f"{name} {verdict}" for name, verdict in effect.overall.services
                )
                self._tell(f"{effect.overall.verdict}: {services}")
            elif isinstance(effect, OverlaysChanged):
                self._overlays(effect)
            elif (line := _line(effect)) is not None:
                log.log(*line)

    def _overlays(self, effect: OverlaysChanged) -> None:
        """Log the overlays of this kind, and once that there are none left."""
        if effect.on or effect.kind in self._laid:
            log.info("%s", _overlays(effect))
        (self._laid.add if effect.on else self._laid.discard)(effect.kind)

    def stop(self, budget: float) -> None:
        """Nothing to end."""


def _line(effect: Effect) -> tuple[int, str] | None:
    if isinstance(effect, Transition):
        level = logging.INFO if effect.now in (Health.UP, Health.DEGRADED) else logging.WARNING
        because = f"{effect.because.reason} {effect.because.detail}".strip()
        return level, f"{effect.endpoint}: {effect.was} -> {effect.now} ({because})"
    if isinstance(effect, Announced):
        return _announced(effect)
    if isinstance(effect, Answered):
        error = f": refused, {effect.error}" if not effect.ok else ""
        words = (effect.command, effect.service, None if effect.on else "off")
        what = " ".join(word for word in words if word)
        why = f", because: {effect.reason}" if effect.reason else ""
        return logging.INFO, f"{what} by {effect.by} ({effect.origin}){why}{error}"
    if isinstance(effect, SilenceChanged):
        return logging.INFO, f"silence by {effect.by}" if effect.on else "silence ended"
    return (logging.INFO, f"sound: {effect.sound}") if isinstance(effect, Sounded) else None


def _overlays(effect: OverlaysChanged) -> str:
    if effect.kind is OverlayKind.ATTEST:
        return f"attestation overdue: {', '.join(effect.overdue) or 'none'}"
    on = [f"{overlay.subject} by {overlay.by}" for overlay in effect.overlays]
    return f"{effect.kind}: {', '.join(on) or 'none'}"


_CALM: Final = frozenset(
    {Announcement.ACKNOWLEDGED, Announcement.RECOVERING, Announcement.CLOSED, Announcement.SIGHTED}
)


def _announced(effect: Announced) -> tuple[int, str]:
    if effect.what is Announcement.GUARD_STOPPED:
        again = f"`beacon resume {effect.by}` lets them go on"
        return logging.WARNING, f"{effect.by}: sign-ins are stopped, as they were rejected; {again}"
    level = logging.INFO if effect.what in _CALM else logging.WARNING
    words = [f"{effect.service}: {effect.what}, {effect.verdict}"]
    if effect.cause:
        words.append(f"cause {effect.cause}")
    if effect.by:
        words.append(f"by {effect.by}")
    return level, ", ".join(words)
