"""What services and operators ask of the tower: alarms, the buzzer, silence, a drill.

`Annunciator` knows lamps and sequences. This file adds what becomes an effect, and what concerns
the tower as a whole: an operator's silence, and a drill, which ends when something real happens.
"""

from beacon.core.effects import Effect, IndicationChanged, Sounded
from beacon.core.indication import Sound
from beacon.core.inputs import Silence
from beacon.core.model import LONG_AGO, RANK, Moment, Site, Verdict
from beacon.core.operator.overlays import Overlays
from beacon.core.timers import Timers
from beacon.core.tower.annunciator import Annunciator
from beacon.core.tower.sequences import Table, table
from beacon.core.views import SilenceChanged


class TowerControl:
    """The tower of one site. Times are monotonic seconds."""

    def __init__(
        self, site: Site, timers: Timers, effects: list[Effect], overlays: Overlays
    ) -> None:
        self.annunciator = Annunciator((), site.preset, _table(site))
        self.silence: SilenceChanged | None = None  # while an operator silences the buzzer
        self._timers, self._effects, self._overlays = timers, effects, overlays
        self._worst_before_drill = Verdict.OK

    def configure(self, site: Site) -> None:
        """Serve this site from now on; services that stay keep their alarms."""
        names = tuple(service.id for service in site.services)
        self.annunciator.configure(names, site.preset, _table(site))

    # --- alarms and sounds --------------------------------------------------------

    def alarm(self, service: str, verdict: Verdict, at: Moment) -> None:
        """Ask for acknowledgement by light and sound. It is no drill: a drill ends."""
        self.end_drill(at)
        self.sound(self.annunciator.alarm(service, verdict, at), at)

    def call(self, service: str, sound: Sound, at: Moment) -> None:
        """Ask again for an incident that somebody knows of: it relapsed or widened."""
        self.end_drill(at)
        self.sound(self.annunciator.call(service, sound, at), at)

    def returned(self, service: str, at: Moment) -> None:
        """All is lastingly well with a service."""
        self.sound(self.annunciator.returned(service, at), at)

    def remind(self, at: Moment) -> None:
        """Chirp twice: a bypass is still on though all is well."""
        self.sound(self.annunciator.buzzer.chirp(Sound.TWO_CHIRPS, at), at)

    def sound(self, sound: Sound | None, at: Moment) -> None:
        """Sound this once, if it is anything."""
        if sound is not None:
            self._effects.append(Sounded(at, sound))

    def begin_to_sound(self, at: Moment, first: Moment) -> None:
        """Sound from now on; what is owed comes at `first`."""
        self.annunciator.buzzer.quiet = False
        self.annunciator.postpone_owed(at, first)
        self._timers.set("sound", self.annunciator.next_deadline())

    def sound_due(self, at: Moment, now: Moment) -> None:
        """Sound what is due though nothing happened."""
        self.sound(self.annunciator.time_passed(at, now), at)
        self._timers.set("sound", self.annunciator.next_deadline())

    def show(self, at: Moment) -> None:
        """Light the lamps for all that was judged; sound what nothing holds back any more."""
        self.annunciator.watch_blind(at)
        if not self.annunciator.buzzer.quiet and self.annunciator.next_deadline() <= at:
            self.sound(self.annunciator.time_passed(at, at), at)
        self._timers.set("sound", self.annunciator.next_deadline())
        if (shown := self.annunciator.show()) is not None:
            self._effects.append(IndicationChanged(at, shown))

    # --- silence ------------------------------------------------------------------

    def begin_silence(self, event: Silence) -> None:
        """Silence the buzzer until the last incident closes, at most for the time asked."""
        at, until = event.at, Moment(event.at + event.seconds)
        self.keep_silent(
            SilenceChanged(at, on=True, since=at, until=until, by=event.by, reason=event.reason), at
        )

    def keep_silent(self, silence: SilenceChanged, at: Moment) -> None:
        """Keep the buzzer silent, if that is not over."""
        if silence.until is None or silence.until <= at:
            return
        self.silence = silence
        self.annunciator.buzzer.silent_until = silence.until
        self._timers.set("silence", silence.until)
        self._effects.append(silence)

    def end_silence(self, at: Moment) -> None:
        """Let the buzzer sound again, if it was silenced."""
        if self.silence is None:
            return
        self.silence = None
        self.annunciator.buzzer.silent_until = LONG_AGO
        self._effects.append(SilenceChanged(at, on=False))

    # --- drill --------------------------------------------------------------------

    def follow_drill(self, at: Moment) -> None:
        """Begin or end the rehearsal that the overlays ask for."""
        verdict = self._overlays.drill()
        if verdict is None and self.annunciator.drill is not None:
            self.annunciator.end_drill()
        elif verdict is not None and self.annunciator.drill is None:
            self._worst_before_drill = self.annunciator.worst
            self.sound(self.annunciator.rehearse(verdict, at), at)

    def restore_drill(self) -> None:
        """Show the drill of before a restart again, without a sound."""
        if (verdict := self._overlays.drill()) is not None:
            self._worst_before_drill = self.annunciator.worst
            self.annunciator.show_drill(verdict)

    def end_overtaken_drill(self, at: Moment) -> None:
        """End the drill when something is worse than when it began."""
        if RANK[self.annunciator.worst] > RANK[self._worst_before_drill]:
            self.end_drill(at)

    def end_drill(self, at: Moment) -> None:
        """Something is really wrong: no more rehearsing."""
        if self.annunciator.drill is not None:
            self._overlays.end_drill()
            self.follow_drill(at)
            self._overlays.publish(at)


def _table(site: Site) -> Table:
    return table(site.sequence, lock_in=site.lock_in)
