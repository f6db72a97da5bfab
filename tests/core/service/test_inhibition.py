"""What holds an alarm back because of something else, and what does not excuse it."""

from collections.abc import Callable

import pytest

from beacon.core.inputs import Maintenance, Shelve
from beacon.core.model import Evidence, Reason, Service

MINUTE = 60.0
HOUR = 3600.0
PARENT, CHILD = "dns/resolver", "mfa/sign-in"


@pytest.fixture
def make_family(make_harness, make_endpoint) -> Callable:
    def make(parent=Evidence.SYMPTOM, **settings):
        endpoints = (
            make_endpoint("dns", "resolver", parent),
            make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, depends_on=(PARENT,), **settings),
        )
        services = (Service(id=e.service, name="", endpoints=(e,)) for e in endpoints)
        return make_harness(*services).advance(10 * MINUTE)

    return make


def alarms_of_the_child(harness) -> bool:
    return any(i.service == "mfa" for i in harness.simulation.monitor.view().incidents)


@pytest.mark.parametrize(
    ("interval", "apart", "alarm"),
    [
        (60.0, 4 * MINUTE, False),
        (60.0, 8 * MINUTE, True),
        (900.0, 20 * MINUTE, False),  # the child passes too seldom to have proved anything
        (900.0, 2 * HOUR, True),
        (60.0, 3 * 24 * HOUR, True),
    ],
)
def test_a_child_that_worked_without_its_parent_is_an_alarm_of_its_own(
    make_family, interval, apart, alarm
):
    family = make_family(interval=interval).script(Reason.DNS_TIMEOUT, PARENT).advance(apart)
    family.script(Reason.DEADLINE, CHILD).advance(4 * interval)
    assert alarms_of_the_child(family) is alarm


@pytest.mark.parametrize("event", [Shelve, Maintenance])
def test_a_parent_that_is_suppressed_excuses_nothing(make_family, event):
    family = make_family().script(Reason.DNS_TIMEOUT, PARENT).advance(MINUTE)
    family.script(Reason.DEADLINE, CHILD).advance(5 * MINUTE)
    assert not alarms_of_the_child(family)
    family.effects += family.simulation.tell(
        event(family.now, "dns", True, by="analyst", origin="cli")
    )
    assert alarms_of_the_child(family.advance(2 * MINUTE))


def test_a_claim_of_a_vendor_excuses_nothing(make_family):
    family = make_family(Evidence.CLAIM).script(Reason.VENDOR_INCIDENT, PARENT).advance(5 * MINUTE)
    assert alarms_of_the_child(family.script(Reason.DEADLINE, CHILD).advance(5 * MINUTE))


def test_a_restart_leaves_what_is_inhibited_as_it_is(make_family):
    family = make_family().script(Reason.DNS_TIMEOUT, PARENT).advance(MINUTE)
    family.script(Reason.DEADLINE, CHILD).advance(5 * MINUTE).clear_effects()
    family.effects += family.simulation.restart(30.0)
    assert not alarms_of_the_child(family.advance(HOUR))
    assert "opened" not in family.announcements
