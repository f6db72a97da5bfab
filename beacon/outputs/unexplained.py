"""Which services are to be explained anew over MQTT, and when.

An explanation changes with every reading. It is told anew soon after something moved, else
once a minute; never in the turn that brings the event, so that the event is not kept waiting.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from beacon.core.events import (
    Announced,
    Effect,
    EndpointRead,
    OverlaysChanged,
    ServiceChanged,
    SilenceChanged,
    Transition,
)
from beacon.core.model import Site

SOON: Final = 5.0
"""Seconds between two explanations of one service at least."""
LATER: Final = 60.0
"""Seconds between two, while readings only repeat themselves."""
AT_ONCE: Final = 4
"""Most explanations of one call."""


class Unexplained:
    """For one thread, the deciding one. Times are monotonic seconds."""

    def __init__(self, site: Site) -> None:
        self._due = {service.id: 0.0 for service in site.services}
        self._owners = {e.id: service.id for service in site.services for e in service.endpoints}
        self._told: dict[str, float] = {}
        self._read: dict[str, tuple[object, ...]] = {}

    def offer(self, effects: Iterable[Effect]) -> None:
        """Note what has moved."""
        for effect in effects:
            match effect:
                case ServiceChanged(service=view):
                    self._want(view.id, SOON)
                case Announced(service=service):
                    self._want(service, SOON)
                case Transition(endpoint=endpoint):
                    self._want(self._owners.get(endpoint), SOON)
                case EndpointRead():
                    self._take(effect)
                case OverlaysChanged() | SilenceChanged():
                    for service in tuple(self._told):
                        self._want(service, SOON)
                case _:
                    pass

    def _take(self, read: EndpointRead) -> None:
        shown = (read.health, read.reading.outcome, read.reading.reason, read.failures)
        moved = self._read.get(read.endpoint) != shown
        self._read[read.endpoint] = shown
        self._want(self._owners.get(read.endpoint), SOON if moved else LATER)

    def _want(self, service: str | None, after: float) -> None:
        if service in self._told:
            due = self._told[service] + after
            self._due[service] = min(due, self._due.get(service, due))

    def due(self, at: float) -> Sequence[str]:
        """Those to be explained now, the longest waiting first; they count as told."""
        waiting = sorted((when, name) for name, when in self._due.items() if when <= at)
        chosen = [name for _, name in waiting[:AT_ONCE]]
        for name in chosen:
            del self._due[name]
            self._told[name] = at
        return chosen
