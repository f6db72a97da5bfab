"""Can we trust our own eyes? The network, by what our witnesses see.

Uplink lost: every witness outside fails, and nothing outside has passed since. LAN lost:
the local witnesses fail too. With no witness outside we never call ourselves blind.
Resolver lost: our own resolver answers for no witness outside that is asked by name; where
there is but one such, for nothing else outside since either.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from beacon.core.model import Endpoint, Outcome, Reading, Reason

ROUND_EVERY: Final = 2.0
"""Seconds between two rounds of witnesses called for by failing endpoints."""

LONGEST_BLIP: Final = 60.0
"""Seconds after the loss of all witnesses in which a pass may be a blip of a dying line."""

_ANSWERED: Final = frozenset(
    {Reason.TLS_EXPIRED, Reason.TLS_NOT_YET_VALID, Reason.OWN_CLOCK, Reason.RATE_LIMITED}
)


def reached(reading: Reading) -> bool | None:
    """Whether a witness's reading shows its host reachable; None: it says nothing."""
    if reading.reason in _ANSWERED or reading.outcome in (Outcome.PASS, Outcome.WARN):
        return True
    return False if reading.outcome is Outcome.FAIL else None


class Confirmation(Enum):
    """Whether a failing endpoint may be called down: what the witnesses say."""

    OPEN = auto()
    PENDING = auto()  # the witnesses have not answered yet
    WAITING = auto()  # every witness fails, but no longer proves a loss: another pass decides
    SHUT = auto()  # our own network is gone: the fails are ours


@dataclass(slots=True)
class _Seen:
    """The last word of one witness."""

    reached: bool | None = None
    started: float = -math.inf
    lost_since: float = math.inf  # since when it has not been reached, without a break
    by_name: bool = False  # our own resolver is asked for its address
    unresolved_since: float = math.inf  # since when it does not answer, without a break


