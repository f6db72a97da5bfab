"""Alarms to lamps and sounds: an ISA-18.1 sequence, with lock-in and re-alarm.

What one service asks for is in `alarm`; here is what all of them share: whose turn it is, what
sounds now and what later.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from beacon.core.indication import DARK, Indication, Sound
from beacon.core.model import LONG_AGO, NEVER, OPENING, RANK, RED, Moment, Preset, Verdict
from beacon.core.tower.alarm import GREEN_UNDER, Alarm, AlarmKept, indicate
from beacon.core.tower.buzzer import BuzzerPolicy
from beacon.core.tower.sequences import AlarmEvent, Stage, Table, Turn

REALARM_MINUTE: Final = 60.0
REALARM_MINUTES: Final = 5
REALARM_LATER: Final = 900.0
BLIND_AFTER: Final = 300.0
CALL_EVERY: Final = 1800.0
"""Seconds between two sounds for what is new beneath one incident: it relapsed, or it widened."""

_LOUDNESS: Final = tuple(Sound)


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
        for alarm in self.alarms.values():
            alarm.locks_in = table[Stage.ALARM, AlarmEvent.RETURN] is not Stage.NORMAL

    # --- what happened ------------------------------------------------------------

    def alarm(self, service: str, verdict: Verdict, at: Moment) -> Sound | None:
        """Begin to ask for acknowledgement, for what opens or escalates; what to sound."""
        alarm = self.alarms[service]
        self._take_turn(alarm)
        return self._begin(alarm, verdict, at)

    def call(self, service: str, sound: Sound, at: Moment) -> Sound | None:
        """Ask again beneath a known incident: by light at once, by sound at most every 30 min.

        `sound` is three pulses for a relapse to red, which re-alarms, and else a chirp. One that
        must wait is never dropped: it comes then, unless somebody has acknowledged it.
        """
        alarm, kept = self.alarms[service], self.alarms[service].kept
        self._take_turn(alarm)
        self._step(alarm, AlarmEvent.ALARM)
        louder = kept.sound_at == NEVER or _LOUDNESS.index(sound) > _LOUDNESS.index(kept.sound)
        kept.sound = sound if louder else kept.sound
        kept.sound_at = min(kept.sound_at, max(at, Moment(kept.called_at + CALL_EVERY)))
        kept.realarms, kept.realarm_at = 0, NEVER
        return self._sound_owed((alarm,), at)

    def _take_turn(self, alarm: Alarm) -> None:
        """Only one alarm of a group is first-out until it is reset."""
        if alarm.waits:
            return
        first = not any(other.waits for other in self.alarms.values())
        for other in self.alarms.values():  # whoever was first does not come back as such
            if first and other.kept.turn is Turn.FIRST_OUT:
                other.kept.turn = Turn.SUBSEQUENT
        alarm.kept.turn = Turn.FIRST_OUT if first else Turn.SUBSEQUENT

    def _begin(
        self, alarm: Alarm, verdict: Verdict, at: Moment, *, drill: bool = False
    ) -> Sound | None:
        self._step(alarm, AlarmEvent.ALARM)
        kept, red = alarm.kept, verdict in RED
        sound = self.buzzer.opening(verdict, at, drill=drill)
        held_back = sound is None and not self.buzzer.merged(verdict, at) and not drill
        kept.sound = Sound.THREE_PULSES if red else Sound.CHIRP
        kept.sound_at = at if held_back else NEVER
        kept.realarms, kept.realarm_at = 0, Moment(at + REALARM_MINUTE) if red else NEVER
        return sound

    def rehearse(self, verdict: Verdict, at: Moment) -> Sound | None:
        """Show and say what a verdict would, beside what there is."""
        drill = self.show_drill(verdict)
        return self._begin(drill, verdict, at, drill=True) if verdict in OPENING else None

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
        alarm.kept.realarm_at = alarm.kept.sound_at = NEVER
        alarm.kept.called_at = LONG_AGO
        self._step(alarm, AlarmEvent.RETURN)
        rings = alarm.kept.stage is Stage.RINGBACK and was is not Stage.RINGBACK and not alarm.mute
        return self.buzzer.chirp(Sound.CHIRP, at) if rings else None

    def acknowledge(self, service: str | None) -> bool:
        """Take note that somebody has seen, or reset what is over; whether there was anything."""
        asked = self._all() if service is None else (self.alarms[service],)
        waiting = [a for a in asked if (a.kept.stage, AlarmEvent.ACKNOWLEDGE) in self._table]
        for alarm in waiting:
            self._step(alarm, AlarmEvent.ACKNOWLEDGE)
            alarm.kept.realarm_at = alarm.kept.sound_at = NEVER
        if waiting:
            self.buzzer.acknowledged()
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
        alarm.kept.realarms, alarm.kept.sound_at = 0, NEVER
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
            elif not alarm.blind:
                alarm.blind_since, alarm.kept.blind_announced = math.inf, False
            elif alarm.starting:
                alarm.blind_since = math.inf
            elif alarm.blind_since == math.inf:
                alarm.blind_since = at

    def next_deadline(self) -> float:
        """When something may have to sound without anything happening."""
        alarms = self._all()
        blind = map(self._blind_due, alarms)
        owed = map(self._owed_at, alarms)
        return min((math.inf, *blind, *owed, *(a.kept.realarm_at for a in alarms)))

    def _blind_due(self, alarm: Alarm) -> float:
        """When the one chirp comes that says it is blind."""
        if alarm.kept.blind_announced:
            return math.inf
        due = alarm.blind_since + BLIND_AFTER
        return due if alarm is self.drill else max(due, self.buzzer.allowed_from(Sound.CHIRP))

    def _owed_at(self, alarm: Alarm) -> float:
        """When a sound comes that was deferred or held back."""
        if not alarm.owes_sound:
            return math.inf
        return max(alarm.kept.sound_at, self.buzzer.allowed_from(alarm.kept.sound))

    def time_passed(self, at: Moment, now: Moment) -> Sound | None:
        """Sound what is due: re-alarms, what was deferred, one chirp for lasting blindness.

        `now` is later than `at` only after a halt: what was missed is not made up for.
        """
        sounds = (
            self._say_blind(at),
            self._sound_owed(self._all(), at),
            self._realarm(at, now),
        )
        return _loudest(sounds)

    def postpone_owed(self, at: Moment, until: Moment) -> None:
        """Let no sound that is owed already come before `until`."""
        for alarm in self.alarms.values():
            if alarm.kept.sound_at <= at:
                alarm.kept.sound_at = until

    def _say_blind(self, at: Moment) -> Sound | None:
        newly = [alarm for alarm in self._all() if at >= self._blind_due(alarm)]
        for alarm in newly:
            alarm.kept.blind_announced = True
        rehearsed = all(alarm is self.drill for alarm in newly)
        return self.buzzer.chirp(Sound.CHIRP, at, drill=rehearsed) if newly else None

    def _sound_owed(self, alarms: Sequence[Alarm], at: Moment) -> Sound | None:
        """Sound once for all that is due."""
        due = self._take_owed(alarms, at)
        pulses = [a for a in due if a.kept.sound is Sound.THREE_PULSES and a.verdict in RED]
        for alarm in pulses:
            alarm.kept.realarm_at = Moment(at + REALARM_MINUTE)
        if pulses:
            return Sound.THREE_PULSES
        return self.buzzer.chirp(Sound.CHIRP, at) if due else None

    def _take_owed(self, alarms: Sequence[Alarm], at: Moment) -> list[Alarm]:
        """The alarms whose sound is due; from now on it is not."""
        due = [alarm for alarm in alarms if at >= self._owed_at(alarm)]
        for alarm in due:
            alarm.kept.sound_at, alarm.kept.called_at = NEVER, at
        return due

    def _realarm(self, at: Moment, now: Moment) -> Sound | None:
        due = [alarm for alarm in self._all() if at >= alarm.kept.realarm_at]
        for alarm in due:
            alarm.kept.realarms += 1
            early = alarm.kept.realarms < REALARM_MINUTES
            pause = REALARM_MINUTE if early else REALARM_LATER
            alarm.kept.realarm_at = Moment(max(alarm.kept.realarm_at, now) + pause)
        return self.buzzer.realarm(at) if any(alarm.insistent for alarm in due) else None

    def quiet_hours(self, at: Moment, *, on: bool) -> Sound | None:
        """Quiet hours began or ended: at their end sounds what still asks for acknowledgement."""
        ended = self.buzzer.quiet and not on
        self.buzzer.quiet = on
        red = [alarm for alarm in self._all() if alarm.insistent]
        if not ended or at < self.buzzer.silent_until:
            return None
        if not red:
            return _loudest((self._sound_owed(self._all(), at), self._say_blind(at)))
        self._take_owed(self._all(), at)  # one sound says all that waited
        for alarm in red:
            alarm.kept.sound_at = NEVER
        return _loudest((Sound.THREE_PULSES, self._say_blind(at)))


def _loudest(sounds: Iterable[Sound | None]) -> Sound | None:
    """One sound for all that is due at one moment."""
    return max((s for s in sounds if s is not None), key=_LOUDNESS.index, default=None)
