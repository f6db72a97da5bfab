"""How real users fare: the share of sign-ins that go well, against what is usual at this hour.

What is usual is read from the same source: the same hour of the last two weeks, the better of
them, so that one bad week does not become the measure. Nothing is stored. The window ends `lag`
ago, because sources are late; so it may raise a verdict, and never clears one.
"""

import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final

import msgspec

from beacon.config.fields import Count, Duration
from beacon.core.model import BreakGlassUse, Outcome, Reading, Reason
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.http.conditional_client import BoundedCache
from beacon.net.parsing.dates import moment
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import Kind, SettingFlaw, source_dead

Share = Annotated[float, msgspec.Meta(gt=0, le=1, description="a part of 1")]

WEEKS: Final = (1, 2)
"""How many weeks back lie the hours by which the usual is known."""
WEEK: Final = 604_800.0
HOUR: Final = 3600.0
LOOK_BACK: Final = 86_400.0
"""Seconds in which uses of break-glass accounts are looked for: more than a log is late."""
FEW: Final = 10
"""So many more failures than usual may be one user's, and are no reason to warn."""
USES: Final = 100
"""Uses in one reading at most, the newest."""
SAMPLE: Final = 1000
"""Entries of a log that are read for one share at most, the newest: a sample tells enough."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until just before `until`, in seconds of Unix."""

    since: float
    until: float

    @property
    def texts(self) -> tuple[str, str]:
        """Both in ISO 8601, as all these sources take them."""
        return iso(self.since), iso(self.until)


def iso(at: float) -> str:
    """A time in seconds of Unix, as 2018-11-19T14:00:00Z."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many went well and how many did not; `note`: what the latter have in common."""

    good: int = 0
    bad: int = 0
    note: str = ""

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.bad

    @property
    def share(self) -> float:
        """The part that went well; 1 where there is none."""
        return self.good / self.total if self.total else 1.0


class TallyCache(BoundedCache[Tally]):
    """What was usual: the tallies of hours that are over, by their beginning."""

    def __init__(self) -> None:
        super().__init__(2 * len(WEEKS))


@dataclass(frozen=True, kw_only=True)
class Users(Kind):
    """Settings of all kinds that count how real users fare.

    `window` is the length of the time that is judged; it ends `lag` ago. With fewer than `minimum`
    in it there are too few to judge. `low` and `reduced` are parts of the usual share: below `low`
    it is a fail, below `reduced` a warn unless it may be chance. `min_ratio` is the share below
    which it is a fail where the usual is not known.
    """

    STEP: ClassVar = 60.0
    """Seconds; windows begin and end at multiples of it."""

    window: Duration = Duration(900)  # noqa: RUF009 - it is a number
    lag: Duration
    minimum: Count = 20
    low: Share = 0.5
    reduced: Share = 0.97
    min_ratio: Share = 0.5

    @property
    def hindsight(self) -> float:
        """How far back the window may begin."""
        return float(self.lag + self.window + self.STEP)

    @property
    def counted(self) -> str:
        """What is counted, in the plural."""
        return "sign-ins"

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not 300 <= self.window <= 6 * HOUR:
            yield SettingFlaw(("window",), f"{self.window} is no time to judge by", "5m to 6h")
        if self.lag > 6 * HOUR:
            yield SettingFlaw(("lag",), f"{self.lag} is too late to warn anybody", "at most 6h")
        if self.reduced < self.low:
            yield SettingFlaw(("reduced",), "below `low`: it would never warn", "at least `low`")

    def look(self, run: Run) -> Reading:
        """Read how users fare."""
        return self.fare(run)

    def fare(self, run: Run) -> Reading:
        """Count what happened in the window, and judge it. Raises `ProbeFailure`."""
        until = run.clock.utc().timestamp() - self.lag
        until -= until % self.STEP
        span = Span(until - self.window, until)
        tally = self.tally(run, span)
        run.note(f"{tally.good} of {tally.total} {self.counted} from {' to '.join(span.texts)}")
        if tally.total < self.minimum:
            return self.judge(tally, None)
        return self.judge(tally, self._usual(run, span))

    @abstractmethod
    def tally(self, run: Run, span: Span) -> Tally:
        """Count what happened in a span of time. Raises `ProbeFailure`."""

    def judge(self, tally: Tally, usual: Tally | None) -> Reading:
        """The reading of a tally; `usual` is that of a usual time, None where none is known."""
        if tally.total < self.minimum:
            text = f"{tally.good} of {tally.total} {self.counted} went well; too few to judge"
            text += f" (minimum {self.minimum})" + (f"; {tally.note}" if tally.note else "")
            return Reading(Reason.SAMPLE_TOO_SMALL, text)
        if usual is not None and not usual.good:
            text = "nothing went well at the usual time either: there is nothing to compare with"
            return Reading(Reason.SOURCE_DEAD, text)
        known = "what is usual is not known" if usual is None else f"usually {usual.share:.0%}"
        text = f"{tally.share:.0%} of {tally.total} {self.counted} went well, {known}"
        more = f"; {tally.note}" if tally.note else ""
        least = self.min_ratio if usual is None else self.low * usual.share
        if tally.share < least:
            return Reading(Reason.SUCCESS_RATIO_LOW, text + more)
        if usual and tally.share < self.reduced * usual.share and not _chance(tally, usual):
            return Reading(Reason.SUCCESS_RATIO_REDUCED, text + more)
        return Reading(Reason.OK, text)

    def _usual(self, run: Run, span: Span) -> Tally | None:
        """The better of the same hour's tallies. A run asks for one of them at most."""
        past = run.memory.of(TallyCache)
        middle = (span.since + span.until) / 2
        hours = [middle - middle % HOUR - weeks * WEEK for weeks in WEEKS]
        for since in hours:
            if past.get(since) is None:
                tally = self.tally(run, Span(since, since + HOUR))
                run.note(f"{tally.good} of {tally.total} in the hour from {iso(since)}")
                past.put(since, tally)
                break
        tallies = (past.get(since) for since in hours)
        known = [tally for tally in tallies if tally is not None and tally.total >= self.minimum]
        return max(known, key=lambda tally: tally.share, default=None)


