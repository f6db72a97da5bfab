"""The fold: one event in, effects out, nothing else.

`Monitor` holds the state of everything watched. The same events give the same effects in
the same order: iteration is always in configured order, time comes with the events, and
deadlines that have come due are handled at their own time before the event that is later.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from beacon.core.annunciator import SILENCE_AT_MOST, Annunciator
from beacon.core.diagnosis import Diagnosis, Witnessed, diagnose
from beacon.core.endpoint import EndpointState, Gate, slow_or
from beacon.core.events import (
    Acknowledge,
    Announced,
    Announcement,
    Answered,
    Effect,
    EndpointRead,
    Event,
    IncidentChanged,
    IncidentState,
    IncidentView,
    IndicationChanged,
    Observed,
    OverallChanged,
    OverallView,
    Postpone,
    QuietHours,
    Recheck,
    ServiceChanged,
    ServiceView,
    Silence,
    SilenceChanged,
    Sounded,
    TimePassed,
    Transition,
    View,
)
from beacon.core.incident import Incident, foremost
from beacon.core.indication import Sound
from beacon.core.model import (
    NO_PROBLEM,
    RANK,
    RED,
    Endpoint,
    Evidence,
    Health,
    Outcome,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.service import Change, ServiceState
from beacon.core.timers import Timers
from beacon.core.trust import ROUND_EVERY, Trust
from beacon.core.verdict import Seen, judge

IMPACT_EVERY: Final = 60.0
OWN_NETWORK: Final = Reading(Reason.OWN_NETWORK, "every witness outside fails")
OWN_CLOCK: Final = Reading(Reason.OWN_CLOCK, "our own clock is wrong")

_TOLD: Final = {
    Change.OPENED: Announcement.OPENED,
    Change.ESCALATED: Announcement.ESCALATED,
    Change.RELAPSED: Announcement.RELAPSED,
    Change.RECOVERING: Announcement.RECOVERING,
    Change.CLOSED: Announcement.CLOSED,
}


@dataclass(slots=True)
class _Watched:
    """One service with everything that is remembered of it."""

    spec: Service
    endpoints: tuple[EndpointState, ...]
    state: ServiceState
    incident: Incident | None = None
    suppressed: bool = False  # all its trouble is explained by what it depends on
    told_blind: bool = False
    view: ServiceView | None = None

    @property
    def starting(self) -> bool:
        return self.state.blind and not self.state.known and any(not e.settled for e in self.basis)

    @property
    def basis(self) -> tuple[EndpointState, ...]:
        """The endpoints that its verdict rests on."""
        for kind in (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM):
            if found := tuple(e for e in self.endpoints if e.spec.evidence is kind):
                return found
        return ()


class Monitor:
    """State of everything watched; `handle` folds one event in and returns the effects."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._out: list[Effect] = []
        self._timers = Timers()
        self._dirty: dict[str, None] = {}  # services to judge anew, in order of need
        self._pending: dict[str, EndpointState] = {}  # failing, witnesses not heard yet
        self._round_at = -math.inf
        self._incidents = 0
        self._announced: tuple[IncidentView | None, int] = (None, 0)
        self._silence: SilenceChanged | None = None
        self._overall: OverallView | None = None
        self._reports: dict[str, EndpointRead] = {}
        self._endpoints: dict[str, EndpointState] = {}
        self._services: dict[str, _Watched] = {}
        self._handlers: dict[type, Callable[..., None]] = {
            Observed: self._observed,
            TimePassed: lambda _: None,
            Acknowledge: self._acknowledge,
            Silence: self._silenced,
            QuietHours: self._quiet_hours,
        }
        self._trust = Trust((), ())
        self._network = (False, False)  # uplink lost, LAN lost: as last acted upon
        self._tower = Annunciator((), site.preset, lock_in=site.lock_in)

    # --- the outside --------------------------------------------------------------

    def start(self, at: float) -> tuple[Effect, ...]:
        """Begin: nothing is known; the effects describe everything once."""
        return self.reconfigure(self.site, at)

    def reconfigure(
        self, site: Site, at: float, changed: frozenset[str] = frozenset()
    ) -> tuple[Effect, ...]:
        """Watch another site from now on; what is unchanged keeps its state.

        `changed` names endpoints whose probe settings changed though the core sees none.
        """
        self._out = []
        self.site = site
        self._endpoints = {e.id: self._kept(e, at, changed) for e in site.endpoints}
        self._reports = {k: v for k, v in self._reports.items() if k in self._endpoints}
        self._pending = {k: v for k, v in self._pending.items() if self._endpoints.get(k) is v}
        was = self._services
        self._services = {s.id: self._watch(s, was.get(s.id), at) for s in site.services}
        for name in was.keys() - self._services.keys():
            self._timers.set(("hold", name), None)
        self._rebuild_trust()
        tower = Annunciator(tuple(self._services), site.preset, lock_in=site.lock_in)
        tower.alarms.update({k: v for k, v in self._tower.alarms.items() if k in tower.alarms})
        tower.voice, tower.shown = self._tower.voice, self._tower.shown
        self._tower = tower
        self._dirty = dict.fromkeys(self._services)
        self._refresh(at)
        if self._overall is None or not self._services:
            self._tell_overall(at)
        return tuple(self._out)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Fold one event in. An event of an unknown endpoint changes nothing."""
        self._out = []
        while (due := self._timers.next()) <= event.at:
            self._time_came(self._timers.pop(), due)
        self._handlers[type(event)](event)
        if self._dirty:
            self._refresh(event.at)
        return tuple(self._out)

    def next_deadline(self) -> float | None:
        """When `TimePassed` would change something, in monotonic seconds."""
        due = self._timers.next()
        return None if due == math.inf else due

    def view(self) -> View:
        """Everything as it stands now."""
        assert self._overall is not None, "start comes first"
        watched = self._services.values()
        return View(
            self._overall,
            tuple(w.view for w in watched if w.view is not None),
            tuple(self._reports[name] for name in self._endpoints if name in self._reports),
            tuple(w.incident.view for w in watched if w.incident is not None),
            self._tower.shown,
        )

    # --- building -----------------------------------------------------------------

    def _kept(self, spec: Endpoint, at: float, changed: frozenset[str]) -> EndpointState:
        old = self._endpoints.get(spec.id)
        if old is not None and old.spec == spec and spec.id not in changed:
            return old
        if old is not None:
            self._timers.set(old, None)
        fresh = EndpointState(spec, at)
        self._timers.set(fresh, at + spec.stale_after)
        return fresh

    def _watch(self, spec: Service, old: _Watched | None, at: float) -> _Watched:
        endpoints = tuple(self._endpoints[e.id] for e in spec.endpoints)
        if old is None:
            return _Watched(spec, endpoints, ServiceState(spec, since=at))
        old.spec, old.endpoints, old.state.spec = spec, endpoints, spec
        return old

    def _rebuild_trust(self) -> None:
        old = self._trust
        clocks = tuple(e.id for e in self.site.endpoints if e.kind == "ntp")
        if not old.watches(self.site.witnesses, clocks):
            self._trust, self._network = Trust(self.site.witnesses, clocks), (False, False)

    # --- readings -----------------------------------------------------------------

    def _observed(self, event: Observed) -> None:
        state = self._endpoints.get(event.endpoint)
        if state is None:
            return
        at, spec = event.at, state.spec
        reading = slow_or(event.reading, spec.slow_after)
        if spec.evidence is Evidence.WITNESS:
            self._take(state, reading, event, gated=False)
            self._witnessed(state, reading, event)
            return
        if spec.id in self._trust.clock_sources:
            self._told_time(spec, reading, at)
        self._take(state, self._trusted(spec, reading, event), event, gated=True)

    def _trusted(self, spec: Endpoint, reading: Reading, event: Observed) -> Reading:
        """Take the reading, or what it is worth while our own eyes fail."""
        trust = self._trust
        if reading.outcome in (Outcome.PASS, Outcome.WARN):
            trust.passed(spec, event.at, event.started)
            self._network_may_have_changed(event.at)
        if trust.covers(spec) or (
            reading.outcome is Outcome.FAIL and not spec.local and event.started < trust.back_at
        ):
            return replace(OWN_NETWORK, latency=reading.latency)
        if trust.clock_voids(spec):
            return OWN_CLOCK
        return reading

    def _take(
        self, state: EndpointState, reading: Reading, event: Observed, *, gated: bool
    ) -> None:
        at, spec, was, last = event.at, state.spec, state.shown, state.last
        state.started = event.started
        reading = state.count(reading, at, regular=event.regular)
        gate = Gate.OPEN
        if state.fails:
            if gated:
                gate = self._gate(state, at)
            self._confirm(state, reading, at)
        elif state.spec.id in self._pending:
            del self._pending[spec.id]
        if gate is Gate.SHUT:
            state.void(OWN_NETWORK, at)
        else:
            state.decide(at, gate)
        self._arm_stale(state, at)
        self._report(state, at)
        if state.shown is not was:
            self._changed(state, was, at)
        elif last is None or last.reason is not reading.reason or self._waits(state):
            self._touch(state)

    def _waits(self, state: EndpointState) -> bool:
        """Whether its service waits for this very reading: to open, or to ask for an operator."""
        watched = self._services.get(state.spec.service)
        return watched is not None and (watched.suppressed or state.guarded)

    def _gate(self, state: EndpointState, at: float) -> Gate:
        """Ask our own eyes whether this endpoint may go down."""
        spec = state.spec
        if state.fails == 1 and not spec.local:
            self._call_witnesses(at)
        if not state.failing:
            return Gate.OPEN
        gate = self._trust.gate(spec, state.fail_since)
        if gate is Gate.PENDING:
            self._pending[spec.id] = state
        else:
            self._pending.pop(spec.id, None)
        return gate

    def _confirm(self, state: EndpointState, reading: Reading, at: float) -> None:
        """Order the re-check that a fail asks for, or the rest that rejections ask for."""
        if reading.reason is Reason.SIGN_IN_REJECTED and state.guard_until > at:
            self._out.append(Postpone(at, state.spec.id, state.guard_until))
            return
        retry = state.spec.retry_interval
        if retry is not None and state.wants_recheck:
            self._out.append(Recheck(at, at + retry, (state.spec.id,)))

    def _arm_stale(self, state: EndpointState, at: float) -> None:
        begins = max(at, state.guard_until)
        self._timers.set(state, begins + state.spec.stale_after)
        if state.guarded and state.last is not None and state.last.outcome is Outcome.ERROR:
            self._out.append(Postpone(at, state.spec.id, math.inf))

    def _report(self, state: EndpointState, at: float) -> None:
        assert state.last is not None, "a report follows a reading"
        report = EndpointRead(at, state.spec.id, state.last, state.shown, state.fails)
        self._reports[state.spec.id] = report
        self._out.append(report)

    def _changed(self, state: EndpointState, was: Health, at: float) -> None:
        assert state.last is not None, "a change follows a reading"
        spec = state.spec
        self._out.append(Transition(at, spec.id, was, state.shown, state.last))
        self._touch(state)
        for other in self.site.endpoints:
            if spec.id in other.depends_on:
                self._dirty[other.service] = None

    def _touch(self, state: EndpointState) -> None:
        if state.spec.evidence is not Evidence.WITNESS:
            self._dirty[state.spec.service] = None

    # --- our own eyes -------------------------------------------------------------

    def _call_witnesses(self, at: float) -> None:
        """Run all witnesses at once, shared by all endpoints, at most every 2 s."""
        if not self._trust.outside:
            return
        due = max(at, self._round_at + ROUND_EVERY)
        if due > self._round_at and self._round_at <= at:
            self._round_at = due
            witnesses = self._trust.outside + self._trust.inside
            self._out.append(Recheck(at, due, witnesses))

    def _witnessed(self, state: EndpointState, reading: Reading, event: Observed) -> None:
        if state.spec.id in self._trust.clock_sources:
            self._told_time(state.spec, reading, event.at)
        self._trust.witnessed(state.spec.id, reading, event.at, event.started)
        self._network_may_have_changed(event.at)
        self._settle_pending(event.at)

    def _settle_pending(self, at: float) -> None:
        for name, state in tuple(self._pending.items()):
            gate = self._trust.gate(state.spec, state.fail_since)
            if gate is Gate.PENDING:
                self._call_witnesses(at)
                continue
            del self._pending[name]
            was = state.shown
            if gate is Gate.SHUT:
                self._void(state, OWN_NETWORK, at)
                continue
            state.decide(at, gate)
            if state.shown is not was:
                self._report(state, at)
                self._changed(state, was, at)

    def _network_may_have_changed(self, at: float) -> None:
        """Void what we can no longer trust, once, when the network is lost."""
        now = (self._trust.uplink_lost, self._trust.lan_lost)
        if now == self._network:
            return
        self._network = now
        for state in self._endpoints.values():
            if state.spec.evidence is not Evidence.WITNESS and self._trust.covers(state.spec):
                self._void(state, OWN_NETWORK, at)
        self._dirty.update(dict.fromkeys(self._services))

    def _told_time(self, spec: Endpoint, reading: Reading, at: float) -> None:
        was = self._trust.clock
        self._trust.told_time(spec.id, reading)
        if self._trust.clock == was:
            return
        for state in self._endpoints.values():
            if state.spec.id != spec.id and self._trust.clock_voids(state.spec):
                self._void(state, OWN_CLOCK, at)
        self._dirty.update(dict.fromkeys(self._services))

    def _void(self, state: EndpointState, reading: Reading, at: float) -> None:
        was = state.shown
        self._pending.pop(state.spec.id, None)
        state.void(reading, at)
        self._report(state, at)
        if state.shown is not was:
            self._changed(state, was, at)
        else:
            self._touch(state)

    # --- time ---------------------------------------------------------------------

    def _time_came(self, name: object, at: float) -> None:
        if isinstance(name, EndpointState):
            silent = Reading(Reason.STALE, f"no reading for {name.spec.stale_after:g} s")
            self._void(name, silent, at)
        elif name == "sound":
            self._sound(self._tower.time_passed(at), at)
            self._timers.set("sound", self._tower.next_deadline())
        elif name == "silence":
            self._end_silence(at)
        elif name == "impact":
            self._dirty.update(dict.fromkeys(k for k, w in self._services.items() if w.incident))
        elif isinstance(name, tuple):
            self._hold_ended(self._services[name[1]], at)
        if self._dirty:
            self._refresh(at)

    def _hold_ended(self, watched: _Watched, at: float) -> None:
        change = watched.state.time_passed(at)
        self._dirty[watched.spec.id] = None
        self._follow(watched, change, at)

    # --- services and incidents ---------------------------------------------------

    def _refresh(self, at: float) -> None:
        """Judge what was touched, then bring incidents, tower and overall up to date."""
        for name in [name for name in self._services if name in self._dirty]:
            watched = self._services[name]
            found = judge([_seen(e) for e in watched.endpoints])
            was_blind = watched.state.blind
            change = watched.state.judged(found, at)
            self._tell_blind(watched, was_blind, at)
            self._follow(watched, change, at)
            self._timers.set(("hold", name), watched.state.next_deadline)
            self._show_service(watched, at)
        self._dirty = {}
        self._tell_incident(at)
        self._tell_overall(at)
        self._light(at)

    def _follow(self, watched: _Watched, change: Change, at: float) -> None:
        """Let the incident follow the verdict."""
        verdict = watched.state.verdict
        self._tower.alarms[watched.spec.id].verdict = verdict
        if watched.suppressed or change is Change.OPENED:
            change = self._excused(watched, change)
        if change is Change.OPENED:
            self._open(watched, at)
        incident = watched.incident
        if incident is None:
            return
        incident.follow(verdict)
        incident.explain(self._diagnose(watched))
        if watched.state.judgement.vendor_admits:
            incident.admitted(at)
        incident.measure(at, watched.spec.session_lifetime)
        self._announce_change(watched, incident, change, at)

    def _excused(self, watched: _Watched, change: Change) -> Change:
        """Keep an incident from opening while all its trouble hangs on something else."""
        if watched.state.verdict in NO_PROBLEM:
            watched.suppressed = False
            self._tower.returned(watched.spec.id)
            return Change.NONE
        culprits = self._culprits(watched)
        if all(map(self._is_excused, culprits)) if culprits else watched.suppressed:
            watched.suppressed = True
            if change is Change.OPENED:
                self._tower.alarms[watched.spec.id].acknowledged = False
            return Change.NONE
        watched.suppressed = False
        return Change.OPENED

    def _culprits(self, watched: _Watched) -> list[EndpointState]:
        troubled = (Health.DOWN, Health.DEGRADED)
        return [
            e
            for e in watched.endpoints
            if e.shown in troubled and e.spec.evidence is not Evidence.CLAIM
        ]

    def _is_excused(self, state: EndpointState) -> bool:
        parents = (self._endpoints[name] for name in state.spec.depends_on)
        return any(p.shown is Health.DOWN or p.left_down_at > state.started for p in parents)

    def _open(self, watched: _Watched, at: float) -> None:
        self._incidents += 1
        first = min(self._culprits(watched), key=lambda e: e.since, default=None)
        verdict = watched.state.verdict
        watched.incident = Incident(
            IncidentView(
                number=self._incidents,
                service=watched.spec.id,
                state=IncidentState.OPEN,
                since=at,
                verdict=verdict,
                peak=verdict,
                first_out=first.spec.id if first else watched.spec.id,
            )
        )

    def _announce_change(
        self, watched: _Watched, incident: Incident, change: Change, at: float
    ) -> None:
        service, verdict = watched.spec.id, watched.state.verdict
        flapping = any(e.flapping for e in watched.endpoints)
        if change is Change.RELAPSED and (flapping or not incident.relapse(at)):
            return
        if change is Change.ESCALATED:
            incident.reopen()
        if change in (Change.OPENED, Change.ESCALATED, Change.RELAPSED):
            self._sound(self._tower.alarm(service, verdict, at), at)
        if change is Change.CLOSED:
            incident.close(at, verdict)
            self._tower.returned(service)
            watched.incident = None
        if change in _TOLD:
            told = incident.view
            self._out.append(Announced(at, _TOLD[change], service, verdict, told, told.cause))
        if change is Change.CLOSED and not self._open_incidents():
            self._end_silence(at)

    def _tell_blind(self, watched: _Watched, was_blind: bool, at: float) -> None:
        blind = watched.state.blind
        telling = blind and not was_blind
        if blind and not watched.told_blind and not watched.starting:
            telling = True
        if telling or (watched.told_blind and not blind):
            watched.told_blind = blind
            what = Announcement.BLIND if blind else Announcement.SIGHTED
            found = self._diagnose(watched)
            cause = found.cause if found and blind else None
            service, verdict = watched.spec.id, watched.state.verdict
            self._out.append(Announced(at, what, service, verdict, cause=cause))

    def _diagnose(self, watched: _Watched) -> Diagnosis | None:
        return diagnose(
            [
                Witnessed(e.spec.id, e.spec.evidence, e.shown, e.last, e.spec.region, e.spec.factor)
                for e in watched.endpoints
            ]
        )

    def _show_service(self, watched: _Watched, at: float) -> None:
        alarm = self._tower.alarms[watched.spec.id]
        alarm.verdict, alarm.blind = watched.state.verdict, watched.state.blind
        alarm.starting = watched.starting
        alarm.must_act = any(e.guarded for e in watched.endpoints)
        view = self._service_view(watched)
        if view != watched.view:
            watched.view = view
            self._out.append(ServiceChanged(at, view))

    def _service_view(self, watched: _Watched) -> ServiceView:
        state, found = watched.state, watched.state.judgement
        why = self._diagnose(watched)
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
            overlays=("guard_stopped",) if any(e.guarded for e in watched.endpoints) else (),
        )

    def _open_incidents(self) -> list[Incident]:
        return [w.incident for w in self._services.values() if w.incident is not None]

    def _tell_incident(self, at: float) -> None:
        incidents = self._open_incidents()
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

    def _tell_overall(self, at: float) -> None:
        views = [w.view for w in self._services.values() if w.view is not None]
        verdict = max((v.verdict for v in views), key=RANK.__getitem__, default=Verdict.BLIND)
        was = self._overall
        now = OverallView(
            verdict=verdict,
            problem=verdict not in NO_PROBLEM,
            since=was.since if was is not None and was.verdict is verdict else at,
            blind=any(v.blind for v in views),
            starting=any(v.starting for v in views),
            services=tuple((v.id, v.verdict) for v in views),
            overlays=tuple(dict.fromkeys(o for v in views for o in v.overlays)),
            network=self._trust.network,
            clock=self._trust.clock,
        )
        if now != was:
            self._overall = now
            self._out.append(OverallChanged(at, now))

    def _light(self, at: float) -> None:
        assert self._overall is not None, "the overall view comes before the lamps"
        self._tower.watch_blind(at)
        self._timers.set("sound", self._tower.next_deadline())
        if (shown := self._tower.show(self._overall.verdict)) is not None:
            self._out.append(IndicationChanged(at, shown))

    def _sound(self, sound: Sound | None, at: float) -> None:
        if sound is not None:
            self._out.append(Sounded(at, sound))

    # --- operators ----------------------------------------------------------------

    def _acknowledge(self, event: Acknowledge) -> None:
        error = ""
        if event.service is not None and event.service not in self._services:
            error = f"no service {event.service!r}"
        elif not self._tower.acknowledge(event.service):
            error = "nothing to acknowledge"
        else:
            self._acknowledged(event)
        self._out.append(
            Answered(event.at, "acknowledge", not error, event.by, event.origin, error)
        )

    def _acknowledged(self, event: Acknowledge) -> None:
        for name, watched in self._services.items():
            incident = watched.incident
            chosen = event.service in (None, name)
            if chosen and incident is not None and not incident.view.acknowledged:
                incident.acknowledge(event.at, event.by)
                view = incident.view
                self._out.append(
                    Announced(
                        event.at,
                        Announcement.ACKNOWLEDGED,
                        name,
                        view.verdict,
                        view,
                        view.cause,
                        event.by,
                    )
                )
        self._dirty.update(dict.fromkeys(self._services))

    def _silenced(self, event: Silence) -> None:
        error = ""
        if event.on and not self._open_incidents():
            error = "no incident is open"
        elif event.on:
            self._begin_silence(event)
        elif self._silence is None:
            error = "not silenced"
        else:
            self._end_silence(event.at)
        self._out.append(Answered(event.at, "silence", not error, event.by, event.origin, error))

    def _begin_silence(self, event: Silence) -> None:
        until = event.at + min(event.seconds, SILENCE_AT_MOST)
        self._silence = SilenceChanged(
            event.at, on=True, since=event.at, until=until, by=event.by, reason=event.reason
        )
        self._tower.voice.silent_until = until
        self._timers.set("silence", until)
        self._out.append(self._silence)

    def _end_silence(self, at: float) -> None:
        if self._silence is None:
            return
        self._silence = None
        self._tower.voice.silent_until = -math.inf
        self._timers.set("silence", None)
        self._out.append(SilenceChanged(at, on=False))

    def _quiet_hours(self, event: QuietHours) -> None:
        self._sound(self._tower.quiet_hours(on=event.on), event.at)


def _seen(state: EndpointState) -> Seen:
    spec = state.spec
    return Seen(spec.id, spec.evidence, state.shown, state.standing, spec.region, spec.factor)


def replay(monitor: Monitor, events: Iterable[Event]) -> Iterable[Effect]:
    """Fold many events, one after another."""
    for event in events:
        yield from monitor.handle(event)
