"""An account's budget: how often a server is tried that does not accept us."""

import math
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beacon.core.account.approach import Approach
from beacon.core.account.budget import HOUR, UNSPENT, AccountBudget
from beacon.core.effects import Announced, Announcement
from beacon.core.inputs import DateImplausible, Observed, Resume, TimePassed
from beacon.core.model import Evidence, Health, Moment, Reading, Reason, Service, Site, Verdict
from beacon.core.monitor import Monitor
from beacon.engine.schedule import Schedule
from tests.core.conftest import endpoint
from tests.core.endpoint.conftest import build

MINUTE, DAY = 60.0, 86_400.0
SPEC = build("mfa/a", guard_max=4, guard_interval=600.0)
LOCKS_AT = 10
"""Failures at which common directories lock an account, or a token."""


@pytest.mark.parametrize(
    ("rejected", "unanswered", "knocks", "hung", "pause"),
    [
        (0, 0, False, False, 0.0),
        (1, 0, False, False, 0.0),
        (2, 0, False, False, 600.0),
        (3, 0, True, True, 600.0),
        (4, 0, True, True, math.inf),
        (0, 3, False, False, 0.0),
        (0, 4, False, False, 600.0),
        (0, 7, True, True, 600.0),
        (1, 3, False, False, 0.0),
        (0, 8, False, False, math.inf),
        (0, 8, True, False, HOUR),
        (0, 8, True, True, 600.0),
        (1, 7, True, True, math.inf),
        (3, 5, True, False, math.inf),
    ],
)
def test_how_long_the_next_attempt_waits(rejected, unanswered, knocks, hung, pause):
    spent = AccountBudget(rejected, unanswered, began_at=Moment(970.0), ended_at=Moment(1000.0))
    until = spent.until(SPEC, knocks=knocks, hung=hung)
    assert until == (1000.0 + pause if pause else -math.inf)


def test_one_more_is_allowed_a_pause_after_the_last_began():
    spent = AccountBudget(9, 9, began_at=Moment(970.0), ended_at=Moment(1000.0), resumed=True)
    assert spent.until(SPEC, knocks=False, hung=False) == 1570.0
    again = spent.count(Moment(2000.0), Moment(2001.0), rejected=True)
    assert (again.rejected, again.unanswered, again.resumed) == (10, 9, False)
    assert UNSPENT.spent == 0


# --- a server, and what it counts -------------------------------------------------


class Mood(Enum):
    """What a server does with a sign-in, and with a request without credentials."""

    ACCEPTS = auto()
    REJECTS = auto()
    HANGS = auto()  # altogether; it judges its queue when it wakes
    HANGS_INSIDE = auto()  # its front answers: what hangs is not judged later
    REFUSES = auto()  # no connection: nothing leaves


@dataclass
class Server:
    """It locks an account after ten failures in a row."""

    mood: Mood = Mood.ACCEPTS
    answers_knocks: bool = True
    queue: int = 0
    failures: int = 0
    attempts: int = 0

    def turn(self, mood: Mood) -> None:
        if self.mood is Mood.HANGS and mood is not Mood.HANGS:
            self.failures += self.queue  # their codes are stale by now
            self.queue = 0
        self.mood = mood

    def knock(self) -> bool:
        return self.answers_knocks and self.mood not in (Mood.HANGS, Mood.REFUSES)

    def sign_in(self) -> tuple[Reading, bool]:
        """The reading, and whether credentials left without an answer."""
        if self.mood is Mood.REFUSES:
            return Reading(Reason.CONNECT_REFUSED), False
        self.attempts += 1
        if self.mood is Mood.ACCEPTS:
            self.failures = 0
            return Reading(Reason.OK), False
        if self.mood is Mood.REJECTS:
            self.failures += 1
            return Reading(Reason.SIGN_IN_REJECTED), False
        self.queue += self.mood is Mood.HANGS
        return Reading(Reason.DEADLINE), True


