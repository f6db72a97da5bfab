"""What a cause finds wrong, trouble by trouble: each has an onset and an end of its own.

A domain may lack its DMARC record for months and lose SPF today. So the names that its readings
give are counted one by one, by the endpoint's own thresholds: a trouble is confirmed while the
endpoint is down, and ends when enough readings do not name it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from beacon.core.endpoint.streaks import Onset, Streaks
from beacon.core.model import BOOT, MOST_RECORDS, Endpoint, Moment, Outcome, Reading, Reason

UNREAD: Final = frozenset(
    {
        Reason.DNS_SERVFAIL,
        Reason.DNS_TIMEOUT,
        Reason.CONNECT_REFUSED,
        Reason.CONNECT_RESET,
        Reason.CONNECT_TIMEOUT,
        Reason.UNREACHABLE,
        Reason.PROTOCOL_ERROR,
        Reason.DEADLINE,
    }
)
"""Nothing could be read: of one record these are one trouble, whichever comes first."""

HIDING: Final = UNREAD | {Reason.DNS_NXDOMAIN, Reason.DNSSEC_BOGUS}
"""A reading that says so did not see the rest: what was wrong before is not over."""

_REASONS: Final = {str(reason): reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong, or was: `ended_at` is the first reading that did not name it.

    `disproved_by` are the deliveries that it would break and that arrived all the same.
    """

    name: str
    onset: Onset
    ended_at: Moment | None = None
    disproved_by: tuple[str, ...] = ()


def window(onset: Onset, cause: Endpoint, delivery: Endpoint) -> float:
    """For how many seconds trouble of a cause explains that a delivery begins to fail."""
    lifetime = delivery.timeout if delivery.code_lifetime is None else delivery.code_lifetime
    return (onset.ttl or 0.0) + spacing(cause) + spacing(delivery) + lifetime


def spacing(spec: Endpoint) -> float:
    """By how many seconds a reading may be later than what it tells of."""
    return spec.interval + (spec.hindsight or 0.0)


def present(troubles: tuple[Trouble, ...]) -> tuple[Trouble, ...]:
    """Those that are not over."""
    return tuple(each for each in troubles if each.ended_at is None)


def troubles_of(onset: Onset) -> tuple[Trouble, ...]:
    """All that the first failing reading names."""
    named = named_in(onset.reading)
    return tuple(Trouble(name, replace(onset, reading=found)) for name, found in named)


def named_in(reading: Reading) -> Iterator[tuple[str, Reading]]:
    """What a failing reading says is wrong, by name: each record, or its reason alone."""
    if not reading.records or not reading.records[0].startswith(reading.reason):
        yield _name(reading.reason, ""), Reading(reading.reason, reading.detail)
    for number, line in enumerate(reading.records):
        word, _, record = line.partition(" ")
        reason = _REASONS.get(word, reading.reason)
        # The detail of a reading is about the first.
        first = number == 0 and reason is reading.reason
        yield _name(reason, record), Reading(reason, reading.detail if first else record)


def _name(reason: Reason, record: str) -> str:
    return f"{'unread' if reason in UNREAD else reason} {record}".rstrip()


@dataclass(slots=True)
class LastTtl:
    """The TTL seen last, in seconds: resolvers count down, so the largest within itself is true."""

    ttl: float | None = None
    at: float = 0.0

    def take(self, ttl: float | None, at: float) -> None:
        """Take in one that was seen; None: none was."""
        if ttl is not None and (self.ttl is None or ttl >= self.ttl or at - self.at > self.ttl):
            self.ttl, self.at = ttl, at

    def before(self, reading: Reading) -> float | None:
        """The TTL that was seen before a failing reading, else its own."""
        return reading.ttl if self.ttl is None else self.ttl


@dataclass(slots=True)
class _Course:
    """The latest readings of one trouble, confirmed or not. 1: it was named."""

    onset: Onset | None = None
    streaks: Streaks = field(default_factory=Streaks)
    absent_at: Moment = BOOT  # the first of the readings that do not name it any more


