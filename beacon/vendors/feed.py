"""Atom and RSS (0.9 to 2.0), parsed by expat as a stream: of each entry what a claim needs.

Feeds that declare entities are refused: nothing is expanded, nothing is fetched. Anything but a
feed (most often an HTML page) is a dead source.
"""

import codecs
from datetime import datetime
from typing import Final
from xml.parsers import expat

import msgspec

from beacon.core.model import Reason
from beacon.engine.text_pattern import ASCII, IGNORE_CASE, TextPattern
from beacon.net.parsing.charset import codec
from beacon.net.parsing.dates import mail_date, moment
from beacon.net.parsing.plain import unescaped, without_tags
from beacon.net.probe_failure import ProbeFailure

ENTRIES: Final = 2000
DEPTH: Final = 100
LONGEST: Final = 4000
"""Characters of an entry's text that are read."""
_RAW: Final = 4 * LONGEST  # of one entry's text, before its tags are taken out
_LONGEST_NAMESPACE: Final = 200  # expat copies it with the name of every element
_ROOTS: Final = frozenset({"rss", "feed", "RDF"})
_ENTRY: Final = frozenset({"item", "entry"})
_SPACES: Final = frozenset(
    {
        "",
        "http://www.w3.org/2005/Atom",
        "http://purl.org/atom/ns#",
        "http://purl.org/rss/1.0/",
        "http://my.netscape.com/rdf/simple/0.9/",
        "http://backend.userland.com/rss2",
        "http://purl.org/rss/1.0/modules/content/",
        "http://purl.org/dc/elements/1.1/",
    }
)
"""Namespaces whose elements count: images, for example, have titles too."""

_MEANT: Final = {
    "title": "title",
    "description": "text",
    "summary": "text",
    "content": "text",
    "encoded": "text",
    "link": "link",
    "guid": "id",
    "id": "id",
    "status": "status",
    "updated": "updated",
    "pubDate": "published",
    "published": "published",
    "date": "published",
}
"""Element of an entry → our name for it."""

_DECLARED: Final = TextPattern(
    r"<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})", ASCII | IGNORE_CASE
)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
    (b"<\0", "utf_16_le"),
    (b"\0<", "utf_16_be"),
)


class FeedEntry(msgspec.Struct, frozen=True):
    """One entry of a feed, in plain text; `of` identifies the incident it is about."""

    title: str
    text: str
    status: str
    of: str
    at: datetime | None


