"""One service: its verdict, its incident, what holds an alarm back, and what is announced.

`judge` follows its endpoints, `publish` says what came of it. Two things hold an alarm back:
what its trouble depends on (*inhibited*), and an operator (*suppressed*).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from beacon.core.effects import Announced, Announcement, ServiceChanged
from beacon.core.endpoint.state import EndpointState
from beacon.core.failing_share import NO_FAILS, FailingShare, ShareKept
from beacon.core.indication import Sound
from beacon.core.model import (
    CALM,
    NO_PROBLEM,
    OPENING,
    RED,
    BreakGlassUse,
    Health,
    Moment,
    Service,
    Verdict,
)
from beacon.core.service import facts
from beacon.core.service.blind import NOTHING_ANNOUNCED, BlindAnnouncer, BlindKept
from beacon.core.service.diagnosis import diagnose, ranked
from beacon.core.service.endpoint_snapshot import EndpointSnapshot, deciding_endpoints, snapshot_of
from beacon.core.service.held_back import HeldBack, Suppression
from beacon.core.service.hold import ALARMING, Change, ServiceState, VerdictKept
from beacon.core.service.incident import Incident, outlast_slowness
from beacon.core.service.parts import ended_parts, is_new_beneath_red, wrong_parts
from beacon.core.service.shared_parts import SharedParts
from beacon.core.service.verdict import Judgement, judge, raised_to_degraded
from beacon.core.tower.annunciator import CALL_EVERY
from beacon.core.views import Cause, IncidentView, ServiceView


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKept:
    """What survives a restart of one service. `verdict` None: it is well, or was never known."""

    verdict: VerdictKept | None = None
    blind: BlindKept = NOTHING_ANNOUNCED
    inhibited: bool = False
    suppression: Suppression | None = None
    incident: Incident | None = None
    share: ShareKept = NO_FAILS


class ServiceMonitor:
    """One service with everything that is remembered of it. Times are monotonic seconds."""

    def __init__(self, spec: Service, at: Moment, shared: SharedParts) -> None:
        self.spec = spec
        self.state = ServiceState(spec, at)
        self.endpoints: tuple[EndpointState, ...] = ()
        self.incident: Incident | None = None
        self.held_back = HeldBack(spec.id, shared)
        self.blind_announcer = BlindAnnouncer()
        self.share = FailingShare()
        self.view: ServiceView | None = None
        self._shared = shared
        self._external_causes: tuple[EndpointState, ...] = ()
        self._affected: Mapping[str, tuple[str, ...]] = {}
        self._causes: tuple[Cause, ...] = ()  # what explains its trouble, as last judged
        self._beside: tuple[Cause, ...] = ()  # of these, what no endpoint's health shows

    def configure(
        self,
        spec: Service,
        endpoints: Mapping[str, EndpointState],
        affected: Mapping[str, tuple[str, ...]],
        services: Mapping[str, "ServiceMonitor"],
    ) -> None:
        """Watch these endpoints from now on. `affected` names what each cause would break."""
        self.spec = self.state.spec = spec
        self.endpoints = tuple(endpoints[e.id] for e in spec.endpoints)
        self._affected = affected
        self.share.follow(spec.endpoints)
        own = {e.id for e in spec.endpoints}
        self._external_causes = tuple(
            endpoints[cause]
            for cause, breaks in affected.items()
            if cause not in own and not own.isdisjoint(breaks)
        )
        self.held_back.parents = {
            e.id: tuple(
                (p, services.get(p.spec.service)) for p in map(endpoints.get, e.depends_on) if p
            )
            for e in spec.endpoints
        }

    def retire(self, at: Moment) -> None:
        """Close what it leaves open: it is watched no longer."""
        self._shared.timers.set(("hold", self.spec.id), None)  # the others only judge it anew
        if self.incident is not None:
            self._announce_change(self.incident, Change.CLOSED, at)

    # --- over a restart -----------------------------------------------------------

    def kept_at(self, at: Moment) -> ServiceKept:
        """What must survive if we stop now; later changes leave it as it is."""
        return ServiceKept(
            verdict=self.state.kept_at(at),
            blind=self.blind_announcer.kept,
            inhibited=self.held_back.inhibited,
            suppression=self.held_back.suppression,
            incident=None if self.incident is None else replace(self.incident),
            share=self.share.kept,
        )

    def recall(self, kept: ServiceKept) -> None:
        """Go on from what was kept. A verdict that was bad is held until it is proved afresh."""
        if kept.verdict is not None:
            self.state.kept = replace(kept.verdict)
        self.blind_announcer = BlindAnnouncer(kept.blind)
        self.share.restore(kept.share)
        self.held_back.restore(kept.suppression, inhibited=kept.inhibited)
        self.incident = None if kept.incident is None else replace(kept.incident)

    # --- what others ask ----------------------------------------------------------

    @property
    def starting(self) -> bool:
        """Something its verdict rests on is not known yet, and not because it cannot be."""
        return any(not e.settled for e in self.deciding)

    @property
    def announced(self) -> bool:
        """Whether people know that it is in trouble, by itself or by what it depends on."""
        return self.suppression is None and (self.incident is not None or self.inhibited)

    @property
    def suppression(self) -> Suppression | None:
        """That an operator holds its alarms back, or did until just now."""
        return self.held_back.suppression

    @property
    def inhibited(self) -> bool:
        """Whether all its trouble is explained by what it depends on."""
        return self.held_back.inhibited

    @property
    def awaits_reading(self) -> bool:
        """Whether its next reading matters even if it changes nothing."""
        return self.held_back.awaits_reading

    @property
    def disturbed(self) -> bool:
        """Whether its latencies now are no measure of what is usual."""
        troubled = self.incident is not None and self.state.verdict not in CALM
        return troubled or self.suppression is not None

    @property
    def deciding(self) -> Sequence[EndpointState]:
        """The endpoints by which it is well."""
        return deciding_endpoints(self.endpoints)

    @property
    def _began_at(self) -> float:
        """When its present trouble began: the first failing reading; `inf` while there is none."""
        if self.incident is None:
            return facts.began_at(self.endpoints, None)
        onset = self.incident.onset_at
        return facts.began_at(self.endpoints, self.incident.view.since if onset is None else onset)

    @property
    def _culprits(self) -> list[EndpointState]:
        """The endpoints that are wrong now."""
        return [e for e in self.endpoints if e.wrong]

    @property
    def _only_flapping(self) -> bool:
        """Whether each cell that is down flaps: that is announced when it ends, or lasts."""
        flapping = {e.spec.cell for e in self.deciding if e.flapping}
        return {n for n, health in self.state.judgement.cells if health is Health.DOWN} <= flapping

    # --- judging ------------------------------------------------------------------

    def judge(self, at: Moment) -> None:
        """Judge its endpoints as they are now; hold, incident and alarm follow."""
        snapshots = self._look()
        found = self._not_yet_red(judge(snapshots))
        found = raised_to_degraded(found) if self._beside else found
        if found.verdict is Verdict.OK and self._overdue(at):
            found = replace(found, verdict=Verdict.ADVISORY)
        self._follow(self.state.follow(found, at), at)

    def end_hold(self, at: Moment) -> None:
        """Close what has been well for long enough."""
        self._look()
        self._follow(self.state.time_passed(at), at)

    def _look(self) -> list[EndpointSnapshot]:
        began_at = self._began_at
        own, external = (
            [
                snapshot_of(e, self.endpoints, began_at, self._affected.get(e.spec.id, ()))
                for e in each
            ]
            for each in (self.endpoints, self._external_causes)
        )
        self._beside = self.share.causes + facts.not_enforced(self.endpoints)
        self._causes = ranked((*diagnose(own, external), *self._beside))
        return own

    def _not_yet_red(self, found: Judgement) -> Judgement:
        """After a restart, call nothing red that what is not yet read may show to be partial.

        Who shares a cell with one that is down changes nothing: the red is certain at once.
        """
        down = {name for name, health in found.cells if health is Health.DOWN}
        doubtful = any(
            not e.settled and e.kept.health is not None and e.spec.cell not in down
            for e in self.deciding
        )
        if found.verdict in RED and doubtful and self.state.verdict not in RED:
            return replace(found, verdict=Verdict.DEGRADED, known=Verdict.DEGRADED, partial=True)
        return found

    def _follow(self, change: Change, at: Moment) -> None:
        """Let alarm and incident follow the verdict."""
        verdict, annunciator = self.state.verdict, self._shared.tower.annunciator
        annunciator.update(
            self.spec.id,
            verdict,
            blind=self.state.blind,
            starting=self.starting,
            overlays=self._overlays(at),
        )
        change = self.held_back.hold(change, verdict, self.endpoints, self.incident, at)
        if self.incident is not None:
            change = self._outlast_slowness(self.incident, change, at)
        if change is Change.OPENED:
            self._open(at)
        if self.incident is not None:
            self._update_incident(self.incident, change, at)
            self._announce_change(self.incident, change, at)
        elif change is Change.CLOSED:  # what was inhibited has no incident, but lamps that asked
            self._shared.tower.returned(self.spec.id, at)

    def _outlast_slowness(self, incident: Incident, change: Change, at: Moment) -> Change:
        change, due = outlast_slowness(incident, change, self.state.verdict, self.endpoints, at)
        self._shared.timers.set(("quiet", self.spec.id), due)
        return change

    def follow_overlays(self, at: Moment) -> None:
        """Begin or end its suppression, as the overlays say."""
        self.held_back.follow_overlays(self.state.verdict, self.endpoints, self.incident, at)

    def restore_suppression(self) -> None:
        """Go on with a suppression of before a restart."""
        self.held_back.restore_suppression(self.incident)

    # --- incident -----------------------------------------------------------------

    def _open(self, at: Moment) -> None:
        first = min(self._culprits, key=lambda e: e.kept.since, default=None)
        down = first is not None and first.health is Health.DOWN
        onset = first.kept.confirmed_onset if first is not None and down else None
        self.incident = self._shared.numbers.open(
            at,
            self.spec.id,
            self.state.verdict,
            first_out=first.spec.id if first else facts.cited_first(self._causes, self.spec.id),
            onset_at=at if onset is None else onset.at,
        )

    def _update_incident(self, incident: Incident, change: Change, at: Moment) -> None:
        verdict = self.state.verdict
        incident.follow(verdict)
        unread = any(e.wrong and e.statement is None for e in self.endpoints)  # since a restart
        if not ((self.state.blind or unread) and incident.view.causes):
            # What blinds us does not explain what we saw before.
            incident.explain(self._causes)
        incident.add_vendor_words(facts.vendor_words(self.endpoints))
        incident.add_records(facts.records(self.endpoints, self._external_causes))
        incident.count(tuple(facts.arrivals(self.endpoints, self._external_causes)))
        if self.state.judgement.vendor_admits:
            incident.admitted(at)
        if verdict in OPENING or change is Change.RECOVERING:
            incident.measure(at, self.spec.session_lifetime)

    def _announce_change(self, incident: Incident, change: Change, at: Moment) -> None:
        service, tower = self.spec.id, self._shared.tower
        if change in (Change.NONE, Change.WIDENED):
            change = self._alarm_again(incident, change, at)
        elif change is Change.RELAPSED and self._only_flapping:
            incident.flapped_at = at
            change = change if incident.announced_recovering else Change.NONE
        else:
            self._new_parts(incident)  # they are told of with what is announced
            self._alarm(incident, change, at)
        if change is Change.CLOSED:
            incident.close(at, self.state.verdict)
            tower.returned(service, at)
            self.incident = None
        if change is not Change.NONE:
            incident.announced_recovering = change is Change.RECOVERING
            self._announce(Announcement[change.name], at, incident.view, incident.view.cause)

    def _alarm(self, incident: Incident, change: Change, at: Moment) -> None:
        """Sound and flash for a change that asks for somebody."""
        if change is Change.RELAPSED:
            self._call(incident, Sound.THREE_PULSES, at)
        elif change in ALARMING:
            if change is Change.ESCALATED:
                incident.reopen()
            self._shared.tower.alarm(self.spec.id, self.state.verdict, at)

    def _new_parts(self, incident: Incident) -> list[str]:
        """What is wrong beyond what was; while alarms are held back, it stays to be found."""
        cells = self.state.judgement.cells
        incident.forget_parts(ended_parts(cells, self.endpoints))
        return [] if self._may_not_alarm else incident.add_parts(wrong_parts(cells, self.endpoints))

    @property
    def _may_not_alarm(self) -> bool:
        return self.suppression is not None or self.inhibited

    def _alarm_again(self, incident: Incident, change: Change, at: Moment) -> Change:
        """Announce a relapse that waited because it flapped, or what widens a known incident.

        What is new beneath a relapse that waits, waits with it: if that ends unannounced, what is
        left of it widens the incident.
        """
        red = self.state.verdict in RED
        if incident.flapped_at is not None:
            if not red:
                incident.flapped_at = None
            elif self._may_not_alarm:
                return Change.NONE  # it waits on
            elif not self._only_flapping or at >= incident.flapped_at + CALL_EVERY:
                self._new_parts(incident)
                self._call(incident, Sound.THREE_PULSES, at)
                return Change.RELAPSED
            else:
                return Change.NONE
        new = self._new_parts(incident)
        if not (incident.view.acknowledged or change is Change.WIDENED):
            return Change.NONE
        if red:
            new = [part for part in new if is_new_beneath_red(part)]
        if not new:
            return Change.NONE
        self._call(incident, Sound.CHIRP, at)
        return Change.WIDENED

    def _call(self, incident: Incident, sound: Sound, at: Moment) -> None:
        """Ask for acknowledgement anew."""
        incident.flapped_at = None
        incident.reopen()
        self._shared.tower.call(self.spec.id, sound, at)

    # --- announcing and showing ---------------------------------------------------

    def _announce(
        self,
        what: Announcement,
        at: Moment,
        incident: IncidentView | None = None,
        cause: str | None = None,
        by: str | None = None,
    ) -> None:
        verdict = self.state.verdict
        self._shared.effects.append(Announced(at, what, self.spec.id, verdict, incident, cause, by))

    def announce_use(self, uses: Iterable[BreakGlassUse], started: Moment, at: Moment) -> bool:
        """Announce uses of break-glass accounts, each once; whether any was new."""
        accounts = self._shared.overlays.note_uses(self.spec.id, uses, started)
        for account in accounts:
            self._announce(Announcement.BREAK_GLASS_USED, at, by=account)
        return bool(accounts)

    def announce_stop(self, endpoint: str, at: Moment) -> None:
        """Announce that the guard has stopped a sign-in."""
        self._announce(Announcement.GUARD_STOPPED, at, by=endpoint)

    def publish(self, at: Moment) -> None:
        """Announce and show what it was judged to be, and wait for what comes next."""
        self._announce_blind(at)
        self._shared.timers.set(("hold", self.spec.id), self.state.hold_until)
        flapped_at = self.incident.flapped_at if self.incident is not None else None
        due = None if flapped_at is None or self._may_not_alarm else flapped_at + CALL_EVERY
        self._shared.timers.set(("flapping", self.spec.id), due)
        view = self._view(self._overlays(at), at)
        if view != self.view:
            self.view = view
            self._shared.effects.append(ServiceChanged(at, view))
        self._remind(at)

    def _announce_blind(self, at: Moment) -> None:
        blind, due = self.state.blind, None
        if self.suppression is None:
            what = self.blind_announcer.update(at, blind=blind, starting=self.starting)
            if what is not None:
                cause = self._causes[0].cause if self._causes and blind else None
                self._announce(what, at, cause=cause)
            due = self.blind_announcer.due
        self._shared.timers.set(("blind", self.spec.id), due)

    def _remind(self, at: Moment) -> None:
        """Sound that MFA is still switched off though all is well."""
        overlays, name, verdict = self._shared.overlays, self.spec.id, self.state.verdict
        if self.suppression is not None or verdict is Verdict.BLIND:
            return
        if verdict not in NO_PROBLEM:
            overlays.troubled(name)
        elif overlays.well(name, at):
            self._shared.tower.remind(at)
        overlays.wait(at)

    def _overlays(self, at: Moment) -> tuple[str, ...]:
        labels = self._shared.overlays.labels(self.spec.id, at)
        return (*labels, "guard_stopped") if any(e.guarded for e in self.endpoints) else labels

    def _why_held(self, at: Moment) -> Cause | None:
        incident = None if self.incident is None else self.incident.view
        return facts.why_held(self.state, incident, self._overdue(at))

    def _overdue(self, at: Moment) -> Cause | None:
        """What should have been tested or proven by now."""
        overlays, name = self._shared.overlays, self.spec.id
        unproven = None if overlays.bypassed(name) else facts.unproven(self.endpoints, at)
        return facts.untested(overlays.overdue(name, at)) or unproven

    def _view(self, overlays: tuple[str, ...], at: Moment) -> ServiceView:
        state, found = self.state, self.state.judgement
        why = self._causes[0] if self._causes else self._why_held(at)
        return ServiceView(
            id=self.spec.id,
            verdict=state.verdict,
            since=state.kept.since,
            cause=why.cause if why and state.verdict is not Verdict.OK else None,
            explanation=why.explanation if why else "",
            cells=found.cells,
            endpoints=tuple((e.spec.id, e.shown) for e in self.endpoints),
            shallow=found.shallow,
            partial=found.partial,
            vendor_says_fine=found.vendor_says_fine,
            vendor_admits=found.vendor_admits,
            blind=state.blind,
            starting=self.starting,
            proof_at=state.kept.proof_at,
            overlays=overlays,
            arrivals=tuple(facts.arrivals(self.endpoints, self._external_causes)),
        )
