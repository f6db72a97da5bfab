"""What latency is usual for an endpoint at this hour of the week, and when it is not.

An hour of a week has one vote in its slot: the median of what passed in it, at most the limit
of that hour. The last seven votes of each of the 168 slots are kept, one byte each, in steps of
5 %: their median is what is usual. So an outage has no vote (it does not pass), a slow hour one
of seven, and what has become slower for good is usual after four weeks.

Hours are counted in UTC from Monday, 5 January 1970; the edge tells them.
"""

import math
from array import array
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from beacon.core.model import Endpoint, Evidence

HOURS: Final = 168
VOTES: Final = 7
"""Votes kept for each hour of the week: as many weeks."""
ENOUGH: Final = 3
"""Votes until an hour is judged by itself; also readings in a vote, votes to judge at all."""
TIMES: Final = 3.0
"""So many times what is usual is slow."""
FLOOR: Final = 1.0
FLOOR_SIGN_IN: Final = 5.0
"""Seconds that are never slow, whatever is usual."""
WEEKS_AWAY: Final = 4
"""Weeks after which the baseline of an endpoint that is watched no longer is forgotten."""

_SHORTEST, _LONGEST, _STEPS = 0.001, 289.0, 14  # a byte: 1 ms to 289 s in steps of 5 %
_MOST_OF_AN_HOUR: Final = 720
_JUDGED: Final = frozenset({Evidence.SYMPTOM, Evidence.HEALTH})


def _byte(latency: float) -> int:
    within = min(max(latency, _SHORTEST), _LONGEST)
    return 1 + round(_STEPS * math.log2(within / _SHORTEST))


