"""The tower drawn in a terminal: for machines without one, and to see why a lamp burns.

`TerminalScreen` gathers effects, `draw` makes a picture of a view at a moment, and `TerminalTower`
is the output that shows it, ten times a second. Import this module only where it is used:
it brings rich.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from beacon.config.schema import Tower
from beacon.core.effects import (
    Announced,
    Effect,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.model import Endpoint, Health, Outcome, Service, Site, Verdict
from beacon.core.tower.indication import DARK, Colour, levels, patterns
from beacon.core.views import (
    EndpointRead,
    IncidentView,
    OverallView,
    OverlayKind,
    ServiceView,
    SilenceChanged,
)
from beacon.engine.clock import Clock, utc_at
from beacon.engine.output import Heartbeat

_log = logging.getLogger(__name__)

_FRAME: Final = 0.1
_RING: Final = 3.0  # seconds a sound stays on the screen
_NARROW: Final = 64  # columns below which the tower stands above the services
_LOG_KEPT: Final = 50

_LIT: Final = {
    Colour.RED: "#ff4136",
    Colour.AMBER: "#ffb000",
    Colour.GREEN: "#2ecc40",
    Colour.BLUE: "#3d9dff",
    Colour.WHITE: "#ffffff",
}
_DARK: Final = {
    Colour.RED: "#5c1d19",
    Colour.AMBER: "#5c4310",
    Colour.GREEN: "#174d1e",
    Colour.BLUE: "#1b3a5c",
    Colour.WHITE: "#4a4a4a",
}
_VERDICT: Final = {
    Verdict.OK: ("✓", "#2ecc40"),
    Verdict.ADVISORY: ("!", "#ffb000"),
    Verdict.DEGRADED: ("▲", "bold #ffb000"),
    Verdict.RECOVERING: ("↗", "#ffb000"),
    Verdict.OUTAGE: ("✗", "bold #ff4136"),
    Verdict.GRAY_FAILURE: ("✗", "bold #ff4136"),
    Verdict.BLIND: ("?", "bold #ffffff"),
}
_OVERLAY: Final = "#3d9dff"
_OVERLAID: Final = {
    OverlayKind.MAINTENANCE: "maintenance",
    OverlayKind.SHELVE: "shelved",
    OverlayKind.BYPASS: "bypass",
    OverlayKind.DRILL: "drill",
    OverlayKind.BREAK_GLASS: "break-glass account used",
}
_HEALTH: Final = {
    Health.UP: ("●", "#2ecc40"),
    Health.DEGRADED: ("▲", "#ffb000"),
    Health.DOWN: ("✗", "#ff4136"),
    Health.UNKNOWN: ("?", "#aaaaaa"),
}


class TerminalScreen:
    """What the picture is made of: the last word on each thing, and the last events.

    `epoch` is the wall time that belongs to monotonic 0, `caption` a line for whoever
    tells a story with the picture, `judged` false once the judge's heart has stopped.
    """

    def __init__(self, site: Site, lamps: Sequence[Colour], epoch: datetime) -> None:
        self.site, self.lamps, self.epoch = site, tuple(lamps), epoch
        self.caption = ""
        self.judged = True
        self.indication = DARK
        self.overall: OverallView | None = None
        self.services: dict[str, ServiceView] = {}
        self.readings: dict[str, EndpointRead] = {}
        self.overlays: dict[OverlayKind, OverlaysChanged] = {}
        self.silence: SilenceChanged | None = None
        self.incident: IncidentView | None = None
        self.others = 0
        self.sound: Sounded | None = None
        self.log: deque[tuple[float, str, str]] = deque(maxlen=_LOG_KEPT)
        self._names = {service.id: service.name for service in site.services}
        self._names |= {item.id: item.name for item in site.attest}

    def take(self, effect: Effect) -> None:
        """Take one effect in; effects that draw nothing are ignored."""
        match effect:
            case ServiceChanged(service=service):
                self.services[service.id] = service
            case OverallChanged(overall=overall):
                self.overall = overall
            case IncidentChanged(incident=incident, others=others):
                self.incident, self.others = incident, others
            case OverlaysChanged(kind=kind):
                self.overlays[kind] = effect
            case SilenceChanged():
                self.silence = effect if effect.on else None
            case EndpointRead(endpoint=endpoint):
                self.readings[endpoint] = effect
            case IndicationChanged(indication=indication):
                self.indication = indication
            case _:
                self._happened(effect)

    def _happened(self, effect: Effect) -> None:
        """Take in what also has its line under the picture."""
        match effect:
            case Sounded(at=at, sound=sound):
                self.sound = effect
                self.note(at, f"♪ {_words(sound)}", "bold")
            case Transition():
                self._transition(effect)
            case Announced():
                self._announced(effect)

    def note(self, at: float, text: str, style: str = "") -> None:
        """Write one line under the picture. Any thread may call this."""
        self.log.append((at, text, style))

    def service_name(self, service: str) -> str:
        """The name people gave a service, or something they attest."""
        return self._names.get(service, service)

    def _transition(self, effect: Transition) -> None:
        mark, style = _HEALTH[effect.now]
        because = _words(effect.because.reason)
        because += f", {effect.because.detail}" if effect.because.detail else ""
        self.note(effect.at, f"{mark} {effect.endpoint} is {effect.now}: {because}", style)

    def _announced(self, effect: Announced) -> None:
        mark, style = _VERDICT[effect.verdict]
        line = f"{mark} {_words(effect.what)}: {self.service_name(effect.service)}"
        line += f", {_words(effect.verdict)}"
        line += f", cause: {effect.cause}" if effect.cause else ""
        line += f", by {effect.by}" if effect.by else ""
        self.note(effect.at, line, style)


def draw(view: TerminalScreen, at: float) -> RenderableType:
    """Make the picture of a view at monotonic `at`; it fits itself to its console's width."""
    return _Picture(view, at)


