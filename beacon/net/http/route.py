"""How servers are reached by HTTP: TLS settings, proxy, IP version.

The settings are the same for every kind that uses HTTP.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from msgspec import Meta

from beacon.config.fields import Flaw, Secret, SettingRefused, Url
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.net.dial import IpVersion


class ProxyUrl(Url):
    """The address of a proxy."""

    __slots__ = ()
    ALLOWED: ClassVar = "http://host:port"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "uri", "pattern": "^http://"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Check the address; user name and password have keys of their own."""
        if isinstance(raw, str) and "@" in raw:
            allowed = "`proxy: {url: http://host:port, username: …, password: !secret …}`"
            raise SettingRefused("a user name or password in an address", allowed)
        return super().parse(raw)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy, reached in plain HTTP, and our account there (Basic, RFC 7617)."""

    url: Annotated[ProxyUrl, Meta(description="http://host:port")]
    username: Annotated[str | None, Meta(description="our name at the proxy")] = None
    password: Annotated[Secret | None, Meta(description="best written as !secret name")] = None

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with these settings."""
        if not self.url.lower().startswith("http://"):
            yield ("url",), "a proxy is reached in plain HTTP", "http://host:port"
        if (self.username is None) != (self.password is None):
            yield (), "`username` or `password` is missing", "`username` and `password` together"
        if self.username is not None and ":" in self.username:
            yield ("username",), "a user name cannot contain a colon", "a name without a colon"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def authorization(self) -> str:
        """The value of `Proxy-Authorization`; empty without an account."""
        if self.username is None or self.password is None:
            return ""
        return basic(f"{self.username}:{self.password.reveal()}")


def basic(pair: str) -> str:
    """The value of `Authorization` for `user:password` (RFC 7617)."""
    return "Basic " + base64.b64encode(pair.encode()).decode()


def proxy_of(setting: ProxyUrl | Proxy | None) -> Proxy | None:
    """The proxy of a setting, which may be only its address."""
    return Proxy(url=ProxyUrl(setting)) if isinstance(setting, str) else setting


def proxy_flaws(setting: ProxyUrl | Proxy | None) -> Iterator[Flaw]:
    """What is wrong with the setting `proxy`."""
    proxy = proxy_of(setting)
    for path, message, allowed in proxy.flaws() if proxy else ():
        yield ("proxy", *(() if isinstance(setting, str) else path)), message, allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The settings of one connection."""

    tls: TlsPolicy = DEFAULT_TLS
    proxy: Proxy | None = None
    ip_version: IpVersion | None = None


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The settings of a kind that uses HTTP."""

    tls: Annotated[TlsPolicy, Meta(description="how to meet servers by TLS")] = DEFAULT_TLS
    proxy: Annotated[
        ProxyUrl | Proxy | None,
        Meta(description="http://host:port, or with a user name and password"),
    ] = None
    ip_version: Annotated[IpVersion | None, Meta(description="only these addresses")] = None

    @property
    def route(self) -> Route:
        """How its servers are reached."""
        return Route(tls=self.tls, proxy=proxy_of(self.proxy), ip_version=self.ip_version)
