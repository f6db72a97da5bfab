"""Can we trust our own clock? By what hosts say of the time, certificates, and the kernel.

Each host has one vote, and so has each clock source: a service, a witness, an `ntp` endpoint. The
median decides. Alone, only an `ntp` endpoint can say that our clock is wrong: it was put
there for that; one web server may lie. See docs/adr/0011.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from beacon.core.model import ClockSeen, Endpoint, Evidence, Outcome, Reading, Reason

TOLERANCE: Final = 15.0
"""Seconds our clock may be off."""

REMEMBERED: Final = 3600.0
"""Seconds for which a source that tells the time no more is taken at its last word."""

_BY_DATES: Final = frozenset({Reason.TLS_EXPIRED, Reason.TLS_NOT_YET_VALID})
_DOUBTS: Final = frozenset({Reason.TLS_NOT_YET_VALID, Reason.OWN_CLOCK})
_GOOD: Final = frozenset({Outcome.PASS, Outcome.WARN})


@dataclass(slots=True)
class _Vote:
    """The last word of one endpoint."""

    clock_source: str
    host: str
    offset: float
    at: float

    @property
    def within(self) -> bool:
        """Whether it says that our clock is right."""
        return abs(self.offset) <= TOLERANCE


class OwnClock:
    """What is held of our own clock; `word` says it in one word."""

    def __init__(self) -> None:
        self._votes: dict[str, _Vote] = {}
        self._doubted: dict[str, str] = {}  # clock sources of endpoints with a date of another time
        self._ntp: frozenset[str] = frozenset()  # the endpoints that only tell the time
        self._implausible = False  # the date lies before this beacon was built
        self._synchronised = False  # the kernel's word
        self._stepped_at = -math.inf
        self.word = "unverified"
        """One word: ok, lost or unverified (no reading counts yet)."""

    # --- what is asked ------------------------------------------------------------

    def voids(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint's readings are void now."""
        return endpoint.clock_bound and not endpoint.local and self.word == "lost"

    @property
    def offset(self) -> float | None:
        """Seconds our clock is behind (negative: ahead), by the median; None: unknown."""
        votes = self._offsets()
        return _median(votes.values()) if votes else None

    # --- what is seen -------------------------------------------------------------

    def watch(self, endpoints: Iterable[Endpoint], changed: frozenset[str]) -> None:
        """Believe these endpoints from now on; `changed` are asked something else now."""
        listed = tuple(endpoints)
        known = {endpoint.id for endpoint in listed} - changed
        self._ntp = frozenset(e.id for e in listed if e.kind == "ntp")
        for name in (*self._votes, *self._doubted):
            if name not in known:
                self.forget(name)
        self._judge()

    def read(self, endpoint: Endpoint, reading: Reading, at: float, started: float) -> None:
        """Take in what one reading says of our clock, if anything."""
        if endpoint.pushed:  # what it doubts is another's clock
            return
        changed = self._doubt(endpoint, reading)
        seen = self._seen(endpoint, reading)
        if seen is None:
            changed = self._forget_old_vote(endpoint.id, reading, at) or changed
        elif started >= self._stepped_at:
            changed = self._vote(endpoint, seen, at) or changed
        if changed:
            self._judge()

    def forget(self, endpoint: str) -> None:
        """Drop the vote of an endpoint: it fell silent, or is gone."""
        self._votes.pop(endpoint, None)
        self._doubted.pop(endpoint, None)
        self._judge()

    def stepped(self, at: float, by: float) -> None:
        """Our clock was set `by` seconds forward: all votes move with it."""
        self._stepped_at = at
        self._doubted.clear()
        for vote in self._votes.values():
            vote.offset -= by
        self._judge()

    def date_implausible(self, *, on: bool) -> None:
        """Note that the date lies before this beacon was built, or no longer does."""
        self._implausible = on
        self._judge()

    def synchronised(self, *, on: bool) -> None:
        """Note that the kernel says our clock is synchronised, or no longer does."""
        self._synchronised = on
        self._judge()

    # --- how it is judged ---------------------------------------------------------

    def _clock_source(self, endpoint: Endpoint) -> str:
        alone = endpoint.evidence is Evidence.WITNESS or endpoint.id in self._ntp
        return endpoint.id if alone else endpoint.service

    def _doubt(self, endpoint: Endpoint, reading: Reading) -> bool:
        """Note a certificate from the future, or a host that rejects our time."""
        if endpoint.local or endpoint.id in self._ntp:
            return False
        if reading.reason in _DOUBTS:
            self._doubted[endpoint.id] = self._clock_source(endpoint)
            return True
        return reading.outcome is not Outcome.ERROR and bool(self._doubted.pop(endpoint.id, ""))

    def _seen(self, endpoint: Endpoint, reading: Reading) -> ClockSeen | None:
        if endpoint.id not in self._ntp:
            return None if endpoint.local else reading.clock  # on this machine: our own clock
        if reading.clock is not None:
            return reading.clock
        if reading.reason is Reason.OWN_CLOCK:
            return ClockSeen(math.inf)
        return ClockSeen(0.0) if reading.outcome in _GOOD else None

    def _vote(self, endpoint: Endpoint, seen: ClockSeen, at: float) -> bool:
        """Take an answer in; whether it may change anything."""
        old = self._votes.get(endpoint.id)
        new = _Vote(self._clock_source(endpoint), seen.host, seen.offset, at)
        self._votes[endpoint.id] = new
        if old is None or old.host != new.host:
            return True
        return not (old.within and new.within)

    def _forget_old_vote(self, endpoint: str, reading: Reading, at: float) -> bool:
        vote = self._votes.get(endpoint)
        if vote is None:
            return False
        if reading.reason in _BY_DATES:  # it is our clock that may keep it from telling
            vote.at = at
        elif at - vote.at > REMEMBERED:
            del self._votes[endpoint]
            return True
        return False

    def _judge(self) -> None:
        if self._implausible or len(set(self._doubted.values())) > 1:
            self.word = "lost"
            return
        votes = self._offsets()
        within = bool(votes) and abs(_median(votes.values())) <= TOLERANCE
        if votes and not within and (len(votes) > 1 or self._ntp & votes.keys()):
            self.word = "lost"
        else:
            self.word = "ok" if within or self._synchronised else "unverified"

    def _offsets(self) -> Mapping[str, float]:
        """The offset by each clock source: of several the one nearest to our own time."""
        hosts: dict[str, _Vote] = {}
        for name, vote in self._votes.items():
            host = vote.host or name
            hosts[host] = min(hosts.get(host, vote), vote, key=lambda each: abs(each.offset))
        offsets: dict[str, float] = {}
        for vote in hosts.values():
            best = offsets.get(vote.clock_source, math.inf)
            offsets[vote.clock_source] = min(best, vote.offset, key=abs)
        return offsets


def _median(offsets: Iterable[float]) -> float:
    """The middle one; of two the nearer to nothing: one liar of two proves nothing."""
    ordered = sorted(offsets)
    above = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[above]
    return min(ordered[above - 1], ordered[above], key=abs)
