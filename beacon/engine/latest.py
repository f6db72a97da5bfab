"""The latest of everything: brings an output up to date that is attached later."""

from collections.abc import Sequence
from typing import Final

from beacon.core.effects import (
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.views import EndpointRead, OverlayKind, SilenceChanged

_SINGLE: Final = (OverallChanged, IncidentChanged, SilenceChanged, IndicationChanged)


class Latest:
    """Keeps the last effect of each thing that has a state; single events are not kept."""

    name = "latest"

    def __init__(self) -> None:
        self._latest: dict[tuple[type, str], Effect] = {}
        self._overlays: dict[OverlayKind, OverlaysChanged] = {}

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
                self._overlays[effect.kind] = effect
            elif isinstance(effect, _SINGLE):
                self._latest[type(effect), ""] = effect

    def stop(self, budget: float) -> None:
        """Nothing to stop."""

    def everything(self, known: frozenset[str]) -> tuple[Effect, ...]:
        """Return all of it, of services and endpoints only those with these ids."""
        kept = (e for (_, name), e in self._latest.items() if not name or name in known)
        return (*kept, *self._overlays.values())
