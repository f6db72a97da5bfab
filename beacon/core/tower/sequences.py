"""The annunciator's sequences by their ISA-18.1 names, as tables; `docs/annunciator.md` draws them.

A stage is where one service stands between people and the tower; the verdict says which
lamp, the stage says how it burns. What a table does not name changes nothing. The group of
the standard's first-out is all services at one tower.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from beacon.core.model import Sequence


class Stage(StrEnum):
    """Where a service stands between people and the tower."""

    NORMAL = "normal"
    ALARM = "alarm"  # wrong, and nobody has acknowledged it
    ACKNOWLEDGED = "acknowledged"  # wrong, and somebody has
    LOCKED_IN = "locked in"  # over, and nobody has acknowledged it
    RESET_DUE = "reset due"  # over and acknowledged; M: shown until it is reset
    RINGBACK = "ringback"  # over and acknowledged; R: asks to be reset


class AlarmEvent(StrEnum):
    """What moves a service from stage to stage."""

    ALARM = "alarm"  # an incident opens, escalates or relapses
    ACKNOWLEDGE = "acknowledge"  # the button; where all is over, it resets
    RETURN = "return"  # lastingly well: the incident closes
    UNDO = "undo"  # an acknowledgement is taken back, while the incident is open


class Turn(StrEnum):
    """Where the alarm of one service stands among those of the group."""

    NONE = "none"  # it has not come as an alarm
    FIRST_OUT = "first-out"
    SUBSEQUENT = "subsequent"


Table = Mapping[tuple[Stage, AlarmEvent], Stage]

_COMMON: Final = {
    **{(stage, AlarmEvent.ALARM): Stage.ALARM for stage in Stage},
    (Stage.ALARM, AlarmEvent.ACKNOWLEDGE): Stage.ACKNOWLEDGED,
    (Stage.ALARM, AlarmEvent.RETURN): Stage.LOCKED_IN,
    (Stage.ACKNOWLEDGED, AlarmEvent.UNDO): Stage.ALARM,
}

SEQUENCES: Final[Mapping[Sequence, Table]] = MappingProxyType(
    {
        Sequence.A: {
            **_COMMON,
            (Stage.ACKNOWLEDGED, AlarmEvent.RETURN): Stage.NORMAL,
            (Stage.LOCKED_IN, AlarmEvent.ACKNOWLEDGE): Stage.NORMAL,
        },
        Sequence.M: {
            **_COMMON,
            (Stage.ACKNOWLEDGED, AlarmEvent.RETURN): Stage.RESET_DUE,
            (Stage.LOCKED_IN, AlarmEvent.ACKNOWLEDGE): Stage.RESET_DUE,
            (Stage.RESET_DUE, AlarmEvent.ACKNOWLEDGE): Stage.NORMAL,
        },
        Sequence.R: {
            **_COMMON,
            (Stage.ACKNOWLEDGED, AlarmEvent.RETURN): Stage.RINGBACK,
            (Stage.LOCKED_IN, AlarmEvent.ACKNOWLEDGE): Stage.RINGBACK,
            (Stage.RINGBACK, AlarmEvent.ACKNOWLEDGE): Stage.NORMAL,
        },
    }
)
"""Automatic reset, manual reset, ringback."""

WITHOUT_LOCK_IN: Final[Table] = MappingProxyType({(Stage.ALARM, AlarmEvent.RETURN): Stage.NORMAL})
"""What `lock_in: false` changes: trouble that went by itself is forgotten."""

FIRST_OUT: Final = frozenset({Stage.ALARM, Stage.LOCKED_IN})
"""The stages in which an alarm keeps its turn; acknowledging resets it, as in ISA's F1 and F2."""


def table(sequence: Sequence, *, lock_in: bool) -> Table:
    """The table of a sequence, with or without lock-in."""
    return SEQUENCES[sequence] if lock_in else {**SEQUENCES[sequence], **WITHOUT_LOCK_IN}
