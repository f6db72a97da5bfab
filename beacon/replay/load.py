"""Reads a replay file and checks it as a whole, before anything is played.

A YAML file comes in; a `Scene` goes out, or `ConfigError` with every problem and its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from beacon import probes
from beacon.config.loader import YamlDocument, load_embedded, read
from beacon.config.schema import Config
from beacon.core.indication import DARK, Indication, Light, Pattern
from beacon.core.inputs import ClockStepped, ClockSynchronised, DateImplausible, Event
from beacon.core.model import (
    BreakGlassUse,
    ClockSeen,
    Moment,
    Outcome,
    Reading,
    Reason,
    Site,
)
from beacon.core.operator.commands import LampTest, Refusal, parse
from beacon.engine.calendar.hour_watch import HourWatch
from beacon.engine.calendar.quiet_hours import QuietHoursWatch
from beacon.engine.calendar.windows import WeeklyWindow, WindowsWatch
from beacon.engine.clock import ManualClock
from beacon.engine.loop import Poll
from beacon.replay.script import LONGEST, ClockWord, Line, Script
from beacon.replay.simulation import ScriptedReading
from beacon.replay.timeline import relative

WARM_UP: Final = 2.0
"""The time before the first line in which every endpoint passes, in longest intervals."""

LONG_AGO: Final = "1970-01-01"
"""A script's dates are right, also those before this beacon was built."""

LinePath = tuple[str | int, ...]
"""Where a line stands in the file."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A script that was read and checked, ready to be played.

    `downtimes`: when the beacon is killed and when it is back. `left_lit`: the lamps meanwhile.
    """

    document: YamlDocument
    script: Script
    site: Site
    readings: tuple[ScriptedReading, ...]
    events: tuple[Event, ...]
    downtimes: tuple[tuple[float, float], ...] = ()
    left_lit: Indication = DARK

    @property
    def warm_up(self) -> float:
        """Seconds before the first line in which every endpoint passes."""
        if self.script.boot:
            return 0.0
        return WARM_UP * max((e.interval for e in self.site.endpoints), default=0.0)

    @property
    def span(self) -> tuple[float, float]:
        """When it begins, warm-up included, and when it ends."""
        times = [0.0, *(e.at for e in self.script.events), *(e.at for e in self.script.expect)]
        return min(times) - self.warm_up, max([*times, *(back for _, back in self.downtimes)])

    @property
    def uptimes(self) -> Iterator[tuple[float, float]]:
        """The times in which the beacon runs."""
        begin, end = self.span
        for killed, back in self.downtimes:
            yield begin, killed
            begin = back
        yield begin, end


def read_scene(path: Path, environ: Mapping[str, str]) -> Scene:
    """Read one script. Raises `ConfigError` with every problem in it."""
    document = read(path, environ=environ)
    script = document.build(Script)
    config = load_embedded(document, ("config",), registry=probes)
    if script is not None and config is not None:
        downtimes = _downtimes(document, script)
        readings, events = _events(document, script, config.watched)
    document.check()
    assert script is not None, "whatever could not be read is a problem"
    assert config is not None, "whatever could not be read is a problem"
    left_lit: dict[str, Any] = {each.value: Light(Pattern.STEADY) for each in config.tower.on_death}
    scene = Scene(
        document,
        script,
        config.watched,
        tuple(readings),
        tuple(events),
        tuple(downtimes),
        Indication(**left_lit),
    )
    calendar = (
        event for uptime in scene.uptimes for event in _calendar(config, script.start.utc, *uptime)
    )
    return replace(scene, events=(*calendar, *scene.events))


def _events(
    document: YamlDocument, script: Script, site: Site
) -> tuple[list[ScriptedReading], list[Event]]:
    """Sort the lines of `events` into what endpoints read and what else happens."""
    known = {e.id for e in site.endpoints}
    readings: list[ScriptedReading] = []
    events: list[Event] = []
    for number, line in enumerate(script.events):
        at: LinePath = ("events", number)
        subjects = (line.endpoint, line.operator, line.clock, line.clock_set, line.restart)
        if sum(subject is not None for subject in subjects) != 1:
            allowed = "endpoint: id, operator: action, clock: word, clock_set: time, or restart: …"
            document.refuse(at, "one of endpoint, operator, clock, clock_set and restart", allowed)
        elif line.clock is not None or line.clock_set is not None:
            events.append(_clock_event(line))
        elif line.restart is not None:
            pass  # `_downtimes` reads it
        elif line.operator is not None:
            events += _operator_event(document, at, line, site)
        elif line.endpoint not in known:
            allowed = "one of " + ", ".join(sorted(known))
            document.refuse((*at, "endpoint"), f"unknown endpoint {line.endpoint!r}", allowed)
        else:
            readings += _reading(document, at, line)
    return readings, events


