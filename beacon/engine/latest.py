"""The latest of everything: brings an output up to date that is attached later."""

from collections.abc import Sequence
from typing import Final, TypeVar

from beacon.core.effects import (
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.views import EndpointRead, OverlayKind, SilenceChanged

Kept = TypeVar("Kept", bound=Effect)

_SINGLE: Final = (OverallChanged, IncidentChanged, SilenceChanged, IndicationChanged)


class Latest:
    """Keeps the last effect of each thing that has a state; single events are not kept.

    The deciding thread writes it; any thread may read it.
    """

    name = "latest"

    def __init__(self) -> None:
        self._latest: dict[tuple[type, str], Effect] = {}
        self.overlays: dict[OverlayKind, OverlaysChanged] = {}

    def start(self) -> None:
        """Nothing to start."""

    def offer(self, effects: Sequence[Effect]) -> None:
        """Keep the last effect of each thing."""
        for effect in effects:
            if isinstance(effect, EndpointRead):
                self._latest[EndpointRead, effect.endpoint] = effect
            elif isinstance(effect, ServiceChanged):
                self._latest[ServiceChanged, effect.service.id] = effect
            elif isinstance(effect, OverlaysChanged):
                self.overlays[effect.kind] = effect
            elif isinstance(effect, _SINGLE):
                self._latest[type(effect), ""] = effect

    def stop(self, budget: float) -> None:
        """Nothing to stop."""

    def of(self, kind: type[Kept], name: str = "") -> Kept | None:
        """Return the last effect of this kind, of the service or endpoint with this id."""
        found = self._latest.get((kind, name))
        return found if isinstance(found, kind) else None

    def everything(self, known: frozenset[str]) -> tuple[Effect, ...]:
        """Return all of it, of services and endpoints only those with these ids."""
        kept = (e for (_, name), e in self._latest.items() if not name or name in known)
        return (*kept, *self.overlays.values())
