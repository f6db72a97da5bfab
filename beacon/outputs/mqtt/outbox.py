"""What waits to be published: the latest of each thing, and events, which are published once.

The loop's own latest (`beacon.engine.latest`) does not do here: the MQTT thread must know what is
not yet published, and it publishes what no effect of the core says (lamps, health, explanations).

Any thread may put in; only the MQTT thread takes out. No thread waits for another: every step on
the shared containers is one operation of the interpreter. A note is stored before its key is
marked, and the mark is removed before the note is read, so no change is missed.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.effects import (
    Announced,
    Answered,
    Effect,
    IncidentChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.explain import Explained
from beacon.core.views import EndpointRead, SilenceChanged
from beacon.engine.clock import Clock
from beacon.outputs.mqtt import stalled
from beacon.outputs.mqtt.homeassistant import ENDPOINT_PERIOD
from beacon.outputs.mqtt.topics import (
    CONFIGURED_TOPICS,
    HealthReport,
    Publication,
    Topics,
    endpoint_path,
)
from beacon.outputs.tower.renderer import Shown

_log = logging.getLogger(__name__)

EVENTS_KEPT: Final = 1000
"""Most events and results that wait; the oldest are dropped first."""
ANSWERS_KEPT: Final = 100
"""Most answers of the MQTT thread that wait: a flood of commands must not displace events."""
HEALTH_EVERY: Final = 60.0
"""Seconds between two reports of the beacon's own health."""
_FOLLOWS_EVENTS: Final = ("endpoint ", "explain ", HealthReport.__name__)
"""Keys of details: they are published after the event they belong to."""
_OF_MEMBERS: Final = frozenset(each.partition("/")[0] for each in CONFIGURED_TOPICS)


@dataclass(frozen=True, slots=True)
class DatedExplanation:
    """Why a service is shown as it is, at this moment."""

    at: float
    explained: Explained


Single = OverallChanged | IncidentChanged | SilenceChanged | Shown | HealthReport
Note = Single | ServiceChanged | EndpointRead | OverlaysChanged | DatedExplanation


