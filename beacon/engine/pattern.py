"""Regular expressions for foreign text: they end in time and let other threads run meanwhile.

Python's own `re` does neither: on `<<<<…` it has held the whole daemon for 42 s. So nothing that
reads foreign text uses it, nor `regex` except through this class; ruff refuses both.
"""

from typing import Any, AnyStr, Final, Generic

import regex

REGEX_BUDGET: Final = 0.5
"""Seconds a regular expression may search one text."""

IGNORE_CASE: Final = int(regex.IGNORECASE)
DOT_ALL: Final = int(regex.DOTALL)
ASCII: Final = int(regex.ASCII)


class Pattern(Generic[AnyStr]):
    """A compiled expression. Every search raises `TimeoutError` when its time is up."""

    __slots__ = ("_compiled",)

    def __init__(self, written: AnyStr, flags: int = 0) -> None:
        self._compiled: regex.Pattern[AnyStr] = regex.compile(written, flags)

    @property
    def groups(self) -> int:
        """How many groups it captures."""
        return self._compiled.groups

    def search(self, text: AnyStr) -> "regex.Match[AnyStr] | None":
        """The first place that matches."""
        return self._compiled.search(text, timeout=REGEX_BUDGET, concurrent=True)

    def fullmatch(self, text: AnyStr) -> "regex.Match[AnyStr] | None":
        """A match of the whole text."""
        return self._compiled.fullmatch(text, timeout=REGEX_BUDGET, concurrent=True)

    def findall(self, text: AnyStr) -> list[Any]:
        """All that match."""
        return self._compiled.findall(text, timeout=REGEX_BUDGET, concurrent=True)

    def sub(self, replacement: AnyStr, text: AnyStr) -> AnyStr:
        """The text with every match replaced."""
        return self._compiled.sub(replacement, text, timeout=REGEX_BUDGET, concurrent=True)
