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
def removed(make_harness, codes):
    """The record is removed after an hour with a TTL of one; the first failing reading is now."""

    def begin(*services, ttl=HOUR):
        harness = make_harness(*(services or (codes(),)))
        harness.simulation.script(DOMAIN, Reading(Reason.OK, ttl=ttl))
        harness.advance(HOUR).script(Reason.SPF_MISSING, DOMAIN)
        return harness

    return begin


def first(harness):
    return harness.incident.causes[0]


def test_what_fails_in_the_window_is_explained_by_what_is_read(removed):
    harness = removed()
    began = harness.now
    harness.advance(HOUR).script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert (harness.incident.verdict, harness.incident.cause) == (Verdict.OUTAGE, "dns")
    cause = first(harness)
    assert cause.window == CauseWindow(
        since=began,
        until=began + 2 * WINDOW,
        doubled=True,
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
    assert harness.incident.explanation == cause.explanation


@pytest.mark.parametrize(("late", "cause"), [(0.0, "dns"), (1.0, "unknown")])
def test_twice_the_window_ends_to_the_second_while_the_record_is_missing(removed, late, cause):
    harness = removed().advance(2 * WINDOW + late)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == cause
    beside = harness.incident.causes[-1]
    assert (beside.cause, beside.explains) == ("dns", not late)
    if late:
        assert beside.explanation == (
            f"{DOMAIN}: spf_missing, 139 min before {CODE}: code_not_arrived, "
            "which twice its window of 70 min does not reach"
        )


@pytest.mark.parametrize(("late", "causes"), [(0.0, ["dns"]), (1.0, ["unknown"])])
def test_the_window_ends_to_the_second_once_the_record_is_back(removed, late, causes):
    harness = removed().advance(HOUR).script(Reason.OK, DOMAIN).advance(WINDOW - HOUR + late)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert [cause.cause for cause in harness.incident.causes] == causes
    if not late:
        window = first(harness).window
        assert (window.until - window.since, window.doubled) == (WINDOW, False)


def test_each_trouble_explains_by_its_own_onset(removed):
    """DMARC is missing for hours and acknowledged; then SPF vanishes, and codes are refused."""
    harness = removed()
    harness.script(Reason.DMARC_MISSING, DOMAIN).advance(6 * HOUR).acknowledge()
    both = Reading(Reason.SPF_MISSING, "no SPF", records=("spf_missing", "dmarc_missing"))
    harness.simulation.script(DOMAIN, both)
    since = harness.now
    harness.advance(4 * MINUTE).script(Reason.DELIVERY_REFUSED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == "dns"
    spf, unknown = harness.incident.causes[0], harness.incident.causes[1:]
    assert (
        spf.explanation == f"{DOMAIN}: spf_missing (no SPF), 4 min before {CODE}: delivery_refused"
    )
    assert spf.window.since == since
    assert [(c.readings[0].reason, c.explains) for c in unknown] == [(Reason.DMARC_MISSING, False)]


def test_one_lost_code_before_the_cause_does_not_untie_what_fails_after_it(make_harness, codes):
    harness = make_harness(codes()).advance(HOUR)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(1.0).script(Reason.OK, CODE)
    harness.advance(6 * MINUTE).script(Reason.SPF_MISSING, DOMAIN).advance(4 * MINUTE)
    harness.script(Reason.DELIVERY_REFUSED, CODE).advance(5 * MINUTE)
    assert harness.incident.cause == "dns"
    assert "4 min before codes/code: delivery_refused" in harness.incident.explanation


def test_new_trouble_of_a_cause_that_is_down_has_what_it_would_break_asked_at_once(removed):
    harness = removed().advance(HOUR).clear_effects()
    harness.script(Reason.MX_MISSING, DOMAIN)
    began = harness.now
    harness.advance(MINUTE)
    asked = [e.due for e in harness.effects if isinstance(e, Recheck) and CODE in e.endpoints]
    assert asked == [began + 10.0], "confirmed by a re-check"


def test_codes_that_arrive_after_twice_the_window_disprove_the_cause(removed):
    """They fail in its window, and then now and then: the record is not why."""
    harness = removed(ttl=60.0).advance(5 * MINUTE)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(30 * MINUTE)
    assert harness.incident.cause == "dns"
    harness.script(Reason.OK, CODE).advance(1.0).script(Reason.CODE_NOT_ARRIVED, CODE)
    harness.advance(2 * MINUTE)
    assert (harness.incident.verdict, harness.incident.cause) == (Verdict.OUTAGE, "unknown")
    beside = harness.incident.causes[-1]
    assert (beside.cause, beside.explains) == ("dns", False)
    assert beside.explanation.endswith(
        ", but codes arrived after twice its window of 10 min while it still failed"
    )


@pytest.mark.parametrize(("early", "cause"), [(100.0, "dns"), (200.0, "unknown")])
def test_a_cause_may_be_read_an_interval_after_what_it_broke_and_no_later(
    make_harness, codes, early, cause
):
    harness = make_harness(codes()).advance(HOUR)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(early).script(Reason.SPF_MISSING, DOMAIN)
    harness.advance(5 * MINUTE)
    assert harness.incident.cause == cause
    assert ("after codes/code" in harness.incident.explanation) == (cause == "dns")


def test_a_record_that_is_back_explains_all_the_same(removed):
    harness = removed().advance(10 * MINUTE).script(Reason.OK, DOMAIN).advance(20 * MINUTE)
    assert harness.incident is None, "degraded, and well again"
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == "dns"
    assert "spf_missing, restored since, 30 min before" in harness.incident.explanation
    assert first(harness).window.holds


def test_one_fail_that_was_never_confirmed_explains_nothing(make_harness, codes):
    harness = make_harness(codes()).advance(HOUR)
    harness.script(Reason.DNS_TIMEOUT, DOMAIN).advance(5.0).script(Reason.OK, DOMAIN).advance(
        MINUTE
    )
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert [cause.cause for cause in harness.incident.causes] == ["unknown"]


def test_without_a_ttl_only_the_intervals_and_the_codes_life_count(removed):
    harness = removed(ttl=None).advance(20 * MINUTE)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == "unknown"
    assert harness.incident.causes[-1].window.ttl is None


def test_a_resolver_that_counts_down_does_not_shorten_the_ttl(make_harness, codes):
    harness = make_harness(codes())
    for left in range(3600, 0, -120):
        harness.simulation.script(DOMAIN, Reading(Reason.OK, ttl=float(left)))
        harness.advance(120)
    harness.script(Reason.SPF_MISSING, DOMAIN).advance(HOUR)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert first(harness).window.ttl == 3600.0
    # A TTL that was really lowered is believed once the old one has run out.
    harness = make_harness(codes())
    harness.simulation.script(DOMAIN, Reading(Reason.OK, ttl=600.0))
    harness.advance(MINUTE).simulation.script(DOMAIN, Reading(Reason.OK, ttl=60.0))
    harness.advance(HOUR).script(Reason.SPF_MISSING, DOMAIN).advance(MINUTE)
    kept = harness.simulation.monitor.remember(harness.now).endpoints
    assert kept[DOMAIN].confirmed_onset.ttl == 60.0


def test_the_lifetime_of_a_code_may_be_set(removed, codes):
    harness = removed(codes(code_lifetime=600.0)).advance(WINDOW + 400.0)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == "dns"
    assert first(harness).window.code_lifetime == 600.0


def test_a_failing_cause_has_what_it_would_break_asked_at_once(removed):
    harness = removed().clear_effects().advance(MINUTE)
    asked = [e for e in harness.effects if isinstance(e, Recheck) and CODE in e.endpoints]
    fell = next(e.at for e in harness.effects if isinstance(e, Announced))
    assert [(e.due, e.endpoints) for e in asked] == [(fell, (CODE,))]


def test_a_cause_may_be_tied_to_another_service(removed, codes, usual_service):
    harness = removed(
        codes(explains=("sms/code", CODE, "gone/code")), codes("sms", domain=False), usual_service()
    )
    harness.clear_effects().advance(MINUTE)
    asked = [e.endpoints for e in harness.effects if isinstance(e, Recheck) if CODE in e.endpoints]
    assert asked == [("sms/code", CODE)]
    assert harness.verdict("sms") is Verdict.OK, "a cause elsewhere raises nothing here"
    harness.script(Reason.CODE_NOT_ARRIVED, "sms/code", "mfa/sign-in").advance(5 * MINUTE)
    causes = {view.service: view.cause for view in harness.simulation.monitor.view().incidents}
    assert causes == {"codes": "dns", "sms": "dns", "mfa": "unknown"}


def test_a_restart_keeps_causes_and_their_window(removed):
    harness = removed().advance(HOUR).script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    before = harness.incident
    harness.simulation.restart(30.0)
    assert harness.incident == before
    harness.advance(30 * MINUTE)
    assert first(harness).window == before.causes[0].window, "read afresh, and the same"


def test_a_cause_that_fell_before_a_restart_explains_what_fails_after_it(removed):
    harness = removed().advance(30 * MINUTE)
    harness.simulation.restart(MINUTE)
    harness.advance(20 * MINUTE).script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert harness.incident.cause == "dns"
    assert first(harness).window.holds


@given(apart=st.floats(-120.0, 2 * WINDOW))
@example(WINDOW)
def test_inside_its_window_a_cause_explains_and_outside_it_never(apart):
    since = 1000.0
    window = CauseWindow(since, since + WINDOW, 120.0, 300.0, 150.0, CODE, since + apart, HOUR)
    assert window.holds == (apart <= WINDOW)


# --- the story --------------------------------------------------------------------


def test_what_blinds_us_does_not_explain_what_we_saw_before(make_harness, three_witnesses):
    harness = make_harness(witnesses=three_witnesses).advance(HOUR)
    harness.script(Reason.DNS_NXDOMAIN, "mfa/sign-in").advance(5 * MINUTE + 1)
    harness.script(
        Reason.CONNECT_TIMEOUT, *(w.id for w in three_witnesses), "mfa/sign-in", "mfa/health"
    )
    harness.script(Reason.SOURCE_DEAD, "mfa/vendor").advance(5 * MINUTE)
    assert harness.service().blind
    assert harness.service().cause == "own network"
    assert harness.incident.cause == "dns"


def test_recovery_does_not_unexplain_the_peak(make_harness, make_endpoint):
    parts = [make_endpoint("mfa", r, Evidence.SYMPTOM, region=r) for r in ("emea", "apac")]
    harness = make_harness(Service(id="mfa", name="mfa", endpoints=tuple(parts))).advance(HOUR)
    harness.script(Reason.DEADLINE, "mfa/emea").advance(5 * MINUTE)
    assert harness.incident.cause == "region"
    harness.script(Reason.DEADLINE, "mfa/apac").advance(5 * MINUTE)
    assert (harness.incident.peak, harness.incident.cause) == (Verdict.OUTAGE, "unknown")
    harness.script(Reason.OK, "mfa/emea").advance(5 * MINUTE)
    assert (harness.incident.verdict, harness.service().cause) == (Verdict.DEGRADED, "region")
    assert harness.incident.cause == "unknown", "it was not only the part that came back last"
    harness.script(Reason.TLS_EXPIRED, "mfa/apac").advance(5 * MINUTE)
    assert harness.incident.cause == "tls", "a better explanation is taken"
    harness.script(Reason.OK, "mfa/apac").advance(HOUR)
    closed = [e.incident for e in harness.effects if isinstance(e, Announced) and e.incident][-1]
    assert (closed.peak, closed.cause) == (Verdict.OUTAGE, "tls")


def test_relapse_re_enters_asks_anew_and_sounds_at_most_every_30_minutes(make_harness):
    harness = (
        make_harness().advance(HOUR).script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
    )
    harness.acknowledge()
    opened = harness.incident

    def relapses():
        harness.script(Reason.OK, "mfa/sign-in").advance(5 * MINUTE).clear_effects()
        harness.script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
        return harness.announcements

    assert relapses() == ["relapsed"]
    assert harness.sounds[0] == "three_pulses"
    assert (harness.incident.number, harness.incident.since) == (opened.number, opened.since)
    assert not harness.incident.acknowledged
    harness.acknowledge()
    assert relapses() == ["relapsed"]
    assert not harness.incident.acknowledged
    assert harness.sounds == [], "twice within 30 minutes sounds once"
    assert harness.advance(30 * MINUTE).sounds[0] == "three_pulses", "deferred, never dropped"
    harness.acknowledge().advance(30 * MINUTE)
    assert relapses() == ["relapsed"]
    assert harness.sounds[0] == "three_pulses"


@pytest.mark.parametrize(
    ("then", "words"),
    [(Reason.OK, "over, and held for a while: mfa/health: http_status"), (None, "as last seen")],
)
def test_a_verdict_that_is_held_says_why(make_harness, then, words):
    harness = make_harness().advance(HOUR).script(Reason.HTTP_STATUS, "mfa/health")
    known = harness.advance(10 * MINUTE).service().cause
    if then is None:
        harness.simulation.restart(10.0)
    else:
        harness.script(then, "mfa/health").advance(3 * MINUTE)
    held = harness.service()
    assert (held.verdict, held.cause) == (Verdict.DEGRADED, known)
    assert held.explanation.startswith(words)


def test_the_first_out_is_the_first_that_fell_and_stays(make_harness):
    harness = (
        make_harness().advance(HOUR).script(Reason.HTTP_STATUS, "mfa/health").advance(10 * MINUTE)
    )
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
    harness.script(Reason.OK, "mfa/health").advance(5 * MINUTE)
    assert harness.incident.first_out == "mfa/health"
    assert harness.incident.peak is Verdict.GRAY_FAILURE
    harness.script(Reason.OK, "mfa/sign-in").advance(5 * MINUTE)
    assert harness.incident.verdict is Verdict.RECOVERING
    assert harness.incident.peak is Verdict.GRAY_FAILURE


# --- the vendor's words -----------------------------------------------------------


@pytest.fixture
def two_sources(make_harness, make_endpoint):
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
    return make_harness(Service(id="mfa", name="mfa", endpoints=endpoints))


def says(harness, endpoint, reason, words=""):
    harness.simulation.script(endpoint, Reading(reason, words))


def test_two_sources_are_shown_side_by_side(two_sources):
    harness = two_sources.advance(HOUR)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
    assert [(w.endpoint, w.says, w.words) for w in harness.incident.vendor] == [
        ("mfa/feed", "fine", "ok"),
        ("mfa/graph", "fine", "ok"),
    ]
    assert not harness.incident.vendor_differs
    admitted = harness.now
    says(harness, "mfa/graph", Reason.VENDOR_INCIDENT, "Investigating")
    harness.advance(5 * MINUTE)
    assert harness.incident.vendor[1] == VendorWord(
        "mfa/graph", "admits", "Investigating", admitted
    )
    assert harness.incident.vendor_differs
    reworded = harness.now
    says(harness, "mfa/graph", Reason.VENDOR_INCIDENT, "Exploring additional workstreams")
    says(harness, "mfa/feed", Reason.SOURCE_DEAD, "status 503")
    harness.advance(5 * MINUTE)
    assert harness.incident.vendor[1].words == "Exploring additional workstreams"
    assert harness.incident.vendor[1].since == reworded
    assert (harness.incident.vendor[0].says, harness.incident.vendor[0].words) == (
        "unknown",
        "status 503",
    )
    assert not harness.incident.vendor_differs, "one cannot be read: it says nothing else"
    says(harness, "mfa/feed", Reason.VENDOR_INCIDENT, "Fixed")
    assert harness.advance(5 * MINUTE).incident.vendor_differs, "both admit, in different words"


def test_vendor_words_from_before_a_restart_are_kept_until_read_anew(two_sources):
    harness = two_sources.advance(HOUR)
    says(harness, "mfa/feed", Reason.VENDOR_INCIDENT, "Investigating")
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
    before = harness.incident.vendor
    harness.simulation.restart(MINUTE)
    assert harness.incident.vendor == before
    says(harness, "mfa/feed", Reason.VENDOR_INCIDENT, "Identified")
    harness.advance(5 * MINUTE)
    assert [word.words for word in harness.incident.vendor] == ["Identified", "ok"]


def test_words_that_stay_the_same_are_no_news(two_sources):
    harness = two_sources.advance(HOUR)
    says(harness, "mfa/feed", Reason.VENDOR_INCIDENT, "Investigating")
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(HOUR)
    view = harness.incident
    assert harness.advance(HOUR).incident == view


def test_vendor_lead_is_from_the_opening_to_the_first_admission_and_stays(two_sources):
    harness = two_sources.advance(HOUR).script(Reason.DEADLINE, "mfa/sign-in").advance(39 * MINUTE)
    says(harness, "mfa/feed", Reason.VENDOR_DEGRADED)
    harness.advance(MINUTE)
    lead = harness.incident.vendor_lead
    opened = next(
        e.at for e in harness.effects if isinstance(e, Announced) and e.what is Announcement.OPENED
    )
    assert lead == pytest.approx(39 * MINUTE + HOUR + 1000.0 - opened)
    says(harness, "mfa/feed", Reason.OK)
    harness.advance(10 * MINUTE)
    says(harness, "mfa/graph", Reason.VENDOR_INCIDENT)
    assert harness.advance(10 * MINUTE).incident.vendor_lead == lead


def test_a_vendor_that_says_nothing_differs_from_nobody(two_sources):
    harness = two_sources.advance(HOUR).script(Reason.DEADLINE, "mfa/sign-in").advance(5 * MINUTE)
    view = replace(harness.incident, vendor=())
    assert not view.vendor_differs


def test_what_failed_with_the_cause_is_cited_as_such(make_harness, codes):
    harness = make_harness(codes()).advance(HOUR)
    harness.script(Reason.DNS_SERVFAIL, DOMAIN, CODE).advance(2 * MINUTE)
    assert "dns_servfail, together with codes/code" in harness.incident.explanation


def test_a_cause_that_is_well_and_long_over_is_not_mentioned(removed):
    harness = removed().advance(10 * MINUTE).script(Reason.OK, DOMAIN).advance(3 * HOUR)
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(2 * MINUTE)
    assert [cause.cause for cause in harness.incident.causes] == ["unknown"]


def test_an_incident_keeps_every_record_that_vanished_in_its_time(removed):
    """Those of the onset, and those that follow with the same reason and the same detail."""
    harness = removed()

    def lose(*names):
        harness.simulation.script(DOMAIN, Reading(Reason.SPF_MISSING, "and more", records=names))
        harness.advance(10 * MINUTE)

    lose("a", "b")
    harness.script(Reason.CODE_NOT_ARRIVED, CODE)
    lose("a", "b")
    assert harness.incident.records == ("a", "b")
    lose("b", "c")
    assert harness.incident.records == ("a", "b", "c"), "what came back is still part of the story"
    lose(*(f"{number}" for number in range(100)))
    assert len(harness.incident.records) == MOST_RECORDS
    harness.script(Reason.OK, CODE, DOMAIN).advance(4 * HOUR)
    assert harness.incident is None
    harness.script(Reason.CODE_NOT_ARRIVED, CODE).advance(10 * MINUTE)
    assert harness.incident.records == (), "the next incident has its own"


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


def test_what_opened_unexplained_takes_any_explanation_later(one):
    incident = one()
    incident.follow(Verdict.DEGRADED)
    incident.explain([Cause("own network", "no witness answers", explains=False)])
    assert (incident.view.cause, incident.view.explanation) == ("own network", "no witness answers")


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
