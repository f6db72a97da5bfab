"""Which charsets a foreign text may be in: a closed list (docs/adr/0032).

Python imports a module by a charset's name and remembers every name it was asked for, even an
unknown one. So only names from its own table of aliases are looked up.
"""

import codecs
import itertools
from encodings.aliases import aliases
from typing import Final

_NO_TEXT: Final = frozenset(
    {
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "quopri_codec",
        "rot_13",
        "uu_codec",
        "zlib_codec",
        # never used by servers; they take quadratic time or evaluate escapes
        "idna",
        "punycode",
        "raw_unicode_escape",
        "unicode_escape",
        "utf_7",  # no browser accepts it, and it decodes to half characters
        "mbcs",
        "oem",
    }
)
_UNLISTED: Final = ("koi8_u", "cp874", "cp720", "utf_8_sig", "utf_16_le", "utf_16_be")
"""Charsets that are in use and in Python, but not in its table."""

_KNOWN: Final = {
    **{name.replace("_", ""): codec for name, codec in aliases.items()},
    **{codec.replace("_", ""): codec for codec in (*aliases.values(), *_UNLISTED)},
    "windows874": "cp874",
    "xsjis": "shift_jis",
    "utf16le": "utf_16_le",
    "utf16be": "utf_16_be",
    "windows31j": "cp932",
    "windows949": "cp949",
    "iso88598i": "iso8859_8",
}
_AS_BROWSERS: Final = {
    "ascii": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
"""Charset of a page → the larger one that browsers use instead (WHATWG Encoding §4.2)."""


def codec(name: str) -> str | None:
    """Python's name of a charset; None if it is unknown or not allowed."""
    bare = name.strip(" \t\"'").lower()
    if len(bare) > 40 or not bare.isascii():
        return None
    found = _KNOWN.get("".join(c for c in bare if c not in "-_ ."))
    return None if found in _NO_TEXT else found


def codec_of_page(body: bytes, named: str) -> str:
    """The charset a browser uses for a page: by its first bytes, else `named`, else its <meta>.

    Without any of them: UTF-8 if it is valid, else Windows-1252.
    """
    for mark, found in _MARKS.items():
        if body.startswith(mark):
            return found
    found = codec(named) or codec(_declared(body)) or ""
    found = _AS_BROWSERS.get(found, found)
    if found.startswith("utf_16") and not codec(named):
        return "utf_8"  # in UTF-16 the <meta> could not have been read
    return found or ("utf_8" if _is_utf8(body) else "cp1252")


_MARKS: Final = {
    codecs.BOM_UTF8: "utf_8",
    codecs.BOM_UTF16_LE: "utf_16_le",
    codecs.BOM_UTF16_BE: "utf_16_be",
}
_META_WITHIN: Final = 1024
"""Bytes of a page in which browsers search for its <meta>."""

_ENDS_A_NAME: Final = (" ", "\t", "\r", "\n", "\f", "/")


def _declared(body: bytes) -> str:
    """The charset in a page's own <meta>; empty without one."""
    head = body[:_META_WITHIN].decode("latin-1").lower()
    while "<!--" in head:
        before, _, comment = head.partition("<!--")
        head = before + comment.partition("-->")[2]
    for tag in head.split("<meta")[1:]:
        if tag[:1] not in _ENDS_A_NAME:
            continue
        before, found, after = tag.partition(">")[0].partition("charset")
        after = after.lstrip()
        if not found or not after.startswith("=") or ("content" in before) > ("http-equiv" in tag):
            continue
        value = after[1:].lstrip(" \t\"'")
        return "".join(itertools.takewhile(lambda c: c not in " \t\r\n\"';/>", value))
    return ""


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
