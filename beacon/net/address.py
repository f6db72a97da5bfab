"""Web addresses as browsers read them, and which origins may have what is secret.

An address is read by the same parser that dials it: two that disagree on where the host ends
would send a password to one and ask the other whether it may have it.
"""

from typing import Any, ClassVar, Final, NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from urllib3.util import parse_url

from beacon.config.fields import SettingRefused, Url

_PORTS: Final = {"http": 80, "https": 443}
_EDGES: Final = "".join(map(chr, range(0x21)))  # control characters and blanks
_AS_WRITTEN: Final = (
    "!#$%&'()*+,/:;=?@[]~"  # what may stand in an address beside letters and digits
)

_HEX: Final = frozenset("0123456789abcdefABCDEF")


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int


class Origin(_Place):
    """Scheme, host and port: whom a secret is told. Written as https://host or https://host:port."""

    __slots__ = ()
    ALLOWED: ClassVar = "https://host or https://host:port"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^https?://[^/?#]+/?$"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an origin; a path would promise what no browser keeps."""
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
    """Whether two addresses have one origin; what is no address has none."""
    try:
        return origin(one) == origin(other)
    except ValueError:
        return False


def join(base: str, written: str) -> str:
    """The whole address of one that a page or a header writes.

    Blanks around it are trimmed, its backslashes are slashes, and what may not stand in an
    address is encoded. Raises `ValueError`.
    """
    before, mark, after = written.strip(_EDGES).partition("?")
    parts = urlsplit(urljoin(base, before.replace("\\", "/") + mark + after))
    path, query = (_encoded(each) for each in (parts.path, parts.query))
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def _encoded(text: str) -> str:
    """What may not stand in an address as %XX; a % that begins nothing is %25."""
    first, *rest = quote(text, _AS_WRITTEN, errors="surrogateescape").split("%")
    marks = ("%" if len(p) > 1 and _HEX.issuperset(p[:2]) else "%25" for p in rest)
    return first + "".join(mark + p for mark, p in zip(marks, rest, strict=True))
