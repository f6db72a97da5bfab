"""One service over time: holds, what is kept while blind, and since when."""

import pytest

from beacon.core.model import RED, Service, Verdict
from beacon.core.service.hold import Change, ServiceState, VerdictKept
from beacon.core.service.verdict import Judgement

SPEC = Service(
    id="mfa",
    name="MFA",
    endpoints=(),
    recovery_hold=900.0,
    recovery_hold_long=1800.0,
    long_outage=7200.0,
    degraded_hold=300.0,
)
OK, ADVISORY, DEGRADED = Verdict.OK, Verdict.ADVISORY, Verdict.DEGRADED
OUTAGE, GRAY, RECOVERING = Verdict.OUTAGE, Verdict.GRAY_FAILURE, Verdict.RECOVERING
BLIND = Verdict.BLIND


def seen(verdict, **more):
    return Judgement(verdict, verdict, **more)


def unseen(verdict=BLIND, **more):
    return Judgement(verdict, BLIND, blind=True, **more)


def partly_seen(known):
    """One cell is unknown; the others, and it as it was last proven, come to `known`."""
    return Judgement(BLIND if known is OK else known, known, blind=True)


class Life:
    """A service that is judged every so often."""

    def __init__(self, *story):
        self.state = ServiceState(SPEC, 0.0)
        self.changes = []
        for at, found in story:
            self.judge(at, found)

    def judge(self, at, found):
        found = found if isinstance(found, Judgement) else seen(found)
        self.changes.append(self.state.follow(found, at))
        return self

    @property
    def now(self):
        return self.state.verdict, self.state.kept.since


def test_what_the_vendor_admits_while_we_are_blind_counts():
    admitted = unseen(vendor_admits=True)
    life = Life((1, GRAY), (2, unseen()), (3, admitted), (4, unseen()), (5, GRAY))
    assert life.now == (OUTAGE, 3)
    assert life.changes[1:] == [Change.NONE] * 4


@pytest.mark.parametrize(
    ("story", "verdict", "since", "changes"),
    [
        ([(1, OK)], OK, 1, "none"),
        ([(1, OK), (2, OK)], OK, 1, "none none"),
        ([(1, OK), (2, ADVISORY)], ADVISORY, 2, "none none"),
        ([(1, OK), (2, DEGRADED)], DEGRADED, 2, "none opened"),
        ([(1, DEGRADED)], DEGRADED, 1, "opened"),
        ([(1, OUTAGE)], OUTAGE, 1, "opened"),
        ([(1, OK), (2, OUTAGE)], OUTAGE, 2, "none opened"),
        ([(1, ADVISORY), (2, GRAY)], GRAY, 2, "none opened"),
        ([(1, DEGRADED), (2, GRAY)], GRAY, 2, "opened escalated"),
        ([(1, OUTAGE), (2, DEGRADED)], DEGRADED, 2, "opened none"),
        ([(1, OUTAGE), (2, DEGRADED), (3, OUTAGE)], OUTAGE, 3, "opened none relapsed"),
        ([(1, OUTAGE), (2, OK)], RECOVERING, 2, "opened recovering"),
        ([(1, OUTAGE), (2, ADVISORY)], RECOVERING, 2, "opened recovering"),
        ([(1, OUTAGE), (2, OK), (3, OK)], RECOVERING, 2, "opened recovering none"),
        ([(1, OUTAGE), (2, OK), (3, DEGRADED)], DEGRADED, 3, "opened recovering none"),
        ([(1, OUTAGE), (2, OK), (3, GRAY)], GRAY, 3, "opened recovering relapsed"),
        ([(1, DEGRADED), (2, OK)], DEGRADED, 1, "opened none"),
        ([(1, OK), (2, unseen())], BLIND, 2, "none none"),
        ([(1, OUTAGE), (2, unseen())], OUTAGE, 1, "opened none"),
        ([(1, OK), (2, unseen(DEGRADED))], DEGRADED, 2, "none opened"),
        ([(1, OK), (2, unseen()), (3, unseen(DEGRADED))], DEGRADED, 3, "none none opened"),
        ([(1, OUTAGE), (2, unseen(DEGRADED))], OUTAGE, 1, "opened none"),
        ([(1, DEGRADED), (2, unseen(DEGRADED))], DEGRADED, 1, "opened none"),
        ([(1, OK), (2, unseen()), (3, OK)], OK, 3, "none none none"),
        ([(1, OK), (2, partly_seen(OK))], BLIND, 2, "none none"),
        ([(1, OUTAGE), (2, partly_seen(OUTAGE))], OUTAGE, 1, "opened none"),
        ([(1, OUTAGE), (2, partly_seen(DEGRADED))], DEGRADED, 2, "opened none"),
        ([(1, OUTAGE), (2, partly_seen(OK))], RECOVERING, 2, "opened recovering"),
        ([(1, OK), (2, partly_seen(OUTAGE))], OUTAGE, 2, "none opened"),
        ([(1, OK), (2, unseen()), (3, OUTAGE)], OUTAGE, 3, "none none opened"),
    ],
)
def test_what_a_judgement_makes_of_a_service(story, verdict, since, changes):
    life = Life(*story)
    assert life.now == (verdict, since)
    assert [change.name.lower() for change in life.changes] == changes.split()
    assert life.state.blind is story[-1][1].blind if isinstance(story[-1][1], Judgement) else True


def test_an_incident_closes_while_a_cell_is_unknown_and_blind_remains():
    life = Life((1, DEGRADED), (2, partly_seen(OK)))
    assert life.state.time_passed(302.0) is Change.CLOSED
    assert life.now == (BLIND, 302)
    life.judge(400, partly_seen(OUTAGE))
    assert life.changes[-1] is Change.OPENED