class Trust:
    """What we hold of our own network."""

    def __init__(self, witnesses: tuple[Endpoint, ...]) -> None:
        self.witnesses = witnesses
        self.outside = tuple(w.id for w in witnesses if not w.local)
        self.inside = tuple(w.id for w in witnesses if w.local)
        self._seen = {w.id: _Seen() for w in witnesses}
        self._passed = -math.inf  # when the last passing run of something outside began
        self._passed_inside = -math.inf  # … of anything at all
        # When the last run of something outside began whose name our resolver answered for,
        self._resolved = -math.inf
        self._unresolved = -math.inf  # … and did not answer for.
        self.uplink_lost = self.lan_lost = self.resolver_lost = False
        self.back_at = self.resolver_back_at = -math.inf  # when the last loss ended

    @property
    def network(self) -> str:
        """One word: ok, lost or unverified (fewer than two witnesses outside)."""
        if self.uplink_lost or self.resolver_lost:
            return "lost"
        return "ok" if len(self.outside) > 1 else "unverified"

    def covers(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint's readings are void now, by our own network."""
        return self.lan_lost if endpoint.local else self.uplink_lost

    def unresolved(self, endpoint: Endpoint, reading: Reading, started: float) -> bool:
        """Whether a reading failed for want of our own resolver."""
        if not self.failed_by_name(reading):
            return False
        return self.resolver_lost or (not endpoint.local and started < self.resolver_back_at)

    @staticmethod
    def failed_by_name(reading: Reading | None) -> bool:
        """Whether a run failed because our resolver did not answer."""
        if reading is None:
            return False
        return reading.outcome is Outcome.FAIL and reading.resolver is False

    def gate(self, endpoint: Endpoint, failed_at: float, *, by_name: bool = False) -> Confirmation:
        """Whether an endpoint failing since `failed_at` may be called down.

        `by_name`: our resolver did not answer, so all our eyes must have been asked.
        """
        if by_name and (found := self._resolver_gate(failed_at)) is not Confirmation.OPEN:
            return found
        asked = self.asked_by(endpoint)
        if not asked:
            return Confirmation.OPEN
        if self.covers(endpoint):
            return Confirmation.SHUT
        answered = [self._seen[name] for name in asked if self._seen[name].started >= failed_at]
        passed = self._passed_inside if endpoint.local else self._passed
        if passed >= failed_at or any(seen.reached for seen in answered):
            return Confirmation.OPEN
        if len(answered) < len(asked):
            return Confirmation.PENDING
        return self._unreached_gate(answered, passed)

    @staticmethod
    def _unreached_gate(answered: list[_Seen], passed: float) -> Confirmation:
        """What a whole round of witnesses that reached nothing means.

        Witnesses that still fail while something else passes are dead themselves. If they shut the
        gate, whatever fails beside them would never be down.
        """
        lost = [seen.lost_since for seen in answered if seen.reached is False]
        if not lost:
            return Confirmation.OPEN
        dead = passed >= max(lost) + LONGEST_BLIP
        return Confirmation.WAITING if dead else Confirmation.SHUT

    def _resolver_gate(self, failed_at: float) -> Confirmation:
        if any(self._seen[name].started < failed_at for name in self.outside):
            return Confirmation.PENDING
        return Confirmation.SHUT if self.resolver_lost else Confirmation.OPEN

    def asked_by(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The witnesses whose word decides whether this endpoint's fails are ours."""
        if not endpoint.local:
            return self.outside
        return self.inside + self.outside if self.inside else ()

    def witnessed(self, witness: str, reading: Reading, at: float, started: float) -> None:
        """Take in what one witness saw; afterwards the losses hold."""
        seen = self._seen[witness]
        seen.reached, seen.started = reached(reading), started
        if seen.reached is not False:
            seen.lost_since = math.inf
        elif seen.lost_since == math.inf:
            seen.lost_since = started
        self._witness_looked_up(seen, reading, at)
        self._judge(at)

    def passed(self, endpoint: Endpoint, at: float, started: float) -> None:
        """Something was reached: nothing outside can be if the uplink is gone."""
        if endpoint.pushed:  # somebody else reached it, and may be our neighbour
            return
        self._passed_inside = max(self._passed_inside, started)
        if not endpoint.local:
            self._passed = max(self._passed, started)
            if self.uplink_lost and started >= self._lost_since(self.outside):
                self._judge(at)

    def looked_up(self, endpoint: Endpoint, reading: Reading, at: float, started: float) -> None:
        """Take in whether our resolver answered for something outside."""
        if endpoint.local or reading.resolver is None:
            return
        if reading.resolver:
            self._resolved = max(self._resolved, started)
        else:
            self._unresolved = max(self._unresolved, started)
        self._judge(at)

    @staticmethod
    def _witness_looked_up(seen: _Seen, reading: Reading, at: float) -> None:
        if reading.resolver is None:
            return
        seen.by_name = True
        if reading.resolver:
            seen.unresolved_since = math.inf
        elif seen.unresolved_since == math.inf:
            # Its end: what began meanwhile may have been answered before the resolver died.
            seen.unresolved_since = at

    def _is_resolver_lost(self) -> bool:
        """One name alone may be at fault itself: it takes a second that is not found either.

        Two witnesses are enough: what else is found may come out of a cache.
        """
        by_name = [seen for seen in map(self._seen.__getitem__, self.outside) if seen.by_name]
        since = max((seen.unresolved_since for seen in by_name), default=math.inf)
        if since == math.inf or len(by_name) > 1:
            return since < math.inf
        return self._resolved < since and self._unresolved > self._resolved

    def _lost_since(self, names: tuple[str, ...]) -> float:
        return max((self._seen[name].lost_since for name in names), default=math.inf)

    def _judge(self, at: float) -> None:
        since = self._lost_since(self.outside)
        lost = since < math.inf and self._passed < since
        if self.uplink_lost and not lost:
            self.back_at = at
        self.uplink_lost = lost
        self.lan_lost = lost and self._lost_since(self.inside) < math.inf
        unresolved = self._is_resolver_lost()
        if self.resolver_lost and not unresolved:
            self.resolver_back_at = at
        self.resolver_lost = unresolved
