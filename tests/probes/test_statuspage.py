"""`statuspage` on the shapes and the lies of real pages."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Url
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.redaction import Secrets
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.probes.statuspage import StatusPage, parsed
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: statuspage
    url: !secret canary-of-an-address
    """,
)


clear = Secrets().clear

COMPONENTS = [
    {"id": "g1", "name": "DUO1", "status": "operational", "group": True, "group_id": None},
    {"id": "p1", "name": "Push Delivery", "status": "operational", "group_id": "g1"},
    {"id": "s1", "name": "SMS Delivery", "status": "operational", "group_id": "g1"},
    {"id": "g2", "name": "DUO2", "status": "operational", "group": True, "group_id": None},
    {"id": "p2", "name": "Push Delivery", "status": "operational", "group_id": "g2"},
]


NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def page(
    incidents: list[dict[str, object]] | None = None,
    maintenances: list[dict[str, object]] | None = None,
    **statuses: str,
) -> dict[str, object]:
    components = [{**c, "status": statuses.get(str(c["id"]), c["status"])} for c in COMPONENTS]
    return {
        "page": {"id": "x", "name": "Vendor", "url": "https://status.example.com"},
        "status": {"indicator": "none", "description": "All Systems Operational"},
        "components": components,
        "incidents": incidents or [],
        "scheduled_maintenances": maintenances or [],
    }


def event(status: str, impact: str | None = "major", *touched: str) -> dict[str, object]:
    return {
        "id": "i1",
        "name": "Codes are late",
        "status": status,
        "impact": impact,
        "incident_updates": [{"status": status, "body": "…"}],
        "components": [{"id": t, "name": "?", "status": "operational"} for t in touched],
    }


def judged(document: object, *components: str) -> Reading:
    probe = StatusPage(url=Url("https://status.example.com"), components=components)
    return read(probe, json.dumps(document).encode())


def read(probe: StatusPage, body: bytes) -> Reading:
    try:
        return probe.judge(parsed(Run(SystemClock(), 60.0), Answer(status=200, body=body)), NOW)
    except ProbeFailure as trouble:
        return trouble.reading


@pytest.fixture
def status(vendor):
    """The vendor's page, by an address below its own."""

    def make(tail: str = "", **settings: Any) -> StatusPage:
        return StatusPage(url=Url(vendor.url + tail), **settings)

    return make


OK, DEAD = Reason.OK, Reason.SOURCE_DEAD
INCIDENT, DEGRADED = Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED
MAINTENANCE = Reason.VENDOR_MAINTENANCE

