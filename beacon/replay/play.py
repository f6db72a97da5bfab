"""Scripted incidents through the very same core: `beacon replay FILE…`.

A script says what every endpoint read and what operators did, at times relative to its
start; the core judges it as it would live, and the timeline is printed. `expect` entries
are compared with what the room was shown; each that fails is told with its place.
"""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TextIO

import msgspec

from beacon.config.fields import Duration, SettingRefused
from beacon.config.loader import YamlDocument, load_embedded, read
from beacon.config.nodes import Node, place_of
from beacon.config.problems import ConfigError
from beacon.config.schema import Config
from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    Effect,
    IndicationChanged,
    OverlaysChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.inputs import ClockStepped, ClockSynchronised, DateImplausible, Event
from beacon.core.model import (
    OUTCOME_OF,
    RANK,
    BreakGlassUse,
    ClockSeen,
    Outcome,
    Reading,
    Reason,
    Site,
    Verdict,
)
from beacon.core.operator.commands import OF_THE_TOWER, ORDERS, Command
from beacon.core.tower.indication import DARK, Colour, Indication, Light, Pattern
from beacon.core.views import IncidentState, IncidentView, OverlayKind, ServiceView, View
from beacon.engine.calendar.quiet_hours import QuietHoursWatch
from beacon.engine.calendar.windows import WeeklyWindow, WindowsWatch
from beacon.engine.clock import ManualClock
from beacon.engine.loop import Sign
from beacon.probes import kinds, load
from beacon.replay.simulation import ScriptedReading, Simulation
from beacon.replay.timeline import (
    Replayed,
    Signal,
    TimelineEntry,
    TimelinePrinter,
    coloured,
    relative,
)

WARM_UP: Final = 2.0
"""How many of its longest intervals a script passes well before its first line."""

SOUNDS_WITHIN: Final = 60.0
LONGEST: Final = 31 * 86400.0
"""Seconds from the start that a script reaches at most, before and after."""
YEARS: Final = range(1970, 3000)


class Offset(float):
    """Seconds from the script's start, written with a unit and perhaps a minus: -20m, 1h30m."""

    ALLOWED: ClassVar = "a time from the start: -20m, 0m, 90s, 1h30m"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read one or several durations after one optional sign."""
        found = re.fullmatch(r"([+-]?)((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)", str(raw).strip())
        if not found:
            raise SettingRefused(f"not a time: {raw!r}", cls.ALLOWED)
        seconds = sum(_seconds(part) for part in re.findall(r"[\d.]+[a-z]+", found[2]))
        return cls(-seconds if found[1] == "-" else seconds)

    def __str__(self) -> str:
        """Return it as people count: +0:04:30."""
        return relative(self)


def _seconds(part: str) -> float:
    return 0.0 if re.match(r"0+(\.0+)?[a-z]", part) else float(Duration.parse(part))


class At(Offset):
    """When something happens: not so far from the start that nobody lives to see its end."""

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an offset of at most `LONGEST`."""
        found = super().parse(raw)
        if abs(found) > LONGEST:
            raise SettingRefused(f"too far from the start: {raw}", f"at most {LONGEST / 86400:g}d")
        return found


