"""Incidents: what explains them and until when, whose words are kept, relapse, peak, first-out."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beacon.core.effects import Announced, Announcement, Recheck
from beacon.core.model import MOST_RECORDS, Evidence, Reading, Reason, Service, Verdict
from beacon.core.service.incident import Incident, foremost
from beacon.core.views import Cause, CauseWindow, IncidentState, IncidentView, VendorWord

MINUTE, HOUR = 60.0, 3600.0
CODE, DOMAIN = "codes/code", "codes/domain"
WINDOW = HOUR + 2 * MINUTE + 5 * MINUTE + 150.0


@pytest.fixture
def codes(make_endpoint):
    """A service of mailed codes, with the DNS of their sender's domain."""

    def build(name="codes", *, explains=None, domain=True, **more):
        code = make_endpoint(
            name,
            "code",
            Evidence.SYMPTOM,
            interval=5 * MINUTE,
            timeout=150.0,
            failure_threshold=2,
            retry_interval=60.0,
            **more,
        )
        cause = make_endpoint(
            name,
            "domain",
            Evidence.CAUSE,
            kind="dns",
            interval=2 * MINUTE,
            timeout=5.0,
            failure_threshold=2,
            retry_interval=10.0,
            explains=explains,
        )
        return Service(id=name, name=name, endpoints=(code, cause) if domain else (code,))

    return build


@pytest.fixture
def removed(make_room, codes):
    """The record is removed after an hour with a TTL of one; the first failing reading is now."""

    def begin(*services, ttl=HOUR):
        room = make_room(*(services or (codes(),)))
        room.simulation.cue(DOMAIN, Reading(Reason.OK, ttl=ttl))
        room.passes(HOUR).cue(Reason.SPF_MISSING, DOMAIN)
        return room

    return begin


def first(room):
    return room.incident.causes[0]


def test_what_fails_in_the_window_is_explained_by_what_is_read(removed):
    room = removed()
    began = room.now
    room.passes(HOUR).cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert (room.incident.verdict, room.incident.cause) == (Verdict.OUTAGE, "dns")
    cause = first(room)
    assert cause.window == CauseWindow(
        since=began,
        until=began + WINDOW,
        ttl=HOUR,
        interval=120.0,
        delivery_interval=300.0,
        code_lifetime=150.0,
        delivery=CODE,
        failed_at=began + HOUR,
    )
    cited = [(each.endpoint, each.reason, each.at) for each in cause.readings]
    assert cited == [
        (DOMAIN, Reason.SPF_MISSING, began),
        (CODE, Reason.CODE_NOT_ARRIVED, began + HOUR),
    ]
    assert cause.explanation == f"{DOMAIN}: spf_missing, 60 min before {CODE}: code_not_arrived"
    assert room.incident.explanation == cause.explanation


@pytest.mark.parametrize(("late", "cause"), [(0.0, "dns"), (1.0, "unknown")])
def test_the_window_ends_to_the_second(removed, late, cause):
    room = removed().passes(WINDOW + late)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert room.incident.cause == cause
    beside = room.incident.causes[-1]
    assert (beside.cause, beside.explains) == ("dns", not late)
    if late:
        assert beside.explanation == (
            f"{DOMAIN}: spf_missing, 70 min before {CODE}: code_not_arrived, "
            "which its window of 70 min does not reach"
        )


@pytest.mark.parametrize(("early", "cause"), [(100.0, "dns"), (200.0, "unknown")])
def test_a_cause_may_be_read_an_interval_after_what_it_broke_and_no_later(
    make_room, codes, early, cause
):
    room = make_room(codes()).passes(HOUR)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(early).cue(Reason.SPF_MISSING, DOMAIN)
    room.passes(5 * MINUTE)
    assert room.incident.cause == cause
    assert ("after codes/code" in room.incident.explanation) == (cause == "dns")


def test_a_record_that_is_back_explains_all_the_same(removed):
    room = removed().passes(10 * MINUTE).cue(Reason.OK, DOMAIN).passes(20 * MINUTE)
    assert room.incident is None, "degraded, and well again"
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert room.incident.cause == "dns"
    assert "spf_missing, restored since, 30 min before" in room.incident.explanation
    assert first(room).window.holds


def test_one_fail_that_was_never_confirmed_explains_nothing(make_room, codes):
    room = make_room(codes()).passes(HOUR)
    room.cue(Reason.DNS_TIMEOUT, DOMAIN).passes(5.0).cue(Reason.OK, DOMAIN).passes(MINUTE)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert [cause.cause for cause in room.incident.causes] == ["unknown"]


