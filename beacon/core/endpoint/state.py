"""One endpoint: from readings to health. Its parts: `streaks`, `flapping`, `guard`.

The rules of this file: a pass or a warn ends a fail streak; one error changes no streak, and
`failure_threshold` errors in a row make the endpoint unknown and empty all streaks; no endpoint
goes down while its own network is in doubt; leaving unknown takes fresh evidence.
"""

import math
from dataclasses import replace
from typing import Final

from beacon.core.account.budget import REJECTIONS_TO_DOWN, AccountBudget
from beacon.core.account.guard import held_until, unproven
from beacon.core.endpoint.delivery_stats import arrived
from beacon.core.endpoint.flapping import FlapDetector
from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.latency.baseline import Baseline
from beacon.core.endpoint.latency.slowness import SLOW_BEFORE, Slowness, quiet_time, tells_pace
from beacon.core.endpoint.streaks import Onset, Streaks
from beacon.core.endpoint.troubles import LastTtl, TroubleWatch, present, troubles_of
from beacon.core.model import (
    LONG_AGO,
    NEVER,
    REJECTED,
    STANDING,
    Endpoint,
    Evidence,
    Health,
    Moment,
    Outcome,
    Reading,
    Reason,
    joined,
)
from beacon.core.trust.network import Confirmation
from beacon.core.views import Arrivals

SHORTEST_WAIT: Final = 300.0
"""Seconds within which whatever is polled often has been read again."""


