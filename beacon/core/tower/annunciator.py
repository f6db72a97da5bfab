"""Alarms to lamps and sounds: an ISA-18.1 sequence, with lock-in and re-alarm.

Acknowledging stops flash and sound; while the trouble lasts it clears no light. A service
that is up is never red. Fast on red or amber means unacknowledged; slow and wink are information.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from beacon.core.indication import (
    DARK,
    OFF,
    URGENCY,
    Colour,
    Flag,
    Indication,
    Light,
    Pattern,
    Sound,
)
from beacon.core.model import CALM, NEVER, OPENING, RANK, RED, Moment, Preset, Verdict
from beacon.core.tower.buzzer import BuzzerPolicy
from beacon.core.tower.sequences import FIRST_OUT, AlarmEvent, Stage, Table, Turn

STEADY: Final = Light(Pattern.STEADY)
SLOW: Final = Light(Pattern.SLOW)
SLOW_ANTI: Final = Light(Pattern.SLOW, antiphase=True)
FAST: Final = Light(Pattern.FAST)
FAST_ANTI: Final = Light(Pattern.FAST, antiphase=True)

REALARM_MINUTE: Final = 60.0
REALARM_MINUTES: Final = 5
REALARM_LATER: Final = 900.0
BLIND_AFTER: Final = 300.0

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
    """What survives a restart of one service at the tower."""

    stage: Stage = Stage.NORMAL
    turn: Turn = Turn.NONE
    realarms: int = 0
    realarm_at: Moment = NEVER


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
    blind_announced: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether nobody has to acknowledge it: also where it never alarmed."""
        return self.kept.stage not in (Stage.ALARM, Stage.LOCKED_IN)

    @property
    def waits(self) -> bool:
        """Whether it came as an alarm, and that has neither been reset nor suppressed."""
        return self.kept.turn is not Turn.NONE and self.kept.stage in FIRST_OUT and not self.mute

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
        red = self.verdict in RED and not self.acknowledged
        return red and not self.mute and not self.inhibited

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
    if overall not in GREEN_UNDER:
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


