"""A reading that cost a message counts until it is stale, also over a restart.

A restart sends no message: so this is the one thing that is green without fresh evidence.
"""

from dataclasses import dataclass

from beacon.core.effects import Effect, FirstDue, Recheck
from beacon.core.endpoint.readings import EndpointMonitors
from beacon.core.endpoint.state import EndpointState, Onset
from beacon.core.endpoint.streaks import WINDOW
from beacon.core.model import Health, Moment, Reading
from beacon.core.views import EndpointRead


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidReading:
    """The last reading of one endpoint."""

    reading: Reading
    started: Moment
    stale_at: Moment
    fails: int = 0


def paid_reading(state: EndpointState, endpoints: EndpointMonitors) -> PaidReading | None:
    """The last reading of an endpoint, if it cost a message and counts."""
    stale_at, last = endpoints.timers.get(state), state.last
    known = state.health is not Health.UNKNOWN
    if not (state.spec.costly and known) or last is None or stale_at is None:
        return None
    return PaidReading(
        reading=last, started=state.started, stale_at=Moment(stale_at), fails=state.streaks.fails
    )


def let_count(
    endpoints: EndpointMonitors,
    effects: list[Effect],
    state: EndpointState,
    paid: PaidReading,
    at: Moment,
) -> None:
    """Let it count after a restart; the next message is sent when it would have been."""
    spec, health, started = state.spec, state.kept.health, paid.started
    if health is None or paid.stale_at <= at or state.guarded:
        return
    state.health, state.settled, state.started = health, True, started
    state.last = state.statement = paid.reading
    state.stated_at = started
    if paid.fails:
        state.streaks.fails, state.fail_since = paid.fails, started
        state.streaks.window = (1 << min(paid.fails, WINDOW)) - 1
        state.onset = Onset(started, paid.reading)
    endpoints.timers.set(state, paid.stale_at)
    endpoints.report(EndpointRead(started, spec.id, paid.reading, state.shown, paid.fails))
    due = started + spec.interval
    if due > max(at, state.kept.guard.until):
        effects.append(FirstDue(at, spec.id, due))
        if state.wants_recheck and spec.retry_interval is not None:
            effects.append(Recheck(at, max(at, started + spec.retry_interval), (spec.id,)))
