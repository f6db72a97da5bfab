"""A reading that cost a message counts until it is stale: over a restart, and over a loss of trust.

Neither sends a message: so this is the one thing that is green without fresh evidence.
"""

from dataclasses import dataclass

from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.streaks import WINDOW, Onset
from beacon.core.model import Health, Moment, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidReading:
    """The last reading of one endpoint."""

    reading: Reading
    started: Moment
    stale_at: Moment
    fails: int = 0


def paid_reading(state: EndpointState, stale_at: float | None) -> PaidReading | None:
    """The last reading of an endpoint, if it cost a message and counts; stale at `stale_at`."""
    last, known = state.last, state.health is not Health.UNKNOWN
    if not (state.spec.costly and known) or last is None or stale_at is None:
        return None
    return PaidReading(
        reading=last, started=state.started, stale_at=Moment(stale_at), fails=state.streaks.fails
    )


def let_count(state: EndpointState, paid: PaidReading, at: Moment) -> bool:
    """Let it count again, if it is not stale; whether it does."""
    health, started = state.kept.health, paid.started
    if health is None or paid.stale_at <= at or state.guarded:
        return False
    state.health, state.settled, state.started = health, True, started
    state.last = state.statement = paid.reading
    state.stated_at = started
    if paid.fails:
        state.streaks.fails = paid.fails
        state.streaks.window = (1 << min(paid.fails, WINDOW)) - 1
        state.streaks.first = Onset(started, paid.reading)
        state.streaks.latest = (state.streaks.first,)
    return True
