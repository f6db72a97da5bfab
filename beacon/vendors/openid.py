"""OpenID providers: their discovery document, their keys, and the keys of the tokens they sign.

Signatures are not verified: that needs a cryptographic library, and an attacker who can forge a
signature can forge the keys as well. What breaks in practice is that applications do not find the
key of a token: that is checked (docs/adr/0017).
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
from beacon.net.http.auth import ClientAuth
from beacon.net.http.client import Request, exchange, shown
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Route
from beacon.net.origin import origin, same_origin
from beacon.net.outline import outline
from beacon.net.probe_failure import ProbeFailure

WELL_KNOWN: Final = "/.well-known/openid-configuration"
REMEMBERED: Final = 3600.0
"""Seconds a token is assumed to be in use at most, even if it is valid for longer."""

_JSON: Final = {"Accept": "application/json"}
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("n", "e"),
    "EC": ("crv", "x", "y"),
    "OKP": ("crv", "x"),
}
"""Type of a public key → its members (RFC 7518, RFC 8037); other types are ignored."""
_ENCODED: Final = TextPattern(r"[A-Za-z0-9_-]+")  # base64url; names of curves fit it too


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The addresses of a provider's services.

    Tokens are requested and revoked at the issuer's own origin only, or at a configured one:
    secrets go only where they were configured to go (docs/adr/0027).
    """

    token_url: str
    keys_url: str
    revocation_url: str | None
    client_auth: ClientAuth = "basic"


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: its name (`kid`) and its members."""

    name: str | None
    material: tuple[str, ...]


def issuer_flaws(issuer: str) -> Iterator[Flaw]:
    """Report an address that no issuer can have (OpenID Connect Discovery §3)."""
    if urlsplit(issuer).query or urlsplit(issuer).fragment:
        yield (), "an issuer has no ? and no #", "https://host/path"


def discover(
    run: Run, issuer: str, route: Route, token_url: str | None = None, *, asks: bool = True
) -> ProviderMetadata:
    """Read a provider's discovery document. Raises `ProbeFailure` where applications would fail.

    `asks`: a token will be requested, so that a secret is sent to its endpoint.
    """
    document = _fetch(run, issuer.rstrip("/") + WELL_KNOWN, route)
    run.note(f"it has {outline(document, harmless=('issuer',))}")
    named = document.get("issuer")
    if named != issuer:
        ending = isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/")
        why = ": only the slash at its end differs" if ending else ", and applications compare it"
        reason = Reason.EXPECTATION_FAILED if isinstance(named, str) else Reason.OPERAND_MISSING
        raise ProbeFailure(reason, "`issuer` is not the configured one" + why)
    token_at = token_url or _endpoint(document, "token_endpoint", issuer)
    if asks and not token_url and not same_origin(token_at, issuer):
        other = shown(origin(token_at))
        run.to_allow = f"`token_endpoint` is at {other}: set `token_url` if it is to be trusted"
        raise ProbeFailure(Reason.EXPECTATION_FAILED, run.to_allow)
    revoke_at = None
    if "revocation_endpoint" in document:
        revoke_at = _endpoint(document, "revocation_endpoint", issuer)
    allowed = revoke_at is not None and same_origin(revoke_at, token_at)
    return ProviderMetadata(
        token_at,
        _endpoint(document, "jwks_uri", issuer),
        revoke_at if allowed else None,
        _client_auth(document.get("token_endpoint_auth_methods_supported")),
    )


def _client_auth(supported: object) -> ClientAuth:
    """How a provider wants the client's secret; by default in a header (Discovery §3)."""
    methods = supported if isinstance(supported, list) else []
    basic = "client_secret_basic" in methods or "client_secret_post" not in methods
    return "basic" if basic else "post"


def fetch_keys(run: Run, provider: ProviderMetadata, route: Route) -> tuple[Key, ...]:
    """The keys for verifying signatures, at least one. Raises `ProbeFailure`."""
    found = _fetch(run, provider.keys_url, route).get("keys")
    if not isinstance(found, list):
        raise ProbeFailure(Reason.OPERAND_MISSING, "no list of keys")
    keys = tuple(key for each in found if (key := _key(each)) is not None)
    run.note(f"{len(keys)} of {len(found)} keys are for signatures")
    if not keys:
        raise ProbeFailure(Reason.EXPECTATION_FAILED, "no key is for verifying signatures")
    return keys


def signing_key(token: str, keys: Collection[Key]) -> Key | None:
    """The key that a token is signed with, as it says; None where we cannot know it.

    Raises `ProbeFailure` where no application would find it.
    """
    header = _header(token)
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm == "none":
        raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, "the token is not signed")
    if not isinstance(algorithm, str) or algorithm.startswith("HS"):
        return None  # opaque, encrypted, or signed with a shared secret
    if name is None and len(keys) > 1:
        text = "the token does not name its key, and the provider has several"
        raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, text)
    for key in keys:
        if name is None or key.name == name:
            return key
    text = "the key that signed the token is not offered: applications reject it"
    raise ProbeFailure(Reason.SIGN_IN_UNFINISHED, text)


class Issued:
    """The keys of tokens that are still valid: applications need them until then."""

    def __init__(self) -> None:
        self._until: dict[Key, float] = {}

    def check(self, keys: Collection[Key], now: float) -> None:
        """Raise `ProbeFailure` if a needed key is missing, or was replaced under the same name."""
        self._until = {key: until for key, until in self._until.items() if until > now}
        for key, until in self._until.items():
            if key in keys:
                continue
            other = any(each.name == key.name for each in keys)
            what = "was replaced under the same name" if other else "is no longer offered"
            text = f"the key of a token that is valid for {until - now:.0f} s more {what}"
            raise ProbeFailure(Reason.EXPECTATION_FAILED, text)

    def add(self, key: Key, now: float, lasts: float) -> None:
        """Note that a token signed with this key was issued, for `lasts` seconds."""
        until = now + min(lasts, REMEMBERED)
        self._until[key] = max(until, self._until.get(key, until))


def _fetch(run: Run, url: str, route: Route) -> dict[str, object]:
    """Fetch a public JSON object. Raises `ProbeFailure`."""
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
        raise ProbeFailure(Reason.OPERAND_MISSING, f"`{name}` is not a valid address") from None
    if origin(issuer)[0] == "https" and origin(url)[0] != "https":
        raise ProbeFailure(Reason.EXPECTATION_FAILED, f"`{name}` is not https")
    return url


def _key(raw: object) -> Key | None:
    """One of the keys; None if it is not for signatures, or of an unknown type."""
    if not isinstance(raw, dict):
        raise ProbeFailure(Reason.EXPECTATION_FAILED, "one of the keys is not an object")
    kind = raw.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None or raw.get("use") == "enc":
        return None
    values = [raw.get(member) for member in members]
    for member, value in zip(members, values, strict=True):
        if not isinstance(value, str) or not _ENCODED.fullmatch(value):
            text = f"one of the keys has no valid `{member}`"
            raise ProbeFailure(Reason.EXPECTATION_FAILED, text)
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
