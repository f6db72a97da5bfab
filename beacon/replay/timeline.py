"""Prints the result of a replay for people: a timeline, in colour on a terminal.

Everything that happened at one moment stands under one time; a new day gets a line.
"""

import re
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, TextIO

from beacon.core.effects import IndicationChanged, Sounded
from beacon.core.indication import Colour
from beacon.core.model import Verdict

Signal = IndicationChanged | Sounded


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline. `at` is seconds from the script's start."""

    at: float
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of one file.

    `verdicts` are the changes of every service's verdict, `signals` what the tower
    showed and sounded; times are seconds from the script's start.
    """

    title: str
    start: datetime
    entries: tuple[TimelineEntry, ...]
    failures: tuple[str, ...]
    verdicts: tuple[tuple[float, str, Verdict], ...] = ()
    signals: tuple[Signal, ...] = ()


MARKS: Final = {
    "script": "·",
    "endpoint": " ",
    "verdict": "▌",
    "told": "►",
    "tower": "☼",
    "sound": "♪",
}
_ORDER: Final = tuple(MARKS)
_LONG: Final = 1800.0
"""A gap of this many seconds or more is drawn."""
_INDENT: Final = " " * 24
_NARROWEST: Final = 24
"""Fewer columns than this are never folded to."""

_BOLD, _DIM, _PLAIN = "1", "2", "0"
_STYLES: Final[Mapping[str, str]] = {
    Colour.RED: "91",
    Colour.AMBER: "33",
    Colour.GREEN: "92",
    Colour.BLUE: "94",
    Colour.WHITE: "97",
    Verdict.OK: "92",
    Verdict.ADVISORY: "33",
    Verdict.RECOVERING: "33",
    Verdict.DEGRADED: "1;33",
    Verdict.BLIND: "1;97",
    Verdict.OUTAGE: "1;91",
    Verdict.GRAY_FAILURE: "1;91",
}
_LAMP: Final = re.compile(rf"\b({'|'.join(Colour)}) \w+")
_VERDICT: Final = re.compile(rf"(?<= is )({'|'.join(Verdict)})\b")


def coloured(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether it is a terminal that shows colour, and NO_COLOR is not set."""
    return out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def relative(seconds: float) -> str:
    """Render seconds from the start as +0:04:30."""
    sign, whole = ("-" if seconds < 0 else "+"), abs(round(seconds))
    return f"{sign}{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _last_of_each(entries: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """Order the entries of one moment; of tower and verdicts keep the last one only."""
    last = {_subject(entry): entry for entry in entries}
    return sorted(last.values(), key=lambda entry: _ORDER.index(entry.what))


def _subject(entry: TimelineEntry) -> object:
    """What an entry is about, where only the last one of a moment counts."""
    if entry.what == "tower":
        return entry.what
    return entry.text.partition(" ")[0] if entry.what == "verdict" else entry


def _printable(text: str) -> str:
    """Foreign text without control characters: they could move the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


class TimelinePrinter:
    """Writes timelines, at once or paced as they happened.

    `speed`: replayed seconds for each real one; None: all at once. `wait` sleeps. `show` gets
    what the tower shows and sounds at each moment, after its lines are written. Lines longer
    than `width` columns are folded; None: they are not.
    """

    def __init__(
        self,
        out: TextIO,
        *,
        colour: bool = False,
        width: int | None = None,
        speed: float | None = None,
        wait: Callable[[float], object] = time.sleep,
        show: Callable[[Sequence[Signal]], object] = lambda _: None,
    ) -> None:
        self._show = show
        self._out, self._colour, self._width = out, colour, width
        self._speed, self._wait = speed, wait

    def print(self, replayed: Replayed) -> None:
        """Write one timeline."""
        self._line(self._style(_BOLD, _printable(replayed.title)))
        day, before = "", None
        for at, entries in groupby(replayed.entries, key=lambda entry: entry.at):
            if before is not None:
                self._pass(at - before)
            before = at
            moment = replayed.start + timedelta(seconds=at)
            if (today := f"{moment:%A %d %B %Y}, UTC") != day:
                day = today
                self._line(self._style(_DIM, f"\n  ─── {day} " + "─" * max(4, 58 - len(day))))
            self._moment(f"  {moment:%H:%M:%S}  {relative(at):>10}  ", tuple(entries))
            self._show([signal for signal in replayed.signals if signal.at == at])
        self._line(self._ending(replayed.failures) + "\n")

    def _pass(self, seconds: float) -> None:
        if seconds >= _LONG:
            self._line(self._style(_DIM, f"{'⋮':>13}"))
        if self._speed is not None:
            self._wait(seconds / self._speed)

    def _moment(self, stamp: str, entries: Sequence[TimelineEntry]) -> None:
        for number, entry in enumerate(_last_of_each(entries)):
            lead = _INDENT if number else self._style(_DIM, stamp)
            first, *more = self._folded(_printable(entry.text))
            self._line(f"{lead}{MARKS[entry.what]} {self._text(entry.what, first)}")
            for text in more:
                self._line(f"{_INDENT}  {self._text(entry.what, text)}")

    def _folded(self, text: str) -> list[str]:
        width = None if self._width is None else self._width - len(_INDENT) - 2
        if width is None:
            return [text]
        return textwrap.wrap(
            text, max(width, _NARROWEST), break_long_words=False, break_on_hyphens=False
        )

    def _text(self, what: str, text: str) -> str:
        if what in ("script", "endpoint"):
            return self._style(_DIM, text)
        if what == "verdict":
            return _VERDICT.sub(self._in_its_colour, text, count=1)
        if what == "tower":
            return _LAMP.sub(self._in_its_colour, text)
        return text

    def _in_its_colour(self, found: re.Match[str]) -> str:
        return self._style(_STYLES[found[1]], found[0])

    def _ending(self, failures: Sequence[str]) -> str:
        if not failures:
            return self._style("92", "  every expectation holds")
        return self._style("1;91", f"  {len(failures)} expectation(s) do not hold")

    def _style(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[{_PLAIN}m" if self._colour else text

    def _line(self, text: str) -> None:
        print(text, file=self._out, flush=self._speed is not None)
