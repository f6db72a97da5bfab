"""What all services of a site share: one of each, owned by `core.service.roll_up`."""

from dataclasses import dataclass

from beacon.core.effects import Effect
from beacon.core.operator.overlays import Overlays
from beacon.core.service.incident import IncidentNumbers
from beacon.core.timers import Timers
from beacon.core.tower.tower_control import TowerControl


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What services act through, and where they ask for operators' overlays."""

    timers: Timers
    effects: list[Effect]
    overlays: Overlays
    tower: TowerControl
    numbers: IncidentNumbers
