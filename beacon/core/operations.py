"""What operators ask for, and what it does to services, incidents and the tower.

Every command is answered once: done, or refused with the reason. The calendar is no operator: it
asks for no answer.
"""

from collections.abc import Iterable

from beacon.core.effects import Announced, Announcement, Answered, Effect
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Drill,
    OperatorEvent,
    QuietHours,
    Scheduled,
    Silence,
)
from beacon.core.model import CALM, BreakGlassUse, Moment
from beacon.core.operator.overlays import OperationRefused
from beacon.core.service.incident import Incident
from beacon.core.service.roll_up import Services
from beacon.core.views import Overlay


class Operations:
    """What people and the calendar do to the services of a site."""

    def __init__(self, services: Services, effects: list[Effect]) -> None:
        self._services, self._effects = services, effects
        self._overlays, self._tower = services.overlays, services.tower

    # --- acknowledging ------------------------------------------------------------

    def acknowledge(self, event: Acknowledge) -> None:
        """Somebody has seen what is open, or had not; refused where nothing is."""
        error, names = "", self._services.monitors
        if event.service is not None and event.service not in names:
            error = f"no service {event.service!r}; there is: {', '.join(names)}"
        elif not event.on:
            error = "" if self._ask_again(event) else "no open incident is acknowledged"
        elif not self._take_note(event):
            error = "nothing to acknowledge"
        else:
            for incident in self._chosen(event, acknowledged=False):
                incident.acknowledge(event.at, event.by)
                self._announce(Announcement.ACKNOWLEDGED, incident, event)
        self._effects.append(_answer(event, error))

    def _take_note(self, event: Acknowledge) -> bool:
        """Let the tower and the overlays know; whether there was anything."""
        used = self._overlays.acknowledge(event.service)
        if used:
            self.follow(event.at)
        return self._tower.annunciator.acknowledge(event.service) or used

    def _ask_again(self, event: Acknowledge) -> bool:
        """Take acknowledgements back; whether there was any."""
        chosen, annunciator = self._chosen(event, acknowledged=True), self._tower.annunciator
        for incident in chosen:
            service = incident.view.service
            incident.reopen()
            annunciator.ask_again(service, event.at)
            self._announce(Announcement.UNACKNOWLEDGED, incident, event)
        rehearsed = event.service is None and annunciator.rehearse_again(event.at)
        return bool(chosen) or rehearsed

    def _chosen(self, event: Acknowledge, *, acknowledged: bool) -> list[Incident]:
        return [
            incident
            for incident in self._services.open_incidents()
            if event.service in (None, incident.view.service)
            and incident.view.acknowledged is acknowledged
        ]

    def _announce(self, what: Announcement, incident: Incident, event: Acknowledge) -> None:
        view, by = incident.view, event.by
        self._effects.append(
            Announced(event.at, what, view.service, view.verdict, view, view.cause, by)
        )

    def use(self, service: str, uses: Iterable[BreakGlassUse], started: Moment, at: Moment) -> bool:
        """Take in uses of break-glass accounts that were read; whether any was new."""
        monitor = self._services.monitors.get(service)
        if monitor is None or not monitor.announce_use(uses, started, at):
            return False
        self.follow(at)
        return True

    # --- sound --------------------------------------------------------------------

    def silence(self, event: Silence) -> None:
        """Sound off or on; refused where nothing is open."""
        error = ""
        if event.on and not self._services.open_incidents():
            error = "no incident is open"
        elif event.on:
            self._tower.begin_silence(event)
        elif self._tower.silence is None:
            error = "not silenced"
        else:
            self._tower.end_silence(event.at)
        self._effects.append(_answer(event, error))

    def quiet_hours(self, event: QuietHours) -> None:
        """Quiet hours began or ended: then what is still so is sounded once."""
        at, annunciator = event.at, self._tower.annunciator
        ended = annunciator.buzzer.quiet and not event.on
        sound = annunciator.quiet_hours(at, on=event.on)
        self._tower.sound(sound, at)
        if sound is None and ended and self._overlays.reminding(self._audible()):
            self._overlays.reminded(at)
            self._tower.remind(at)
            self._overlays.wait(at)

    def _audible(self) -> frozenset[str]:
        monitors = self._services.monitors.items()
        return frozenset(name for name, monitor in monitors if monitor.suppression is None)

    # --- overlays -----------------------------------------------------------------

    def operate(self, event: OperatorEvent | Scheduled) -> None:
        """Put an overlay on or take it off; refused where that makes no sense."""
        error = ""
        try:
            if isinstance(event, Drill) and event.on and self._tower.annunciator.worst not in CALM:
                raise OperationRefused("something is really wrong: no time for a drill")
            self._overlays.fold(event)
        except OperationRefused as refusal:
            error = str(refusal)
        else:
            self.follow(event.at)
        if not isinstance(event, Scheduled):
            self._effects.append(_answer(event, error))

    def restore(self, overlays: Iterable[Overlay], at: Moment) -> None:
        """Put on again what was on before a restart, without a sound.

        To be called after `configure`, when verdicts and incidents are back.
        """
        self._overlays.restore(overlays, at)
        for monitor in self._services.monitors.values():
            monitor.restore_suppression()
        self._tower.restore_drill()
        self.follow(at)

    def expire(self, at: Moment) -> None:
        """End what has come to its time; the judging that follows gives the reminders."""
        self._overlays.expire(at)
        self.follow(at)

    def follow(self, at: Moment) -> None:
        """Let services, tower and topics follow the overlays there are."""
        for monitor in self._services.monitors.values():
            monitor.follow_overlays(at)
        self._tower.follow_drill(at)
        self._overlays.publish(at)


def _answer(event: OperatorEvent, error: str) -> Answered:
    concerned = event.item if isinstance(event, Attest) else getattr(event, "service", None)
    return Answered(
        at=event.at,
        command=type(event).__name__.lower(),
        ok=not error,
        by=event.by,
        origin=event.origin,
        error=error,
        reason=event.reason,
        service=concerned,
        on=getattr(event, "on", True),
    )
