"""OpenID providers as probes meet them: discovery, the keys they offer, the tokens they sign.

No signature is verified: that needs a cryptographic library, and whoever could forge one
could forge the keys as well. What breaks in practice is that applications do not find the
key a token names: that is looked at.
"""

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from beacon.config.fields import Flaw, SettingRefused, Url
from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.address import origin, same_origin
from beacon.net.http.auth import ClientAuth
from beacon.net.http.client import Request, exchange, shown
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Route
from beacon.net.outline import outline
from beacon.net.probe_failure import ProbeFailure

WELL_KNOWN: Final = "/.well-known/openid-configuration"
REMEMBERED: Final = 3600.0
"""Seconds a token is held to be in use at most, however long it is valid."""

_JSON: Final = {"Accept": "application/json"}
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("n", "e"),
    "EC": ("crv", "x", "y"),
    "OKP": ("crv", "x"),
}
"""What makes a public key, by its type (RFC 7518, RFC 8037); other types are passed over."""
_ENCODED: Final = TextPattern(r"[A-Za-z0-9_-]+")  # base64url; names of curves are that, too


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """Where a provider says its services are.

    Tokens are asked for and revoked at the issuer's own host only, unless told otherwise:
    secrets go where somebody configured them to go.
    """

    token_url: str
    keys_url: str
    revocation_url: str | None
    client_auth: ClientAuth = "basic"


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: its name (`kid`), and what it is made of."""

    name: str | None
    material: tuple[str, ...]


def issuer_flaws(issuer: str) -> Iterator[Flaw]:
    """What no issuer can have (OpenID Connect Discovery §3)."""
    if urlsplit(issuer).query or urlsplit(issuer).fragment:
        yield (), "an issuer has neither ? nor #", "https://host/path"


def discover(
    run: Run, issuer: str, route: Route, token_url: str | None = None, *, asks: bool = True
) -> ProviderMetadata:
    """Read a provider's discovery document. Raises `ProbeFailure` where applications could not.

    `asks`: a token is wanted, so that something secret is sent to its endpoint.
    """
    document = _fetch(run, issuer.rstrip("/") + WELL_KNOWN, route)
    run.note(f"it has {outline(document, harmless=('issuer',))}")
    named = document.get("issuer")
    if named != issuer:
        ending = isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/")
        but = ", but for the slash at its end" if ending else ", and applications compare it"
        reason = Reason.EXPECTATION_FAILED if isinstance(named, str) else Reason.OPERAND_MISSING
        raise ProbeFailure(reason, "`issuer` is not the configured one" + but)
    asked = token_url or _endpoint(document, "token_endpoint", issuer)
    if asks and not token_url and not same_origin(asked, issuer):
        other = shown(origin(asked))
        run.to_allow = f"`token_endpoint` is at {other}: set `token_url` if it is to be trusted"
        raise ProbeFailure(Reason.EXPECTATION_FAILED, run.to_allow)
    revoked = None
    if "revocation_endpoint" in document:
        revoked = _endpoint(document, "revocation_endpoint", issuer)
    there = revoked is not None and same_origin(revoked, asked)
    return ProviderMetadata(
        asked,
        _endpoint(document, "jwks_uri", issuer),
        revoked if there else None,
        _client_auth(document.get("token_endpoint_auth_methods_supported")),
    )


def _client_auth(supported: object) -> ClientAuth:
    """How a provider wants a client's secret; where it does not say, in a header (Discovery §3)."""
    methods = supported if isinstance(supported, list) else []
    basic = "client_secret_basic" in methods or "client_secret_post" not in methods
    return "basic" if basic else "post"


