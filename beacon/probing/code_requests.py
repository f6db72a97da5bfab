"""Which request a code answers: that of this run, or of an earlier one whose code came late.

    request 1 ──────────────── code 1 is late ───────┐
                 its run ends: not arrived           │
                                   request 2 ─────── ▼ ──── code 2 …
                                                     ours?

A code belongs to the run that asked for it. What was in the mailbox before the request does not
count; what came later is told apart by when it was sent, where the message says so. Else it may
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

    `mark` is for each folder (its name and validity) the number its next message was to have.
    """

    at: float
    utc: float
    mark: Mapping[tuple[bytes, int], int] = field(default_factory=dict)


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
    began: float = 0.0
    """When its last step began: latency counts from here."""
    late: str = ""
    """What is to be said of a code of an earlier request, where ours does not come."""
    unsure: str = ""
    """What is to be said of a code that may be ours or an earlier one."""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Inside, the code is asked for; a request that was answered with trouble sends none."""
        self.unanswered.add(self.request)
        try:
            yield
        except ProbeFailure as trouble:
            if trouble.reading.reason is not Reason.DEADLINE:  # it may have been heard
                self.unanswered.drop(self.request)
            raise

    def owner(self, run: Run, sent: float | None, dated: bool) -> Owner:
        """Whose a code is, by when its message was sent (UTC, by clocks of others).

        A time before our request tells. One after it tells only where the message itself is
        `dated`: servers on its way may have got it late.
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
        first = oldest.mark.get((place.folder, place.validity))
        return arrived >= oldest.utc if first is None else place.uid >= first

    def is_late(self, now: float, sent: float | None = None) -> bool:
        """The code of an earlier request came; false: none of those that we know of."""
        if not self.earlier:
            self.late = "a code came that was sent before this run asked for one"
            return False
        # The last one asked for before it was sent; the oldest where that is not known.
        before = [each for each in self.earlier if sent is not None and each.utc <= sent + 1]
        whose = before[-1] if before else self.earlier[0]
        self.late = f"the code of an earlier run came {now - whose.at:.0f} s after its request"
        self._drop(whose)
        return True

    def may_be_late(self, now: float) -> None:
        """A code came that answers this request, or the oldest one before."""
        before, since = now - self.earlier[0].at, now - self.began
        self.unsure = f"arrived {since:.0f} s after this request, or {before:.0f} s after one "
        self.unsure += "whose code never came"
        self._drop(self.earlier[0])

    def was_late(self) -> None:
        """The server did not take a code: it is held to be that of the oldest request before."""
        self._drop(self.earlier[0])

    def answered(self) -> None:
        """Our code came."""
        self.unanswered.drop(self.request)

    def verdict(self, lost: Reading) -> Reading:
        """What it means that ours did not come: late, where those of earlier requests do."""
        if lost.reason is not Reason.CODE_NOT_ARRIVED or not (self.unsure or self.late):
            return lost
        text = self.unsure or f"{self.late}; this run's: {lost.detail}"
        return Reading(Reason.CODE_LATE, text)

    def _drop(self, request: CodeRequest) -> None:
        self.unanswered.drop(request)
        self.earlier = [each for each in self.earlier if each is not request]
