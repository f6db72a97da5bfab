"""Foreign text in details and notes: marked where it is quoted, made safe in one place.

Text of a server, a sender or a library goes through `quoted` on its way into a detail or a note.
It is marked there and stays whole, so that a secret is found before the text is cut.
`Secrets.clear` is called once for each reading and each note: it masks secrets in the marked text,
and only there, and removes the marks.
"""

import base64
import html
import traceback
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from beacon.core.model import DETAIL_LIMIT, Reading
from beacon.engine.text_pattern import IGNORE_CASE, TextPattern

HIDDEN: Final = "***"
PUBLIC_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "connection"),
        *("if-modified-since", "if-none-match", "user-agent"),
    }
)
"""Headers, in small letters, without secrets; all others may hold one."""
QUOTE_LIMIT: Final = 120
"""Characters of a foreign text that are shown, unless its place has less space."""

# Characters for private use. Foreign text cannot contain them: `quoted` removes them.
_BEGIN, _CUT, _END = "\ue000", "\ue001", "\ue002"

_COMPARED: Final = 1000  # characters of a foreign text that are compared
_ENCODED: Final = 4096  # characters of a secret whose encodings are known
_KNOWN: Final = 65536  # characters of a secret that are known
_PIECE: Final = 6  # so many letters and digits in a row are a piece of a secret
_PIECE_ENCODED: Final = 7  # the same of its base64 or hexadecimal writing
_SHORTEST_END: Final = 3  # letters of a secret that was cut at the edge of a text
_DECODINGS: Final = 4  # layers of escapes that are undone

_ESCAPE: Final = TextPattern(
    r"\\u\{?+([0-9a-fA-F]{2,5})\}|\\u([0-9a-fA-F]{4})|\\U000([0-9a-fA-F]{5})|\\x([0-9a-fA-F]{2})"
    r"|=([0-9A-F]{2})|\\([0-3][0-7]{2})"
)
_TAG: Final = TextPattern(r"</?+[a-zA-Z][^<>]{0,100}+>")
_BETWEEN_CUTS: Final = TextPattern(r"(?:[^.…]|\.(?!\.))+")
_WORD: Final = TextPattern(r"[^\W_]+")
_ESCAPED: Final = TextPattern(r"%[0-9a-fA-F]{2}|&#?\w+;|\\|=[0-9A-F]{2}")
_TELLS: Final = TextPattern(r"key|token|secret|passw|pwd|sig|auth|code", IGNORE_CASE)
"""A parameter of an address with such a name has a secret value."""

_OPAQUE: Final = TextPattern(r"[A-Za-z0-9+/=_-]{16,}")
_DIGITS: Final = TextPattern(r"\d(?:[ -]?\d){3,}")  # may be somebody's code


def quoted(text: object, limit: int = QUOTE_LIMIT) -> str:
    """Mark foreign text for a detail or a note; "" for what is not text.

    It is shown on one line without control characters, cut to `limit` characters.
    """
    if not isinstance(text, str | Exception):
        return ""
    line = one_line(str(text)[:_COMPARED])
    if len(line) > limit:
        line = f"{line[: limit - 1]}{_CUT}{line[limit - 1 :]}"
    return f"{_BEGIN}{line}{_END}" if line else ""


