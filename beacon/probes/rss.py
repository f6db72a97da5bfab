"""`rss`: what a vendor publishes in a feed, Atom or RSS.

A feed says what happened, and seldom what is: resolved incidents stay in it, and one that is
empty is a weak word that nothing is wrong. A feed that cannot be read is a dead source.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from beacon.config.fields import Duration, Regex, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.route import Reach
from beacon.net.parsing import parser
from beacon.net.parsing.dates import since
from beacon.probing.base import CLAIM, Abilities, Kind
from beacon.vendors.announcements import incident_of, severity
from beacon.vendors.feed import FeedEntry
from beacon.vendors.status import Admission, concerned, entry, worst

Mode = Literal["incident", "age"]


@dataclass(frozen=True, kw_only=True)
class Rss(Reach, Kind):
    """A feed of incidents, and which of its entries concern us.

    `mode` incident: the newest entry of each incident counts unless it speaks of its end; age:
    every entry counts. In both, only while it is younger than `max_age`.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.CLAIM,
        timing=CLAIM,
        second_hand=True,
        clock_bound=True,  # entries count by their age
    )

    url: Url
    mode: Mode = "incident"
    max_age: Duration = Duration(86400)  # noqa: RUF009 - it is a number
    keywords: Regex | None = None

    def look(self, run: Run) -> Reading:
        """Read the feed and judge it by the time that it is now."""
        request = Request(url=self.url)
        now = run.clock.utc()
        client = run.memory.of(ConditionalClient)
        return self.judge(client.read(run, request, parsed, self.route), now)

    def judge(self, feed: Sequence[FeedEntry], now: datetime) -> Reading:
        """What a feed admits at a time."""
        ours = concerned(self.keywords, feed, lambda one: f"{one.title}\n{one.text}")
        text = f"{len(feed)} entries, none of them open" if feed else "an empty feed: no event"
        admissions = self._by_age(ours, now) if self.mode == "age" else self._by_incident(ours, now)
        return worst((Admission(Reason.OK, text), *admissions))

    def _by_age(self, entries: Iterable[FeedEntry], now: datetime) -> Iterator[Admission]:
        for one in entries:
            if one.at is None:
                yield Admission(Reason.SOURCE_DEAD, f"an entry without a date: {quoted(one.title)}")
            elif self._is_young(one, now):
                yield Admission(Reason.VENDOR_DEGRADED, _words("published", one))

    def _by_incident(self, entries: Iterable[FeedEntry], now: datetime) -> Iterator[Admission]:
        newest: dict[str, FeedEntry] = {}
        for one in entries:
            incident = incident_of(one)
            known = newest.get(incident)
            if known is None or (one.at and known.at and one.at > known.at):
                newest[incident] = one
        for one in newest.values():
            reason, state = severity(one)
            if reason is not Reason.OK and self._is_young(one, now):
                yield Admission(reason, _words(state, one))

    def _is_young(self, one: FeedEntry, now: datetime) -> bool:
        """Whether it still counts; an entry without a date does while it is there."""
        return one.at is None or now - one.at <= timedelta(seconds=self.max_age)


def _words(state: str, one: FeedEntry) -> str:
    return entry(state, one.title or "an entry without a title", since(one.at, "as of"))


def parsed(run: Run, answer: Answer) -> tuple[FeedEntry, ...]:
    """The entries of the feed. Raises `ProbeFailure`."""
    return parser.parsed(run, "feed", tuple[FeedEntry, ...], answer.body, answer.charset)


PROBE = Rss
