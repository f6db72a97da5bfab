"""The room: what every service is judged to be, its incident, and what the tower shows.

`judge` brings everything up to date after readings changed; operators act through the
methods at the end. Services are always taken in configured order.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    Recheck,
    ServiceChanged,
    Sounded,
)
from beacon.core.endpoint.state import EndpointState, overtaken
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    ClockStepped,
    Drill,
    Maintenance,
    Operation,
    QuietHours,
    Scheduled,
    Shelve,
    Silence,
    StorageDegraded,
)
from beacon.core.model import (
    NO_PROBLEM,
    RANK,
    RED,
    BreakGlassUse,
    Evidence,
    Health,
    Outcome,
    Service,
    Site,
    Verdict,
)
from beacon.core.operator.overlays import OVERDUE, OperationRefused, Overlays, Suppression
from beacon.core.service.blind import BlindAnnouncer
from beacon.core.service.diagnosis import Witnessed, diagnose
from beacon.core.service.hold import Change, ServiceState
from beacon.core.service.incident import Incident, foremost
from beacon.core.service.verdict import Judgement, Seen, judge
from beacon.core.timers import Timers
from beacon.core.tower.annunciator import SILENCE_AT_MOST, Annunciator
from beacon.core.tower.indication import Sound
from beacon.core.tower.sequences import table
from beacon.core.trust.network import Trust
from beacon.core.views import (
    Arrivals,
    Cause,
    IncidentState,
    IncidentView,
    OverallView,
    Overlay,
    ServiceView,
    SilenceChanged,
    VendorWord,
)

IMPACT_EVERY: Final = 60.0
SETTLED_WITHIN: Final = 300.0
"""Seconds after a suppression within which trouble is an alarm, read again or not."""

_TOLD: Final = {
    Change.OPENED: Announcement.OPENED,
    Change.ESCALATED: Announcement.ESCALATED,
    Change.RELAPSED: Announcement.RELAPSED,
    Change.RECOVERING: Announcement.RECOVERING,
    Change.CLOSED: Announcement.CLOSED,
}


_CALM: Final = NO_PROBLEM | {Verdict.BLIND}
_ALARMING: Final = frozenset({Change.OPENED, Change.ESCALATED, Change.RELAPSED})


@dataclass(slots=True)
class ServiceMonitor:
    """One service with everything that is remembered of it."""

    spec: Service
    endpoints: tuple[EndpointState, ...]
    state: ServiceState
    elsewhere: tuple[EndpointState, ...] = ()  # other services' causes, tied to its endpoints
    incident: Incident | None = None
    suppressed: bool = False  # all its trouble is explained by what it depends on
    hush: Suppression | None = None  # an operator's overlay suppresses it, or did until just now
    sight: BlindAnnouncer = field(default_factory=BlindAnnouncer)
    view: ServiceView | None = None

    @property
    def starting(self) -> bool:
        """Something its verdict rests on is not known yet, and not because it cannot be."""
        return any(not e.settled for e in self.basis)

    @property
    def recalling(self) -> bool:
        """Something its verdict rests on was known before a restart, and is not yet read again."""
        return any(not e.settled and e.before is not None for e in self.basis)

    @property
    def began_at(self) -> float:
        """When its present trouble began: the first failing reading; `inf` while there is none.

        It is the same right before and after an incident opens, else what is judged would change.
        """
        fells = [e.fell.at for e in self.endpoints if e.still_down and e.fell]
        if self.incident is not None:
            onset = self.incident.onset_at
            fells.append(self.incident.view.since if onset is None else onset)
        return min(fells, default=math.inf)

    @property
    def basis(self) -> tuple[EndpointState, ...]:
        """The endpoints that its verdict rests on."""
        present = tuple(e for e in self.endpoints if e.spec.hindsight is None)
        for kind in (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM):
            if found := tuple(e for e in present or self.endpoints if e.spec.evidence is kind):
                return found
        return ()


class Services:
    """All services and the tower. `waiting` belongs to `EndpointMonitors`."""

    def __init__(self, site: Site, timers: Timers, out: list[Effect], waiting: set[str]) -> None:
        self.services: dict[str, ServiceMonitor] = {}
        self.overall: OverallView | None = None
        self.tower = _tower(site)
        self.operators = Overlays()
        self._timers, self._out, self._waiting = timers, out, waiting
        self._endpoints: Mapping[str, EndpointState] = {}
        self._tied: Mapping[str, tuple[str, ...]] = {}
        self.incidents = 0  # how many there have been
        self.zero: float | None = None  # the wall time of moment 0 in UTC seconds; None: not known
        self._announced: tuple[IncidentView | None, int] = (None, 0)
        self.silenced: SilenceChanged | None = None
        self._storage_degraded = False
        self._drilled_over = Verdict.OK  # the worst real verdict when the drill began

    def configure(self, site: Site, endpoints: Mapping[str, EndpointState], at: float) -> None:
        """Watch these services from now on; what is unchanged keeps its state."""
        self._endpoints, self._tied = endpoints, site.tied()
        was = self.services
        self.services = {s.id: self._watch(s, was.get(s.id), at) for s in site.services}
        for name, gone in was.items():
            if name not in self.services:
                self._forget(gone, at)
        tower = _tower(site, *self.services)
        tower.alarms.update({k: v for k, v in self.tower.alarms.items() if k in tower.alarms})
        tower.voice, tower.shown = self.tower.voice, self.tower.shown
        tower.drill = self.tower.drill
        self.tower = tower
        self.operators.configure(site)

    def _forget(self, gone: ServiceMonitor, at: float) -> None:
        """Close what a removed service leaves open."""
        for kind in ("hold", "sight", "unseen"):
            self._timers.set((kind, gone.spec.id), None)
        self._release(gone)
        if gone.incident is not None:
            self._announce_change(gone, gone.incident, Change.CLOSED, at)

    def _watch(self, spec: Service, old: ServiceMonitor | None, at: float) -> ServiceMonitor:
        endpoints = tuple(self._endpoints[e.id] for e in spec.endpoints)
        own = {e.id for e in spec.endpoints}
        elsewhere = tuple(
            self._endpoints[cause]
            for cause, tied in self._tied.items()
            if cause not in own and not own.isdisjoint(tied)
        )
        if old is None:
            return ServiceMonitor(spec, endpoints, ServiceState(spec, since=at), elsewhere)
        old.spec, old.endpoints, old.state.spec = spec, endpoints, spec
        old.elsewhere = elsewhere
        return old

    def hold_ended(self, name: str, at: float) -> None:
        """Close what has been well for long enough."""
        watched = self.services[name]
        change = watched.state.time_passed(at)
        self._follow(watched, change, at)

    def judge(self, touched: Iterable[str], trust: Trust, at: float) -> None:
        """Judge what was touched, then bring incidents, tower and overall up to date."""
        chosen = set(touched)
        for name in [name for name in self.services if name in chosen]:
            watched = self.services[name]
            found = self._not_yet_red(watched, judge(_seen(watched)))
            if found.verdict is Verdict.OK and self.operators.overdue(name, at):
                found = replace(found, verdict=Verdict.ADVISORY)
            change = watched.state.judged(found, at)
            self._follow(watched, change, at)
            self._tell_blind(watched, at)
            self._timers.set(("hold", name), watched.state.next_deadline)
            self._show_service(watched, at)
            self._remind(watched, at)
        if self.tower.drill is not None and RANK[self.tower.worst] > RANK[self._drilled_over]:
            self._end_drill(at)
        self._tell_incident(at)
        self._tell_overall(trust, at)
        self._light(at)

    @staticmethod
    def _not_yet_red(watched: ServiceMonitor, found: Judgement) -> Judgement:
        """After a restart, call nothing worse than it was before the rest is read afresh."""
        if found.verdict in RED and watched.recalling and watched.state.verdict not in RED:
            return replace(found, verdict=Verdict.DEGRADED, known=Verdict.DEGRADED, partial=True)
        return found

    def _follow(self, watched: ServiceMonitor, change: Change, at: float) -> None:
        """Let the incident follow the verdict."""
        verdict = watched.state.verdict
        self.tower.alarms[watched.spec.id].verdict = verdict
        change = self._hushed(watched, change, at)
        if watched.hush is None:
            change = self._excused(watched, self._unopened(watched) or change, at)
        if change is Change.OPENED:
            self._open(watched, at)
        incident = watched.incident
        if incident is None:
            if change is Change.CLOSED:  # what was excused has no incident, but lamps that asked
                self._sound(self.tower.returned(watched.spec.id, at), at)
            return
        incident.follow(verdict)
        if not (watched.state.blind and incident.view.causes):
            # What blinds us does not explain what we saw before.
            incident.explain(self._diagnose(watched))
        incident.hear(_words(watched))
        incident.miss(_records(watched))
        incident.count(self._arrivals(watched))
        if watched.state.judgement.vendor_admits:
            incident.admitted(at)
        if verdict in RED or verdict is Verdict.DEGRADED or change is Change.RECOVERING:
            incident.measure(at, watched.spec.session_lifetime)
        self._announce_change(watched, incident, change, at)

    def _hushed(self, watched: ServiceMonitor, change: Change, at: float) -> Change:
        """Hold alarms back while an overlay suppresses a service, and until it is seen again.

        Afterwards only what is worse than before is an alarm.
        """
        hush = watched.hush
        if hush is None:
            return change
        name = watched.spec.id
        calm = Change.NONE if change in _ALARMING else change
        if hush.ended_at is None:
            return calm
        due = hush.ended_at + _longest_silence(watched)
        if at < due and not self._seen_again(watched, hush.ended_at):
            self._waiting.add(name)
            self._timers.set(("unseen", name), due)
            return calm
        self._timers.set(("unseen", name), None)
        watched.hush = None
        self._waiting.discard(name)
        self.tower.unhush(name, at)
        return self._worse_than(hush.before, watched) or calm

    def _worse_than(self, before: Verdict, watched: ServiceMonitor) -> Change | None:
        """What a service is worse by than before it was suppressed."""
        verdict = watched.state.verdict
        if verdict not in RED and verdict is not Verdict.DEGRADED:
            return None
        if watched.incident is None:
            return Change.OPENED
        if verdict in RED and before not in RED:
            return Change.RELAPSED if before is Verdict.RECOVERING else Change.ESCALATED
        return None

    def _seen_again(self, watched: ServiceMonitor, since: float) -> bool:
        """Whether what is wrong with a service has been probed since then, and confirmed.

        Of what cannot be asked again the last word counts: it may be the last for ever.
        """
        if watched.state.verdict not in RED and watched.state.verdict is not Verdict.DEGRADED:
            return True
        culprits = self._culprits(watched)
        read = all(not e.rereadable or e.started >= since for e in culprits)
        failed = (Outcome.FAIL, Outcome.WARN)
        return read and any(
            not e.rereadable or (e.because and e.because.outcome in failed) for e in culprits
        )

    def _unopened(self, watched: ServiceMonitor) -> Change | None:
        """Open what is wrong anew after an alarm that was held back until it was recovering."""
        wrong = watched.state.verdict in RED or watched.state.verdict is Verdict.DEGRADED
        if wrong and watched.incident is None and not watched.suppressed:
            return Change.OPENED
        return None

    def _excused(self, watched: ServiceMonitor, change: Change, at: float) -> Change:
        """Hold an alarm back while all the trouble hangs on something else.

        The lamps flash as usual; incident and sound come when it fails by itself.
        """
        if not watched.suppressed and change not in _ALARMING:
            return change
        if watched.state.verdict in NO_PROBLEM or change in (Change.RECOVERING, Change.CLOSED):
            self._release(watched)
            return change
        culprits = self._culprits(watched)
        if all(map(self._is_excused, culprits)) if culprits else watched.suppressed:
            watched.suppressed = self.tower.alarms[watched.spec.id].excused = True
            self._waiting.add(watched.spec.id)
            if change in _ALARMING:
                self._flash(watched, change, at)
            return Change.NONE
        if watched.suppressed:
            self._release(watched)
            change = Change.RELAPSED
        return Change.OPENED if watched.incident is None else change

    def _flash(self, watched: ServiceMonitor, change: Change, at: float) -> None:
        """Ask for acknowledgement without a sound, of the lamp as of the incident."""
        incident = watched.incident
        if incident is not None:
            soon = self._flaps(watched) or not incident.may_relapse(at)
            if change is Change.RELAPSED and soon:
                return
            incident.reopen()
        self.tower.flash(watched.spec.id)

    def _release(self, watched: ServiceMonitor) -> None:
        watched.suppressed = self.tower.alarms[watched.spec.id].excused = False
        self._waiting.discard(watched.spec.id)

    def _culprits(self, watched: ServiceMonitor) -> list[EndpointState]:
        troubled = (Health.DOWN, Health.DEGRADED)
        return [
            e
            for e in watched.endpoints
            if e.shown in troubled and e.spec.evidence is not Evidence.CLAIM and not e.standing
        ]

    def _is_excused(self, state: EndpointState) -> bool:
        parents = [self._endpoints[name] for name in state.spec.depends_on]
        # One that cannot be asked again needs no later reading.
        unread = state.rereadable and any(p.up_again_at > state.started for p in parents)
        return unread or any(p.still_down for p in parents)

    def _open(self, watched: ServiceMonitor, at: float) -> None:
        self.incidents += 1
        first = min(self._culprits(watched), key=lambda e: e.since, default=None)
        verdict = watched.state.verdict
        fell = first.fell if first is not None and first.health is Health.DOWN else None
        watched.incident = Incident(
            onset_at=at if fell is None else fell.at,
            view=IncidentView(
                number=self.incidents,
                service=watched.spec.id,
                state=IncidentState.OPEN,
                since=at,
                verdict=verdict,
                peak=verdict,
                first_out=first.spec.id if first else watched.spec.id,
                opened_utc=None if self.zero is None else self.zero + at,
            ),
        )

    def _announce_change(
        self, watched: ServiceMonitor, incident: Incident, change: Change, at: float
    ) -> None:
        service, verdict = watched.spec.id, watched.state.verdict
        if change is Change.RELAPSED and not self._relapse(watched, incident, at):
            # Too soon to call anybody again; but whoever was told that it recovers is told.
            change = change if incident.told_recovering else Change.NONE
        elif change in _ALARMING:
            if change is Change.ESCALATED:
                incident.reopen()
            self._end_drill(at)
            self._sound(self.tower.alarm(service, verdict, at), at)
        if change is Change.CLOSED:
            incident.close(at, verdict)
            self._sound(self.tower.returned(service, at), at)
            watched.incident = None
        if change in _TOLD:
            told = incident.view
            incident.told_recovering = change is Change.RECOVERING
            self._out.append(Announced(at, _TOLD[change], service, verdict, told, told.cause))
        if change is Change.CLOSED and not self.open_incidents():
            self.end_silence(at)

    def _relapse(self, watched: ServiceMonitor, incident: Incident, at: float) -> bool:
        return not self._flaps(watched) and incident.relapse(at)

    def _flaps(self, watched: ServiceMonitor) -> bool:
        return any(e.flapping for e in self._culprits(watched))

    def _tell_blind(self, watched: ServiceMonitor, at: float) -> None:
        service, blind = watched.spec.id, watched.state.blind
        if watched.hush is None:
            what = watched.sight.news(at, blind=blind, starting=watched.starting)
            if what is not None:
                found = self._diagnose(watched)
                cause = found[0].cause if found and blind else None
                verdict = watched.state.verdict
                self._out.append(Announced(at, what, service, verdict, cause=cause))
        self._timers.set(("sight", service), None if watched.hush else watched.sight.due)

    def _diagnose(self, watched: ServiceMonitor) -> tuple[Cause, ...]:
        seen = watched.endpoints
        if any(e.in_trouble and e.spec.hindsight is None for e in seen):
            # That users fared well before does not narrow what fails now.
            seen = tuple(e for e in seen if e.spec.hindsight is None or e.in_trouble)
        return diagnose(
            [self._witnessed(e) for e in seen],
            [self._witnessed(e) for e in watched.elsewhere],
        )

    def _witnessed(self, state: EndpointState) -> Witnessed:
        spec, lifetime = state.spec, state.spec.code_lifetime
        return Witnessed(
            spec.id,
            spec.evidence,
            state.shown,
            state.slow_because if state.slow else state.said,
            spec.region,
            spec.factor,
            state.standing,
            state.since,
            state.since if state.slow else state.said_at,
            state.fell,
            state.up_again_at,
            spec.interval + (spec.hindsight or 0.0),
            spec.timeout if lifetime is None else lifetime,
            spec.kind,
            self._tied.get(spec.id, ()),
        )

    def _show_service(self, watched: ServiceMonitor, at: float) -> None:
        alarm = self.tower.alarms[watched.spec.id]
        alarm.verdict, alarm.blind = watched.state.verdict, watched.state.blind
        alarm.starting = watched.starting
        overlays = self._overlays(watched, at)
        alarm.maintained = "maintenance" in overlays
        alarm.must_act = any(word != "maintenance" for word in overlays)
        view = self._service_view(watched, overlays, at)
        if view != watched.view:
            watched.view = view
            self._out.append(ServiceChanged(at, view))

    def _overlays(self, watched: ServiceMonitor, at: float) -> tuple[str, ...]:
        guarded = any(e.guarded for e in watched.endpoints)
        laid = self.operators.words(watched.spec.id, at)
        return (*laid, "guard_stopped") if guarded else laid

    def _service_view(
        self, watched: ServiceMonitor, overlays: tuple[str, ...], at: float
    ) -> ServiceView:
        state, found = watched.state, watched.state.judgement
        why = next(iter(self._diagnose(watched)), None)
        overdue = self.operators.overdue(watched.spec.id, at)
        if why is None and overdue and state.verdict is Verdict.ADVISORY:
            why = Cause(OVERDUE, f"not tested for too long: {', '.join(overdue)}")
        return ServiceView(
            id=watched.spec.id,
            verdict=state.verdict,
            since=state.since,
            cause=why.cause if why and state.verdict is not Verdict.OK else None,
            explanation=why.explanation if why else "",
            cells=found.cells,
            endpoints=tuple((e.spec.id, e.shown) for e in watched.endpoints),
            shallow=found.shallow,
            partial=found.partial,
            vendor_says_fine=found.vendor_says_fine,
            vendor_admits=found.vendor_admits,
            blind=state.blind,
            starting=watched.starting,
            proof_at=state.proof_at,
            overlays=overlays,
            arrivals=self._arrivals(watched),
        )

    def _arrivals(self, watched: ServiceMonitor) -> tuple[Arrivals, ...]:
        """How its deliveries went, by the causes they hang on."""
        own = {e.spec.id for e in watched.endpoints}
        return tuple(
            counts
            for cause in (*watched.endpoints, *watched.elsewhere)
            for counts in cause.arrivals.values()
            if counts.delivery in own
        )

    def open_incidents(self) -> list[Incident]:
        """Every incident that has not closed, in configured order."""
        return [w.incident for w in self.services.values() if w.incident is not None]

    def _tell_incident(self, at: float) -> None:
        incidents = self.open_incidents()
        chosen = foremost(incidents)
        now = (chosen.view if chosen else None, max(0, len(incidents) - 1))
        if now != self._announced:
            self._announced = now
            self._out.append(IncidentChanged(at, *now))
        growing = any(
            i.view.verdict in RED and i.view.impact is not None and i.view.impact < 1
            for i in incidents
        )
        if not growing:
            self._timers.set("impact", None)
        elif self._timers.get("impact") is None:
            self._timers.set("impact", at + IMPACT_EVERY)

    def _tell_overall(self, trust: Trust, at: float) -> None:
        views = [w.view for w in self.services.values() if w.view is not None]
        verdict = max((v.verdict for v in views), key=RANK.__getitem__, default=Verdict.BLIND)
        was = self.overall
        now = OverallView(
            verdict=verdict,
            problem=verdict not in NO_PROBLEM,
            since=was.since if was is not None and was.verdict is verdict else at,
            blind=any(v.blind for v in views),
            starting=any(v.starting for v in views),
            services=tuple((v.id, v.verdict) for v in views),
            overlays=self._all_overlays(views),
            network=trust.network,
            clock=trust.clock,
            storage_degraded=self._storage_degraded,
            first_out=self.tower.first_out,
        )
        if now != was:
            self.overall = now
            self._out.append(OverallChanged(at, now))

    def _all_overlays(self, views: Iterable[ServiceView]) -> tuple[str, ...]:
        found = dict.fromkeys(overlay for view in views for overlay in view.overlays)
        return (*found, "drill") if self.tower.drill is not None else tuple(found)

    def _light(self, at: float) -> None:
        assert self.overall is not None, "the overall view comes before the lamps"
        self.tower.watch_blind(at)
        self._timers.set("sound", self.tower.next_deadline())
        if (shown := self.tower.show(self.overall.verdict)) is not None:
            self._out.append(IndicationChanged(at, shown))

    def sound_due(self, at: float, now: float) -> None:
        """Say what is due without anything happening: re-alarms, lasting blindness."""
        self._sound(self.tower.time_passed(at, now), at)
        self._timers.set("sound", self.tower.next_deadline())

    def _sound(self, sound: Sound | None, at: float) -> None:
        if sound is not None:
            self._out.append(Sounded(at, sound))

    # --- operators ----------------------------------------------------------------

    def acknowledge(self, event: Acknowledge) -> None:
        """Somebody has seen what is open, or had not; refused where nothing is."""
        error = ""
        if event.service is not None and event.service not in self.services:
            error = f"no service {event.service!r}; there is: {', '.join(self.services)}"
        elif not event.on:
            error = "" if self._ask_again(event) else "no open incident is acknowledged"
        elif not self._take_note(event):
            error = "nothing to acknowledge"
        else:
            self._acknowledged(event)
        self._out.append(_answer(event, error))

    def _take_note(self, event: Acknowledge) -> bool:
        """Let the tower and the overlays know; whether there was anything."""
        used = self.operators.acknowledge(event.service)
        if used:
            self.follow_operators(event.at)
        return self.tower.acknowledge(event.service) or used

    def used(self, service: str, uses: Iterable[BreakGlassUse], started: float, at: float) -> bool:
        """Tell of uses of break-glass accounts, each once; whether there was news."""
        watched = self.services.get(service)
        accounts = () if watched is None else self.operators.use(service, uses, started)
        if watched is None or not accounts:
            return False
        what, verdict = Announcement.BREAK_GLASS_USED, watched.state.verdict
        self._out.extend(Announced(at, what, service, verdict, by=name) for name in accounts)
        self.follow_operators(at)
        return True

    def _acknowledged(self, event: Acknowledge) -> None:
        for incident in self._chosen(event, acknowledged=False):
            incident.acknowledge(event.at, event.by)
            self._tell_acknowledged(Announcement.ACKNOWLEDGED, incident, event)

    def _ask_again(self, event: Acknowledge) -> bool:
        """Take acknowledgements back; whether there was any."""
        chosen = self._chosen(event, acknowledged=True)
        for incident in chosen:
            incident.reopen()
            excused = self.services[incident.view.service].suppressed
            self.tower.ask_again(incident.view.service, event.at, loud=not excused)
            self._tell_acknowledged(Announcement.UNACKNOWLEDGED, incident, event)
        rehearsed = event.service is None and self.tower.rehearse_again(event.at)
        return bool(chosen) or rehearsed

    def _chosen(self, event: Acknowledge, *, acknowledged: bool) -> list[Incident]:
        return [
            incident
            for incident in self.open_incidents()
            if event.service in (None, incident.view.service)
            and incident.view.acknowledged is acknowledged
        ]

    def _tell_acknowledged(
        self, what: Announcement, incident: Incident, event: Acknowledge
    ) -> None:
        view = incident.view
        told = Announced(event.at, what, view.service, view.verdict, view, view.cause, event.by)
        self._out.append(told)

    def silence(self, event: Silence) -> None:
        """Sound off or on; refused where nothing is open."""
        error = ""
        if event.on and not self.open_incidents():
            error = "no incident is open"
        elif event.on:
            self._begin_silence(event)
        elif self.silenced is None:
            error = "not silenced"
        else:
            self.end_silence(event.at)
        self._out.append(_answer(event, error))

    def _begin_silence(self, event: Silence) -> None:
        until = event.at + min(event.seconds, SILENCE_AT_MOST)
        silence = SilenceChanged(
            event.at, on=True, since=event.at, until=until, by=event.by, reason=event.reason
        )
        self._out.extend(self.resume_silence(silence, event.at))

    def resume_silence(self, silence: SilenceChanged, at: float) -> Iterator[Effect]:
        """Keep the buzzer silent, if that is not over."""
        if silence.until is None or silence.until <= at:
            return
        self.silenced = silence
        self.tower.voice.silent_until = silence.until
        self._timers.set("silence", silence.until)
        yield silence

    def end_silence(self, at: float) -> None:
        """Let the buzzer speak again, if it was silenced."""
        if self.silenced is None:
            return
        self.silenced = None
        self.tower.voice.silent_until = -math.inf
        self._timers.set("silence", None)
        self._out.append(SilenceChanged(at, on=False))

    def quiet_hours(self, event: QuietHours) -> None:
        """Quiet hours began or ended: then what is still so is said once."""
        at, ended = event.at, self.tower.voice.quiet and not event.on
        sound = self.tower.quiet_hours(at, on=event.on)
        if sound is None and ended and self.operators.reminding(self._audible()):
            self.operators.reminded(at)
            sound = self.tower.voice.remind(Sound.TWO_CHIRPS, at)
            self._timers.set("operators", self.operators.next_deadline(at))
        self._sound(sound, at)

    def clock_stepped(self, event: ClockStepped) -> None:
        """Our wall clock was set: incidents that open from now on are named by the new time."""
        if self.zero is not None:
            self.zero += event.by

    def storage(self, event: StorageDegraded) -> None:
        """Note that nothing can be written down, or that it can again."""
        self._storage_degraded = event.on

    # --- overlays -----------------------------------------------------------------

    def operated(self, event: Operation) -> None:
        """Lay an overlay on or take it off; refused where that makes no sense."""
        error = ""
        try:
            if isinstance(event, Drill) and event.on and self.tower.worst not in _CALM:
                raise OperationRefused("something is really wrong: no time for a drill")
            self.operators.fold(event)
        except OperationRefused as refusal:
            error = str(refusal)
        else:
            self.follow_operators(event.at)
        if not isinstance(event, Scheduled):
            self._out.append(_answer(event, error))

    def resume_overlays(
        self, overlays: Iterable[Overlay], hushes: Mapping[str, Suppression], at: float
    ) -> None:
        """Lay on again what lay before a restart, without a sound; `hushes` by service.

        To be called after `configure`, when verdicts and incidents are back.
        """
        self.operators.restore(overlays, at)
        for name, hush in hushes.items():
            if name in self.services:
                self.services[name].hush = hush
                if hush.ended_at is not None:
                    self._settle(self.services[name], hush)
        if (verdict := self.operators.drill()) is not None:
            self._drilled_over = self.tower.worst
            self.tower.resume_drill(verdict)
        self.follow_operators(at)

    def operators_due(self, at: float) -> None:
        """End what has come to its time; the judging that follows gives the reminders."""
        self.operators.expire(at)
        self.follow_operators(at)

    def follow_operators(self, at: float) -> None:
        """Let services, tower and topics follow the overlays there are."""
        for name, watched in self.services.items():
            self._follow_overlay(watched, suppressed=self.operators.suppressed(name), at=at)
        self._follow_drill(at)
        self._out.extend(self.operators.changes(at))
        self._timers.set("operators", self.operators.next_deadline(at))

    def _follow_overlay(self, watched: ServiceMonitor, *, suppressed: bool, at: float) -> None:
        name, hush = watched.spec.id, watched.hush
        if suppressed:
            watched.hush = Suppression(hush.before if hush is not None else watched.state.verdict)
            self.tower.hush(name)
        elif hush is not None and hush.ended_at is None:
            watched.hush = replace(hush, ended_at=at)
            self._settle(watched, hush)
            if asked := tuple(e.spec.id for e in watched.endpoints if e.rereadable):
                self._out.append(Recheck(at, at, asked))

    def _settle(self, watched: ServiceMonitor, hush: Suppression) -> None:
        """Show at once what was wrong before and still is; the rest waits for a probe."""
        held = watched.incident is not None or watched.suppressed
        wrong = hush.before in RED or hush.before is Verdict.DEGRADED
        self.tower.settle(watched.spec.id, hush.before if held and wrong else None)

    def _follow_drill(self, at: float) -> None:
        verdict = self.operators.drill()
        if verdict is None and self.tower.drill is not None:
            self.tower.end_drill()
        elif verdict is not None and self.tower.drill is None:
            self._drilled_over = self.tower.worst
            self._sound(self.tower.rehearse(verdict, at), at)

    def _end_drill(self, at: float) -> None:
        """Something is really wrong: no more rehearsing."""
        if self.tower.drill is not None:
            self.operators.end_drill()
            self.follow_operators(at)

    def _audible(self) -> frozenset[str]:
        return frozenset(name for name, watched in self.services.items() if watched.hush is None)

    def _remind(self, watched: ServiceMonitor, at: float) -> None:
        """Say that MFA is still switched off though all is well."""
        name, verdict = watched.spec.id, watched.state.verdict
        if watched.hush is not None or verdict is Verdict.BLIND:
            return
        if verdict not in NO_PROBLEM:
            self.operators.troubled(name)
        elif self.operators.well(name, at):
            self._sound(self.tower.voice.remind(Sound.TWO_CHIRPS, at), at)
        self._timers.set("operators", self.operators.next_deadline(at))


def _tower(site: Site, *services: str) -> Annunciator:
    return Annunciator(services, site.preset, table(site.sequence, lock_in=site.lock_in))


def _answer(
    event: Acknowledge | Silence | Shelve | Maintenance | Bypass | Attest | Drill, error: str
) -> Answered:
    command = type(event).__name__.lower()
    concerned = event.item if isinstance(event, Attest) else getattr(event, "service", None)
    return Answered(
        event.at,
        command,
        not error,
        event.by,
        event.origin,
        error,
        event.reason,
        concerned,
        event.on,
    )


_STANCE: Final = {
    Outcome.PASS: "fine",
    Outcome.WARN: "admits",
    Outcome.FAIL: "admits",
    Outcome.ERROR: "unknown",
}


def _words(watched: ServiceMonitor) -> Iterator[VendorWord]:
    """What each of the vendor's sources says, where it has been heard."""
    for state in watched.endpoints:
        said = state.said
        if state.spec.evidence is Evidence.CLAIM and said is not None:
            words = said.detail or said.reason
            yield VendorWord(state.spec.id, _STANCE[said.outcome], words, state.said_at)


def _records(watched: ServiceMonitor) -> Iterator[str]:
    """Which records its troubled endpoints have found missing or wrong."""
    for state in (*watched.endpoints, *watched.elsewhere):
        if state.in_trouble:
            yield from state.records


def _longest_silence(watched: ServiceMonitor) -> float:
    """Seconds after a suppression in which what is wrong must be read again, or is an alarm.

    design: max(2 × interval + timeout, 5 min)
    """
    times = (2 * e.spec.interval + e.spec.timeout for e in watched.endpoints if e.rereadable)
    return max((SETTLED_WITHIN, *times))


def _seen(watched: ServiceMonitor) -> list[Seen]:
    endpoints, since = watched.endpoints, watched.began_at
    return [
        Seen(
            e.spec.id,
            e.spec.evidence,
            e.shown,
            e.standing,
            e.spec.region,
            e.spec.factor,
            e.spec.hindsight is not None,
            e.spec.hindsight is not None and e.in_trouble and not overtaken(e, endpoints),
            e.proven_since(since),
        )
        for e in endpoints
    ]
