"""Which request a code answers: that of this run, or of an earlier one whose code came late.

    request 1 ──────────────── code 1 is late ───────┐
                 its run ends: not arrived           │
                                   request 2 ─────── ▼ ──── code 2 …
                                                     ours?

A code belongs to the run that requested it. Messages from before the request do not count. When a
later message was sent decides which request it answers, where the message says so. Else it may
answer any request whose code was not seen yet.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Final

from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.net.mail.imap import MessageId
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import sent_before

FORGOTTEN_AFTER: Final = 600.0
"""Seconds after which nobody waits for a code any more (NIST SP 800-63B)."""


class Owner(Enum):
    """Whose request a code answers."""

    OURS = auto()
    EARLIER = auto()
    UNSURE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class CodeRequest:
    """A request for a code: when, by the monotonic clock and in UTC, and the mailbox then.

    `next_numbers`: for each folder (its name and validity) the number of its next message then.
    """

    at: float
    utc: float
    next_numbers: Mapping[tuple[bytes, int], int] = field(default_factory=dict)


class UnansweredRequests:
    """The requests of one endpoint whose code was not seen, the oldest first."""

    def __init__(self) -> None:
        self._requests: list[CodeRequest] = []

    def recent(self, now: float) -> list[CodeRequest]:
        """Those whose code may still come."""
        self._requests = [each for each in self._requests if now - each.at < FORGOTTEN_AFTER]
        return list(self._requests)

    def drop(self, request: CodeRequest) -> None:
        """Its code was seen, or will not come."""
        self._requests = [each for each in self._requests if each is not request]

    def add(self, request: CodeRequest) -> None:
        """A code was asked for."""
        self._requests.append(request)


@dataclass
class OpenRequests:
    """This run's request, beside the earlier ones whose code may still come."""

    unanswered: UnansweredRequests
    request: CodeRequest
    earlier: list[CodeRequest]
    earlier_came: str = ""
    """When the code of an earlier request came, in words; empty: none did."""
    began: float = 0.0
    """When its last step began: latency counts from here."""
    unsure_came: str = ""
    """When a code came that may be ours or an earlier one, in words; empty: none did."""

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Inside, the code is requested. A request that fails makes no code be sent."""
        self.unanswered.add(self.request)
        try:
            yield
        except ProbeFailure as failure:
            if failure.reading.reason is not Reason.DEADLINE:  # the server may have received it
                self.unanswered.drop(self.request)
            raise

    def owner(self, run: Run, sent: float | None, dated: bool) -> Owner:
        """Whose code this is, by when its message was sent (UTC, by the clocks of others).

        A time before our request decides. A later one decides only if the message itself is
        `dated`: servers on its way may have received it late.
        """
        slack = (self.request.at - self.earlier[-1].at) / 2 if self.earlier else inf
        if sent_before(run, sent, self.request.utc, slack):
            return Owner.EARLIER
        return Owner.UNSURE if self.earlier and not dated else Owner.OURS

    def came_after(self, place: MessageId, arrived: float) -> bool:
        """Whether a message came after the oldest request whose code may still come."""
        if not self.earlier:
            return False
        oldest = self.earlier[0]
        first = oldest.next_numbers.get((place.folder, place.validity))
        return arrived >= oldest.utc if first is None else place.uid >= first

    def match_earlier(self, now: float, sent: float | None = None) -> bool:
        """Take a code for that of an earlier request; false: we know of no such request."""
        if not self.earlier:
            self.earlier_came = "a code came that was sent before this run asked for one"
            return False
        # The last one asked for before it was sent; the oldest where that is not known.
        before = [each for each in self.earlier if sent is not None and each.utc <= sent + 1]
        whose = before[-1] if before else self.earlier[0]
        waited = f"{now - whose.at:.0f} s after its request"
        self.earlier_came = f"the code of an earlier run came {waited}"
        self._drop(whose)
        return True

    def match_unsure(self, now: float) -> None:
        """Note a code that answers this request, or the oldest one before."""
        before, since = now - self.earlier[0].at, now - self.began
        self.unsure_came = f"arrived {since:.0f} s after this request, or {before:.0f} s after one "
        self.unsure_came += "whose code never came"
        self.drop_oldest()

    def drop_oldest(self) -> None:
        """The code of the oldest earlier request came, as far as anybody can tell."""
        self._drop(self.earlier[0])

    def answered(self) -> None:
        """Our code came."""
        self.unanswered.drop(self.request)

    def reading_if_lost(self, lost: Reading) -> Reading:
        """The reading when our code did not come: late, if those of earlier requests did."""
        if lost.reason is not Reason.CODE_NOT_ARRIVED:
            return lost
        earlier = self.earlier_came and f"{self.earlier_came}; this run's: {lost.detail}"
        text = self.unsure_came or earlier
        return Reading(Reason.CODE_LATE, text) if text else lost

    def _drop(self, request: CodeRequest) -> None:
        self.unanswered.drop(request)
        self.earlier = [each for each in self.earlier if each is not request]
