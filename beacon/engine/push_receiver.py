"""Readings that others deliver: which are believed, and what it means when none come.

A push is judged by its age, by its id and by how often its endpoint is pushed to; what is
believed is posted as any other reading. Nobody is run for it, so the silence of an endpoint
that has a heartbeat is noticed here. What may be our own fault is never the sender's: while a
way to us is closed, silence is `own_network`; while nobody knows whose clock is wrong, a push
of another time is `own_clock`.

The deciding thread calls everything but `listening`.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from beacon.core.effects import Effect, OverallChanged
from beacon.core.inputs import Observed
from beacon.core.model import Reading, Reason
from beacon.engine.clock import Clock
from beacon.engine.samples import EventWindow, MailEvent, Share

AT_MOST_EVERY: Final = 1.0
"""Seconds between two readings of one endpoint that count."""

_UNJUDGED: Final = "it says {way} our clock by {off:.0f} s, and nobody has told whose is right"


class Way(StrEnum):
    """How a push gets here; each may be closed by itself."""

    HTTP = "http"
    MQTT = "mqtt"
    UPLINK = "uplink"  # what is not local comes over it


class PushRefusal(StrEnum):
    """Why a push is not taken."""

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
    """A push is not taken; the words are for its sender. `retry_after`: seconds until it may be."""

    def __init__(self, cause: PushRefusal, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.cause, self.words, self.retry_after = cause, words, retry_after


@dataclass(frozen=True, slots=True)
class Pushed:
    """One reading as it came. `at` is when it was made, by its sender's clock (UTC seconds).

    With `events` the reading is only that of the youngest of them.
    """

    reading: Reading
    at: float | None = None
    id: str | None = None
    events: tuple[MailEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected of one endpoint. Times are seconds; `heartbeat` None: it may be silent.

    `share`: how events of many mails become one reading.
    """

    ways: tuple[Way, ...]
    max_age: float
    heartbeat: float | None = None
    share: Share | None = None


@dataclass(slots=True)
class _State:
    """What is remembered of one endpoint between pushes; times are monotonic."""

    expected: Expected
    heard: float  # or when we began to listen
    speak_at: float  # when its silence is worth the next word
    free_at: float = -math.inf  # the next one may be taken
    latest: float = -math.inf  # the youngest `at` taken
    ids: dict[str, float] = field(default_factory=dict)  # taken, in order → when
    window: EventWindow | None = None


class Pushes:
    """Takes what is pushed, and misses what is not. An output and a sign of the engine.

    `post` is where readings go.
    """

    name = "pushes"

    def __init__(self, clock: Clock, post: Callable[[Observed], None]) -> None:
        self._clock, self._post = clock, post
        self._states: dict[str, _State] = {}
        self._open: dict[Way, float] = {Way.UPLINK: -math.inf}  # since when
        self._clock_is = "unverified"

    # --- from any thread: each step is one operation of the interpreter ---------------

    @contextlib.contextmanager
    def listening(self, way: Way) -> Iterator[None]:
        """Inside, pushes can come this way."""
        self._open_way(way)
        try:
            yield
        finally:
            self._close_way(way)

    def _open_way(self, way: Way) -> None:
        self._open.setdefault(way, self._clock.monotonic())

    def _close_way(self, way: Way) -> None:
        self._open.pop(way, None)

    # --- an output --------------------------------------------------------------------

    def start(self) -> None:
        """Nothing to begin."""

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what is held of our own clock and uplink."""
        for effect in effects:
            if isinstance(effect, OverallChanged):
                self._clock_is = effect.overall.clock
                lost = effect.overall.network == "lost"
                change = self._close_way if lost else self._open_way
                change(Way.UPLINK)

    def stop(self, budget: float) -> None:
        """Nothing to end."""

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
        reading = self._of_another_time(state, pushed) or self._judged(state, pushed)
        state.free_at, state.heard = now + AT_MOST_EVERY, now
        state.speak_at = now + (state.expected.heartbeat or math.inf)
        if pushed.id is not None:
            state.ids[pushed.id] = now
        self._post(Observed(now, endpoint, reading, now))

    def _refuse_repeated(self, state: _State, pushed: Pushed, now: float) -> None:
        # As long as an `at` is believed, before our time and after it.
        forgotten = now - 2 * state.expected.max_age
        while state.ids and (first := next(iter(state.ids))) and state.ids[first] < forgotten:
            del state.ids[first]
        if pushed.id in state.ids:
            raise PushDenied(PushRefusal.REPEATED, "this id was taken before")

    def _of_another_time(self, state: _State, pushed: Pushed) -> Reading | None:
        """None for a push of now; a word about clocks where nobody knows whose is wrong."""
        if pushed.at is None:
            return None
        off = pushed.at - self._clock.utc().timestamp()
        most = state.expected.max_age
        if abs(off) > most:
            way = "ahead of" if off > 0 else "behind"
            if self._clock_is != "ok":
                return Reading(Reason.OWN_CLOCK, _UNJUDGED.format(way=way, off=abs(off)))
            words = f"`at` is {abs(off):.0f} s {way} our clock; at most {most:g} s"
            raise PushDenied(PushRefusal.SKEWED, words)
        return None

    def _judged(self, state: _State, pushed: Pushed) -> Reading:
        """What it comes to. Raises `PushDenied` for a reading older than one that came before."""
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

    def __call__(self, at: float) -> None:
        """Say of which endpoints the heartbeat is missed; again each time it is."""
        for name, state in self._states.items():
            heartbeat = state.expected.heartbeat
            if heartbeat is None or at < state.speak_at:
                continue
            closed = [way for way in state.expected.ways if way not in self._open]
            if not closed and at < self._since(state) + heartbeat:
                continue
            state.speak_at = at + heartbeat
            self._post(Observed(at, name, _silence(at - state.heard, closed), at))

    def _since(self, state: _State) -> float:
        """Since when every way to us has been open."""
        return max(self._open.get(way, math.inf) for way in state.expected.ways)


def _silence(seconds: float, closed: Sequence[Way]) -> Reading:
    if closed:
        words = f"no push for {seconds:.0f} s, but none could come: {closed[0]} was not open"
        return Reading(Reason.OWN_NETWORK, words)
    return Reading(Reason.HEARTBEAT_MISSED, f"no push for {seconds:.0f} s")