class Annunciator:
    """All services at one tower."""

    def __init__(self, services: Sequence[str], preset: Preset, table: Table) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.configure(services, preset, table)
        self.buzzer = BuzzerPolicy()
        self.drill: Alarm | None = None
        self.shown = DARK

    def configure(self, services: Sequence[str], preset: Preset, table: Table) -> None:
        """Show these services from now on; those that stay keep their alarms."""
        self.alarms = {service: self.alarms.get(service) or Alarm() for service in services}
        self.preset, self._table = preset, table

    # --- what happened ------------------------------------------------------------

    def alarm(self, service: str, verdict: Verdict, at: Moment) -> Sound | None:
        """Begin (again) to ask for acknowledgement; what to sound."""
        alarm = self.alarms[service]
        if not alarm.waits:
            self._take_turn(alarm)
        return self._begin(alarm, verdict, at)

    def _take_turn(self, alarm: Alarm) -> None:
        """Only one alarm of a group is first-out until it is reset."""
        first = not any(other.waits for other in self.alarms.values())
        for other in self.alarms.values():  # whoever was first does not come back as such
            if first and other.kept.turn is Turn.FIRST_OUT:
                other.kept.turn = Turn.SUBSEQUENT
        alarm.kept.turn = Turn.FIRST_OUT if first else Turn.SUBSEQUENT

    def _begin(self, alarm: Alarm, verdict: Verdict, at: Moment) -> Sound | None:
        self._step(alarm, AlarmEvent.ALARM)
        alarm.kept.realarms = 0
        alarm.kept.realarm_at = Moment(at + REALARM_MINUTE) if verdict in RED else NEVER
        return self.buzzer.opening(verdict, at)

    def rehearse(self, verdict: Verdict, at: Moment) -> Sound | None:
        """Show and say what a verdict would, beside what there is."""
        drill = self.show_drill(verdict)
        return self._begin(drill, verdict, at) if verdict in OPENING else None

    def show_drill(self, verdict: Verdict) -> Alarm:
        """Show a rehearsed verdict as one that is acknowledged: after a restart."""
        blind = verdict is Verdict.BLIND
        seen = AlarmKept(stage=Stage.ACKNOWLEDGED)
        self.drill = Alarm(verdict, seen, blind=blind, starting=False)
        return self.drill

    def end_drill(self) -> None:
        """End the rehearsal; the next opening sounds, however soon it comes."""
        self.drill = None
        self.buzzer.forget_last_opening()

    def suppress(self, service: str) -> None:
        """Let no red, amber or sound come from a service."""
        alarm = self.alarms[service]
        alarm.suppressed = True
        alarm.kept.realarm_at = NEVER

    def await_confirmation(self, service: str, before: Verdict | None) -> None:
        """Wait until a service that was suppressed has been seen again.

        `before` is what was wrong with it, and held, when it was suppressed: that is lit again.
        """
        alarm = self.alarms[service]
        alarm.suppressed, alarm.awaiting_confirmation, alarm.before = False, True, before

    def end_suppression(self, service: str, at: Moment) -> None:
        """Show a service as ever; what nobody had acknowledged asks for it again."""
        alarm = self.alarms[service]
        alarm.suppressed = alarm.awaiting_confirmation = False
        self._insist(alarm, at)

    def _step(self, alarm: Alarm, step: AlarmEvent) -> None:
        alarm.kept.stage = self._table.get((alarm.kept.stage, step), alarm.kept.stage)

    def update(
        self,
        service: str,
        verdict: Verdict,
        *,
        blind: bool,
        starting: bool,
        overlays: Sequence[str],
    ) -> None:
        """Take in what a service is judged to be, and what operators put over it."""
        alarm = self.alarms[service]
        alarm.verdict, alarm.blind, alarm.starting = verdict, blind, starting
        alarm.maintained = "maintenance" in overlays
        alarm.must_act = any(word != "maintenance" for word in overlays)

    def inhibit(self, service: str, *, on: bool) -> None:
        """Light a service without sound while all its trouble depends on something else."""
        self.alarms[service].inhibited = on

    def flash(self, service: str) -> None:
        """Ask for acknowledgement without a sound: what is wrong depends on something else."""
        self._step(self.alarms[service], AlarmEvent.ALARM)

    def returned(self, service: str, at: Moment) -> Sound | None:
        """All is lastingly well with a service; what to sound."""
        alarm, was = self.alarms[service], self.alarms[service].kept.stage
        alarm.kept.realarm_at = NEVER
        self._step(alarm, AlarmEvent.RETURN)
        rings = alarm.kept.stage is Stage.RINGBACK and was is not Stage.RINGBACK and not alarm.mute
        return self.buzzer.remind(Sound.CHIRP, at) if rings else None

    def acknowledge(self, service: str | None) -> bool:
        """Take note that somebody has seen, or reset what is over; whether there was anything."""
        asked = self._all() if service is None else (self.alarms[service],)
        waiting = [a for a in asked if (a.kept.stage, AlarmEvent.ACKNOWLEDGE) in self._table]
        for alarm in waiting:
            self._step(alarm, AlarmEvent.ACKNOWLEDGE)
            alarm.kept.realarm_at = NEVER
        if waiting:  # what opens from now on, nobody has seen
            self.buzzer.forget_last_opening()
        return bool(waiting)

    def ask_again(self, service: str, at: Moment) -> None:
        """Take an acknowledgement back: it flashes and, if it insists, re-alarms in a minute."""
        self._ask_again(self.alarms[service], at)

    def rehearse_again(self, at: Moment) -> bool:
        """Take back the acknowledgement of the drill; false if there was none."""
        drill = self.drill
        if drill is None or drill.kept.stage is not Stage.ACKNOWLEDGED:
            return False
        self._ask_again(drill, at)
        return True

    def _ask_again(self, alarm: Alarm, at: Moment) -> None:
        self._step(alarm, AlarmEvent.UNDO)
        alarm.kept.realarms = 0
        self._insist(alarm, at)

    def _insist(self, alarm: Alarm, at: Moment) -> None:
        if alarm.insistent:
            alarm.kept.realarm_at = Moment(at + REALARM_MINUTE)

    # --- what to show and say -----------------------------------------------------

    def show(self) -> Indication | None:
        """What the tower shall show, if it is not what it shows."""
        overall = self._worst(default=Verdict.BLIND)
        if self.drill is not None and self.drill.verdict not in GREEN_UNDER:
            overall = self.drill.verdict  # a rehearsed one alone never lights green
        found = indicate(self._all(), overall, self.preset, drill=self.drill is not None)
        if found == self.shown:
            return None
        self.shown = found
        return found

    @property
    def worst(self) -> Verdict:
        """The worst real verdict of those that are not suppressed; ok where all are."""
        return self._worst(default=Verdict.OK)

    def _worst(self, *, default: Verdict) -> Verdict:
        counted = (alarm.verdict for alarm in self.alarms.values() if not alarm.suppressed)
        return max(counted, key=RANK.__getitem__, default=default)

    @property
    def first_out(self) -> str | None:
        """The service whose alarm came first of those that wait, until it is acknowledged."""
        first = (n for n, a in self.alarms.items() if a.waits and a.kept.turn is Turn.FIRST_OUT)
        return next(first, None)

    def _all(self) -> tuple[Alarm, ...]:
        real = tuple(self.alarms.values())
        return real if self.drill is None else (*real, self.drill)

    def watch_blind(self, at: Moment) -> None:
        """Start or stop the wait for the one chirp that says we are blind."""
        for alarm in self._all():
            if alarm.blind and alarm.mute:
                alarm.blind_since = math.inf
            elif not alarm.blind or alarm.starting:
                alarm.blind_since, alarm.blind_announced = math.inf, False
            elif alarm.blind_since == math.inf:
                alarm.blind_since = at

    def next_deadline(self) -> float:
        """When something may have to sound without anything happening."""
        alarms = self._all()
        blind = (a.blind_since + BLIND_AFTER for a in alarms if not a.blind_announced)
        return min((math.inf, *blind, *(a.kept.realarm_at for a in alarms)))

    def time_passed(self, at: Moment, now: Moment) -> Sound | None:
        """Re-alarm for unacknowledged red; one chirp for lasting blindness.

        `now` is later than `at` only after a halt: what was missed is not made up for.
        """
        sound: Sound | None = None
        newly = [a for a in self._all() if _long_blind(a, at)]
        for alarm in newly:
            alarm.blind_announced = True
        if newly:
            sound = self.buzzer.remind(Sound.CHIRP, at)
        due = [a for a in self._all() if at >= a.kept.realarm_at]
        for alarm in due:
            alarm.kept.realarms += 1
            early = alarm.kept.realarms < REALARM_MINUTES
            pause = REALARM_MINUTE if early else REALARM_LATER
            alarm.kept.realarm_at = Moment(max(alarm.kept.realarm_at, now) + pause)
        if any(a.insistent for a in due):
            sound = self.buzzer.remind(Sound.PULSE, at) or sound
        return sound

    def quiet_hours(self, at: Moment, *, on: bool) -> Sound | None:
        """Quiet hours began or ended; a red that re-alarms, unacknowledged, sounds at their end."""
        ended = self.buzzer.quiet and not on
        self.buzzer.quiet = on
        waiting = any(alarm.insistent for alarm in self._all())
        silenced = at < self.buzzer.silent_until
        return Sound.THREE_PULSES if ended and waiting and not silenced else None


def _long_blind(alarm: Alarm, at: Moment) -> bool:
    return not alarm.blind_announced and at >= alarm.blind_since + BLIND_AFTER
