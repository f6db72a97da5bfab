"""A small share of failing readings: no endpoint alone is down, the service is degraded."""

import random

import pytest

from beacon.core.effects import Announced, Announcement
from beacon.core.failing_share import FAIL_ADDS, LIMIT, ONE_EVENT, SPREAD, FailingShare
from beacon.core.inputs import Observed, Shelve
from beacon.core.memory import with_moments
from beacon.core.model import Endpoint, Evidence, Moment, Reading, Reason, Service, Site, Verdict
from beacon.core.monitor import Monitor

NAMES = ("mfa/a", "mfa/b", "mfa/c")
SPEC = Service(
    id="mfa",
    name="MFA",
    endpoints=tuple(
        Endpoint(
            id=n, service="mfa", name=n, kind="radius", evidence=Evidence.SYMPTOM, interval=60.0
        )
        for n in NAMES
    ),
)


class Life:
    """Three sign-ins, read in turn every 20 s; a fail is followed by a re-check that passes."""

    def __init__(self, memory=None):
        self.monitor, self.at, self.effects = (
            Monitor(Site(id="s", name="S", services=(SPEC,))),
            0.0,
            [],
        )
        self.monitor.start(self.at, memory)
        self.read("." * 6)

    def read(self, story):
        for turn, letter in enumerate(story):
            name = NAMES[turn % 3]
            self.at += 20.0
            self._observe(name, self.at, Reason.OK if letter == "." else Reason.DEADLINE)
            if letter == "x":
                self._observe(name, self.at + 16, Reason.OK, regular=False)
            if letter == "e":
                self._observe(name, self.at, Reason.OWN_CREDENTIALS)
        return self

    def _observe(self, name, at, reason, *, regular=True):
        event = Observed(at, name, Reading(reason), at, regular)
        self.effects += self.monitor.handle(event)

    @property
    def verdict(self):
        return self.monitor.view().services[0].verdict

    @property
    def announced(self):
        return [e.what for e in self.effects if isinstance(e, Announced)]


FOUR = ("x" + "." * 19) * 4


def test_a_share_that_no_endpoint_shows_alone_degrades_the_service():
    life = Life().read(FOUR)
    assert life.verdict is Verdict.DEGRADED
    view = life.monitor.view()
    assert view.services[0].explanation == (
        "success_ratio_low (4 of 58 readings failed in the last 20 min; usual 1 in 1,000)"
    )
    assert life.announced == [Announcement.OPENED]
    assert [i.cause for i in view.incidents] == ["unknown"]
    readings = view.incidents[0].causes[0].readings
    assert [r.reason for r in readings] == [Reason.SUCCESS_RATIO_LOW]


def test_a_lone_endpoint_is_judged_by_its_own_rules():
    life = Life()
    life.monitor._services.monitors["mfa"].share.follow(SPEC.endpoints[:1])
    assert life.read(FOUR).verdict is Verdict.OK


def test_three_fails_are_no_share():
    assert Life().read(FOUR[:60] + "." * 120).verdict is Verdict.OK


def test_it_is_over_only_after_many_passes():
    life = Life().read(FOUR).read("." * 60)
    assert life.verdict is Verdict.DEGRADED
    assert life.read("." * 70).verdict is Verdict.OK
    shared = (Announcement.OPENED, Announcement.CLOSED)
    assert [what for what in life.announced if what in shared] == list(shared)


def test_what_fails_together_is_one_event():
    life = Life()
    for at in (100.0, 101.0, 102.0):
        for name in NAMES:
            life._observe(name, life.at + at, Reason.DEADLINE)
            life._observe(name, life.at + at + 0.5, Reason.OK, regular=False)
    assert life.verdict is Verdict.OK
    assert life.monitor._services.monitors["mfa"].share.kept.fails == 1
    assert ONE_EVENT > 3


def test_fails_that_end_in_an_endpoint_being_down_count_for_that_alone():
    life = Life().read(FOUR[:60])
    for second in (1, 2, 3):
        life._observe("mfa/a", life.at + second, Reason.DEADLINE, regular=False)
    assert life.monitor._services.monitors["mfa"].share.kept.fails == 0


def test_rechecks_that_pass_do_not_dilute():
    life = Life().read(FOUR[:61])
    for second in range(1, 200):
        life._observe("mfa/a", life.at + 20 + second, Reason.OK, regular=False)
    life.at += 220
    assert life.read("x").verdict is Verdict.DEGRADED


def test_nothing_counts_while_an_operator_has_suppressed_it():
    life = Life()
    life.monitor.handle(Shelve(life.at, "mfa", by="me", origin="cli", on=True, seconds=7200.0))
    life.read(FOUR)
    assert life.monitor._services.monitors["mfa"].share.kept.fails == 0


def test_it_survives_a_restart_and_goes_on():
    first = Life().read(FOUR[:60])
    memory = with_moments(first.monitor.remember(first.at), lambda m: m - first.at)
    assert Life(memory).read("x").verdict is Verdict.DEGRADED


@pytest.mark.parametrize(("share", "least", "most"), [(0.05, 85, 100), (0.001, 0, 1)])
def test_how_often_150_readings_show_a_share(share, least, most):
    chance, seen = random.Random(7), 0
    for _ in range(100):
        score, low = 0, False
        for _ in range(150):
            score = score + FAIL_ADDS if chance.random() < share else max(0, score - 1)
            low |= score >= LIMIT
        seen += low
    assert least <= seen <= most


def test_fails_of_a_few_minutes_are_a_deployment(make_endpoint):
    share = FailingShare()
    share.follow(make_endpoint("s", n, Evidence.SYMPTOM) for n in ("a", "b"))
    for at in (0.0, 60.0, 120.0, SPREAD - 1):
        share.count("s/a", Moment(1000.0 + at), failed=True)
    assert not share.low
    share.count("s/b", Moment(1000.0 + SPREAD), failed=False)
    share.count("s/a", Moment(1000.0 + SPREAD + 60), failed=True)
    assert share.low
