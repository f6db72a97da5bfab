"""The last effect of each thing that has a state: kept once, by the loop.

Outputs that come later are brought up to date from it, and the terminal draws it.
"""

from collections.abc import Sequence
from typing import TypeVar

from beacon.core.effects import (
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.model import Site
from beacon.core.views import EndpointRead, SilenceChanged

Kept = TypeVar("Kept", bound=Effect)


class Latest:
    """Single events are not kept.

    Only the deciding thread calls `take`, `follow` and `everything`; any thread may call `of`.
    """

    def __init__(self) -> None:
        self._latest: dict[tuple[type, str], Effect] = {}

    def take(self, effects: Sequence[Effect]) -> None:
        """Keep the last effect of each thing."""
        for effect in effects:
            match effect:
                case EndpointRead(endpoint=name) | OverlaysChanged(kind=name):
                    self._latest[type(effect), name] = effect
                case ServiceChanged(service=view):
                    self._latest[ServiceChanged, view.id] = effect
                case OverallChanged() | IncidentChanged() | SilenceChanged() | IndicationChanged():
                    self._latest[type(effect), ""] = effect

    def follow(self, site: Site) -> None:
        """Forget services and endpoints that this site does not have."""
        known = {s.id for s in site.services} | {e.id for e in site.endpoints}
        for kind, name in list(self._latest):
            if kind in (ServiceChanged, EndpointRead) and name not in known:
                del self._latest[kind, name]

    def of(self, kind: type[Kept], name: str = "") -> Kept | None:
        """The last effect of this kind; `name`: of which service, endpoint or kind of overlay."""
        found = self._latest.get((kind, name))
        return found if isinstance(found, kind) else None

    def everything(self) -> tuple[Effect, ...]:
        """All of it."""
        return tuple(self._latest.values())
