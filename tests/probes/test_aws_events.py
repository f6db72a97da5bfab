"""`aws_events` on snapshots of the documented shape, in every way to write UTF-16."""

import codecs
import json
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
from beacon.probes.aws_events import AwsEvents, parsed
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: aws_events
    url: !secret canary-of-an-address
    """,
)


clear = Secrets().clear

OK, DEAD = Reason.OK, Reason.SOURCE_DEAD
INCIDENT, DEGRADED = Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED


def event(
    status: Any = "1", region: str = "us-east-1", service: str = "COGNITO", **other: Any
) -> dict[str, Any]:
    code = f"AWS_{service}_OPERATIONAL_ISSUE"
    return {
        "date": "1760943420",
        "arn": f"arn:aws:health:{region}::event/{service}/{code}/{code}_BA540_514A652BE1A",
        "region_name": "N. Virginia",
        "status": status,
        "service": f"{service.lower()}-{region}",
        "service_name": "Amazon Cognito",
        "summary": "Increased Error Rates",
        "event_log": [{"summary": "x", "message": "y", "status": 1, "timestamp": 1760943420}],
        **other,
    }


def read(events: object, **settings: Any) -> Reading:
    body = events if isinstance(events, bytes) else json.dumps(events).encode("utf-16")
    probe = AwsEvents(**settings)
    try:
        return probe.judge(parsed(Run(SystemClock(), 60.0), Answer(status=200, body=body)))
    except ProbeFailure as trouble:
        return trouble.reading


IRELAND, COGNITO = {"regions": ("eu-west-1",)}, {"services": ("cognito",)}
SEVERAL = event(service="MULTIPLE_SERVICES", service_name="Multiple services")

TABLE: list[tuple[object, dict[str, Any], Reason, str]] = [
    ([], {}, OK, "no current event concerns us"),
    (
        [event()],
        {},
        DEGRADED,
        "Degraded: Increased Error Rates (Amazon Cognito, N. Virginia, since 20 Oct 06:57 UTC)",
    ),
    # numbers are texts, and may become numbers
    ([event("0")], {}, OK, ""),
    ([event("1")], {}, DEGRADED, ""),
    ([event("2")], {}, DEGRADED, ""),
    ([event("3")], {}, INCIDENT, "Outage: "),
    ([event(3)], {}, INCIDENT, ""),
    ([event(0)], {}, OK, ""),
    ([event("4")], {}, DEAD, "Status 4: Increased Error Rates"),
    ([event("4"), event("3")], {}, INCIDENT, ""),
    ([event("3", end_time="1760983420")], {}, OK, ""),
    ([event("3", end_time=None)], {}, INCIDENT, ""),
    ([event("3", end_time="")], {}, INCIDENT, ""),
    # where
    ([event("3")], IRELAND, OK, ""),
    ([event("3", "eu-west-1")], IRELAND, INCIDENT, ""),
    ([event("3", "global")], IRELAND, INCIDENT, ""),
    ([event("3", arn="somewhere")], IRELAND, INCIDENT, ""),
    # of what
    ([event("3", service="EC2", service_name="Amazon EC2")], COGNITO, OK, ""),
    ([event("3")], COGNITO, INCIDENT, ""),
    ([event("3")], {"services": ("Amazon Cognito",)}, INCIDENT, ""),
    ([event("3")], {"services": ("cognito-us-east-1",)}, INCIDENT, ""),
    ([SEVERAL], COGNITO, DEGRADED, ""),
    ([{**SEVERAL, "impacted_services": {"cognito-us-east-1": {}}}], COGNITO, DEGRADED, ""),
    ([{**SEVERAL, "impacted_services": {"ec2-us-east-1": {}}}], COGNITO, OK, ""),
    # of what there is nothing, for it is misspelled
    ([], {"services": ("cognit",)}, DEAD, "no service 'cognit' of AWS; did you mean 'cognito'?"),
    ([], {"services": ("Congito",)}, DEAD, "did you mean 'cognito'?"),
    ([], {"services": ("Amazon Cognitto",)}, DEAD, "did you mean 'cognito'?"),
    ([], {"services": ("cogniti-eu-west-1",)}, DEAD, "did you mean 'cognito'?"),
    ([], {"services": ("iam", "snss")}, DEAD, "did you mean 'sns'?"),
    ([event("3")], {"services": ("cognito", "snss")}, INCIDENT, "Outage: "),
    ([], {"services": ("Haunting",)}, OK, "AWS does not name 'Haunting' today"),
    ([event("0", service="HAUNTING")], {"services": ("Haunting",)}, OK, "concerns us"),
    ([], {"services": ("Amazon Cognito", "IAM", "AWS Lambda", "ses-us-east-1")}, OK, ""),
    # what little there may be
    ([{"arn": "x", "status": "1"}], {}, DEGRADED, "Degraded: an event"),
    # what is no list of events
    ({}, {}, DEAD, "no list of events"),
    ([{}], {}, DEAD, "no list of events"),
    ([event(None)], {}, DEAD, ""),
    ([event(status=[])], {}, DEAD, ""),
    (None, {}, DEAD, ""),
]


@pytest.mark.parametrize(("events", "settings", "reason", "words"), TABLE)
def test_what_a_snapshot_says(events, settings, reason, words):
    reading = read(events, **settings)
    assert reading.reason is reason, reading
    assert words in clear(reading.detail)


DOCUMENT = json.dumps([event("3", summary="Störung 🔥")], ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        codecs.BOM_UTF16_BE + DOCUMENT.encode("utf-16-be"),
        codecs.BOM_UTF16_LE + DOCUMENT.encode("utf-16-le"),
        DOCUMENT.encode("utf-16-be"),
        DOCUMENT.encode("utf-16-le"),
        DOCUMENT.encode(),
        DOCUMENT.encode("utf-8-sig"),
    ],
)
def test_utf_16_with_and_without_a_mark(body):
    assert "Outage: Störung 🔥" in clear(read(body).detail)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.PROTOCOL_ERROR),
        (codecs.BOM_UTF16_BE, Reason.PROTOCOL_ERROR),
        (codecs.BOM_UTF16_BE + b"\x00[\x00", Reason.BODY_UNDECODABLE),
        (codecs.BOM_UTF16_LE + "[\ud800]".encode("utf-16-le", "surrogatepass"), None),
        (b"\xff\xff\xff", Reason.BODY_UNDECODABLE),
        ("[" * 100_000, None),
        ("[" + "9" * 100_000 + "]", None),
    ],
)
def test_what_cannot_be_read(body, reason):
    raw = body.encode("utf-16") if isinstance(body, str) else body
    reading = read(raw)
    assert reading.reason is not OK
    assert reason in (None, reading.reason)


@given(st.binary(max_size=60))
def test_no_bytes_are_too_strange(body):
    assert read(body).reason is not OK or not json.loads(body.decode().strip("\ufeff") or "[]")


@pytest.fixture
def aws(vendor):
    return AwsEvents(url=Url(vendor.url + "/public/currentevents"))


def test_over_the_wire(vendor, aws, observed):
    body = codecs.BOM_UTF16_BE + DOCUMENT.encode("utf-16-be")
    kind = "application/json;charset=utf-16"
    vendor.publish("/public/currentevents", body, Content_Type=kind, ETag='"1"')
    assert observed(aws).reason is observed(aws).reason is INCIDENT
    assert "If-None-Match" in vendor.asked[1].headers


def test_settings():
    probe = AwsEvents(regions=("eu-west-1", "us-gov-west-1", "Ireland"), services=("iam", ""))
    assert [fault.path for fault in probe.faults()] == [("regions", 2), ("services", 1)]
