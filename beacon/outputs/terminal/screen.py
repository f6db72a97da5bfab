"""What the terminal shows: the latest of each thing, and the last events. Draws nothing."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from beacon.core.effects import (
    Announced,
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.model import Health, Site, Verdict
from beacon.core.tower.indication import DARK, Colour
from beacon.core.views import (
    EndpointRead,
    IncidentView,
    OverallView,
    OverlayKind,
    ServiceView,
    SilenceChanged,
)

_LOG_KEPT: Final = 50

VERDICT_MARKS: Final = {
    Verdict.OK: ("✓", "#2ecc40"),
    Verdict.ADVISORY: ("!", "#ffb000"),
    Verdict.DEGRADED: ("▲", "bold #ffb000"),
    Verdict.RECOVERING: ("↗", "#ffb000"),
    Verdict.OUTAGE: ("✗", "bold #ff4136"),
    Verdict.GRAY_FAILURE: ("✗", "bold #ff4136"),
    Verdict.BLIND: ("?", "bold #ffffff"),
}
HEALTH_MARKS: Final = {
    Health.UP: ("●", "#2ecc40"),
    Health.DEGRADED: ("▲", "#ffb000"),
    Health.DOWN: ("✗", "#ff4136"),
    Health.UNKNOWN: ("?", "#aaaaaa"),
}


def spaced(name: str) -> str:
    """A word of the topics as people write it."""
    return str(name).replace("_", " ")


class TerminalScreen:
    """The latest view of each thing, and the last events.

    `epoch` is the wall time of monotonic 0, `caption` a line below the picture, and `judged` is
    false once the judge's heartbeat has stopped.
    """

    def __init__(self, site: Site, lamps: Sequence[Colour], epoch: datetime) -> None:
        self.site, self.lamps, self.epoch = site, tuple(lamps), epoch
        self.caption = ""
        self.judged = True
        self.indication = DARK
        self.overall: OverallView | None = None
        self.services: dict[str, ServiceView] = {}
        self.readings: dict[str, EndpointRead] = {}
        self.overlays: dict[OverlayKind, OverlaysChanged] = {}
        self.silence: SilenceChanged | None = None
        self.incident: IncidentView | None = None
        self.others = 0
        self.sound: Sounded | None = None
        self.log: deque[tuple[float, str, str]] = deque(maxlen=_LOG_KEPT)
        self._names = {service.id: service.name for service in site.services}
        self._names |= {item.id: item.name for item in site.attest}

    def take(self, effect: Effect) -> None:
        """Keep what this effect shows; effects that show nothing are ignored."""
        match effect:
            case ServiceChanged(service=service):
                self.services[service.id] = service
            case OverallChanged(overall=overall):
                self.overall = overall
            case IncidentChanged(incident=incident, others=others):
                self.incident, self.others = incident, others
            case OverlaysChanged(kind=kind):
                self.overlays[kind] = effect
            case SilenceChanged():
                self.silence = effect if effect.on else None
            case EndpointRead(endpoint=endpoint):
                self.readings[endpoint] = effect
            case IndicationChanged(indication=indication):
                self.indication = indication
            case _:
                self._happened(effect)

    def _happened(self, effect: Effect) -> None:
        """Keep what is shown as a line below the picture."""
        match effect:
            case Sounded(at=at, sound=sound):
                self.sound = effect
                self.note(at, f"♪ {spaced(sound)}", "bold")
            case Transition():
                self._transition(effect)
            case Announced():
                self._announced(effect)

    def note(self, at: float, text: str, style: str = "") -> None:
        """Write one line under the picture. Any thread may call this."""
        self.log.append((at, text, style))

    def service_name(self, service: str) -> str:
        """The name people gave a service, or something they attest."""
        return self._names.get(service, service)

    def _transition(self, effect: Transition) -> None:
        mark, style = HEALTH_MARKS[effect.now]
        because = spaced(effect.because.reason)
        because += f", {effect.because.detail}" if effect.because.detail else ""
        self.note(effect.at, f"{mark} {effect.endpoint} is {effect.now}: {because}", style)

    def _announced(self, effect: Announced) -> None:
        mark, style = VERDICT_MARKS[effect.verdict]
        line = f"{mark} {spaced(effect.what)}: {self.service_name(effect.service)}"
        line += f", {spaced(effect.verdict)}"
        line += f", cause: {effect.cause}" if effect.cause else ""
        line += f", by {effect.by}" if effect.by else ""
        self.note(effect.at, line, style)