TABLE = [
    (page(), (), OK, "5 components operational"),
    (page(p1="degraded_performance"), (), DEGRADED, "DUO1/Push Delivery: degraded performance"),
    (page(p1="partial_outage"), (), DEGRADED, "partial outage"),
    (page(p1="partial_outage"), ("DUO1",), INCIDENT, "DUO1/Push Delivery: partial outage"),
    (page(p1="major_outage"), (), INCIDENT, "major outage"),
    (page(p1="under_maintenance"), (), MAINTENANCE, "under maintenance"),
    (page(p1="Operational", s1="OPERATIONAL "), (), OK, ""),
    (page(p1="Partial outage"), ("DUO1",), INCIDENT, ""),
    (page([event("Monitoring", "Critical")]), (), DEGRADED, ""),
    (page([event("Identified", "Critical")]), (), INCIDENT, ""),
    (page(p1="haunted"), (), DEAD, "Push Delivery: haunted"),
    (page(p1="haunted", s1="major_outage"), (), INCIDENT, "SMS Delivery"),
    # one deployment of many: by group, by path, by id
    (page(p2="major_outage"), ("DUO1",), OK, "3 components"),
    (page(p1="major_outage"), ("DUO1",), INCIDENT, ""),
    (page(p2="major_outage"), ("DUO1/Push Delivery",), OK, "1 components"),
    (page(p2="major_outage"), ("p1", "s1"), OK, "2 components"),
    (page(p2="major_outage"), ("Push Delivery",), INCIDENT, ""),
    # a name that is none is unknown, unless there is worse to tell
    (page(), ("Push Deliveries",), DEAD, "did you mean 'Push Delivery'?"),
    (page(), ("DUO1", "Voice"), DEAD, "no component 'Voice' on the page"),
    (page(p1="major_outage"), ("DUO1", "Voice"), INCIDENT, ""),
    # an incident above components that all read operational
    (page([event("investigating", "critical", "p1")]), (), INCIDENT, "Codes are late"),
    (page([event("identified", "major", "p1")]), ("DUO1",), INCIDENT, "impact major"),
    (page([event("identified", "minor", "p1")]), ("DUO1",), DEGRADED, ""),
    (page([event("investigating", "none", "p1")]), ("DUO1",), DEGRADED, ""),
    (page([event("investigating", None, "p1")]), ("DUO1",), DEGRADED, ""),
    (page([event("investigating", "cosmic", "p1")]), ("DUO1",), DEGRADED, ""),
    (page([event("investigating", "maintenance", "p1")]), ("DUO1",), MAINTENANCE, ""),
    (page([event("monitoring", "critical", "p1")]), ("DUO1",), DEGRADED, ""),
    (page([event("resolved", "critical", "p1")]), ("DUO1",), OK, ""),
    (page([event("postmortem", "critical", "p1")]), ("DUO1",), OK, ""),
    (page([event("unheard-of", "critical", "p1")]), ("DUO1",), INCIDENT, ""),
    (page([event("investigating", "critical", "p2")]), ("DUO1",), OK, ""),
    (page([event("investigating", "critical")]), ("DUO1",), INCIDENT, ""),
    (page([event("monitoring", "critical", "p1")], p1="major_outage"), (), INCIDENT, ""),
    # maintenance counts while it is going on
    (
        page(None, [event("in_progress", "maintenance", "p1")]),
        (),
        MAINTENANCE,
        "In progress: Codes are late",
    ),
    (page(None, [event("in_progress", "maintenance", "p2")]), ("DUO1",), OK, ""),
    # in the vendor's words
    (
        page([{**event("investigating", None), "started_at": "2018-11-19T14:10:00.000-08:00"}]),
        (),
        DEGRADED,
        "Investigating: Codes are late (impact not rated, since 19 Nov 22:10 UTC)",
    ),
    (
        page([{**event("identified", "major"), "created_at": "2018-11-19T14:10:00Z"}]),
        (),
        INCIDENT,
        "Identified: Codes are late (impact major, since 19 Nov 14:10 UTC)",
    ),
    (
        page(
            None,
            [
                {
                    **event("in_progress", "maintenance"),
                    "scheduled_for": "2018-11-19T14:00:00Z",
                    "scheduled_until": "2018-11-19T16:00:00Z",
                }
            ],
        ),
        (),
        MAINTENANCE,
        "In progress: Codes are late (maintenance, until 19 Nov 16:00 UTC)",
    ),
    (
        page([event("identified", "critical")], s1="major_outage", p1="degraded_performance"),
        (),
        INCIDENT,
        "Identified: Codes are late (impact critical); DUO1/SMS Delivery: major outage",
    ),
    # what is no summary proves nothing
    ({}, (), DEAD, "not a summary"),
    ([], (), DEAD, "not a summary"),
    (None, (), DEAD, "not a summary"),
    ({"components": [], "incidents": []}, (), DEAD, "no components"),
    ({"components": COMPONENTS}, (), DEAD, "incidents"),
    ({"incidents": []}, (), DEAD, "components"),
    ({"components": [{"id": "a", "name": "b"}], "incidents": []}, (), DEAD, "status"),
    ({"components": "none", "incidents": []}, (), DEAD, ""),
    ({"status": {"indicator": "none"}}, (), DEAD, ""),
]


@pytest.mark.parametrize(("document", "components", "reason", "words"), TABLE)
def test_what_a_page_says(document, components, reason, words):
    reading = judged(document, *components)
    assert reading.reason is reason, reading
    assert words in clear(reading.detail)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["components", "incidents", "id", "name", "status", "impact", "group_id"]
            ),
            inner,
        )
    ),
)


