"""Web addresses as browsers read them, and their origins: a secret is sent to its own origin only.

The parser is the one that also dials. With two parsers that find different hosts in one address, a
password could be checked for one host and sent to the other (docs/adr/0027).
"""

from typing import Any, ClassVar, Final, NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from urllib3.util import parse_url

from beacon.config.fields import SettingRefused, Url

_PORTS: Final = {"http": 80, "https": 443}
_EDGES: Final = "".join(map(chr, range(0x21)))  # control characters and blanks
_AS_WRITTEN: Final = "!#$%&'()*+,/:;=?@[]~"  # allowed in an address beside letters and digits
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int


class Origin(_Place):
    """Scheme, host and port. Written as https://host or https://host:port."""

    __slots__ = ()
    ALLOWED: ClassVar = "https://host or https://host:port"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^https?://[^/?#]+/?$"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an origin. A path is refused: it would not limit where a secret goes."""
        try:
            url = Url.parse(raw)
            found = origin(url)
        except SettingRefused as refused:
            raise SettingRefused(refused.message, cls.ALLOWED) from None
        except ValueError:
            raise SettingRefused(f"not an address: {raw!r}", cls.ALLOWED) from None
        parts = urlsplit(url)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise SettingRefused("an origin has no path", cls.ALLOWED, str(found))
        return cls(*found)

    def __str__(self) -> str:
        """As written, without the scheme's own port."""
        port = "" if _PORTS.get(self.scheme) == self.port else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}"


def origin(url: str) -> Origin:
    """The origin of an address. Raises `ValueError` for one that has none."""
    parts = parse_url(url)
    scheme = (parts.scheme or "").lower()
    host = (parts.host or "").lower().strip("[]")
    return Origin(scheme, host, parts.port or _PORTS.get(scheme, 0))


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have one origin; an invalid address has none."""
    try:
        return origin(one) == origin(other)
    except ValueError:
        return False


def join(base: str, written: str) -> str:
    """Resolve an address that a page or a header contains, as browsers do. Raises `ValueError`.

    Blanks around it are trimmed, backslashes become slashes, invalid characters are encoded.
    """
    before, mark, after = written.strip(_EDGES).partition("?")
    parts = urlsplit(urljoin(base, before.replace("\\", "/") + mark + after))
    path, query = (_encoded(each) for each in (parts.path, parts.query))
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def _encoded(text: str) -> str:
    """Encode invalid characters as %XX, and a % without two hex digits as %25."""
    first, *rest = quote(text, _AS_WRITTEN, errors="surrogateescape").split("%")
    marks = ("%" if len(p) > 1 and _HEX.issuperset(p[:2]) else "%25" for p in rest)
    return first + "".join(mark + p for mark, p in zip(marks, rest, strict=True))
