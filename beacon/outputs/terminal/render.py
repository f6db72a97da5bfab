"""The picture of the tower, the services and the incident; it fits any console. Needs rich."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from beacon.core.effects import (
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    ServiceChanged,
)
from beacon.core.indication import DARK, Colour, levels, patterns
from beacon.core.model import Endpoint, Outcome, Service, Verdict
from beacon.core.views import EndpointRead, IncidentView, OverlayKind, SilenceChanged
from beacon.outputs.terminal.screen import HEALTH_MARKS, VERDICT_MARKS, TerminalScreen, spaced

_RING: Final = 3.0  # seconds a sound stays on the screen
_NARROW: Final = 64  # columns below which the tower stands above the services

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
_OVERLAY: Final = "#3d9dff"
_OVERLAID: Final = {
    OverlayKind.MAINTENANCE: "maintenance",
    OverlayKind.SHELVE: "shelved",
    OverlayKind.BYPASS: "bypass",
    OverlayKind.DRILL: "drill",
    OverlayKind.BREAK_GLASS: "break-glass account used",
}


class Picture:
    """A view at monotonic `at`, laid out when the console's size is known."""

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
        free = (options.height or console.height) - sum(used)
        yield Group(*parts, *_events(view, free), *caption)


def _header(view: TerminalScreen, at: float) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    title = Text.assemble(("MFA beacon", "bold"), f"  {view.site.name or view.site.id}")
    if (changed := view.latest.of(OverallChanged)) is not None:
        title.append_text(_verdict(changed.overall.verdict))
    ringing = view.sound is not None and 0 <= at - view.sound.at < _RING
    if ringing and view.sound is not None:
        title.append(f"   ♪ {spaced(view.sound.sound)}", "bold")
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
    changed = view.latest.of(IndicationChanged)
    indication = changed.indication if changed is not None and view.judged else DARK
    lit_now, words = levels(indication, at), patterns(indication, at)
    tower = Text("  ▗▄▄▄▄▄▄▖\n" if tall else "", "#888888")
    for colour in view.lamps:
        lit = lit_now[colour]
        block = "██████" if lit else "░░░░░░"
        lamp = Text.assemble(("  ▐", "#888888"), (block, (_LIT if lit else _DARK)[colour]),
                             ("▌", "#888888"))  # fmt: skip
        word = words[colour]
        label = Text(f" {colour:<6}{word:<6}", "bold" if word != "off" else "#888888")
        tower.append_text(lamp).append_text(label).append("\n")
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
        parts += [_witnesses(view), _endpoints(view, view.site.witnesses)]
    return Group(*parts)


def _service(view: TerminalScreen, service: Service, at: float) -> Text:
    changed, overall = view.latest.of(ServiceChanged, service.id), view.latest.of(OverallChanged)
    text = Text.assemble((service.name, "bold"))
    if changed is None:
        return text.append("  waiting for the first reading", "#888888")
    judged = changed.service
    text.append_text(_verdict(judged.verdict))
    if overall is not None and overall.overall.first_out == service.id:
        text.append("  first-out", "bold")
    text.append(f"  for {_age(at - judged.since)}", "#aaaaaa")
    if judged.cause:
        text.append(f"  cause: {judged.cause}")
    if judged.explanation:
        text.append(f"\n{judged.explanation}")
    return text


def _verdict(verdict: Verdict) -> Text:
    mark, style = VERDICT_MARKS[verdict]
    return Text.assemble((f"  {mark} {spaced(verdict).upper()}", style))


def _witnesses(view: TerminalScreen) -> Text:
    text = Text.assemble(("Our own eyes", "bold"))
    if (changed := view.latest.of(OverallChanged)) is not None:
        overall = changed.overall
        text.append(f"  network {overall.network}, clock {overall.clock}", "#aaaaaa")
        if overall.storage_degraded:
            text.append(", storage degraded", "#ffb000")
    return text


def _endpoints(view: TerminalScreen, endpoints: Sequence[Endpoint]) -> RenderableType:
    return Columns([_endpoint(view, endpoint) for endpoint in endpoints], padding=(0, 3))


def _endpoint(view: TerminalScreen, endpoint: Endpoint) -> Text:
    read = view.latest.of(EndpointRead, endpoint.id)
    if read is None:
        return Text(f"· {endpoint.name}", "#888888")
    mark, style = HEALTH_MARKS[read.health]
    text = Text.assemble((f"{mark} ", style), endpoint.name)
    reading = read.reading
    if reading.outcome is not Outcome.PASS:
        text.append(f" {spaced(reading.reason)}", style)
    elif reading.latency is not None:
        text.append(f" {_latency(reading.latency)}", "#888888")
    return text


def _incident(view: TerminalScreen, at: float) -> Text:
    changed = view.latest.of(IncidentChanged)
    if changed is None or (incident := changed.incident) is None:
        return Text("No incident is open.", "#888888")
    _, style = VERDICT_MARKS[incident.verdict]
    began = view.epoch + timedelta(seconds=incident.since + 0.5)
    title = f"Incident {incident.number}: {view.service_name(incident.service)}"
    text = Text.assemble((title, style))
    text.append(f" {incident.state} since {began:%H:%M:%S} ({_age(at - incident.since)})", style)
    for part in _particulars(incident, changed.others):
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
    silence = view.latest.of(SilenceChanged)
    if silence is not None and silence.on and silence.until is not None:
        why = f": {silence.reason}" if silence.reason else ""
        yield Text(f"■ silence · until {_moment(view, silence.until, at)} · by {silence.by}{why}")


def _overlays(view: TerminalScreen, at: float) -> Iterator[Text]:
    """One line for all overlays of the same end, operator and reason."""
    for kind in OverlayKind:
        changed = view.latest.of(OverlaysChanged, kind)
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
            subjects = ", ".join(map(spaced, names_of))
            yield Text(f"■ {_OVERLAID[kind]}: {subjects}{ends} · by {by}{why}", _OVERLAY)


def _moment(view: TerminalScreen, moment: float, at: float) -> str:
    """A time of day, to the nearest second, with its day if that is not today."""
    when = view.epoch + timedelta(seconds=moment + 0.5)
    today = (view.epoch + timedelta(seconds=at)).date() == when.date()
    return f"{when:%H:%M:%S} UTC" if today else f"{when:%a %d %b %H:%M:%S} UTC"


def _events(view: TerminalScreen, free: int) -> list[Text]:
    lines: list[Text] = []
    for at, text, style in sorted(view.log, key=lambda line: line[0])[-max(free, 1) :]:
        stamp = f"{view.epoch + timedelta(seconds=at):%H:%M:%S}  "
        lines.append(
            Text.assemble((stamp, "#888888"), (text, style), no_wrap=True, overflow="ellipsis")
        )
    return lines


def _latency(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
