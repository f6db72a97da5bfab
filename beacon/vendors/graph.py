"""Microsoft Graph for an application: its token, complete lists, Graph's limits.

A request needs a token from Entra, which the beacon may be watching. So a failure to get one is
`source_dead`, unless Entra's `error` code says that our settings are wrong (`own_credentials`).
No text of an answer is ever quoted.
"""

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from beacon.config.fields import Flaw, Secret, Url
from beacon.core.model import Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.http.auth import HeldTokens, client_request, lasting, unencrypted
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json, parse_json_as
from beacon.net.http.route import Reach
from beacon.net.probe_failure import ProbeFailure

T = TypeVar("T")

PAGES: Final = 20
"""Pages of one list at most."""

PAGE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one page: a hundred issues with all their posts."""

VALUES: Final = 200_000
"""Values of one page; commas in its texts count too."""

OURS: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_resource",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""Errors of the token endpoint that mean: our settings or rights are wrong."""

_THEIRS: Final = frozenset({"server_error", "temporarily_unavailable"})

_TENANT: Final = TextPattern(r"[A-Za-z0-9.-]+")


class _Page(msgspec.Struct, Generic[T]):
    value: list[T]
    next: str | None = msgspec.field(default=None, name="@odata.nextLink")


class _Refusal(msgspec.Struct):
    error: Any = None
    error_codes: Any = None


@dataclass(frozen=True, kw_only=True)
class GraphApplication(Reach):
    """The settings of an application in a tenant."""

    tenant: str
    client_id: str
    client_secret: Secret
    graph_url: Url = Url("https://graph.microsoft.com")  # noqa: RUF009 - it is a text
    login_url: Url = Url("https://login.microsoftonline.com")  # noqa: RUF009

    def flaws(self) -> Iterator[Flaw]:
        """Report invalid settings."""
        if not _TENANT.fullmatch(self.tenant):
            text = f"not a tenant: {self.tenant!r}"
            yield ("tenant",), text, "its id, or one of its domains"
        for name in ("graph_url", "login_url"):
            yield from unencrypted(name, getattr(self, name))

    def listed(
        self,
        run: Run,
        path: str,
        kind: type[T],
        permission: str,
        *,
        prefer: str = "",
        most: float = math.inf,
    ) -> list[T]:
        """All items of a list, page by page, from this host only. Raises `ProbeFailure`.

        `permission` is what the application needs for it. No further page is read once there are
        `most` items.
        """
        home = self.graph_url.rstrip("/")
        url = f"{home}/{path}"
        found: list[T] = []
        read: set[str] = set()
        while len(read) < PAGES:
            if not url.startswith(f"{home}/"):
                raise ProbeFailure(Reason.SOURCE_DEAD, "the link to the next page leaves this host")
            if url in read:
                text = "the link to the next page leads to one that was read"
                raise ProbeFailure(Reason.SOURCE_DEAD, text)
            read.add(url)
            page = self._page(run, url, kind, permission, prefer)
            found += page.value
            if not page.next or len(found) >= most:
                return found
            url = page.next
        raise ProbeFailure(Reason.SOURCE_DEAD, f"a list of more than {PAGES} pages")

    def _page(self, run: Run, url: str, kind: type[T], permission: str, prefer: str) -> _Page[T]:
        proof = run.memory.of(HeldTokens).current(run, self._limits, lambda: self._token(run))
        headers = {"Authorization": proof, "Accept": "application/json"}
        if prefer:
            headers["Prefer"] = prefer
        request = Request(url=url, headers=headers, limit=PAGE_LIMIT)
        answer = run.memory.of(ConditionalClient).ask(
            run, request, self._limits, self.route, follow=False
        )
        if answer.status == 401:
            run.memory.of(HeldTokens).pop(self._limits, None)
        if answer.status == 403:
            text = f"status 403: give the application {permission}, with an admin's consent"
            raise ProbeFailure(Reason.OWN_CREDENTIALS, text)
        if answer.status != 200:
            raise ProbeFailure(Reason.SOURCE_DEAD, f"Graph answers with status {answer.status}")
        try:
            return parse_json_as(answer.body, _Page[kind], VALUES)  # type: ignore[valid-type]
        except msgspec.ValidationError as error:
            text = f"not a list as documented: {quoted(error)}"
            raise ProbeFailure(Reason.SOURCE_DEAD, text) from None

    @property
    def _limits(self) -> Hashable:
        """What Graph's limits apply to: all requests of an application in a tenant."""
        return self.graph_url, self.tenant, self.client_id

    def _token(self, run: Run) -> tuple[str, float]:
        """A new token, and the seconds it lasts. Raises `ProbeFailure`."""
        scope = f"{self.graph_url.rstrip('/')}/.default"
        form = {"grant_type": "client_credentials", "scope": scope}
        url = f"{self.login_url.rstrip('/')}/{self.tenant}/oauth2/v2.0/token"
        request = client_request(url, self.client_id, self.client_secret, form, "post")
        client, of = run.memory.of(ConditionalClient), (url, self.client_id)
        return _parse_token(client.ask(run, request, of, self.route, follow=False))


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: Any = None


def _parse_token(answer: Answer) -> tuple[str, float]:
    """The token and the seconds it lasts. Raises `ProbeFailure`."""
    if answer.status != 200:
        raise _refused(answer)
    try:
        granted = msgspec.convert(parse_json(answer.body), _Granted, strict=False)
    except (ProbeFailure, msgspec.ValidationError):
        raise ProbeFailure(Reason.SOURCE_DEAD, "no token: it is not in the answer") from None
    token = granted.access_token
    if not token or not token.isascii() or not token.isprintable():
        raise ProbeFailure(Reason.SOURCE_DEAD, "no token: the one in the answer is invalid")
    return token, lasting(granted.expires_in)


def _refused(answer: Answer) -> ProbeFailure:
    """The failure without a token: ours or Entra's, by the error code only."""
    try:
        refusal = parse_json_as(answer.body, _Refusal)
    except (ProbeFailure, msgspec.ValidationError):
        refusal = _Refusal()
    error = refusal.error if isinstance(refusal.error, str) else ""
    codes = refusal.error_codes if isinstance(refusal.error_codes, list) else []
    numbers = [f"AADSTS{code}" for code in codes[:2] if type(code) is int and 0 < code < 10**8]
    if error not in OURS | _THEIRS:
        error = f"status {answer.status}"
    reason = Reason.OWN_CREDENTIALS if error in OURS else Reason.SOURCE_DEAD
    return ProbeFailure(reason, " ".join(("no token:", error, *numbers)))
