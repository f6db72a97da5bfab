"""Public sources, asked politely: only for what has changed, and not before they allow it.

What a source said is kept in this process, with its validators (ETag, Last-Modified). When it
answers "unchanged" (304) it says the same again, now. A source that asks to be left alone for
a while (`Retry-After`) is left alone, by all endpoints that read it, for at most an hour.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request, exchange
from beacon.net.http.route import Route
from beacon.net.parsing.dates import mail_date, since
from beacon.net.probe_failure import ProbeFailure

T = TypeVar("T")
V = TypeVar("V")

WHOLE_EVERY: Final = 3600.0
"""Seconds after which a source is read whole again: a cache may answer 304 for ever."""

LONGEST_REST: Final = 3600.0
"""Seconds a source is left alone at most, whatever it asks for."""

USUAL_REST: Final = 60.0
"""Seconds a source is left alone that says "too many" (429) and not for how long."""

KEPT: Final = 32
"""Sources whose last word is kept, and sources that rest."""

DIRECT: Final = Route()

_LONGEST_VALIDATOR: Final = 1000


class BoundedCache(Generic[V]):
    """At most so many things by key; the one put in first gives way. For any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Hashable, V] = {}

    def get(self, key: Hashable) -> V | None:
        """The thing; None where there is none."""
        return self._held.get(key)

    def put(self, key: Hashable, thing: V) -> None:
        """Keep it, as the newest."""
        self._held.pop(key, None)
        self._held[key] = thing
        for old in list(self._held)[: -self._most]:
            self._held.pop(old, None)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a source said, where it did in the end, since when, and how to ask for news."""

    what: Any
    url: str
    validators: dict[str, str]
    whole_at: float


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a source is left alone, in monotonic seconds, and what it comes to."""

    until: float
    reason: Reason
    words: str


class ConditionalClient:
    """What is known of the sources that it reads. One is shared by all endpoints."""

    def __init__(self) -> None:
        self._said: BoundedCache[_Said] = BoundedCache(KEPT)
        self._rests: BoundedCache[_Rest] = BoundedCache(KEPT)

    def read(
        self,
        run: Run,
        request: Request,
        parse: Callable[[Run, Answer], T],
        route: Route = DIRECT,
    ) -> T:
        """What a source says: parsed anew, or, if it is unchanged, what was parsed last.

        `parse` is a plain function that knows no settings: what it made is shared by all who
        read this address with it. Raises `ProbeFailure`.
        """
        key = (request.url, parse)
        held = self._said.get(key)
        if held is not None and run.clock.monotonic() - held.whole_at >= WHOLE_EVERY:
            held = None
        answer = self.ask(run, _for_news(request, held), request.url, route)
        if answer.status == 304 and held is not None:
            if answer.url == held.url:
                self._said.put(key, held)
                run.note("unchanged: what was read last says it again")
                what: T = held.what
                return what
            # It was sent elsewhere, and what is there is older than what we know: a dead page.
            answer = self.ask(run, request, request.url, route)
        if answer.status != 200:
            text = f"status {answer.status} instead of an answer; the page may be inactive"
            raise ProbeFailure(Reason.SOURCE_DEAD, text)
        what = parse(run, answer)
        if validators := _validators(answer):
            said = _Said(what, answer.url, validators, run.clock.monotonic())
            self._said.put(key, said)
        return what

    def ask(
        self,
        run: Run,
        request: Request,
        of: Hashable,
        route: Route = DIRECT,
        *,
        follow: bool = True,
    ) -> Answer:
        """Ask a source unless it rests; `of` is whatever its limits are kept by.

        Raises `ProbeFailure`: `rate_limited` where it asks us to come less often.
        """
        rest = self._rests.get(of)
        if rest is not None and run.clock.monotonic() < rest.until:
            raise ProbeFailure(rest.reason, rest.words)
        answer = exchange(run, request, route, follow=follow)
        if answer.status in (429, 503):
            self._rest(run, answer, of)
        return answer

    def _rest(self, run: Run, answer: Answer, of: Hashable) -> None:
        """Leave it alone as long as it asks for. Raises `ProbeFailure`."""
        limited = answer.status == 429
        now = run.clock.utc()
        wait = _wait(answer, now)
        if wait is None:
            wait = USUAL_REST if limited else 0.0
        wait = min(max(wait, 0.0), LONGEST_REST)
        reason = Reason.RATE_LIMITED if limited else Reason.SOURCE_DEAD
        words = f"status {answer.status}"
        if wait:
            again = since((now + timedelta(seconds=wait)).isoformat(), "before")
            words += f": it asks us to wait, and is not asked again {again}"
            self._rests.put(of, _Rest(run.clock.monotonic() + wait, reason, words))
        raise ProbeFailure(reason, words)


def _for_news(request: Request, held: _Said | None) -> Request:
    if held is None:
        return request
    return replace(request, headers={**request.headers, **held.validators})


def _validators(answer: Answer) -> dict[str, str]:
    """The headers to ask with whether it has changed since."""
    pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
    found = {name: answer.headers.get(of) or "" for name, of in pairs}
    return {
        name: value
        for name, value in found.items()
        if value and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
    }


def _wait(answer: Answer, now: datetime) -> float | None:
    """Seconds of `Retry-After`, a number or a date; None where there is none of use."""
    written = (answer.headers.get("retry-after") or "").strip()
    if written.isascii() and written.isdecimal():
        return float(written[:9])
    until = mail_date(written)
    return None if until is None else (until - now).total_seconds()