class ScriptMoment(str):
    """A moment in UTC: 2018-11-19T04:39:00Z."""

    __slots__ = ()
    ALLOWED: ClassVar = "a moment in UTC: 2018-11-19T04:39:00Z"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an ISO 8601 moment that carries its zone."""
        try:
            moment = datetime.fromisoformat(str(raw))
        except ValueError:
            raise SettingRefused(f"not a moment: {raw!r}", cls.ALLOWED) from None
        if moment.year not in YEARS:
            raise SettingRefused(f"not a moment of this age: {raw}", cls.ALLOWED)
        if moment.tzinfo is None:
            raise SettingRefused(f"{raw} has no zone", cls.ALLOWED, f"{raw}Z")
        return cls(moment.astimezone(UTC).isoformat())

    @property
    def utc(self) -> datetime:
        """As a moment."""
        return datetime.fromisoformat(self)


class ClockWord(StrEnum):
    """What this machine says of its own clock, from now on."""

    BEFORE_BUILD = "before_build"  # the date lies before this beacon was built
    PLAUSIBLE = "plausible"  # … no longer
    SYNCHRONISED = "synchronised"  # the kernel's word
    UNSYNCHRONISED = "unsynchronised"


@dataclass(frozen=True, kw_only=True)
class Restart:
    """The beacon dies, and is started again some time after; it knows what it wrote down."""

    after: Duration


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of `events`: what an endpoint reads from now on, what an operator did, our clock.

    Or a death of the beacon.

    `clock_offset`: by this reading our clock is so much behind (negative: ahead). `resolver`:
    whether our own resolver answered. `clock_set`: our clock was set forward by so much.
    `break_glass`: by these readings the accounts with these labels were used at the line's time.
    """

    at: At
    endpoint: str | None = None
    passes: str | None = field(default=None, metadata={"key": "pass"})
    warn: str | None = None
    fail: str | None = None
    error: str | None = None
    silent: bool = False
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0  # the other readings pass
    latency: Duration | None = None
    ttl: Duration | None = None
    detail: str = ""
    break_glass: tuple[str, ...] = ()
    clock_offset: Offset | None = None
    resolver: bool | None = None
    clock: ClockWord | None = None
    clock_set: Offset | None = None
    restart: Restart | None = None
    operator: str | None = None
    by: str = "operator"
    reason: str = ""
    service: str | None = None
    on: bool = True
    lasting: Duration | None = field(default=None, metadata={"key": "for"})
    verdict: Verdict = Verdict.OUTAGE
    modelled: bool = False


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One line of `expect`; what is left out is not compared."""

    at: At
    service: str | None = None
    verdict: Verdict | None = None
    lamps: Literal["dark"] | Mapping[Colour, Pattern] = field(default_factory=dict)
    sounds: int | None = None
    incident: IncidentState | None = None
    blind: bool | None = None
    cause: str | None = None
    partial: bool | None = None
    peak: Verdict | None = None
    vendor_lead: Offset | None = None
    says: str | None = None  # what the service's explanation contains


@dataclass(frozen=True, kw_only=True)
class Script:
    """A replay file; `config` is read by the loader.

    `boot`: nothing was read before the first line; else all was well for a while.
    `modelled` names what is our choice outside the lines of `events`.
    """

    title: str
    start: ScriptMoment
    config: Node
    summary: str = ""
    source: tuple[str, ...] = ()
    modelled: tuple[str, ...] = ()
    boot: bool = False
    events: tuple[Line, ...] = ()
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A script that has been read and checked, ready to be played.

    `deaths` are when the beacon dies and when it is back; `dead` is what is lit in between.
    """

    document: YamlDocument
    script: Script
    site: Site
    cues: tuple[ScriptedReading, ...]
    events: tuple[Event, ...]
    deaths: tuple[tuple[float, float], ...] = ()
    dead: Indication = DARK

    @property
    def warm_up(self) -> float:
        """How long all is well before the first line, in seconds."""
        if self.script.boot:
            return 0.0
        return WARM_UP * max((e.interval for e in self.site.endpoints), default=0.0)

    @property
    def span(self) -> tuple[float, float]:
        """When it begins, with the time in which all is well, and when it ends."""
        times = [0.0, *(e.at for e in self.script.events), *(e.at for e in self.script.expect)]
        return min(times) - self.warm_up, max([*times, *(back for _, back in self.deaths)])

    @property
    def lives(self) -> Iterator[tuple[float, float]]:
        """From when to when it lives."""
        begin, end = self.span
        for died, back in self.deaths:
            yield begin, died
            begin = back
        yield begin, end


def replay_file(path: Path, environ: Mapping[str, str]) -> Replayed:
    """Play one script. Raises `ConfigError` with every problem in it."""
    return play(read_scene(path, environ))


def read_scene(path: Path, environ: Mapping[str, str]) -> Scene:
    """Read one script. Raises `ConfigError` with every problem in it."""
    document = read(path, environ=environ)
    script = document.build(Script)
    config = load_embedded(document, ("config",), kinds=kinds, load_kind=load)
    if script is not None and config is not None:
        deaths = _deaths(document, script)
        cues, events = _script(document, script, config.watched)
    document.check()
    assert script is not None, "whatever could not be read is a problem"
    assert config is not None, "whatever could not be read is a problem"
    dead: dict[str, Any] = {each.value: Light(Pattern.STEADY) for each in config.tower.on_death}
    scene = Scene(
        document,
        script,
        config.watched,
        tuple(cues),
        tuple(events),
        tuple(deaths),
        Indication(**dead),
    )
    calendar = (
        event for life in scene.lives for event in _calendar(config, script.start.utc, *life)
    )
    return replace(scene, events=(*calendar, *scene.events))


# --- reading the script -----------------------------------------------------------