class Outbox:
    """The latest notes by key, and which of them are not yet published.

    `info` makes the message of the topic `info`.
    """

    def __init__(self, topics: Topics, clock: Clock, info: Callable[[Topics], Publication]) -> None:
        self._topics, self._clock, self._info = topics, clock, info
        self._notes: dict[str, Note] = {}
        self._changed: dict[str, None] = {}
        self._events: deque[Announced | Answered] = deque(maxlen=EVENTS_KEPT)
        self._answers: deque[Answered] = deque(maxlen=ANSWERS_KEPT)
        self._sent: dict[str, str] = {}
        self._endpoints: dict[str, tuple[tuple[str, ...], float]] = {}
        self._stalled: float | None = None

    # --- any thread ---

    def offer(self, effects: Sequence[Effect]) -> None:
        """Keep what of these effects is published."""
        once: list[Announced | Answered] = []
        for effect in effects:
            match effect:
                case Announced() | Answered(origin="mqtt"):
                    once.append(effect)
                case ServiceChanged(service=view):
                    self._note(f"service {view.id}", effect)
                case EndpointRead(endpoint=endpoint):
                    self._note(f"endpoint {endpoint}", effect)
                case OverlaysChanged(kind=kind):
                    self._note(f"overlays {kind}", effect)
                case OverallChanged() | IncidentChanged() | SilenceChanged():
                    self.note(effect)
                case _:
                    pass
        self._complete()
        # Last: the state that belongs to an event must be there when the event is found.
        self._events.extend(once)

    def note(self, what: Single) -> None:
        """Keep the latest of a thing that exists once."""
        self._note(type(what).__name__, what)

    def explain(self, explained: Explained, at: float) -> None:
        """Keep why a service is shown as it is."""
        self._note(f"explain {explained.view.id}", DatedExplanation(at, explained))

    def answer(self, answered: Answered) -> None:
        """Publish the answer to a command once."""
        self._answers.append(answered)

    def _note(self, key: str, what: Note) -> None:
        # A key "kind name" of what a configuration has: `follow` makes its topic of it.
        self._notes[key] = what
        self._changed[key] = None

    def _complete(self) -> None:
        """After the first state of all: publish "no incident" and "no silence" if none came."""
        if OverallChanged.__name__ not in self._notes:
            return
        now = self._clock.monotonic()
        for nothing in (IncidentChanged(now, None, 0), SilenceChanged(now, on=False)):
            if type(nothing).__name__ not in self._notes:
                self.note(nothing)

    def follow(self, topics: Topics) -> None:
        """Go on with the topics of another configuration, and drop what it does not have."""
        self._topics = topics
        members = topics.members()
        for key in list(self._notes):
            kind, _, name = key.partition(" ")
            path = endpoint_path(name) if kind == "endpoint" else f"{kind}/{name}"
            if kind in _OF_MEMBERS and f"{topics.base}/{path}" not in members:
                self._notes.pop(key, None)

    # --- the MQTT thread ---

    def stall(self, since: float | None) -> None:
        """Note since when the judge has stalled; None: it has not."""
        if since is not None:
            now, last = self._clock.monotonic(), self._notes.get(HealthReport.__name__)
            known = last if isinstance(last, HealthReport) else None
            if self._stalled is None or known is None or now >= known.at + HEALTH_EVERY:
                self.note(stalled.health(known, now, since))
        if since != self._stalled:
            self._stalled = since
            for key in list(self._notes):
                if key.startswith(("service ", "explain ", OverallChanged.__name__)):
                    self._changed[key] = None

    def topics_to_empty(self) -> list[str]:
        """Topics in use that this configuration does not have; each is returned once."""
        members, base = self._topics.members(), f"{self._topics.base}/"
        topics = [
            topic
            for topic in self._sent
            if topic not in members and topic.removeprefix(base).partition("/")[0] in _OF_MEMBERS
        ]
        for topic in topics:
            del self._sent[topic]
        return topics

    @property
    def topics_in_use(self) -> list[str]:
        """All topics on which something of ours is retained."""
        return list(self._sent)

    def info(self) -> Iterator[Publication]:
        """The topic `info`, if it is not yet published."""
        yield from self._unsent(self._info(self._topics))

    def everything(self) -> Iterator[Publication]:
        """All retained state, changed or not."""
        self._changed.clear()
        self._sent.clear()
        yield from self.info()
        for key in list(self._notes):
            yield from self._fresh(key, always=True)

    def changes(self, *, once: bool) -> Iterator[Publication]:
        """Changed state, then events, then changed details.

        In this order: who receives an event and reads the state must not find the one of before,
        and an event must not wait for fifty endpoints. `once`: whether events are wanted.
        """
        happened = [(waiting, len(waiting)) for waiting in (self._events, self._answers)]
        changed = list(self._changed)
        yield from self._fresh_of(key for key in changed if not key.startswith(_FOLLOWS_EVENTS))
        for waiting, count in happened if once else ():
            for _ in range(min(count, len(waiting))):
                yield from self._rendered(waiting.popleft())
        yield from self._fresh_of(key for key in changed if key.startswith(_FOLLOWS_EVENTS))

    def _fresh_of(self, keys: Iterable[str]) -> Iterator[Publication]:
        for key in keys:
            self._changed.pop(key, None)
            yield from self._fresh(key, always=False)

    def drop_events(self) -> int:
        """Drop the events that waited while we were offline, and count them."""
        self._answers.clear()
        count = len(self._events)
        for _ in range(count):
            self._events.popleft()
        return count

    def _fresh(self, key: str, *, always: bool) -> Iterator[Publication]:
        note = self._notes.get(key)
        if note is None:  # it has left the configuration
            return
        if isinstance(note, EndpointRead) and not self._due(note, always=always):
            return
        for message in self._rendered(note):
            yield from self._unsent(message)

    def _unsent(self, message: Publication) -> Iterator[Publication]:
        if self._sent.get(message.topic) != message.payload:
            self._sent[message.topic] = message.payload
            yield message

    def _due(self, read: EndpointRead, *, always: bool) -> bool:
        """Whether an endpoint's topic is due: on a change, else once a minute."""
        shown = (read.health.value, read.reading.outcome.value, read.reading.reason.value)
        before, at = self._endpoints.get(read.endpoint, ((), 0.0))
        if not always and shown == before and read.at < at + ENDPOINT_PERIOD:
            return False
        self._endpoints[read.endpoint] = (shown, read.at)
        return True

    def _rendered(self, what: Note | Announced | Answered) -> Sequence[Publication]:
        try:
            return list(self._messages(what))
        except Exception:  # noqa: BLE001 - the border: costs this topic only
            _log.exception("MQTT: %s cannot be published", type(what).__name__)
            return ()

    def _messages(self, what: Note | Announced | Answered) -> Iterator[Publication]:
        topics = self._topics
        match what:
            case OverallChanged() | ServiceChanged() | DatedExplanation():
                yield self._verdict(what)
            case EndpointRead():
                yield topics.endpoint(what)
            case IncidentChanged(incident=incident, others=others):
                yield topics.incident(incident, others)
            case OverlaysChanged():
                yield topics.overlays(what)
            case HealthReport():
                yield topics.health(what)
            case Announced():
                yield topics.event(what)
            case Answered():
                yield topics.result(what)
            case SilenceChanged() | Shown():
                yield from self._silence_or_tower(what)

    def _verdict(self, what: OverallChanged | ServiceChanged | DatedExplanation) -> Publication:
        """The latest verdict, or blind if the judge has stalled since."""
        topics, since = self._topics, self._stalled
        match what:
            case OverallChanged(overall=view):
                return topics.state(view if since is None else stalled.overall(view, since))
            case ServiceChanged(service=view):
                return topics.service(view if since is None else stalled.service(view, since))
            case DatedExplanation(at=at, explained=explained):
                if since is not None:
                    explained = replace(explained, view=stalled.service(explained.view, since))
                return topics.explain(explained, at)

    def _silence_or_tower(self, what: SilenceChanged | Shown) -> Iterator[Publication]:
        if isinstance(what, SilenceChanged):
            yield self._topics.silence(what)
        else:
            yield from self._topics.lamps(what.lamps)
        yield from self._buzzer()

    def _buzzer(self) -> Iterator[Publication]:
        shown, silence = self._notes.get("Shown"), self._notes.get("SilenceChanged")
        if isinstance(shown, Shown):
            silenced = isinstance(silence, SilenceChanged) and silence.on
            yield self._topics.buzzer(shown.buzzer, silenced=silenced)
