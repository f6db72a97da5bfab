"""Problems of a configuration: what is wrong, where, and what is allowed."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Steps = tuple[str | int, ...]
"""Where in the document: ("services", 0, "endpoints", 2, "url")."""

MEANT_CUTOFF = 0.6
LONGEST_COMPARED = 40
"""Characters of a word that is compared: the time grows with their square."""
MOST_COMPARED = 10_000
"""Characters of choices that one word is compared with; the names of all time zones are fewer."""


_PIECE = 3
_LONG_PIECE = 6
"""Letters and digits of a secret that are looked for: at its own place, and anywhere."""
_CREDENTIALS = re.compile(r"(?<=//)[^/'\"][^'\"]*@|[\w.+-]+:[^\s'\"/@]+@")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where in a file; lines and columns count from 1."""

    file: str
    line: int
    col: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `allowed`: what would be valid; `hint`: what was probably meant."""

    place: Position
    path: str
    message: str
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return `file:line:col: path: what is wrong; what is allowed; did you mean …?`."""
        meant = f"did you mean {self.hint}?" if self.hint else ""
        text = "; ".join(filter(None, (self.message, self.allowed, meant)))
        return ": ".join(filter(None, (str(self.place), self.path, text)))


class ConfigError(Exception):
    """A configuration cannot be used; `problems` holds every reason, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Passing(str):
    """A message about files that may be in the middle of their renewal."""

    __slots__ = ()


class Notice(str):
    """A message about what is valid today, but not for long: a warning."""

    __slots__ = ()


class Problems:
    """Collects problems. With `starting`, one that is `Passing` does not prevent the start."""

    def __init__(self, *, starting: bool = False) -> None:
        self._starting = starting
        self._found: dict[Problem, None] = {}
        self.passing: dict[Problem, None] = {}
        self.notices: dict[Problem, None] = {}
        self._hidden: list[tuple[Position, str, str]] = []
        self.inline: list[tuple[Position, Steps]] = []
        """The places of secrets that are written in the clear."""

    def add(
        self, place: Position, path: Steps, message: str, allowed: str = "", hint: str = ""
    ) -> None:
        """Note one mistake; the same one twice (through an alias) counts once.

        Whoever notes it may quote what is written: secrets and credentials are taken out here.
        """
        kept = self._found
        if isinstance(message, Notice):
            kept = self.notices
        elif self._starting and isinstance(message, Passing):
            kept = self.passing
        origin = self._secret_in(place, f"{message} {hint}")
        if origin:
            message, hint = f"the value of {origin} is not valid here", ""
        message, hint = (_CREDENTIALS.sub("***@", text) for text in (message, hint))
        kept.setdefault(Problem(place, path_text(path), message, allowed, hint))

    def warn(self, place: Position, path: Steps, message: str, allowed: str) -> None:
        """Note what works but should be changed, in words that repeat no text of a file."""
        self.notices.setdefault(Problem(place, path_text(path), message, allowed))

    def hide(self, place: Position, value: str, origin: str) -> None:
        """Never repeat the value of `origin` ("!secret x"), written at this place."""
        self._hidden.append((place, _letters(value[:LONGEST_COMPARED]), origin))

    def _secret_in(self, place: Position, words: str) -> str:
        """The origin of a secret that these words contain; at its own place a piece is enough."""
        letters = _letters(words)
        for where, value, origin in self._hidden:
            size = min(len(value), _PIECE if where == place else LONGEST_COMPARED)
            pieces = (value[at : at + size] for at in range(len(value) - size + 1))
            if size >= (1 if where == place else _LONG_PIECE) and any(p in letters for p in pieces):
                return origin
        return ""

    def __len__(self) -> int:
        return len(self._found)

    def in_order(self, first: str) -> tuple[Problem, ...]:
        """All of them by place; those of the file `first` come first."""
        return tuple(sorted(self._found, key=lambda p: (p.place.file != first, p.place)))


def path_text(path: Steps) -> str:
    """Return the path as people write it: services[0].endpoints[2].url."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def meant(word: str, choices: Iterable[str]) -> str:
    """Return the one choice that begins with `word`, or the most like it, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    begun = [full for lower, full in by_lower.items() if lower.startswith(word.lower())]
    if len(begun) == 1 and word:
        return begun[0]
    close = alike(word.lower(), by_lower, 1, MEANT_CUTOFF)
    return by_lower[close[0]] if close else ""


def alike(word: str, choices: Iterable[str], most: int, cutoff: float) -> list[str]:
    """Return the choices most like `word`, the most like it first; long ones are like nothing."""
    if len(word) > LONGEST_COMPARED:
        return []
    return difflib.get_close_matches(word, list(_compared(choices)), most, cutoff)


def _compared(choices: Iterable[str]) -> Iterator[str]:
    left = MOST_COMPARED
    for choice in choices:
        if len(choice) <= LONGEST_COMPARED:
            left -= len(choice)
            if left < 0:
                return
            yield choice


def one_of(choices: Iterable[str]) -> str:
    """Return "a, b or c"."""
    words = list(choices)
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