def _script(
    document: YamlDocument, script: Script, site: Site
) -> tuple[list[ScriptedReading], list[Event]]:
    known = {e.id for e in site.endpoints}
    cues: list[ScriptedReading] = []
    events: list[Event] = []
    for number, line in enumerate(script.events):
        at: tuple[str | int, ...] = ("events", number)
        subjects = (line.endpoint, line.operator, line.clock, line.clock_set, line.restart)
        if sum(subject is not None for subject in subjects) != 1:
            allowed = "endpoint: id, operator: action, clock: word, clock_set: time, or restart: …"
            document.refuse(at, "one of endpoint, operator, clock, clock_set and restart", allowed)
        elif line.clock is not None or line.clock_set is not None:
            events.append(_own_clock(line))
        elif line.restart is not None:
            pass  # `_deaths` has read it
        elif line.operator is not None:
            events += _action(document, at, line, site)
        elif line.endpoint not in known:
            allowed = "one of " + ", ".join(sorted(known))
            document.refuse((*at, "endpoint"), f"unknown endpoint {line.endpoint!r}", allowed)
        else:
            cues += _cue(document, at, line)
    return cues, events


def _deaths(document: YamlDocument, script: Script) -> list[tuple[float, float]]:
    """When the beacon dies and when it is back. Nobody reaches it in between."""
    deaths: list[tuple[float, float]] = []
    for number, line in sorted(enumerate(script.events), key=lambda each: each[1].at):
        at, place = float(line.at), ("events", number, "at")
        alone = line.operator or line.restart
        if alone and deaths and at <= deaths[-1][1]:
            back = relative(deaths[-1][1])
            document.refuse(place, "the beacon is dead then", f"a time after {back}")
        elif line.restart is not None and line.restart.after > LONGEST:
            after, allowed = ("events", number, "restart", "after"), f"at most {LONGEST / 86400:g}d"
            document.refuse(after, "dead for too long", allowed)
        elif line.restart is not None:
            deaths.append((at, at + float(line.restart.after)))
    return deaths


def _action(
    document: YamlDocument, at: tuple[str | int, ...], line: Line, site: Site
) -> Iterator[Event]:
    word = {"unsilence": "silence"}.get(str(line.operator), str(line.operator))
    if word not in ORDERS:
        allowed = ", ".join((*ORDERS, "unsilence"))
        document.refuse((*at, "operator"), f"unknown action {line.operator!r}", allowed)
        return
    if line.service is not None and word in OF_THE_TOWER:
        document.refuse((*at, "service"), f"{word} concerns the whole tower", "leave it out")
        return
    things = site.attest if word == "attest" else site.services
    known = [thing.id for thing in things]
    if line.service is not None and line.service not in known:
        allowed = "one of " + ", ".join(known)
        document.refuse((*at, "service"), f"unknown {line.service!r}", allowed)
        return
    command = Command(
        word,
        line.by,
        line.reason,
        line.service,
        on=line.on and line.operator != "unsilence",
        seconds=None if line.lasting is None else float(line.lasting),
        verdict=line.verdict,
        origin="replay",
    )
    yield command.event(float(line.at))


def _own_clock(line: Line) -> Event:
    at = float(line.at)
    if line.clock_set is not None:
        return ClockStepped(at, float(line.clock_set))
    if line.clock in (ClockWord.BEFORE_BUILD, ClockWord.PLAUSIBLE):
        return DateImplausible(at, line.clock is ClockWord.BEFORE_BUILD)
    return ClockSynchronised(at, line.clock is ClockWord.SYNCHRONISED)


def _cue(
    document: YamlDocument, at: tuple[str | int, ...], line: Line
) -> Iterator[ScriptedReading]:
    assert line.endpoint is not None, "the caller has looked"
    if line.silent:
        yield ScriptedReading(float(line.at), line.endpoint, None)
        return
    said = {
        Outcome.PASS: line.passes,
        Outcome.WARN: line.warn,
        Outcome.FAIL: line.fail,
        Outcome.ERROR: line.error,
    }
    told = [(outcome, reason) for outcome, reason in said.items() if reason is not None]
    if len(told) != 1:
        document.refuse(at, "one of pass, warn, fail, error, silent", "fail: deadline")
        return
    outcome, word = told[0]
    reasons = [r for r in Reason if OUTCOME_OF[r] is outcome]
    if word not in reasons:
        allowed = "one of " + ", ".join(reasons)
        document.refuse((*at, outcome.value), f"not a reason to {outcome}: {word!r}", allowed)
        return
    offset = line.clock_offset
    reading = Reading(
        Reason(word),
        line.detail,
        line.latency,
        ttl=line.ttl,
        clock=None if offset is None else ClockSeen(float(offset), line.endpoint),
        resolver=line.resolver,
        uses=tuple(BreakGlassUse(f"{line.at}/{name}", name) for name in line.break_glass),
    )
    yield ScriptedReading(float(line.at), line.endpoint, reading, line.share)


