"""What of an effect is written to the history, as rows. Pure: no file, no clock."""

from collections.abc import Iterator
from typing import Final

from beacon.core.effects import (
    Announced,
    Answered,
    Effect,
    IndicationChanged,
    OverlaysChanged,
    Postpone,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.views import SilenceChanged
from beacon.outputs.documents import UtcOf
from beacon.outputs.history.database import Row

CHANGES_MEMORY: Final = (
    *(Announced, Answered, IndicationChanged, OverlaysChanged, Postpone, ServiceChanged),
    *(SilenceChanged, Sounded, Transition),
)
"""Effects after which there is something new to remember."""


def rows(effect: Effect, utc: UtcOf) -> Iterator[Row]:
    """The rows of one effect; most have none."""
    match effect:
        case Transition(because=because):
            change = (effect.endpoint, effect.was, effect.now, because.reason, because.detail)
            yield Row("transitions", (utc(effect.at).timestamp(), *change))
        case Answered():
            command = (effect.command, effect.by, effect.origin, effect.reason, effect.error)
            about = (effect.service, "ON" if effect.on else "OFF")
            yield Row("operators", (utc(effect.at).timestamp(), *command, *about))
        case Announced(incident=view):
            number = None if view is None else view.number
            happened = (effect.service, effect.what, effect.verdict, effect.cause, effect.by)
            yield Row("story", (number, utc(effect.at).timestamp(), *happened))
        case _:
            pass
