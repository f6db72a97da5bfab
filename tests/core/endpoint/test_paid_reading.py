"""A reading that cost a message counts over a restart, and the next is sent in its time."""

import pytest

from beacon.core.effects import FirstDue, OverallChanged, Recheck
from beacon.core.endpoint.streaks import Onset
from beacon.core.inputs import Observed
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site, Verdict
from beacon.core.views import EndpointRead
from beacon.engine.schedule import FIRST_WITHIN
from beacon.replay.simulation import PASSING, ScriptedReading, Simulation
from tests.core.endpoint.conftest import LETTERS

HOUR, QUARTER = 3600.0, 900.0
ARRIVES = "sms/arrives"


@pytest.fixture
def by_sms():
    """A beacon whose only endpoint costs a message a run, after an hour in which all came."""

    def begin(**settings):
        usual = {"interval": QUARTER, "timeout": 150.0, "retry_interval": 120.0}
        usual |= {"failure_threshold": 2, "stale_after": 3 * QUARTER + 150.0, "costly": True}
        endpoint = Endpoint(
            id=ARRIVES,
            service="sms",
            name="arrives",
            kind="otp_sms",
            evidence=Evidence.SYMPTOM,
            **usual | settings,
        )
        service = Service(id="sms", name="SMS codes", endpoints=(endpoint,))
        first = ScriptedReading(0.0, ARRIVES, PASSING)
        simulation = Simulation(Site(id="soc", services=(service,)), 0.0, [first])
        simulation.start()
        list(simulation.run(HOUR))
        return simulation

    return begin


def read(effects):
    return [e for e in effects if isinstance(e, EndpointRead)]


def test_what_cost_a_message_counts_over_a_restart_and_the_next_is_sent_in_its_time(by_sms):
    beacon = by_sms()
    list(beacon.run(HOUR + 400.0))
    first = beacon.restart(down=100.0)
    verdict = next(e.overall for e in first if isinstance(e, OverallChanged))
    assert (verdict.verdict, verdict.starting) == (Verdict.OK, False)
    assert [(e.at, e.reading.reason, e.health) for e in read(first)] == [
        (HOUR, Reason.OK, Health.UP)
    ]
    due = FirstDue(HOUR + 500.0, ARRIVES, HOUR + QUARTER)
    assert [e for e in first if isinstance(e, FirstDue)] == [due]
    later = read(beacon.run(HOUR + 3 * QUARTER))
    assert [e.at for e in later] == [HOUR + QUARTER, HOUR + 2 * QUARTER, HOUR + 3 * QUARTER]


def test_the_same_without_a_cost_is_read_at_once(by_sms):
    beacon = by_sms(costly=False)
    first = beacon.restart(down=100.0)
    assert not read(first)
    assert beacon.monitor.view().services[0].starting
    assert read(beacon.run(beacon.now + FIRST_WITHIN))


def test_what_is_asked_something_else_now_is_read_at_once(by_sms):
    beacon = by_sms()
    first = beacon.restart(down=100.0, changed=frozenset({ARRIVES}))
    assert not [e for e in first if isinstance(e, FirstDue)]
    assert beacon.monitor.view().services[0].starting


def test_down_stays_down_and_red(by_sms):
    beacon = by_sms()
    beacon.script(ARRIVES, Reading(Reason.CODE_NOT_ARRIVED))
    list(beacon.run(2 * HOUR))
    before = beacon.monitor.remember(beacon.now)
    beacon.restart(down=100.0)
    after = beacon.monitor.remember(beacon.now)
    assert (after.endpoints, after.paid) == (before.endpoints, before.paid)
    view = beacon.monitor.view()
    assert (view.services[0].verdict, view.services[0].blind) == (Verdict.OUTAGE, False)
    assert view.endpoints[0].health is Health.DOWN


def test_a_fail_that_waits_for_its_re_check_still_does(by_sms):
    beacon = by_sms()
    beacon.script(ARRIVES, Reading(Reason.CODE_NOT_ARRIVED))
    list(beacon.run(HOUR + 10.0))
    first = beacon.restart(down=20.0)
    assert [e.failures for e in read(first)] == [1]
    recheck = Recheck(HOUR + 30.0, HOUR + 120.0, (ARRIVES,))
    assert [e for e in first if isinstance(e, Recheck)] == [recheck]
    list(beacon.run(HOUR + 120.0))
    assert beacon.monitor.view().endpoints[0].health is Health.DOWN
    kept = beacon.monitor.remember(beacon.now).endpoints[ARRIVES]
    assert kept.confirmed_onset == Onset(HOUR, Reading(Reason.CODE_NOT_ARRIVED)), "the first fail"


def test_what_is_stale_counts_no_more(by_sms):
    beacon = by_sms()
    first = beacon.restart(down=3 * QUARTER + 150.0)
    assert not read(first)
    assert beacon.monitor.view().services[0].starting


@pytest.mark.parametrize("down", [QUARTER, 2 * QUARTER])
def test_what_is_due_counts_and_is_read_soon(by_sms, down):
    beacon = by_sms()
    first = beacon.restart(down=down)
    assert [e.health for e in read(first)] == [Health.UP]
    assert not [e for e in first if isinstance(e, FirstDue)]


def test_it_becomes_stale_in_its_own_time(by_sms):
    beacon = by_sms()
    beacon.script(ARRIVES, None)
    beacon.restart(down=100.0)
    list(beacon.run(HOUR + 3 * QUARTER + 149.0))
    assert beacon.monitor.view().endpoints[0].health is Health.UP
    list(beacon.run(HOUR + 3 * QUARTER + 151.0))
    assert beacon.monitor.view().endpoints[0].health is Health.UNKNOWN


@pytest.mark.parametrize(
    ("fails", "then", "health"), [(1, "PFF", Health.UP), (3, "PF", Health.DOWN)]
)
def test_fails_of_before_the_restart_count_among_the_last_six(by_sms, fails, then, health):
    beacon = by_sms(failure_threshold=4)
    beacon.script(ARRIVES, Reading(Reason.CODE_NOT_ARRIVED))
    list(beacon.run(HOUR + 120.0 * (fails - 1) + 10.0))
    assert [e.failures for e in read(beacon.restart(down=5.0))] == [fails]
    for n, letter in enumerate(then):
        at = beacon.now + n
        beacon.monitor.handle(Observed(at, ARRIVES, LETTERS[letter], at, regular=False))
    assert beacon.monitor.view().endpoints[0].health is health


def test_what_is_said_of_it_stands_since_its_run(by_sms):
    beacon = by_sms()
    beacon.script(ARRIVES, Reading(Reason.CODE_NOT_ARRIVED))
    list(beacon.run(HOUR + 120.0))
    beacon.restart(down=100.0)
    cited = beacon.monitor.view().incidents[0].causes[0].readings[0]
    assert (cited.endpoint, cited.at) == (ARRIVES, HOUR + 120.0)


def test_nothing_is_paid_for_a_sign_in_that_was_stopped(by_sms):
    beacon = by_sms(sign_in=True, guard_max=2)
    beacon.script(ARRIVES, Reading(Reason.CODE_WRONG))
    list(beacon.run(2 * HOUR))
    memory = beacon.monitor.remember(beacon.now)
    assert [name for name, _ in beacon.monitor.view().stopped] == [ARRIVES]
    assert memory.paid == {}
