"""The negative control: the right password with a wrong code. Green means the code was looked at.

A track of its own beside health. What it finds degrades a service, or makes it advisory; it is in
no streak, window, baseline or freshness (docs/probes/sign-ins.md).
"""

from dataclasses import dataclass, replace
from typing import Final

from beacon.core.model import NEVER, Endpoint, Moment

ACCEPTED_ENOUGH: Final = 2
"""Wrong codes in a row that are accepted until it is believed: one may be a race at the server."""
LEAST_DOUBT: Final = 3 * 86_400.0
"""Seconds without a proof after which a service is advisory, at least."""
FEWEST_REJECTIONS: Final = 2
"""A refused control counts as a rejection: with a smaller `guard_max` there are none."""


@dataclass(frozen=True, slots=True)
class ControlKept:
    """The controls of one endpoint. It survives a restart."""

    made_at: Moment | None = None  # the last one; None: the next acceptance is followed by one
    refused_at: Moment | None = None  # when a wrong code was last refused
    doubted_since: Moment | None = None  # when the first was made since the last proof
    accepted: int = 0  # wrong codes in a row

    def latched(self, spec: Endpoint) -> bool:
        """Whether wrong codes are accepted. Where none is sent any more, nobody knows."""
        return self.accepted >= ACCEPTED_ENOUGH and is_controlled(spec)

    def due(self, spec: Endpoint, at: Moment) -> bool:
        """Whether an accepted sign-in is followed by a control now."""
        if spec.control is None or not is_controlled(spec):
            return False
        if self.made_at is None:
            return True
        return at >= self.made_at + (spec.guard_interval if self.accepted else spec.control)

    def made(self, at: Moment) -> "ControlKept":
        """One is made now: from here on a proof is awaited, if it was not before."""
        fresh = self.made_at is None or self.doubted_since is None
        return replace(self, made_at=at, doubted_since=at if fresh else self.doubted_since)

    def refused(self, at: Moment) -> "ControlKept":
        """The wrong code was refused: the server looks at codes."""
        return ControlKept(self.made_at, refused_at=at)

    def taken(self) -> "ControlKept":
        """The wrong code was accepted."""
        return replace(self, accepted=min(self.accepted + 1, ACCEPTED_ENOUGH))

    def put_off(self) -> "ControlKept":
        """MFA is switched off on purpose: one is made when that has ended."""
        return replace(self, made_at=None)

    def slept(self, seconds: float) -> "ControlKept":
        """The beacon did not run for so long: that is no time in which a proof was due."""
        if self.doubted_since is None:
            return self
        return replace(self, doubted_since=Moment(self.doubted_since + seconds))

    def unproven_at(self, spec: Endpoint) -> Moment:
        """From when on its service is advisory for want of a proof."""
        if spec.control is None or not is_controlled(spec):
            return NEVER
        if self.doubted_since is None or self.made_at is None:
            return NEVER
        return Moment(self.doubted_since + max(LEAST_DOUBT, 3 * spec.control))


def is_controlled(spec: Endpoint) -> bool:
    """Whether wrong codes are sent."""
    return spec.control is not None and spec.guard_max >= FEWEST_REJECTIONS


NO_CONTROLS: Final = ControlKept()
