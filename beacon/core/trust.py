"""Can we trust our own eyes? Network by witnesses, clock by what NTP answers.

Uplink lost: every witness outside fails, and nothing outside has passed since. LAN lost:
the local witnesses fail too. With no witness outside we never call ourselves blind.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from beacon.core.endpoint import Gate
from beacon.core.model import Endpoint, Evidence, Outcome, Reading, Reason

ROUND_EVERY: Final = 2.0
"""Seconds between two rounds of witnesses called for by failing endpoints."""

_ANSWERED: Final = frozenset(
    {Reason.TLS_EXPIRED, Reason.TLS_NOT_YET_VALID, Reason.OWN_CLOCK, Reason.RATE_LIMITED}
)


def reached(reading: Reading) -> bool | None:
    """Whether a witness's reading shows its host reachable; None: it says nothing."""
    if reading.reason in _ANSWERED or reading.outcome in (Outcome.PASS, Outcome.WARN):
        return True
    return False if reading.outcome is Outcome.FAIL else None


@dataclass(slots=True)
class _Seen:
    """The last word of one witness."""

    reached: bool | None = None
    started: float = -math.inf
    lost_since: float = math.inf  # since when it has not been reached, without a break


class Trust:
    """What we hold of our own network and clock."""

    def __init__(self, witnesses: Iterable[Endpoint], clocks: Iterable[str]) -> None:
        listed = tuple(witnesses)
        self._listed = listed
        self.outside = tuple(w.id for w in listed if not w.local)
        self.inside = tuple(w.id for w in listed if w.local)
        self._seen = {w.id: _Seen() for w in listed}
        self._clocks: dict[str, bool | None] = dict.fromkeys(clocks)
        self._not_yet: dict[str, str] = {}  # endpoints whose TLS says "not yet valid" → service
        self._implausible = False  # the date lies before this beacon was built
        self._passed = -math.inf  # when the last passing run of something outside began
        self._passed_inside = -math.inf  # … of anything at all
        self.uplink_lost = self.lan_lost = False
        self.back_at = -math.inf  # when the last loss ended

    def watches(self, witnesses: Iterable[Endpoint], clocks: Iterable[str]) -> bool:
        """Whether these are the very witnesses and time sources it was made for."""
        return self._listed == tuple(witnesses) and tuple(self._clocks) == tuple(clocks)

    @property
    def network(self) -> str:
        """One word: ok, lost or unverified (fewer than two witnesses outside)."""
        if self.uplink_lost:
            return "lost"
        return "ok" if len(self.outside) > 1 else "unverified"

    @property
    def clock(self) -> str:
        """One word: ok, lost or unverified (no source has answered)."""
        if self._implausible or len(set(self._not_yet.values())) > 1:
            return "lost"
        answers = [answer for answer in self._clocks.values() if answer is not None]
        if not answers:
            return "unverified"
        return "ok" if any(answers) else "lost"

    def covers(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint's readings are void now, by our own network."""
        return self.lan_lost if endpoint.local else self.uplink_lost

    def clock_voids(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint's readings are void now, by our own clock."""
        return endpoint.clock_bound and not endpoint.local and self.clock == "lost"

    def gate(self, endpoint: Endpoint, failed_at: float) -> Gate:
        """Whether an endpoint failing since `failed_at` may be called down."""
        asked = self.asked_by(endpoint)
        if not asked:
            return Gate.OPEN
        if self.covers(endpoint):
            return Gate.SHUT
        heard = [self._seen[name] for name in asked if self._seen[name].started >= failed_at]
        passed = self._passed_inside if endpoint.local else self._passed
        if passed >= failed_at or any(seen.reached for seen in heard):
            return Gate.OPEN
        if len(heard) < len(asked):
            return Gate.PENDING
        return Gate.SHUT if any(seen.reached is False for seen in heard) else Gate.OPEN

    def asked_by(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The witnesses whose word decides whether this endpoint's fails are ours."""
        if not endpoint.local:
            return self.outside
        return self.inside + self.outside if self.inside else ()

    def witnessed(self, witness: str, reading: Reading, at: float, started: float) -> None:
        """Take in what one witness saw; afterwards `uplink_lost` and `lan_lost` hold."""
        seen = self._seen[witness]
        seen.reached, seen.started = reached(reading), started
        if seen.reached is not False:
            seen.lost_since = math.inf
        elif seen.lost_since == math.inf:
            seen.lost_since = started
        self._judge(at)

    def passed(self, endpoint: Endpoint, at: float, started: float) -> None:
        """Something was reached: nothing outside can be if the uplink is gone."""
        self._not_yet.pop(endpoint.id, None)
        self._passed_inside = max(self._passed_inside, started)
        if not endpoint.local:
            self._passed = max(self._passed, started)
            if self.uplink_lost and started >= self._lost_since(self.outside):
                self._judge(at)

    def told_time(self, source: str, reading: Reading) -> None:
        """Take in what one time source said of our clock; one that is gone says nothing."""
        if reading.reason is Reason.OWN_CLOCK:
            self._clocks[source] = False
        elif reading.outcome in (Outcome.PASS, Outcome.WARN):
            self._clocks[source] = True
        elif reading.outcome is Outcome.FAIL or reading.reason is Reason.STALE:
            self._clocks[source] = None

    def not_yet_valid(self, endpoint: Endpoint) -> None:
        """Note a certificate from the future; at two unrelated places it is our clock."""
        place = endpoint.id if endpoint.evidence is Evidence.WITNESS else endpoint.service
        if not endpoint.local:
            self._not_yet[endpoint.id] = place

    def date_implausible(self, *, on: bool) -> None:
        """Note that the date lies before this beacon was built, or no longer does."""
        self._implausible = on

    @property
    def clock_sources(self) -> frozenset[str]:
        """The endpoints whose readings speak of our clock."""
        return frozenset(self._clocks)

    def _lost_since(self, names: tuple[str, ...]) -> float:
        return max((self._seen[name].lost_since for name in names), default=math.inf)

    def _judge(self, at: float) -> None:
        since = self._lost_since(self.outside)
        lost = since < math.inf and self._passed < since
        if self.uplink_lost and not lost:
            self.back_at = at
        self.uplink_lost = lost
        self.lan_lost = lost and self._lost_since(self.inside) < math.inf
