"""What holds an alarm back because something it depends on is in trouble itself (`depends_on`).

Only a parent inhibits that people know of: read, down, and part of an announced incident. And only
a child that never worked without it: one that was up for long beside a dead parent and then falls
is an alarm of its own.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Health, Moment

WORKS_WITHOUT: Final = 300.0
"""Seconds after a parent fell in which a child that passes proves nothing."""


class ParentService(Protocol):
    """What must be known of the service of a parent."""

    @property
    def announced(self) -> bool:
        """Whether people know that it is in trouble."""


Parent = tuple[EndpointState, ParentService | None]


def depends_on_trouble(child: EndpointState, parents: Iterable[Parent], at: Moment) -> bool:
    """Whether trouble of a parent explains that a child is wrong."""
    return any(
        _awaits_reading(child, parent, at)
        or (
            service is not None
            and service.announced
            and _down_as_read(parent, at)
            and not _works_without(child, parent)
        )
        for parent, service in parents
    )


def _down_as_read(parent: EndpointState, at: Moment) -> bool:
    """Whether it is known to be down, or was until just now: long unknown explains nothing."""
    lately = not parent.settled or at - parent.kept.since < parent.longest_unread
    unknown = parent.health is Health.UNKNOWN and parent.kept.health is Health.DOWN
    return parent.health is Health.DOWN or (unknown and lately)


def _works_without(child: EndpointState, parent: EndpointState) -> bool:
    """Whether the child was proved up long after its parent had fallen."""
    onset, worked_at = parent.kept.confirmed_onset, child.kept.worked_at
    if onset is None or worked_at is None:
        return False
    return worked_at - onset.at > max(WORKS_WITHOUT, 2 * child.spec.interval, onset.ttl or 0.0)


def _awaits_reading(child: EndpointState, parent: EndpointState, at: Moment) -> bool:
    """Whether the parent just came up again, and the child has not been read since.

    One that cannot be asked again needs no later reading.
    """
    up_at = parent.kept.up_again_at
    return child.rereadable and child.started < up_at and at - up_at < child.longest_unread
