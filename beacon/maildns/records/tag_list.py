"""Tag lists, the format of DKIM keys and DMARC policies (RFC 6376 §3.2). Pure."""

from typing import Final

_LONGEST: Final = 40


class BrokenList(ValueError):
    """The whole list is invalid; the message says why."""


def tags(text: str) -> dict[str, str]:
    """The tags of any text; blanks are removed, and the last tag of a name counts."""
    pairs = (each.partition("=") for each in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, equals, value in pairs if equals}


def read(text: str) -> dict[str, str]:
    """The tags of a list, as receivers read it. Raises `BrokenList`."""
    specs = text.split(";")
    if not specs[-1].strip():
        specs.pop()
    found: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip()
        if not spec.strip():
            raise BrokenList("there are two `;` in a row")
        if not equals or not (name.isascii() and name.isidentifier()):
            raise BrokenList(f"{excerpt(spec.strip())} is not a tag")
        if name in found:
            raise BrokenList(f"{excerpt(name)} is given twice")
        found[name] = value.strip()
    return found


def excerpt(text: str) -> str:
    """A short quotation from a record, for a message."""
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