def one_line(text: str) -> str:
    """The text on one line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def secrets_in(settings: object) -> Iterator[str]:
    """Every secret in the settings of a probe, however deep.

    All texts of a field with the metadata `secret` are secrets, and values of parameters of an
    address whose names say so.
    """
    if callable(reveal := getattr(settings, "reveal", None)):
        yield reveal()
    elif is_dataclass(settings):
        for each in fields(settings):
            value = getattr(settings, each.name)
            yield from _texts(value) if each.metadata.get("secret") else secrets_in(value)
    elif isinstance(settings, Mapping | tuple | list):
        for value in _but_public_headers(settings):
            yield from secrets_in(value)
    elif isinstance(settings, str) and "://" in settings:
        for name, value in parse_qsl(urlsplit(settings).query):
            if _TELLS.search(name):
                yield from _texts(value)


def _but_public_headers(
    settings: Mapping[Any, object] | tuple[object, ...] | list[object],
) -> Iterator[object]:
    if not isinstance(settings, Mapping):
        yield from settings
        return
    for name, value in settings.items():
        if str(name).lower() not in PUBLIC_HEADERS:
            yield value


def _texts(document: object) -> Iterator[str]:
    """The texts of a document that is sent; too short ones are left out: they would mask all."""
    if isinstance(document, str):
        yield from [document] if len(_folded(document)) >= _PIECE else []
    elif isinstance(document, Mapping | tuple | list):
        for value in document.values() if isinstance(document, Mapping) else document:
            yield from _texts(value)


def safe_traceback(error: BaseException) -> str:
    """A traceback of places and types only: a message may quote an address, a body, a secret."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        places = "".join(traceback.format_tb(cause.__traceback__))
        chain.append(f"{places}{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return "\n  raised from\n".join(chain)


class Secrets:
    """The secrets of one run: from its settings, codes, and tokens it was given.

    With `codes`, numbers of four digits and more are masked in foreign text, too.
    """

    def __init__(self) -> None:
        self.codes = False
        self._values: set[str] = set()

    def hide(self, value: str) -> None:
        """Mask this value from now on."""
        if value.strip() and value not in self._values:
            self._values.add(value)
            self.__dict__.pop("_writings", None)

    def hide_in(self, settings: object) -> None:
        """Mask the secrets in a probe's settings, and numbers where it signs in."""
        abilities = getattr(settings, "ABILITIES", None)
        self.codes = self.codes or bool(abilities and abilities.sign_in)
        for value in (*secrets_in(settings), *getattr(settings, "secret_settings", ())):
            self.hide(value)

    def begin(self, address: str) -> bool:
        """Whether an address begins with a secret address."""
        return any(address.startswith(each) for each in self._values if len(each) >= _PIECE)

    def cleared(self, reading: Reading) -> Reading:
        """Return the reading with secrets masked: each reading passes here before it is shown."""
        clock = reading.clock and replace(reading.clock, host=self.clear(reading.clock.host))
        return replace(
            reading,
            detail=self.clear(reading.detail, DETAIL_LIMIT),
            clock=clock,
            records=tuple(self.clear(each, DETAIL_LIMIT) for each in reading.records),
        )

    def clear(self, text: str, limit: int | None = None) -> str:
        """The text as people may read it: one line, at most `limit` characters, no marks.

        This is the one place where foreign text is made safe.
        """
        line, *marked = text.split(_BEGIN)
        for each in marked:
            foreign, _, own = each.partition(_END)
            line += self._safe(foreign) + own
        line = one_line(line)
        return line if limit is None else _cut(line, limit)

    def _safe(self, marked: str) -> str:
        """One foreign text with secrets masked. It is compared before it is cut."""
        shown, cut, rest = marked.partition(_CUT)
        text = shown + rest
        spans = [found.span() for found in _DIGITS.finditer(text)] if self.codes else []
        if self._values:
            if self._writings.too_short:
                return HIDDEN
            known = self._writings.spans(text)
            left = _blanked(text, known)
            if any(map(self._writings.spans, _decoded(left))):
                return HIDDEN
            spans += known
            spans += [found.span() for found in _OPAQUE.finditer(text) if _is_opaque(found[0])]
        return _cut(_without(text, spans), len(shown) + 1 if cut else len(text))

    @cached_property
    def _writings(self) -> "_Writings":
        return _Writings(self._values)


class _Writings:
    """All the ways secrets may be written, folded and in pieces."""

    def __init__(self, values: set[str]) -> None:
        self.too_short = False
        self._pieces: set[str] = set()
        self._pieces_encoded: set[str] = set()
        self._begins: set[str] = set()
        self._ends: set[str] = set()
        self._signs: set[str] = set()
        for value in values:
            self._add(value[:_KNOWN])

    def _add(self, value: str) -> None:
        folded = _folded(value)
        self.too_short = self.too_short or len(folded) < _PIECE
        self._signs |= {sign for sign in value if not sign.isalnum() and not sign.isspace()}
        for each in {folded, _folded(value.encode(errors="replace").decode("latin-1"))}:
            self._pieces |= set(_pieces(each, _PIECE))
        for size in range(_SHORTEST_END, _PIECE):
            self._begins.add(folded[:size])
            self._ends.add(folded[-size:])
        value = value[:_ENCODED]
        for written in {value, quote(value, safe=""), quote_plus(value), html.escape(value)}:
            for each in _encodings(written.encode(errors="replace")):
                self._pieces_encoded |= set(_pieces(_folded(each), _PIECE_ENCODED))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where pieces of a secret begin and end."""
        found: list[tuple[int, int]] = []
        for at in sorted(self._places(text)):
            begin, end = found[-1] if found else (0, 0)
            if found and not any(map(str.isalnum, text[end:at])):
                found[-1] = begin, at + 1
            else:
                found.append((at, at + 1))
        return [self._widened(text, begin, end) for begin, end in found]

    def _places(self, text: str) -> set[int]:
        """The places of all letters and digits that belong to a secret."""
        letters = [(letter, at) for at, char in enumerate(text) for letter in _folded(char)]
        folded = "".join(letter for letter, _ in letters)
        found: set[int] = set()
        for pieces, size in ((self._pieces, _PIECE), (self._pieces_encoded, _PIECE_ENCODED)):
            for at, piece in enumerate(_pieces(folded, size)):
                if piece in pieces:
                    found.update(place for _, place in letters[at : at + size])
        for number, word in enumerate(_WORD.finditer(text)):
            edges = self._begins | self._ends if len(word[0]) > _SHORTEST_END else self._ends
            if _folded(word[0]) in edges and (len(word[0]) > _SHORTEST_END or not number):
                found.update(range(*word.span()))
        for part in _BETWEEN_CUTS.finditer(text):
            places = [at for _, at in letters if part.start() <= at < part.end()]
            folded = _folded(part[0])
            for size in range(_SHORTEST_END, _PIECE):  # the rest of a secret that was cut
                found.update(places[-size:] if folded[-size:] in self._begins else ())
        return found

    def _widened(self, text: str, begin: int, end: int) -> tuple[int, int]:
        """Add the punctuation on both sides, or the whole word where something is escaped."""
        while begin and text[begin - 1] in self._signs:
            begin -= 1
        while end < len(text) and text[end] in self._signs:
            end += 1
        before, after = text[:begin].rpartition(" ")[2], text[end:].partition(" ")[0]
        if _ESCAPED.search(before + text[begin:end] + after):
            return begin - len(before), end + len(after)
        return begin, end


def _folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    if text.isascii():
        return "".join(filter(str.isalnum, text.lower()))
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _encodings(raw: bytes) -> Iterator[str]:
    """Hexadecimal, base32, and base64 at each of the three offsets it may begin at."""
    yield raw.hex()
    yield base64.b32encode(raw).decode()[: len(raw) * 8 // 5]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        whole = (before + len(raw)) * 8 // 6  # the next character depends on what follows
        yield encoded[-(-before * 8 // 6) : whole]


def _decoded(text: str) -> Iterator[str]:
    """The text with one layer of escapes less each time."""
    for _ in range(_DECODINGS):
        bare = html.unescape(text)  # noqa: TID251 - it is too short for a number that raises
        bare = unquote(_ESCAPE.sub(lambda e: _sign(*e.groups()), _TAG.sub("", bare)))
        if bare == text:
            return
        yield (text := bare)


def _sign(*numbers: str | None) -> str:
    """The character of an escape, by its number; the last group is octal."""
    *hexadecimal, octal = numbers
    return chr(int(octal, 8) if octal else int(next(filter(None, hexadecimal)), 16))


def _is_opaque(word: str) -> bool:
    """Whether it may hold a secret in a shape that cannot be compared: a hash, a token."""
    kinds: tuple[Any, ...] = (str.isdigit, str.isupper, str.islower)
    present = [any(map(kind, word)) for kind in kinds]
    return present[0] and (all(present) or (any(present[1:]) and len(word) >= 20))


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    for begin, end in spans:
        text = text[:begin] + " " * (end - begin) + text[end:]
    return text


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with `***` in place of each span."""
    parts, at = [], 0
    for begin, end in sorted(spans):
        if at <= begin:
            parts += [text[at:begin], HIDDEN]
        at = max(at, end)
    return "".join(parts) + text[at:]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
