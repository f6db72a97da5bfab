"""One service over time: the verdict of the table, held until its end is proved and lasting.

`judge` says what the endpoints show now; this file adds what needs memory: holds after
trouble, the verdict kept while nothing is known, and the step from red through recovering.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from beacon.core.model import BOOT, CALM, NO_PROBLEM, RED, Moment, Service, Verdict
from beacon.core.service.verdict import NOTHING_KNOWN, Judgement


class Change(Enum):
    """What a change of verdict means for the incident. It is announced by the same name."""

    NONE = auto()
    OPENED = auto()
    ESCALATED = auto()  # degraded → red
    RELAPSED = auto()  # had been red in this incident, is red again
    WIDENED = auto()  # something new beneath an acknowledged incident
    RECOVERING = auto()
    CLOSED = auto()


ALARMING: Final = frozenset({Change.OPENED, Change.ESCALATED, Change.RELAPSED})


@dataclass(slots=True)
class VerdictKept:
    """What survives a restart of a verdict that is bad."""

    verdict: Verdict = Verdict.BLIND
    since: Moment = BOOT
    proof_at: Moment | None = None  # when the verdict held while blind was last proved
    was_red: bool = False
    red_since: Moment = BOOT
    red_seconds: float = 0.0
    admitted: bool = False  # by the vendor, since it became red
    hold_left: float | None = None  # what is left of the clean period while we are blind


class ServiceState:
    """What is remembered of one service. Times are monotonic seconds."""

    def __init__(self, spec: Service, at: Moment) -> None:
        self.spec = spec
        self.kept = VerdictKept(since=at)
        self.judgement: Judgement = NOTHING_KNOWN
        self.blind = True
        self.hold_until: float | None = None  # the clean period ends; None: not running

    @property
    def verdict(self) -> Verdict:
        """The verdict as it is held."""
        return self.kept.verdict

    def kept_at(self, at: Moment) -> VerdictKept | None:
        """What must survive if we stop now. What is well is forgotten: it must be proved afresh.

        A bad verdict that we see was proved until now; a hold does not run while we are dead.
        """
        kept, until = self.kept, self.hold_until
        if kept.verdict in CALM:
            return None
        left = kept.hold_left if until is None else until - at
        return replace(kept, proof_at=kept.proof_at if self.blind else at, hold_left=left)

    def follow(self, found: Judgement, at: Moment) -> Change:
        """Follow what the table says now."""
        self.judgement = found
        self._note_blind(blind=found.blind, at=at)
        verdict = found.verdict if self.verdict in CALM else found.known
        if verdict is Verdict.BLIND:
            return self._nothing_known(at)
        if self.kept.hold_left is not None:
            self.hold_until, self.kept.hold_left = at + self.kept.hold_left, None
        if verdict in NO_PROBLEM:
            return self._well(verdict, at)
        self.hold_until = None
        return self._red(verdict, at) if verdict in RED else self._degraded(at)

    def time_passed(self, at: Moment) -> Change:
        """End the hold if it has come due."""
        if self.hold_until is None or at < self.hold_until:
            return Change.NONE
        self.hold_until, self.kept.was_red, self.kept.red_seconds = None, False, 0.0
        self._become(self.judgement.verdict, at)
        return Change.CLOSED

    # --- blind --------------------------------------------------------------------

    def _note_blind(self, *, blind: bool, at: Moment) -> None:
        if not blind:
            self.kept.proof_at = None
        elif not (self.blind or self.verdict in CALM):
            self.kept.proof_at = at
        self.blind = blind

    def _nothing_known(self, at: Moment) -> Change:
        """Nothing that its cells rest on is known: hold the verdict, and a hold that runs."""
        if self.verdict in CALM:
            self._become(Verdict.BLIND, at)
        elif self.verdict is Verdict.GRAY_FAILURE and self.judgement.vendor_admits:
            self.kept.admitted = True  # that we see nothing takes nothing from the vendor's word
            self._become(Verdict.OUTAGE, at)
        elif self.judgement.verdict is Verdict.DEGRADED and self.verdict not in RED:
            return self._degraded(at)  # what stands beside the cells raises it
        elif self.hold_until is not None:
            self.kept.hold_left, self.hold_until = self.hold_until - at, None
        return Change.NONE

    # --- seeing -------------------------------------------------------------------

    def _well(self, verdict: Verdict, at: Moment) -> Change:
        if self.verdict in CALM:
            self._become(verdict, at)
            return Change.NONE
        if self.hold_until is not None:
            return Change.NONE
        if not self.kept.was_red:
            self.hold_until = at + self.spec.degraded_hold
            return Change.NONE
        self._leave_red(at)
        long = self.kept.red_seconds > self.spec.long_outage
        self.hold_until = at + (self.spec.recovery_hold_long if long else self.spec.recovery_hold)
        was = self.verdict
        self._become(Verdict.RECOVERING, at)
        return Change.NONE if was is Verdict.RECOVERING else Change.RECOVERING

    def _degraded(self, at: Moment) -> Change:
        was = self.verdict
        self._leave_red(at)
        self.hold_until = self.kept.hold_left = None
        self._become(Verdict.DEGRADED, at)
        return Change.OPENED if was in CALM else Change.NONE

    def _red(self, verdict: Verdict, at: Moment) -> Change:
        was, was_red = self.verdict, self.kept.was_red
        if was not in RED:
            self.kept.red_since, self.kept.admitted = at, False
        self.kept.admitted = self.kept.admitted or self.judgement.vendor_admits
        if was is Verdict.OUTAGE and self.kept.admitted:
            verdict = Verdict.OUTAGE  # the vendor "resolves": nothing changes but the words
        elif was is Verdict.GRAY_FAILURE and not self.kept.admitted:
            verdict = Verdict.GRAY_FAILURE  # a page that cannot be read admits nothing
        self.kept.was_red = True
        self._become(verdict, at)
        if was in RED:
            return Change.NONE
        if was in CALM:
            return Change.OPENED
        return Change.RELAPSED if was_red else Change.ESCALATED

    def _leave_red(self, at: Moment) -> None:
        if self.verdict in RED:
            self.kept.red_seconds += at - self.kept.red_since

    def _become(self, verdict: Verdict, at: Moment) -> None:
        if verdict is not self.verdict:
            self.kept.verdict, self.kept.since = verdict, at
