"""HTTP as probes use it: one request, redirects followed, the answer whole or a `Trouble`.

Every exchange dials anew. Nothing is read from the environment. Redirects are followed by
us, each closed unread; what proves who we are never goes to another origin.
"""

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Final
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, RequestException, Response
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict

import beacon
from beacon.core.model import ClockSeen, Reason
from beacon.engine.run import Run
from beacon.transport.charset import codec
from beacon.transport.dates import mail_date
from beacon.transport.trouble import Trouble
from beacon.transport.wire import BODY_LIMIT, Exchange, Route

REDIRECTS: Final = 5

DATE_WITHIN: Final = 5.0
"""Seconds an exchange may take for its `Date` to say something of our clock."""

DATE_TOLD: Final = 2.0
"""Seconds our clock may be off before a conversation mentions it: a `Date` is no finer."""

_DEFAULTS: Final = {
    "User-Agent": f"mfa-beacon/{beacon.__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
_PROOFS: Final = ("Authorization", "Cookie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask. Headers and body are as on the wire: secrets revealed, text encoded.

    `limit` is how many bytes the answer's body may have.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    limit: int = BODY_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered at the end of all redirects.

    `certificate_days` is the least of all certificates met on the way; None without TLS.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = field(default=b"", repr=False)
    url: str = ""
    redirects: int = 0
    certificate_days: float | None = None

    @property
    def charset(self) -> str:
        """The charset the answer names; nothing where it names none."""
        return _charset(self.headers.get("content-type") or "")

    def text(self) -> str:
        """The body as text, by the charset it names, else UTF-8. Raises `Trouble`."""
        charset = self.charset or "utf-8"
        name = codec(charset)
        if name is None:
            raise Trouble(Reason.BODY_UNDECODABLE, f"unknown charset {charset[:40]!r}")
        try:
            return self.body.decode("utf_8_sig" if name == "utf_8" else name)
        except ValueError:
            raise Trouble(Reason.BODY_UNDECODABLE, f"the body is not {charset[:40]}") from None


class _SameDoor(DefaultCookiePolicy):
    """Cookies by the rules of browsers, and only to the scheme and port that set them."""

    def set_ok(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        cookie.port = _door(request.get_full_url())
        return super().set_ok(cookie, request)

    def return_ok_port(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        return cookie.port == _door(request.get_full_url())


def fresh_jar() -> RequestsCookieJar:
    """A cookie jar for one run: no cookie leaves the scheme, host and port that set it."""
    return RequestsCookieJar(_SameDoor())


def exchange(
    run: Run,
    request: Request,
    route: Route = Route(),  # noqa: B008 - frozen
    *,
    follow: bool = True,
    jar: RequestsCookieJar | None = None,
) -> Answer:
    """Send a request and return the answer, redirects followed up to five times.

    Raises `Trouble` for whatever goes wrong on the way, `DeadlinePassed` when time is up.
    """
    jar = fresh_jar() if jar is None else jar
    days: list[float] = []
    for redirects in range(REDIRECTS + 1):
        prepared = prepare(request, jar)
        _note_request(run, prepared, ours=not redirects)
        met = Exchange(run, route)
        try:
            response = met.fetch(prepared)
            run.clock_seen = _clock_seen(run, met, response) or run.clock_seen
            _take_cookies(jar, prepared, response)
            if met.certificate_days is not None:
                days.append(met.certificate_days)
            following = _redirected(request, response) if follow else None
            if following is None:
                body = met.body(response, request.limit)
                return _answer(run, response, body, redirects, min(days, default=None))
        except Trouble:
            run.remaining()  # sockets shut by the deadline look like all sorts of trouble
            raise
        finally:
            met.close()
        run.note(f"{response.status_code} redirect to {urlsplit(following.url).netloc}")
        request = following
    raise Trouble(Reason.REDIRECT_LIMIT, f"more than {REDIRECTS} redirects")


def prepare(request: Request, jar: RequestsCookieJar | None = None) -> PreparedRequest:
    """The request as it goes on the wire. Raises `Trouble` for an impossible address."""
    prepared = PreparedRequest()
    headers = CaseInsensitiveDict(_DEFAULTS)
    headers.update(request.headers)
    try:
        prepared.prepare(
            method=request.method, url=request.url, headers=headers, data=request.body, cookies=jar
        )
    except (RequestException, UnicodeError):
        raise Trouble(Reason.PROTOCOL_ERROR, "an address or header that cannot be sent") from None
    return prepared


def _answer(
    run: Run, response: Response, body: bytes, redirects: int, days: float | None
) -> Answer:
    kind = response.headers.get("content-type", "-")
    run.note(f"{response.status_code} {kind}, {len(body)} bytes")
    return Answer(
        status=response.status_code,
        headers=response.headers,
        body=body,
        url=response.url,
        redirects=redirects,
        certificate_days=days,
    )


def _clock_seen(run: Run, met: Exchange, response: Response) -> ClockSeen | None:
    """What the `Date` of a fresh answer says of our clock at the middle of the exchange."""
    written, age = response.headers.get("date"), response.headers.get("age", "0")
    if not written or age.strip() != "0" or met.waited > DATE_WITHIN:
        return None  # a cache tells the time at which it was filled
    told = mail_date(written)
    if told is None:
        return None
    ours = run.clock.utc().timestamp() - met.waited / 2
    # A Date is cut to whole seconds: half of one is its middle.
    offset = told.timestamp() + 0.5 - ours
    if abs(offset) > DATE_TOLD:
        run.note(f"by its Date, our clock is off by {-offset:+.1f} s")
    return ClockSeen(offset, urlsplit(response.url).hostname or "")


def _take_cookies(jar: RequestsCookieJar, prepared: PreparedRequest, response: Response) -> None:
    if "set-cookie" in response.headers:
        extract_cookies_to_jar(jar, prepared, response.raw)  # type: ignore[no-untyped-call]


def _redirected(request: Request, response: Response) -> Request | None:
    """The request a redirect asks for; None where the answer is none."""
    location = response.headers.get("location")
    if response.status_code not in _FOLLOWED or not location:
        return None
    try:
        url = urljoin(response.url, location)
        same = origin(url) == origin(response.url)
    except ValueError:
        raise Trouble(Reason.PROTOCOL_ERROR, "a redirect to no address") from None
    if not url.startswith(("http://", "https://")):
        raise Trouble(Reason.PROTOCOL_ERROR, "a redirect to something other than HTTP")
    headers = request.headers if same else _bare(request)
    following = replace(request, url=url, headers=headers)
    return following if _keeps_method(request.method, response.status_code) else _as_get(following)


def _bare(request: Request) -> dict[str, str]:
    """The headers without what proves who we are: they are for the first origin alone."""
    return {n: v for n, v in request.headers.items() if n.title() not in _PROOFS}


def _keeps_method(method: str, status: int) -> bool:
    if method in ("GET", "HEAD"):
        return True
    return status in (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)


def _as_get(request: Request) -> Request:
    """As every browser does after 303, and after 301 and 302 to a POST."""
    headers = {n: v for n, v in request.headers.items() if not n.lower().startswith("content-")}
    return replace(request, method="GET", body=None, headers=headers)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises `ValueError` for an address that has none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or (443 if scheme == "https" else 80)


def _door(url: str) -> str:
    scheme, _, port = origin(url)
    return f"{scheme}:{port}"


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(" \"'"):
            return value.strip(" \"'").lower()
    return ""


def _note_request(run: Run, prepared: PreparedRequest, *, ours: bool) -> None:
    run.remaining()
    parts = urlsplit(prepared.url or "")
    # Where a server sends us may hold what we sent it, or what it shall not be told of.
    path = parts.path if ours or parts.path in ("", "/") else "/…"
    run.note(f"{prepared.method} {parts.scheme}://{parts.netloc}{path}")
