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


def counts(room, service="codes"):
    return {each.delivery: each for each in room.service(service).arrivals}


def test_codes_are_counted_by_what_the_cause_was(make_room, codes):
    room = make_room(codes()).passes(10 * MINUTE)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(90.0).cue(Reason.OK, CODE).passes(5 * MINUTE)
    lost_before = counts(room)[CODE].well_lost
    assert lost_before >= 2, "they were lost while the domain was well"
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(5 * MINUTE)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(5 * MINUTE)
    seen = counts(room)[CODE]
    assert seen.well_arrived >= 14
    assert seen.well_lost == lost_before
    assert 4 <= seen.failing_arrived <= 6
    assert seen.failing_lost >= 5
    assert room.incident.arrivals == (seen,)


def test_what_could_not_be_asked_is_not_counted(make_room, codes):
    room = make_room(codes()).passes(10 * MINUTE)
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(2 * MINUTE)
    room.cue(Reason.RATE_LIMITED, CODE).passes(MINUTE)
    before = counts(room)[CODE]
    room.passes(10 * MINUTE)
    assert counts(room)[CODE] == before


def test_while_the_cause_is_unknown_nothing_is_counted(make_room, codes):
    room = make_room(codes())
    room.cue(None, DOMAIN).passes(10 * MINUTE)
    assert counts(room) == {}


def test_while_it_fails_each_code_is_told_at_once(make_room, codes):
    room = make_room(codes()).passes(10 * MINUTE)
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(3 * MINUTE).forget().passes(3 * MINUTE)
    told = [e.service.arrivals for e in room.effects if isinstance(e, ServiceChanged)]
    assert len(told) == len(set(told)) == 3


def test_another_service_sees_its_own_codes_only(make_room, codes, make_endpoint):
    portal = Service(
        id="portal",
        name="portal",
        endpoints=(make_endpoint("portal", "sign-in", Evidence.SYMPTOM),),
    )
    room = make_room(codes(explains=(CODE, OTHER)), portal).passes(10 * MINUTE)
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(2 * MINUTE)
    assert set(counts(room, "codes")) == {CODE}
    assert set(counts(room, "portal")) == {OTHER}


def test_counts_outlive_a_restart_and_end_with_their_dependency(make_room, codes, make_endpoint):
    room = make_room(codes()).passes(10 * MINUTE)
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(3 * MINUTE)
    before = counts(room)[CODE]
    room.simulation.restart(5.0, frozenset())
    assert counts(room)[CODE] == before
    state = room.simulation.monitor
    untied = Service(id="codes", name="codes", endpoints=codes(explains=()).endpoints)
    state.reconfigure(replace(state.site, services=(untied,)), room.now)
    assert counts(room) == {}


def test_explain_tells_them(make_room, codes):
    room = make_room(codes()).passes(10 * MINUTE)
    found = room.simulation.monitor.explain("codes")
    arrivals = {each.id: each.arrivals for each in found.endpoints}
    [line] = arrivals[DOMAIN]
    assert line.startswith(f"{CODE}: ")
    assert line.endswith("arrived while it was well")
    assert arrivals[CODE] == ()


def test_words():
    seen = Arrivals(DOMAIN, CODE, 412, 3, 0, 7)
    assert in_words(seen) == (
        f"{CODE}: 412 of 415 arrived while it was well, 0 of 7 arrived while it failed"
    )


def test_the_counts_are_halved_in_time():
    seen = Arrivals(DOMAIN, CODE, MOST - 10, 4, 4, 2)
    after = arrived(seen, failing=True, lost=True)
    assert after == Arrivals(DOMAIN, CODE, (MOST - 10) // 2, 2, 2, 2)
