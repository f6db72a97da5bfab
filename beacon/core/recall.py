"""What is remembered of a site's endpoints and services, and how they come back from it.

A verdict that was bad is held, and we are blind beside it until everything has been read
afresh; one that was good is forgotten. What somebody has acknowledged stays so.
"""

import math
from collections.abc import Container
from typing import Final

from beacon.core.effects import Announced, Announcement, FirstDue, Postpone, Recheck
from beacon.core.endpoint.readings import EndpointMonitors
from beacon.core.endpoint.state import EndpointState, Onset
from beacon.core.endpoint.streaks import WINDOW
from beacon.core.model import CALM, Health, Reading, Reason
from beacon.core.outbox import EffectOutbox
from beacon.core.service.blind import BlindAnnouncer
from beacon.core.service.incident import Incident
from beacon.core.service.roll_up import Services
from beacon.core.service.service import ServiceMonitor
from beacon.core.snapshot import (
    AlarmMemory,
    EndpointMemory,
    IncidentMemory,
    Memory,
    ServiceMemory,
    VoiceMemory,
)
from beacon.core.tower.annunciator import Alarm
from beacon.core.tower.buzzer import BuzzerPolicy
from beacon.core.views import EndpointRead, OverallView

QUIET_START: Final = 5.0
"""Seconds after a restart before an overdue re-alarm sounds: the edge may know of quiet hours."""

_STOPPED: Final = Reading(Reason.GUARD_STOPPED, "stopped before the restart by rejected sign-ins")


# --- remembering ------------------------------------------------------------------


def remember(endpoints: EndpointMonitors, services: Services, at: float) -> Memory:
    """Everything that must survive a restart, as it stands."""
    overall, annunciator = services.overall, services.tower.annunciator
    if overall is not None and overall.verdict in CALM:
        overall = None
    return Memory(
        at=at,
        endpoints=tuple(_endpoint(state, endpoints) for state in endpoints.endpoints.values()),
        services=tuple(
            _service(monitor, annunciator.alarms[name], at)
            for name, monitor in services.monitors.items()
        ),
        incidents=services.numbers.last,
        overall=overall.verdict if overall else None,
        overall_since=overall.since if overall else None,
        silence=services.tower.silence,
        overlays=services.overlays.active,
        uses=services.overlays.reported_uses,
        voice=_voice(annunciator.buzzer),
    )


def _endpoint(state: EndpointState, endpoints: EndpointMonitors) -> EndpointMemory:
    known = state.health is not Health.UNKNOWN
    costly = known and state.spec.costly
    return EndpointMemory(
        id=state.spec.id,
        health=state.health if known else state.before,
        since=state.since,
        up_again_at=_some(state.up_again_at),
        ails=state.unplanned,
        proven=state.guard.proven,
        rejections=state.guard.rejections,
        guard_until=_some(state.guard.until),
        stopped_at=state.guard.stopped_at if state.guarded else None,
        flapping=state.flapping,
        held=state.flaps.held if state.flapping else Health.UP,
        history=state.flaps.history if state.flapping else 0,
        changes_from=state.flaps.changes_from if state.flapping else 0,
        fell=state.confirmed_onset,
        slow=state.slowness.slow,
        arrivals=tuple(state.arrivals.values()),
        passed_at=None if known else _some(state.passed_at),
        # Only lookback endpoints need this. For others it would write the SD card at every reading.
        told_at=None if state.spec.hindsight is None else _some(state.informed_at),
        last=state.last if costly else None,
        read_at=state.started if costly else None,
        stale_at=endpoints.stale_at(state) if costly else None,
        fails=state.streaks.fails if costly else 0,
    )