@dataclass
class Beacon:
    """The core and its schedule before one server; runs take no time."""

    names: tuple[str, ...] = ("a",)
    settings: dict[str, object] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self):
        self.server, self.effects, self.lost = Server(), [], False
        sign_ins = tuple(
            endpoint("mfa", n, Evidence.SYMPTOM, **{"accounts": ("token",)} | self.settings)
            for n in self.names
        )
        eyes = tuple(
            build(f"witness/{n}", Evidence.WITNESS, failure_threshold=1, interval=120.0)
            for n in "ab"
        )
        self.site = Site(
            id="soc", services=(Service(id="mfa", name="", endpoints=sign_ins),), witnesses=eyes
        )
        self.monitor, self.schedule = Monitor(self.site), Schedule()
        self.schedule.update({e.id: e.interval for e in self.site.endpoints}, self.now)
        self.obey(self.monitor.start(Moment(self.now)))

    def obey(self, effects) -> None:
        self.effects += effects
        self.schedule.obey(effects, self.now)

    def restart(self) -> None:
        memory = self.monitor.remember(Moment(self.now))
        self.monitor, self.schedule = Monitor(self.site), Schedule()
        self.schedule.update({e.id: e.interval for e in self.site.endpoints}, self.now)
        self.obey(self.monitor.start(Moment(self.now), memory))

    def resume(self) -> None:
        event = Resume(Moment(self.now), None, by="analyst", origin="cli")
        self.obey(self.monitor.handle(event))

    def live(self, seconds: float) -> "Beacon":
        until = self.now + seconds
        while (due := self.schedule.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            deadline = self.monitor.next_deadline()
            if deadline is not None and deadline <= self.now:
                self.obey(self.monitor.handle(TimePassed(Moment(self.now))))
            for run in self.schedule.due(self.now):
                self.run(run.endpoint, regular=run.regular)
        self.now = until
        self.obey(self.monitor.handle(TimePassed(Moment(until))))
        return self

    def run(self, name: str, *, regular: bool) -> None:
        reading, unanswered, knocked = Reading(Reason.OK), False, None
        if name.startswith("witness"):
            reading = Reading(Reason.CONNECT_TIMEOUT) if self.lost else reading
        else:
            reading, unanswered, knocked = self.sign_in(name)
        at = Moment(self.now)
        self.obey(
            self.monitor.handle(Observed(at, name, reading, at, regular, unanswered, knocked))
        )

    def sign_in(self, name: str) -> tuple[Reading, bool, bool | None]:
        approach = self.monitor.approach(name, Moment(self.now))
        if approach is Approach.HOLD:
            return Reading(Reason.OWN_NETWORK), False, None
        if approach in (Approach.KNOCK_FIRST, Approach.KNOCK_ONLY):
            if not self.server.knock():
                return Reading(Reason.DEADLINE), False, False
            if approach is Approach.KNOCK_ONLY:
                return Reading(Reason.OWN_NETWORK), False, True
        reading, unanswered = self.server.sign_in()
        answered = approach is not Approach.SIGN_IN
        knocked = self.server.knock() if approach is Approach.LEARN and not unanswered else None
        if approach is Approach.KNOCK_FIRST:
            knocked = answered
        if approach is Approach.LEARN and reading.reason is not Reason.OK:
            knocked = None
        return reading, unanswered, knocked

    @property
    def shown(self):
        return self.monitor.view().services[0]

    @property
    def stops(self) -> int:
        found = (e for e in self.effects if isinstance(e, Announced))
        return sum(e.what is Announcement.GUARD_STOPPED for e in found)


@pytest.mark.untraced
@pytest.mark.parametrize("names", ["a", "ab", "abc"])
@pytest.mark.parametrize(
    ("mood", "knocks", "attempts", "stopped"),
    [
        (Mood.REJECTS, True, 4, True),
        (Mood.REJECTS, False, 4, True),
        (Mood.HANGS, True, 8, False),
        (Mood.HANGS, False, 8, True),
        (Mood.HANGS_INSIDE, True, 8 + 23, False),
        (Mood.REFUSES, True, 0, False),
    ],
)
def test_a_day_of_one_fault(names, mood, knocks, attempts, stopped):
    beacon = Beacon(tuple(names))
    beacon.server.answers_knocks = knocks
    beacon.live(HOUR)
    beacon.server.turn(mood)
    beacon.server.attempts = 0
    beacon.live(DAY)
    assert abs(beacon.server.attempts - attempts) <= (1 if attempts > 8 else 0)
    assert ("guard_stopped" in beacon.shown.overlays) is stopped
    assert beacon.stops == (len(names) if stopped else 0)
    assert beacon.shown.verdict is Verdict.OUTAGE
    assert Health.UP not in {health for _, health in beacon.shown.endpoints}, "nobody asks it"


@pytest.mark.parametrize("mood", [Mood.HANGS, Mood.REFUSES])
def test_a_server_that_wakes_is_seen_at_once(mood):
    beacon = Beacon().live(HOUR)
    beacon.server.turn(mood)
    beacon.live(14 * HOUR)
    beacon.server.turn(Mood.ACCEPTS)
    beacon.live(5 * MINUTE)
    assert beacon.shown.verdict is Verdict.RECOVERING
    assert beacon.monitor.remember(Moment(beacon.now)).accounts == {}


def test_one_whose_knocks_are_never_answered_needs_an_operator():
    beacon = Beacon()
    beacon.server.answers_knocks = False
    beacon.live(HOUR)
    beacon.server.turn(Mood.HANGS)
    beacon.live(DAY)
    beacon.server.turn(Mood.ACCEPTS)
    beacon.live(HOUR)
    assert beacon.shown.verdict is Verdict.OUTAGE
    beacon.resume()
    beacon.live(5 * MINUTE)
    assert beacon.shown.verdict is Verdict.RECOVERING


def test_while_our_uplink_is_lost_our_credentials_stay_here():
    beacon = Beacon().live(HOUR)
    beacon.server.turn(Mood.REFUSES)
    beacon.lost = True
    beacon.live(MINUTE)
    beacon.server.turn(Mood.HANGS)
    beacon.server.attempts = 0
    beacon.live(DAY)
    assert beacon.server.attempts == 0
    assert beacon.shown.verdict is Verdict.BLIND
    beacon.server.turn(Mood.ACCEPTS)
    beacon.lost = False
    beacon.live(5 * MINUTE)
    assert beacon.shown.verdict is Verdict.OK


def test_where_only_a_sign_in_can_prove_our_network_a_rare_attempt_does():
    beacon = Beacon()
    beacon.server.answers_knocks = False
    beacon.live(HOUR)
    beacon.server.turn(Mood.REFUSES)
    beacon.lost = True
    beacon.live(HOUR)
    assert beacon.shown.verdict is Verdict.BLIND
    beacon.server.turn(Mood.ACCEPTS)  # the witnesses themselves are gone for good
    beacon.live(20 * MINUTE)
    assert beacon.shown.verdict is Verdict.OK


def test_rejections_while_our_clock_is_lost_count():
    beacon = Beacon(settings={"clock_bound": True})
    beacon.server.answers_knocks = False
    beacon.live(HOUR)
    beacon.obey(beacon.monitor.handle(DateImplausible(Moment(beacon.now), on=True)))
    beacon.server.turn(Mood.REJECTS)
    beacon.server.attempts = 0
    beacon.live(DAY)
    assert beacon.server.attempts == 4


happening = st.one_of(st.sampled_from(Mood), st.sampled_from(["restart", "lost", "found"]))


@pytest.mark.untraced
@settings(max_examples=25)
@given(
    st.lists(st.tuples(happening, st.floats(MINUTE, 5 * HOUR)), max_size=8),
    st.sampled_from(["a", "ab"]),
    st.booleans(),
)
@example([(Mood.HANGS, 4 * HOUR), (Mood.REJECTS, 5 * HOUR)], "ab", True)
@example([(Mood.HANGS, HOUR), ("restart", HOUR), (Mood.HANGS_INSIDE, 5 * HOUR)], "a", True)
def test_no_account_is_ever_locked(story, names, knocks):
    beacon = Beacon(tuple(names))
    beacon.server.answers_knocks = knocks
    beacon.live(HOUR)
    for what, lasting in story:
        if isinstance(what, Mood):
            beacon.server.turn(what)
        elif what == "restart":
            beacon.restart()
        else:
            beacon.lost = what == "lost"
        beacon.live(lasting)
        assert beacon.server.failures + beacon.server.queue < LOCKS_AT
