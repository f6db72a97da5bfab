"""Events of many mails, pushed one by one or in batches, that make one reading together.

One mail that arrived proves nothing about a thousand that did not: the share within a window
counts, and too few mails are not judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from beacon.core.model import Reading, Reason

MOST: Final = 5000
"""Mails that a window keeps: the newest."""


@dataclass(frozen=True, slots=True)
class MailEvent:
    """What happened to one mail; `at` in UTC seconds."""

    mail: str
    at: float
    reason: Reason
    words: str

    @property
    def order(self) -> tuple[float, int]:
        """Sorts the events of one mail. Within one second: waits, arrives, comes back."""
        ends = (Reason.OK, Reason.DELIVERY_REFUSED)
        return self.at, ends.index(self.reason) + 1 if self.reason in ends else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The window of a reading, its fewest mails, and the share of them that must arrive."""

    window: float
    minimum: int
    min_ratio: float

    def judge(self, events: Iterable[MailEvent]) -> Reading:
        """Make a reading of the newest event of each mail."""
        newest = sorted(events, key=lambda event: event.at)
        total, minutes = len(newest), f"{self.window / 60:g} min"
        if total < self.minimum:
            words = f"{total} mails in {minutes}; too few to judge (minimum {self.minimum})"
            return Reading(Reason.SAMPLE_TOO_SMALL, words)
        refused = [each for each in newest if each.reason is Reason.DELIVERY_REFUSED]
        late = [each for each in newest if each.reason is Reason.CODE_LATE]
        arrived = total - len(refused) - len(late)
        words = f"{arrived} of {total} mails arrived in {minutes}"
        if (total - len(refused)) / total < self.min_ratio:
            return Reading(Reason.DELIVERY_REFUSED, f"{words}; last: {refused[-1].words}")
        if arrived / total < self.min_ratio:
            return Reading(Reason.CODE_LATE, f"{words}; last: {(late or refused)[-1].words}")
        return Reading(Reason.OK, words)


@dataclass(slots=True)
class EventWindow:
    """The newest event of each mail within the window."""

    share: Share
    _newest: dict[str, MailEvent] = field(default_factory=dict)

    def add(self, events: Iterable[MailEvent], now: float, ahead: float) -> Reading:
        """Add events and judge all. An event more than `ahead` seconds in the future is dropped."""
        for event in events:
            known = self._newest.get(event.mail)
            if event.at <= now + ahead and (known is None or known.order <= event.order):
                self._newest[event.mail] = event
        young = [each for each in self._newest.values() if each.at > now - self.share.window]
        young = sorted(young, key=lambda event: event.at)[-MOST:]
        self._newest = {each.mail: each for each in young}
        return self.share.judge(young)
