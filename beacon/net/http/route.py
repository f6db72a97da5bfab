"""How servers are reached by HTTP: by which TLS, through which proxy, over which IP.

The settings are the same for every kind that speaks HTTP.
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
        """Check it as an address; a name and a password have keys of their own."""
        if isinstance(raw, str) and "@" in raw:
            allowed = "`proxy: {url: http://host:port, username: …, password: !secret …}`"
            raise SettingRefused("a user name or password in an address", allowed)
        return super().parse(raw)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that is spoken to in plain HTTP, and who we are to it (Basic, RFC 7617)."""

    url: Annotated[ProxyUrl, Meta(description="http://host:port")]
    username: Annotated[str | None, Meta(description="our name at the proxy")] = None
    password: Annotated[Secret | None, Meta(description="best written as !secret name")] = None

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with these settings."""
        if not self.url.lower().startswith("http://"):
            yield ("url",), "a proxy is spoken to in plain HTTP", "http://host:port"
        if (self.username is None) != (self.password is None):
            yield (), "half of a sign-in at the proxy", "`username` and `password` together"
        if self.username is not None and ":" in self.username:
            yield ("username",), "a colon ends a user name", "a name without a colon"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def authorization(self) -> str:
        """The value of `Proxy-Authorization`; nothing where we have no name there."""
        if self.username is None or self.password is None:
            return ""
        pair = f"{self.username}:{self.password.reveal()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


def proxy_of(setting: ProxyUrl | Proxy | None) -> Proxy | None:
    """The proxy of a setting, which may be its address alone."""
    return Proxy(url=ProxyUrl(setting)) if isinstance(setting, str) else setting


def proxy_flaws(setting: ProxyUrl | Proxy | None) -> Iterator[Flaw]:
    """What is wrong with the setting `proxy`."""
    proxy = proxy_of(setting)
    for path, message, allowed in proxy.flaws() if proxy else ():
        yield ("proxy", *(() if isinstance(setting, str) else path)), message, allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a server is reached."""

    tls: TlsPolicy = DEFAULT_TLS
    proxy: Proxy | None = None
    ip_version: IpVersion | None = None


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The settings of a kind that speaks HTTP."""

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

    def reach_flaws(self) -> Iterator[Flaw]:
        """What is wrong with these settings."""
        for path, message, allowed in self.tls.flaws():
            yield ("tls", *path), message, allowed
        yield from proxy_flaws(self.proxy)
