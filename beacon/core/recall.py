"""What is remembered of a site, and how endpoints and services go on from it.

A verdict that was bad is held, and we are blind beside it until everything has been read
afresh; one that was good is forgotten. What somebody has acknowledged stays so.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from beacon.core.effects import (
    Announced,
    Announcement,
    Effect,
    FirstDue,
    Recheck,
)
from beacon.core.endpoint.paid_reading import PaidReading, let_count, paid_reading
from beacon.core.endpoint.readings import EndpointMonitors
from beacon.core.endpoint.sign_ins import STOPPED
from beacon.core.endpoint.state import EndpointState
from beacon.core.memory import Memory
from beacon.core.model import CALM, Moment
from beacon.core.service.incident import Incident
from beacon.core.service.roll_up import Services
from beacon.core.tower.alarm import AlarmKept
from beacon.core.views import EndpointRead

QUIET_START: Final = 5.0
"""Seconds after a restart before an overdue sound comes: the edge may know of quiet hours."""


def remember(endpoints: EndpointMonitors, services: Services, at: Moment) -> Memory:
    """Everything that must survive a restart, as it stands. Later changes leave it as it is."""
    overall, annunciator = services.kept, services.tower.annunciator
    states = endpoints.endpoints.items()
    paid = ((name, paid_reading(state, endpoints.timers.get(state))) for name, state in states)
    return Memory(
        at=at,
        endpoints={name: state.kept for name, state in states},
        accounts=dict(endpoints.sign_ins.budgets),
        paid={name: reading for name, reading in paid if reading is not None},
        arrivals=tuple(counts for _, state in states for counts in state.arrivals.values()),
        services={name: each.kept_at(at) for name, each in services.monitors.items()},
        alarms={name: replace(each.kept) for name, each in annunciator.alarms.items()},
        buzzer=annunciator.buzzer.kept,
        incidents=services.numbers.last,
        overall=None if overall is None or overall.verdict in CALM else overall,
        silence=services.tower.silence,
        overlays=services.overlays.active,
        uses=services.overlays.reported_uses,
    )


def recall(
    memory: Memory,
    endpoints: EndpointMonitors,
    services: Services,
    effects: list[Effect],
    *,
    at: Moment,
    changed: Collection[str],
    resume: bool,
) -> None:
    """Bring a site that was just configured back to what is remembered of it.

    What is watched no longer is dropped, its incident closed. `changed` names endpoints
    that are asked something else now: of them nothing is known. `resume`: an operator
    restarted us, so sign-ins that the guard stopped may be tried again.
    """
    same = {n: kept for n, kept in memory.endpoints.items() if n not in changed}
    guards = {name: kept.guard for name, kept in same.items()}
    endpoints.sign_ins.restore(memory.accounts, guards, at, resumed=resume)
    for name, kept in same.items():
        state = endpoints.endpoints.get(name)
        if state is not None:
            state.recall(replace(kept, guard=kept.guard.recalled(resumed=resume)))
            state.arrivals = {c.delivery: c for c in memory.arrivals if c.cause == name}
            _wait_for_reading(endpoints, state, at)
            if name in memory.paid:
                _let_count(endpoints, effects, state, memory.paid[name], at)
    _hold_sign_ins(endpoints, changed, at, slept=at - memory.at)
    annunciator = services.tower.annunciator
    for name, service in memory.services.items():
        if name in services.monitors:
            services.monitors[name].recall(service)
        elif service.incident is not None:
            effects.append(_dropped(service.incident, at))
    for name, alarm in memory.alarms.items():
        if name in annunciator.alarms:
            annunciator.alarms[name].kept = _not_at_once(alarm, at)
    annunciator.buzzer.kept = memory.buzzer
    services.numbers.last = memory.incidents
    services.overlays.reported_uses = memory.uses
    services.kept = memory.overall
    if memory.silence is not None and services.open_incidents():
        services.tower.keep_silent(memory.silence, at)


def _hold_sign_ins(
    endpoints: EndpointMonitors, changed: Collection[str], at: Moment, *, slept: float
) -> None:
    """Hold back what the budgets hold back; credentials that changed may be tried once more."""
    sign_ins, states = endpoints.sign_ins, endpoints.endpoints
    sign_ins.allow_once(state for name, state in states.items() if name in changed)
    sign_ins.follow(at)
    sign_ins.take_just_stopped()  # it was announced before the start
    endpoints.controls.recall(states.values(), slept, at)


def _wait_for_reading(endpoints: EndpointMonitors, state: EndpointState, at: Moment) -> None:
    if not state.settled:  # what is not read in time is unknown, and no longer waited for
        endpoints.staleness.wait_for(state, at + state.longest_unread)
    if state.guarded:
        endpoints.timers.set(state, None)
        endpoints.report(EndpointRead(at, state.spec.id, STOPPED, state.shown, state.streaks.fails))


def _let_count(
    endpoints: EndpointMonitors,
    effects: list[Effect],
    state: EndpointState,
    paid: PaidReading,
    at: Moment,
) -> None:
    """Let what cost a message count; the next one is sent when it would have been."""
    spec, started = state.spec, paid.started
    if not let_count(state, paid, at):
        return
    endpoints.timers.set(state, paid.stale_at)
    endpoints.report(EndpointRead(started, spec.id, paid.reading, state.shown, paid.fails))
    due = started + spec.interval
    if due > max(at, state.held_until):
        effects.append(FirstDue(at, spec.id, due))
        if state.wants_recheck and spec.retry_interval is not None:
            effects.append(Recheck(at, max(at, started + spec.retry_interval), (spec.id,)))


def _not_at_once(alarm: AlarmKept, at: Moment) -> AlarmKept:
    soon = Moment(at + QUIET_START)
    realarm_at = soon if alarm.realarm_at <= at else alarm.realarm_at
    sound_at = soon if alarm.sound_at <= at else alarm.sound_at
    return replace(alarm, realarm_at=realarm_at, sound_at=sound_at)


def _dropped(kept: Incident, at: Moment) -> Announced:
    """Close the incident of a service that is watched no longer."""
    incident = replace(kept)
    incident.close(at, kept.view.verdict)
    view = incident.view
    return Announced(at, Announcement.CLOSED, view.service, view.verdict, view, view.cause)
