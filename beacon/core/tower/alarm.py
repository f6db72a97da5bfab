"""One service at the tower, and what all of them together ask of the lamps.

Acknowledging stops the flash; while the trouble lasts it clears no light. A service that is up is
never red. Fast on red or amber means unacknowledged; slow and wink are information.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from beacon.core.indication import OFF, URGENCY, Colour, Flag, Indication, Light, Pattern, Sound
from beacon.core.model import CALM, LONG_AGO, NEVER, OPENING, RANK, RED, Moment, Preset, Verdict
from beacon.core.tower.sequences import FIRST_OUT, Stage, Turn

STEADY: Final = Light(Pattern.STEADY)
SLOW: Final = Light(Pattern.SLOW)
SLOW_ANTI: Final = Light(Pattern.SLOW, antiphase=True)
FAST: Final = Light(Pattern.FAST)
FAST_ANTI: Final = Light(Pattern.FAST, antiphase=True)

Requests = dict[Colour, Light]

UNACKNOWLEDGED: Final[dict[Verdict, Requests]] = {
    Verdict.OK: {Colour.GREEN: STEADY},
    Verdict.ADVISORY: {Colour.GREEN: STEADY, Colour.AMBER: SLOW},
    Verdict.DEGRADED: {Colour.AMBER: FAST},
    Verdict.RECOVERING: {Colour.AMBER: SLOW, Colour.GREEN: SLOW_ANTI},
    Verdict.OUTAGE: {Colour.RED: FAST},
    Verdict.GRAY_FAILURE: {Colour.RED: FAST, Colour.AMBER: FAST_ANTI},
    Verdict.BLIND: {},
}
"""What each verdict asks of the lamps before somebody has acknowledged it."""

ACKNOWLEDGED: Final[dict[Verdict, Requests]] = {
    **UNACKNOWLEDGED,
    Verdict.DEGRADED: {Colour.AMBER: STEADY},
    Verdict.OUTAGE: {Colour.RED: STEADY},
    Verdict.GRAY_FAILURE: {Colour.RED: STEADY, Colour.AMBER: SLOW},
}
"""What each verdict asks of the lamps afterwards."""

AFTER: Final[dict[Stage, Requests]] = {
    **{stage: {} for stage in Stage},
    Stage.LOCKED_IN: {Colour.AMBER: FAST},
    Stage.RESET_DUE: {Colour.AMBER: STEADY},
    Stage.RINGBACK: {Colour.GREEN: SLOW},
}
"""What is asked beside the verdict's lamps once all is over; never red for what is up."""

GREEN_UNDER: Final = frozenset({Verdict.OK, Verdict.ADVISORY, Verdict.RECOVERING})
"""Green burns only under these overall verdicts."""


@dataclass(slots=True)
class AlarmKept:
    """What survives a restart of one service at the tower.

    `sound` is owed since `sound_at`, or from then on: deferred, or held back by quiet hours, an
    operator's silence or the budget. `called_at`: when a relapse or a widening last sounded.
    """

    stage: Stage = Stage.NORMAL
    turn: Turn = Turn.NONE
    realarms: int = 0
    realarm_at: Moment = NEVER
    sound_at: Moment = NEVER
    sound: Sound = Sound.CHIRP
    called_at: Moment = LONG_AGO
    blind_announced: bool = False


