"""Takes what must not be seen out of a text."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"


class Mask:
    """What one run must not tell: passwords, codes, what was captured."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()

    def hide(self, value: str) -> str:
        """Remember a value, and the ways it is written in addresses; return it."""
        writings: tuple[Callable[[str], str], ...] = (str, quote, quote_plus, _quoted_whole)
        self._hidden |= {write(value) for write in writings if value.strip()}
        return value

    def over(self, text: str) -> str:
        """The text without any of them; the longest first, as one may hold another."""
        for value in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text


def _quoted_whole(value: str) -> str:
    return quote(value, safe="")
