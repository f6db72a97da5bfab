"""Readings in: every endpoint's state, and what our own network and clock make of it.

A reading is worth what our network and clock are worth; nothing goes down before the witnesses
have been asked. `dependencies` notes which services are judged anew.
"""

import math
from dataclasses import replace
from typing import Final, Protocol

from beacon.core.account.approach import Approach
from beacon.core.effects import Effect, Postpone, Recheck, Transition
from beacon.core.endpoint.controls import Controls
from beacon.core.endpoint.dependencies import Dependencies
from beacon.core.endpoint.latency.slowness import with_slowness
from beacon.core.endpoint.latency_watch import LatencyWatch
from beacon.core.endpoint.paid_reading import PaidReading, let_count, paid_reading
from beacon.core.endpoint.sign_ins import STOPPED, SignIns
from beacon.core.endpoint.staleness import Staleness
from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.troubles import Trouble, present
from beacon.core.inputs import (
    ClockStepped,
    ClockSynchronised,
    Controlled,
    DateImplausible,
    HourBegan,
    Observed,
    RunDelayed,
)
from beacon.core.model import (
    Endpoint,
    Evidence,
    Health,
    Moment,
    Outcome,
    Reading,
    Reason,
    Site,
)
from beacon.core.timers import Timers
from beacon.core.trust.clock import OwnClock
from beacon.core.trust.network import ROUND_EVERY, Confirmation, Trust
from beacon.core.views import EndpointRead

OWN_NETWORK: Final = Reading(Reason.OWN_NETWORK, "every witness outside fails")
OWN_RESOLVER: Final = Reading(
    Reason.OWN_NETWORK, "our own resolver answers for no name outside", resolver=False
)
SETTLES_WITHIN: Final = 2.0
"""Seconds after our uplink came back in which a run that begins may still fail by it."""
OWN_CLOCK: Final = Reading(Reason.OWN_CLOCK, "our own clock is wrong")


class _Services(Protocol):
    """What endpoints must know of the services that rest on them."""

    def awaits_reading(self, service: str) -> bool:
        """Whether a service waits for its next reading, even one that changes nothing."""

    def disturbed(self, service: str) -> bool:
        """Whether a service's latencies now are no measure of what is usual."""

    def bypassed(self, service: str) -> bool:
        """Whether its MFA is switched off on purpose."""


