"""Folders of IMAP: how their names are encoded (RFC 3501 §5.1.3), and which one is for junk."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from beacon.engine.text_pattern import DOT_ALL, TextPattern

_LISTED: Final = TextPattern(rb'\(([^)]*+)\) (?:"((?:[^"\\]|\\.)*+)"|NIL) (.+)', DOT_ALL)
_SHIFTED: Final = TextPattern(r"&([A-Za-z0-9+,]*+)-")

_JUNK_NAMES: Final = frozenset(
    # Used by servers that do not mark the folder; in lower case, without blanks and hyphens.
    (
        *("junk", "junkemail", "junkmail", "spam", "bulk", "bulkmail"),
        *("spamverdacht", "unerwünscht", "unerwünschtewerbung"),
        *("courrierindésirable", "indésirables", "correonodeseado", "postaindesiderata"),
        *("ongewensteemail", "lixoeletrônico", "skräppost", "uønsketemail", "søppelpost"),
        *("roskaposti", "wiadomościśmieci", "нежелательнаяпочта", "спам", "垃圾邮件", "迷惑メール"),
    )
)


def wire_name(name: str) -> bytes:
    """A folder's name in modified UTF-7; one that is encoded already is left as it is."""
    if name.isascii() and "&" in name and encoded(shown_name(name.encode())) == name.encode():
        return name.encode()
    return encoded(name)


def encoded(name: str) -> bytes:
    """A name in modified UTF-7."""
    found, foreign = bytearray(), ""
    for char in [*name, ""]:
        if char and not " " <= char <= "~":
            foreign += char
            continue
        if foreign:
            text = base64.b64encode(foreign.encode("utf-16-be", "surrogatepass"), b"+,")
            found += b"&" + text.rstrip(b"=") + b"-"
            foreign = ""
        found += b"&-" if char == "&" else char.encode()
    return bytes(found)


def shown_name(name: bytes) -> str:
    """A name in modified UTF-7 as people read it; one in another encoding is left as it is."""
    try:
        return _SHIFTED.sub(lambda found: _unshifted(found[1]), name.decode())
    except (binascii.Error, ValueError, TimeoutError):
        return name.decode("utf-8", "replace")


def _unshifted(text: str) -> str:
    if not text:
        return "&"
    raw = base64.b64decode(text + "=" * (-len(text) % 4), b"+,", validate=True)
    return raw.decode("utf-16-be")


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder as a server lists it: its encoded name, and its attributes in lower case."""

    name: bytes
    marks: frozenset[bytes]
    separator: bytes

    @property
    def shown(self) -> str:
        """The last part of its name, as people read it."""
        name, separator = shown_name(self.name), self.separator.decode("utf-8", "replace")
        return name.rpartition(separator)[2] if separator else name


def listed(answer: Sequence[bytes | tuple[bytes, bytes]]) -> Iterator[Listed]:
    """The folders in an answer to LIST that can be opened; a name may be a literal."""
    for each in answer:
        line, name = (each[0], each[1]) if isinstance(each, tuple) else (each, None)
        found = _LISTED.fullmatch(line)
        marks = frozenset(found[1].lower().split()) if found else frozenset()
        if found and not marks & {rb"\noselect", rb"\nonexistent"}:
            yield Listed(name or unquoted(found[3]), marks, unquoted(b'"%b"' % (found[2] or b"")))


def junk_of(folders: Iterator[Listed]) -> bytes | None:
    """The folder for junk: by its attribute (RFC 6154), else by its name."""
    named = None
    for folder in folders:
        if rb"\junk" in folder.marks:
            return folder.name
        plain = "".join(char for char in folder.shown.lower() if char.isalnum())
        if named is None and plain in _JUNK_NAMES:
            named = folder.name
    return named


def quoted(name: bytes) -> bytes:
    """A text as a quoted string of IMAP."""
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def unquoted(name: bytes) -> bytes:
    """The text of a string of IMAP, quoted or not."""
    if not name.startswith(b'"'):
        return name
    return name[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")
