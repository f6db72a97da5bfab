"""Every topic and every document, byte by byte, as it was promised: `bodies.txt`.

A change that is wanted: delete `bodies.txt`, run this test twice, and read the difference.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from beacon.config.schema import Buzzer, Config, Mqtt, Tower
from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    IncidentChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.explain import EndpointExplained, Explained, Prospect
from beacon.core.indication import DARK, Colour, Sound
from beacon.core.model import Evidence, Health, Reading, Reason, Service, Site, Verdict
from beacon.core.views import (
    Arrivals,
    Cause,
    CauseWindow,
    Cited,
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    Overlay,
    OverlayKind,
    ServiceView,
    SilenceChanged,
    VendorWord,
    View,
)
from beacon.engine.clock import ManualClock
from beacon.outputs.documents import explanation, status
from beacon.outputs.mqtt.homeassistant import discovery, message, removals
from beacon.outputs.mqtt.outbox import Outbox
from beacon.outputs.mqtt.topics import OFFLINE, ONLINE, HealthReport, Topics
from beacon.outputs.tower.renderer import Shown

from .conftest import endpoint_of

GOLDEN = Path(__file__).with_name("bodies.txt")
AT = 1000.0
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LONG = "Überlänge " * 21
RUNBOOK = "Call the duty officer.\n" + "Then read on. " * 13


def moment(at):
    return NOON + timedelta(seconds=at - AT)


SITE = Site(
    id="lab",
    name="Lab",
    services=(
        Service(
            id="sign-in",
            name="Sign-in",
            endpoints=(
                endpoint_of("sign-in/portal", region="emea", factor="totp"),
                endpoint_of("sign-in/otp", sign_in=True, interval=60.0),
                endpoint_of("sign-in/push", pushed=True, stale_after=900.0),
                endpoint_of("sign-in/page", evidence=Evidence.CLAIM),
            ),
            runbook=RUNBOOK,
        ),
        Service(
            id="sms", name="SMS codes", endpoints=(endpoint_of("sms/gateway", interval=300.0),)
        ),
    ),
    witnesses=(endpoint_of("witness/canary", evidence=Evidence.WITNESS),),
)
CONFIG = Config(
    path="beacon.yaml",
    name="Lab beacon",
    watched=SITE,
    probes={},
    tower=Tower(lamps={Colour.RED: 17, Colour.AMBER: 27, Colour.GREEN: 22}, buzzer=Buzzer(pin=18)),
    mqtt=Mqtt(
        host="127.0.0.1",
        port=1883,
        encrypted=False,
        commands=("acknowledge", "silence", "lamp_test", "maintenance", "bypass"),
    ),
    digest="0123abcd",
)
ARRIVALS = Arrivals("sms/gateway", "sign-in/otp", 40, 2, 1, 9)
CALM = ServiceView(id="sms", verdict=Verdict.OK, since=AT - 5000.0004)
TROUBLED = ServiceView(
    id="sign-in",
    verdict=Verdict.GRAY_FAILURE,
    since=AT - 60.0007,
    cause="own resolver",
    explanation=f"sign-in/portal: {LONG}",
    cells=(("emea/totp", Health.DOWN), ("-/-", Health.UNKNOWN)),
    endpoints=(("sign-in/portal", Health.DOWN), ("sign-in/otp", Health.UP)),
    shallow=True,
    partial=True,
    vendor_says_fine=True,
    vendor_admits=True,
    blind=True,
    starting=True,
    proof_at=AT - 90.0,
    overlays=("maintenance", "bypass"),
    arrivals=(ARRIVALS,),
)
READS = (
    EndpointRead(AT, "sign-in/portal", Reading(Reason.SLOW, LONG, 1.23456), Health.DEGRADED, 2),
    EndpointRead(AT + 1.5, "sign-in/otp", Reading(Reason.OK, "", 0.25), Health.UP, 0),
    EndpointRead(AT + 2, "sms/gateway", Reading(Reason.DEADLINE, "5 s"), Health.DOWN, 3),
    EndpointRead(AT + 3, "witness/canary", Reading(Reason.OK, latency=0.0), Health.UNKNOWN, 0),
)
OPEN = IncidentView(
    number=7,
    service="sign-in",
    state=IncidentState.ACKNOWLEDGED,
    since=AT - 60.25,
    verdict=Verdict.DEGRADED,
    peak=Verdict.OUTAGE,
    first_out="sign-in/portal",
    acknowledged=True,
    acknowledged_at=AT + 60,
    acknowledged_by="Ann",
    cause="dns",
    explanation=LONG,
    vendor_lead=2340.0,
    impact=0.25,
    causes=(
        Cause(
            "dns",
            LONG,
            (
                Cited("sms/gateway", Reason.DNS_NXDOMAIN, "no such name", AT - 30),
                Cited("sign-in/otp", Reason.DEADLINE),
            ),
            CauseWindow(AT - 30, AT + 500, 60.0, 120.0, 300.0, "sign-in/otp", AT - 10, 30.0),
        ),
        Cause("vendor", explains=False),
    ),
    vendor=(
        VendorWord("sign-in/page", "fine", "all well", AT),
        VendorWord("sign-in/feed", "admits", LONG),
        VendorWord("sign-in/mute", "unknown", ""),
    ),
    arrivals=(ARRIVALS,),
    records=("MX example.org", LONG),
    opened_utc=1767614399.75,
)
PLAIN = IncidentView(
    number=8,
    service="sms",
    state=IncidentState.RECOVERING,
    since=AT,
    verdict=Verdict.RECOVERING,
    peak=Verdict.DEGRADED,
    first_out="sms/gateway",
)
CLOSED = IncidentView(
    number=6,
    service="sms",
    state=IncidentState.CLOSED,
    since=AT - 900,
    verdict=Verdict.OK,
    peak=Verdict.OUTAGE,
    first_out="sms/gateway",
    closed_at=AT,
)
OVERALL = OverallView(
    verdict=Verdict.GRAY_FAILURE,
    problem=True,
    since=AT - 60.0007,
    blind=True,
    starting=True,
    services=(("sign-in", Verdict.GRAY_FAILURE), ("sms", Verdict.OK)),
    overlays=("drill", "bypass"),
    network="ok",
    clock="lost",
    storage_degraded=True,
    first_out="sign-in",
)
SILENCE = SilenceChanged(AT, on=True, since=AT, until=AT + 3600, by="Ann", reason=LONG)


def an_overlay(kind, subject, since=0.0, until=None, reason="upgrade"):
    end = None if until is None else AT + until
    return Overlay(kind, subject, AT + since, "Ann", "cli", reason, end)


OVERLAYS = tuple(
    OverlaysChanged(AT, kind, True, overlays, overdue)
    for kind, overlays, overdue in (
        (
            OverlayKind.MAINTENANCE,
            (
                an_overlay(OverlayKind.MAINTENANCE, "sms", 60, 120, ""),
                an_overlay(OverlayKind.MAINTENANCE, "sign-in", 0, 90, LONG),
            ),
            (),
        ),
        (
            OverlayKind.BYPASS,
            (
                an_overlay(OverlayKind.BYPASS, "sms"),
                an_overlay(OverlayKind.BYPASS, "sign-in", 5, 90),
            ),
            (),
        ),
        (OverlayKind.SHELVE, (an_overlay(OverlayKind.SHELVE, "sms", 0, 900),), ()),
        (OverlayKind.DRILL, (an_overlay(OverlayKind.DRILL, "outage", 0, 900),), ()),
        (OverlayKind.BREAK_GLASS, (an_overlay(OverlayKind.BREAK_GLASS, "sign-in"),), ()),
        (
            OverlayKind.ATTEST,
            (
                an_overlay(OverlayKind.ATTEST, "keys", 0, 90),
                an_overlay(OverlayKind.ATTEST, "phones", 9, 50),
            ),
            ("phones",),
        ),
    )
)
EXPLAINED = Explained(
    TROUBLED,
    lamps=(("red", "fast"), ("white", "steady")),
    why=(LONG, "shallow: nothing proves a sign-in from end to end"),
    endpoints=(
        EndpointExplained(
            "sign-in/portal",
            Evidence.SYMPTOM,
            Health.DOWN,
            AT - 60,
            Reading(Reason.DEADLINE, LONG, 5.00004),
            AT - 5,
            "down: 3 fails in a row",
            (Prospect("read again by then", AT + 30), Prospect("overdue", AT - 1)),
            "slower than usual",
            ("9 of 10 arrived",),
        ),
        EndpointExplained(
            "sign-in/otp", Evidence.SYMPTOM, Health.UNKNOWN, AT, None, None, "never read"
        ),
    ),
    overlays=(an_overlay(OverlayKind.MAINTENANCE, "sign-in", 0, 90),),
    prospects=(Prospect("maintenance ends", AT + 90), Prospect("acknowledged")),
    silence=SILENCE,
)
HEALTH = HealthReport(AT, 1.26, False, True, -12.345, False, 41.234)
EVENTS = (
    Announced(AT, Announcement.OPENED, "sign-in", Verdict.OUTAGE, OPEN, LONG),
    Announced(AT, Announcement.CLOSED, "sms", Verdict.OK, CLOSED, by="Ann"),
    Announced(AT, Announcement.BLIND, "sign-in", Verdict.BLIND),
    Answered(AT, "silence", ok=False, by="Ann", origin="mqtt", error=LONG),
    Answered(AT, "acknowledge", ok=True, by="Bob", origin="mqtt"),
    Answered(AT, "acknowledge", ok=True, by="button", origin="button"),  # nobody waits for it
)
VIEW = View(
    OVERALL,
    (TROUBLED, CALM),
    READS,
    (OPEN, PLAIN, CLOSED),
    DARK,
    tuple(o for changed in OVERLAYS for o in changed.overlays),
    silence=SILENCE,
    stopped=(("sign-in/otp", AT - 3), ("sign-in/portal", float("-inf"))),
)


def published():
    """Everything that ever stands on a topic: troubled, then calm, then with a stalled judge."""
    clock = ManualClock(NOON, AT)
    topics = Topics(CONFIG, "1.2.3", moment)
    outbox = Outbox(topics, clock, lambda topics: topics.info(AT - 100, "pi" + LONG))
    outbox.offer(
        (
            ServiceChanged(AT, TROUBLED),
            ServiceChanged(AT, CALM),
            *READS,
            IncidentChanged(AT, OPEN, 2),
            OverallChanged(AT, OVERALL),
            SILENCE,
            *OVERLAYS,
            *EVENTS,
        )
    )
    outbox.explain(EXPLAINED, AT)
    outbox.note(HEALTH)
    outbox.note(Shown({Colour.RED: "fast", Colour.GREEN: "signal"}, Sound.CHIRP))
    outbox.answer(Answered(AT, LONG, ok=True, by="cli", origin="mqtt"))
    yield topics.available(OFFLINE)
    yield from outbox.info()
    yield from outbox.changes(once=True)
    yield topics.available(ONLINE)
    outbox.offer(OverlaysChanged(AT, each.kind, on=False) for each in OVERLAYS)
    outbox.offer((SilenceChanged(AT, on=False), IncidentChanged(AT, PLAIN, 0)))
    outbox.note(Shown({Colour.RED: "off", Colour.GREEN: "steady"}))
    outbox.note(HealthReport(AT, 0.0, True, None, None, True, 40.0))
    yield from outbox.changes(once=True)
    outbox.offer((IncidentChanged(AT, CLOSED, 0),))
    yield from outbox.changes(once=True)
    clock.advance(90.0)
    outbox.stall(AT + 30)
    yield from outbox.everything()
    document = discovery(CONFIG, "1.2.3")
    yield message(CONFIG, document)
    yield message(CONFIG, removals('{"cmps": {"gone": {"p": "sensor"}}}', document))
    yield message(CONFIG, None)


def lines():
    for each in published():
        kept = "retained" if each.retain else "once"
        yield f"{each.topic} {kept} {each.qos}\n{each.payload}"
    now = status(VIEW, moment, SITE)
    now["state"]["version"] = "1.2.3"
    yield f"status\n{json.dumps(now)}"
    yield f"explanation\n{json.dumps(explanation(EXPLAINED, AT, moment))}"


def test_every_topic_and_document_is_what_was_promised():
    now = "\n".join(lines()) + "\n"
    if not GOLDEN.exists():
        GOLDEN.write_text(now)
        raise AssertionError(f"{GOLDEN} was missing and is written: read it, then commit it")
    assert now.splitlines() == GOLDEN.read_text().splitlines()