class TroubleWatch:
    """Counts, of one cause, how often each of its troubles was named. None of it is kept."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}
        self._named: dict[str, Reading] = {}  # by the last reading
        self._arrived: dict[str, tuple[Endpoint, Moment]] = {}  # codes since that reading
        self._arrived_before: dict[str, tuple[Endpoint, Moment]] = {}  # codes until that reading

    def arrived(self, delivery: Endpoint, started: Moment) -> None:
        """Note a code that arrived; it proves something if the cause is read to fail after it."""
        self._arrived[delivery.id] = (delivery, started)

    def count(
        self, reading: Reading, at: Moment, ttl: float | None, kept: tuple[Trouble, ...]
    ) -> None:
        """Count one reading that is no error."""
        self._arrived_before, self._arrived = self._arrived, {}
        self._named = dict(named_in(reading)) if reading.outcome is Outcome.FAIL else {}
        for name, found in self._named.items():
            course = self._courses.setdefault(name, _Course())
            onset = Onset(at, found, ttl)
            if not course.streaks.window:
                course.onset = onset
            course.streaks.count_fail(onset)
        if reading.reason not in HIDING:
            self._count_absent({*self._courses, *(t.name for t in present(kept))}, at)

    def _count_absent(self, known: set[str], at: Moment) -> None:
        for name in known.difference(self._named):
            course = self._courses.setdefault(name, _Course())
            if not course.streaks.good:
                course.absent_at = at
            course.streaks.count_good(warned=False, planned=False)

    def unconfirmed(self, kept: tuple[Trouble, ...], threshold: int) -> bool:
        """Whether something new was named, and not often enough."""
        known = {each.name for each in present(kept)}
        return any(
            course.streaks.fails and not course.streaks.enough_fails(threshold)
            for name, course in self._courses.items()
            if name not in known
        )

    def follow(
        self, kept: tuple[Trouble, ...], spec: Endpoint, *, down: bool
    ) -> tuple[Trouble, ...]:
        """What is known after a reading. `down`: what was named often enough is confirmed."""
        if not self._courses:
            return kept
        followed = [self._followed(each, spec) for each in kept]
        known = {each.name for each in followed if each.ended_at is None}
        if down:
            fails = {n: c for n, c in self._courses.items() if c.streaks.fails and n not in known}
            often = [n for n, c in fails.items() if c.streaks.enough_fails(spec.failure_threshold)]
            # One that is down names something, be it another thing in every reading.
            for name in often or (() if known else fails):
                onset = fails[name].onset
                assert onset is not None, "it was named"
                followed.append(Trouble(name, onset))
                known.add(name)
        self._forget(known)
        over = [each for each in followed if each.ended_at is not None]
        for each in over[:-MOST_RECORDS]:
            followed.remove(each)
        return kept if followed == [*kept] else tuple(followed)

    def _forget(self, known: set[str]) -> None:
        """Forget what was named long ago and never confirmed, and what is over."""
        for name in [n for n, c in self._courses.items() if n not in known]:
            streaks = self._courses[name].streaks
            if not (streaks.window or streaks.fails):
                del self._courses[name]

    def _followed(self, trouble: Trouble, spec: Endpoint) -> Trouble:
        course = self._courses.get(trouble.name)
        if trouble.ended_at is not None or course is None:
            return trouble
        if course.streaks.good >= spec.success_threshold:
            course.streaks.come_back()
            return replace(trouble, ended_at=course.absent_at)
        # What times out may not do so every time.
        definite = trouble.onset.reading.reason not in UNREAD
        return (
            self._disproved(trouble, spec) if definite and trouble.name in self._named else trouble
        )

    def _disproved(self, trouble: Trouble, spec: Endpoint) -> Trouble:
        """Take one that still fails after a code arrived, though no cache holds the record."""
        by = tuple(
            delivery.id
            for delivery, started in self._arrived_before.values()
            if started > trouble.onset.at + 2 * window(trouble.onset, spec, delivery)
            and delivery.id not in trouble.disproved_by
        )
        return replace(trouble, disproved_by=(*trouble.disproved_by, *by)) if by else trouble