class EndpointMonitors:
    """All endpoints."""

    def __init__(self, timers: Timers, effects: list[Effect], services: _Services) -> None:
        self.endpoints: dict[str, EndpointState] = {}
        self.reports: dict[str, EndpointRead] = {}
        self.dependencies = Dependencies()
        self.sign_ins = SignIns(timers, effects, self.dependencies)
        self.controls = Controls(timers, effects, self.dependencies)
        self.clock = OwnClock()
        self._clock_word = self.clock.word  # as last acted upon
        self.trust = Trust(())
        self.latencies = LatencyWatch(self.clock, services.disturbed)
        self.staleness = Staleness(timers, effects)
        self.timers = timers  # by state: when it is unknown unless something proves its health
        self._effects, self._services = effects, services
        self._network = (False, False, False)  # uplink, LAN, resolver lost: as last acted upon
        self._pending: dict[str, EndpointState] = {}  # failing, witnesses not read yet
        self._round_at = -math.inf
        self._distrusted: dict[str, PaidReading | None] = {}  # void by a loss, and what counted

    # --- what is watched ----------------------------------------------------------

    def configure(self, site: Site, at: Moment, changed: frozenset[str]) -> None:
        """Watch these endpoints from now on; what is unchanged keeps its state.

        One whose probe settings changed starts afresh, and says so.
        """
        was = self.endpoints
        self.endpoints = {e.id: self._same_or_fresh(e, at, changed) for e in site.endpoints}
        for name, state in was.items():
            if self.endpoints.get(name) is not state:
                self.timers.set(state, None)
                self.reports.pop(name, None)
                self._pending.pop(name, None)
        self.latencies.configure(self.endpoints, changed)
        self.dependencies.configure(site, self.endpoints)
        self.sign_ins.configure(self.endpoints.values())
        self.sign_ins.allow_once(self.endpoints[n] for n in changed if n in self.endpoints)
        self.sign_ins.follow(at)
        self.controls.follow(self.endpoints.values(), at)
        self.clock.watch(site.endpoints, changed)
        if self.trust.witnesses != site.witnesses:
            self.trust, self._network = Trust(site.witnesses), (False, False, False)
        self._clock_may_have_changed(at)
        self.dependencies.take_touched()
        self.dependencies.touch_everything()

    def _same_or_fresh(self, spec: Endpoint, at: Moment, changed: frozenset[str]) -> EndpointState:
        old = self.endpoints.get(spec.id)
        if old is not None and spec.id not in changed:
            old.spec = spec
            return old
        fresh = EndpointState(spec, at)
        self.timers.set(fresh, at + spec.stale_after)
        if old is not None:
            fresh.last = Reading(Reason.STALE, "not read since its settings changed")
            self._effects.append(EndpointRead(at, spec.id, fresh.last, fresh.shown, 0))
            self._effects.append(Postpone(at, spec.id, at))  # whatever held the old one
        return fresh

    # --- what others ask ----------------------------------------------------------

    def latest(self) -> tuple[EndpointRead, ...]:
        """The last report of each endpoint, in configured order."""
        return tuple(self.reports[name] for name in self.endpoints if name in self.reports)

    def stopped(self) -> tuple[tuple[str, float], ...]:
        """The sign-ins that wait for an operator, and when each was last tried."""
        states = self.endpoints.items()
        return tuple((name, each.stopped_at) for name, each in states if each.guarded)

    def approach(self, endpoint: str, at: Moment) -> Approach:
        """What a run of an endpoint that begins now may send."""
        state = self.endpoints.get(endpoint)
        if state is None:
            return Approach.SIGN_IN
        trusted = not (self.trust.covers(state.spec) or self.clock.voids(state.spec))
        return self.sign_ins.approach(state, at, trusted=trusted)

    # --- readings -----------------------------------------------------------------

    def observed(self, event: Observed) -> None:
        """Take one reading in; one of an unknown endpoint (after a reload) changes nothing."""
        state = self.endpoints.get(event.endpoint)
        if state is None:
            return
        at, spec = event.at, state.spec
        reading = event.reading
        self.sign_ins.count(state, event)
        if spec.evidence is Evidence.CLAIM:
            reading = reading.without_dead_address
        reading = with_slowness(reading, spec.slow_after)
        self._read_clock(spec, event)
        if spec.evidence is Evidence.WITNESS:
            self._take(state, reading, event, gated=False)
            self._witnessed(state, reading, event)
            return
        self.trust.looked_up(spec, event.reading, at, event.started)
        self._network_may_have_changed(at)
        if self.trust.unresolved(spec, reading, event.started):
            state.started = event.started
            self._distrust(state, replace(OWN_RESOLVER, latency=reading.latency), at)
        else:
            self._take(state, self._trusted(spec, reading, event), event, gated=True)
        self._hold_sign_ins(state, at)
        if spec.control:
            bypassed = self._services.bypassed(spec.service)
            self.controls.observed(state, reading, at, bypassed=bypassed)

    def controlled(self, event: Controlled) -> None:
        """Take in what became of a wrong code."""
        state = self.endpoints.get(event.endpoint)
        if state is not None:
            self.sign_ins.count_control(state, event)
            self.controls.controlled(state, event)
            self._hold_sign_ins(state, event.at)

    def _hold_sign_ins(self, read: EndpointState, at: Moment) -> None:
        """Hold back what the budgets hold back; those beside the endpoint read say so."""
        self.sign_ins.follow(at)
        for state in self.sign_ins.just_stopped:
            if state is not read:
                state.settled = True
                self.report(
                    EndpointRead(at, state.spec.id, STOPPED, state.shown, state.streaks.fails)
                )

    def _trusted(self, spec: Endpoint, reading: Reading, event: Observed) -> Reading:
        """Take the reading, or what it is worth while our own eyes fail."""
        trust = self.trust
        if event.knocked or reading.outcome in (Outcome.PASS, Outcome.WARN):
            trust.passed(spec, event.at, event.started)
            self._network_may_have_changed(event.at)
        if trust.covers(spec) or (
            reading.outcome is Outcome.FAIL
            and not spec.local
            and event.started < trust.back_at + SETTLES_WITHIN
        ):
            return replace(OWN_NETWORK, latency=reading.latency)
        if self.clock.voids(spec):
            return OWN_CLOCK
        return reading

    def _take(
        self, state: EndpointState, reading: Reading, event: Observed, *, gated: bool
    ) -> None:
        at, spec, was, judged_by = event.at, state.spec, state.shown, state.judged_by
        troubles = state.kept.troubles
        state.started = event.started
        reading = state.count(reading, at, regular=event.regular)
        self.latencies.compare(state, reading, at)
        gate = Confirmation.OPEN
        if reading.outcome is Outcome.FAIL:
            if gated:
                gate = self._gate(state, at)
            self._confirm(state, at, regular=event.regular)
        elif not state.streaks.fails:
            self._pending.pop(spec.id, None)
        if gate is Confirmation.SHUT:  # not by the resolver: `observed` voids what that failed
            state.void(OWN_NETWORK, at)
        else:
            state.decide(at, gate)
        self.latencies.learn(state, reading)
        self._count_arrival(state, reading)
        self.staleness.arm(state, at)
        self._report(state, at)
        if state.shown is not was:
            self._changed(state, was, at)
        elif state.judged_by != judged_by:
            self._worded_anew(state, troubles, at)
        elif self._waits(state) or spec.looks_back:  # the time that it covers has moved on
            self.dependencies.touch_service(state)

    def _count_arrival(self, state: EndpointState, reading: Reading) -> None:
        for cause in self.dependencies.causes_of(state):
            cause.delivered(state.spec, reading, state.started)
            if cause.shown is Health.DOWN:
                self.dependencies.touch_service(state)

    def hour_began(self, event: HourBegan) -> None:
        """Another hour of the week began."""
        self.latencies.begin_hour(event.hour, self.endpoints)

    # --- confirming ---------------------------------------------------------------

    def _waits(self, state: EndpointState) -> bool:
        """Whether its service waits for this very reading: to open, or to ask for an operator."""
        return state.guarded or self._services.awaits_reading(state.spec.service)

    def _gate(self, state: EndpointState, at: Moment) -> Confirmation:
        """Ask our own eyes whether this endpoint may go down."""
        spec = state.spec
        if state.streaks.fails == 1 and self.trust.asked_by(spec):
            self._call_witnesses(at)
        if not state.failing:
            return Confirmation.OPEN
        gate = self._asked_gate(state)
        if gate is Confirmation.PENDING:
            self._pending[spec.id] = state
        else:
            self._pending.pop(spec.id, None)
        return gate

    def _asked_gate(self, state: EndpointState) -> Confirmation:
        by_name = self.trust.failed_by_name(state.last)
        assert state.streaks.first is not None, "it is failing"
        return self.trust.gate(state.spec, state.streaks.first.at, by_name=by_name)

    def _confirm(self, state: EndpointState, at: Moment, *, regular: bool) -> None:
        """Order the re-check that a fail asks for."""
        retry = state.spec.retry_interval
        if retry is not None and (state.wants_recheck or (regular and state.has_new_trouble)):
            # From start to start: a run that hung has used up its pause.
            due = max(at, state.started + retry)
            self._effects.append(Recheck(at, due, (state.spec.id,)))

    def run_delayed(self, event: RunDelayed) -> None:
        """Do not count the wait for a free code as silence: health is held meanwhile."""
        if (state := self.endpoints.get(event.endpoint)) is not None:
            self.staleness.delay(state, event.at, event.at + event.seconds)

    def report(self, report: EndpointRead) -> None:
        """Keep and publish what was read of an endpoint."""
        self.reports[report.endpoint] = report
        self._effects.append(report)

    def _report(self, state: EndpointState, at: Moment) -> None:
        assert state.last is not None, "a report follows a reading"
        self.report(EndpointRead(at, state.spec.id, state.last, state.shown, state.streaks.fails))

    def _changed(self, state: EndpointState, was: Health, at: Moment) -> None:
        because, spec = state.because, state.spec
        assert because is not None, "a change follows a reading"
        self._effects.append(Transition(at, spec.id, was, state.shown, because))
        self.dependencies.touch_all_of(state)
        if state.shown is Health.DOWN:
            self._look_at_affected(state, at)

    def _worded_anew(self, state: EndpointState, was: tuple[Trouble, ...], at: Moment) -> None:
        self.dependencies.touch_all_of(state)
        known = {each.onset for each in was}
        if any(each.onset not in known for each in present(state.kept.troubles)):
            self._look_at_affected(state, at)

    def _look_at_affected(self, state: EndpointState, at: Moment) -> None:
        """Look at once at what a failing cause will break."""
        if affected := self.dependencies.affected_by(state):
            self._effects.append(Recheck(at, at, affected))

    # --- our own eyes -------------------------------------------------------------

    def _call_witnesses(self, at: Moment) -> None:
        """Run all witnesses at once, shared by all endpoints, at most every 2 s."""
        if self._round_at <= at:
            self._round_at = due = max(at, self._round_at + ROUND_EVERY)
            witnesses = self.trust.outside + self.trust.inside
            self._effects.append(Recheck(at, due, witnesses))

    def _witnessed(self, state: EndpointState, reading: Reading, event: Observed) -> None:
        self.trust.witnessed(state.spec.id, reading, event.at, event.started)
        self._network_may_have_changed(event.at)
        self._settle_pending(event.at)

    def _settle_pending(self, at: Moment) -> None:
        for name, state in tuple(self._pending.items()):
            gate = self._asked_gate(state)
            if gate is Confirmation.PENDING:
                self._call_witnesses(at)
                continue
            del self._pending[name]
            was, judged_by, troubles = state.shown, state.judged_by, state.kept.troubles
            if gate is Confirmation.SHUT:
                self._void(state, OWN_NETWORK, at)
                continue
            state.decide(at, gate)
            if state.shown is not was:
                self._report(state, at)
                self._changed(state, was, at)
            elif state.judged_by != judged_by:  # down again beneath what is held while it flaps
                self._worded_anew(state, troubles, at)

    def _network_may_have_changed(self, at: Moment) -> None:
        """Void what we can no longer trust, once, when the network is lost."""
        trust = self.trust
        now = (trust.uplink_lost, trust.lan_lost, trust.resolver_lost)
        if now == self._network:
            return
        self._network = now
        for state in self.endpoints.values():
            if trust.covers(state.spec):
                self._distrust(state, OWN_NETWORK, at)
            elif trust.resolver_lost and trust.failed_by_name(state.last):
                self._distrust(state, OWN_RESOLVER, at)
        self._trust_again(at)
        self.dependencies.touch_everything()

    def _read_clock(self, spec: Endpoint, event: Observed) -> None:
        self.clock.read(spec, event.reading, event.at, event.started)
        self._clock_may_have_changed(event.at)

    def clock_event(self, event: DateImplausible | ClockSynchronised | ClockStepped) -> None:
        """Take in what the edge says of our own clock."""
        match event:
            case DateImplausible():
                self.clock.date_implausible(on=event.on)
            case ClockSynchronised():
                self.clock.synchronised(on=event.on)
            case ClockStepped():
                self.clock.stepped(event.at, event.by)
                if self.trust.outside:
                    self._call_witnesses(event.at)  # what they say of the new time
        self._clock_may_have_changed(event.at)

    def _clock_may_have_changed(self, at: Moment) -> None:
        """Void what a wrong clock makes worthless, once, when trust in it is lost."""
        if self.clock.word == self._clock_word:
            return
        self._clock_word = self.clock.word
        for state in self.endpoints.values():
            if self.clock.voids(state.spec):
                self._distrust(state, OWN_CLOCK, at)
        self._trust_again(at)
        self.dependencies.touch_everything()

    def _distrust(self, state: EndpointState, reading: Reading, at: Moment) -> None:
        """Void an endpoint; a witness speaks for itself, a stop by the guard holds."""
        if state.spec.evidence is Evidence.WITNESS or (state.guarded and state.kept.guard.proven):
            return
        name = state.spec.id
        self._distrusted[name] = self._distrusted.get(name) or paid_reading(
            state, self.timers.get(state)
        )
        self._void(state, reading, at)

    def _trust_again(self, at: Moment) -> None:
        """After a loss, read at once what was void; what cost a message counts as before."""
        again = []
        for name, paid in tuple(self._distrusted.items()):
            state = self.endpoints.get(name)
            if state is not None and self._is_void(state):
                continue
            del self._distrusted[name]
            if state is None or state.health is not Health.UNKNOWN:
                continue
            if paid is not None and let_count(state, paid, at):
                self.timers.set(state, paid.stale_at)
                self._report(state, at)
                self._changed(state, Health.UNKNOWN, at)
            elif state.rereadable and not state.spec.costly:
                again.append(name)
        if again:
            self._effects.append(Recheck(at, at, tuple(again)))

    def _is_void(self, state: EndpointState) -> bool:
        """Whether nothing can be made of its readings now."""
        by_name = (
            self.trust.resolver_lost and state.last is not None and state.last.resolver is False
        )
        return self.trust.covers(state.spec) or self.clock.voids(state.spec) or by_name

    def _void(self, state: EndpointState, reading: Reading, at: Moment) -> None:
        was = state.shown
        self._pending.pop(state.spec.id, None)
        state.void(reading, at)
        self._report(state, at)
        if state.shown is not was:
            self._changed(state, was, at)
        else:
            self.dependencies.touch_all_of(state)

    def fell_silent(self, state: EndpointState, at: Moment) -> None:
        """Note that no reading has proved an endpoint's health for too long."""
        silent, detail = self.staleness.describe(state, at)
        if silent or state.shown is not Health.UNKNOWN:
            why = STOPPED if state.guarded else Reading(Reason.STALE, detail)
            self._void(state, why, at)
        if not silent:  # it goes on telling what is wrong, maybe with our clock
            self.timers.set(state, state.started + state.spec.stale_after)
            return
        self.clock.forget(state.spec.id)
        self._clock_may_have_changed(at)
