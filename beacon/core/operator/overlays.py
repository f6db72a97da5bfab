"""What operators put over the verdicts: shelving, maintenance, bypass, attestation, drill.

An overlay never changes what is seen. Shelving and maintenance *suppress* a service: no
red, amber or sound comes from it, while it is probed as ever. `Overlays` only keeps the
overlays and refuses what makes no sense; `core.operations` draws the consequences.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from beacon.core.effects import Effect, OverlaysChanged
from beacon.core.inputs import (
    Attest,
    Bypass,
    Drill,
    Maintenance,
    OperatorEvent,
    Scheduled,
    Shelve,
)
from beacon.core.model import Attestation, BreakGlassUse, Moment, Site, Verdict
from beacon.core.timers import Timers
from beacon.core.views import Overlay, OverlayKind

REMIND_EVERY: Final = 3600.0
"""Seconds between two reminders that a bypass is still on though all is well."""

SCHEDULE: Final = "schedule"
"""The origin of overlays that the calendar puts on."""
LOG: Final = "log"
"""The origin of overlays that come from what was read in a log."""
MOST_USES: Final = 512
"""Uses of break-glass accounts that are remembered as announced."""

_SUPPRESSING: Final = frozenset({OverlayKind.SHELVE, OverlayKind.MAINTENANCE})
_LABELS: Final = (
    (OverlayKind.MAINTENANCE, "maintenance"),
    (OverlayKind.SHELVE, "shelved"),
    (OverlayKind.BYPASS, "bypass"),
    (OverlayKind.BREAK_GLASS, "break_glass"),
)
_NOUNS: Final = {
    OverlayKind.MAINTENANCE: "maintenance",
    OverlayKind.SHELVE: "shelving",
    OverlayKind.BYPASS: "bypass",
}
OVERDUE: Final = "attestation_overdue"

Key = tuple[OverlayKind, str, bool]


class OperationRefused(Exception):
    """An action makes no sense; the message says why, for the one who asked."""


class Overlays:
    """Every overlay there is. Times are monotonic seconds."""

    def __init__(self, timers: Timers, effects: list[Effect]) -> None:
        self._timers, self._effects = timers, effects
        self._active: dict[Key, Overlay] = {}
        self._services: tuple[str, ...] = ()
        self._attested: Mapping[str, Attestation] = {}
        self._reminders: dict[str, float] = {}
        self._published: dict[OverlayKind, OverlaysChanged] = {}
        self._reported: dict[str, None] = {}  # ids of uses of break-glass accounts
        self._handlers: dict[type, Callable[[Any], None]] = {
            Shelve: self._shelve,
            Maintenance: self._maintain,
            Scheduled: self._schedule,
            Bypass: self._bypass,
            Attest: self._attest,
            Drill: self._drill,
        }

    def configure(self, site: Site) -> None:
        """Serve this site from now on; overlays of what is gone go too."""
        self._services = tuple(service.id for service in site.services)
        self._attested = {item.id: item for item in site.attest}
        known = {*self._services, *self._attested}
        for key, overlay in tuple(self._active.items()):
            if overlay.kind is not OverlayKind.DRILL and overlay.subject not in known:
                del self._active[key]
        for gone in set(self._reminders) - known:
            del self._reminders[gone]

    def restore(self, overlays: Iterable[Overlay], at: Moment) -> None:
        """Put on again what was on before a restart and is not over.

        What the calendar put on is left out: the calendar gives it again. So are overlays of
        what is watched no longer.
        """
        known = {*self._services, *self._attested}
        for overlay in overlays:
            drill = overlay.kind is OverlayKind.DRILL
            if overlay.origin != SCHEDULE and (drill or overlay.subject in known):
                self._put(overlay)
                if overlay.kind is OverlayKind.BYPASS:
                    into = (at - overlay.since) % REMIND_EVERY
                    self._reminders[overlay.subject] = at + REMIND_EVERY - into
        self.expire(at)

    # --- what holds ---------------------------------------------------------------

    @property
    def active(self) -> tuple[Overlay, ...]:
        """Every overlay there is, the oldest first."""
        return tuple(self._active.values())

    def suppressed(self, service: str) -> bool:
        """Whether no red, amber or sound may come from a service."""
        return any(o.kind in _SUPPRESSING and o.subject == service for o in self._active.values())

    def bypassed(self, service: str) -> bool:
        """Whether the MFA of a service is switched off on purpose."""
        return (OverlayKind.BYPASS, service, False) in self._active

    def labels(self, service: str, at: Moment) -> tuple[str, ...]:
        """What lies over a service, as topics and pages call it."""
        on = {o.kind for o in self._active.values() if o.subject == service}
        labels = tuple(label for kind, label in _LABELS if kind in on)
        return (*labels, OVERDUE) if self.overdue(service, at) else labels

    def overdue(self, service: str, at: Moment) -> tuple[str, ...]:
        """Name what should have been tested by now and concerns this service."""
        return tuple(
            item.name
            for item in self._attested.values()
            if service in (item.services or self._services) and self._is_overdue(item.id, at)
        )

    def attestations(self, service: str) -> Iterator[tuple[Attestation, float | None]]:
        """What must be tested by hand for a service, and when next; None: it is overdue."""
        overdue = self._published[OverlayKind.ATTEST].overdue
        for item in self._attested.values():
            if service in (item.services or self._services):
                key = (OverlayKind.ATTEST, item.id, False)
                yield item, None if item.id in overdue else self._active[key].until

    def drill(self) -> Verdict | None:
        """The verdict that is rehearsed now, if one is."""
        drills = self._of(OverlayKind.DRILL)
        return Verdict(drills[0].subject) if drills else None

    def wait(self, at: Moment) -> None:
        """Wait for the next moment at which something ends, is due or must be sounded."""
        ends = (
            overlay.until
            for overlay in self._active.values()
            if overlay.until is not None and overlay.origin != SCHEDULE
        )
        later = (moment for moment in (*ends, *self._reminders.values()) if moment > at)
        self._timers.set("operators", min(later, default=None))

    def publish(self, at: Moment) -> None:
        """Publish every kind that is not as it was last published, and wait for the next change."""
        self._effects.extend(self._changes(at))
        self.wait(at)

    def _changes(self, at: Moment) -> Iterator[OverlaysChanged]:
        for kind in OverlayKind:
            overlays = self._of(kind)
            overdue: tuple[str, ...] = ()
            if kind is OverlayKind.ATTEST:
                overdue = tuple(name for name in self._attested if self._is_overdue(name, at))
            on = bool(overdue if kind is OverlayKind.ATTEST else overlays)
            now = OverlaysChanged(at, kind, on, overlays, overdue)
            was = self._published.get(kind)
            if was is None or (was.overlays, was.overdue) != (overlays, overdue):
                self._published[kind] = now
                yield now

    # --- break-glass accounts -----------------------------------------------------

    @property
    def reported_uses(self) -> tuple[str, ...]:
        """The ids of the uses that were announced, the newest last."""
        return tuple(self._reported)

    @reported_uses.setter
    def reported_uses(self, uses: Iterable[str]) -> None:
        self._reported = dict.fromkeys(uses)

    def note_uses(
        self, service: str, uses: Iterable[BreakGlassUse], started: Moment
    ) -> tuple[str, ...]:
        """Note uses that a run read which began at `started`; the accounts with new ones."""
        fresh = []
        for use in uses:
            if use.id not in self._reported:
                fresh.append(use)
            self._reported.pop(use.id, None)  # what is read again is remembered the longest
            self._reported[use.id] = None
        for old in self.reported_uses[:-MOST_USES]:
            del self._reported[old]
        if not fresh:
            return ()
        accounts = tuple(dict.fromkeys(use.account for use in fresh))
        since = Moment(min(started - use.ago for use in fresh))
        known = self._active.get((OverlayKind.BREAK_GLASS, service, False))
        names = accounts
        if known is not None:
            names = tuple(dict.fromkeys((*known.by.split(", "), *accounts)))
            since = min(since, known.since)
        self._put(Overlay(OverlayKind.BREAK_GLASS, service, since, ", ".join(names), LOG))
        return accounts

    def acknowledge(self, service: str | None) -> bool:
        """Somebody knows of the uses (None: of all services); whether there were any."""
        kind = OverlayKind.BREAK_GLASS
        found = [o.subject for o in self._of(kind) if service in (None, o.subject)]
        for subject in found:
            self._remove(kind, subject)
        return bool(found)

    # --- what is done -------------------------------------------------------------

    def fold(self, event: OperatorEvent | Scheduled) -> None:
        """Do what an operator asks; raises `OperationRefused`, and then nothing has changed."""
        self._handlers[type(event)](event)

    def expire(self, at: Moment) -> None:
        """End what has come to its time."""
        for key, overlay in tuple(self._active.items()):
            ends = overlay.kind is not OverlayKind.ATTEST and overlay.origin != SCHEDULE
            if ends and overlay.until is not None and overlay.until <= at:
                del self._active[key]

    def end_drill(self) -> None:
        """End the drill, if there is one."""
        self._active = {k: v for k, v in self._active.items() if v.kind is not OverlayKind.DRILL}

    def _shelve(self, event: Shelve) -> None:
        if event.on and event.service is None:
            raise OperationRefused("name the service to shelve")
        self._set(OverlayKind.SHELVE, event, Moment(event.at + event.seconds))

    def _maintain(self, event: Maintenance) -> None:
        self._set(OverlayKind.MAINTENANCE, event, Moment(event.at + event.seconds))

    def _schedule(self, event: Scheduled) -> None:
        kind = OverlayKind.MAINTENANCE
        began = {o.subject: o.since for o in self._active.values() if o.origin == SCHEDULE}
        for service in began:
            del self._active[kind, service, True]
        for service, until, window in event.services:
            if service in self._services:
                since = began.get(service, event.at)  # a window that goes on keeps its beginning
                self._put(Overlay(kind, service, since, SCHEDULE, SCHEDULE, window, until))

    def _bypass(self, event: Bypass) -> None:
        for service in self._set(OverlayKind.BYPASS, event, None):
            self._reminders.pop(service, None)
            if event.on:
                self._reminders[service] = event.at + REMIND_EVERY

    def _attest(self, event: Attest) -> None:
        item = self._item(event.item)
        if event.on:
            self._put_on(OverlayKind.ATTEST, item.id, event, Moment(event.at + item.every))
        elif not self._remove(OverlayKind.ATTEST, item.id):
            raise OperationRefused(f"{item.id} is not attested")

    def _item(self, name: str | None) -> Attestation:
        if not self._attested:
            raise OperationRefused(
                "nothing to attest: the section `attest` of the configuration is empty"
            )
        known = ", ".join(self._attested)
        if name is None:
            if len(self._attested) > 1:
                raise OperationRefused(f"name what was tested: {known}")
            return next(iter(self._attested.values()))
        if name not in self._attested:
            raise OperationRefused(f"nothing to attest by the name {name!r}; there is: {known}")
        return self._attested[name]

    def _drill(self, event: Drill) -> None:
        if not event.on:
            if self.drill() is None:
                raise OperationRefused("no drill is on")
            self.end_drill()
            return
        if event.verdict is Verdict.OK:
            raise OperationRefused("ok needs no rehearsal")
        if self.drill() is not None:
            raise OperationRefused("a drill is on already")
        self._put_on(OverlayKind.DRILL, event.verdict, event, Moment(event.at + event.seconds))

    def _set(
        self, kind: OverlayKind, event: Shelve | Maintenance | Bypass, until: Moment | None
    ) -> tuple[str, ...]:
        """Put a kind of overlay on a service or on all, or take it off; which it concerned."""
        if event.service is not None and event.service not in self._services:
            raise OperationRefused(
                f"no service {event.service!r}; there is: {', '.join(self._services)}"
            )
        asked = self._services if event.service is None else (event.service,)
        noun = _NOUNS[kind]
        if not event.on:
            concerned = tuple(s for s in asked if self._remove(kind, s))
            if not concerned:
                raise OperationRefused(f"there is no {noun} to end")
            return concerned
        concerned = tuple(s for s in asked if (kind, s, False) not in self._active)
        if not concerned:
            raise OperationRefused(f"{noun} is on already; end it first to change it")
        for service in concerned:
            self._put_on(kind, service, event, until)
        return concerned

    def _put_on(
        self, kind: OverlayKind, subject: str, event: OperatorEvent, until: Moment | None
    ) -> None:
        self._put(Overlay(kind, subject, event.at, event.by, event.origin, event.reason, until))

    def _remove(self, kind: OverlayKind, service: str) -> bool:
        """Take off what an operator or the calendar put on; whether there was anything."""
        found = [self._active.pop((kind, service, scheduled), None) for scheduled in (False, True)]
        return any(found)

    def _put(self, overlay: Overlay) -> None:
        self._active[overlay.kind, overlay.subject, overlay.origin == SCHEDULE] = overlay

    def _of(self, kind: OverlayKind) -> tuple[Overlay, ...]:
        return tuple(overlay for overlay in self._active.values() if overlay.kind is kind)

    def _is_overdue(self, item: str, at: Moment) -> bool:
        record = self._active.get((OverlayKind.ATTEST, item, False))
        return record is None or record.until is None or record.until <= at

    # --- reminders ----------------------------------------------------------------

    def well(self, service: str, at: Moment) -> bool:
        """Note that a service is well; whether to say now that its bypass is still on."""
        if not self.bypassed(service):
            return False
        due = self._reminders.get(service, at)
        if due > at:
            return False
        self._reminders[service] = at + REMIND_EVERY
        return True

    def troubled(self, service: str) -> None:
        """Note that a service is not well: the next reminder comes when it is."""
        self._reminders.pop(service, None)

    def reminding(self, services: frozenset[str]) -> bool:
        """Whether a bypass of these is on though nothing is known to be wrong."""
        return not services.isdisjoint(self._reminders)

    def reminded(self, at: Moment) -> None:
        """Note that a reminder has just been given for all."""
        self._reminders = dict.fromkeys(self._reminders, at + REMIND_EVERY)
