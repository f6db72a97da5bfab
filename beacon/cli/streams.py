"""Standard input, output and error, also if the caller closed them.

A stream may be closed (`>&-`), and its encoding may lack characters that we write. Neither may
change an exit status. The system gives a closed descriptor to the next file that is opened: without
`prepare`, what is printed would be written into the history.
"""

import codecs
import contextlib
import io
import os
import sys
import threading
import unicodedata
from typing import Final

NAMES: Final = ("stdin", "stdout", "stderr")
"""By descriptor."""

ERRORS: Final = "beacon.plain"
_PLAIN: Final = {
    **dict(zip("–—─·•●■►▲↗✓✗♪☼⋮×“”’░", '----***>!^+x~*:x""\'.', strict=True)),
    "→": "->",
    "…": "...",
    "≤": "<=",
    "±": "+-",
    "ß": "ss",
}
"""Replacements for characters that an encoding lacks. Letters only lose their accents."""
_BLOCKS: Final = ("\u2580", "\u259f")


def prepare() -> None:
    """Open closed streams, and make every stream take every character."""
    codecs.register_error(ERRORS, _plain)
    for descriptor, name in enumerate(NAMES):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free descriptor: this one
        stream = getattr(sys, name)
        if stream is None:
            mode = "w" if descriptor else "r"
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        if descriptor and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks with ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(_ascii(character) for character in unknown), error.end


def _ascii(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if _BLOCKS[0] <= character <= _BLOCKS[1]:
        return "#"
    letter = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letter or "?"


def give_up() -> None:
    """Flush, and drop what a stream refuses: the final flush of Python would change the status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def finish(within: float) -> None:
    """Flush what is left, and wait at most `within` seconds for a slow reader."""
    flushing = threading.Thread(target=give_up, name="flush", daemon=True)
    flushing.start()
    flushing.join(within)


def print_error(text: str) -> None:
    """Print to stderr. If nobody reads it, the exit status still counts."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def print_answer(text: str) -> None:
    """Print an answer. A reader that closed the pipe (`| head`) does not change the exit status."""
    with contextlib.suppress(BrokenPipeError):
        print(text)
