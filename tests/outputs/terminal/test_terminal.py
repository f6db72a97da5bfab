"""The picture says what the view knows, at any width, with and without colour."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from beacon.config.schema import Tower
from beacon.core.effects import (
    Announced,
    Announcement,
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.indication import Colour, Flag, Indication, Light, Pattern, Sound, levels
from beacon.core.model import (
    Attestation,
    Endpoint,
    Evidence,
    Health,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.views import (
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    Overlay,
    OverlayKind,
    ServiceView,
    SilenceChanged,
)
from beacon.engine.clock import SystemClock
from beacon.engine.latest import Latest
from beacon.engine.output import Heartbeat
from beacon.outputs.terminal.output import TerminalTower
from beacon.outputs.terminal.render import Picture
from beacon.outputs.terminal.screen import TerminalScreen

pytestmark = pytest.mark.usefixtures("no_thread_left")

EPOCH = datetime(2018, 11, 19, 4, 39, tzinfo=UTC)
FAST, STEADY = Light(Pattern.FAST), Light(Pattern.STEADY)


def endpoint(service: str, name: str) -> Endpoint:
    return Endpoint(
        id=f"{service}/{name}", service=service, name=name, kind="http", evidence=Evidence.HEALTH
    )


SITE = Site(
    id="london-soc",
    name="London SOC",
    services=(
        Service(
            id="entra-mfa",
            name="Entra MFA",
            endpoints=(endpoint("entra-mfa", "sign-in"), endpoint("entra-mfa", "metadata")),
        ),
        Service(id="sms", name="SMS codes", endpoints=(endpoint("sms", "delivery"),)),
    ),
    witnesses=(endpoint("witness", "gateway"),),
    attest=(Attestation(id="accounts", name="Break-glass accounts"),),
)


@pytest.fixture
def view() -> TerminalScreen:
    return TerminalScreen(SITE, tuple(Colour), EPOCH, Latest())


def take(view: TerminalScreen, effect: Effect) -> None:
    """What the engine does: the latest first, then the outputs."""
    view.latest.take((effect,))
    view.take(effect)


def shown(view: TerminalScreen, at: float, width: int = 100, height: int = 40) -> str:
    """The picture as plain text."""
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(Picture(view, at))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def lamps(text: str) -> dict[str, bool]:
    """Which lamps are drawn lit, read from the lines that name them."""
    rows = [line for line in text.splitlines() if "▐" in line and "▌" in line]
    return {c.value: "█" in row for c in Colour for row in rows if f"▌ {c.value}" in row}


lights = st.builds(Light, st.sampled_from(Pattern), st.booleans())
flags = st.lists(st.sampled_from(Flag), unique=True).map(tuple)
indications = st.builds(Indication, lights, lights, lights, lights, lights, flags)


@given(indications, st.integers(0, 400), st.sampled_from([40, 100]))
def test_the_drawn_lamps_are_the_levels_of_the_core(indication, step, width):
    view = TerminalScreen(SITE, tuple(Colour), EPOCH, Latest())
    take(view, IndicationChanged(0.0, indication))
    at = step * 0.05
    expected = {c.value: on for c, on in levels(indication, at).items()}
    assert lamps(shown(view, at, width)) == expected


def test_each_lamp_says_its_pattern_and_only_wired_lamps_are_drawn():
    view = TerminalScreen(SITE, (Colour.RED, Colour.GREEN), EPOCH, Latest())
    take(view, IndicationChanged(0.0, Indication(red=FAST, green=STEADY, blue=STEADY)))
    text = shown(view, 0.3)
    assert "▌ red   fast" in text
    assert "▌ green steady" in text
    assert "blue" not in text


def test_without_a_judge_no_lamp_burns_and_it_says_why(view: TerminalScreen):
    take(view, IndicationChanged(0.0, Indication(green=STEADY)))
    view.judged = False
    text = shown(view, 1.0)
    assert not any(lamps(text).values())
    assert "no judge: dark" in text


def test_an_empty_view_waits(view: TerminalScreen):
    text = shown(view, 0.0)
    assert text.count("waiting for the first reading") == 2
    assert "· sign-in" in text
    assert "No incident is open." in text
    assert "04:39:00 UTC" in text


def test_a_service_shows_verdict_age_cause_and_explanation(view: TerminalScreen):
    judged = ServiceView(
        "entra-mfa", Verdict.GRAY_FAILURE, 60.0, cause="dns", explanation="The record is gone."
    )
    take(view, ServiceChanged(60.0, judged))
    text = shown(view, 252.0)
    assert "Entra MFA  ✗ GRAY FAILURE  for 3 min 12 s  cause: dns" in text
    assert "The record is gone." in text


@pytest.mark.parametrize(
    ("seconds", "age"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (3900, "1 h 05 min")]
)
def test_ages_are_short(view: TerminalScreen, seconds, age):
    take(view, ServiceChanged(0.0, ServiceView("sms", Verdict.OK, 100.0)))
    assert f"✓ OK  for {age}" in shown(view, 100.0 + seconds)


@pytest.mark.parametrize(
    ("reading", "health", "line"),
    [
        (Reading(Reason.OK, latency=0.0353), Health.UP, "● sign-in 35 ms"),
        (Reading(Reason.OK, latency=4.21), Health.UP, "● sign-in 4.2 s"),
        (Reading(Reason.OK), Health.UP, "● sign-in"),
        (Reading(Reason.SLOW, latency=9.0), Health.DEGRADED, "▲ sign-in slow"),
        (Reading(Reason.DNS_NXDOMAIN), Health.DOWN, "✗ sign-in dns nxdomain"),
        (Reading(Reason.STALE), Health.UNKNOWN, "? sign-in stale"),
    ],
)
def test_an_endpoint_shows_health_and_latency_or_reason(
    view: TerminalScreen, reading, health, line
):
    take(view, EndpointRead(1.0, "entra-mfa/sign-in", reading, health, 0))
    assert line in shown(view, 2.0)


def test_the_overall_verdict_and_our_own_eyes_are_shown(view: TerminalScreen):
    overall = OverallView(Verdict.BLIND, False, 0.0, True, False, (), network="lost", clock="ok")
    take(view, OverallChanged(0.0, overall))
    text = shown(view, 1.0)
    assert "London SOC  ? BLIND" in text
    assert "Our own eyes  network lost, clock ok" in text
    assert "storage" not in text
    take(view, OverallChanged(2.0, replace(overall, storage_degraded=True)))
    assert "network lost, clock ok, storage degraded" in shown(view, 2.0)


def incident(**settings: object) -> IncidentView:
    given_first = {"number": 7, "service": "entra-mfa", "state": IncidentState.OPEN, "since": 30.0}
    rest = {"verdict": Verdict.OUTAGE, "peak": Verdict.OUTAGE, "first_out": "entra-mfa/sign-in"}
    return IncidentView(**{**given_first, **rest, **settings})  # type: ignore[arg-type]


def test_the_incident_line_shows_who_when_and_what_more(view: TerminalScreen):
    take(view, IncidentChanged(30.0, incident(), 0))
    text = shown(view, 40.0)
    assert "Incident 7: Entra MFA open since 04:39:30 (10 s)" in text
    assert "first out: entra-mfa/sign-in · not acknowledged" in text
    acknowledged_incident = incident(acknowledged=True, acknowledged_by="anna", vendor_lead=125.0)
    take(view, IncidentChanged(50.0, acknowledged_incident, 2))
    line = " ".join(shown(view, 60.0).split())
    assert "acknowledged by anna · 2 min 05 s before the vendor · and 2 more" in line
    take(view, IncidentChanged(70.0, incident(acknowledged=True), 0))
    assert "acknowledged" not in shown(view, 80.0)
    take(view, IncidentChanged(90.0, None, 0))
    assert "No incident is open." in shown(view, 100.0)


def overlays_changed(kind, *subjects, until=None, by="anna", reason="", overdue=()):
    overlays = tuple(Overlay(kind, s, 10.0, by, "cli", reason, until) for s in subjects)
    return OverlaysChanged(10.0, kind, bool(overlays or overdue), overlays, overdue)


def marked(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("■")]


def test_silence_says_who_why_and_until_when(view: TerminalScreen):
    take(view, SilenceChanged(5.0, on=True, since=5.0, until=3600.0, by="anna", reason="a call"))
    assert marked(shown(view, 20.0)) == ["■ silence · until 05:39:00 UTC · by anna: a call"]
    take(view, SilenceChanged(30.0, on=False))
    assert marked(shown(view, 40.0)) == []


def test_overlays_say_who_why_and_until_when(view: TerminalScreen):
    shelve = overlays_changed(OverlayKind.SHELVE, "sms", until=3600.0, reason="ticket-17")
    take(view, shelve)
    take(view, overlays_changed(OverlayKind.BYPASS, "entra-mfa", reason="vendor is down"))
    take(view, overlays_changed(OverlayKind.DRILL, "gray_failure", until=900.0))
    take(view, overlays_changed(OverlayKind.ATTEST, "keys", overdue=("accounts",)))
    take(view, overlays_changed(OverlayKind.BREAK_GLASS, "entra-mfa", by="first"))
    assert marked(shown(view, 20.0)) == [
        "■ bypass: Entra MFA · by anna: vendor is down",
        "■ shelved: SMS codes · until 05:39:00 UTC · by anna: ticket-17",
        "■ attestation overdue: Break-glass accounts",
        "■ drill: gray failure · until 04:54:00 UTC · by anna",
        "■ break-glass account used: Entra MFA · by first",
    ]
    take(view, overlays_changed(OverlayKind.SHELVE))
    take(view, overlays_changed(OverlayKind.ATTEST, "accounts"))
    text = shown(view, 20.0)
    assert "shelved" not in text
    assert "overdue" not in text


def test_one_line_for_all_services_in_one_window(view: TerminalScreen):
    both = overlays_changed(
        OverlayKind.MAINTENANCE,
        "entra-mfa",
        "sms",
        until=86400.0 - 0.0004,
        by="schedule",
        reason="Patches",
    )
    take(view, both)
    assert marked(shown(view, 20.0)) == [
        "■ maintenance: Entra MFA, SMS codes · until Tue 20 Nov 04:39:00 UTC · by schedule: Patches"
    ]


def test_the_first_out_is_marked(view: TerminalScreen):
    for name in ("entra-mfa", "sms"):
        take(view, ServiceChanged(0.0, ServiceView(name, Verdict.OUTAGE, 0.0)))
    overall = OverallView(Verdict.OUTAGE, True, 0.0, False, False, (), first_out="sms")
    take(view, OverallChanged(0.0, overall))
    [line] = [line for line in shown(view, 5.0).splitlines() if "first-out" in line]
    assert "SMS codes  ✗ OUTAGE  first-out" in line


def test_events_are_listed_in_order_of_time_with_their_words(view: TerminalScreen):
    because = Reading(Reason.DEADLINE, "no answer within 30 s")
    opened = Announced(
        3.0, Announcement.OPENED, "entra-mfa", Verdict.OUTAGE, incident(), cause="dns", by="anna"
    )
    take(view, opened)
    take(view, Transition(2.0, "entra-mfa/sign-in", Health.UP, Health.DOWN, because))
    take(view, Transition(4.0, "entra-mfa/sign-in", Health.DOWN, Health.UP, Reading(Reason.OK)))
    take(view, SilenceChanged(5.0, True))
    view.note(6.0, "a line from the log")
    lines = [line.rstrip() for line in shown(view, 10.0).splitlines() if line.startswith("04:39")]
    assert lines == [
        "04:39:02  ✗ entra-mfa/sign-in is down: deadline, no answer within 30 s",
        "04:39:03  ✗ opened: Entra MFA, outage, cause: dns, by anna",
        "04:39:04  ● entra-mfa/sign-in is up: ok",
        "04:39:06  a line from the log",
    ]


def test_the_log_leaves_space_for_the_rest_and_is_bounded(view: TerminalScreen):
    for second in range(1000):
        view.note(float(second), f"line {second}")
    view.caption = "a caption of many words " * 5 + "and an end"
    text = shown(view, 1000.0, height=30)
    assert len(text.splitlines()) == 30
    assert "line 999" in text
    assert text.splitlines()[-1].strip().endswith("and an end")
    assert len(view.log) == 50


def test_a_sound_rings_on_the_screen_for_three_seconds(view: TerminalScreen):
    take(view, Sounded(10.0, Sound.THREE_PULSES))
    assert "London SOC   ♪ three pulses" in shown(view, 12.9)
    assert "London SOC   ♪" not in shown(view, 13.0)
    assert "04:39:10  ♪ three pulses" in shown(view, 13.0)


@pytest.mark.parametrize("width", [24, 63, 64, 200])
def test_no_line_is_wider_than_the_terminal(view: TerminalScreen, width: int):
    take(view, IndicationChanged(0.0, Indication(red=FAST)))
    take(
        view, ServiceChanged(0.0, ServiceView("sms", Verdict.OUTAGE, 0.0, explanation="long " * 40))
    )
    view.note(1.0, "x" * 300)
    assert max(len(line) for line in shown(view, 2.0, width).splitlines()) <= width


class Screen(io.StringIO):
    """A terminal that remembers what was written, or breaks."""

    broken = False

    def write(self, text: str) -> int:
        if self.broken:
            raise OSError(5, "the terminal is gone")
        return super().write(text)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def terminal(make_tower: Callable[..., Tower], screen: Screen) -> TerminalTower:
    clock = SystemClock()
    judge = Heartbeat(clock)
    judge.beat()
    console = Console(file=screen, width=90, height=30, force_terminal=True, _environ={})
    return TerminalTower(SITE, make_tower(), clock, judge, Latest(), console=console)


def test_the_terminal_is_taken_drawn_and_given_back(
    terminal: TerminalTower, screen: Screen, eventually: Callable[..., None]
):
    terminal.start()
    terminal.offer([IndicationChanged(0.0, Indication(red=FAST))])
    terminal.note("hello from the log")
    terminal.caption("Act 1")
    eventually(lambda: "hello from the log" in screen.getvalue(), "the note")
    eventually(lambda: "Act 1" in screen.getvalue(), "the caption")
    assert "\x1b[?1049h" in screen.getvalue()
    terminal.stop(5.0)
    end = screen.getvalue()[-60:]
    assert "\x1b[?1049l" in end
    assert "\x1b[?25h" in end


def test_stop_before_start_is_harmless(terminal: TerminalTower, screen: Screen):
    terminal.stop(1.0)
    assert screen.getvalue() == ""


def test_a_terminal_that_breaks_ends_only_the_picture(
    terminal: TerminalTower,
    screen: Screen,
    eventually: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
):
    terminal.start()
    eventually(lambda: "London" in screen.getvalue(), "the first picture")
    screen.broken = True
    eventually(lambda: "can no longer be drawn" in caplog.text, "the log line")
    terminal.offer([IndicationChanged(0.0, Indication(red=FAST))])
    terminal.stop(5.0)


def test_without_a_console_it_draws_on_standard_output(make_tower: Callable[..., Tower]):
    clock = SystemClock()
    terminal = TerminalTower(SITE, make_tower(), clock, Heartbeat(clock), Latest())
    console = Console(file=io.StringIO(), width=80, height=30)
    console.print(terminal.picture())
    assert "no judge: dark" in console.file.getvalue()  # type: ignore[attr-defined]
