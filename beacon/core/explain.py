"""Why is the lamp as it is, and what would change it? In sentences, from the core's own state.

Nothing here decides: it reads what `endpoint`, `service` and `tower` hold. Sentences carry no
times of day; where something happens at a known moment, `Prospect.at` says when.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from beacon.core.account.control import is_controlled
from beacon.core.endpoint.delivery_stats import in_words
from beacon.core.endpoint.latency.slowness import DEAD_BAND
from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.streaks import WINDOW, WINDOW_FAILS
from beacon.core.model import NO_PROBLEM, RED, Evidence, Health, Outcome, Reading, Verdict
from beacon.core.operator.overlays import Overlays
from beacon.core.service.endpoint_snapshot import overtaken
from beacon.core.service.facts import NOT_LOOKED_AT
from beacon.core.service.incident import quiet_at
from beacon.core.service.service import ServiceMonitor
from beacon.core.timers import Timers
from beacon.core.tower.alarm import Alarm
from beacon.core.tower.tower_control import TowerControl
from beacon.core.views import Overlay, OverlayKind, ServiceView, SilenceChanged

_RAISES: Final = "it may raise the verdict, and never clears it"
_OVERTAKEN: Final = "of a time before a sign-in came up again, so it does not count"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would change something; `at` (monotonic seconds) where the moment is known."""

    what: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class EndpointExplained:
    """One endpoint: what it is held to be, the reading it stands on, and how far it is."""

    id: str
    evidence: Evidence
    health: Health
    since: float
    last: Reading | None
    started: float | None
    standing: str
    prospects: tuple[Prospect, ...] = ()
    pace: str | None = None  # how long it takes against what is usual
    account: str | None = None  # what was spent of its account's budget
    arrivals: tuple[str, ...] = ()  # how what is tied to it fared
    control: str | None = None  # what became of wrong codes
    controlled_at: float | None = None  # when that was


@dataclass(frozen=True, slots=True)
class Explained:
    """One service: its view, what it asks of the lamps, and what would change that next."""

    view: ServiceView
    lamps: tuple[tuple[str, str], ...]
    why: tuple[str, ...]
    endpoints: tuple[EndpointExplained, ...]
    overlays: tuple[Overlay, ...]
    prospects: tuple[Prospect, ...]
    silence: SilenceChanged | None = None  # of the whole tower


def explain(
    watched: ServiceMonitor, tower: TowerControl, overlays: Overlays, timers: Timers
) -> Explained:
    """Explain one service that has been judged."""
    assert watched.view is not None, "judged"
    name, annunciator = watched.spec.id, tower.annunciator
    alarm = annunciator.alarms[name]
    # A drill lies over the whole tower.
    over = tuple(o for o in overlays.active if name == o.subject or o.kind is OverlayKind.DRILL)
    return Explained(
        watched.view,
        tuple((colour.value, light.pattern.value) for colour, light in alarm.requests().items()),
        tuple(_why(watched, watched.view, first_out=annunciator.first_out == name)),
        tuple(_endpoint(state, timers) for state in watched.endpoints),
        over,
        (
            *_prospects(watched),
            *_until_acknowledged(alarm),
            *(
                Prospect(f"no blue for {o.by}, once acknowledged")
                for o in over
                if o.kind is OverlayKind.BREAK_GLASS
            ),
            *(Prospect(f"{o.kind} ends", o.until) for o in over if o.until is not None),
            *_attestations(overlays, name),
        ),
        tower.silence,
    )


def _why(watched: ServiceMonitor, view: ServiceView, *, first_out: bool) -> Iterator[str]:
    suppression = watched.suppression
    if view.explanation:
        yield view.explanation
    if first_out:
        yield "first-out: of the alarms that nobody has acknowledged, its came first"
    if suppression is not None and suppression.ended_at is None:
        yield "an operator or the calendar suppresses it: no red, amber or sound from it"
    elif suppression is not None:
        yield "it was suppressed until now, and what is wrong has not been confirmed since"
    if watched.inhibited:
        yield "all its trouble is explained by what it depends on: no incident of its own"
    for state in watched.endpoints:
        if state.spec.looks_back and state.in_trouble:
            old = overtaken(state, watched.endpoints)
            yield f"{state.spec.id} tells of the past: {_OVERTAKEN if old else _RAISES}"
    if view.shallow and view.verdict in NO_PROBLEM:
        yield "shallow: nothing proves a sign-in from end to end"
    if view.blind and view.verdict is not Verdict.BLIND:
        yield f"{view.verdict} is held while we are blind"


def _prospects(watched: ServiceMonitor) -> Iterator[Prospect]:
    state, spec = watched.state, watched.spec
    verdict = state.verdict
    if state.hold_until is not None:
        yield Prospect("ok, if all stays up until then", state.hold_until)
    elif state.kept.hold_left is not None:
        left = f"{state.kept.hold_left:.0f} s"
        yield Prospect(f"the hold has {left} left, and waits until we see again")
    elif verdict in RED or (verdict is Verdict.DEGRADED and state.kept.was_red):
        yield Prospect(
            f"recovering when every cell is up; ok {spec.recovery_hold:g} s after that "
            f"({spec.recovery_hold_long:g} s, if red for more than {spec.long_outage:g} s)"
        )
    elif verdict is Verdict.DEGRADED:
        yield Prospect(f"ok {spec.degraded_hold:g} s after all is up")
    elif (incident := watched.incident) is not None and math.isfinite(
        due := quiet_at(incident, watched.endpoints)
    ):
        yield Prospect("it was slow: its incident closes, if nothing is slow again until then", due)
    if state.blind:
        unseen = [e.spec.id for e in watched.deciding if e.shown is Health.UNKNOWN]
        yield Prospect(f"sighted when these have been read: {', '.join(unseen)}")


