"""Regular expressions for foreign text: they end in time and let other threads run meanwhile.

Python's own `re` does neither: on `<<<<…` it has held the whole daemon for 42 s. So nothing that
reads foreign text uses it, nor `regex` except through this class; ruff refuses both.
"""

from collections.abc import Callable, Iterator
from typing import Any, AnyStr, Final, Generic, TypeVar

import regex

T = TypeVar("T")

REGEX_BUDGET: Final = 0.5
"""Seconds a regular expression may search one text."""

IGNORE_CASE: Final = int(regex.IGNORECASE)
DOT_ALL: Final = int(regex.DOTALL)
ASCII: Final = int(regex.ASCII)


class SearchTimeout(TimeoutError):
    """A text took too long to search."""


class TextPattern(Generic[AnyStr]):
    """A compiled expression. Every search may raise `SearchTimeout`."""

    __slots__ = ("_compiled",)

    def __init__(self, written: AnyStr, flags: int = 0) -> None:
        self._compiled: regex.Pattern[AnyStr] = regex.compile(written, flags)

    @property
    def groups(self) -> int:
        """How many groups it captures."""
        return self._compiled.groups

    def search(self, text: AnyStr) -> "regex.Match[AnyStr] | None":
        """The first place that matches."""
        return _in_time(self._compiled.search, text)

    def fullmatch(self, text: AnyStr) -> "regex.Match[AnyStr] | None":
        """A match of the whole text."""
        return _in_time(self._compiled.fullmatch, text)

    def findall(self, text: AnyStr) -> list[Any]:
        """All that match: of an expression with groups these, else the whole matches."""
        return _in_time(self._compiled.findall, text)

    def finditer(self, text: AnyStr) -> "Iterator[regex.Match[AnyStr]]":
        """All matches."""
        matches: list[regex.Match[AnyStr]] = _in_time(
            lambda text, **limits: list(self._compiled.finditer(text, **limits)), text
        )
        return iter(matches)

    def sub(
        self, replacement: "AnyStr | Callable[[regex.Match[AnyStr]], AnyStr]", text: AnyStr
    ) -> AnyStr:
        """The text with every match replaced."""
        return _in_time(self._compiled.sub, replacement, text)


def _in_time(search: Callable[..., T], *arguments: object) -> T:
    try:
        return search(*arguments, timeout=REGEX_BUDGET, concurrent=True)
    except TimeoutError:
        raise SearchTimeout(f"a text took longer than {REGEX_BUDGET:g} s to search") from None
