"""Atom and RSS (0.9 to 2.0), read by expat as it comes: of each entry what a claim needs.

Entities that a feed declares, its own or from elsewhere, are refused: nothing expands and
nothing is fetched. What is no feed at all (a page of HTML, most often) is a dead source.
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
"""Characters of a text of an entry that are looked at."""
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
"""Namespaces whose elements are meant: pictures have titles too."""

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
"""Elements of an entry → what they are to us."""

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
    """One entry of a feed, its texts plain; `of` tells which incident it is about."""

    title: str
    text: str
    status: str
    of: str
    at: datetime | None


def entries(raw: bytes, charset: str) -> tuple[FeedEntry, ...]:
    """The entries of a feed, in its order; `charset` is the one HTTP names.

    Raises `ProbeFailure` for what is no feed.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.EntityDeclHandler = _declared
    parser.StartNamespaceDeclHandler = _namespace
    # Feeds use HTML's entities (&nbsp;) undeclared: as if a DTD that nobody reads had them.
    parser.UseForeignDTD(True)  # noqa: FBT003 - takes no keyword
    parser.ExternalEntityRefHandler = lambda *_: 1
    parser.SkippedEntityHandler = reader.skipped
    try:
        parser.Parse(_markup(raw, charset), True)  # noqa: FBT003
    except expat.ExpatError as error:
        what = "empty" if not raw.strip() else f"no XML ({expat.ErrorString(error.code)})"
        raise _no_feed(f"the body is {what}") from None
    return reader.entries()


def _markup(raw: bytes, charset: str) -> str:
    """The feed by the charset HTTP names if it is right, else as the feed itself says."""
    named = codec(charset)
    if named:
        try:
            return raw.decode(named).lstrip("\ufeff \t\r\n")
        except ValueError:
            pass  # many servers name one, and few mean it
    bare = raw.lstrip()
    own = next((name for mark, name in _MARKS if bare.startswith(mark)), None)
    own = own or _declared_charset(bare)
    try:
        return bare.decode(own)
    except ValueError:
        raise _no_feed("it is not in the charset it names") from None


def _declared_charset(bare: bytes) -> str:
    found = _DECLARED.search(bare[:300].decode("ascii", "replace"))
    name = codec(found[1]) if found else "utf_8"
    if name is None:
        raise _no_feed("its charset cannot be read")
    return name


def _no_feed(why: str) -> ProbeFailure:
    return ProbeFailure(Reason.SOURCE_DEAD, f"no feed: {why}")


def _declared(*_: object) -> None:
    raise _no_feed("it declares entities, which feeds have no use for and attacks have")


def _namespace(_: str | None, uri: str | None) -> None:
    if uri is not None and len(uri) > _LONGEST_NAMESPACE:
        raise _no_feed("it has a namespace with an endless name")


class _Reader:
    """What expat tells of, piece by piece."""

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
            raise _no_feed(f"its root is <{local[:40]}>")
        if self._depth > DEPTH:
            raise _no_feed("its elements are nested too deep")
        if not self._in_entry and local in _ENTRY:
            self._begin()
        elif self._meant is None and space in _SPACES:
            self._element(_MEANT.get(local), attributes)

    def _begin(self) -> None:
        if len(self._all) >= ENTRIES:
            raise _no_feed(f"it has more than {ENTRIES} entries")
        self._in_entry, self._found = self._depth, {}

    def _element(self, meant: str | None, attributes: dict[str, str]) -> None:
        """Begin to gather the text of an element, if it is one of an entry, or the feed's link."""
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
            self._gathered(self._meant, "".join(self._pieces).strip())
            self._meant = None
        if self._in_entry and self._depth == self._in_entry:
            self._all.append(self._found)
            self._in_entry = 0
        self._depth -= 1

    def _gathered(self, meant: str, text: str) -> None:
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
        # A link to the feed's own page tells no incident from another.
        incident = "" if link.rstrip("/") in self._pages else link
        return FeedEntry(
            title=title,
            text=_plain(found.get("text", "")),
            status=_plain(found.get("status", "")),
            of=incident or found.get("id") or title,
            at=_time(found.get("updated", "")) or _time(found.get("published", "")),
        )


def _plain(text: str) -> str:
    """A text without its tags, on one line."""
    return " ".join(unescaped(without_tags(text)).split())[:LONGEST]


def _time(written: str) -> datetime | None:
    """A time as Atom or as RSS writes it."""
    return moment(written) or mail_date(written)