class _Picture:
    """One moment, laid out when the console's size is known."""

    def __init__(self, view: TerminalScreen, at: float) -> None:
        self.view, self.at = view, at

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, at = self.view, self.at
        wide = options.max_width >= _NARROW
        parts: list[RenderableType] = [_header(view, at), Text(), _body(view, at, wide=wide)]
        parts += [
            Text(),
            _incident(view, at),
            *_overlays(view, at),
            *_silence(view, at),
            Rule(style="#666666"),
        ]
        caption: list[RenderableType] = []
        if view.caption:
            caption = [Rule(style="#666666"), Text(view.caption, "bold")]
        used = (len(console.render_lines(part, options, pad=False)) for part in (*parts, *caption))
        room = (options.height or console.height) - sum(used)
        yield Group(*parts, *_events(view, room), *caption)


def _header(view: TerminalScreen, at: float) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    title = Text.assemble(("MFA beacon", "bold"), f"  {view.site.name or view.site.id}")
    if view.overall is not None:
        title.append_text(_verdict(view.overall.verdict))
    ringing = view.sound is not None and 0 <= at - view.sound.at < _RING
    if ringing and view.sound is not None:
        title.append(f"   ♪ {_words(view.sound.sound)}", "bold")
    head.add_row(title, f"{view.epoch + timedelta(seconds=at):%H:%M:%S} UTC")
    return head


def _body(view: TerminalScreen, at: float, *, wide: bool) -> RenderableType:
    if not wide:
        return Group(_tower(view, at, tall=False), Text(), _services(view, at))
    body = Table.grid(padding=(0, 2), expand=True)
    body.add_column(no_wrap=True)
    body.add_column(ratio=1)
    body.add_row(_tower(view, at, tall=True), _services(view, at))
    return body