def _service(watched: ServiceMonitor, alarm: Alarm, at: float) -> ServiceMemory:
    state, incident = watched.state, watched.incident
    calm = state.verdict in CALM
    proved = state.proof_at if state.blind else at
    left = state.hold_left if state.hold_until is None else state.hold_until - at
    return ServiceMemory(
        id=watched.spec.id,
        verdict=None if calm else state.verdict,
        since=None if calm else state.since,
        proof_at=None if calm else proved,
        was_red=state.was_red,
        red_since=state.red_since,
        red_seconds=state.red_seconds,
        admitted=state.admitted,
        hold_left=left,
        suppressed=watched.inhibited,
        told_blind=watched.blind_announcer.announced_blind,
        sighted_at=watched.blind_announcer.sighted_at,
        damped=watched.blind_announcer.damped,
        hush=watched.suppression,
        incident=None
        if incident is None
        else IncidentMemory(
            view=incident.view,
            relapsed_at=incident.relapsed_at,
            admitted_at=incident.admitted_at,
            told_recovering=incident.announced_recovering,
            onset_at=incident.onset_at,
        ),
        alarm=AlarmMemory(
            stage=alarm.stage,
            turn=alarm.turn,
            realarms=alarm.realarms,
            realarm_at=_some(alarm.realarm_at),
        ),
    )


def _voice(buzzer: BuzzerPolicy) -> VoiceMemory:
    return VoiceMemory(
        swallowed=buzzer.swallowed,
        opened_at=_some(buzzer.opened_at),
        opened_rank=buzzer.opened_rank,
        spent_at=tuple(buzzer.spent),
    )


def _some(moment: float) -> float | None:
    return moment if math.isfinite(moment) else None


# --- recalling --------------------------------------------------------------------


def recall(
    memory: Memory,
    endpoints: EndpointMonitors,
    services: Services,
    outbox: EffectOutbox,
    *,
    at: float,
    changed: Container[str],
    resume: bool,
) -> None:
    """Bring a site that was just configured back to what is remembered of it.

    What is watched no longer is dropped, its incident closed. `changed` names endpoints
    that are asked something else now: of them nothing is known. `resume`: an operator
    restarted us, so sign-ins that the guard stopped may be tried again.
    """
    for each in memory.endpoints:
        state = endpoints.endpoints.get(each.id)
        if state is not None and each.id not in changed:
            _recall_endpoint(state, each, resume=resume)
            _keep_from_running(endpoints, outbox, state, at)
            _let_count(endpoints, outbox, state, each, at)
    annunciator = services.tower.annunciator
    for kept in memory.services:
        monitor = services.monitors.get(kept.id)
        if monitor is not None:
            _recall_service(monitor, annunciator.alarms[kept.id], kept, at)
        elif kept.incident is not None:
            outbox.put(_dropped(kept.incident, at))
    services.numbers.last = memory.incidents
    services.overlays.reported_uses = memory.uses
    services.overall = _before(memory)
    _recall_buzzer(annunciator.buzzer, memory.voice)
    if memory.silence is not None and services.open_incidents():
        services.tower.resume_silence(memory.silence, at)


def _recall_endpoint(state: EndpointState, kept: EndpointMemory, *, resume: bool) -> None:
    state.before, state.since = kept.health, kept.since
    state.up_again_at = _other(kept.up_again_at, -math.inf)
    guard, flaps = state.guard, state.flaps
    state.unplanned, guard.proven, guard.rejections = kept.ails, kept.proven, kept.rejections
    flaps.flapping, flaps.held = kept.flapping, kept.held
    flaps.history, flaps.changes_from = kept.history, kept.changes_from
    state.confirmed_onset = kept.fell
    guard.until = _other(kept.guard_until, -math.inf)
    state.slowness.slow = kept.slow
    state.arrivals = {each.delivery: each for each in kept.arrivals}
    worked = kept.health in (Health.UP, Health.DEGRADED)
    state.passed_at = _other(kept.passed_at, math.inf if worked else -math.inf)
    state.informed_at = _other(kept.told_at, math.inf)
    if kept.stopped_at is None:
        return
    if resume:
        guard.until = kept.stopped_at + state.spec.guard_interval
        return
    guard.stopped_at, guard.until = kept.stopped_at, math.inf
    state.settled = True  # it will not be read: nothing is starting


