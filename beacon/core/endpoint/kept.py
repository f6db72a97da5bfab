"""What survives a restart of one endpoint."""

from dataclasses import dataclass

from beacon.core.account.control import NO_CONTROLS, ControlKept
from beacon.core.account.guard import UNTRIED, SignInGuard
from beacon.core.endpoint.flapping import Flapping
from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble
from beacon.core.model import LONG_AGO, NEVER, Health, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointKept:
    """It is replaced when it changes; a steady reading leaves it equal."""

    since: Moment
    health: Health | None = None  # the last one known
    unplanned: bool = False  # in trouble that is not planned
    slow: bool = False  # lastingly: above `slow_after`, or against what is usual
    slow_until: Moment = LONG_AGO  # when it was last so, or about to be; not while it is
    up_again_at: Moment = LONG_AGO  # when it last came up after having been down
    confirmed_onset: Onset | None = None  # the onset of the last time it went down
    troubles: tuple[Trouble, ...] = ()  # of a cause: each thing that is wrong, and what was lately
    passed_at: Moment | None = None  # while unknown: when the last run began that passed
    worked_at: Moment | None = None  # when the last run began that passed while it was up
    informed_at: Moment = NEVER  # lookback: when the last run began that was no error
    guard: SignInGuard = UNTRIED
    control: ControlKept = NO_CONTROLS
    flapping: Flapping | None = None