# --- playing it -------------------------------------------------------------------


class _Room:
    """What the room was shown so far."""

    def __init__(self) -> None:
        self.entries: list[TimelineEntry] = []
        self.sounded: list[float] = []
        self.verdicts: list[tuple[float, str, Verdict]] = []
        self.signals: list[Signal] = []
        self.closed: list[IncidentView] = []
        self._verdicts: dict[str, Verdict] = {}
        self._laid: set[OverlayKind] = set()

    def dies(self, at: float, lit: Indication) -> None:
        """Nothing is told any more; the lamps fall to what death leaves."""
        self.entries.append(TimelineEntry(at, "tower", describe(lit)))
        self.signals.append(IndicationChanged(at, lit))
        self._verdicts.clear()

    def take(self, effects: Iterator[Effect] | Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Signal):
                self.signals.append(effect)
            if said := self._say(effect):
                self.entries.append(TimelineEntry(effect.at, *said))

    def _say(self, effect: Effect) -> tuple[str, str] | None:
        match effect:
            case Transition():
                because = effect.because
                detail = f" ({because.detail})" if because.detail else ""
                change = f"{effect.was} → {effect.now}"
                return "endpoint", f"{effect.endpoint}: {change}, {because.reason}{detail}"
            case ServiceChanged():
                return self._verdict(effect.at, effect.service)
            case Announced():
                if effect.incident is not None and effect.what is Announcement.CLOSED:
                    self.closed.append(effect.incident)
                return "told", _announced(effect)
            case IndicationChanged():
                return "tower", describe(effect.indication)
            case Sounded():
                self.sounded.append(effect.at)
                return "sound", effect.sound.replace("_", " ")
            case _:
                said = self._operated(effect)
                return None if said is None else ("told", said)

    def _operated(self, effect: Effect) -> str | None:
        """What was refused, what lies over the verdicts, and that it does no more."""
        if isinstance(effect, Answered) and not effect.ok:
            return f"{effect.command} by {effect.by} is refused: {effect.error}"
        if not isinstance(effect, OverlaysChanged):
            return None
        laid = [f"{overlay.subject} by {overlay.by}" for overlay in effect.overlays]
        if not laid and effect.kind not in self._laid:
            return None
        (self._laid.add if laid else self._laid.discard)(effect.kind)
        return f"{effect.kind}: {', '.join(laid) or 'ended'}"

    def _verdict(self, at: float, service: ServiceView) -> tuple[str, str] | None:
        if self._verdicts.get(service.id) is service.verdict:
            return None
        self._verdicts[service.id] = service.verdict
        self.verdicts.append((at, service.id, service.verdict))
        marks = [
            mark
            for mark, there in (
                ("partial", service.partial),
                ("starting", service.starting),
                ("vendor says fine", service.vendor_says_fine),
            )
            if there
        ]
        beside = f" ({', '.join(marks)})" if marks else ""
        told = service.explanation and service.verdict is not Verdict.OK
        why = f": {service.explanation}" if told else ""
        return "verdict", f"{service.id} is {service.verdict}{beside}{why}"


def _announced(effect: Announced) -> str:
    number = f" incident {effect.incident.number}" if effect.incident else ""
    cause = f", cause: {effect.cause}" if effect.cause else ""
    by = f" by {effect.by}" if effect.by else ""
    return f"{effect.what}{number}{by}: {effect.service}{cause}"


def describe(indication: Indication) -> str:
    """Say in words what burns: "red fast, amber fast (antiphase)"."""
    burning = [
        f"{colour} {light.pattern}" + (" (antiphase)" if light.antiphase else "")
        for colour in Colour
        if (light := indication.light(colour)).pattern is not Pattern.OFF
    ]
    flags = [f"flag {flag}" for flag in indication.flags]
    return ", ".join(burning + flags) or "dark"