@dataclass(slots=True)
class Alarm:
    """One service at the tower."""

    verdict: Verdict = Verdict.BLIND
    kept: AlarmKept = field(default_factory=AlarmKept)
    blind: bool = True
    starting: bool = True
    must_act: bool = False
    maintained: bool = False
    suppressed: bool = False  # by an operator: no red, amber or sound
    awaiting_confirmation: bool = False  # was suppressed until just now; not yet seen again
    inhibited: bool = False  # all its trouble depends on something else: lit, and silent
    before: Verdict | None = None  # while awaiting: its bad verdict before the suppression
    blind_since: float = math.inf
    locks_in: bool = True  # unacknowledged, it asks on while its incident outlasts the trouble

    @property
    def acknowledged(self) -> bool:
        """Whether nobody has to acknowledge it: also where it never alarmed."""
        forgotten = self.kept.stage is Stage.ALARM and self.over and not self.locks_in
        return forgotten or self.kept.stage not in (Stage.ALARM, Stage.LOCKED_IN)

    @property
    def waits(self) -> bool:
        """Whether it came as an alarm, and that has neither been reset nor suppressed."""
        came = self.kept.turn is not Turn.NONE and self.kept.stage in FIRST_OUT
        return came and not self.acknowledged and not self.mute

    @property
    def over(self) -> bool:
        """Whether nothing is known to be wrong."""
        return self.verdict in CALM

    @property
    def mute(self) -> bool:
        """Whether it shows nothing of its verdict now."""
        return self.suppressed or self.awaiting_confirmation

    @property
    def insistent(self) -> bool:
        """Whether it is red, and nobody has acknowledged it: then it asks by sound as well."""
        return self.verdict in RED and self.owes_sound

    @property
    def owes_sound(self) -> bool:
        """Whether something is wrong with it that nobody has acknowledged, and it may sound."""
        wrong = self.verdict in OPENING and not self.acknowledged
        return wrong and not self.mute and not self.inhibited

    @property
    def locked_in(self) -> bool:
        """Over, and nobody has acknowledged it."""
        return not self.acknowledged and self.over

    def requests(self) -> Requests:
        """What this service asks of the lamps."""
        asked = self._verdict_requests()
        if self.must_act:
            asked[Colour.BLUE] = STEADY
        if self.maintained:
            asked[Colour.BLUE] = SLOW
        return asked

    def _verdict_requests(self) -> Requests:
        if self.suppressed:
            return {}
        table = ACKNOWLEDGED if self.acknowledged else UNACKNOWLEDGED
        if self.awaiting_confirmation:
            return self._held(table) | {Colour.WHITE: STEADY if self.blind else SLOW}
        asked = dict(table[self.verdict])
        if self.starting or self.blind:
            asked[Colour.WHITE] = SLOW if self.starting else STEADY
        if self.over:
            asked |= self._after()
        if self.blind:
            asked.pop(Colour.GREEN, None)
        return asked

    def _held(self, table: Mapping[Verdict, Requests]) -> Requests:
        """What it asked for before it was suppressed, as far as that is still so."""
        if self.before is None:
            return {}
        return table[min((self.verdict, self.before), key=RANK.__getitem__)]

    def _after(self) -> Requests:
        """What it asks for beside its verdict once all is over."""
        return AFTER[Stage.LOCKED_IN if self.locked_in else self.kept.stage]


def _more_urgent(one: Light, other: Light) -> Light:
    if one.pattern is other.pattern:
        return other if other.antiphase else one
    return max(one, other, key=lambda light: URGENCY.index(light.pattern))


def indicate(
    alarms: Sequence[Alarm], overall: Verdict, preset: Preset, *, drill: bool = False
) -> Indication:
    """Merge all services: for each lamp the most urgent request wins.

    `overall` is the worst of those that are not suppressed.
    """
    asked: Requests = {}
    for alarm in alarms:
        for colour, light in alarm.requests().items():
            asked[colour] = _more_urgent(asked.get(colour, OFF), light)
    blind = any(alarm.blind and not alarm.suppressed for alarm in alarms)
    if blind or overall not in GREEN_UNDER:  # another that recovers proves nothing of a blind one
        asked.pop(Colour.GREEN, None)
    if Colour.RED in asked:
        _drop_advisory_amber(asked, alarms)
    if drill:
        asked[Colour.BLUE] = FAST
    flags: tuple[Flag, ...] = ()
    if preset is Preset.TOWER_3:
        flags = (*_flags(alarms), *((Flag.DRILL,) if drill else ()))
        asked.pop(Colour.BLUE, None)
        asked.pop(Colour.WHITE, None)
    return Indication(**{colour.value: light for colour, light in asked.items()}, flags=flags)


def _drop_advisory_amber(asked: Requests, alarms: Sequence[Alarm]) -> None:
    """Draw no advisory's amber while red is lit."""
    others = [a.requests() for a in alarms if a.verdict is not Verdict.ADVISORY or a.locked_in]
    ambers = [requests[Colour.AMBER] for requests in others if Colour.AMBER in requests]
    asked.pop(Colour.AMBER, None)
    for light in ambers:
        asked[Colour.AMBER] = _more_urgent(asked.get(Colour.AMBER, OFF), light)


def _flags(alarms: Sequence[Alarm]) -> Iterator[Flag]:
    if any(alarm.must_act or alarm.maintained for alarm in alarms):
        yield Flag.ACT
    white = [alarm.requests().get(Colour.WHITE) for alarm in alarms]
    if STEADY in white:
        yield Flag.BLIND
    if SLOW in white:
        yield Flag.STARTING
