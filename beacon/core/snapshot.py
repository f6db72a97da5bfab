"""What must survive a restart, as data: written down by the edge, handed back at the start.

Whatever is called `at`, `since`, `until`, or ends so, is a moment in monotonic seconds;
`None` stands for never. Clocks that count from the boot begin anew with it, so the edge
says by how much all moments shift. Nothing here says that something is well: that takes
fresh evidence, except where every reading costs a message.

The names of fields are stored: renaming one would lose it at an upgrade. So some are older than the
words of the code: `suppressed` is inhibited, `hush` an operator's suppression, `fell` the confirmed
onset, `ails` unplanned trouble, `voice` the buzzer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from beacon.core.endpoint.state import Onset
from beacon.core.model import Health, Reading, Verdict
from beacon.core.service.suppression import Suppression
from beacon.core.tower.sequences import Stage, Turn
from beacon.core.views import Arrivals, IncidentView, Overlay, SilenceChanged

_MOMENT: Final = re.compile(r"(?:.*_)?(?:at|since|until)")

Remembered = TypeVar("Remembered")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointMemory:
    """One endpoint. `health` is the last one known.

    `stopped_at` is when the run began after which the sign-in guard stopped it. `held` and
    the two after it are kept only while flapping, `passed_at` only while its health is
    unknown: else every reading would write the SD card. `slow`: against what is usual. `told_at`
    is when the last run began that was no error. `last` and what follows are kept of one
    that is costly: its reading counts until `stale_at`; `read_at` is when its run began.
    """

    id: str
    health: Health | None = None
    since: float
    up_again_at: float | None = None
    ails: bool = False
    proven: bool = False
    rejections: int = 0
    guard_until: float | None = None
    stopped_at: float | None = None
    flapping: bool = False
    held: Health = Health.UP
    history: int = 0
    changes_from: int = 0
    fell: Onset | None = None
    slow: bool = False
    arrivals: tuple[Arrivals, ...] = ()
    passed_at: float | None = None
    told_at: float | None = None
    last: Reading | None = None
    read_at: float | None = None
    stale_at: float | None = None
    fails: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMemory:
    """One open incident."""

    view: IncidentView
    relapsed_at: float | None = None
    admitted_at: float | None = None
    told_recovering: bool = False
    onset_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmMemory:
    """One service at the tower."""

    stage: Stage = Stage.NORMAL
    turn: Turn = Turn.NONE
    realarms: int = 0
    realarm_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMemory:
    """One service. `verdict` and `since` are None where nothing was wrong.

    `hold_left` is what remained of a hold, in seconds: it does not run while we are dead.
    `told_blind`, `sighted_at` and `damped` are what was announced of its blindness.
    """

    id: str
    verdict: Verdict | None = None
    since: float | None = None
    proof_at: float | None = None
    was_red: bool = False
    red_since: float = 0.0
    red_seconds: float = 0.0
    admitted: bool = False
    hold_left: float | None = None
    suppressed: bool = False
    told_blind: bool = False
    sighted_at: float | None = None
    damped: bool = False
    hush: Suppression | None = None
    incident: IncidentMemory | None = None
    alarm: AlarmMemory = AlarmMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMemory:
    """What the buzzer has sounded: its budget, and the last opening."""

    swallowed: int = 0
    opened_at: float | None = None
    opened_rank: int = -1
    spent_at: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Everything that must survive a restart, as it stood `at`.

    `uses` are the ids of the uses of break-glass accounts that were announced, the newest last.
    """

    at: float
    endpoints: tuple[EndpointMemory, ...] = ()
    services: tuple[ServiceMemory, ...] = ()
    incidents: int = 0
    overall: Verdict | None = None
    overall_since: float | None = None
    silence: SilenceChanged | None = None
    overlays: tuple[Overlay, ...] = ()
    uses: tuple[str, ...] = ()
    voice: VoiceMemory = VoiceMemory()

    @property
    def open_incidents(self) -> tuple[IncidentView, ...]:
        """Every incident that has not closed."""
        return tuple(s.incident.view for s in self.services if s.incident is not None)


def moments(remembered: object) -> Iterator[float]:
    """Every moment in it."""
    if isinstance(remembered, tuple):
        for each in remembered:
            yield from moments(each)
    elif is_dataclass(remembered) and not isinstance(remembered, type):
        for each in fields(remembered):
            value = getattr(remembered, each.name)
            if isinstance(value, float) and _MOMENT.fullmatch(each.name):
                yield value
            else:
                yield from moments(value)


def shifted(remembered: Remembered, by: float) -> Remembered:
    """Return the same, with every moment `by` seconds later."""
    if not is_dataclass(remembered) or isinstance(remembered, type):
        return remembered
    found: dict[str, Any] = {}
    for each in fields(remembered):
        value = getattr(remembered, each.name)
        moment = _MOMENT.fullmatch(each.name) is not None
        found[each.name] = _shifted(value, by, moment=moment)
    return replace(remembered, **found)


def _shifted(value: object, by: float, *, moment: bool) -> object:
    if isinstance(value, tuple):
        return tuple(_shifted(each, by, moment=moment) for each in value)
    if moment and isinstance(value, float):
        return value + by
    return shifted(value, by)
