"""What must survive a restart: the `kept` of every owner, written down by the edge.

Nothing here says that something is well: that takes fresh evidence, except where every reading
costs a message. Clocks that count from the boot begin anew with it, so the edge says by how much
all moments shift; a moment is what has the type `Moment`.

The names of fields are stored: renaming one needs a migration (`outputs.history.migration`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar, get_args, get_type_hints

from beacon.core.account.budget import AccountBudget
from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.paid_reading import PaidReading
from beacon.core.model import Moment
from beacon.core.service.roll_up import OverallKept
from beacon.core.service.service import ServiceKept
from beacon.core.tower.alarm import AlarmKept
from beacon.core.tower.buzzer import SILENT_SO_FAR, BuzzerKept
from beacon.core.views import Arrivals, IncidentView, Overlay, SilenceChanged

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Remembered = TypeVar("Remembered", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Everything that must survive a restart, as it stood `at`.

    Endpoints, services and alarms are by id, accounts by hash. `uses` are the ids of the uses of
    break-glass accounts that were announced, the newest last.
    """

    at: Moment
    endpoints: dict[str, EndpointKept] = field(default_factory=dict)
    accounts: dict[str, AccountBudget] = field(default_factory=dict)
    paid: dict[str, PaidReading] = field(default_factory=dict)
    arrivals: tuple[Arrivals, ...] = ()
    services: dict[str, ServiceKept] = field(default_factory=dict)
    alarms: dict[str, AlarmKept] = field(default_factory=dict)
    buzzer: BuzzerKept = SILENT_SO_FAR
    incidents: int = 0
    overall: OverallKept | None = None
    silence: SilenceChanged | None = None
    overlays: tuple[Overlay, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def open_incidents(self) -> tuple[IncidentView, ...]:
        """Every incident that has not closed."""
        return tuple(s.incident.view for s in self.services.values() if s.incident is not None)


def with_moments(remembered: Remembered, change: Callable[[Moment], Moment]) -> Remembered:
    """Return the same, with every moment in it changed."""
    hints = _hints(type(remembered)).items()
    return replace(remembered, **{n: _changed(getattr(remembered, n), h, change) for n, h in hints})


def _changed(value: object, hint: object, change: Callable[[Moment], Moment]) -> object:
    """Return a value of this type, with every moment in it changed."""
    parts = get_args(hint)
    if isinstance(value, tuple):
        return tuple(_changed(each, parts[0], change) for each in value)
    if isinstance(value, dict):
        return {name: _changed(each, parts[1], change) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return with_moments(value, change)
    if isinstance(value, float) and Moment in (hint, *parts):
        return change(Moment(value))
    return value


_hints = cache(get_type_hints)
