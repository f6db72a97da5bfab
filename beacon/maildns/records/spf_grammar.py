"""The grammar of SPF records (RFC 7208, sections 4.5, 4.6.1, 5, 6 and 12). Pure."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from beacon.engine.text_pattern import DOT_ALL, IGNORE_CASE, TextPattern

_LONGEST_QUOTED: Final = 60


class Result(StrEnum):
    """The result of a check (§2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result, not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_QUALIFIERS: Final = {
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}


class Malformed(ValueError):
    """A record breaks the grammar; the message says where."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism. `domain` may contain macros; None: the record's own."""

    text: str
    result: Result
    mechanism: str
    domain: str | None = None
    network: IPv4Network | IPv6Network | None = None
    v4: int = 32
    v6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """One SPF record, parsed."""

    terms: tuple[Term, ...]
    redirect: str | None = None


_MACRO: Final = r"%(?:\{[a-zA-Z][0-9]*[rR]?[-.+,/_=]*\}|%|_|-)"
_MACRO_STRING: Final = TextPattern(rf"(?:{_MACRO}|[!-$&-~])*")
MACRO_PARTS: Final = TextPattern(r"%(?:\{([a-zA-Z])([0-9]*)([rR]?)([-.+,/_=]*)\}|([%_-]))")
_ENDS_IN_MACRO: Final = TextPattern(rf".*{_MACRO}", DOT_ALL)
_TOP_LABEL: Final = TextPattern(r"(?![0-9]+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", IGNORE_CASE)
_MODIFIER: Final = TextPattern(r"([a-z][a-z0-9_.-]*)=(.*)", IGNORE_CASE)
_DIRECTIVE: Final = TextPattern(r"([-+~?]?)([a-z][a-z0-9]*)(:?)(.*)", IGNORE_CASE)
_LENGTHS_AT_END: Final = TextPattern(r"(?:/\d+)?(?://\d+)?\Z")
_LENGTH: Final = TextPattern(r"0|[1-9][0-9]{0,2}")
_CIDRS: Final = TextPattern(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")
_TO_DNS: Final = frozenset("slodiphv")


def is_spf(text: str) -> bool:
    """Whether a TXT is an SPF record (§4.5)."""
    return text[:7].lower() == "v=spf1 " or text.lower() == "v=spf1"


def parse(text: str) -> Record:
    """Read one record. Raises `Malformed`."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in filter(None, text[6:].split(" ")):
        modifier = _MODIFIER.fullmatch(word)
        if modifier is None:
            terms.append(_directive(word))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise Malformed(f"{name}= twice")
            _domain_spec(value, word)
        elif not _MACRO_STRING.fullmatch(value):
            raise _at(word)
        modifiers[name] = value
    return Record(tuple(terms), modifiers.get("redirect"))


def _at(word: str) -> Malformed:
    shown = word if len(word) <= _LONGEST_QUOTED else word[: _LONGEST_QUOTED - 1] + "…"
    return Malformed(f"cannot be read: {shown!r}")


def _directive(word: str) -> Term:
    found = _DIRECTIVE.fullmatch(word)
    if found is None:
        raise _at(word)
    result, name = _QUALIFIERS[found[1] or "+"], found[2].lower()
    colon, rest = bool(found[3]), found[4]
    if name in ("a", "mx"):
        return _addressed(word, result, name, rest, colon=colon)
    if name in ("ip4", "ip6") and colon:
        return Term(word, result, name, network=_network(name, rest, word))
    if name in ("include", "exists", "ptr") and colon:
        return Term(word, result, name, _domain_spec(rest, word))
    if name in ("all", "ptr") and not colon and not rest:
        return Term(word, result, name)
    raise _at(word)


def _addressed(word: str, result: Result, name: str, rest: str, *, colon: bool) -> Term:
    """`a` and `mx`: a domain may contain slashes, the prefix lengths are at the end."""
    at = next(_LENGTHS_AT_END.finditer(rest)).start()
    lengths = _CIDRS.fullmatch(rest[at:])
    v4, v6 = (int(lengths[1] or 32), int(lengths[2] or 128)) if lengths else (33, 129)
    if v4 > 32 or v6 > 128 or (at and not colon):
        raise _at(word)
    domain = _domain_spec(rest[:at], word) if colon else None
    return Term(word, result, name, domain, v4=v4, v6=v6)


def _network(name: str, text: str, word: str) -> IPv4Network | IPv6Network:
    address, slash, length = text.partition("/")
    try:
        if (slash and not _LENGTH.fullmatch(length)) or "%" in address:
            raise _at(word)
        network = ip_network(text, strict=False)
    except ValueError:
        raise _at(word) from None
    if network.version != (4 if name == "ip4" else 6):
        raise _at(word)
    return network


def _domain_spec(text: str, word: str) -> str:
    before, dot, top = text.removesuffix(".").rpartition(".")
    ends = _ENDS_IN_MACRO.fullmatch(text) or (dot and before and _TOP_LABEL.fullmatch(top))
    if not (ends and _MACRO_STRING.fullmatch(text)):
        raise _at(word)
    for letter, digits, *_ in MACRO_PARTS.findall(text):
        if letter and (letter.lower() not in _TO_DNS or not int(digits[:9] or 1)):
            raise _at(word)
    return text