def test_without_a_ttl_only_the_intervals_and_the_codes_life_count(removed):
    room = removed(ttl=None).passes(10 * MINUTE)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert room.incident.cause == "unknown"
    assert room.incident.causes[-1].window.ttl is None


def test_a_resolver_that_counts_down_does_not_shorten_the_ttl(make_room, codes):
    room = make_room(codes())
    for left in range(3600, 0, -120):
        room.simulation.cue(DOMAIN, Reading(Reason.OK, ttl=float(left)))
        room.passes(120)
    room.cue(Reason.SPF_MISSING, DOMAIN).passes(HOUR)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert first(room).window.ttl == 3600.0
    # A TTL that was really lowered is believed once the old one has run out.
    room = make_room(codes())
    room.simulation.cue(DOMAIN, Reading(Reason.OK, ttl=600.0))
    room.passes(MINUTE).simulation.cue(DOMAIN, Reading(Reason.OK, ttl=60.0))
    room.passes(HOUR).cue(Reason.SPF_MISSING, DOMAIN).passes(MINUTE)
    kept = room.simulation.monitor.remember(room.now).endpoints
    assert kept[DOMAIN].confirmed_onset.ttl == 60.0


def test_the_life_of_a_code_may_be_told(removed, codes):
    room = removed(codes(code_lifetime=600.0)).passes(WINDOW + 400.0)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert room.incident.cause == "dns"
    assert first(room).window.code_lifetime == 600.0


def test_a_failing_cause_has_what_it_would_break_asked_at_once(removed):
    room = removed().forget().passes(MINUTE)
    asked = [e for e in room.effects if isinstance(e, Recheck) and CODE in e.endpoints]
    fell = next(e.at for e in room.effects if isinstance(e, Announced))
    assert [(e.due, e.endpoints) for e in asked] == [(fell, (CODE,))]


def test_a_cause_may_be_tied_to_another_service(removed, codes, usual_service):
    room = removed(
        codes(explains=("sms/code", CODE, "gone/code")), codes("sms", domain=False), usual_service()
    )
    room.forget().passes(MINUTE)
    asked = [e.endpoints for e in room.effects if isinstance(e, Recheck) if CODE in e.endpoints]
    assert asked == [("sms/code", CODE)]
    assert room.verdict("sms") is Verdict.OK, "a cause elsewhere raises nothing here"
    room.cue(Reason.CODE_NOT_ARRIVED, "sms/code", "mfa/sign-in").passes(5 * MINUTE)
    causes = {view.service: view.cause for view in room.simulation.monitor.view().incidents}
    assert causes == {"codes": "dns", "sms": "dns", "mfa": "unknown"}


def test_a_restart_keeps_causes_and_their_window(removed):
    room = removed().passes(HOUR).cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    before = room.incident
    room.simulation.restart(30.0)
    assert room.incident == before
    room.passes(30 * MINUTE)
    assert first(room).window == before.causes[0].window, "read afresh, and the same"


def test_a_cause_that_fell_before_a_restart_explains_what_fails_after_it(removed):
    room = removed().passes(30 * MINUTE)
    room.simulation.restart(MINUTE)
    room.passes(20 * MINUTE).cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert room.incident.cause == "dns"
    assert first(room).window.holds


@given(apart=st.floats(-120.0, 2 * WINDOW))
@example(WINDOW)
def test_inside_its_window_a_cause_explains_and_outside_it_never(apart):
    since = 1000.0
    window = CauseWindow(since, since + WINDOW, 120.0, 300.0, 150.0, CODE, since + apart, HOUR)
    assert window.holds == (apart <= WINDOW)


# --- the story --------------------------------------------------------------------


def test_what_blinds_us_does_not_explain_what_we_saw_before(make_room, three_witnesses):
    room = make_room(witnesses=three_witnesses).passes(HOUR)
    room.cue(Reason.DNS_NXDOMAIN, "mfa/sign-in").passes(5 * MINUTE + 1)
    room.cue(Reason.CONNECT_TIMEOUT, *(w.id for w in three_witnesses), "mfa/sign-in", "mfa/health")
    room.cue(Reason.SOURCE_DEAD, "mfa/vendor").passes(5 * MINUTE)
    assert room.service().blind
    assert room.service().cause == "own network"
    assert room.incident.cause == "dns"


