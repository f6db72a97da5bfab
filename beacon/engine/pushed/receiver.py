"""Readings that others push: which are taken, and what it means when none come.

A push is checked by its age, its id and the rate of its endpoint; what is taken is posted like any
other reading. No probe runs for such an endpoint, so its silence is noticed here, if it has a
heartbeat. What may be our own fault is never the sender's: while a way to us is closed, silence is
`own_network`; while our clock is unverified, a push of another time is `own_clock`.

The deciding thread calls everything except `listening`.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from beacon.core.effects import Effect, OverallChanged
from beacon.core.inputs import Observed
from beacon.core.model import Moment, Reading, Reason
from beacon.engine.clock import Clock
from beacon.engine.pushed.samples import EventWindow, MailEvent, Share

AT_MOST_EVERY: Final = 1.0
"""Seconds between two readings of one endpoint that count."""

_UNJUDGED: Final = "timestamp is {off:.0f} s {way} our clock, and ours is not verified: not judged"


class Way(StrEnum):
    """How a push gets here; each way may be closed on its own."""

    HTTP = "http"
    MQTT = "mqtt"
    UPLINK = "uplink"  # needed by all that is not local


class PushRefusal(StrEnum):
    """Why a push is refused."""

    UNKNOWN = "no such endpoint"
    TOKEN = "without the right token"  # noqa: S105 - says what is wrong with one
    RETAINED = "retained"
    TOO_LARGE = "too large"
    CONTENT_TYPE = "of another content type"
    MALFORMED = "not understood"
    SKEWED = "of another time"
    OUTDATED = "older than one that came before"
    REPEATED = "seen before"
    TOO_MANY = "too many"
    BUSY = "the beacon is too busy"
    BUG = "a fault of the beacon"


class PushDenied(Exception):
    """A push is refused; the words are for its sender. `retry_after`: seconds to wait."""

    def __init__(self, cause: PushRefusal, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.cause, self.words, self.retry_after = cause, words, retry_after


@dataclass(frozen=True, slots=True)
class Pushed:
    """One pushed reading. `at`: when it was made, by the sender's clock (UTC seconds).

    With `events` the reading is that of the youngest of them.
    """

    reading: Reading
    at: float | None = None
    id: str | None = None
    events: tuple[MailEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected for one endpoint, in seconds. `heartbeat` None: it may be silent.

    `share`: how events of many mails become one reading.
    """

    ways: tuple[Way, ...]
    max_age: float
    heartbeat: float | None = None
    share: Share | None = None


@dataclass(slots=True)
class _State:
    """The state of one endpoint between pushes; times are monotonic."""

    expected: Expected
    last_push: float  # or when we began to listen
    report_at: float  # when its silence is reported next
    free_at: float = -math.inf  # when the next one may be taken
    latest: float = -math.inf  # the youngest `at` taken
    ids: dict[str, float] = field(default_factory=dict)  # taken, in order → when
    window: EventWindow | None = None


