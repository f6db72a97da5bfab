"""What others' webhooks say, in our words: Alertmanager, SendGrid, Amazon SES.

Pure: a body in, a reading out. Of mail events only codes and classes are kept, never an
address or a text of a message. `docs/probes/push.md` is this file as tables.
"""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from beacon.core.model import Reading, Reason
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal
from beacon.engine.pushed.samples import MailEvent
from beacon.engine.redaction import quoted
from beacon.engine.text_pattern import DOT_ALL, TextPattern

Document = TypeVar("Document")


def decoded(body: bytes, kind: type[Document]) -> Document:
    """JSON of a known shape. Raises `PushDenied`, with words that repeat no value."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise PushDenied(PushRefusal.MALFORMED, _without_values(str(error))) from None
    except (msgspec.DecodeError, UnicodeError):
        raise PushDenied(PushRefusal.MALFORMED, "not JSON in UTF-8") from None
    except (RecursionError, ValueError, OverflowError):
        raise PushDenied(PushRefusal.MALFORMED, "JSON too deep or with numbers too large") from None


_VALUE: Final = TextPattern(r"(value|field|tag) ['`\"].*", DOT_ALL)


def _without_values(words: str) -> str:
    """Of `Invalid enum value 'x' - at …` everything but the value."""
    what, at, where = words.rpartition(" - at ")
    return _VALUE.sub(r"\1", what or where) + (at + where if what else "")


# --- Alertmanager -------------------------------------------------------------------

WATCHDOG: Final = "Watchdog"
"""The alert that always fires, by the custom of the Prometheus community."""
_HARMLESS: Final = frozenset({"info", "none"})


class Alert(msgspec.Struct, frozen=True):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What it is called."""
        return self.labels.get("alertname", "an alert without a name")


class Notification(msgspec.Struct, frozen=True):
    """What Alertmanager sends of one group, version 4."""

    version: Literal["4"]
    status: Literal["firing", "resolved"]
    alerts: list[Alert]
    truncated: int = msgspec.field(default=0, name="truncatedAlerts")


def alertmanager(body: bytes) -> Pushed:
    """Read a notification of Alertmanager. It tells neither its own time nor an id."""
    group = decoded(body, Notification)
    firing = [alert for alert in group.alerts if alert.status == "firing"]
    trouble = [a for a in firing if a.name != WATCHDOG and _severity(a) not in _HARMLESS]
    severe = [alert for alert in trouble if _severity(alert) != "warning"]
    if severe:
        return Pushed(Reading(Reason.EXPECTATION_FAILED, _named(severe)))
    if group.status == "firing" and not firing and not group.truncated:
        raise PushDenied(PushRefusal.MALFORMED, "it says firing, and names no alert that fires")
    if group.status == "firing" and group.truncated > 0:
        return Pushed(Reading(Reason.EXPECTATION_FAILED, f"{group.truncated} alerts left out"))
    if trouble:
        return Pushed(Reading(Reason.PREFERENCE_UNMET, _named(trouble)))
    if any(a.name == WATCHDOG for a in group.alerts) and not any(
        a.name == WATCHDOG for a in firing
    ):
        return Pushed(Reading(Reason.HEARTBEAT_MISSED, f"{WATCHDOG} no longer fires"))
    return Pushed(Reading(Reason.OK, "nothing fires"))


def _severity(alert: Alert) -> str:
    return alert.labels.get("severity", "").lower()