def test_recovery_does_not_unexplain_the_peak(make_room, make_endpoint):
    parts = [make_endpoint("mfa", r, Evidence.SYMPTOM, region=r) for r in ("emea", "apac")]
    room = make_room(Service(id="mfa", name="mfa", endpoints=tuple(parts))).passes(HOUR)
    room.cue(Reason.DEADLINE, "mfa/emea").passes(5 * MINUTE)
    assert room.incident.cause == "region"
    room.cue(Reason.DEADLINE, "mfa/apac").passes(5 * MINUTE)
    assert (room.incident.peak, room.incident.cause) == (Verdict.OUTAGE, "unknown")
    room.cue(Reason.OK, "mfa/emea").passes(5 * MINUTE)
    assert (room.incident.verdict, room.service().cause) == (Verdict.DEGRADED, "region")
    assert room.incident.cause == "unknown", "it was not only the part that came back last"
    room.cue(Reason.TLS_EXPIRED, "mfa/apac").passes(5 * MINUTE)
    assert room.incident.cause == "tls", "a better explanation is taken"
    room.cue(Reason.OK, "mfa/apac").passes(HOUR)
    closed = [e.incident for e in room.effects if isinstance(e, Announced) and e.incident][-1]
    assert (closed.peak, closed.cause) == (Verdict.OUTAGE, "tls")


def test_relapse_re_enters_asks_anew_and_at_most_every_30_minutes(make_room):
    room = make_room().passes(HOUR).cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
    room.acknowledge()
    opened = room.incident

    def relapses():
        room.cue(Reason.OK, "mfa/sign-in").passes(5 * MINUTE).forget()
        room.cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
        return room.told

    assert relapses() == ["relapsed"]
    assert room.sounds[0] == "three_pulses"
    assert (room.incident.number, room.incident.since) == (opened.number, opened.since)
    assert not room.incident.acknowledged
    room.acknowledge()
    assert relapses() == ["relapsed"]
    assert room.sounds == []
    assert room.incident.acknowledged, "twice within 30 minutes sounds once"
    room.passes(30 * MINUTE)
    assert relapses() == ["relapsed"]
    assert not room.incident.acknowledged


def test_the_first_out_is_the_first_that_fell_and_stays(make_room):
    room = make_room().passes(HOUR).cue(Reason.HTTP_STATUS, "mfa/health").passes(10 * MINUTE)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
    room.cue(Reason.OK, "mfa/health").passes(5 * MINUTE)
    assert room.incident.first_out == "mfa/health"
    assert room.incident.peak is Verdict.GRAY_FAILURE
    room.cue(Reason.OK, "mfa/sign-in").passes(5 * MINUTE)
    assert room.incident.verdict is Verdict.RECOVERING
    assert room.incident.peak is Verdict.GRAY_FAILURE


# --- the vendor's words -----------------------------------------------------------


@pytest.fixture
def two_sources(make_room, make_endpoint):
    claim = {
        "interval": 120.0,
        "timeout": 10.0,
        "failure_threshold": 1,
        "retry_interval": None,
    }
    endpoints = (
        make_endpoint("mfa", "sign-in", Evidence.SYMPTOM),
        make_endpoint("mfa", "feed", Evidence.CLAIM, **claim),
        make_endpoint("mfa", "graph", Evidence.CLAIM, **claim),
    )
    return make_room(Service(id="mfa", name="mfa", endpoints=endpoints))


def says(room, endpoint, reason, words=""):
    room.simulation.cue(endpoint, Reading(reason, words))


def test_two_sources_are_heard_side_by_side(two_sources):
    room = two_sources.passes(HOUR)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
    assert [(w.endpoint, w.says, w.words) for w in room.incident.vendor] == [
        ("mfa/feed", "fine", "ok"),
        ("mfa/graph", "fine", "ok"),
    ]
    assert not room.incident.vendor_differs
    admitted = room.now
    says(room, "mfa/graph", Reason.VENDOR_INCIDENT, "Investigating")
    room.passes(5 * MINUTE)
    assert room.incident.vendor[1] == VendorWord("mfa/graph", "admits", "Investigating", admitted)
    assert room.incident.vendor_differs
    reworded = room.now
    says(room, "mfa/graph", Reason.VENDOR_INCIDENT, "Exploring additional workstreams")
    says(room, "mfa/feed", Reason.SOURCE_DEAD, "status 503")
    room.passes(5 * MINUTE)
    assert room.incident.vendor[1].words == "Exploring additional workstreams"
    assert room.incident.vendor[1].since == reworded
    assert (room.incident.vendor[0].says, room.incident.vendor[0].words) == (
        "unknown",
        "status 503",
    )
    assert not room.incident.vendor_differs, "one cannot be read: it says nothing else"
    says(room, "mfa/feed", Reason.VENDOR_INCIDENT, "Fixed")
    assert room.passes(5 * MINUTE).incident.vendor_differs, "both admit, and tell it differently"


