"""The fold: one event in, effects out, nothing else.

`Monitor` joins the intake (readings) and the room (verdicts, incidents, tower). The same
events give the same effects in the same order: iteration is always in configured order,
time comes with the events, and deadlines that have come due are handled at their own time
before the event that is later.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from beacon.core.effects import Announced, Announcement, Effect
from beacon.core.endpoint.latency_baseline import Learnt
from beacon.core.endpoint.readings import EndpointMonitors
from beacon.core.endpoint.state import EndpointState
from beacon.core.explain import Explained, explain
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    ClockStepped,
    ClockSynchronised,
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
from beacon.core.model import Site
from beacon.core.recall import recall, remember
from beacon.core.service.roll_up import Services
from beacon.core.snapshot import Memory
from beacon.core.timers import Timers
from beacon.core.views import View


class Monitor:
    """State of everything watched; `handle` folds one event in and returns the effects."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._out: list[Effect] = []
        self._timers = Timers()
        self._intake = EndpointMonitors(self._timers, self._out, self._disturbed)
        self._room = Services(site, self._timers, self._out, self._intake.waiting)
        self._handlers: dict[type, Callable[..., None]] = {
            Observed: self._observed,
            RunDelayed: self._intake.run_delayed,
            TimePassed: lambda _: None,
            Acknowledge: self._operated(self._room.acknowledge),
            Silence: self._operated(self._room.silence),
            QuietHours: self._room.quiet_hours,
            DateImplausible: self._intake.clock_told,
            ClockSynchronised: self._intake.clock_told,
            ClockStepped: self._clock_stepped,
            HourBegan: self._intake.hour_began,
            StorageDegraded: self._operated(self._room.storage),
            Resume: self._intake.resume,
        }
        operated = self._operated(self._room.operated)
        kinds = (Shelve, Maintenance, Scheduled, Bypass, Attest, Drill)
        self._handlers |= dict.fromkeys(kinds, operated)

    def start(
        self,
        at: float,
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
        self._room.zero = zero
        self._intake.baselines.restore(learnt, changed)
        if memory is None:
            return self.reconfigure(self.site, at)
        self._out.clear()
        self._intake.configure(self.site, at, frozenset())
        self._room.configure(self.site, self._intake.endpoints, at)
        self._out.extend(recall(memory, self._intake, self._room, at, changed, resume=resume))
        hushes = {kept.id: kept.hush for kept in memory.services if kept.hush is not None}
        self._room.resume_overlays(memory.overlays, hushes, at)
        self._judge(at)
        return tuple(self._out)

    def remember(self, at: float) -> Memory:
        """Everything that must survive a restart, as it stands."""
        return remember(self._intake, self._room, at)

    def learnt(self) -> tuple[tuple[Learnt, ...], frozenset[str]]:
        """What was learnt of usual latencies since the last call.

        Slots that changed, and endpoints of which all that was kept before is void.
        """
        return self._intake.baselines.changed()

    def reconfigure(
        self, site: Site, at: float, changed: frozenset[str] = frozenset()
    ) -> tuple[Effect, ...]:
        """Watch another site from now on; what is unchanged keeps its state.

        `changed` names endpoints whose probe settings changed though the core sees none.
        """
        self._out.clear()
        self._drain(at)
        self.site = site
        self._intake.configure(site, at, changed)
        self._room.configure(site, self._intake.endpoints, at)
        self._room.follow_operators(at)
        self._judge(at)
        return tuple(self._out)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Fold one event in. An event of an unknown endpoint changes nothing."""
        self._out.clear()
        self._drain(event.at)
        self._handlers[type(event)](event)
        if self._intake.touched:
            self._judge(event.at)
        self._announce_stops(event.at)
        return tuple(self._out)

    def _announce_stops(self, at: float) -> None:
        """Say of each sign-in that the guard has just stopped that it has, after what it led to."""
        stopped, self._intake.just_stopped = self._intake.just_stopped, []
        for state in stopped:
            watched = self._room.services.get(state.spec.service)
            if watched is not None:
                what, verdict = Announcement.GUARD_STOPPED, watched.state.verdict
                self._out.append(Announced(at, what, state.spec.service, verdict, by=state.spec.id))

    def next_deadline(self) -> float | None:
        """When `TimePassed` would change something, in monotonic seconds."""
        due = self._timers.next()
        return None if due == math.inf else due

    def view(self) -> View:
        """Everything as it stands now."""
        assert self._room.overall is not None, "start comes first"
        watched = self._room.services.values()
        reports = self._intake.reports
        return View(
            self._room.overall,
            tuple(w.view for w in watched if w.view is not None),
            tuple(reports[name] for name in self._intake.endpoints if name in reports),
            tuple(incident.view for incident in self._room.open_incidents()),
            self._room.tower.shown,
            self._room.operators.laid,
            self._intake.clock.offset,
            self._room.silenced,
            tuple((s.spec.id, s.stopped_at) for s in self._intake.endpoints.values() if s.guarded),
        )

    def explain(self, service: str) -> Explained | None:
        """Why a service is shown as it is, and what would change that; None: no such service."""
        watched = self._room.services.get(service)
        if watched is None:
            return None
        return replace(
            explain(watched, self._room.tower, self._room.operators, self._timers),
            silence=self._room.silenced,
        )

    def _observed(self, event: Observed) -> None:
        """Take a reading in; uses of break-glass accounts are no part of what is judged."""
        uses, state = event.reading.uses, self._intake.endpoints.get(event.endpoint)
        if not uses or state is None:
            self._intake.observed(event)
            return
        self._intake.observed(replace(event, reading=replace(event.reading, uses=())))
        if self._room.used(state.spec.service, uses, event.started, event.at):
            self._intake.touched[state.spec.service] = None

    def _clock_stepped(self, event: ClockStepped) -> None:
        self._room.clock_stepped(event)
        self._intake.clock_told(event)

    def _disturbed(self, service: str) -> bool:
        """Whether its latencies now are no measure of what is usual."""
        watched = self._room.services.get(service)
        return watched is not None and (watched.incident is not None or watched.hush is not None)

    def _judge(self, at: float) -> None:
        touched, self._intake.touched = self._intake.touched, {}
        self._room.judge(touched, self._intake.trust, at)

    def _operated(self, action: Callable[..., None]) -> Callable[..., None]:
        """After this, everything is looked at anew."""

        def act(event: Event) -> None:
            action(event)
            self._touch_all()

        return act

    def _touch_all(self) -> None:
        self._intake.touched = dict.fromkeys(self._room.services)

    def _drain(self, now: float) -> None:
        """Handle every deadline that has come due, each at its own time."""
        while (due := self._timers.next()) <= now:
            self._time_came(self._timers.pop(), due, now)

    def _time_came(self, name: object, at: float, now: float) -> None:
        if isinstance(name, EndpointState):
            self._intake.fell_silent(name, at)
        elif name == "sound":
            self._room.sound_due(at, now)
        elif name == "silence":
            self._room.end_silence(at)
        elif name == "operators":
            self._room.operators_due(at)
            self._touch_all()
        elif name == "impact":
            self._touch_all()
        elif isinstance(name, tuple):
            kind, service = name
            if kind == "hold":
                self._room.hold_ended(service, at)
            self._intake.touched[service] = None
        if self._intake.touched:
            self._judge(at)
