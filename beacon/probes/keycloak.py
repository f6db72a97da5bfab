"""`keycloak`: whether somebody can sign in with password and one-time code, by direct grant.

At Keycloak, or at any OpenID provider that has the grant (RFC 6749 §4.3). The token that
comes of it must be one that applications can verify: with a key the provider still offers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

from beacon.config.fields import Secret, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.http.auth import ClientAuth, client_request, token_of
from beacon.net.http.client import Answer, Request, exchange, is_answered
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Reach
from beacon.net.outline import outline
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, Abilities, Kind, SettingFlaw
from beacon.probing.steps import signing_out, step
from beacon.vendors.openid import (
    WELL_KNOWN,
    Issued,
    ProviderMetadata,
    discover,
    fetch_keys,
    issuer_flaws,
    signing_key,
)

_OURS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"}
)
"""Errors of the application we pretend to be: no user was looked at."""
_MORE: Final = frozenset({"mfa_required", "interaction_required", "consent_required"})
"""Errors that say: so far so good, and now something this grant cannot do."""
_NAME: Final = TextPattern(r"[a-z][a-z0-9_]*")  # "Forbidden" is the word of something else
_NO: Final = (400, 401, 403)
_BROKEN: Final = frozenset({"temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True)
class _Tokens:
    """What was issued; `lasts` is seconds."""

    access: str = field(repr=False)
    identity: str = field(repr=False)
    refresh: str = field(repr=False)
    lasts: float


@dataclass(frozen=True, kw_only=True)
class Keycloak(Reach, Kind):
    """A sign-in by direct grant, its token's key looked for, and signed out again.

    `token_url` is for a provider whose token endpoint is on another host than its issuer.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)

    issuer: Url
    client_id: str
    client_secret: Secret | None = None
    username: str
    password: Secret
    code: OneTimeCode
    scope: str = "openid"
    token_url: Url | None = None
    client_auth: ClientAuth | None = None

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for path, message, allowed in issuer_flaws(self.issuer):
            yield SettingFlaw(("issuer", *path), message, allowed)

    def knock(self, run: Run) -> bool:
        """Read the discovery document."""
        return is_answered(run, self.issuer.rstrip("/") + WELL_KNOWN, self.route)

    @property
    def user(self) -> str:
        """Who signs in, and where."""
        return f"{self.issuer.rstrip('/')} {self.username}"

    def look(self, run: Run) -> Reading:
        """Sign in and out; latency by step: `discovery`, `token`, `keys`, `logout`."""
        with step(run, "discovery"):
            provider = discover(run, self.issuer, self.route, self.token_url)
        with step(run, "token"):
            tokens = self._tokens(run, provider)
        try:
            # After the token: of two answers with a change of keys between them, this order fits.
            leaving = signing_out(run, lambda after: self._revoke(after, provider, tokens))
            with leaving, step(run, "keys"):
                named = self._key_is_offered(run, provider, tokens)
            reading = Reading(Reason.OK, f"accepted{'' if named else '; its tokens name no key'}")
        except ProbeFailure as failure:
            reading = failure.reading
        return self._signed_out(run, provider, tokens, reading)

    def _tokens(self, run: Run, provider: ProviderMetadata) -> _Tokens:
        passcode = self.code.claim(run)
        form = {
            "grant_type": "password",
            "username": self.username,
            "password": self.password.reveal(),
            "otp": passcode,
            "totp": passcode,  # what it was called until Keycloak 9
            "scope": self.scope,
        }
        # A redirect would carry password and code to where nobody configured them to go.
        request = self._request(provider, provider.token_url, form)
        answer = exchange(run, request, self.route, follow=False)
        if answer.status != 200:
            error, words = _error(answer)
            raise ProbeFailure(_reason(answer.status, error), f"status {answer.status}{words}")
        return _issued(run, answer)

    def _key_is_offered(self, run: Run, provider: ProviderMetadata, tokens: _Tokens) -> bool:
        """Whether a token names its key. Raises `ProbeFailure` where that is not offered."""
        keys = fetch_keys(run, provider, self.route)
        now = run.clock.monotonic()
        found = [signing_key(token, keys) for token in (tokens.identity, tokens.access)]
        issued = run.memory.of(Issued)
        issued.check(keys, now)
        for key in found:
            if key is not None:
                issued.add(key, now, tokens.lasts)
        return any(found)

    def _signed_out(
        self, run: Run, provider: ProviderMetadata, tokens: _Tokens, reading: Reading
    ) -> Reading:
        """The reading; a warning if nothing else is wrong but this: sessions would pile up."""
        if provider.revocation_url is None or not tokens.refresh:
            run.note("no logout: the provider has nothing to revoke")
            return reading
        try:
            with step(run, "logout"):
                self._revoke(run, provider, tokens)
        except ProbeFailure as failure:
            if reading.reason is Reason.OK:
                text = f"signed in, but not out: {failure.reading.detail}"
                return Reading(Reason.PREFERENCE_UNMET, text)
        return reading

    def _revoke(self, run: Run, provider: ProviderMetadata, tokens: _Tokens) -> None:
        """End the session, where the provider has a way to. Raises `ProbeFailure`."""
        if provider.revocation_url is None or not tokens.refresh:
            return
        request = self._request(provider, provider.revocation_url, {"token": tokens.refresh})
        answer = exchange(run, request, self.route, follow=False)
        if answer.status != 200:
            raise ProbeFailure(Reason.HTTP_STATUS, f"status {answer.status}")

    def _request(self, provider: ProviderMetadata, url: str, form: dict[str, str]) -> Request:
        how = self.client_auth or provider.client_auth
        return client_request(url, self.client_id, self.client_secret, form, how)


def _issued(run: Run, answer: Answer) -> _Tokens:
    """The tokens in an answer, hidden. Raises `ProbeFailure` for one without."""
    access, lasts = token_of(answer)
    document = parse_json(answer.body)
    run.note(f"it has {outline(document, harmless=('token_type', 'expires_in'))}")
    assert isinstance(document, dict), "a token was in it"
    others = (document.get(name) for name in ("id_token", "refresh_token"))
    identity, refresh = (run.hide(each) if isinstance(each, str) else "" for each in others)
    return _Tokens(run.hide(access), identity, refresh, lasts)


def _reason(status: int, error: str) -> Reason:
    """The reason of a refusal by the token endpoint.

    A wrong password, a wrong code, an account that is locked or not set up: all of them are
    `invalid_grant`, and some providers have other words. So every error in the form of the
    protocol is a rejection, unless it is surely about something else.
    """
    if status == 429:
        return Reason.RATE_LIMITED
    if error in _OURS or (status == 401 and not error):  # something before it asks who we are
        return Reason.OWN_CREDENTIALS
    if status not in _NO or not error or error in _BROKEN:
        return Reason.HTTP_STATUS
    return Reason.SIGN_IN_UNFINISHED if error in _MORE else Reason.SIGN_IN_REJECTED


def _error(answer: Answer) -> tuple[str, str]:
    """The error's name, empty if it is none of the protocol, and the end of a detail."""
    try:
        document = parse_json(answer.body)
    except ProbeFailure:
        return "", ""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(error, str) or not _NAME.fullmatch(error):
        return "", ""
    # Where a server breaks, its words may be of its insides: Canaille's are its SQL.
    description = document.get("error_description") if answer.status in _NO else None
    words = (quoted(error), quoted(description))
    return error, "".join(f": {each}" for each in words if each)


PROBE = Keycloak