def offered(run: Run, provider: ProviderMetadata, route: Route) -> tuple[Key, ...]:
    """The keys that signatures can be verified with: one at least. Raises `ProbeFailure`."""
    found = _fetch(run, provider.keys_url, route).get("keys")
    if not isinstance(found, list):
        raise ProbeFailure(Reason.OPERAND_MISSING, "no list of keys")
    keys = tuple(key for each in found if (key := _key(each)) is not None)
    run.note(f"{len(keys)} of {len(found)} keys are for signatures")
    if not keys:
        raise ProbeFailure(
            Reason.EXPECTATION_FAILED, "no key that a signature could be verified with"
        )
    return keys


def signing_key(token: str, keys: Collection[Key]) -> Key | None:
    """The key that a token says it is signed with; None where it is not for us to read.

    Raises `ProbeFailure` where no application will find it.
    """
    header = _header(token)
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm == "none":
        raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, "the token is not signed")
    if not isinstance(algorithm, str) or algorithm.startswith("HS"):
        return None  # opaque, encrypted, or for whoever shares the secret
    if name is None and len(keys) > 1:
        text = "the token does not name its key, and there are several"
        raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, text)
    for key in keys:
        if name is None or key.name == name:
            return key
    text = "the key that signed the token is not offered: applications reject it"
    raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, text)


class Issued:
    """The keys of tokens that are not over yet: as long as these, applications need those."""

    def __init__(self) -> None:
        self._until: dict[Key, float] = {}

    def check(self, keys: Collection[Key], now: float) -> None:
        """Raise `ProbeFailure` if one of them is not offered, or is another under its name."""
        self._until = {key: until for key, until in self._until.items() if until > now}
        for key, until in self._until.items():
            if key in keys:
                continue
            other = any(each.name == key.name for each in keys)
            what = "is another under the same name" if other else "is not offered any more"
            text = f"the key of a token that is valid for {until - now:.0f} s more {what}"
            raise ProbeFailure(Reason.EXPECTATION_FAILED, text)

    def add(self, key: Key, now: float, lasts: float) -> None:
        """A token signed with this key was issued; it lasts so many seconds."""
        until = now + min(lasts, REMEMBERED)
        self._until[key] = max(until, self._until.get(key, until))


def _fetch(run: Run, url: str, route: Route) -> dict[str, object]:
    """A JSON object that anybody may read."""
    answer = exchange(run, Request(url=url, headers=_JSON), route)
    if answer.status != 200:
        reason = Reason.RATE_LIMITED if answer.status == 429 else Reason.HTTP_STATUS
        raise ProbeFailure(reason, f"status {answer.status}")
    document = parse_json(answer.body)
    if not isinstance(document, dict):
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "the body is not a JSON object")
    return document


def _endpoint(document: Mapping[str, object], name: str, issuer: str) -> str:
    try:
        url = Url.parse(document.get(name))
    except SettingRefused:
        raise ProbeFailure(Reason.OPERAND_MISSING, f"`{name}` is no address") from None
    if origin(issuer)[0] == "https" and origin(url)[0] != "https":
        raise ProbeFailure(Reason.EXPECTATION_FAILED, f"`{name}` is not https")
    return url


def _key(raw: object) -> Key | None:
    """One of the keys; None for one that is not for signatures, or of an unknown type."""
    if not isinstance(raw, dict):
        raise ProbeFailure(Reason.EXPECTATION_FAILED, "one of the keys is none")
    kind = raw.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None or raw.get("use") == "enc":
        return None
    values = [raw.get(member) for member in members]
    for member, value in zip(members, values, strict=True):
        if not isinstance(value, str) or not _ENCODED.fullmatch(value):
            raise ProbeFailure(
                Reason.EXPECTATION_FAILED, f"one of the keys has no usable `{member}`"
            )
    name = raw.get("kid")
    return Key(name if isinstance(name, str) else None, (str(kind), *map(str, values)))


def _header(token: str) -> Mapping[str, object]:
    """The header of a signed token (RFC 7515); empty for any other."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        decoded = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4))
        header = parse_json(decoded)
    except (binascii.Error, ValueError, ProbeFailure):
        return {}
    return header if isinstance(header, dict) else {}
