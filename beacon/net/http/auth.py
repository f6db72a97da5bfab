"""How a probe signs in to a server: Basic, a bearer token, or OAuth2 client credentials.

Secrets are revealed here, when they are sent.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote_plus, urlencode

from beacon.config.checks import loopback
from beacon.config.fields import Flaw, Secret, Url
from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request, exchange
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Route, basic
from beacon.net.origin import origin
from beacon.net.probe_failure import ProbeFailure

MARGIN: Final = 30.0
"""Seconds before a token expires from which it is no longer used."""

LONGEST: Final = 86400.0
"""Seconds a token is used at most, whatever its server says."""

ClientAuth = Literal["basic", "basic_raw", "post"]
"""How a client sends its secret: in a header, encoded as the RFC says (`client_secret_basic`) or
plain, for servers that do not decode it; or in the form (`client_secret_post`)."""

_OUR_FAULT: Final = frozenset({400, 401, 403})
_OUR_ERRORS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope", "access_denied"}
)


@dataclass(frozen=True, kw_only=True)
class Basic:
    """User name and password, in a header (RFC 7617)."""

    username: str
    password: Secret

    def authorization(self) -> str:
        """The header's value."""
        return basic(f"{self.username}:{self.password.reveal()}")


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """A token that does not change."""

    token: Secret

    def authorization(self) -> str:
        """The header's value."""
        return f"Bearer {self.token.reveal()}"


@dataclass
class HeldToken:
    """The current token, and the monotonic moment from which it is not used."""

    token: str = field(default="", repr=False)
    until: float = 0.0


class HeldTokens(defaultdict[Hashable, HeldToken]):
    """The tokens of one endpoint, by the client that fetched them."""

    def __init__(self) -> None:
        super().__init__(HeldToken)

    def current(self, run: Run, client: Hashable, fetch: Callable[[], tuple[str, float]]) -> str:
        """The header's value. Without a valid token `fetch` gets one, and the seconds it lasts."""
        held, now = self[client], run.clock.monotonic()
        if not held.token or now >= held.until:
            held.token, lasts = fetch()
            held.until = now + lasts - MARGIN
        return f"Bearer {run.hide(held.token)}"


@dataclass(frozen=True, kw_only=True)
class OAuth2:
    """Client credentials (RFC 6749 §4.4). A token is fetched within a run and kept."""

    token_url: Url
    client_id: str
    client_secret: Secret
    scope: str | None = None
    audience: str | None = None
    client_auth: ClientAuth = "basic"

    def authorization(self, run: Run, route: Route) -> str:
        """The header's value; fetches a token where there is none. Raises `ProbeFailure`."""
        return run.memory.of(HeldTokens).current(
            run, self, lambda: token_of(exchange(run, self._request(), route, follow=False))
        )

    def forget(self, run: Run) -> None:
        """The server refused the token: the next run fetches another."""
        run.memory.of(HeldTokens).pop(self, None)

    def _request(self) -> Request:
        form = {"grant_type": "client_credentials", "scope": self.scope, "audience": self.audience}
        given = {name: value for name, value in form.items() if value}
        url, how = self.token_url, self.client_auth
        return client_request(url, self.client_id, self.client_secret, given, how)


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Exactly one way to sign in."""

    basic: Basic | None = None
    bearer: Bearer | None = None
    oauth2: OAuth2 | None = None

    def flaws(self) -> Iterator[Flaw]:
        """Report none, or more than one."""
        if sum(way is not None for way in (self.basic, self.bearer, self.oauth2)) != 1:
            yield (), "not exactly one way to sign in", "one of basic, bearer, oauth2"

    def authorization(self, run: Run, route: Route) -> str:
        """The header's value. Raises `ProbeFailure` where no token could be fetched."""
        if self.oauth2:
            return self.oauth2.authorization(run, route)
        return self.written

    @property
    def written(self) -> str:
        """The header's value where it needs no request; else nothing."""
        way = self.basic or self.bearer
        return way.authorization() if way else ""

    def refused(self, run: Run) -> None:
        """The server answered 401."""
        if self.oauth2:
            self.oauth2.forget(run)


def client_request(
    url: str,
    client_id: str,
    client_secret: Secret | None,
    form: Mapping[str, str],
    how: ClientAuth = "basic",
) -> Request:
    """A form from an OAuth2 client, with its secret if it has one (RFC 6749 §2.3)."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if client_secret is None:
        form = {**form, "client_id": client_id}
    elif how == "post":
        form = {**form, "client_id": client_id, "client_secret": client_secret.reveal()}
    else:
        pair = client_id, client_secret.reveal()
        headers["Authorization"] = basic(
            ":".join(pair if how == "basic_raw" else map(quote_plus, pair))
        )
    return Request(url=url, method="POST", headers=headers, body=urlencode(form).encode())


def unencrypted(name: str, url: str) -> Iterator[Flaw]:
    """Report the setting `name` where its address would send a secret unencrypted."""
    scheme, host, _ = origin(url)
    if scheme == "http" and not loopback(host):
        yield (name,), f"the secret or its token would go unencrypted to {host}", "https://…"


def token_of(answer: Answer) -> tuple[str, float]:
    """The token and the seconds it lasts. Raises `ProbeFailure` for an answer without one."""
    if answer.status in _OUR_FAULT and (answer.status == 401 or _error(answer) in _OUR_ERRORS):
        why = _error(answer) or "status 401"
        settings = "`client_id`, `client_secret` (has it expired?) and `client_auth`"
        raise ProbeFailure(Reason.OWN_CREDENTIALS, f"no token: {why}: check {settings}")
    if answer.status == 429:
        raise ProbeFailure(Reason.RATE_LIMITED, "no token: status 429")
    if answer.status != 200:
        raise ProbeFailure(Reason.HTTP_STATUS, f"no token: status {answer.status}")
    try:
        document = parse_json(answer.body)
    except ProbeFailure as trouble:
        raise ProbeFailure(trouble.reading.reason, f"no token: {trouble.reading.detail}") from None
    token = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(token, str) or not token:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "no token: the answer has no access_token")
    return token, lasting(document.get("expires_in"))


def lasting(lasts: object) -> float:
    """Seconds a token lasts: a number, or (ADFS, Entra ID v1) its digits as text; else 0."""
    if isinstance(lasts, str):
        whole = lasts.strip().partition(".")[0]
        lasts = int(whole[:12]) if whole.isascii() and whole.isdecimal() else 0
    if isinstance(lasts, bool) or not isinstance(lasts, int | float):
        return 0.0
    return float(min(max(lasts, 0), LONGEST))


def _error(answer: Answer) -> str:
    """The error's name if RFC 6749 has it: nothing else of the body is quoted."""
    try:
        document = parse_json(answer.body)
    except ProbeFailure:
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, str) and error in _OUR_ERRORS else ""