def test_what_was_said_before_a_restart_is_kept_until_it_is_heard_anew(two_sources):
    room = two_sources.passes(HOUR)
    says(room, "mfa/feed", Reason.VENDOR_INCIDENT, "Investigating")
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
    before = room.incident.vendor
    room.simulation.restart(MINUTE)
    assert room.incident.vendor == before
    says(room, "mfa/feed", Reason.VENDOR_INCIDENT, "Identified")
    room.passes(5 * MINUTE)
    assert [word.words for word in room.incident.vendor] == ["Identified", "ok"]


def test_words_that_stay_the_same_are_no_news(two_sources):
    room = two_sources.passes(HOUR)
    says(room, "mfa/feed", Reason.VENDOR_INCIDENT, "Investigating")
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(HOUR)
    view = room.incident
    assert room.passes(HOUR).incident == view


def test_vendor_lead_is_from_the_opening_to_the_first_admission_and_stays(two_sources):
    room = two_sources.passes(HOUR).cue(Reason.DEADLINE, "mfa/sign-in").passes(39 * MINUTE)
    says(room, "mfa/feed", Reason.VENDOR_DEGRADED)
    room.passes(MINUTE)
    lead = room.incident.vendor_lead
    opened = next(
        e.at for e in room.effects if isinstance(e, Announced) and e.what is Announcement.OPENED
    )
    assert lead == pytest.approx(39 * MINUTE + HOUR + 1000.0 - opened)
    says(room, "mfa/feed", Reason.OK)
    room.passes(10 * MINUTE)
    says(room, "mfa/graph", Reason.VENDOR_INCIDENT)
    assert room.passes(10 * MINUTE).incident.vendor_lead == lead


def test_a_vendor_that_says_nothing_differs_from_nobody(two_sources):
    room = two_sources.passes(HOUR).cue(Reason.DEADLINE, "mfa/sign-in").passes(5 * MINUTE)
    view = replace(room.incident, vendor=())
    assert not view.vendor_differs


def test_what_falls_together_is_said_so(make_room, codes):
    room = make_room(codes()).passes(HOUR)
    room.cue(Reason.DNS_SERVFAIL, DOMAIN, CODE).passes(2 * MINUTE)
    assert "dns_servfail, together with codes/code" in room.incident.explanation


def test_a_cause_that_is_well_and_long_over_is_not_mentioned(removed):
    room = removed().passes(10 * MINUTE).cue(Reason.OK, DOMAIN).passes(3 * HOUR)
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(2 * MINUTE)
    assert [cause.cause for cause in room.incident.causes] == ["unknown"]


def test_an_incident_keeps_every_record_that_vanished_in_its_time(removed):
    """Those of the onset, and those that follow with the same reason and the same detail."""
    room = removed()

    def lose(*names):
        room.simulation.cue(DOMAIN, Reading(Reason.SPF_MISSING, "and more", records=names))
        room.passes(10 * MINUTE)

    lose("a", "b")
    room.cue(Reason.CODE_NOT_ARRIVED, CODE)
    lose("a", "b")
    assert room.incident.records == ("a", "b")
    lose("b", "c")
    assert room.incident.records == ("a", "b", "c"), "what came back is still part of the story"
    lose(*(f"{number}" for number in range(100)))
    assert len(room.incident.records) == MOST_RECORDS
    room.cue(Reason.OK, CODE, DOMAIN).passes(4 * HOUR)
    assert room.incident is None
    room.cue(Reason.CODE_NOT_ARRIVED, CODE).passes(10 * MINUTE)
    assert room.incident.records == (), "the next incident has its own"


# --- the incident itself ----------------------------------------------------------

OPEN, ACKNOWLEDGED = IncidentState.OPEN, IncidentState.ACKNOWLEDGED


@pytest.fixture
def one():
    def build(verdict=Verdict.OUTAGE, since=100.0, **more):
        view = IncidentView(1, "mfa", OPEN, since, verdict, verdict, "mfa/sign-in", **more)
        return Incident(view)

    return build


