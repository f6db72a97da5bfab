"""What others' webhooks say: the shapes their makers document, and what is odd in them."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal
from beacon.engine.redaction import Secrets
from beacon.probing.webhooks import alertmanager, sendgrid, ses

clear = Secrets().clear

NEVER = "0001-01-01T00:00:00Z"


def mapped(mapping: Callable[[bytes], Pushed | None], document: Any) -> Pushed:
    found = mapping(json.dumps(document).encode())
    assert found is not None
    return found


def refused(mapping: Callable[[bytes], Pushed | None], body: bytes) -> str:
    with pytest.raises(PushDenied) as denied:
        mapping(body)
    assert denied.value.cause is PushRefusal.MALFORMED
    return denied.value.words


# --- Alertmanager: version 4, as of its configuration's page on webhook_config -------


def alert(name: str | None = "RadiusDown", status: str = "firing", **labels: str) -> dict[str, Any]:
    named = {} if name is None else {"alertname": name}
    return {
        "status": status,
        "labels": named | labels,
        "annotations": {"summary": "no RADIUS server answers", "runbook_url": "https://x.example"},
        "startsAt": "2026-01-05T11:59:00.000Z",
        "endsAt": NEVER if status == "firing" else "2026-01-05T12:10:00.000Z",
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
        "fingerprint": "1a30ba71cca2921f",
    }


def group(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    firing = any(each["status"] == "firing" for each in alerts)
    return {
        "receiver": "beacon",
        "status": "firing" if firing else "resolved",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "RadiusDown"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "version": "4",
        "groupKey": '{}:{alertname="RadiusDown"}',
        "truncatedAlerts": 0,
    } | more


def test_firing_without_an_alert_that_fires_is_no_all_clear() -> None:
    for alerts in ([], [alert(status="resolved")]):
        body = json.dumps(group(*alerts) | {"status": "firing"}).encode()
        assert "names no alert" in refused(alertmanager, body)


WATCHDOG = alert("Watchdog", severity="none")


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        (
            group(alert(severity="critical")),
            Reason.EXPECTATION_FAILED,
            "RadiusDown: no RADIUS server answers",
        ),
        (group(alert()), Reason.EXPECTATION_FAILED, "RadiusDown: no RADIUS server answers"),
        (
            group(alert(), alert("Disk"), WATCHDOG),
            Reason.EXPECTATION_FAILED,
            "RadiusDown (and 1 more): no RADIUS server answers",
        ),
        (
            group(alert("Slow", severity="warning"), alert()),
            Reason.EXPECTATION_FAILED,
            "RadiusDown: no RADIUS server answers",
        ),
        (
            group(alert(severity="Warning")),
            Reason.PREFERENCE_UNMET,
            "RadiusDown: no RADIUS server answers",
        ),
        (group(alert(severity="info")), Reason.OK, "nothing fires"),
        (group(alert(status="resolved")), Reason.OK, "nothing fires"),
        (
            group(alert(status="resolved"), alert("B", status="resolved")),
            Reason.OK,
            "nothing fires",
        ),
        (group(WATCHDOG), Reason.OK, "nothing fires"),
        (group(WATCHDOG, alert(status="resolved")), Reason.OK, "nothing fires"),
        (
            group(alert("Watchdog", "resolved", severity="none")),
            Reason.HEARTBEAT_MISSED,
            "Watchdog no longer fires",
        ),
        (group(WATCHDOG, truncatedAlerts=7), Reason.EXPECTATION_FAILED, "7 alerts left out"),
        (group(alert(status="resolved"), truncatedAlerts=7), Reason.OK, "nothing fires"),
        (
            group(alert(None) | {"annotations": {}}),
            Reason.EXPECTATION_FAILED,
            "an alert without a name",
        ),
    ],
)
def test_what_a_notification_of_alertmanager_comes_to(document, reason, detail):
    found = mapped(alertmanager, document)
    assert (found.reading.reason, clear(found.reading.detail)) == (reason, detail)
    assert (found.at, found.id) == (None, None)


def test_another_version_of_alertmanager_is_not_guessed_at():
    words = refused(alertmanager, json.dumps(group(alert(), version="5")).encode())
    assert words == "Invalid enum value - at `$.version`"


# --- SendGrid: the examples of its Event Webhook Reference ----------------------------


def mailed(event: str, timestamp: int = 1513299569, **more: Any) -> dict[str, Any]:
    return {
        "email": "example@test.com",
        "timestamp": timestamp,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": event,
        "category": ["cat facts"],
        "sg_event_id": f"id-of-{event}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    } | more


NO_SUCH_USER = "550 5.1.1 The email account that you tried to reach, example@test.com, ..."


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        ([mailed("delivered", response="250 OK")], Reason.OK, "delivered 250"),
        (
            [mailed("deferred", response="400 try again later", attempt="5")],
            Reason.CODE_LATE,
            "deferred 400",
        ),
        (
            [mailed("bounce", reason=NO_SUCH_USER, status="5.0.0", type="bounce")],
            Reason.DELIVERY_REFUSED,
            "bounce 5.0.0",
        ),
        ([mailed("bounce", reason=NO_SUCH_USER)], Reason.DELIVERY_REFUSED, "bounce 550 5.1.1"),
        (
            [mailed("bounce", reason="500 unknown recipient", status="see example@test.com")],
            Reason.DELIVERY_REFUSED,
            "bounce 500",
        ),
        (
            [mailed("dropped", reason="Bounced Address", status="5.0.0")],
            Reason.DELIVERY_REFUSED,
            "dropped 5.0.0",
        ),
        (
            [mailed("processed"), mailed("delivered"), mailed("open", ip="192.0.2.1")],
            Reason.OK,
            "delivered",
        ),
        (
            [mailed("delivered", 20), mailed("deferred", 10)],
            Reason.OK,
            "delivered",
        ),
        (
            [mailed("bounce", 10), mailed("delivered", 10)],
            Reason.DELIVERY_REFUSED,
            "bounce",
        ),
    ],
)
def test_what_a_batch_of_sendgrid_comes_to(events, reason, detail):
    found = mapped(sendgrid, events)
    assert (found.reading.reason, found.reading.detail) == (reason, detail)
    youngest = max(event["timestamp"] for event in events)
    assert found.at == youngest
    assert found.id.startswith("id-of-")


@pytest.mark.parametrize(
    "events",
    [[], [mailed("processed"), mailed("click"), mailed("spamreport"), mailed("brand new")]],
)
def test_what_says_nothing_of_the_way_of_a_mail_is_no_reading(events):
    assert sendgrid(json.dumps(events).encode()) is None


# --- Amazon SES: the examples of its page on event data --------------------------------

MAIL = {
    "timestamp": "2016-10-19T23:20:52.240Z",
    "source": "sender@example.com",
    "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
    "sendingAccountId": "123456789012",
    "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
    "destination": ["recipient@example.com"],
    "headersTruncated": False,
    "headers": [{"name": "From", "value": "sender@example.com"}],
    "commonHeaders": {"subject": "Message sent from Amazon SES"},
    "tags": {"ses:configuration-set": ["ConfigSet"]},
}
DELIVERY = {
    "eventType": "Delivery",
    "mail": MAIL,
    "delivery": {
        "timestamp": "2016-10-19T23:21:04.133Z",
        "processingTimeMillis": 11893,
        "recipients": ["recipient@example.com"],
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": "mta.example.com",
    },
}
BOUNCE = {
    "eventType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "recipient@example.com",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.7.26 unauthenticated mail of recipient@example.com",
            }
        ],
        "timestamp": "2016-10-19T23:21:05.000Z",
        "feedbackId": "01000157c44f053b",
        "reportingMTA": "dsn; mta.example.com",
    },
    "mail": MAIL,
}
DELAY = {
    "eventType": "DeliveryDelay",
    "mail": MAIL,
    "deliveryDelay": {
        "timestamp": "2016-10-19T23:25:40.095Z",
        "delayType": "TransientCommunicationFailure",
        "expirationTime": "2016-10-20T11:25:40.914Z",
        "delayedRecipients": [
            {
                "emailAddress": "recipient@example.com",
                "status": "4.4.1",
                "diagnosticCode": "smtp; unable to connect",
            }
        ],
    },
}
REJECT = {"eventType": "Reject", "mail": MAIL, "reject": {"reason": "Bad content"}}
RENDERING = {
    "eventType": "Rendering Failure",
    "mail": MAIL,
    "failure": {"errorMessage": "Attribute 'x' is not present", "templateName": "MyTemplate"},
}
SENT_AT = 1476919252.240


@pytest.mark.parametrize(
    ("event", "reason", "detail", "latency", "after"),
    [
        (DELIVERY, Reason.OK, "Delivery", 11.893, 11.893),
        (BOUNCE, Reason.DELIVERY_REFUSED, "Bounce (Permanent) 550 5.7.26", None, 12.76),
        (
            DELAY,
            Reason.CODE_LATE,
            "DeliveryDelay (TransientCommunicationFailure) 4.4.1",
            None,
            287.855,
        ),
        (REJECT, Reason.DELIVERY_REFUSED, "Reject", None, 0.0),
        (RENDERING, Reason.DELIVERY_REFUSED, "Rendering Failure", None, 0.0),
        (
            BOUNCE | {"bounce": {"bounceType": "see a@b.example"}},
            Reason.DELIVERY_REFUSED,
            "Bounce",
            None,
            0.0,
        ),
    ],
)
@pytest.mark.parametrize("enveloped", [False, True])
def test_what_an_event_of_ses_comes_to(event, reason, detail, latency, after, enveloped):
    envelope = {"version": "0", "id": "ev-1", "source": "aws.ses", "detail": event}
    found = mapped(ses, envelope if enveloped else event)
    assert (found.reading.reason, clear(found.reading.detail)) == (reason, detail)
    assert found.reading.latency == latency
    assert found.at == pytest.approx(SENT_AT + after)
    assert found.id == ("ev-1" if enveloped else f"{MAIL['messageId']}/{event['eventType']}")


@pytest.mark.parametrize("kind", ["Send", "Complaint", "Open", "Click", "Subscription"])
def test_what_ses_says_of_other_things_is_no_reading(kind):
    assert ses(json.dumps({"eventType": kind, "mail": MAIL}).encode()) is None


def test_an_envelope_of_sns_is_not_believed():
    document = {"Type": "Notification", "Message": json.dumps(BOUNCE), "Signature": "EXAMPLE"}
    assert "EventBridge" in refused(ses, json.dumps(document).encode())


# --- whatever comes -------------------------------------------------------------------

MAPPINGS = [alertmanager, sendgrid, ses]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'"hunter2"',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"detail":' * 6_000,
        b'[{"event":"bounce","timestamp":1e400}]',
        b'[{"event":"bounce","timestamp":-1}]',
        b'{"eventType":"Bounce","mail":{"timestamp":"yesterday"}}',
        b'{"eventType":"Bounce","mail":{"timestamp":"2026-01-05T12:00:00"}}',
        b'{"version":"4","status":"hunter2","alerts":[]}',
        b'{"eventType":"Bounce","mail":' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_not_of_the_shape_is_refused_and_not_repeated(mapping, body):
    assert "hunter2" not in refused(mapping, body)


@pytest.mark.parametrize("mapping", MAPPINGS)
@given(document=JSON)
def test_no_document_is_a_fault_of_ours(mapping, document):
    with contextlib.suppress(PushDenied):
        found = mapping(json.dumps(document).encode())
        assert found is None or found.reading.detail


@pytest.mark.parametrize("mapping", MAPPINGS)
@given(body=st.binary())
def test_no_body_is_a_fault_of_ours(mapping, body):
    with pytest.raises(PushDenied):
        mapping(body)


def test_what_was_sent_is_in_no_words():
    body = b'{"version": "4", "status": "hunter2\' - at `$.x`", "alerts": []}'
    assert "hunter2" not in refused(alertmanager, body)
