"""What is to be said over MQTT: the latest of everything, and the few things said once.

Any thread may note; only the MQTT thread takes. Nobody waits for anybody: every step on the
shared containers is one operation of the interpreter. A note is stored before its key is
marked, and the mark is taken away before the note is read, so a change is never missed.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from beacon.core.events import (
    Announced,
    Answered,
    Effect,
    EndpointRead,
    IncidentChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
    SilenceChanged,
)
from beacon.core.explain import Explained
from beacon.engine.clock import Clock
from beacon.outputs.documents import explanation
from beacon.outputs.homeassistant import ENDPOINT_PERIOD
from beacon.outputs.renderer import Shown
from beacon.outputs.topics import Health60, Message, Topics

_log = logging.getLogger(__name__)

MOST_WAITING: Final = 1000
"""Events and results that wait at most; older ones give way."""
MOST_ANSWERS: Final = 100
"""Answers of our own to commands that wait at most: a flood must not drive out events."""


@dataclass(frozen=True, slots=True)
class Told:
    """Why a service is shown as it is, as it stood `at`."""

    at: float
    explained: Explained


Single = OverallChanged | IncidentChanged | SilenceChanged | Shown | Health60
Note = Single | ServiceChanged | EndpointRead | OverlaysChanged | Told


class Board:
    """The latest notes by key, and which of them are not yet published."""

    def __init__(self, topics: Topics, clock: Clock, info: Callable[[], Message]) -> None:
        self._topics, self._clock, self._info = topics, clock, info
        self._notes: dict[str, Note] = {}
        self._changed: dict[str, None] = {}
        self._once: deque[Announced | Answered] = deque(maxlen=MOST_WAITING)
        self._answers: deque[Answered] = deque(maxlen=MOST_ANSWERS)
        self._sent: dict[str, str] = {}
        self._endpoints: dict[str, tuple[tuple[str, ...], float]] = {}
        self._renderers: Mapping[type, Callable[[Any], Iterable[Message]]] = {
            OverallChanged: lambda changed: [topics.state(changed.overall)],
            ServiceChanged: lambda changed: [topics.service(changed.service)],
            EndpointRead: lambda read: [topics.endpoint(read)],
            IncidentChanged: lambda changed: [topics.incident(changed.incident, changed.others)],
            SilenceChanged: lambda changed: [topics.silence(changed), *self._buzzer()],
            OverlaysChanged: lambda changed: [topics.overlays(changed)],
            Shown: lambda shown: [*topics.lamps(shown.lamps), *self._buzzer()],
            Health60: lambda health: [topics.health(health)],
            Told: lambda told: [
                topics.explain(explanation(told.explained, told.at, topics.moment))
            ],
            Announced: lambda announced: [topics.event(announced)],
            Answered: lambda answered: [topics.result(answered)],
        }

    # --- any thread ---

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what of these effects is published."""
        for effect in effects:
            match effect:
                case Announced() | Answered(origin="mqtt"):
                    self._once.append(effect)
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

    def note(self, what: Single) -> None:
        """Note the latest of something there is only one of."""
        self._note(type(what).__name__, what)

    def explain(self, explained: Explained, at: float) -> None:
        """Note why a service is shown as it is."""
        self._note(f"explain {explained.view.id}", Told(at, explained))

    def say(self, answered: Answered) -> None:
        """Say once what a command came to."""
        self._answers.append(answered)

    def _note(self, key: str, what: Note) -> None:
        self._notes[key] = what
        self._changed[key] = None

    def _complete(self) -> None:
        """Once the judge has spoken: what it did not mention does not exist."""
        if OverallChanged.__name__ not in self._notes:
            return
        now = self._clock.monotonic()
        for nothing in (IncidentChanged(now, None, 0), SilenceChanged(now, on=False)):
            if type(nothing).__name__ not in self._notes:
                self.note(nothing)

    # --- the MQTT thread ---

    def everything(self) -> Iterator[Message]:
        """All retained state there is, changed or not."""
        self._changed.clear()
        self._sent.clear()
        yield self._info()
        for key in list(self._notes):
            yield from self._fresh(key, always=True)

    def changes(self) -> Iterator[Message]:
        """What happened once, then the retained state that is not yet published."""
        for happened in (self._once, self._answers):
            while happened:
                yield from self._rendered(happened.popleft())
        for key in list(self._changed):
            self._changed.pop(key, None)
            yield from self._fresh(key, always=False)

    def forget(self) -> int:
        """Drop what happened while nobody could be told; how many things that were."""
        self._answers.clear()
        count = len(self._once)
        for _ in range(count):
            self._once.popleft()
        return count

    def _fresh(self, key: str, *, always: bool) -> Iterator[Message]:
        note = self._notes[key]
        if isinstance(note, EndpointRead) and not self._due(note, always=always):
            return
        for message in self._rendered(note):
            if self._sent.get(message.topic) != message.payload:
                self._sent[message.topic] = message.payload
                yield message

    def _due(self, read: EndpointRead, *, always: bool) -> bool:
        """Whether an endpoint's topic is written: on a change, else once a minute."""
        shown = (read.health.value, read.reading.outcome.value, read.reading.reason.value)
        before, at = self._endpoints.get(read.endpoint, ((), 0.0))
        if not always and shown == before and read.at < at + ENDPOINT_PERIOD:
            return False
        self._endpoints[read.endpoint] = (shown, read.at)
        return True

    def _rendered(self, what: object) -> Sequence[Message]:
        try:
            return list(self._renderers[type(what)](what))
        except Exception:  # noqa: BLE001 - the border: costs this topic only
            _log.exception("MQTT: %s cannot be published", type(what).__name__)
            return ()

    def _buzzer(self) -> Iterator[Message]:
        shown, silence = self._notes.get("Shown"), self._notes.get("SilenceChanged")
        if isinstance(shown, Shown):
            silenced = isinstance(silence, SilenceChanged) and silence.on
            yield self._topics.buzzer(shown.buzzer, silenced=silenced)