class EndpointState:
    """What is remembered of one endpoint between readings."""

    __slots__ = (
        *("arrivals", "baseline", "budgets", "delayed_until", "errors", "flaps", "health"),
        *("held_until", "kept", "last", "passed_at", "records", "settled", "signed_in_at"),
        *("slow_because", "slow_since", "slowness", "spec", "started", "stated_at", "statement"),
        *("streaks", "trouble_watch", "ttl"),
    )

    def __init__(self, spec: Endpoint, at: Moment) -> None:
        self.spec = spec
        self.kept = EndpointKept(since=at)
        self.budgets: tuple[AccountBudget, ...] = ()  # of its accounts, where something was spent
        self.held_until = LONG_AGO  # it does not sign in before; `inf`: until an operator resumes
        self.health = Health.UNKNOWN
        self.started = LONG_AGO  # when the last reading's run began
        self.signed_in_at = LONG_AGO  # when the last run began whose credentials may have left
        self.passed_at: Moment | None = None  # when the last run began that passed
        self.delayed_until = -math.inf  # a run that was due waits until then for a free code
        self.last: Reading | None = None
        self.records: tuple[str, ...] = ()  # all that its fails have named since it began to fail
        self.statement: Reading | None = None  # the first reading of those that say the same
        self.stated_at = at
        self.trouble_watch = TroubleWatch()
        self.ttl = LastTtl()
        self.settled = False  # known once, or found to be unknown for a reason
        self.errors = 0  # in a row
        self.streaks, self.flaps = Streaks(), FlapDetector()
        self.baseline: Baseline | None = None  # what is usual; None: not judged by it
        self.slowness = Slowness()
        self.slow_because, self.slow_since = SLOW_BEFORE, at  # what it says while it is slow
        self.arrivals: dict[str, Arrivals] = {}  # of a cause, by what it affects

    def recall(self, kept: EndpointKept) -> None:
        """Go on from what was kept: unknown until it is read."""
        self.kept, self.flaps, self.slow_since = kept, FlapDetector(kept.flapping), kept.since
        self.hold_back()
        if self.guarded:  # it will not be read: what was down is held
            self.settled = True
            if kept.guard.proven and kept.health is Health.DOWN:
                self.health = Health.DOWN
        onset = kept.confirmed_onset
        if self.still_down and onset is not None:
            self.ttl.take(onset.ttl, onset.at)
            if self.spec.evidence is Evidence.CAUSE and not kept.troubles:
                # Written by a beacon that knew one trouble for all.
                self.kept = replace(kept, troubles=troubles_of(onset))

    @property
    def because(self) -> Reading | None:
        """The reading that explains its health: the last, or the one that says passes are slow."""
        said_now = self.last is not None and self.last.reason is Reason.SLOW
        return self.slow_because if self.slow and not said_now else self.last

    @property
    def slow(self) -> bool:
        """Degraded because it is slow: what it reads may pass."""
        passes = self.last is not None and tells_pace(self.last)
        return passes and self.kept.slow and self.health is Health.DEGRADED

    @property
    def quiet_at(self) -> float:
        """When its slowness is over, if it is not slow again until then."""
        return math.inf if self.kept.slow else self.kept.slow_until + quiet_time(self.spec)

    @property
    def says(self) -> tuple[Reading | None, Moment]:
        """What it says, and since when."""
        slow = self.slow
        return (self.slow_because, self.slow_since) if slow else (self.statement, self.stated_at)

    @property
    def shown(self) -> Health:
        """The health others see: while flapping the worst is held."""
        return self.flaps.shown(self.health)

    @property
    def flapping(self) -> bool:
        """Whether it changes so often that the worst is held."""
        return self.flaps.held is not None

    @property
    def judged_by(self) -> tuple[object, ...]:
        """All that services are judged and explained by; `shown` hides some while it flaps."""
        kept = self.kept
        words = (*self.says, kept.since, self.records, kept.slow_until, kept.troubles)
        return self.shown, self.health, self.planned, self.settled, self.flapping, *words

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is confirmed to be wrong now: of a cause each trouble's name, else the reason."""
        because = self.because if self.wrong else None
        names = tuple(each.name for each in present(self.kept.troubles))
        return names or (() if because is None else (str(because.reason),))

    @property
    def planned(self) -> bool:
        """Degraded only by something that can be planned for (an expiring certificate)."""
        return self.shown is Health.DEGRADED and not self._unplanned_now

    @property
    def _unplanned_now(self) -> bool:
        return self.flaps.held is not None or self.kept.unplanned or self.kept.slow

    @property
    def still_down(self) -> bool:
        """Down, or unknown since it was."""
        return self.health is Health.DOWN or (
            self.health is Health.UNKNOWN and self.kept.health is Health.DOWN
        )

    @property
    def in_trouble(self) -> bool:
        """Degraded or down, or unknown since it was."""
        known = self.kept.health if self.health is Health.UNKNOWN else self.shown
        return known in (Health.DEGRADED, Health.DOWN)

    @property
    def wrong(self) -> bool:
        """Degraded or down; a vendor's claim and what is planned open nothing."""
        troubled = self.shown in (Health.DEGRADED, Health.DOWN)
        return troubled and self.spec.evidence is not Evidence.CLAIM and not self.planned

    @property
    def looks_back_to(self) -> float:
        """The beginning of the time that its last reading covers; only of one that looks back."""
        return self.kept.informed_at - (self.spec.hindsight or 0.0)

    @property
    def guarded(self) -> bool:
        """Whether it is stopped until an operator resumes it."""
        return self.held_until == NEVER

    def hold_back(self) -> None:
        """Work out anew how long it is held back, after its guard or a budget changed."""
        self.held_until = held_until(self.spec, self.kept.guard, self.budgets)

    @property
    def stopped_at(self) -> Moment:
        """When the run began after which it was stopped."""
        began = self.kept.guard.stopped_at
        return max(each.began_at for each in self.budgets) if began is None else began

    def proven_since(self, moment: float) -> Health:
        """Of one that is unknown: the health it was last proven to have since then.

        Otherwise `UNKNOWN`, also where nothing has begun (`inf`). What is planned is no trouble.
        What is held while it flaps is held on.
        """
        last, passed_at = self.kept.health, self.kept.passed_at
        if last is None or moment == math.inf:
            return Health.UNKNOWN
        last = self.flaps.shown(last)
        if last is Health.DOWN:
            return Health.DOWN
        if passed_at is not None and passed_at < moment:  # None: it was known when we stopped
            return Health.UNKNOWN
        return last if self._unplanned_now else Health.UP

    @property
    def longest_unread(self) -> float:
        """Seconds to wait for its next reading before going on without it."""
        if self.spec.pushed:
            return SHORTEST_WAIT
        return max(SHORTEST_WAIT, 2 * self.spec.interval + self.spec.timeout)

    @property
    def rereadable(self) -> bool:
        """Whether it can be asked again now: not what is pushed to us, or stopped by the guard."""
        return not (self.spec.pushed or self.guarded)

    @property
    def has_new_trouble(self) -> bool:
        """Whether something new is wrong with a cause that is down, and not confirmed."""
        down, threshold = self.health is Health.DOWN, self.spec.failure_threshold
        return down and self.trouble_watch.unconfirmed(self.kept.troubles, threshold)

    @property
    def wants_recheck(self) -> bool:
        """Whether a fail waits to be confirmed."""
        fails = self.streaks.fails > 0 and not self._enough_fails()
        return fails and self.health is not Health.DOWN

    # --- taking readings in -------------------------------------------------------

    def count(self, reading: Reading, at: Moment, *, regular: bool) -> Reading:
        """Take one reading into the counters; the reading as it was understood."""
        if self._rejected(reading) and not self.kept.guard.proven:
            self.kept = replace(self.kept, guard=self.kept.guard.rejected(self.started))
            self.hold_back()
            reading = unproven(reading)
        self._note_statement(reading, at)
        outcome = reading.outcome
        if outcome is Outcome.ERROR:
            # Too few sign-ins to judge. Not an error; do not count it towards unknown.
            self.errors += reading.reason is not Reason.SAMPLE_TOO_SMALL
            return reading
        self.errors = 0
        if self.spec.looks_back:  # for others each reading would write the SD card
            self.kept = replace(self.kept, informed_at=self.started)
        if outcome is Outcome.FAIL:
            self._count_fail(reading, at)
        else:
            self._count_good(reading)
            self.ttl.take(reading.ttl, at)
        if self.spec.evidence is Evidence.CAUSE:
            self.trouble_watch.count(reading, at, self.ttl.before(reading), self.kept.troubles)
        if regular:
            failed = outcome is Outcome.FAIL
            self.streaks.count_regular(failed=failed)
            self.flaps.count(failed=failed)
        return reading

    def _note_statement(self, reading: Reading, at: Moment) -> None:
        self.last, was = reading, self.statement
        if was is None or was.reason is not reading.reason or self._reworded(was, reading):
            self.statement, self.stated_at = reading, at

    def _reworded(self, was: Reading, now: Reading) -> bool:
        """A vendor's words are what is polled; other details may differ in every reading."""
        return self.spec.evidence is Evidence.CLAIM and was.detail != now.detail

    def _count_fail(self, reading: Reading, at: Moment) -> None:
        if not self.streaks.window and not self.still_down:
            self.records = ()
        self.records = joined(self.records, reading.records)
        self.streaks.count_fail(Onset(at, reading, self.ttl.before(reading)))
        if self._rejected(reading):
            self.kept = replace(self.kept, guard=self.kept.guard.rejected(self.started))

    def _count_good(self, reading: Reading) -> None:
        warned = reading.outcome is Outcome.WARN
        self.passed_at = self.started
        if self.health is Health.UNKNOWN:
            self.kept = replace(self.kept, passed_at=self.started)
        if (guard := self.kept.guard.passed()) is not self.kept.guard:  # a slow one counts, too
            self.kept = replace(self.kept, guard=guard)
            self.hold_back()
        self.streaks.count_good(warned=warned, planned=reading.reason in STANDING)

    def _rejected(self, reading: Reading) -> bool:
        """Whether a sign-in of our own was rejected: one of others is not ours to stop."""
        return reading.reason in REJECTED and not self.spec.pushed

    def delivered(self, delivery: Endpoint, reading: Reading, started: Moment) -> None:
        """Count a code that arrived, or did not, at something that this cause affects."""
        outcome = reading.outcome
        if self.shown is not Health.UNKNOWN and outcome is not Outcome.ERROR:
            was = self.arrivals.get(delivery.id) or Arrivals(self.spec.id, delivery.id)
            failing, lost = self.shown is Health.DOWN, outcome is Outcome.FAIL
            self.arrivals[delivery.id] = arrived(was, failing=failing, lost=lost)
            # What a failing record brings into the junk folder does not prove it harmless.
            if failing and not lost and reading.reason is not Reason.CODE_IN_JUNK:
                self.trouble_watch.arrived(delivery, started)

    def note_latency(self, latency: float, usual: float, at: Moment) -> None:
        """Take in how long a passing reading took; above `usual` it is slow for its hour."""
        if self.still_down:  # how slowly it comes up says nothing of how it will go on
            return
        slow_after = self.spec.slow_after
        self.slowness.take(latency, slow_after)
        limit = usual if slow_after is None else min(usual, slow_after)
        if self.kept.slow:
            self._end_slowness(limit, at)
        elif self._slowness_begins(latency, usual, at):
            self.kept = replace(self.kept, slow=True)
        elif latency > limit and at < self.quiet_at and self.slowness.stirs(limit):
            self.kept = replace(self.kept, slow_until=at)
        if slow_after is not None and latency > slow_after and self.statement is not None:
            self.slow_because, self.slow_since = self.statement, self.stated_at

    def _slowness_begins(self, latency: float, usual: float, at: Moment) -> bool:
        if self.slowness.long_above(usual, self.started, at):
            assert self.baseline is not None, "without one nothing is above the usual"
            against = self.slowness.against(self.baseline)
            self.slow_because, self.slow_since = Reading(Reason.SLOW, against, latency), at
            return True
        return self.slowness.often_above(self.spec.failure_threshold)

    def _end_slowness(self, limit: float, at: Moment) -> None:
        below = self.slowness.long_below(limit, self.started, at)
        standing = self.last is not None and self.last.reason in STANDING  # and may warn for weeks
        if below and (standing or self.streaks.clean >= self.spec.success_threshold):
            self.slowness.end()
            self.kept = replace(self.kept, slow=False, slow_until=at)

    # --- deciding -----------------------------------------------------------------

    def decide(self, at: Moment, gate: Confirmation) -> None:
        """Come to a health after `count`."""
        target = self._target(gate)
        if target is not self.health:
            self._become(target, at)
        elif self._unknown_for_a_reason():
            self.settled = True
        unplanned = self._unplanned()
        if unplanned is not self.kept.unplanned:
            self.kept = replace(self.kept, unplanned=unplanned)
        if self.spec.evidence is Evidence.CAUSE:
            self._follow_troubles(gate)
        self.flaps.hold(self.health)
        self._keep_flapping()

    def _follow_troubles(self, gate: Confirmation) -> None:
        down = self.health is Health.DOWN and gate is Confirmation.OPEN
        troubles = self.trouble_watch.follow(self.kept.troubles, self.spec, down=down)
        if troubles is not self.kept.troubles:
            self.kept = replace(self.kept, troubles=troubles)

    def _unplanned(self) -> bool:
        """Whether it is in trouble that is not planned."""
        if self.streaks.enough_unplanned(self.spec.failure_threshold):
            return True
        if self.health is Health.DOWN:
            return self.streaks.unplanned > 0
        over = not self.streaks.unplanned and self.streaks.good >= self.spec.success_threshold
        return self.kept.unplanned and not over

    def _keep_flapping(self) -> None:
        if self.flaps.held is not None or self.kept.flapping is not None:
            self.kept = replace(self.kept, flapping=self.flaps.kept)

    def _forget(self) -> None:
        """What follows must be fresh."""
        self.streaks, self.slowness = Streaks(), Slowness()
        self.trouble_watch = TroubleWatch()

    def void(self, reading: Reading, at: Moment) -> None:
        """Lose all trust in what was seen: unknown at once, streaks and window emptied."""
        self._note_statement(reading, at)
        if reading.reason is not Reason.STALE and self.health is not Health.DOWN:
            self.flaps.uncount_fails(self.streaks.fails)
        self._keep_flapping()
        self._forget()
        self.settled = True
        if self.health is not Health.UNKNOWN:
            self._become(Health.UNKNOWN, at)

    def _enough_fails(self) -> bool:
        rejected = self.kept.guard.rejections >= min(REJECTIONS_TO_DOWN, self.spec.guard_max)
        return rejected or self.streaks.enough_fails(self.spec.failure_threshold)

    def _enough_warns(self) -> bool:
        return self.streaks.enough_warns(self.spec.failure_threshold)

    @property
    def failing(self) -> bool:
        """Enough fails to be down, whatever the gate says."""
        return self.streaks.fails > 0 and self._enough_fails()

    def _unknown_for_a_reason(self) -> bool:
        """Enough errors in a row, or a stop by the guard before anything was proved."""
        stopped = self.guarded and not self.kept.guard.proven
        return stopped or self.errors >= self.spec.failure_threshold

    def _target(self, gate: Confirmation) -> Health:
        if self._unknown_for_a_reason():
            return Health.UNKNOWN
        if self.last is not None and self.last.outcome is Outcome.ERROR:
            return self.health
        if self.streaks.fails:
            may_fall = gate is Confirmation.OPEN and self._enough_fails()
            return Health.DOWN if may_fall else self.health
        if self.health is Health.UP:
            slow = self.kept.slow or self._enough_warns()
            return Health.DEGRADED if slow else Health.UP
        if self.health is Health.DEGRADED:
            well = self.streaks.clean >= self.spec.success_threshold and not self.kept.slow
            return Health.UP if well else Health.DEGRADED
        return self._returning()

    def _returning(self) -> Health:
        """Down or unknown, and the last reading was good."""
        warned = self.streaks.clean == 0
        if self.health is Health.UNKNOWN and self.kept.health in (None, Health.UP):
            if not warned:
                return Health.UP
            return Health.DEGRADED if self._enough_warns() else Health.UNKNOWN
        if self.streaks.good < self.spec.success_threshold:
            return self.health
        return Health.DEGRADED if warned or self.kept.slow else Health.UP

    def _become(self, target: Health, at: Moment) -> None:
        kept, was_down = self.kept, self.still_down
        if self.health is Health.DOWN:
            self.flaps.regulars_since_down = 0
        if target is Health.UNKNOWN:
            self.kept = replace(kept, since=at, passed_at=self.passed_at)
            self._forget()
        elif target is Health.DOWN:
            onset = (
                kept.confirmed_onset
                if was_down
                else self.streaks.onset(self.spec.failure_threshold)
            )
            # How slow it was says nothing of how it will come back.
            self.slowness = Slowness()
            kept = replace(kept, confirmed_onset=onset, slow=False, slow_until=LONG_AGO)
        else:
            kept = replace(kept, up_again_at=at) if was_down else kept
            if self.health is not Health.UP:
                self.streaks.come_back()
            if target is Health.UP:
                self.streaks.come_up()
        if target is not Health.UNKNOWN:
            worked_at = self.passed_at if self.health is Health.UP else kept.worked_at
            self.kept = replace(kept, since=at, health=target, passed_at=None, worked_at=worked_at)
        self.health, self.settled = target, True
