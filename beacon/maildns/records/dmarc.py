"""DMARC records (RFC 7489, 6.3 and 6.6.3): whether receivers apply one. Pure."""

from typing import Final

from beacon.maildns.records.tag_list import excerpt

_POLICIES: Final = frozenset({"none", "quarantine", "reject"})


def is_dmarc(text: str) -> bool:
    """Whether receivers accept a TXT as a DMARC record: its first tag is v, exactly DMARC1."""
    name, _, value = text.partition(";")[0].partition("=")
    return name.rstrip(" \t") in ("v", "V") and value.strip(" \t") == "DMARC1"


def resembles(text: str) -> bool:
    """Whether it was probably intended as a DMARC record."""
    return "dmarc1" in text.lower()


def flaw(text: str) -> str | None:
    """Why receivers apply no policy; None: they do.

    An invalid policy counts as `none` if the record asks for reports, else not at all.
    """
    found: dict[str, str] = {}
    for written, equals, value in (spec.partition("=") for spec in text.split(";")):
        name = written.strip().lower()
        if name in found and equals:
            return f"{excerpt(name)} is given twice"
        if equals:  # a word without a value is ignored, even if it is "p"
            found[name] = value.strip()
    why = _wrong("p", found) or _wrong("sp", found)
    reports = any(map(_is_address, found.get("rua", "").split(",")))
    return None if why is None or reports else f"{why}, and no `rua` asks for reports"


def _wrong(name: str, found: dict[str, str]) -> str | None:
    if name not in found:
        return "it has no p=" if name == "p" else None
    valid = found[name].lower() in _POLICIES
    return None if valid else f"{name}={excerpt(found[name])} is not a policy"


def _is_address(text: str) -> bool:
    """Whether it is an address for reports: a URI, optionally with a size after `!`."""
    scheme, colon, rest = text.strip().partition(":")
    if not colon or not scheme.isascii() or not scheme.replace("+", "").isalnum():
        return False
    rest = rest.partition("!")[0]
    return "@" in rest.strip("@") if scheme.lower() == "mailto" else bool(rest)