class _Playing:
    """One script as it is played, through the deaths of the beacon."""

    def __init__(self, scene: Scene, lot: int) -> None:
        begin, _ = scene.span
        self.room, self.dead = _Room(), False
        self.simulation = Simulation(scene.site, begin, scene.cues, scene.events, lot)
        self._deaths, self._lit = list(scene.deaths), scene.dead
        self.room.take(self.simulation.start())
        self.room.entries.clear()  # before the first reading there is nothing to tell
        self.room.take(self.simulation.run(begin + scene.warm_up / 2))
        self.room.entries = [entry for entry in self.room.entries if entry.what != "endpoint"]

    def until(self, at: float) -> None:
        """Let time pass."""
        while self._deaths and (death := self._deaths[0])[0] <= at:
            died, back = death
            if not self.dead:
                self.room.take(self.simulation.run(died))
                self.room.dies(died, self._lit)
            self.dead = back > at
            if self.dead:
                return
            self.room.entries.append(TimelineEntry(back, "script", "the beacon starts again"))
            self.room.take(self.simulation.restart(back - died))
            del self._deaths[0]
        self.room.take(self.simulation.run(at))


def play(scene: Scene, lot: int = 0) -> Replayed:
    """Let the core judge a script's readings, and compare what is shown with `expect`.

    Another `lot` draws anew which readings a `share` strikes: `expect` is written for lot 0.
    """
    document, script = scene.document, scene.script
    _, end = scene.span
    playing = _Playing(scene, lot)
    room = playing.room
    failures: list[str] = []
    order = sorted(range(len(script.expect)), key=lambda n: script.expect[n].at)
    for number in order:
        expectation = script.expect[number]
        playing.until(float(expectation.at))
        place = place_of(document.root, ("expect", number))
        if playing.dead:
            found = _compare_dead(expectation, scene.dead, room.sounded)
        else:
            view = playing.simulation.monitor.view()
            found = compare(expectation, view, room.sounded, room.closed)
        failures += [f"{place}: expect[{number}]: {wrong}" for wrong in found]
    playing.until(end)
    said = [TimelineEntry(float(e.at), "script", _line(e)) for e in script.events]
    entries = sorted([*said, *room.entries], key=lambda entry: entry.at)
    return Replayed(
        script.title,
        script.start.utc,
        tuple(entries),
        tuple(failures),
        tuple(room.verdicts),
        tuple(room.signals),
    )


def _calendar(config: Config, start: datetime, begin: float, end: float) -> Iterator[Event]:
    """What the calendar says between two times: quiet hours, planned windows."""
    clock = ManualClock(start + timedelta(seconds=begin), begin)
    windows = (WeeklyWindow(**vars(window)) for window in config.maintenance)
    signs: list[Sign] = [WindowsWatch(clock, windows)]
    if config.tower.buzzer is not None and (hours := config.tower.buzzer.quiet_hours):
        signs.append(QuietHoursWatch(clock, hours.begin, hours.end, hours.time_zone))
    while (at := clock.monotonic()) <= end:
        found = (sign(at) for sign in signs)
        yield from (event for event in found if event is not None)
        clock.advance(60.0 - clock.utc().timestamp() % 60.0)


def _line(line: Line) -> str:
    if line.restart is not None:
        return f"the beacon dies, and is back after {relative(line.restart.after)[1:]}"
    if line.operator is not None:
        words = [line.operator, line.service, None if line.on else "off"]
        return f"{line.by}: {' '.join(word for word in words if word)}"
    if line.clock_set is not None:
        return f"our clock is set {_way(line.clock_set, 'forward', 'back')}"
    if line.clock is not None:
        return f"our clock: {line.clock.value.replace('_', ' ')}"
    word = line.passes or line.warn or line.fail or line.error or "silence"
    took = f" after {line.latency:g} s" if line.latency else ""
    share = f", {100 * line.share:.3g} % of its readings" if line.share < 1 else ""
    modelled = " [modelled]" if line.modelled else ""
    offset, unnamed = line.clock_offset, " (our resolver is silent)" * (line.resolver is False)
    clock = "" if offset is None else f", our clock is {_way(offset, 'behind', 'ahead')}"
    return f"{line.endpoint} reads {word}{took}{unnamed}{clock}{share}{modelled}"


def _way(seconds: float, forward: str, back: str) -> str:
    return f"{timedelta(seconds=abs(seconds))} {forward if seconds >= 0 else back}"


