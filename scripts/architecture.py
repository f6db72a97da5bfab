"""Draw docs/architecture.svg from the import graph: `scripts/architecture.py FILE`."""

import importlib
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

import grimp

# Where each package stands, from left to right. Its storey comes from the import contract.
ACROSS = {
    "cli": (120, 960), "daemon": (120, 400), "replay": (420, 640), "sandbox": (660, 960),
    "probes": (120, 560), "outputs": (700, 960), "probing": (330, 560),
    "maildns": (120, 310), "vendors": (330, 455), "otp": (470, 560), "net": (120, 560),
    "config": (120, 330), "engine": (350, 960), "core": (120, 960),
}  # fmt: skip
# Shown inside their package: where the way of one reading leads.
SLOTS = {
    "engine": ("schedule", "workers", "inbox", "loop"),
    "core": ("monitor", "endpoint", "service", "tower", "trust", "operator"),
}
# That way, as SVG paths between these slots, and its steps: where their number stands, and a text.
WAY = (
    "M574 642H595 M810 642H831 M610 631V266H563 M120 250H95V534H117 M120 556H80"
    " M560 236H660V596H763V628 M860 653V687H297V726 M344 740H365 M462 740H483 M580 740H601"
    " M651 729V697H900V656 M881 631V596H945V287"
)
STEPS = (
    (480, 627, "schedule: an endpoint is due"), (610, 410, "workers: a thread runs its probe"),
    (95, 410, "the probe asks a server"), (660, 410, "inbox: the reading arrives"),
    (400, 687, "loop: monitor judges the reading"), (945, 410, "loop: all outputs get the effects"),
)  # fmt: skip
TOP, STOREY, TALL = 20, 98, 68
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .name { font-weight: 600; font-size: 15px }
.dim { font-size: 11.5px; fill: #57606a } .box { fill: #f6f8fa; stroke: #8c959f; rx: 5px }
.slot { fill: #fff; stroke: #d0d7de; rx: 3px } .import { stroke: #8c959f; marker-end: url(#grey) }
.way { fill: none; stroke: #d4580a; stroke-width: 2.5; marker-end: url(#orange) }
.step { fill: #d4580a } .number { fill: #fff; font-weight: 600; text-anchor: middle }
"""


def storeys() -> dict[str, int]:
    """The upper edge of each package, by the layers of the import contract."""
    settings = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"][1:]
    rows = ((layer, TOP + STOREY * row) for row, layer in enumerate(layers))
    return {name.removeprefix("beacon."): y for layer, y in rows for name in layer.split(" | ")}


def imports() -> Iterator[tuple[str, str]]:
    """Who imports whom, without what follows from others."""
    graph = grimp.build_graph("beacon", cache_dir=None)
    for name in ACROSS:
        graph.squash_module(f"beacon.{name}")
    for upper in ACROSS:
        direct = graph.find_modules_directly_imported_by(f"beacon.{upper}") - {"beacon"}
        for lower in sorted(direct):
            if not any(graph.chain_exists(between, lower) for between in direct - {lower}):
                yield upper, lower.removeprefix("beacon.")


def arrow(upper: tuple[int, int], lower: tuple[int, int], y: int, end: int) -> str:
    """One import: straight down where the boxes stand above each other, else aslant."""
    left, right = max(upper[0], lower[0]), min(upper[1], lower[1])
    ends = (left + 30, right - 30) if upper[0] > lower[0] else (right - 30, left + 30)
    x1, x2 = ((left + right) // 2,) * 2 if left < right else ends
    return f'<line class="import" x1="{x1}" y1="{y}" x2="{x2}" y2="{end}"/>'


def box(name: str, y: int) -> Iterator[str]:
    """A package: what it is for, in the first words of its docstring, and what is inside."""
    left, right = ACROSS[name]
    yield f'<rect class="box" x="{left}" y="{y}" width="{right - left}" height="{TALL}"/>'
    about = re.split("[.:,;]", importlib.import_module(f"beacon.{name}").__doc__ or "")[0]
    inside = (page.parent.name for page in sorted(Path("beacon", name).glob("*/__init__.py")))
    within = "" if name in SLOTS else " · ".join(inside)
    width = (right - left - 20) // 6  # letters in a line
    lines = [*textwrap.wrap(about, width), *textwrap.wrap(within, width)]
    yield f'<text class="name" x="{left + 14}" y="{y + 20}">{name}</text>'
    for n, words in enumerate(lines):
        yield f'<text class="dim" x="{left + 14}" y="{y + 36 + 14 * n}">{escape(words)}</text>'
    for n, word in enumerate(SLOTS.get(name, ())):
        importlib.import_module(f"beacon.{name}.{word}")
        yield f'<rect class="slot" x="{left + 130 + 118 * n}" y="{y + 23}" width="94" height="22"/>'
        yield f'<text class="dim" x="{left + 138 + 118 * n}" y="{y + 38}">{word}</text>'


def draw() -> Iterator[str]:
    """The whole picture, line by line."""
    y = storeys()
    yield '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 794">'
    yield f"<title>The packages, and the way of one reading</title><style>{STYLE}</style>"
    for name, colour in (("grey", "#8c959f"), ("orange", "#d4580a")):
        size = 'refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse"'
        head = f'<path d="M0 0L8 4L0 8z" fill="{colour}"/>'
        yield f'<marker id="{name}" {size} orient="auto">{head}</marker>'
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    for upper, lower in imports():
        yield arrow(ACROSS[upper], ACROSS[lower], y[upper] + TALL, y[lower])
    for name in ACROSS:
        yield from box(name, y[name])
    yield from (f'<path class="way" d="M{piece}"/>' for piece in WAY.split("M")[1:])
    yield '<text class="dim" x="12" y="560">a server</text>'
    yield '<text class="name" x="690" y="350">The way of one reading</text>'
    yield '<text class="dim" x="690" y="545">Grey: imports; shortcuts are left out</text>'
    for number, (x, height, words) in enumerate(STEPS, 1):
        yield f'<text x="716" y="{(at := 350 + 26 * number) + 4}">{words}</text>'
        for left, top in ((x, height), (698, at)):
            yield f'<circle class="step" cx="{left}" cy="{top}" r="10"/>'
            yield f'<text class="number" x="{left}" y="{top + 4.5}">{number}</text>'
    yield "</svg>\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(draw()), encoding="utf-8")