def entries(raw: bytes, charset: str) -> tuple[FeedEntry, ...]:
    """The entries of a feed, in its order; `charset` is from the HTTP header.

    Raises `ProbeFailure` for anything but a feed.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.EntityDeclHandler = _declared
    parser.StartNamespaceDeclHandler = _namespace
    # Feeds use HTML's entities (&nbsp;) without declaring them: pretend that a DTD does.
    parser.UseForeignDTD(True)  # noqa: FBT003 - takes no keyword
    parser.ExternalEntityRefHandler = lambda *_: 1
    parser.SkippedEntityHandler = reader.skipped
    try:
        parser.Parse(_markup(raw, charset), True)  # noqa: FBT003
    except expat.ExpatError as error:
        what = "empty" if not raw.strip() else f"not XML ({expat.ErrorString(error.code)})"
        raise _not_a_feed(f"the body is {what}") from None
    return reader.entries()


def _markup(raw: bytes, charset: str) -> str:
    """The feed decoded by the charset of HTTP if that works, else by its own declaration."""
    named = codec(charset)
    if named:
        try:
            return raw.decode(named).lstrip("\ufeff \t\r\n")
        except ValueError:
            pass  # many servers name a wrong one
    bare = raw.lstrip()
    own = next((name for mark, name in _MARKS if bare.startswith(mark)), None)
    own = own or _declared_charset(bare)
    try:
        return bare.decode(own)
    except ValueError:
        raise _not_a_feed("it is not in the charset it declares") from None


def _declared_charset(bare: bytes) -> str:
    found = _DECLARED.search(bare[:300].decode("ascii", "replace"))
    name = codec(found[1]) if found else "utf_8"
    if name is None:
        raise _not_a_feed("its charset is unknown")
    return name


def _not_a_feed(why: str) -> ProbeFailure:
    return ProbeFailure(Reason.SOURCE_DEAD, f"not a valid feed: {why}")


def _declared(*_: object) -> None:
    raise _not_a_feed("it declares entities, as attacks do and feeds do not")


def _namespace(_: str | None, uri: str | None) -> None:
    if uri is not None and len(uri) > _LONGEST_NAMESPACE:
        raise _not_a_feed(f"a namespace is longer than {_LONGEST_NAMESPACE} characters")


class _Reader:
    """Collects entries from expat's events."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_entry = 0  # the depth of the entry we are in
        self._meant: str | None = None
        self._meant_at = 0
        self._pieces: list[str] = []
        self._length = 0
        self._found: dict[str, str] = {}
        self._all: list[dict[str, str]] = []
        self._pages: set[str] = set()  # the links of the feed itself

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        self._depth += 1
        if self._depth == 1 and local not in _ROOTS:
            raise _not_a_feed(f"its root is <{local[:40]}>")
        if self._depth > DEPTH:
            raise _not_a_feed("its elements are nested too deep")
        if not self._in_entry and local in _ENTRY:
            self._begin()
        elif self._meant is None and space in _SPACES:
            self._element(_MEANT.get(local), attributes)

    def _begin(self) -> None:
        if len(self._all) >= ENTRIES:
            raise _not_a_feed(f"it has more than {ENTRIES} entries")
        self._in_entry, self._found = self._depth, {}

    def _element(self, meant: str | None, attributes: dict[str, str]) -> None:
        """Begin to collect an element's text, if it is part of an entry or the feed's own link."""
        ours = self._depth == self._in_entry + 1 if self._in_entry else meant == "link"
        if not ours or meant is None:
            return
        self._meant, self._meant_at, self._pieces, self._length = meant, self._depth, [], 0
        if meant == "link" and attributes.get("rel", "alternate") == "alternate":
            self.data(attributes.get("href", ""))

    def data(self, text: str) -> None:
        if self._meant is not None and self._length < _RAW:
            self._pieces.append(text[: _RAW - self._length])
            self._length += len(text)

    def skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter and self._meant is not None and self._length < _RAW:
            self.data(unescaped(f"&{name};"))

    def end(self, _: str) -> None:
        if self._meant is not None and self._depth == self._meant_at:
            self._store(self._meant, "".join(self._pieces).strip())
            self._meant = None
        if self._in_entry and self._depth == self._in_entry:
            self._all.append(self._found)
            self._in_entry = 0
        self._depth -= 1

    def _store(self, meant: str, text: str) -> None:
        if not self._in_entry:
            self._pages.add(text.rstrip("/"))
        elif meant == "text" and "text" in self._found:
            if len(self._found["text"]) < _RAW:
                self._found["text"] = f"{self._found['text']}\n{text}"[:_RAW]
        elif text:
            self._found.setdefault(meant, text)

    def entries(self) -> tuple[FeedEntry, ...]:
        return tuple(self._entry(found) for found in self._all)

    def _entry(self, found: dict[str, str]) -> FeedEntry:
        link, title = found.get("link", ""), _plain(found.get("title", ""))
        # A link to the feed's own page does not identify an incident.
        incident = "" if link.rstrip("/") in self._pages else link
        return FeedEntry(
            title=title,
            text=_plain(found.get("text", "")),
            status=_plain(found.get("status", "")),
            of=incident or found.get("id") or title,
            at=_time(found.get("updated", "")) or _time(found.get("published", "")),
        )


def _plain(text: str) -> str:
    """The text without tags, on one line."""
    return " ".join(unescaped(without_tags(text)).split())[:LONGEST]


def _time(written: str) -> datetime | None:
    """A time in the format of Atom or RSS."""
    return moment(written) or mail_date(written)
