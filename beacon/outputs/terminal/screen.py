"""What the terminal shows: the latest of each thing, and the last events. Draws nothing."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from beacon.core.effects import (
    Announced,
    Effect,
    Sounded,
    Transition,
)
from beacon.core.indication import Colour
from beacon.core.model import Health, Site, Verdict
from beacon.engine.latest import Latest

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
    """The latest of each thing, which somebody else keeps, and the last events.

    `epoch` is the wall time of monotonic 0, `caption` a line below the picture, and `judged` is
    false once the judge's heartbeat has stopped.
    """

    def __init__(
        self, site: Site, lamps: Sequence[Colour], epoch: datetime, latest: Latest
    ) -> None:
        self.site, self.lamps, self.epoch = site, tuple(lamps), epoch
        self.latest = latest
        self.caption = ""
        self.judged = True
        self.sound: Sounded | None = None
        self.log: deque[tuple[float, str, str]] = deque(maxlen=_LOG_KEPT)
        self._names = {service.id: service.name for service in site.services}
        self._names |= {item.id: item.name for item in site.attest}

    def take(self, effect: Effect) -> None:
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