def _until_acknowledged(alarm: Alarm) -> Iterator[Prospect]:
    if alarm.acknowledged or alarm.mute:
        return
    yield Prospect("it flashes until somebody acknowledges")
    if alarm.verdict in RED and math.isfinite(alarm.kept.realarm_at):
        yield Prospect("the buzzer sounds again, if nobody has", alarm.kept.realarm_at)


def _attestations(overlays: Overlays, service: str) -> Iterator[Prospect]:
    for item, due in overlays.attestations(service):
        if due is None:
            yield Prospect(f"no advisory for it once tested by hand: beacon attest {item.id}")
        else:
            yield Prospect(f"advisory, if {item.name} is not tested by then", due)


def _endpoint(state: EndpointState, timers: Timers) -> EndpointExplained:
    return EndpointExplained(
        state.spec.id,
        state.spec.evidence,
        state.shown,
        state.kept.since,
        state.last,
        state.started if math.isfinite(state.started) else None,
        _standing(state),
        tuple(_endpoint_prospects(state, timers)),
        _pace(state),
        _account(state),
        tuple(map(in_words, state.arrivals.values())),
        *_control(state),
    )


def _pace(state: EndpointState) -> str | None:
    """What is usual, and how far it is from being slow against it."""
    baseline = state.baseline
    if baseline is None or (state.slowness.median is None and baseline.usual is None):
        return None
    measured = state.slowness.against(baseline)
    usual = baseline.usual
    if usual is None:
        return f"{measured}; what is usual is not known yet"
    return f"{measured} (± {usual.spread:.2g} s); slow above {baseline.limit:.3g} s for 3 min"


def _account(state: EndpointState) -> str | None:
    """What was spent of its account's budget, and where that ends."""
    if not state.budgets:
        return None
    most, spent = state.spec.guard_max, max(state.budgets, key=lambda each: each.spent)
    return (
        f"its account: {spent.rejected} rejected and {spent.unanswered} unanswered attempts since "
        f"one was accepted; the budget ends at {most} rejected, or {2 * most} of both"
    )


def _control(state: EndpointState) -> tuple[str | None, float | None]:
    """What became of the wrong codes that it sent, and when that was."""
    control = state.kept.control
    if not is_controlled(state.spec):
        return None, None
    if control.latched(state.spec):
        return f"wrong codes are accepted: {NOT_LOOKED_AT}", control.made_at
    if control.accepted:
        return "a wrong code was accepted; a second one decides", control.made_at
    if control.refused_at is not None:
        return "codes are looked at: a wrong code was refused", control.refused_at
    return "no wrong code has been refused yet", None


def _standing(state: EndpointState) -> str:
    """How far it is from being held to be something else."""
    spec = state.spec
    if state.guarded:
        return "stopped by the sign-in guard, until an operator resumes it"
    if state.flapping:
        return "flapping: the worst is held until it rests"
    erring = state.last is not None and state.last.outcome is Outcome.ERROR
    if erring and state.health is not Health.UNKNOWN:
        return f"{state.errors} of {spec.failure_threshold} errors in a row until it is unknown"
    return _counted(state)


def _counted(state: EndpointState) -> str:
    """What has been counted of what it takes."""
    if state.health is not Health.DOWN and state.failing:
        return "enough fails; down once the witnesses have answered and our own network is there"
    if state.health is Health.UP or (state.streaks.fails and state.health is not Health.DOWN):
        return _until_down(state)
    if state.kept.slow and state.health is Health.DEGRADED:
        return _until_not_slow(state)
    return _passes(state)


def _until_down(state: EndpointState) -> str:
    streaks = state.streaks
    return (
        f"{streaks.fails} of {state.spec.failure_threshold} fails in a row, {streaks.lately} of "
        f"{WINDOW_FAILS} among the last {WINDOW}, until it is down"
    )


def _until_not_slow(state: EndpointState) -> str:
    """What ends its slowness: the lower of its limits counts."""
    usual = math.inf if state.baseline is None else state.baseline.limit
    limit, against = min(
        (usual, "what is usual"), (state.spec.slow_after or math.inf, "its `slow_after`")
    )
    below = f"below {DEAD_BAND * limit:.3g} s" if math.isfinite(limit) else "measured"
    return f"slow against {against}; up when its median has been {below} for 3 min and 3 readings"


def _passes(state: EndpointState) -> str:
    spec = state.spec
    if state.health is Health.UNKNOWN and state.kept.health in (None, Health.UP):
        return "one pass until it is up"
    passes = state.streaks.clean if state.health is Health.DEGRADED else state.streaks.good
    becomes = "degraded: it was slow" if state.kept.slow else "up"
    return f"{passes} of {spec.success_threshold} passes in a row until it is {becomes}"


def _endpoint_prospects(state: EndpointState, timers: Timers) -> Iterator[Prospect]:
    if math.isfinite(state.held_until):
        yield Prospect("the account's budget lets it be tried again", state.held_until)
    elif math.isfinite(state.started) and not state.guarded:
        yield Prospect("read again by then", state.started + state.spec.interval)
    stale = timers.get(state)
    if stale is not None:
        yield Prospect("unknown, if no reading comes until then", stale)
