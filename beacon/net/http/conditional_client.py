"""Requests to public sources: only for changes, and not before the source allows it.

The last answer of a source is kept in this process, with its validators (ETag, Last-Modified). A
304 confirms it. After a `Retry-After` no endpoint asks the source again until then, at most for an
hour.
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
"""Seconds after which a source is read in full again: a cache may answer 304 for ever."""

LONGEST_REST: Final = 3600.0
"""Seconds a source is not asked at most, whatever it asks for."""

USUAL_REST: Final = 60.0
"""Seconds a source is not asked after a 429 without `Retry-After`."""

KEPT: Final = 32
"""Sources whose last answer is kept, and sources that are not to be asked now."""

DIRECT: Final = Route()

_LONGEST_VALIDATOR: Final = 1000


class BoundedCache(Generic[V]):
    """A map with a limit; the oldest item is dropped. For any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Hashable, V] = {}

    def get(self, key: Hashable) -> V | None:
        """The item; None without one."""
        return self._held.get(key)

    def put(self, key: Hashable, thing: V) -> None:
        """Keep an item, as the newest."""
        self._held.pop(key, None)
        self._held[key] = thing
        for old in list(self._held)[: -self._most]:
            self._held.pop(old, None)


@dataclass(frozen=True, slots=True)
class _LastAnswer:
    """A source's parsed answer, its final address, its validators, when it was read in full."""

    what: Any
    url: str
    validators: dict[str, str]
    whole_at: float


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a source is not asked, in monotonic seconds, and the failure until then."""

    until: float
    reason: Reason
    words: str


class ConditionalClient:
    """The last answers of sources, and which of them not to ask now. All endpoints share one."""

    def __init__(self) -> None:
        self._last: BoundedCache[_LastAnswer] = BoundedCache(KEPT)
        self._rests: BoundedCache[_Rest] = BoundedCache(KEPT)

    def read(
        self,
        run: Run,
        request: Request,
        parse: Callable[[Run, Answer], T],
        route: Route = DIRECT,
    ) -> T:
        """The parsed answer of a source; if it is unchanged, the one parsed last.

        `parse` is a plain function without settings: all endpoints that read this address with it
        share the result. Raises `ProbeFailure`.
        """
        key = (request.url, parse)
        held = self._last.get(key)
        if held is not None and run.clock.monotonic() - held.whole_at >= WHOLE_EVERY:
            held = None
        known = held.validators if held else {}
        changed = replace(request, headers={**request.headers, **known})
        answer = self.ask(run, changed, request.url, route)
        if answer.status == 304 and held is not None:
            if answer.url == held.url:
                self._last.put(key, held)
                run.note("unchanged since it was read last")
                what: T = held.what
                return what
            # It redirects to another page now, and the validators were not for that one.
            answer = self.ask(run, request, request.url, route)
        if answer.status != 200:
            text = f"status {answer.status} instead of an answer; the page may be inactive"
            raise ProbeFailure(Reason.SOURCE_DEAD, text)
        what = parse(run, answer)
        if validators := _validators(answer):
            last = _LastAnswer(what, answer.url, validators, run.clock.monotonic())
            self._last.put(key, last)
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
        """Ask a source, unless it is not to be asked now; `of` is what its limits apply to.

        Raises `ProbeFailure`: `rate_limited` where it wants fewer requests.
        """
        rest = self._rests.get(of)
        if rest is not None and run.clock.monotonic() < rest.until:
            raise ProbeFailure(rest.reason, rest.words)
        answer = exchange(run, request, route, follow=follow)
        if answer.status in (429, 503):
            self._rest(run, answer, of)
        return answer

    def _rest(self, run: Run, answer: Answer, of: Hashable) -> None:
        """Note how long the source is not asked. Raises `ProbeFailure`."""
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


def _validators(answer: Answer) -> dict[str, str]:
    """The headers of a request for changes only."""
    pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
    found = {name: answer.headers.get(of) or "" for name, of in pairs}
    return {
        name: value
        for name, value in found.items()
        if value and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
    }


def _wait(answer: Answer, now: datetime) -> float | None:
    """Seconds of `Retry-After`, a number or a date; None without a valid one."""
    written = (answer.headers.get("retry-after") or "").strip()
    if written.isascii() and written.isdecimal():
        return float(written[:9])
    until = mail_date(written)
    return None if until is None else (until - now).total_seconds()
