"""`google_incidents` on histories of the documented shape."""

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
from beacon.probes.google_incidents import GoogleIncidents, parsed
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: google_incidents
    url: !secret canary-of-an-address
    """,
)


clear = Secrets().clear

URL = Url("https://www.google.com/appsstatus/dashboard/incidents.json")
OK, DEAD = Reason.OK, Reason.SOURCE_DEAD
INCIDENT, DEGRADED = Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED
GMAIL = {"title": "Gmail", "id": "prPt2Yra2CbGsbEm9cpC"}
IDENTITY = {"title": "Identity and Access Management", "id": "adnGEDEt9zWzs8uF1oKA"}


NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def incident(impact: str | None = "SERVICE_OUTAGE", **other: Any) -> dict[str, Any]:
    return {
        "id": "i1",
        "number": "12257987766",
        "begin": "2020-12-14T11:46:00+00:00",
        "created": "2020-12-14T12:07:00+00:00",
        "modified": "2020-12-14T12:10:00+00:00",
        "external_desc": "Sign-in fails.\nMore to read",
        "severity": "high",
        "status_impact": impact,
        "service_name": "Multiple Products",
        "affected_products": [GMAIL, IDENTITY],
        "uri": "incidents/i1",
        **other,
    }


PAST = incident(id="i0", end="2020-12-14T12:33:00+00:00")


def read(history: object, *products: str) -> Reading:
    body = history if isinstance(history, bytes) else json.dumps(history).encode()
    probe = GoogleIncidents(url=URL, products=products)
    try:
        return probe.judge(parsed(Run(SystemClock(), 60.0), Answer(status=200, body=body)), NOW)
    except ProbeFailure as trouble:
        return trouble.reading


def update(status: str | None) -> dict[str, Any]:
    return {"most_recent_update": {"when": "2020-12-14T12:10:00Z", "status": status, "text": "x"}}


TABLE = [
    ([PAST], (), OK, "0 incidents open, none of them ours"),
    ([PAST], ("Gmail",), OK, ""),
    (
        [incident()],
        (),
        INCIDENT,
        "Sign-in fails. (Gmail, Identity and Access Management, since 14 Dec 11:46 UTC)",
    ),
    # open is what has no end, however that is written
    ([incident(end=None)], (), INCIDENT, ""),
    ([incident(end="")], (), INCIDENT, ""),
    ([incident(end="2020-12-14T12:33:00+00:00")], (), OK, ""),
    # how bad it is
    ([incident("SERVICE_DISRUPTION")], (), DEGRADED, "Service disruption"),
    ([incident("SERVICE_INFORMATION")], (), DEGRADED, "Service information"),
    ([incident("SCHEDULED_MAINTENANCE")], (), Reason.VENDOR_MAINTENANCE, ""),
    ([incident("AVAILABLE")], (), OK, "0 incidents open"),
    ([incident("SERVICE_HAUNTED")], (), DEGRADED, "Service haunted"),
    ([incident(None)], (), DEGRADED, "Open: Sign-in fails."),
    ([incident("SERVICE_OUTAGE", **update("SERVICE_DISRUPTION"))], (), DEGRADED, ""),
    ([incident("SERVICE_INFORMATION", **update("SERVICE_OUTAGE"))], (), INCIDENT, ""),
    ([incident("SERVICE_OUTAGE", **update("AVAILABLE"))], (), OK, ""),
    ([incident("SERVICE_OUTAGE", **update(None))], (), INCIDENT, ""),
    ([incident("SERVICE_DISRUPTION"), incident(id="i2")], (), INCIDENT, ""),
    # whom it concerns: by title or id, in any case
    ([incident()], ("gmail",), INCIDENT, ""),
    ([incident()], (GMAIL["id"],), INCIDENT, ""),
    ([incident()], ("multiple products",), INCIDENT, ""),
    ([incident(affected_products=[GMAIL]), PAST], (IDENTITY["title"],), OK, "1 incidents open"),
    ([incident(currently_affected_products=[GMAIL])], (IDENTITY["title"],), OK, ""),
    ([incident(currently_affected_products=[IDENTITY])], (IDENTITY["title"],), INCIDENT, ""),
    ([incident(currently_affected_products=[])], ("Gmail",), INCIDENT, ""),
    ([incident(affected_products=None)], (), INCIDENT, "(Multiple Products, since"),
    # a product that is not listed is unknown, and hides nothing
    ([PAST], ("Gmial",), DEAD, "no incident ever named a product 'Gmial'; did you mean 'Gmail'?"),
    ([PAST], ("Zebra",), DEAD, "no incident ever named a product 'Zebra'"),
    ([incident()], ("Gmail", "Zebra"), INCIDENT, "Sign-in fails"),
    # what it is called if it is not
    ([incident(external_desc=None)], (), INCIDENT, "incident i1"),
    ([incident(begin=None, service_name=None, affected_products=[])], (), INCIDENT, "Sign-in"),
    # what is no history
    ([], (), DEAD, "an empty history"),
    ({}, (), DEAD, "no history of incidents"),
    ([{}], (), DEAD, "no history of incidents: Object missing required field `id`"),
    ([[]], (), DEAD, ""),
    ([incident(end=5)], (), DEAD, ""),
    (None, (), DEAD, ""),
    (b"<html>", (), Reason.PROTOCOL_ERROR, "the body is not JSON"),
]


@pytest.mark.parametrize(("history", "products", "reason", "words"), TABLE)
def test_what_a_history_says(history, products, reason, words):
    reading = read(history, *products)
    assert reading.reason is reason, reading
    assert words in clear(reading.detail)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "end", "begin", "affected_products", "title", "status_impact"]),
            inner,
        )
    ),
)


@given(JSON | st.binary(max_size=50))
def test_whatever_it_sends_a_pass_takes_an_end(document):
    reading = read(document)
    if reading.reason is OK:
        assert isinstance(document, list)
        assert all(one["end"] or one.get("status_impact") == "AVAILABLE" for one in document)


@pytest.fixture
def google(vendor):
    return GoogleIncidents(url=Url(vendor.url + "/incidents.json"))


def test_a_long_history_is_read_and_kept_short(vendor, google, observed):
    history = [incident(), *({**PAST, "updates": [{"text": "x" * 40_000}]} for _ in range(100))]
    vendor.publish("/incidents.json", json.dumps(history).encode(), ETag='"1"')
    first, second = observed(google), observed(google)
    assert first.reason is second.reason is INCIDENT
    assert first.detail == second.detail
    assert "If-None-Match" in vendor.asked[1].headers


def test_settings():
    probe = GoogleIncidents(url=URL, products=("Gmail", " "))
    (fault,) = probe.faults()
    assert fault.path == ("products", 1)


@pytest.mark.parametrize(
    ("hours", "reason"),
    [(24, Reason.OK), (0.5, Reason.VENDOR_MAINTENANCE), (-1, Reason.VENDOR_MAINTENANCE)],
)
def test_maintenance_of_tomorrow_is_not_now(hours, reason):
    begin = (NOW + timedelta(hours=hours)).isoformat()
    assert read([incident("SCHEDULED_MAINTENANCE", begin=begin)]).reason is reason


def test_an_unchanged_history_is_judged_by_the_time_that_it_is(vendor, google, observed, clock):
    begin = (NOW + timedelta(hours=24)).isoformat()
    history = [incident("SCHEDULED_MAINTENANCE", begin=begin)]
    vendor.publish("/incidents.json", json.dumps(history).encode(), ETag='"1"')
    assert observed(google, clock=clock).reason is OK
    clock.advance(86400)
    assert observed(google, clock=clock).reason is Reason.VENDOR_MAINTENANCE