def compare(
    expected: Expectation,
    view: View,
    sounded: Sequence[float],
    closed: Sequence[IncidentView] = (),
) -> Iterator[str]:
    """What was shown instead, for everything that is not as expected.

    `closed` are the incidents that are over: the last counts where none is open.
    """
    service = next((s for s in view.services if s.id == expected.service), None)
    if expected.service is not None and service is None:
        yield f"there is no service {expected.service!r}"
        return
    shown = service if service is not None else view.overall
    looked_at = service or max(view.services, key=lambda s: RANK[s.verdict])
    told_of = (*view.incidents, *reversed(closed))
    incident = next((i for i in told_of if expected.service in (None, i.service)), None)
    told = service or incident  # whose word the cause is
    pairs: list[tuple[str, object, object]] = [
        ("verdict", expected.verdict, shown.verdict),
        ("blind", expected.blind, shown.blind),
        ("partial", expected.partial, looked_at.partial),
        ("cause", expected.cause, told.cause if told else None),
        *_compare_incident(expected, incident),
    ]
    pairs += _compare_tower(expected, view.indication, sounded)
    yield from _told_apart(pairs)
    if expected.says is not None and expected.says not in looked_at.explanation:
        yield f"the explanation is {looked_at.explanation!r}, without {expected.says!r}"


def _told_apart(pairs: Sequence[tuple[str, object, object]]) -> Iterator[str]:
    """What is (name, expected, shown) and differs; None is not compared."""
    for name, wanted, found in pairs:
        if wanted is not None and wanted != found:
            yield f"{name} is {found}, not {wanted}"


def _compare_tower(
    expected: Expectation, shown: Indication, sounded: Sequence[float]
) -> Iterator[tuple[str, object, object]]:
    wanted = expected.lamps
    lamps = dict.fromkeys(Colour, Pattern.OFF) if isinstance(wanted, str) else wanted
    for colour, pattern in lamps.items():
        yield f"lamp {colour}", pattern, shown.light(colour).pattern
    if expected.sounds is not None:
        until = float(expected.at)
        begun = sum(until - SOUNDS_WITHIN < at <= until for at in sounded)
        yield "sounds", expected.sounds, begun


def _compare_dead(
    expected: Expectation, shown: Indication, sounded: Sequence[float]
) -> Iterator[str]:
    """Of a dead beacon there is the tower, and nothing else to compare."""
    yield from _told_apart(list(_compare_tower(expected, shown, sounded)))
    tower = Expectation(
        at=expected.at, lamps=expected.lamps, sounds=expected.sounds, service=expected.service
    )
    if expected != tower:
        yield "the beacon is dead: only lamps and sounds can be expected"


def _compare_incident(
    expected: Expectation, incident: IncidentView | None
) -> Iterator[tuple[str, object, object]]:
    state = incident.state if incident else IncidentState.NONE
    if state is IncidentState.CLOSED and expected.incident is IncidentState.NONE:
        state = IncidentState.NONE  # what is closed is there no more
    yield "incident", expected.incident, state
    yield "peak", expected.peak, incident.peak if incident else None
    lead = incident.vendor_lead if incident else None
    yield "vendor_lead", expected.vendor_lead, None if lead is None else Offset(lead)


# --- telling it -------------------------------------------------------------------


def main(
    paths: Sequence[Path],
    *,
    as_json: bool = False,
    speed: float | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    wait: Callable[[float], object] = time.sleep,
    show: Callable[[Sequence[Signal]], object] = lambda _: None,
) -> int:
    """Play the files, and every script in a directory, one after another.

    `speed` is replayed seconds for each real one; None: all at once, `wait` sleeps.
    `show` is handed what the tower shows and sounds, as it is told.
    Returns 0 all hold, 1 not, 78 a file that cannot be used.
    """
    out, err = out or sys.stdout, err or sys.stderr
    width = shutil.get_terminal_size().columns if out.isatty() else None
    teller = TimelinePrinter(
        out, colour=coloured(out, environ), width=width, speed=speed, wait=wait, show=show
    )
    status = 0
    for path in _scripts(paths):
        try:
            replayed = replay_file(path, environ)
        except ConfigError as error:
            for problem in error.problems:
                print(problem, file=err)
            return 78
        if as_json:
            print(_json(replayed), file=out)
        else:
            teller.tell(replayed)
        for failure in replayed.failures:
            print(failure, file=err)
        status = status or int(bool(replayed.failures))
    return status


def _scripts(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else (path,)


def _json(replayed: Replayed) -> str:
    return json.dumps(
        {
            "title": replayed.title,
            "start": replayed.start.isoformat(),
            "timeline": [asdict(entry) for entry in replayed.entries],
            "failures": list(replayed.failures),
        }
    )