def _downtimes(document: YamlDocument, script: Script) -> list[tuple[float, float]]:
    """When the beacon is killed and when it is back. It takes no commands in between."""
    downtimes: list[tuple[float, float]] = []
    for number, line in sorted(enumerate(script.events), key=lambda each: each[1].at):
        at, place = float(line.at), ("events", number, "at")
        needs_beacon = line.operator or line.restart
        if needs_beacon and downtimes and at <= downtimes[-1][1]:
            back = relative(downtimes[-1][1])
            document.refuse(place, "the beacon is dead then", f"a time after {back}")
        elif line.restart is not None and line.restart.after > LONGEST:
            after, allowed = ("events", number, "restart", "after"), f"at most {LONGEST / 86400:g}d"
            document.refuse(after, "dead for too long", allowed)
        elif line.restart is not None:
            downtimes.append((at, at + float(line.restart.after)))
    return downtimes


def _operator_event(
    document: YamlDocument, at: LinePath, line: Line, site: Site
) -> Iterator[Event]:
    word = {"unsilence": "silence"}.get(str(line.operator), str(line.operator))
    asked = {
        "on": line.on and line.operator != "unsilence",
        "reason": line.reason,
        "service": line.service,
        "seconds": None if line.lasting is None else float(line.lasting),
        "verdict": line.verdict,
    }
    event = parse(word, asked, at=float(line.at), by=line.by, origin="replay")
    if isinstance(event, LampTest):
        event = Refusal("command", "a replay has no lamps to test")
    if isinstance(event, Refusal):
        place = {"command": "operator", "seconds": "for"}.get(event.field, event.field)
        document.refuse((*at, place), event.message)
        return
    things = site.attest if word == "attest" else site.services
    known = [thing.id for thing in things]
    if line.service is not None and line.service not in known:
        allowed = "one of " + ", ".join(known)
        document.refuse((*at, "service"), f"unknown {line.service!r}", allowed)
        return
    yield event


def _clock_event(line: Line) -> Event:
    at = Moment(float(line.at))
    if line.clock_set is not None:
        return ClockStepped(at, float(line.clock_set))
    if line.clock in (ClockWord.BEFORE_BUILD, ClockWord.PLAUSIBLE):
        return DateImplausible(at, line.clock is ClockWord.BEFORE_BUILD)
    return ClockSynchronised(at, line.clock is ClockWord.SYNCHRONISED)


def _reading(document: YamlDocument, at: LinePath, line: Line) -> Iterator[ScriptedReading]:
    assert line.endpoint is not None, "the caller has checked it"
    if line.control is not None:
        yield ScriptedReading(float(line.at), line.endpoint, None, control=line.control)
        return
    if line.silent:
        yield ScriptedReading(float(line.at), line.endpoint, None)
        return
    reasons = {
        Outcome.PASS: line.passes,
        Outcome.WARN: line.warn,
        Outcome.FAIL: line.fail,
        Outcome.ERROR: line.error,
    }
    given = [(outcome, reason) for outcome, reason in reasons.items() if reason is not None]
    if len(given) != 1:
        document.refuse(at, "one of pass, warn, fail, error, silent, control", "fail: deadline")
        return
    outcome, word = given[0]
    possible = [r for r in Reason if r.outcome is outcome]
    if word not in possible:
        allowed = "one of " + ", ".join(possible)
        document.refuse((*at, outcome.value), f"not a reason to {outcome}: {word!r}", allowed)
        return
    _check_also(document, at, line, outcome)
    offset = line.clock_offset
    reading = Reading(
        Reason(word),
        line.detail,
        line.latency,
        ttl=line.ttl,
        clock=None if offset is None else ClockSeen(float(offset), line.endpoint),
        resolver=line.resolver,
        uses=tuple(BreakGlassUse(f"{line.at}/{name}", name) for name in line.break_glass),
        records=(word, *line.also) if line.also else (),
    )
    yield ScriptedReading(float(line.at), line.endpoint, reading, line.share)


def _check_also(document: YamlDocument, at: LinePath, line: Line, outcome: Outcome) -> None:
    """Refuse what does not fail beside a fail."""
    fails = [reason for reason in Reason if reason.outcome is Outcome.FAIL]
    for number, other in enumerate(line.also):
        if outcome is not Outcome.FAIL or other not in fails:
            text = f"not a reason to fail beside: {other!r}"
            allowed = f"beside fail one of {', '.join(fails)}"
            document.refuse((*at, "also", number), text, allowed)


def _calendar(config: Config, start: datetime, begin: float, end: float) -> Iterator[Event]:
    """Hours that begin between two times; quiet hours and planned windows that begin or end."""
    clock = ManualClock(start + timedelta(seconds=begin), begin)
    windows = (WeeklyWindow(**vars(window)) for window in config.maintenance)
    polls: list[Poll] = [WindowsWatch(clock, windows), HourWatch(clock, LONG_AGO)]
    if config.tower.buzzer is not None and (hours := config.tower.buzzer.quiet_hours):
        polls.append(QuietHoursWatch(clock, hours.begin, hours.end, hours.time_zone))
    while (at := clock.monotonic()) <= end:
        yield from (event for poll in polls if (event := poll(at)) is not None)
        clock.advance(60.0 - clock.utc().timestamp() % 60.0)