def test_coming_back_to_recovering_is_reported_once():
    life = Life((1, OUTAGE), (2, OK), (3, unseen()), (4, OK))
    assert life.now == (RECOVERING, 2)
    assert life.changes == [Change.OPENED, Change.RECOVERING, Change.NONE, Change.NONE]


@pytest.mark.parametrize(("red", "hold"), [(7200.0, 900.0), (7200.1, 1800.0), (10.0, 900.0)])
def test_the_hold_is_long_after_a_long_outage(red, hold):
    life = Life((1000, OUTAGE), (1000 + red, OK))
    assert life.state.hold_until == 1000 + red + hold


def test_red_time_adds_up_over_relapses_of_one_incident():
    life = Life((0, OUTAGE), (4000, OK), (4100, OUTAGE), (7400, OK))
    assert life.state.hold_until == 7400 + 1800, "4000 s and 3300 s are more than two hours"


def test_what_was_red_in_an_earlier_incident_does_not_count():
    life = Life((0, OUTAGE), (7100, OK))
    assert life.state.time_passed(8000.0) is Change.CLOSED
    life.judge(9000, OUTAGE).judge(9200, OK)
    assert life.changes[-2:] == [Change.OPENED, Change.RECOVERING]
    assert life.state.hold_until == 9200 + 900
    life.state.time_passed(10_100.0)
    life.judge(20_000, OUTAGE).judge(27_200, OK)
    assert life.state.hold_until == 27_200 + 900, "not a second of it"
    life = Life((0, OUTAGE), (100, OK))
    life.state.time_passed(1000.0)
    life.judge(2000, DEGRADED).judge(2100, GRAY)
    assert life.changes[-1] is Change.ESCALATED, "it was never red in this incident"
    life = Life((0, OUTAGE), (100, OK))
    life.state.time_passed(1000.0)
    life.judge(2000, DEGRADED).judge(2100, OK)
    assert life.now == (DEGRADED, 2000), "no recovering after a mere degraded"
    assert life.state.hold_until == 2400


def test_the_hold_ends_at_its_very_moment_in_what_is_seen_then():
    life = Life((0, OUTAGE), (100, OK), (200, ADVISORY))
    assert life.state.time_passed(999.9) is Change.NONE
    assert life.now == (RECOVERING, 100)
    assert life.state.time_passed(1000.0) is Change.CLOSED
    assert life.now == (ADVISORY, 1000.0)
    assert life.state.hold_until is None
    assert life.state.time_passed(5000.0) is Change.NONE


def test_without_a_hold_nothing_closes():
    life = Life((0, OUTAGE))
    assert life.state.hold_until is None
    assert life.state.time_passed(1e9) is Change.NONE
    assert life.now == (OUTAGE, 0)


def test_trouble_stops_the_hold_and_begins_it_anew():
    life = Life((0, DEGRADED), (100, OK), (200, DEGRADED))
    assert life.state.hold_until is None
    assert life.judge(300, OK).state.hold_until == 600


def test_the_hold_waits_while_we_are_blind_and_says_since_when():
    life = Life((0, OUTAGE), (100, OK), (400, unseen()))
    assert (life.state.hold_until, life.state.kept.hold_left) == (None, 600)
    assert life.state.kept.proof_at == 400
    life.judge(2000, unseen())
    assert life.state.kept.proof_at == 400, "blind since then"
    life.judge(3000, OK)
    assert (life.state.hold_until, life.state.kept.hold_left) == (3600, None)
    assert life.state.kept.proof_at is None


def test_trouble_seen_beside_what_is_unseen_begins_the_hold_of_a_mere_degraded_anew():
    life = Life((0, DEGRADED), (100, OK), (200, unseen()), (250, unseen(DEGRADED)))
    life.judge(300, unseen())
    assert life.now == (DEGRADED, 0)
    assert life.judge(400, OK).state.hold_until == 700


def test_a_recovery_that_is_remembered_without_its_hold_is_no_news():
    state = ServiceState(SPEC, 0.0)
    state.kept = VerdictKept(RECOVERING, was_red=True)
    assert state.follow(seen(OK), 100.0) is Change.NONE
    assert state.hold_until == 1000.0


def test_trouble_seen_beside_what_is_unseen_ends_the_hold_that_waits():
    life = Life((0, OUTAGE), (100, OK), (400, unseen()), (500, unseen(DEGRADED)))
    assert life.now == (DEGRADED, 500)
    assert (life.state.kept.hold_left, life.state.hold_until) == (None, None)


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        ([seen(OUTAGE), seen(GRAY)], OUTAGE),
        ([seen(OUTAGE, vendor_admits=True), seen(GRAY)], OUTAGE),
        ([seen(GRAY), seen(OUTAGE)], GRAY),
        ([seen(GRAY), seen(OUTAGE, vendor_admits=True)], OUTAGE),
        ([seen(GRAY), seen(OUTAGE, vendor_admits=True), seen(GRAY)], OUTAGE),
        ([seen(OUTAGE, vendor_admits=True), seen(DEGRADED), seen(GRAY)], GRAY),
    ],
)
def test_only_an_admission_changes_the_colour_of_red(story, verdict):
    if story[0].verdict is OUTAGE and not story[0].vendor_admits:
        verdict = GRAY  # a vendor that says fine makes it gray, until it admits
    life = Life(*enumerate(story))
    assert life.state.verdict is verdict
    assert verdict in RED
