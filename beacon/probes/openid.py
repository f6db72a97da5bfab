"""`openid`: whether applications can use an OpenID provider: what it says of itself, its keys.

With a client of its own also whether it issues tokens, and signs them with a key it offers.
Nobody signs in: that is `keycloak`, `authelia`, `flow`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from beacon.config.fields import Secret, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.net.http.auth import ClientAuth, client_request, token_of
from beacon.net.http.client import exchange
from beacon.net.http.route import Reach
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw
from beacon.probing.steps import step
from beacon.vendors.openid import (
    Issued,
    Key,
    ProviderMetadata,
    discover,
    fetch_keys,
    issuer_flaws,
    signing_key,
)


@dataclass(frozen=True, kw_only=True)
class OpenId(Reach, Kind):
    """Discovery and keys; by `client_id` and `client_secret` a token, too (RFC 6749 §4.4).

    `keys` are the names (`kid`) of the keys that are offered, where they change by hand only.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    issuer: Url
    keys: tuple[str, ...] = ()
    client_id: str | None = None
    client_secret: Secret | None = None
    scope: str | None = None
    token_url: Url | None = None
    client_auth: ClientAuth | None = None

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for path, message, allowed in issuer_flaws(self.issuer):
            yield SettingFlaw(("issuer", *path), message, allowed)
        if (self.client_id is None) != (self.client_secret is None):
            yield SettingFlaw((), "half a client", "client_id and client_secret, or none of them")
        for name in ("scope", "token_url", "client_auth"):
            if getattr(self, name) is not None and self.client_id is None:
                yield SettingFlaw((name,), "nobody asks for a token", "client_id, client_secret")

    def look(self, run: Run) -> Reading:
        """Look; latency by step: `discovery`, `token`, `keys`."""
        token, lasts = "", 0.0
        with step(run, "discovery"):
            asks = self.client_id is not None
            provider = discover(run, self.issuer, self.route, self.token_url, asks=asks)
        if self.client_id is not None:
            with step(run, "token"):
                token, lasts = self._token(run, provider, self.client_id)
        with step(run, "keys"):
            keys = fetch_keys(run, provider, self.route)
            now = run.clock.monotonic()
            signed = signing_key(token, keys)
            issued = run.memory.of(Issued)
            issued.check(keys, now)
            if signed is not None:
                issued.add(signed, now, lasts)
            return self.judge(keys)

    def judge(self, keys: tuple[Key, ...]) -> Reading:
        """The reading of the keys that are offered."""
        found, wanted = {key.name for key in keys}, set(self.keys)
        new, gone = len(found - wanted) if wanted else 0, len(wanted - found)
        if gone:
            text = f"keys: {new} that are not configured, {gone} missing"
            return Reading(Reason.RECORD_CHANGED, text)
        # One key more hurts nobody: it is how a change of keys begins.
        added = f", {new} of them not configured" if new else ""
        return Reading(Reason.OK, f"keys offered: {len(keys)}{added}")

    def _token(self, run: Run, provider: ProviderMetadata, client: str) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"}
        if self.scope is not None:
            form["scope"] = self.scope
        how = self.client_auth or provider.client_auth
        request = client_request(provider.token_url, client, self.client_secret, form, how)
        token, lasts = token_of(exchange(run, request, self.route, follow=False))
        return run.hide(token), lasts


PROBE = OpenId