def _named(alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    summary = first.annotations.get("summary", "")
    more = f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else ""
    name = quoted(first.name)
    return f"{name}{more}: {quoted(summary)}" if summary else f"{name}{more}"


# --- SendGrid -----------------------------------------------------------------------


class Sent(msgspec.Struct, frozen=True):
    """One event of a mail that SendGrid sent."""

    event: str
    timestamp: Annotated[float, msgspec.Meta(ge=0)]
    id: str | None = msgspec.field(default=None, name="sg_event_id")
    mail: str | None = msgspec.field(default=None, name="sg_message_id")
    status: str = ""
    reason: str = ""
    response: str = ""


_SENDGRID: Final = MappingProxyType(
    {
        "delivered": Reason.OK,
        "deferred": Reason.CODE_LATE,
        "bounce": Reason.DELIVERY_REFUSED,
        "blocked": Reason.DELIVERY_REFUSED,
        "dropped": Reason.DELIVERY_REFUSED,
    }
)
"""What it says of a mail's delivery; other events say nothing of it."""

_CODE: Final = TextPattern(r"\b([245][0-9]{2})(?:[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3}))?\b")
_STATUS: Final = TextPattern(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


def sendgrid(body: bytes) -> Pushed | None:
    """Read a batch of SendGrid's events: the newest is the reading, the worst of one second."""
    events = [each for each in decoded(body, list[Sent]) if each.event in _SENDGRID]
    if not events:
        return None
    worst = list(dict.fromkeys(_SENDGRID.values()))
    last = max(events, key=lambda e: (e.timestamp, worst.index(_SENDGRID[e.event])))
    identity = last.id[:100] if last.id else None
    return Pushed(
        Reading(_SENDGRID[last.event], _words(last)),
        last.timestamp,
        identity,
        tuple(
            MailEvent(
                (event.mail or event.id or f"{event.timestamp}/{number}")[:100],
                event.timestamp,
                _SENDGRID[event.event],
                _words(event),
            )
            for number, event in enumerate(events)
        ),
    )


def _words(event: Sent) -> str:
    code = _status(event.status) or _code(event.reason) or _code(event.response)
    return f"{event.event} {code}".rstrip()


def _status(text: str) -> str:
    return text if _STATUS.fullmatch(text) else ""


def _code(text: str) -> str:
    """The codes of SMTP in a server's words; the words may name a person."""
    found = _CODE.search(text[:500])
    return " ".join(filter(None, found.groups())) if found else ""


# --- Amazon SES ---------------------------------------------------------------------

Utc = Annotated[datetime, msgspec.Meta(tz=True)]


class Recipient(msgspec.Struct, frozen=True):
    """One recipient of a mail, without who it is."""

    status: str = ""
    diagnosis: str = msgspec.field(default="", name="diagnosticCode")


class EventDetails(msgspec.Struct, frozen=True, rename="camel"):
    """What an event adds to its mail; each kind has some of it."""

    timestamp: Utc | None = None
    bounce_type: str = ""
    delay_type: str = ""
    processing_time_millis: Annotated[float, msgspec.Meta(ge=0)] | None = None
    bounced_recipients: list[Recipient] = []
    delayed_recipients: list[Recipient] = []


class SesMail(msgspec.Struct, frozen=True, rename="camel"):
    """The mail an event is of."""

    timestamp: Utc
    message_id: str = ""


class SesEvent(msgspec.Struct, frozen=True, rename="camel"):
    """One event of SES, as its event publishing writes it."""

    event_type: str
    mail: SesMail
    delivery: EventDetails = EventDetails()
    delivery_delay: EventDetails = EventDetails()
    bounce: EventDetails = EventDetails()


class Enveloped(msgspec.Struct, frozen=True):
    """The same within an event of EventBridge; or an envelope of SNS, known by `Type`."""

    detail: msgspec.Raw = msgspec.Raw(b"")
    id: str = ""
    sns: str = msgspec.field(default="", name="Type")


_SES: Final = MappingProxyType(
    {
        "Delivery": Reason.OK,
        "DeliveryDelay": Reason.CODE_LATE,
        "Bounce": Reason.DELIVERY_REFUSED,
        "Reject": Reason.DELIVERY_REFUSED,
        "Rendering Failure": Reason.DELIVERY_REFUSED,
        "RenderingFailure": Reason.DELIVERY_REFUSED,
    }
)
"""What SES says of a mail's delivery; other events say nothing of it."""


def ses(body: bytes) -> Pushed | None:
    """Read an event of SES, as it is or within one of EventBridge."""
    envelope = decoded(body, Enveloped)
    if envelope.sns:
        raise PushDenied(
            PushRefusal.MALFORMED, "SNS envelopes are not verified here: use EventBridge"
        )
    event = decoded(bytes(envelope.detail) or body, SesEvent)
    reason = _SES.get(event.event_type)
    if reason is None:
        return None
    about = {
        Reason.OK: event.delivery,
        Reason.CODE_LATE: event.delivery_delay,
        Reason.DELIVERY_REFUSED: event.bounce,
    }[reason]
    took = about.processing_time_millis
    at = (about.timestamp or event.mail.timestamp).timestamp()
    identity = envelope.id or f"{event.mail.message_id}/{event.event_type}"
    latency = None if took is None else took / 1000
    words = _summary(event.event_type, about)
    mail = (event.mail.message_id or identity)[:100]
    events = (MailEvent(mail, at, reason, words),)
    return Pushed(Reading(reason, words, latency), at, identity[:100], events)


_KIND: Final = TextPattern(r"[A-Za-z]{1,40}")


def _summary(event: str, about: EventDetails) -> str:
    kind = about.bounce_type or about.delay_type
    named = f"({quoted(kind)})" if _KIND.fullmatch(kind) else ""
    recipients = (*about.bounced_recipients, *about.delayed_recipients)[:1]
    codes = (_code(each.diagnosis) or _status(each.status) for each in recipients)
    return " ".join(filter(None, (event, named, *codes)))
