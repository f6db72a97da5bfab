"""Plays scripts through the same core that judges live: `beacon replay FILE…`.

A script says what every endpoint read and what operators did, at times relative to its start.
The core judges it, the timeline is printed, and each expectation that does not hold is reported
with its place in the file.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from beacon.config.problems import ConfigError
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
from beacon.core.indication import Colour, Indication, Pattern
from beacon.core.model import Verdict
from beacon.core.views import IncidentView, OverlayKind, ServiceView
from beacon.replay.expect import compare, compare_dead
from beacon.replay.load import Scene, read_scene
from beacon.replay.script import Line
from beacon.replay.simulation import Simulation
from beacon.replay.timeline import (
    Replayed,
    Signal,
    TimelineEntry,
    TimelinePrinter,
    coloured,
    relative,
)


def replay_file(path: Path, environ: Mapping[str, str]) -> Replayed:
    """Play one script. Raises `ConfigError` with every problem in it."""
    return play(read_scene(path, environ))


class _Shown:
    """What people could see and hear so far."""

    def __init__(self) -> None:
        self.entries: list[TimelineEntry] = []
        self.sounded: list[float] = []
        self.verdicts: list[tuple[float, str, Verdict]] = []
        self.signals: list[Signal] = []
        self.closed: list[IncidentView] = []
        self._verdicts: dict[str, Verdict] = {}
        self._overlays: set[OverlayKind] = set()

    def die(self, at: float, left_lit: Indication) -> None:
        """The beacon is killed: only these lamps stay lit."""
        self.entries.append(TimelineEntry(at, "tower", describe(left_lit)))
        self.signals.append(IndicationChanged(at, left_lit))
        self._verdicts.clear()

    def take(self, effects: Iterable[Effect]) -> None:
        """Note what these effects show."""
        for effect in effects:
            if isinstance(effect, Signal):
                self.signals.append(effect)
            if described := self._describe(effect):
                self.entries.append(TimelineEntry(effect.at, *described))

    def _describe(self, effect: Effect) -> tuple[str, str] | None:
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
                text = self._operated(effect)
                return None if text is None else ("told", text)

    def _operated(self, effect: Effect) -> str | None:
        """Refused commands, and overlays that begin or end."""
        if isinstance(effect, Answered) and not effect.ok:
            return f"{effect.command} by {effect.by} is refused: {effect.error}"
        if not isinstance(effect, OverlaysChanged):
            return None
        active = [f"{overlay.subject} by {overlay.by}" for overlay in effect.overlays]
        if not active and effect.kind not in self._overlays:
            return None
        (self._overlays.add if active else self._overlays.discard)(effect.kind)
        return f"{effect.kind}: {', '.join(active) or 'ended'}"

    def _verdict(self, at: float, service: ServiceView) -> tuple[str, str] | None:
        if self._verdicts.get(service.id) is service.verdict:
            return None
        self._verdicts[service.id] = service.verdict
        self.verdicts.append((at, service.id, service.verdict))
        marks = [
            mark
            for mark, applies in (
                ("partial", service.partial),
                ("starting", service.starting),
                ("vendor says fine", service.vendor_says_fine),
            )
            if applies
        ]
        marked = f" ({', '.join(marks)})" if marks else ""
        explained = service.explanation and service.verdict is not Verdict.OK
        why = f": {service.explanation}" if explained else ""
        return "verdict", f"{service.id} is {service.verdict}{marked}{why}"


def _announced(effect: Announced) -> str:
    number = f" incident {effect.incident.number}" if effect.incident else ""
    cause = f", cause: {effect.cause}" if effect.cause else ""
    by = f" by {effect.by}" if effect.by else ""
    return f"{effect.what}{number}{by}: {effect.service}{cause}"


def describe(indication: Indication) -> str:
    """Return in words what is lit: "red fast, amber fast (antiphase)"."""
    lit = [
        f"{colour} {light.pattern}" + (" (antiphase)" if light.antiphase else "")
        for colour in Colour
        if (light := indication.light(colour)).pattern is not Pattern.OFF
    ]
    flags = [f"flag {flag}" for flag in indication.flags]
    return ", ".join(lit + flags) or "dark"


class _Playing:
    """One script while it is played; the beacon may be killed and started again."""

    def __init__(self, scene: Scene, lot: int) -> None:
        begin, _ = scene.span
        self.shown, self.dead = _Shown(), False
        self.simulation = Simulation(scene.site, begin, scene.readings, scene.events, lot)
        self._downtimes, self._left_lit = list(scene.downtimes), scene.left_lit
        self.shown.take(self.simulation.start())
        self.shown.entries.clear()  # nothing was read yet
        self.shown.take(self.simulation.run(begin + scene.warm_up / 2))
        self.shown.entries = [entry for entry in self.shown.entries if entry.what != "endpoint"]

    def until(self, at: float) -> None:
        """Let time pass."""
        while self._downtimes and self._downtimes[0][0] <= at:
            killed, back = self._downtimes[0]
            if not self.dead:
                self.shown.take(self.simulation.run(killed))
                self.shown.die(killed, self._left_lit)
            self.dead = back > at
            if self.dead:
                return
            self.shown.entries.append(TimelineEntry(back, "script", "the beacon starts again"))
            self.shown.take(self.simulation.restart(back - killed))
            del self._downtimes[0]
        self.shown.take(self.simulation.run(at))


def play(scene: Scene, lot: int = 0) -> Replayed:
    """Let the core judge a script's readings, and compare what it shows with `expect`.

    `lot` decides by chance to which readings a `share` applies: `expect` is written for lot 0.
    """
    document, script = scene.document, scene.script
    _, end = scene.span
    playing = _Playing(scene, lot)
    shown = playing.shown
    failures: list[str] = []
    order = sorted(range(len(script.expect)), key=lambda n: script.expect[n].at)
    for number in order:
        expectation = script.expect[number]
        playing.until(float(expectation.at))
        place = document.spot(("expect", number)).place
        if playing.dead:
            wrong = compare_dead(expectation, scene.left_lit, shown.sounded)
        else:
            view = playing.simulation.monitor.view()
            wrong = compare(expectation, view, shown.sounded, shown.closed)
        failures += [f"{place}: expect[{number}]: {each}" for each in wrong]
    playing.until(end)
    lines = [TimelineEntry(float(e.at), "script", _text(e)) for e in script.events]
    entries = sorted([*lines, *shown.entries], key=lambda entry: entry.at)
    return Replayed(
        script.title,
        script.start.utc,
        tuple(entries),
        tuple(failures),
        tuple(shown.verdicts),
        tuple(shown.signals),
    )


def _text(line: Line) -> str:
    """Say in words what a line of the script does."""
    if line.restart is not None:
        return f"the beacon dies, and is back after {relative(line.restart.after)[1:]}"
    if line.operator is not None:
        words = [line.operator, line.service, None if line.on else "off"]
        return f"{line.by}: {' '.join(word for word in words if word)}"
    if line.clock_set is not None:
        return f"our clock is set {_span(line.clock_set, 'forward', 'back')}"
    if line.clock is not None:
        return f"our clock: {line.clock.value.replace('_', ' ')}"
    if line.control is not None:
        return f"{line.endpoint}: a wrong code is {line.control}"
    word = line.passes or line.warn or line.fail or line.error or "silence"
    took = f" after {line.latency:g} s" if line.latency else ""
    share = f", {100 * line.share:.3g} % of its readings" if line.share < 1 else ""
    modelled = " [modelled]" if line.modelled else ""
    offset, unnamed = line.clock_offset, " (our resolver is silent)" * (line.resolver is False)
    clock = "" if offset is None else f", our clock is {_span(offset, 'behind', 'ahead')}"
    return f"{line.endpoint} reads {word}{took}{unnamed}{clock}{share}{modelled}"


def _span(seconds: float, forward: str, back: str) -> str:
    return f"{timedelta(seconds=abs(seconds))} {forward if seconds >= 0 else back}"


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

    `speed`: replayed seconds for each real one; None: all at once. `wait` sleeps. `show` gets
    what the tower shows and sounds at each moment. Returns 0 if every expectation holds, 1 if
    not, 78 for a file that cannot be used.
    """
    out, err = out or sys.stdout, err or sys.stderr
    width = shutil.get_terminal_size().columns if out.isatty() else None
    printer = TimelinePrinter(
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
            printer.print(replayed)
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
