"""The fold: one event in, effects out, nothing else.

`Monitor` joins the endpoints (readings) and the services (verdicts, incidents, tower). The same
events give the same effects in the same order: iteration is always in configured order,
time comes with the events, and deadlines that have come due are handled at their own time
before the event that is later.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from beacon.core.account.approach import Approach
from beacon.core.effects import Effect
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.endpoint.readings import EndpointMonitors
from beacon.core.endpoint.state import EndpointState
from beacon.core.explain import Explained, explain
from beacon.core.failing_share import is_pooled
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    ClockStepped,
    ClockSynchronised,
    Controlled,
    DateImplausible,
    Drill,
    Event,
    HourBegan,
    Maintenance,
    Observed,
    QuietHours,
    Resume,
    RunDelayed,
    Scheduled,
    Shelve,
    Silence,
    StorageDegraded,
    TimePassed,
)
from beacon.core.memory import Memory
from beacon.core.model import Health, Moment, Outcome, Site
from beacon.core.operations import Operations
from beacon.core.recall import QUIET_START, recall, remember
from beacon.core.service.roll_up import Services
from beacon.core.timers import Timers
from beacon.core.views import View


class Monitor:
    """State of everything watched; `handle` folds one event in and returns the effects."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._effects: list[Effect] = []  # of the event that is handled now; all parts add to it
        self._timers = Timers()
        self._services = Services(site, self._timers, self._effects)
        self._operations = Operations(self._services, self._effects)
        self._endpoints = EndpointMonitors(self._timers, self._effects, self._services)
        self._dependencies = self._endpoints.dependencies
        self._handlers: dict[type, Callable[..., None]] = {
            Observed: self._observed,
            Controlled: self._endpoints.controlled,
            RunDelayed: self._endpoints.run_delayed,
            TimePassed: lambda _: None,
            Acknowledge: self._for_all(self._operations.acknowledge),
            Silence: self._for_all(self._operations.silence),
            QuietHours: self._operations.quiet_hours,
            DateImplausible: self._endpoints.clock_event,
            ClockSynchronised: self._endpoints.clock_event,
            ClockStepped: self._clock_stepped,
            HourBegan: self._endpoints.hour_began,
            StorageDegraded: self._for_all(self._storage_degraded),
            Resume: self._endpoints.sign_ins.resume,
        }
        operate = self._for_all(self._operations.operate)
        kinds = (Shelve, Maintenance, Scheduled, Bypass, Attest, Drill)
        self._handlers |= dict.fromkeys(kinds, operate)

    def start(
        self,
        at: Moment,
        memory: Memory | None = None,
        changed: frozenset[str] = frozenset(),
        *,
        resume: bool = False,
        learnt: Iterable[Learnt] = (),
        zero: float | None = None,
    ) -> tuple[Effect, ...]:
        """Begin with what is remembered, if anything; the effects describe everything once.

        `changed` names endpoints that are asked something else now. `resume`: sign-ins
        stopped by the guard may be tried again. `learnt` is what was usual. `zero` is the wall
        time of moment 0, in UTC seconds.
        """
        self._services.numbers.zero = zero
        self._endpoints.latencies.baselines.restore(learnt, changed)
        if memory is None:
            return self.reconfigure(self.site, at)
        self._effects.clear()
        self._endpoints.configure(self.site, at, frozenset())
        self._services.configure(self.site, self._endpoints.endpoints, at)
        recall(
            memory,
            self._endpoints,
            self._services,
            self._effects,
            at=at,
            changed=changed,
            resume=resume,
        )
        self._services.tower.annunciator.buzzer.quiet = True  # a start sounds nothing
        self._operations.restore(memory.overlays, at)
        self._judge(at)
        self._services.tower.begin_to_sound(at, Moment(at + QUIET_START))
        return tuple(self._effects)

    def remember(self, at: Moment) -> Memory:
        """Everything that must survive a restart, as it stands."""
        return remember(self._endpoints, self._services, at)

    def learnt(self) -> tuple[tuple[Learnt, ...], frozenset[str]]:
        """What was learnt of usual latencies since the last call.

        Slots that changed, and endpoints of which all that was kept before is void.
        """
        return self._endpoints.latencies.baselines.changed()

    def reconfigure(
        self, site: Site, at: Moment, changed: frozenset[str] = frozenset()
    ) -> tuple[Effect, ...]:
        """Watch another site from now on; what is unchanged keeps its state.

        `changed` names endpoints whose probe settings changed though the core sees none.
        """
        self._effects.clear()
        self._drain(at)
        self.site = site
        self._endpoints.configure(site, at, changed)
        self._services.configure(site, self._endpoints.endpoints, at)
        self._operations.follow(at)
        self._judge(at)
        return tuple(self._effects)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Fold one event in. An event of an unknown endpoint changes nothing."""
        self._effects.clear()  # also what an earlier event left, when it failed
        self._drain(event.at)
        self._handlers[type(event)](event)
        if self._dependencies.touched:
            self._judge(event.at)
        self._announce_stops(event.at)
        return tuple(self._effects)

    def _announce_stops(self, at: Moment) -> None:
        """Say of each sign-in that the guard has just stopped that it has, after what it led to."""
        for state in self._endpoints.sign_ins.take_just_stopped():
            monitor = self._services.monitors.get(state.spec.service)
            if monitor is not None:
                monitor.announce_stop(state.spec.id, at)

    def next_deadline(self) -> float | None:
        """When `TimePassed` would change something, in monotonic seconds."""
        due = self._timers.next()
        return None if due == math.inf else due

    def view(self) -> View:
        """Everything as it stands now."""
        services, endpoints = self._services, self._endpoints
        assert services.overall is not None, "start comes first"
        return View(
            overall=services.overall,
            services=services.views(),
            endpoints=endpoints.latest(),
            incidents=tuple(incident.view for incident in services.open_incidents()),
            indication=services.tower.annunciator.shown,
            overlays=services.overlays.active,
            clock_offset=endpoints.clock.offset,
            silence=services.tower.silence,
            stopped=endpoints.stopped(),
        )

    def approach(self, endpoint: str, at: Moment) -> Approach:
        """What a run of an endpoint that begins now may send."""
        return self._endpoints.approach(endpoint, at)

    def sharing(self, endpoint: str) -> Iterable[str]:
        """The other endpoints that sign in with one of its accounts: only one at a time may."""
        return self._endpoints.sign_ins.sharing(endpoint)

    def explain(self, service: str) -> Explained | None:
        """Why a service is shown as it is, and what would change that; None: no such service."""
        services = self._services
        monitor = services.monitors.get(service)
        if monitor is None:
            return None
        return explain(monitor, services.tower, services.overlays, self._timers)

    def _observed(self, event: Observed) -> None:
        """Take a reading in; uses of break-glass accounts are no part of what is judged."""
        uses, state = event.reading.uses, self._endpoints.endpoints.get(event.endpoint)
        if state is None:
            return
        was, failing = state.health, state.streaks.fails > 0
        if uses:
            event = replace(event, reading=replace(event.reading, uses=()))
        self._endpoints.observed(event)
        self._count_share(state, event, was, failing=failing)
        if not uses:
            return
        if self._operations.use(state.spec.service, uses, event.started, event.at):
            self._dependencies.touch((state.spec.service,))

    def _count_share(
        self, state: EndpointState, event: Observed, was: Health, *, failing: bool
    ) -> None:
        """Count what a reading says of its service's failing share, if it says anything."""
        spec, last = state.spec, state.last
        if not is_pooled(spec) or last is None:
            return
        fell = state.health is Health.DOWN and was is not Health.DOWN
        passed = last.outcome in (Outcome.PASS, Outcome.WARN) and (event.regular or failing)
        if (fell or passed) and self._services.count_share(state, was, event.at, failed=failing):
            self._dependencies.touch((spec.service,))

    def _clock_stepped(self, event: ClockStepped) -> None:
        self._services.numbers.clock_stepped(event.by)
        self._endpoints.clock_event(event)

    def _storage_degraded(self, event: StorageDegraded) -> None:
        self._services.storage_degraded = event.on

    def _judge(self, at: Moment) -> None:
        endpoints = self._endpoints
        network, clock = endpoints.trust.network, endpoints.clock.word
        self._services.judge(self._dependencies.take_touched(), network, clock, at)

    def _for_all(self, action: Callable[..., None]) -> Callable[..., None]:
        """After this action, judge every service anew."""

        def act(event: Event) -> None:
            action(event)
            self._dependencies.touch_everything()

        return act

    def _drain(self, now: Moment) -> None:
        """Handle every deadline that has come due, each at its own time."""
        while (due := self._timers.next()) <= now:
            self._time_came(self._timers.pop(), Moment(due), now)

    def _time_came(self, name: object, at: Moment, now: Moment) -> None:
        if isinstance(name, EndpointState):
            self._endpoints.fell_silent(name, at)
        elif name == "sound":
            self._services.tower.sound_due(at, now)
        elif name == "silence":
            self._services.tower.end_silence(at)
        elif name == "operators":
            self._operations.expire(at)
            self._dependencies.touch_everything()
        elif name == "impact":
            self._dependencies.touch_everything()
        elif isinstance(name, tuple):
            kind, service = name
            if kind == "hold":
                self._services.end_hold(service, at)
            self._dependencies.touch((service,))
        if self._dependencies.touched:
            self._judge(at)
