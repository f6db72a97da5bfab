"""`rss`: what a vendor publishes in a feed, Atom or RSS.

A feed says what happened, and seldom what is: resolved incidents stay in it, and one that is
empty is a weak word that nothing is wrong. A feed that cannot be read is a dead source.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from beacon.config.fields import Duration, Regex, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import IGNORE_CASE, TextPattern
from beacon.probes import CLAIM, Fault, Timing
from beacon.transport import parser
from beacon.transport.claim import OF_MICROSOFT, Admission, claimed, entry, mentions, since, worst
from beacon.transport.feed import Entry
from beacon.transport.http import Answer, Request
from beacon.transport.source import SOURCES, Sources

Mode = Literal["incident", "age"]

_OVER: Final = "resolved|mitigated|restored|completed"
_WITHIN: Final = r"(?:(?!\s[-–—|]\s|[.!?;:]).){0,60}?"  # one sentence, or part of a title
_HOPED: Final = TextPattern(
    rf"\b(?:(?:until|once|when|if|working|expect\w*|hope\w*)\b{_WITHIN}\b"
    r"|(?:not|never)\s+(?:\w+\s+){0,3}|(?:be|being|partially|partly)\s+(?:\w+ly\s+)?)"
    rf"(?:{_OVER})\b",
    IGNORE_CASE,
)
"""`… to be resolved`, `until … is restored`: the end is spoken of, and has not come."""

_STATE: Final = TextPattern(
    rf"\b(?:(?P<over>{_OVER})|(?P<word>investigating|identified|monitoring|verifying|in progress|"
    r"scheduled(?! event)))\b",
    IGNORE_CASE,
)
_ENDED: Final = TextPattern(rf"\b(?:{_OVER})\b", IGNORE_CASE)
_MAINTENANCE: Final = TextPattern(r"\bmaintenance\b|\bscheduled\b", IGNORE_CASE)


@dataclass(frozen=True, kw_only=True)
class Rss:
    """A feed of incidents, and which of its entries concern us.

    `mode` incident: the newest entry of each incident counts unless it speaks of its end; age:
    every entry counts. In both, only while it is younger than `max_age`.
    """

    EVIDENCE: ClassVar = Evidence.CLAIM
    TIMING: ClassVar[Timing] = CLAIM
    SIGN_IN: ClassVar = False
    SOURCES: ClassVar[Sources] = SOURCES

    url: Url
    mode: Mode = "incident"
    max_age: Duration = Duration(86400)  # noqa: RUF009 - it is a number
    keywords: Regex | None = None

    @property
    def clock_bound(self) -> bool:
        """Whether a wrong own clock makes wrong ages: always."""
        return True

    def faults(self) -> Iterator[Fault]:
        """Nothing is wrong with any settings taken together."""
        return iter(())

    def wait(self, utc: float) -> float:  # noqa: ARG002 - other kinds need the time
        """It may always run."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Read the feed and judge it by the time that it is now."""
        request = Request(url=self.url)
        now = run.clock.utc()
        return claimed(run, lambda: self.judge(self.SOURCES.read(run, request, parsed), now))

    def judge(self, feed: Sequence[Entry], now: datetime) -> Reading:
        """What a feed admits at a time."""
        ours = [one for one in feed if self._concerns(one)]
        text = f"{len(feed)} entries, none of them open" if feed else "an empty feed: no event"
        said = self._by_age(ours, now) if self.mode == "age" else self._by_incident(ours, now)
        return worst((Admission(Reason.OK, text), *said))

    def _concerns(self, one: Entry) -> bool:
        return self.keywords is None or mentions(self.keywords, f"{one.title}\n{one.text}")

    def _by_age(self, entries: Iterable[Entry], now: datetime) -> Iterator[Admission]:
        for one in entries:
            if one.at is None:
                yield Admission(Reason.SOURCE_DEAD, f"an entry without a date: {one.title}")
            elif self._is_young(one, now):
                yield Admission(Reason.VENDOR_DEGRADED, _words("published", one))

    def _by_incident(self, entries: Iterable[Entry], now: datetime) -> Iterator[Admission]:
        newest: dict[str, Entry] = {}
        for one in entries:
            known = newest.get(one.of)
            if known is None or (one.at and known.at and one.at > known.at):
                newest[one.of] = one
        for one in newest.values():
            reason, state = _judged(one)
            if reason is not Reason.OK and self._is_young(one, now):
                yield Admission(reason, _words(state, one))

    def _is_young(self, one: Entry, now: datetime) -> bool:
        """Whether it still counts; an entry without a date does while it is there."""
        return one.at is None or now - one.at <= timedelta(seconds=self.max_age)


# "Restored to one of three zones; sign-ins continue to fail" is no end.
_GOES_ON: Final = TextPattern(
    r"\b(?:investigating(?!\s*[-–:])|continu\w+|still|again|fail(?:s|ing)"
    r"|(?:\d+|one|two|some) of)\b",
    IGNORE_CASE,
)


def _words(state: str, one: Entry) -> str:
    return entry(state, one.title or "an entry without a title", since(one.at, "as of"))


def _judged(one: Entry) -> tuple[Reason, str]:
    """How bad an incident is by its newest entry, and the word for its state."""
    status = "".join(one.status.split()).casefold()
    if status in OF_MICROSOFT:
        return OF_MICROSOFT[status], one.status
    if _ENDED.search(_settled(one.title)):
        return Reason.OK, ""
    text = _settled(f"{one.title}\n{one.text}")
    found = _STATE.search(text)
    if (
        found is not None
        and found["over"]
        and not _GOES_ON.search(text[found.end() :].partition("\n")[0])
    ):
        return Reason.OK, ""
    state = found["word"].lower() if found is not None and found["word"] else "open"
    planned = _MAINTENANCE.search(f"{one.title}\n{one.text}") is not None
    return _rated(state, planned=planned), state


def _settled(text: str) -> str:
    """The text without what it says of an end that is still to come."""
    return _HOPED.sub(" ", text)


def _rated(state: str, *, planned: bool) -> Reason:
    if state == "monitoring":  # a fix is in place, and watched
        return Reason.VENDOR_DEGRADED
    if planned and state == "scheduled":
        return Reason.OK
    if planned and state in ("in progress", "verifying"):
        return Reason.VENDOR_MAINTENANCE
    return Reason.VENDOR_INCIDENT


def parsed(run: Run, answer: Answer) -> tuple[Entry, ...]:
    """The entries of the feed. Raises `Trouble`."""
    return parser.parsed(run, "feed", tuple[Entry, ...], answer.body, answer.charset)


PROBE = Rss
