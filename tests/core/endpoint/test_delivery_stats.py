"""Codes counted by the state of what they depend on: what is counted, kept, halved and shown."""

from dataclasses import replace

import pytest

from beacon.core.effects import ServiceChanged
from beacon.core.endpoint.delivery_stats import MOST, arrived, in_words
from beacon.core.model import Evidence, Reason, Service
from beacon.core.views import Arrivals

CODE, DOMAIN, OTHER = "codes/code", "codes/domain", "portal/sign-in"
MINUTE = 60.0


@pytest.fixture
def codes(make_endpoint):
    """Mailed codes with the DNS of their sender, on which a portal elsewhere may depend too."""

    def build(explains=None):
        code = make_endpoint("codes", "code", Evidence.SYMPTOM, failure_threshold=2)
        cause = make_endpoint(
            "codes",
            "domain",
            Evidence.CAUSE,
            kind="mail_dns",
            failure_threshold=1,
            explains=explains,
        )
        return Service(id="codes", name="codes", endpoints=(code, cause))

    return build


def counts(harness, service="codes"):
    return {each.delivery: each for each in harness.service(service).arrivals}


def test_codes_are_counted_by_what_the_cause_was(make_harness, codes):
    harness = make_harness(codes()).advance(10 * MINUTE)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(90.0).script(Reason.OK, CODE).advance(
        5 * MINUTE
    )
    lost_before = counts(harness)[CODE].well_lost
    assert lost_before >= 2, "they were lost while the domain was well"
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(5 * MINUTE)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(5 * MINUTE)
    seen = counts(harness)[CODE]
    assert seen.well_arrived >= 14
    assert seen.well_lost == lost_before
    assert 4 <= seen.failing_arrived <= 6
    assert seen.failing_lost >= 5
    assert harness.incident.arrivals == (seen,)


def test_what_could_not_be_asked_is_not_counted(make_harness, codes):
    harness = make_harness(codes()).advance(10 * MINUTE)
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(2 * MINUTE)
    harness.script(Reason.RATE_LIMITED, CODE).advance(MINUTE)
    before = counts(harness)[CODE]
    harness.advance(10 * MINUTE)
    assert counts(harness)[CODE] == before


def test_while_the_cause_is_unknown_nothing_is_counted(make_harness, codes):
    harness = make_harness(codes())
    harness.script(None, DOMAIN).advance(10 * MINUTE)
    assert counts(harness) == {}


def test_while_it_fails_each_code_is_published_at_once(make_harness, codes):
    harness = make_harness(codes()).advance(10 * MINUTE)
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(3 * MINUTE).clear_effects().advance(
        3 * MINUTE
    )
    published = [e.service.arrivals for e in harness.effects if isinstance(e, ServiceChanged)]
    assert len(published) == len(set(published)) == 3


def test_another_service_sees_its_own_codes_only(make_harness, codes, make_endpoint):
    portal = Service(
        id="portal",
        name="portal",
        endpoints=(make_endpoint("portal", "sign-in", Evidence.SYMPTOM),),
    )
    harness = make_harness(codes(explains=(CODE, OTHER)), portal).advance(10 * MINUTE)
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(2 * MINUTE)
    assert set(counts(harness, "codes")) == {CODE}
    assert set(counts(harness, "portal")) == {OTHER}


def test_counts_outlive_a_restart_and_end_with_their_dependency(make_harness, codes, make_endpoint):
    harness = make_harness(codes()).advance(10 * MINUTE)
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(3 * MINUTE)
    before = counts(harness)[CODE]
    harness.simulation.restart(5.0, frozenset())
    assert counts(harness)[CODE] == before
    state = harness.simulation.monitor
    untied = Service(id="codes", name="codes", endpoints=codes(explains=()).endpoints)
    state.reconfigure(replace(state.site, services=(untied,)), harness.now)
    assert counts(harness) == {}


def test_explain_shows_them(make_harness, codes):
    harness = make_harness(codes()).advance(10 * MINUTE)
    found = harness.simulation.monitor.explain("codes")
    arrivals = {each.id: each.arrivals for each in found.endpoints}
    [line] = arrivals[DOMAIN]
    assert line.startswith(f"{CODE}: ")
    assert line.endswith("arrived while it was well")
    assert arrivals[CODE] == ()


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((412, 3, 0, 7), "412 of 415 arrived while it was well, 0 of 7 arrived while it failed"),
        ((2, 2, 0, 0), "2 of 4 arrived while it was well"),
    ],
)
def test_words(counts, words):
    assert in_words(Arrivals(DOMAIN, CODE, *counts)) == f"{CODE}: {words}"


@pytest.mark.parametrize(
    ("before", "failing", "lost", "after"),
    [
        ((1, 2, 3, 4), False, False, (2, 2, 3, 4)),
        ((1, 2, 3, 4), False, True, (1, 3, 3, 4)),
        ((1, 2, 3, 4), True, False, (1, 2, 4, 4)),
        ((1, 2, 3, 4), True, True, (1, 2, 3, 5)),
        ((MOST - 33, 15, 11, 7), True, True, ((MOST - 33) // 2, 7, 5, 4)),  # halved in time
    ],
)
def test_one_more_code_is_counted(before, failing, lost, after):
    counts = arrived(Arrivals(DOMAIN, CODE, *before), failing=failing, lost=lost)
    assert counts == Arrivals(DOMAIN, CODE, *after)
