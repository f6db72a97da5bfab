"""An endpoint as verdict and diagnosis see it: one picture for one judging of its service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble
from beacon.core.model import Endpoint, Evidence, Health, Moment, Reading


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """One endpoint at one moment. Times are seconds.

    `statement` is what it says, since `stated_at`.
    `planned`: degraded by something plannable only. `in_trouble` also while unknown, if it was.
    `proven`: of an unknown one, its last proven health since the trouble began, else unknown.
    `raises`: it looks back, and is in trouble that still counts.
    `troubles` are what is and was wrong with a cause, `affects` the endpoints it would break.
    """

    spec: Endpoint
    health: Health
    statement: Reading | None = None
    planned: bool = False
    flapping: bool = False
    in_trouble: bool = False
    proven: Health = Health.UNKNOWN
    raises_verdict: bool = False
    stated_at: Moment | None = None
    onset: Onset | None = None
    troubles: tuple[Trouble, ...] = ()
    affects: tuple[str, ...] = ()

    @property
    def counted_health(self) -> Health:
        """The health that the verdict counts; unknown: it is left out."""
        return self.proven if self.health is Health.UNKNOWN else self.health


def snapshot_of(
    state: EndpointState, peers: Sequence[EndpointState], began_at: float, affects: tuple[str, ...]
) -> EndpointSnapshot:
    """Take the snapshot. `peers` are its service's endpoints, in trouble since `began_at`."""
    statement, stated_at = state.says
    return EndpointSnapshot(
        spec=state.spec,
        health=state.shown,
        statement=statement,
        planned=state.planned,
        flapping=state.flapping,
        in_trouble=state.in_trouble,
        proven=state.proven_since(began_at),
        raises_verdict=state.spec.looks_back and state.in_trouble and not overtaken(state, peers),
        stated_at=stated_at,
        onset=state.kept.confirmed_onset,
        troubles=state.kept.troubles,
        affects=affects,
    )


def deciding_endpoints(endpoints: Sequence[EndpointState]) -> Sequence[EndpointState]:
    """The endpoints by which a service is well: those of its best kind of evidence."""
    present = [e for e in endpoints if not e.spec.looks_back]
    for kind in (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM):
        if found := [e for e in present or endpoints if e.spec.evidence is kind]:
            return found
    return ()


def overtaken(late: EndpointState, others: Iterable[EndpointState]) -> bool:
    """Whether fresher proof shows that the trouble a lookback endpoint reports is over.

    A symptom of the present in its cell fell before it did, and came up again after the
    beginning of the time it covers. One that was up while users failed proves nothing.
    """
    kept = late.kept
    down_at = kept.confirmed_onset.at if late.still_down and kept.confirmed_onset else kept.since
    return any(
        other.kept.confirmed_onset is not None
        and other.kept.confirmed_onset.at <= down_at
        and other.kept.up_again_at > late.looks_back_to
        for other in others
        if not other.spec.looks_back
        and other.spec.evidence is Evidence.SYMPTOM
        and other.spec.cell == late.spec.cell
    )