class Pushes:
    """Takes what is pushed and reports what is missing. An output; also polled by the engine.

    `post` posts readings to the inbox.
    """

    name = "pushes"

    def __init__(self, clock: Clock, post: Callable[[Observed], None]) -> None:
        self._clock, self._post = clock, post
        self._states: dict[str, _State] = {}
        self._open: dict[Way, float] = {Way.UPLINK: -math.inf}  # since when
        self._clock_state = "unverified"

    # --- from any thread: each step is one operation of the interpreter ---------------

    @contextlib.contextmanager
    def listening(self, way: Way) -> Iterator[None]:
        """Inside, pushes can come this way."""
        self._turn(way, on=True)
        try:
            yield
        finally:
            self._turn(way, on=False)

    def _turn(self, way: Way, *, on: bool) -> None:
        if on:
            self._open.setdefault(way, self._clock.monotonic())
        else:
            self._open.pop(way, None)

    # --- an output --------------------------------------------------------------------

    def start(self) -> None:
        """Nothing to start."""

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note the state of our own clock and uplink."""
        for effect in effects:
            if isinstance(effect, OverallChanged):
                self._clock_state = effect.overall.clock
                self._turn(Way.UPLINK, on=effect.overall.network != "lost")

    def stop(self, budget: float) -> None:
        """Nothing to stop."""

    # --- what is expected -------------------------------------------------------------

    def expect(self, wanted: Mapping[str, Expected]) -> None:
        """Expect pushes for these endpoints from now on; what is unchanged keeps its state."""
        now, was = self._clock.monotonic(), self._states
        self._states = {
            name: old
            if (old := was.get(name)) is not None and old.expected == each
            else _State(each, now, now + (each.heartbeat or math.inf))
            for name, each in wanted.items()
        }

    # --- pushes -----------------------------------------------------------------------

    def take(self, endpoint: str, pushed: Pushed) -> None:
        """Post this reading. Raises `PushDenied`."""
        state = self._states.get(endpoint)
        if state is None:
            raise PushDenied(PushRefusal.UNKNOWN, "no such endpoint")
        now = self._clock.monotonic()
        if now < state.free_at:
            words = f"one every {AT_MOST_EVERY:g} s is enough: send this one again"
            raise PushDenied(PushRefusal.TOO_MANY, words, state.free_at - now)
        self._refuse_repeated(state, pushed, now)
        reading = self._check_time(state, pushed) or self._judge(state, pushed)
        state.free_at, state.last_push = now + AT_MOST_EVERY, now
        state.report_at = now + (state.expected.heartbeat or math.inf)
        if pushed.id is not None:
            state.ids[pushed.id] = now
        self._post(Observed(now, endpoint, reading, now))

    def _refuse_repeated(self, state: _State, pushed: Pushed, now: float) -> None:
        # An id is kept as long as its `at` may be taken, before our time and after it.
        forgotten = now - 2 * state.expected.max_age
        while state.ids and (first := next(iter(state.ids))) and state.ids[first] < forgotten:
            del state.ids[first]
        if pushed.id in state.ids:
            raise PushDenied(PushRefusal.REPEATED, "this id was taken before")

    def _check_time(self, state: _State, pushed: Pushed) -> Reading | None:
        """None for a push of now; `own_clock` where our clock is unverified."""
        if pushed.at is None:
            return None
        off = pushed.at - self._clock.utc().timestamp()
        most = state.expected.max_age
        if abs(off) > most:
            way = "ahead of" if off > 0 else "behind"
            if self._clock_state != "ok":
                return Reading(Reason.OWN_CLOCK, _UNJUDGED.format(way=way, off=abs(off)))
            words = f"`at` is {abs(off):.0f} s {way} our clock; at most {most:g} s"
            raise PushDenied(PushRefusal.SKEWED, words)
        return None

    def _judge(self, state: _State, pushed: Pushed) -> Reading:
        """Return the reading. Raises `PushDenied` for one older than the last."""
        if pushed.events and state.expected.share is not None:
            if state.window is None:
                state.window = EventWindow(state.expected.share)
            now = self._clock.utc().timestamp()
            reading = state.window.add(pushed.events, now, state.expected.max_age)
            return replace(reading, latency=pushed.reading.latency)
        if pushed.at is not None:
            if pushed.at < state.latest:
                raise PushDenied(PushRefusal.OUTDATED, "a younger reading came before this one")
            state.latest = pushed.at
        return pushed.reading

    # --- silence ----------------------------------------------------------------------

    def __call__(self, at: Moment) -> None:
        """Report endpoints whose heartbeat is missing, once for each heartbeat."""
        for name, state in self._states.items():
            heartbeat = state.expected.heartbeat
            if heartbeat is None or at < state.report_at:
                continue
            closed = [way for way in state.expected.ways if way not in self._open]
            if not closed and at < self._since(state) + heartbeat:
                continue
            state.report_at = at + heartbeat
            self._post(Observed(at, name, _silence(at - state.last_push, closed), at))

    def _since(self, state: _State) -> float:
        """Since when every way to us has been open."""
        return max(self._open.get(way, math.inf) for way in state.expected.ways)


def _silence(seconds: float, closed: Sequence[Way]) -> Reading:
    if closed:
        words = f"no push for {seconds:.0f} s, but none could come: {closed[0]} was not open"
        return Reading(Reason.OWN_NETWORK, words)
    return Reading(Reason.HEARTBEAT_MISSED, f"no push for {seconds:.0f} s")