def _tower(view: TerminalScreen, at: float, *, tall: bool) -> Text:
    indication = view.indication if view.judged else DARK
    burning, words = levels(indication, at), patterns(indication, at)
    tower = Text("  ▗▄▄▄▄▄▄▖\n" if tall else "", "#888888")
    for colour in view.lamps:
        lit = burning[colour]
        block = "██████" if lit else "░░░░░░"
        lamp = Text.assemble(("  ▐", "#888888"), (block, (_LIT if lit else _DARK)[colour]),
                             ("▌", "#888888"))  # fmt: skip
        word = words[colour]
        told = Text(f" {colour:<6}{word:<6}", "bold" if word != "off" else "#888888")
        tower.append_text(lamp).append_text(told).append("\n")
        if tall:
            tower.append_text(lamp).append("\n")
    if tall:
        tower.append("  ▝▀▀▜▛▀▀▘\n     ▐▌\n   ▄▄▟▙▄▄\n", "#888888")
    if not view.judged:
        tower.append("  no judge: dark\n", "bold")
    tower.rstrip()
    return tower


def _services(view: TerminalScreen, at: float) -> RenderableType:
    parts: list[RenderableType] = []
    for service in view.site.services:
        parts += [_service(view, service, at), _endpoints(view, service.endpoints), Text()]
    if view.site.witnesses:
        parts += [_eyes(view), _endpoints(view, view.site.witnesses)]
    return Group(*parts)


def _service(view: TerminalScreen, service: Service, at: float) -> Text:
    judged = view.services.get(service.id)
    text = Text.assemble((service.name, "bold"))
    if judged is None:
        return text.append("  waiting for the first reading", "#888888")
    text.append_text(_verdict(judged.verdict))
    if view.overall is not None and view.overall.first_out == service.id:
        text.append("  first-out", "bold")
    text.append(f"  for {_age(at - judged.since)}", "#aaaaaa")
    if judged.cause:
        text.append(f"  cause: {judged.cause}")
    if judged.explanation:
        text.append(f"\n{judged.explanation}")
    return text


def _verdict(verdict: Verdict) -> Text:
    mark, style = _VERDICT[verdict]
    return Text.assemble((f"  {mark} {_words(verdict).upper()}", style))


def _eyes(view: TerminalScreen) -> Text:
    text = Text.assemble(("Our own eyes", "bold"))
    if view.overall is not None:
        text.append(f"  network {view.overall.network}, clock {view.overall.clock}", "#aaaaaa")
        if view.overall.storage_degraded:
            text.append(", storage degraded", "#ffb000")
    return text


def _endpoints(view: TerminalScreen, endpoints: Sequence[Endpoint]) -> RenderableType:
    return Columns([_endpoint(view, endpoint) for endpoint in endpoints], padding=(0, 3))


def _endpoint(view: TerminalScreen, endpoint: Endpoint) -> Text:
    read = view.readings.get(endpoint.id)
    if read is None:
        return Text(f"· {endpoint.name}", "#888888")
    mark, style = _HEALTH[read.health]
    text = Text.assemble((f"{mark} ", style), endpoint.name)
    reading = read.reading
    if reading.outcome is not Outcome.PASS:
        text.append(f" {_words(reading.reason)}", style)
    elif reading.latency is not None:
        text.append(f" {_latency(reading.latency)}", "#888888")
    return text


def _incident(view: TerminalScreen, at: float) -> Text:
    incident = view.incident
    if incident is None:
        return Text("No incident is open.", "#888888")
    _, style = _VERDICT[incident.verdict]
    began = view.epoch + timedelta(seconds=incident.since)
    title = f"Incident {incident.number}: {view.service_name(incident.service)}"
    text = Text.assemble((title, style))
    text.append(f" {incident.state} since {began:%H:%M:%S} ({_age(at - incident.since)})", style)
    for part in _particulars(incident, view.others):
        text.append(f" · {part}")
    return text


def _particulars(incident: IncidentView, others: int) -> Iterator[str]:
    yield f"first out: {incident.first_out}"
    if not incident.acknowledged:
        yield "not acknowledged"
    elif incident.acknowledged_by:
        yield f"acknowledged by {incident.acknowledged_by}"
    if incident.vendor_lead is not None:
        yield f"{_age(incident.vendor_lead)} before the vendor"
    if others:
        yield f"and {others} more"


