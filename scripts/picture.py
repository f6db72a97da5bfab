"""Draw the story from a real run of the demo, as `make picture` does.

One tower an act, with the lamps flashing as they did: what is drawn is what was published.
"""

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from beacon import probes
from beacon.config.loader import load
from beacon.core.effects import IndicationChanged, OverallChanged
from beacon.core.indication import PERIOD, WINK, WINK_EVERY, Colour, Indication, Pattern
from beacon.engine.clock import SystemClock
from beacon.sandbox.demo import FRAME, STORY, Act, play, staged
from beacon.sandbox.servers import Ports

LIT = {
    Colour.RED: "#ff4136",
    Colour.AMBER: "#ffb000",
    Colour.GREEN: "#2ecc40",
    Colour.BLUE: "#3d9dff",
    Colour.WHITE: "#ffffff",
}
TOWER, LAMP, TOP = 134, 30, 66
WIDTH, HEIGHT = 7 * TOWER + 24, 386
STYLE = f"""
text {{ font-family: system-ui, sans-serif; fill: #c9d1d9; font-size: 11.5px }}
.title {{ font-weight: 600; font-size: 13px; fill: #fff }}
.dim {{ fill: #8b949e }}
.lit {{ filter: drop-shadow(0 0 5px currentColor) }}
.steady {{ animation: wink {WINK_EVERY}s steps(1) infinite }}
.slow {{ animation: flash {PERIOD[Pattern.SLOW]}s steps(1) infinite }}
.fast {{ animation: flash {PERIOD[Pattern.FAST]}s steps(1) infinite }}
.slow.anti {{ animation-delay: -{PERIOD[Pattern.SLOW] / 2}s }}
.fast.anti {{ animation-delay: -{PERIOD[Pattern.FAST] / 2}s }}
@keyframes flash {{ 0% {{ opacity: 1 }} 50% {{ opacity: .08 }} }}
@keyframes wink {{ 0% {{ opacity: .08 }} {100 * WINK / WINK_EVERY:g}% {{ opacity: 1 }} }}
@media (prefers-reduced-motion) {{ .lit {{ animation: none }} }}
"""


@dataclass(frozen=True)
class Seen:
    """What one act came to: seconds since the start, the verdict, the lamps."""

    act: Act
    at: float
    verdict: str
    lamps: Indication


def run(config: Path) -> list[Seen]:
    """Go through the story."""
    clock, found = SystemClock(), []
    settings = load(config, registry=probes, environ=os.environ)
    with staged(settings, Ports(), clock) as stage:
        began = clock.monotonic()

        def seen(act: Act) -> None:
            latest = stage.view.latest
            overall, shown = latest.of(OverallChanged), latest.of(IndicationChanged)
            assert overall is not None
            assert shown is not None
            at = clock.monotonic() - act.stay - began
            found.append(Seen(act, at, str(overall.overall.verdict), shown.indication))

        play(STORY, stage, clock, lambda: time.sleep(FRAME), seen)
    return found


def drawn(story: list[Seen]) -> str:
    """Make the whole picture."""
    towers = "\n".join(line for place, seen in enumerate(story) for line in tower(place, seen))
    title = "The tower in seven acts: " + ", ".join(seen.act.title for seen in story)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#0d1117"/>\n{towers}\n</svg>\n'
    )


def tower(place: int, seen: Seen) -> Iterator[str]:
    """One act: title and time, the lamps, the caption."""
    left = 12 + place * TOWER
    middle = left + TOWER / 2
    yield words(middle, 26, seen.act.title, "title")
    yield words(middle, 44, f"{seen.at:.0f} s", "dim")
    yield f'<path d="M{middle} {TOP + 5 * LAMP} v22 m-22 0 h44" stroke="#6e7681" stroke-width="7"/>'
    for row, colour in enumerate(Colour):
        yield lamp(middle - 26, TOP + row * LAMP, colour, seen.lamps)
    below = TOP + 5 * LAMP + 48
    yield words(middle, below, seen.verdict.replace("_", " "), "title")
    lit = [(colour, seen.lamps.light(colour).pattern) for colour in Colour]
    shown = ", ".join(f"{colour} {pattern}" for colour, pattern in lit if pattern != Pattern.OFF)
    yield words(middle, below + 18, shown, "dim")
    for row, line in enumerate(textwrap.wrap(capital(seen.act.caption), 21)):
        yield words(middle, below + 42 + 15 * row, line, "")


def lamp(left: float, top: float, colour: Colour, lamps: Indication) -> str:
    """One lamp: the dark glass, and the light over it."""
    light = lamps.light(colour)
    box = f'x="{left}" y="{top}" width="52" height="{LAMP - 3}" rx="3"'
    glass = f'<rect {box} fill="{LIT[colour]}" opacity=".16"/>'
    if light.pattern is Pattern.OFF:
        return glass
    kind = f"lit {light.pattern}" + (" anti" if light.antiphase else "")
    still = ' opacity=".45"' if light.antiphase else ""  # where nothing moves
    return f'{glass}<rect {box} fill="{LIT[colour]}" color="{LIT[colour]}" class="{kind}"{still}/>'


def capital(text: str) -> str:
    """A caption as a sentence of its own."""
    return text[0].upper() + text[1:]


def words(middle: float, down: float, text: str, kind: str) -> str:
    """One centred line."""
    return (
        f'<text x="{middle}" y="{down}" text-anchor="middle" class="{kind}">{escape(text)}</text>'
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawn(run(Path("config/demo.yaml"))))
