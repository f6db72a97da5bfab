"""An endpoint as verdict and diagnosis see it: one picture for one judging of its service."""

from collections.abc import Sequence
from dataclasses import dataclass

from beacon.core.endpoint.state import EndpointState, Onset, overtaken
from beacon.core.model import LONG_AGO, Endpoint, Evidence, Health, Moment, Reading


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """One endpoint at one moment. Times are seconds.

    `statement` is what it says, since `stated_at`.
    `planned`: degraded by something plannable only. `in_trouble` also while unknown, if it was.
    `proven`: of an unknown one, its last proven health since the trouble began, else unknown.
    `raises`: it looks back, and is in trouble that still counts.
    `affects` are the endpoints that it would break, if it is a cause.
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
    up_again_at: Moment = LONG_AGO
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
        up_again_at=state.kept.up_again_at,
        affects=affects,
    )


def deciding_endpoints(endpoints: Sequence[EndpointState]) -> Sequence[EndpointState]:
    """The endpoints by which a service is well: those of its best kind of evidence."""
    present = [e for e in endpoints if not e.spec.looks_back]
    for kind in (Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE, Evidence.CLAIM):
        if found := [e for e in present or endpoints if e.spec.evidence is kind]:
            return found
    return ()