def test_it_is_acknowledged_by_somebody_and_asks_anew(one):
    incident = one()
    incident.acknowledge(150.0, "analyst")
    seen = incident.view
    assert (seen.acknowledged, seen.acknowledged_at, seen.acknowledged_by, seen.state) == (
        True,
        150.0,
        "analyst",
        ACKNOWLEDGED,
    )
    incident.follow(Verdict.DEGRADED)
    assert incident.view.state is ACKNOWLEDGED
    incident.reopen()
    anew = incident.view
    assert (anew.acknowledged, anew.acknowledged_at, anew.acknowledged_by, anew.state) == (
        False,
        None,
        None,
        OPEN,
    )


def test_while_it_recovers_it_says_so_whoever_has_seen_it(one):
    incident = one()
    incident.follow(Verdict.RECOVERING)
    assert incident.view.state is IncidentState.RECOVERING
    incident.acknowledge(150.0, "analyst")
    assert incident.view.state is IncidentState.RECOVERING
    incident.reopen()
    assert incident.view.state is IncidentState.RECOVERING


@pytest.mark.parametrize(
    ("story", "peak"),
    [
        ((Verdict.DEGRADED, Verdict.OUTAGE, Verdict.RECOVERING), Verdict.OUTAGE),
        ((Verdict.OUTAGE, Verdict.GRAY_FAILURE), Verdict.OUTAGE),
        ((Verdict.GRAY_FAILURE, Verdict.OUTAGE), Verdict.GRAY_FAILURE),
        ((Verdict.OUTAGE, Verdict.DEGRADED), Verdict.OUTAGE),
    ],
)
def test_the_peak_is_the_first_of_the_worst(one, story, peak):
    incident = one(story[0])
    for verdict in story[1:]:
        incident.follow(verdict)
    assert (incident.view.peak, incident.view.verdict) == (peak, story[-1])


def test_relapses_count_at_most_every_half_hour_to_the_second(one):
    incident = one()
    assert incident.relapse(1000.0)
    incident.acknowledge(1100.0, "analyst")
    assert not incident.relapse(2799.9)
    assert incident.view.acknowledged
    assert incident.relapse(2800.0)
    assert not incident.view.acknowledged


def test_the_vendors_lead_is_never_less_than_nothing(one):
    incident = one()
    incident.admitted(99.0)
    assert (incident.view.vendor_lead, incident.admitted_at) == (0.0, 99.0)
    incident.admitted(500.0)
    assert (incident.view.vendor_lead, incident.admitted_at) == (0.0, 99.0)


@pytest.mark.parametrize(
    ("after", "lifetime", "peak", "impact"),
    [
        (0.0, 3600.0, Verdict.OUTAGE, 0.0),
        (1234.0, 3600.0, Verdict.OUTAGE, 0.34),
        (1234.0, 3600.0, Verdict.GRAY_FAILURE, 0.34),
        (3600.0, 3600.0, Verdict.OUTAGE, 1.0),
        (9999.0, 3600.0, Verdict.OUTAGE, 1.0),
        (1234.0, None, Verdict.OUTAGE, None),
        (1234.0, 3600.0, Verdict.DEGRADED, None),
    ],
)
def test_the_impact_is_the_share_of_sessions_that_had_to_be_renewed(
    one, after, lifetime, peak, impact
):
    incident = one(peak)
    incident.measure(100.0 + after, lifetime)
    assert incident.view.impact == impact


def test_it_closes_as_what_the_service_is_then(one):
    incident = one()
    incident.close(900.0, Verdict.ADVISORY)
    closed = incident.view
    assert (closed.state, closed.closed_at, closed.verdict, closed.peak) == (
        IncidentState.CLOSED,
        900.0,
        Verdict.ADVISORY,
        Verdict.OUTAGE,
    )


def test_the_foremost_is_the_worst_then_the_unacknowledged_then_the_oldest(one):
    amber, red = one(Verdict.DEGRADED, since=1.0), one(since=50.0)
    older, younger = one(since=60.0), one(since=70.0)
    red.acknowledge(55.0, "analyst")
    assert foremost([]) is None
    assert foremost([amber, red]) is red
    assert foremost([amber, red, younger]) is younger
    assert foremost([amber, red, younger, older]) is older


def test_below_its_worst_only_a_better_explanation_is_taken(one):
    incident = one()
    incident.explain([Cause("vendor", "they admit it")])
    incident.follow(Verdict.DEGRADED)
    incident.explain([Cause("vendor", "they admit it otherwise")])
    assert incident.view.explanation == "they admit it"
    incident.follow(Verdict.OUTAGE)
    incident.explain([Cause("vendor", "once more")])
    assert incident.view.explanation == "once more"
    incident.explain([])
    assert (incident.view.cause, incident.view.explanation) == ("vendor", "once more")
