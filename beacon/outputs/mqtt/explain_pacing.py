"""Which services are to be explained anew over MQTT, and when.

An explanation changes with every reading. It is published soon after a change, else once a minute;
never in the turn that brings an event, so that the event does not wait for it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from beacon.core.effects import Announced, Effect, OverlaysChanged, ServiceChanged, Transition
from beacon.core.model import Site
from beacon.core.views import EndpointRead, SilenceChanged

SOON: Final = 5.0
"""Least seconds between two explanations of one service."""
LATER: Final = 60.0
"""Seconds between two while readings only repeat."""
AT_ONCE: Final = 4
"""Most explanations of one call."""


class Unexplained:
    """Used by the deciding thread only. Times are monotonic seconds."""

    def __init__(self, site: Site) -> None:
        self._due: dict[str, float] = {}
        self._explained_at: dict[str, float] = {}
        self._last: dict[object, object] = {}
        self._owners: dict[str, str] = {}
        self.follow(site)

    def follow(self, site: Site) -> None:
        """Use another configuration; what it does not change has not moved."""
        names = [service.id for service in site.services]
        self._explained_at = {name: at for name, at in self._explained_at.items() if name in names}
        new = {name: 0.0 for name in names if name not in self._explained_at}
        self._due = {name: at for name, at in self._due.items() if name in names} | new
        self._owners = {e.id: service.id for service in site.services for e in service.endpoints}

    def offer(self, effects: Iterable[Effect]) -> None:
        """Note what has moved."""
        for effect in effects:
            match effect:
                case ServiceChanged(service=view):
                    if self._moved(view.id, view):
                        self._want(view.id, SOON)
                case Announced(service=service):
                    self._want(service, SOON)
                case Transition(endpoint=endpoint):
                    self._want(self._owners.get(endpoint), SOON)
                case EndpointRead(endpoint=endpoint, reading=reading):
                    shown = (effect.health, reading.outcome, reading.reason, effect.failures)
                    moved = self._moved(endpoint, shown)
                    self._want(self._owners.get(endpoint), SOON if moved else LATER)
                case OverlaysChanged() | SilenceChanged():
                    kind = effect.kind if isinstance(effect, OverlaysChanged) else SilenceChanged
                    for service in tuple(self._explained_at) if self._moved(kind, effect) else ():
                        self._want(service, SOON)
                case _:
                    pass

    def _moved(self, what: object, shown: object) -> bool:
        """Whether it differs from what was shown before: a reload offers everything again."""
        before, self._last[what] = self._last.get(what), shown
        return before != shown

    def _want(self, service: str | None, after: float) -> None:
        if service in self._explained_at:
            due = self._explained_at[service] + after
            self._due[service] = min(due, self._due.get(service, due))

    def due(self, at: float) -> Sequence[str]:
        """The services to explain now, the longest waiting first; they count as explained."""
        waiting = sorted((when, name) for name, when in self._due.items() if when <= at)
        chosen = [name for _, name in waiting[:AT_ONCE]]
        for name in chosen:
            del self._due[name]
            self._explained_at[name] = at
        return chosen
