"""Which charsets a foreign text may be in: a closed list.

Python imports a module for a charset's name and keeps every name it was asked for, known or
not, for ever. So only names from its own table of aliases are looked up at all.
"""

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
        # no server means these, they take quadratic time or run escapes
        "idna",
        "punycode",
        "raw_unicode_escape",
        "unicode_escape",
        "mbcs",
        "oem",
    }
)
_UNLISTED: Final = ("koi8_u", "cp874", "cp720", "utf_8_sig", "utf_16_le", "utf_16_be")
"""Charsets that are in use, and in Python, but not in its table."""

_KNOWN: Final = {
    **{name.replace("_", ""): codec for name, codec in aliases.items()},
    **{codec.replace("_", ""): codec for codec in (*aliases.values(), *_UNLISTED)},
    "windows874": "cp874",
    "xsjis": "shift_jis",
    "utf16le": "utf_16_le",
    "utf16be": "utf_16_be",
}


def codec(name: str) -> str | None:
    """Python's name of a charset; None where it is none that text may be in."""
    bare = name.strip(" \t\"'").lower()
    if len(bare) > 40 or not bare.isascii():
        return None
    found = _KNOWN.get("".join(c for c in bare if c not in "-_ ."))
    return None if found in _NO_TEXT else found