def _chance(tally: Tally, usual: Tally) -> bool:
    """Whether so many may go wrong though nothing is."""
    failing = 1 - usual.share
    expected = tally.total * failing
    spread = math.sqrt(expected * (1 - failing))
    return tally.bad - expected < max(FEW, 3 * spread)


def granted(answer: Answer, vendor: str, settings: str) -> Answer:
    """The answer of a vendor's API, if it is one. Raises `ProbeFailure` for any other status."""
    if answer.status in (401, 403):
        text = f"status {answer.status}: look at {settings}"
        raise ProbeFailure(Reason.OWN_CREDENTIALS, text)
    if answer.status != 200:
        raise ProbeFailure(Reason.SOURCE_DEAD, f"{vendor} answers with status {answer.status}")
    return answer


@dataclass(frozen=True, slots=True)
class LoggedSignIn:
    """A sign-in as its log has it: by which account, and when in ISO 8601 or seconds of Unix."""

    id: str
    account: str
    at: object


@dataclass(frozen=True, kw_only=True)
class WatchedUsers(Users):
    """The same, where the log also tells who signed in: `break_glass` is label → account."""

    break_glass: Mapping[str, str] = field(default_factory=dict)

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        for label, account in self.break_glass.items():
            if not label.strip() or "," in label:
                yield SettingFlaw(("break_glass", label), "not a label", "a name without commas")
            if not account or not account.isprintable() or set(account) & set("'\"\\ "):
                yield SettingFlaw(("break_glass", label), "not an account", self.ACCOUNT)

    ACCOUNT: ClassVar[str]
    """What names an account here."""

    def look(self, run: Run) -> Reading:
        """Look for break-glass accounts, then read how users fare; the worse of the two."""
        parts = [self._watch, self.fare] if self.break_glass else [self.fare]
        return max([_read(run, part) for part in parts], key=_severity)

    def _watch(self, run: Run) -> Reading:
        labels = {run.hide(account).casefold(): name for name, account in self.break_glass.items()}
        now = run.clock.utc().timestamp()
        entries = self.entries(run, Span(now - LOOK_BACK, now), tuple(self.break_glass.values()))
        run.uses = tuple(_uses(entries, labels, now))
        run.note(f"{len(run.uses)} sign-ins by break-glass accounts in the last 24 h")
        return Reading(Reason.OK)

    @abstractmethod
    def entries(self, run: Run, span: Span, accounts: tuple[str, ...]) -> Iterable[LoggedSignIn]:
        """Every attempt of these accounts to sign in that the log has. Raises `ProbeFailure`."""


def _read(run: Run, part: Callable[[Run], Reading]) -> Reading:
    """One part of a reading: that its source is dead does not hide the other."""
    try:
        return part(run)
    except ProbeFailure as failure:
        return source_dead(failure.reading)


def _severity(reading: Reading) -> int:
    order = (Reason.OK, Reason.SAMPLE_TOO_SMALL)
    if reading.reason in order:
        return order.index(reading.reason)
    return {Outcome.FAIL: 4, Outcome.WARN: 3}.get(reading.outcome, 2)


def _uses(
    entries: Iterable[LoggedSignIn], labels: Mapping[str, str], now: float
) -> Iterator[BreakGlassUse]:
    """The newest of them, each once. Ids are hashed: they are foreign text of any length."""
    found: dict[str, BreakGlassUse] = {}
    for entry in entries:
        label, at = labels.get(entry.account.casefold()), moment(entry.at)
        if label is not None:
            name = hashlib.sha256(f"{label}\0{entry.id}".encode()).hexdigest()[:16]
            ago = 0.0 if at is None else max(0.0, now - at.timestamp())
            found[name] = BreakGlassUse(name, label, ago)
    return iter(sorted(found.values(), key=lambda use: use.ago)[:USES])
