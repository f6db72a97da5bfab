"""Cookies as browsers keep them (RFC 6265 §5), and only for the scheme and port that set them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from beacon.config.checks import loopback
from beacon.net.origin import Origin, origin
from beacon.net.parsing.dates import cookie_date

LONGEST: Final = 4096
"""Characters of name and value; browsers keep no longer cookie."""

_CONTROLS: Final = frozenset(map(chr, (*range(9), *range(10, 32), 127)))


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `exact`: it is sent to its own host only, not to hosts below it."""

    name: str
    value: str = field(repr=False)
    door: Origin
    host: str
    exact: bool
    path: str

    @property
    def pair(self) -> str:
        """As it is sent: exactly as it was set."""
        return f"{self.name}={self.value}" if self.name else self.value

    def goes_to(self, there: Origin, path: str) -> bool:
        """Whether it is sent with a request."""
        near = there.host == self.host if self.exact else _within(there.host, self.host)
        same = (there.scheme, there.port) == (self.door.scheme, self.door.port)
        return near and same and _below(path, self.path)


class Jar:
    """The cookies of one run: none leaves the scheme, host and port that set it."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def __iter__(self) -> Iterator[Cookie]:
        """All cookies, in the order in which they were first set."""
        return iter(self._cookies.values())

    def take(self, url: str, lines: Iterable[str], now: datetime) -> None:
        """Keep the cookies in the `Set-Cookie` lines of an answer."""
        for line in lines:
            found = _parsed(line, url)
            if found is None:
                continue
            cookie, attributes = found
            key = (cookie.host, cookie.path, cookie.name)
            if _is_over(attributes, now):
                self._cookies.pop(key, None)
            else:
                self._cookies[key] = cookie

    def header(self, url: str) -> str:
        """The value of `Cookie` for a request; may be empty. Longer paths come first."""
        there, path = origin(url), urlsplit(url).path or "/"
        found = [cookie for cookie in self if cookie.goes_to(there, path)]
        return "; ".join(c.pair for c in sorted(found, key=lambda c: -len(c.path)))


def _parsed(line: str, url: str) -> tuple[Cookie, Mapping[str, str]] | None:
    """A cookie and its attributes; None for one that no browser keeps."""
    pair, *rest = line.split(";")
    if not _CONTROLS.isdisjoint(line):
        return None
    name, value = _halves(pair) if "=" in pair else ("", pair.strip(" \t"))
    if not name + value or len(name + value) > LONGEST:
        return None
    attributes = {key.lower(): text for key, text in map(_halves, rest)}
    door = origin(url)
    domain = attributes.get("domain", "").strip('"').removeprefix(".").lower()
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = (urlsplit(url).path or "/").rpartition("/")[0] or "/"
    cookie = Cookie(name, value, door, domain or door.host, not domain, path)
    return (cookie, attributes) if _may_be(cookie, secure="secure" in attributes) else None


def _may_be(cookie: Cookie, *, secure: bool) -> bool:
    """Whether a browser accepts it: for the server's own domain, and as its name prefix demands."""
    door, kind = cookie.door, cookie.name.lower()
    if cookie.host != door.host and not (_within(door.host, cookie.host) and "." in cookie.host):
        return False
    if kind.startswith("__host-") and not (secure and cookie.exact and cookie.path == "/"):
        return False
    if kind.startswith("__secure-") and not secure:
        return False
    return not secure or door.scheme == "https" or loopback(door.host)


def _halves(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(" \t"), value.strip(" \t")


def _is_over(attributes: Mapping[str, str], now: datetime) -> bool:
    """Whether it deletes the cookie. `Max-Age` outranks `Expires`; invalid values are ignored."""
    lasts = attributes.get("max-age", "")
    if lasts.isascii() and lasts.removeprefix("-").isdigit():
        return lasts.startswith("-") or not lasts.strip("0")
    end = cookie_date(attributes.get("expires", ""))
    return end is not None and end <= now


def _within(host: str, domain: str) -> bool:
    number = host.rpartition(".")[2].isdecimal()  # an IP address has no subdomains
    return host == domain or (host.endswith(f".{domain}") and not number)


def _below(path: str, above: str) -> bool:
    return path == above or path.startswith(above if above.endswith("/") else above + "/")
