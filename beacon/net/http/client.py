"""HTTP as probes use it: one request, redirects followed, a complete answer or a `ProbeFailure`.

Every exchange opens a new connection and ignores the environment (proxies, .netrc). We follow
redirects ourselves, so that secrets stay with their own origin and the allowed ones
(docs/adr/0027).
"""

import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response
from requests.structures import CaseInsensitiveDict

import beacon
from beacon.core.model import ClockSeen, Reason
from beacon.engine.redaction import HIDDEN, PUBLIC_HEADERS, quoted
from beacon.engine.run import Run
from beacon.net.http.connection import BODY_LIMIT, Exchange
from beacon.net.http.cookies import Jar
from beacon.net.http.route import Route
from beacon.net.origin import Origin, join, origin
from beacon.net.parsing.charset import codec, codec_of_page
from beacon.net.parsing.dates import mail_date
from beacon.net.probe_failure import ProbeFailure

REDIRECTS: Final = 5

DATE_WITHIN: Final = 5.0
"""Seconds an exchange may take if its `Date` is to be compared with our clock."""

OFFSET_NOTED: Final = 2.0
"""Seconds our clock may be off before it is noted: a `Date` is not more exact."""

_DEFAULTS: Final = {
    "User-Agent": f"mfa-beacon/{beacon.__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
_NAME: Final = frozenset(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-")
_CONTROL: Final = frozenset(map(chr, (*range(0x20), 0x7F))) - {"\t"}
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_NOT_THE_SERVER: Final = frozenset({407, 502, 503, 504})
"""Statuses of a proxy or gateway without its server."""
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Headers and body are as sent: secrets revealed, text encoded.

    `limit` is how many bytes the answer's body may have. Secrets in headers and body are for the
    origin of `url`, and for redirects to the origins in `follow_to`. `shown` replaces the
    address in notes, where it contains more than settings.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    limit: int = BODY_LIMIT
    follow_to: Collection[Origin] = ()
    shown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer at the end of all redirects.

    `certificate_days` is of the certificate that expires first; None without TLS.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = field(default=b"", repr=False)
    url: str = ""
    redirects: int = 0
    certificate_days: float | None = None

    @property
    def charset(self) -> str:
        """The charset in the answer's header; empty without one."""
        for parameter in (self.headers.get("content-type") or "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            value = value.partition(",")[0].strip(" \t\"'")  # the first, if the header is repeated
            if name.strip().lower() == "charset" and value:
                return value.lower()
        return ""

    def codec(self) -> str:
        """Python's name of the body's charset. Raises `ProbeFailure` for an unknown charset."""
        if self._is_page():
            return codec_of_page(self.body, self.charset)
        found = codec(self.charset or "utf-8")
        if found is None:
            raise ProbeFailure(Reason.BODY_UNDECODABLE, "the body's charset is unknown")
        return found

    def text(self) -> str:
        """The body decoded by its charset, a page as browsers do. Raises `ProbeFailure`."""
        name = self.codec()
        try:
            # Browsers show a damaged byte of a page as a question mark, and read the rest.
            text = self.body.decode(name, "replace" if self._is_page() else "strict")
        except ValueError:
            raise ProbeFailure(Reason.BODY_UNDECODABLE, f"the body is not {name}") from None
        return text.removeprefix("\ufeff")

    def _is_page(self) -> bool:
        kind = (self.headers.get("content-type") or "").partition(";")[0]
        return kind.strip().lower() in _PAGES


def exchange(
    run: Run,
    request: Request,
    route: Route = Route(),  # noqa: B008 - frozen
    *,
    follow: bool = True,
    jar: Jar | None = None,
) -> Answer:
    """Send a request and return the answer, after up to five redirects.

    Raises `ProbeFailure` for all trouble on the way, `DeadlinePassed` when time is up.
    """
    jar = Jar() if jar is None else jar
    days: list[float] = []
    home = {*request.follow_to}
    public = False
    for redirects in range(REDIRECTS + 1):
        prepared = prepare(request, jar)
        there = origin(prepared.url or "")
        home |= {there} if not redirects else set()
        _note_request(run, prepared, request.shown or "", ours=not redirects)
        inward = _inward(there) if public and there not in home else ""
        with Exchange(run, route, inward) as met:
            response, connection = met.fetch(prepared)
            public |= connection.public
            run.clock_seen = _clock_seen(run, connection.waited, response) or run.clock_seen
            _take_cookies(run, jar, response)
            if connection.certificate_days is not None:
                days.append(connection.certificate_days)
            following = _redirected(request, response) if follow else None
            if following is None:
                body = met.body(response, request.limit)
                return _answer(run, response, body, redirects, min(days, default=None))
        run.note(f"{response.status_code} redirect to {quoted(urlsplit(following.url).netloc)}")
        request = confined(run, following, home)
    raise ProbeFailure(Reason.REDIRECT_LIMIT, f"more than {REDIRECTS} redirects")


def is_answered(run: Run, url: str, route: Route) -> bool:
    """Whether the server itself answers a bare GET of this address, whatever it says.

    Raises `ProbeFailure`, `DeadlinePassed`.
    """
    status = exchange(run, Request(url=url), route, follow=False).status
    return status not in _NOT_THE_SERVER


def prepare(request: Request, jar: Jar | None = None) -> PreparedRequest:
    """The request as it is sent. Raises `ProbeFailure` where it cannot be sent."""
    prepared = PreparedRequest()
    headers = CaseInsensitiveDict(_DEFAULTS)
    headers.update(request.headers)
    try:
        prepared.prepare(method=request.method, url=request.url, headers=headers, data=request.body)
        origin(prepared.url or "")
        for name, value in prepared.headers.items():
            name.encode("ascii"), value.encode("latin-1")
            if not name or not _NAME.issuperset(name) or not _CONTROL.isdisjoint(value):
                raise ValueError
        if not _FRAMING.isdisjoint(map(str.lower, request.headers)):
            raise ValueError
    except (RequestException, ValueError):
        raise ProbeFailure(
            Reason.PROTOCOL_ERROR, "an address or header that cannot be sent"
        ) from None
    cookies = jar.header(prepared.url or "") if jar is not None else ""
    if cookies:
        prepared.headers.setdefault("Cookie", cookies)
    return prepared


def confined(
    run: Run, request: Request, home: Collection[Origin], *, whole: bool = False
) -> Request:
    """The request without the secrets that its origin may not have: `home` may have them.

    `whole`: its address is secret too. Raises `ProbeFailure` where it makes no sense without them.
    `run.to_allow` then says which setting would allow it; likewise where a header is left out.
    """
    try:
        there = origin(request.url)
    except ValueError:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "a redirect to an invalid address") from None
    public = {n: v for n, v in request.headers.items() if n.lower() in PUBLIC_HEADERS}
    sends = whole or request.body is not None
    if there in home or not (sends or len(public) < len(request.headers)):
        return request
    named = shown(there)
    run.to_allow = f"secrets are not sent to {named}; `follow_to: [{named}]` allows it"
    if sends:
        raise ProbeFailure(Reason.EXPECTATION_FAILED, run.to_allow)
    run.note(run.to_allow)
    return replace(request, headers=public)


def shown(there: Origin) -> Origin:
    """An origin that a server named, masked for notes and details."""
    return there._replace(host=quoted(there.host))


def _inward(there: Origin) -> str:
    """Why a redirect is not followed. A hostile server could use us to reach private addresses."""
    named = shown(there)
    return f"{named} is a private address behind a public one; `follow_to: [{named}]` allows it"


def _answer(
    run: Run, response: Response, body: bytes, redirects: int, days: float | None
) -> Answer:
    headers = _headers(response)
    kind = quoted(headers.get("content-type")) or "-"
    run.note(f"{response.status_code} {kind}, {len(body)} bytes")
    return Answer(
        status=response.status_code,
        headers=headers,
        body=body,
        url=response.url,
        redirects=redirects,
        certificate_days=days,
    )


def _clock_seen(run: Run, waited: float, response: Response) -> ClockSeen | None:
    """How far our clock is off by the `Date` of a fresh answer, at the middle of the exchange."""
    written, age = response.headers.get("date"), response.headers.get("age", "0")
    if not written or age.strip() != "0" or waited > DATE_WITHIN:
        return None  # the answer of a cache has the date at which the cache was filled
    date = mail_date(written)
    if date is None:
        return None
    ours = run.clock.utc().timestamp() - waited / 2
    # A Date is cut to whole seconds: on average it is half a second early.
    offset = date.timestamp() + 0.5 - ours
    if abs(offset) > OFFSET_NOTED:
        run.note(f"by its Date, our clock is off by {-offset:+.1f} s")
    return ClockSeen(offset, run.name_of(urlsplit(response.url).hostname or ""))


def _take_cookies(run: Run, jar: Jar, response: Response) -> None:
    lines = [_trimmed(line) for line in response.raw.headers.getlist("set-cookie")]
    # By the server's own clock where it is known: ours may be wrong by years.
    theirs = mail_date(response.headers.get("date") or "")
    jar.take(response.url, lines, theirs or run.clock.utc())


def _trimmed(value: str) -> str:
    """A header's value on one line, without blanks at its ends (RFC 9110 §5.5)."""
    lines = value.replace("\r", "\n").split("\n")
    return " ".join(line.strip(" \t") for line in lines).strip(" ")


def _headers(response: Response) -> CaseInsensitiveDict[str]:
    """The headers of an answer; the values of a repeated header are joined."""
    found: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name in response.raw.headers:
        values = map(_trimmed, response.raw.headers.getlist(name))
        found[name] = ", ".join(map(_text_of, values))
    return found


def _text_of(value: str) -> str:
    """The value as UTF-8 where it is valid UTF-8: http.client decodes every byte as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _redirected(request: Request, response: Response) -> Request | None:
    """The request that a redirect asks for; None for other answers."""
    written = next(map(_trimmed, response.raw.headers.getlist("location")), "")
    if response.status_code not in _FOLLOWED or not written:
        return None
    try:
        raw = written.encode("latin-1").decode("utf-8", "surrogateescape")
        url = join(response.url, raw)
    except ValueError:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "a redirect to an invalid address") from None
    if not url.startswith(("http://", "https://")):
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "a redirect to something other than HTTP")
    following = replace(request, url=url, shown=None)
    return following if _keeps_method(request.method, response.status_code) else _as_get(following)


def _keeps_method(method: str, status: int) -> bool:
    """As browsers do: 303 means GET; 301 and 302 mean GET after a POST only."""
    if method in ("GET", "HEAD"):
        return True
    if status in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND):
        return method != "POST"
    return status != HTTPStatus.SEE_OTHER


def _as_get(request: Request) -> Request:
    headers = {n: v for n, v in request.headers.items() if not n.lower().startswith("content-")}
    return replace(request, method="GET", body=None, headers=headers)


def _note_request(run: Run, prepared: PreparedRequest, shown: str, *, ours: bool) -> None:
    run.remaining()
    parts = urlsplit(shown or prepared.url or "")
    foreign = not ours or HIDDEN in parts.netloc
    run.foreign_host = urlsplit(prepared.url or "").hostname if foreign else None
    if ours and not run.is_secret(prepared.url or ""):
        run.note(f"{prepared.method} {parts.scheme}://{parts.netloc}{parts.path}")
    else:  # an address from a server may contain what we sent, or another secret
        path = parts.path if parts.path in ("", "/") else "/…"
        run.note(f"{prepared.method} {parts.scheme}://{quoted(parts.netloc)}{path}")