def _keep_from_running(
    endpoints: EndpointMonitors, outbox: EffectOutbox, state: EndpointState, at: float
) -> None:
    if state.guard.until > at:
        outbox.put(Postpone(at, state.spec.id, state.guard.until))
    if state.guarded:
        endpoints.report(
            EndpointRead(at, state.spec.id, _STOPPED, state.shown, state.streaks.fails)
        )


def _let_count(
    endpoints: EndpointMonitors,
    outbox: EffectOutbox,
    state: EndpointState,
    kept: EndpointMemory,
    at: float,
) -> None:
    """What cost a message counts until it is stale; the next is sent when it would have been."""
    spec, last, read_at, stale_at = state.spec, kept.last, kept.read_at, kept.stale_at
    if not spec.costly or kept.health is None or last is None or read_at is None:
        return
    if stale_at is None or stale_at <= at or state.guarded:
        return
    state.health, state.settled, state.started = kept.health, True, read_at
    state.last = state.statement = last
    state.stated_at = read_at
    if kept.fails:
        state.streaks.fails, state.fail_since = kept.fails, read_at
        state.streaks.window = (1 << min(kept.fails, WINDOW)) - 1
        state.onset = Onset(read_at, last)
    endpoints.expect(state, stale_at)
    endpoints.report(EndpointRead(read_at, spec.id, last, state.shown, state.streaks.fails))
    due = read_at + spec.interval
    if due > max(at, state.guard.until):
        outbox.put(FirstDue(at, spec.id, due))
        if state.wants_recheck and spec.retry_interval is not None:
            outbox.put(Recheck(at, max(at, read_at + spec.retry_interval), (spec.id,)))


def _recall_service(watched: ServiceMonitor, alarm: Alarm, kept: ServiceMemory, at: float) -> None:
    state, incident = watched.state, kept.incident
    if kept.verdict is not None:
        state.verdict, state.since = kept.verdict, _other(kept.since, at)
        state.proof_at = kept.proof_at
    state.was_red, state.red_since, state.red_seconds = (
        kept.was_red,
        kept.red_since,
        kept.red_seconds,
    )
    state.admitted, state.hold_left = kept.admitted, kept.hold_left
    watched.inhibited = kept.suppressed
    watched.blind_announcer = BlindAnnouncer(kept.told_blind, kept.sighted_at, kept.damped)
    if incident is not None:
        watched.incident = Incident(
            incident.view,
            incident.relapsed_at,
            incident.admitted_at,
            incident.told_recovering,
            incident.onset_at,
        )
    alarm.stage, alarm.realarms = kept.alarm.stage, kept.alarm.realarms
    alarm.turn = kept.alarm.turn
    alarm.inhibited = kept.suppressed
    if kept.alarm.realarm_at is not None:
        overdue = kept.alarm.realarm_at <= at
        alarm.realarm_at = at + QUIET_START if overdue else kept.alarm.realarm_at


def _recall_buzzer(buzzer: BuzzerPolicy, kept: VoiceMemory) -> None:
    buzzer.swallowed, buzzer.opened_rank = kept.swallowed, kept.opened_rank
    buzzer.opened_at = _other(kept.opened_at, -math.inf)
    buzzer.spent.extend(kept.spent_at)


def _dropped(kept: IncidentMemory, at: float) -> Announced:
    """Close the incident of a service that is watched no longer."""
    incident = Incident(kept.view)
    incident.close(at, kept.view.verdict)
    view = incident.view
    return Announced(at, Announcement.CLOSED, view.service, view.verdict, view, view.cause)


def _before(memory: Memory) -> OverallView | None:
    """What was shown before, as far as it says since when."""
    if memory.overall is None or memory.overall_since is None:
        return None
    return OverallView(
        verdict=memory.overall,
        problem=True,
        since=memory.overall_since,
        blind=True,
        starting=True,
        services=(),
    )


def _other(moment: float | None, otherwise: float) -> float:
    return otherwise if moment is None else moment