def _seconds(byte: int) -> float:
    return _SHORTEST * math.exp2((byte - 1) / _STEPS)


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual, in seconds. `spread` is the median distance of the votes from it (MAD).

    Not `own`: this hour has too few votes of its own; `latency` is what is seldom exceeded
    at other hours, or was most around this one.
    """

    latency: float
    spread: float
    own: bool


@dataclass(frozen=True, slots=True)
class Learnt:
    """One slot, to be kept over restarts: the votes of an hour of the week, the newest first.

    `week` is that of the newest, counted like the hours.
    """

    endpoint: str
    slot: int
    week: int
    votes: bytes


class Baseline:
    """One endpoint's latencies by hour of the week. About 1.8 kB."""

    __slots__ = (
        *("_changed", "_of_this_hour", "_votes", "_weeks"),
        *("floor", "hour", "limit", "usual"),
    )

    def __init__(self) -> None:
        self.floor = FLOOR
        self.hour: int | None = None
        self.usual: Usual | None = None  # at `hour`; None: not enough is known
        self.limit = math.inf  # seconds above which it is slow at `hour`
        self._votes = bytearray(HOURS * VOTES)  # newest first; 0: none
        self._weeks = array("H", bytes(2 * HOURS))
        self._of_this_hour = bytearray()
        self._changed = 0  # a bit for each slot

    @property
    def newest(self) -> int:
        """The week of its newest vote."""
        return max(self._weeks)

    def begin(self, hour: int) -> None:
        """Let the hour that ends vote, and look up what is usual at the one that begins."""
        self.vote()
        self.hour = hour
        self._of_this_hour.clear()
        self.usual = usual = self._usual(hour % HOURS)
        self.limit = math.inf if usual is None else max(TIMES * usual.latency, self.floor)

    def add(self, latency: float) -> None:
        """Take in a latency of the present hour."""
        if len(self._of_this_hour) >= _MOST_OF_AN_HOUR:
            del self._of_this_hour[::2]
        self._of_this_hour.append(_byte(latency))

    def vote(self) -> None:
        """Let the latencies of this hour be its vote; it may be changed until the hour ends."""
        if self.hour is None or len(self._of_this_hour) < ENOUGH:
            return
        week, slot = divmod(self.hour, HOURS)
        vote = sorted(self._of_this_hour)[len(self._of_this_hour) // 2]
        vote = min(vote, _byte(min(self.limit, _LONGEST)))
        begin, end = slot * VOTES, (slot + 1) * VOTES
        again = self._weeks[slot] == week and self._votes[begin]
        if again == vote:
            return
        kept = self._votes[begin + 1 : end] if again else self._votes[begin : end - 1]
        self._votes[begin:end] = bytes((vote,)) + kept
        self._weeks[slot] = week & 0xFFFF
        self._changed |= 1 << slot

    def restore(self, learnt: Learnt) -> None:
        """Take one slot back in, but none that makes no sense."""
        begin = learnt.slot * VOTES
        if 0 <= learnt.slot < HOURS and len(learnt.votes) == VOTES and not learnt.week >> 16:
            self._votes[begin : begin + VOTES] = learnt.votes
            self._weeks[learnt.slot] = learnt.week

    def changed(self, endpoint: str) -> Iterator[Learnt]:
        """Every slot that changed since the last time."""
        self.vote()
        changed, self._changed = self._changed, 0
        while changed:
            slot = changed.bit_length() - 1
            changed ^= 1 << slot
            votes = bytes(self._votes[slot * VOTES : (slot + 1) * VOTES])
            yield Learnt(endpoint, slot, self._weeks[slot], votes)

    def _usual(self, slot: int) -> Usual | None:
        own = self._of(slot)
        if len(own) >= ENOUGH:
            return Usual(*_middle(own), own=True)
        every = sorted(self._votes.replace(b"\0", b""))
        if len(every) < ENOUGH:
            return None
        seldom = every[len(every) * 9 // 10]
        around = [*self._of(slot - 1), *own, *self._of(slot + 1)]
        reached = _seconds(max([seldom, *around]))
        return Usual(reached, _middle(every)[1], own=False)

    def _of(self, slot: int) -> bytes:
        begin = slot % HOURS * VOTES
        return bytes(self._votes[begin : begin + VOTES]).replace(b"\0", b"")


def _middle(votes: Iterable[int]) -> tuple[float, float]:
    """The median of votes in seconds, and the median distance from it."""
    latencies = sorted(map(_seconds, votes))
    middle = latencies[len(latencies) // 2]
    distances = sorted(abs(latency - middle) for latency in latencies)
    return middle, distances[len(distances) // 2]


class Baselines:
    """The baselines of all endpoints, and for a while of those that are watched no longer."""

    def __init__(self) -> None:
        self._of: dict[str, Baseline] = {}
        self._forgotten: set[str] = set()

    def of(self, spec: Endpoint) -> Baseline | None:
        """The baseline of an endpoint; None where its latency says nothing about its service."""
        if spec.evidence not in _JUDGED or spec.looks_back:
            return None
        found = self._of.setdefault(spec.id, Baseline())
        found.floor = FLOOR_SIGN_IN if spec.sign_in else FLOOR
        return found

    def restore(self, learnt: Iterable[Learnt], without: Container[str]) -> None:
        """Take in what was kept, but for endpoints `without` and slots that make no sense."""
        for each in learnt:
            if each.endpoint in without:
                self._forgotten.add(each.endpoint)
                continue
            self._of.setdefault(each.endpoint, Baseline()).restore(each)

    def forget(self, endpoint: str) -> None:
        """Begin anew with an endpoint: it is asked something else now."""
        if self._of.pop(endpoint, None) is not None:
            self._forgotten.add(endpoint)

    def leave(self, hour: int, watched: Container[str]) -> None:
        """Forget endpoints that have not been watched for `WEEKS_AWAY` weeks."""
        oldest = hour // HOURS - WEEKS_AWAY
        gone = [n for n, b in self._of.items() if n not in watched and b.newest < oldest]
        for name in gone:
            self.forget(name)

    def changed(self) -> tuple[tuple[Learnt, ...], frozenset[str]]:
        """What changed since the last time: slots, and endpoints that were forgotten before."""
        forgotten, self._forgotten = frozenset(self._forgotten), set()
        learnt = (each for name, b in self._of.items() for each in b.changed(name))
        return tuple(learnt), forgotten
