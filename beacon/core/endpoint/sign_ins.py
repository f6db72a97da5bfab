"""All accounts: what was spent of each, and which endpoints it holds back.

A server counts what it rejects whatever we make of the reading. So an attempt counts before our
own network and clock are asked what the reading is worth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from beacon.core.account.approach import Approach
from beacon.core.account.budget import UNSPENT, AccountBudget
from beacon.core.account.guard import HUNG_ENOUGH, SignInGuard
from beacon.core.effects import Answered, Effect, Postpone
from beacon.core.endpoint.dependencies import Dependencies
from beacon.core.endpoint.state import EndpointState
from beacon.core.inputs import Controlled, Observed, Resume
from beacon.core.model import (
    LONG_AGO,
    NEVER,
    REJECTED,
    Endpoint,
    Health,
    Moment,
    Outcome,
    Reading,
    Reason,
)
from beacon.core.timers import Timers

STOPPED: Final = Reading(
    Reason.GUARD_STOPPED, "stopped: too many sign-ins with its account were not accepted"
)


def accounts_of(spec: Endpoint) -> tuple[str, ...]:
    """The accounts that its rejections count against."""
    return spec.accounts or (spec.id,)


class SignIns:
    """The budgets of all accounts. `configure` comes first."""

    def __init__(self, timers: Timers, effects: list[Effect], dependencies: Dependencies) -> None:
        self.budgets: dict[str, AccountBudget] = {}
        self._timers, self._effects, self._dependencies = timers, effects, dependencies
        self._states: dict[str, EndpointState] = {}
        self._sharers: dict[str, list[EndpointState]] = {}
        self._held: dict[EndpointState, Moment] = {}  # as the schedule knows it
        self._changed: dict[EndpointState, None] = {}  # may be held otherwise now
        self.just_stopped: list[EndpointState] = []  # and not announced yet

    def configure(self, states: Iterable[EndpointState]) -> None:
        """Follow these endpoints from now on; an account that none of them has is forgotten."""
        self._sharers, self._states = {}, {state.spec.id: state for state in states}
        for state in self._states.values():
            if not state.spec.pushed:
                for name in accounts_of(state.spec):
                    self._sharers.setdefault(name, []).append(state)
        self.budgets = {n: each for n, each in self.budgets.items() if n in self._sharers}
        known = self._states.values()
        self._held = {state: until for state, until in self._held.items() if state in known}
        for name in self.budgets:
            self._link(name)

    def restore(
        self,
        budgets: Mapping[str, AccountBudget],
        guards: Mapping[str, SignInGuard],
        at: Moment,
        *,
        resumed: bool,
    ) -> None:
        """Go on from what was spent before the start. `resumed`: by an orderly restart."""
        found = dict(budgets)
        for name, guard in guards.items():
            state = self._states.get(name)
            names = () if state is None else accounts_of(state.spec)
            # Written by a beacon that counted rejections for each endpoint alone.
            if guard.rejections and not any(each in found for each in names):
                found |= dict.fromkeys(
                    names, AccountBudget(guard.rejections, began_at=at, ended_at=at)
                )
        for name in (each for each in found if each in self._sharers):
            specs = [state.spec for state in self._sharers[name]]
            allowed = resumed and any(map(found[name].needs_operator, specs))
            self.budgets[name] = replace(found[name], resumed=found[name].resumed or allowed)
            self._link(name)

    def sharing(self, endpoint: str) -> Iterable[str]:
        """The other endpoints that sign in with one of its accounts."""
        state = self._states.get(endpoint)
        names = () if state is None else state.spec.accounts
        found = {each.spec.id: None for name in names for each in self._sharers[name]}
        return [each for each in found if each != endpoint]

    def take_just_stopped(self) -> list[EndpointState]:
        """The endpoints that were stopped since the last call."""
        stopped, self.just_stopped = self.just_stopped, []
        return stopped

    # --- attempts -----------------------------------------------------------------

    def count(self, state: EndpointState, event: Observed) -> None:
        """Count what became of a run's attempt, if there was one; `follow` comes next."""
        spec, reading = state.spec, event.reading
        if spec.pushed:
            return
        if event.knocked is not None:
            guard = state.kept.guard.knocked(answered=event.knocked)
            state.kept = replace(state.kept, guard=guard)
            state.hold_back()
            self._changed[state] = None
        rejected = reading.reason in REJECTED
        accepted = reading.outcome in (Outcome.PASS, Outcome.WARN)
        unanswered = event.unanswered and bool(spec.accounts)
        if accepted or rejected or unanswered:
            state.signed_in_at = event.started
        if accepted:
            self._accepted(state)
        elif rejected or unanswered:
            self._spend(state, event, rejected=rejected)

    def count_control(self, state: EndpointState, event: Controlled) -> None:
        """Count a wrong code that was refused, or not answered; `follow` comes next."""
        rejected = event.reading.reason in REJECTED
        if rejected or event.unanswered:
            self._spend(state, event, rejected=rejected)

    def _spend(self, state: EndpointState, event: Observed | Controlled, *, rejected: bool) -> None:
        self._changed[state] = None
        for name in accounts_of(state.spec):
            spent = self.budgets.get(name, UNSPENT)
            self.budgets[name] = spent.count(event.started, event.at, rejected=rejected)
            self._link(name)

    def _accepted(self, state: EndpointState) -> None:
        if state.budgets:
            for name in accounts_of(state.spec):
                if self.budgets.pop(name, None) is not None:
                    self._link(name)
        if state in self._held:
            self._changed[state] = None

    def follow(self, at: Moment) -> None:
        """Hold back the endpoints whose budget is spent; let go those that may sign in again."""
        changed, self._changed = self._changed, {}
        for state in changed:
            until = state.held_until
            if until != self._held.get(state, LONG_AGO):
                self._hold(state, until, at)

    def _link(self, account: str) -> None:
        for state in self._sharers[account]:
            names = accounts_of(state.spec)
            state.budgets = tuple(self.budgets[n] for n in names if n in self.budgets)
            state.hold_back()
            self._changed[state] = None

    def _hold(self, state: EndpointState, until: Moment, at: Moment) -> None:
        was = self._held.pop(state, LONG_AGO)
        if until > at:
            self._held[state] = until
        if until > at or was > at:
            self._effects.append(Postpone(at, state.spec.id, max(at, until)))
            due = self._timers.get(state)
            if until == NEVER:
                if state.health not in (Health.UP, Health.DEGRADED):  # else it becomes unknown
                    self._timers.set(state, None)
            elif due is not None or was == NEVER:
                wait = max(at, until) + state.spec.stale_after
                self._timers.set(state, wait if due is None else max(due, wait))
        if until == NEVER and was != NEVER:
            self.just_stopped.append(state)
            self._dependencies.touch_service(state)
        elif was == NEVER:
            self._dependencies.touch_service(state)

    # --- what others ask ----------------------------------------------------------

    def approach(self, state: EndpointState, at: Moment, *, trusted: bool) -> Approach:
        """What a run that begins now may send. `trusted`: our own network and clock are."""
        spec, guard = state.spec, state.kept.guard
        if not spec.accounts:
            return Approach.SIGN_IN
        if not trusted:
            if guard.knocks:
                return Approach.KNOCK_ONLY
            # Where nothing else can prove that our network is back, a rare attempt must.
            rare = at >= state.signed_in_at + spec.guard_interval
            return Approach.SIGN_IN if rare else Approach.HOLD
        doubtful = any(each.unanswered and not each.resumed for each in state.budgets)
        over = any(each.is_over(spec) for each in state.budgets)
        if guard.knocks and doubtful and (over or guard.hung < HUNG_ENOUGH):
            return Approach.KNOCK_FIRST
        return Approach.LEARN if guard.knocks is None else Approach.SIGN_IN

    def resume(self, event: Resume) -> None:
        """Try stopped sign-ins once more, each at least `guard_interval` after its last run."""
        stopped = [
            state
            for state in self._states.values()
            if _may_be_resumed(state) and event.service in (None, state.spec.service, state.spec.id)
        ]
        self.allow_once(stopped)
        self.follow(event.at)
        error = "" if stopped else "no sign-in is stopped there"
        answer = (not error, event.by, event.origin, error, event.reason, event.service)
        self._effects.append(Answered(event.at, "resume", *answer))

    def allow_once(self, states: Iterable[EndpointState]) -> None:
        """Let each of these be tried once more, whatever was spent."""
        for state in states:
            state.kept = replace(state.kept, guard=state.kept.guard.resume())
            state.hold_back()
            self._changed[state] = None
            for name in accounts_of(state.spec):
                if name in self.budgets:
                    self.budgets[name] = replace(self.budgets[name], resumed=True)
                    self._link(name)


def _may_be_resumed(state: EndpointState) -> bool:
    """Whether it is stopped, or waits long for its server to wake."""
    return state.guarded or any(each.needs_operator(state.spec) for each in state.budgets)