def _silence(view: TerminalScreen, at: float) -> Iterator[Text]:
    silence = view.silence
    if silence is not None and silence.until is not None:
        why = f": {silence.reason}" if silence.reason else ""
        yield Text(f"■ silence · until {_moment(view, silence.until, at)} · by {silence.by}{why}")


def _overlays(view: TerminalScreen, at: float) -> Iterator[Text]:
    """What operators have laid on, one line for all that came with the same word."""
    for kind in OverlayKind:
        changed = view.overlays.get(kind)
        if changed is None:
            continue
        if changed.overdue:
            names = ", ".join(view.service_name(item) for item in changed.overdue)
            yield Text(f"■ attestation overdue: {names}", _OVERLAY)
        if kind is OverlayKind.ATTEST:
            continue
        together: dict[tuple[float | None, str, str], list[str]] = {}
        for laid in changed.overlays:
            word = (laid.until, laid.by, laid.reason)
            together.setdefault(word, []).append(view.service_name(laid.subject))
        for (until, by, reason), names_of in together.items():
            ends = "" if until is None else f" · until {_moment(view, until, at)}"
            why = f": {reason}" if reason else ""
            subjects = ", ".join(map(_words, names_of))
            yield Text(f"■ {_OVERLAID[kind]}: {subjects}{ends} · by {by}{why}", _OVERLAY)


def _moment(view: TerminalScreen, moment: float, at: float) -> str:
    """A time of day, to the nearest second, with its day if that is not today."""
    told = view.epoch + timedelta(seconds=moment + 0.5)
    today = (view.epoch + timedelta(seconds=at)).date() == told.date()
    return f"{told:%H:%M:%S} UTC" if today else f"{told:%a %d %b %H:%M:%S} UTC"


def _events(view: TerminalScreen, room: int) -> list[Text]:
    lines: list[Text] = []
    for at, text, style in sorted(view.log, key=lambda line: line[0])[-max(room, 1) :]:
        stamp = f"{view.epoch + timedelta(seconds=at):%H:%M:%S}  "
        lines.append(
            Text.assemble((stamp, "#888888"), (text, style), no_wrap=True, overflow="ellipsis")
        )
    return lines


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _latency(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class TerminalTower:
    """The output that shows the picture on a console, and gives the console back at the end.

    Its lamps are dark while `judge` does not beat: a picture must not lie either.
    """

    name = "terminal"

    def __init__(
        self,
        site: Site,
        tower: Tower,
        clock: Clock,
        judge: Heartbeat,
        console: Console | None = None,
    ) -> None:
        self._clock, self._judge = clock, judge
        self._console = console or Console()
        lamps = [colour for colour in Colour if colour in tower.lamps]
        self._view = TerminalScreen(site, lamps, datetime.now(UTC))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Take over the terminal."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Take effects in; the picture follows within a tenth of a second."""
        for effect in effects:
            self._view.take(effect)

    def note(self, text: str) -> None:
        """Show one line among the events. Any thread may call this."""
        self._view.note(self._clock.monotonic(), text)

    def caption(self, text: str) -> None:
        """Show this line under the picture until the next. Any thread may call this."""
        self._view.caption = text

    def stop(self, budget: float) -> None:
        """Give the terminal back as it was."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(budget)

    def picture(self) -> RenderableType:
        """The picture as it is now."""
        self._view.epoch = utc_at(self._clock, 0.0)
        self._view.judged = self._judge.beating
        return draw(self._view, self._clock.monotonic())

    def _run(self) -> None:
        screen = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with screen:
                while not self._ending.wait(_FRAME):
                    screen.update(self.picture(), refresh=True)
        except Exception:  # noqa: BLE001 - the border: a picture never costs a lamp
            _log.exception("the terminal can no longer be drawn")