@given(JSON | st.binary(max_size=50))
def test_whatever_it_sends_it_never_crashes_and_never_passes(document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    reading = read(StatusPage(url=Url("https://status.example.com")), body)
    assert reading.reason is not Reason.OK


@given(
    st.lists(st.sampled_from(["operational", "major_outage", "degraded_performance", "odd"])),
    st.lists(st.tuples(st.sampled_from(["investigating", "resolved"]), st.booleans())),
)
def test_a_pass_means_that_nothing_contradicts_it(statuses, incidents):
    components = [{"id": f"c{n}", "name": f"C{n}", "status": s} for n, s in enumerate(statuses)]
    touched = [c["id"] for c in components][:1]
    events = [event(status, "minor", *(touched if one else ())) for status, one in incidents]
    reading = judged({"components": components, "incidents": events})
    fine = set(statuses) == {"operational"} and all(s == "resolved" for s, _ in incidents)
    assert (reading.reason is Reason.OK) == fine


SUMMARY = "/api/v2/summary.json"


@pytest.mark.parametrize("tail", ["", "/", SUMMARY])
def test_the_page_or_its_summary_may_be_named(vendor, status, observed, tail):
    vendor.answers[SUMMARY] = (200, {}, json.dumps(page()).encode())
    reading = observed(status(tail))
    assert reading.reason is Reason.OK
    assert vendor.paths == [SUMMARY]
    assert (reading.latency or 0) > 0
    assert "connect" in dict(reading.phases)


def test_an_unchanged_page_is_judged_by_whoever_reads_it(vendor, status, observed):
    """What is kept is what the page says, not what it meant to somebody."""
    vendor.publish(SUMMARY, json.dumps(page(p2="major_outage")).encode(), ETag='"1"')
    assert observed(status(components=("DUO1",))).reason is Reason.OK
    assert observed(status(components=("DUO2",))).reason is Reason.VENDOR_INCIDENT
    assert observed(status(components=("DUO3",))).reason is Reason.SOURCE_DEAD
    assert [one.headers.get("If-None-Match") for one in vendor.asked] == [None, '"1"', '"1"']


def test_wrong_settings_are_reported_with_their_place():
    url = Url("https://status.example.com/api/v2/status.json")
    wrong_url, wrong_name = sorted(
        StatusPage(url=url, components=("SMS", " ")).faults(), key=lambda f: f.path, reverse=True
    )
    assert wrong_url.path == ("url",)
    assert "/api/v2/summary.json" in wrong_url.allowed
    assert wrong_name.path == ("components", 1)


def planned(status: str, hours: float | None, impact: str = "maintenance") -> dict[str, object]:
    begin = None if hours is None else (NOW + timedelta(hours=hours)).isoformat()
    return event(status, impact) | {"scheduled_for": begin, "scheduled_until": None}


PLANNED = [
    ("scheduled", 24, Reason.OK),
    ("Scheduled", 24, Reason.OK),
    ("in_progress", 24, Reason.OK),
    ("verifying", 24, Reason.OK),
    ("identified", 24, Reason.OK),
    ("in_progress", 0.5, MAINTENANCE),
    ("in_progress", -1, MAINTENANCE),
    ("verifying", -1, MAINTENANCE),
    ("in_progress", None, MAINTENANCE),
    ("scheduled", -1, Reason.OK),
    ("completed", -1, Reason.OK),
    ("Cancelled", -1, Reason.OK),
    ("closed", -1, Reason.OK),
]


@pytest.mark.parametrize(("status", "hours", "reason"), PLANNED)
def test_maintenance_of_tomorrow_is_not_now(status, hours, reason):
    assert judged(page(maintenances=[planned(status, hours)])).reason is reason
    assert judged(page(incidents=[planned(status, hours)])).reason is reason


def test_an_unchanged_page_is_judged_by_the_time_that_it_is(vendor, status, observed, clock):
    tomorrow = page(maintenances=[planned("in_progress", 24)])
    vendor.publish(SUMMARY, json.dumps(tomorrow).encode(), ETag='"1"')
    assert observed(status(), clock=clock).reason is Reason.OK
    clock.advance(86400)
    assert observed(status(), clock=clock).reason is MAINTENANCE


@pytest.mark.parametrize("name", ["SMS ", " sms", "telephony / Sms", "Telephony/SMS"])
def test_names_are_compared_without_case_and_blanks(name):
    components = [
        {"id": "g", "name": "Telephony", "status": "operational"},
        {"id": "c", "name": "SMS  ", "status": "major_outage", "group_id": "g"},
    ]
    assert judged({**page(), "components": components}, name).reason is Reason.VENDOR_INCIDENT
