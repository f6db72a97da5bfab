"""The parts of a mail (RFC 5322, 2045 to 2047), parsed in time that grows with its length only.

Python's own parser needs seconds for 64 KiB of a hostile parameter: the square of its length.
Nothing here raises: an error loses only the part of the message it is in (docs/adr/0031).
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from beacon.engine.text_pattern import TextPattern
from beacon.net.parsing.charset import codec

PARTS_LIMIT: Final = 50
"""Parts of a message that are read, at all depths together."""

DEPTH_LIMIT: Final = 10
"""How deep parts may be nested; deeper ones are ignored."""

LINES_LIMIT: Final = 500
"""Lines of one part's header fields; the rest is ignored."""

VALUE_LIMIT: Final = 4096
"""Bytes of one header field."""

_PARAMETERS_LIMIT: Final = 50
_BOUNDARY_LIMIT: Final = 200
_WORD: Final = TextPattern(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?]*+)\?=")
_NAME_LETTERS: Final = bytes(set(range(33, 127)) - set(b":"))
_BASE64_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64_LETTERS))


@dataclass(frozen=True)
class Part:
    """A message, or a part of one: header fields, body, and the parts in it.

    `type` is the media type in lower case; plain text if it is invalid, or a multipart without a
    boundary.
    """

    type: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    parts: tuple["Part", ...] = ()

    def all(self, name: str) -> list[str]:
        """The values of all fields with this name (in lower case), each on one line."""
        return [" ".join(value.split()) for each, value in self.fields if each == name]

    def first(self, name: str) -> str:
        """The value of the first field with this name; empty without one."""
        return next(iter(self.all(name)), "")

    def walk(self) -> Iterator["Part"]:
        """This part and all parts in it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def text(self) -> str:
        """Its body as text."""
        charset = _media_type(self.first("content-type"))[1].get("charset", "utf-8")
        return decoded(self._bytes(), charset)

    def _bytes(self) -> bytes:
        encoding = self.first("content-transfer-encoding").lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return _from_base64(self.body) if encoding == "base64" else self.body


def parse_message(raw: bytes) -> Part:
    """Parse a message; its end may be missing."""
    return _part(raw.replace(b"\r\n", b"\n"), 0, [PARTS_LIMIT])


def _part(raw: bytes, depth: int, left: list[int]) -> Part:
    """One part; `left` counts down how many more are read."""
    left[0] -= 1
    fields, body = parse_fields(raw)
    kind, parameters = _media_type(next((v for n, v in fields if n == "content-type"), ""))
    pieces: Iterator[bytes] = iter(())
    boundary = parameters.get("boundary", "").rstrip()[:_BOUNDARY_LIMIT]
    if kind.startswith("multipart/") and not boundary:
        kind = "text/plain"
    elif kind.startswith("multipart/"):
        pieces = _pieces(body, boundary)
    elif kind in ("message/rfc822", "message/global"):
        pieces = iter([body])
    parts = []
    while depth < DEPTH_LIMIT and left[0] > 0 and (piece := next(pieces, None)) is not None:
        parts.append(_part(piece, depth + 1, left))
    return Part(kind, tuple(fields), body, tuple(parts))


def parse_fields(raw: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The header fields (names in lower case), and the bytes after them."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    for _ in range(LINES_LIMIT):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at : min(end, at + VALUE_LIMIT)]
        name, colon, value = line.partition(b":")
        name = name.rstrip()
        if not line.strip(b"\r"):
            at = end + 1
            break
        if line[:1] in b" \t" and found:
            name, before = found.pop()
            found.append((name, (before + line)[:VALUE_LIMIT]))
        elif colon and name and not name.translate(None, _NAME_LETTERS):
            found.append((name.lower(), value))
        else:
            break  # not a header field: the body begins without an empty line
        at = end + 1
    else:
        end = raw.find(b"\n\n", at)
        at = len(raw) if end < 0 else end + 2
    fields = [(name.decode(), value.decode("utf-8", "replace")) for name, value in found]
    return fields, raw[at:]


def _pieces(body: bytes, boundary: str) -> Iterator[bytes]:
    """The bytes between the boundary lines; the last line may be missing."""
    text, delimiter = b"\n" + body, b"\n--" + boundary.encode()
    begin, at = None, 0
    while (at := text.find(delimiter, at)) >= 0:
        after = at + len(delimiter)
        end = text.find(b"\n", after)
        end = len(text) if end < 0 else end
        rest = text[after:end].strip()
        if rest not in (b"", b"--"):
            at = after  # a longer boundary that begins with the same bytes
            continue
        if begin is not None:
            yield text[begin:at]
        begin, at = end + 1, end
        if rest:
            return
    if begin is not None:
        yield text[begin:]


def _media_type(value: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters (RFC 2045, 2231)."""
    kind, _, rest = value.partition(";")
    found: dict[str, str] = {}
    for _ in range(_PARAMETERS_LIMIT):
        name, equals, rest = rest.partition("=")
        if not equals:
            break
        name, star, number = name.rpartition(";")[2].strip().lower().partition("*")
        rest = rest.lstrip()
        if rest.startswith('"'):
            text, rest = _quoted(rest)
        else:
            text, _, rest = rest.partition(";")
            text = text.partition(" ")[0].strip()
        if number in ("", "0*"):  # these begin with a charset and a language
            text = unquote(text.rpartition("'")[2]) if star else text
        found[name] = found.get(name, "") + text if star else found.get(name, text)
    kind = kind.strip().lower()
    return (kind if "/" in kind else "text/plain"), found


def _quoted(text: str) -> tuple[str, str]:
    """The quoted string at the beginning, and the text after it."""
    at, letters = 1, []
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        letters.append(text[at : at + 1])
        at += 1
    return "".join(letters), text[at + 1 :]


def header_text(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) decoded."""
    text, at, word_before = "", 0, False
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        text += "" if word_before and not between.strip() else between
        raw = word[3].encode("utf-8", "replace")
        if word[2] in "Bb":
            text += decoded(_from_base64(raw), word[1])
        else:
            text += decoded(binascii.a2b_qp(raw, header=True), word[1])
        at, word_before = word.end(), True
    return text + value[at:]


def _from_base64(raw: bytes) -> bytes:
    letters = raw.translate(None, _NOT_BASE64)
    letters = letters[:-1] if len(letters) % 4 == 1 else letters  # cut at its end
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def decoded(raw: bytes, charset: str) -> str:
    """The bytes as text; an unknown charset counts as UTF-8, invalid bytes are replaced."""
    return raw.decode(codec(charset) or "utf-8", "replace")
