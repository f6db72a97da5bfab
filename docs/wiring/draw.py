"""Draws the wiring diagrams beside this file: `python docs/wiring/draw.py`."""  # noqa: INP001

from html import escape
from pathlib import Path

RED, AMBER, GREEN, BLUE, WHITE = "#d33", "#f0a020", "#2a9d3a", "#2b6cd4", "#f4f4f4"
INK, PLUS, ZERO, SIGNAL = "#222", "#c02020", "#1f3f8f", "#7a4a00"

Point = tuple[float, float]


class Sheet:
    """One drawing: parts and wires on white paper, pixels as the unit."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height = width, height
        self.parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
        self.title = title
        self.text(24, 34, title, size=20, bold=True)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 14,
        bold: bool = False,
        anchor: str = "start",
        colour: str = INK,
    ) -> None:
        """Write one line; `y` is its base line."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}"{weight} text-anchor="{anchor}" '
            f'fill="{colour}">{escape(words)}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, *, title: str, fill: str) -> None:
        """Draw a device with its name in the top edge."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}" '
            f'stroke="{INK}" stroke-width="1.5"/>'
        )
        self.text(x + w / 2, y + 22, title, bold=True, anchor="middle")

    def wire(self, colour: str, *points: Point) -> None:
        """Join points by a line."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        """Mark a joint."""
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{colour}"/>')

    def terminal(self, x: float, y: float) -> None:
        """Mark a screw or a header pin."""
        self.parts.append(
            f'<circle cx="{x}" cy="{y}" r="5" fill="white" stroke="{INK}" stroke-width="1.5"/>'
        )

    def lamp(self, x: float, y: float, fill: str, radius: int = 15) -> None:
        """Draw a lamp."""
        cross = radius * 0.7
        self.parts.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{INK}" '
            f'stroke-width="1.5"/><path d="M{x - cross},{y - cross} L{x + cross},{y + cross} '
            f'M{x - cross},{y + cross} L{x + cross},{y - cross}" stroke="{INK}"/>'
        )

    def buzzer(self, x: float, y: float, radius: int = 15) -> None:
        """Draw a buzzer."""
        self.parts.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#ddd" stroke="{INK}" '
            'stroke-width="1.5"/>'
        )
        self.text(x, y + 5, "BZ", size=12, bold=True, anchor="middle")

    def resistor(self, x: float, y: float, label: str, *, upright: bool = False) -> None:
        """Draw a resistor centred on (x, y), over its wire."""
        w, h = (16, 44) if upright else (44, 16)
        self.parts.append(
            f'<rect x="{x - w / 2}" y="{y - h / 2}" width="{w}" height="{h}" fill="white" '
            f'stroke="{INK}" stroke-width="1.5"/>'
        )
        if upright:
            self.text(x + 14, y + 5, label, size=13)
        else:
            self.text(x, y - 14, label, size=13, anchor="middle")

    def led(self, x: float, y: float, fill: str) -> None:
        """Draw a light-emitting diode, anode left."""
        self.parts.append(
            f'<path d="M{x - 13},{y - 13} L{x - 13},{y + 13} L{x + 11},{y} Z" fill="{fill}" '
            f'stroke="{INK}" stroke-width="1.5"/>'
            f'<path d="M{x + 12},{y - 13} L{x + 12},{y + 13} M{x - 2},{y - 16} l9,-9 m-6,0 l6,0 '
            f'l0,6 M{x + 9},{y - 13} l9,-9 m-6,0 l6,0 l0,6" fill="none" stroke="{INK}" '
            'stroke-width="1.5"/>'
        )

    def npn(self, x: float, y: float) -> None:
        """Draw an NPN transistor: base at (x - 30, y), collector above, emitter below x."""
        self.parts.append(
            f'<circle cx="{x - 6}" cy="{y}" r="22" fill="white" stroke="{INK}" '
            'stroke-width="1.5"/>'
            f'<path d="M{x - 30},{y} L{x - 14},{y} M{x - 14},{y - 13} L{x - 14},{y + 13} '
            f"M{x - 14},{y - 5} L{x},{y - 17} L{x},{y - 30} M{x - 14},{y + 5} L{x},{y + 17} "
            f'L{x},{y + 30}" fill="none" stroke="{INK}" stroke-width="2"/>'
            f'<path d="M{x},{y + 17} l-9,-2 l5,-6 Z" fill="{INK}"/>'
        )

    def header(
        self, x: float, y: float, w: float, pins: list[tuple[str, str]], step: float = 44
    ) -> dict[str, Point]:
        """Draw a Raspberry Pi with these (pin, role); returns where each pin is."""
        height = 56 + step * len(pins)
        self.box(x, y, w, height, title="Raspberry Pi", fill="#e7f3e4")
        places = {}
        for row, (pin, role) in enumerate(pins):
            at = y + 56 + step * row
            self.terminal(x + w, at)
            self.text(x + w - 14, at + 5, pin, anchor="end", bold=True, size=13)
            self.text(x + 12, at + 5, role, size=13)
            places[pin] = (x + w, at)
        return places

    def save(self, name: str) -> None:
        """Write the file beside this script."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="DejaVu Sans, sans-serif">'
            f"<title>{escape(self.title)}</title>"
        )
        text = "\n".join([head, *self.parts, "</svg>"]) + "\n"
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")


def tower_24v() -> None:
    """A 24 V tower behind a board of six MOSFET or relay channels."""
    sheet = Sheet(1120, 640, "24 V tower through a MOSFET or relay board")
    lamps = [
        ("GPIO17 · 11", "red", RED),
        ("GPIO27 · 13", "amber", AMBER),
        ("GPIO22 · 15", "green", GREEN),
        ("GPIO23 · 16", "blue", BLUE),
        ("GPIO24 · 18", "white", WHITE),
        ("GPIO18 · 12", "buzzer", WHITE),
    ]
    pins = [(pin, role) for pin, role, _ in lamps]
    places = sheet.header(24, 70, 200, [*pins, ("5 V · 2", "supply"), ("GND · 6", "ground")])
    sheet.box(400, 70, 220, 430, title="MOSFET or relay board", fill="#eef1f8")
    sheet.box(860, 70, 230, 340, title="Tower 24 V", fill="#f7f2e8")
    for row, (pin, role, fill) in enumerate(lamps):
        x, y = places[pin]
        sheet.wire(SIGNAL, (x + 5, y), (395, y))
        sheet.terminal(400, y)
        sheet.text(412, y + 5, f"IN{row + 1}", size=13)
        sheet.terminal(620, y)
        sheet.text(608, y + 5, f"OUT{row + 1}", size=13, anchor="end")
        sheet.wire(INK, (625, y), (885, y))
        sheet.wire(PLUS, (900, y), (1050, y))
        sheet.dot(1050, y, PLUS)
        if role == "buzzer":
            sheet.buzzer(900, y)
        else:
            sheet.lamp(900, y, fill)
        sheet.text(930, y - 7, role, size=13)
    for pin, name, colour in (("5 V · 2", "VCC (relays)", PLUS), ("GND · 6", "GND", ZERO)):
        x, y = places[pin]
        sheet.wire(colour, (x + 5, y), (395, y))
        sheet.terminal(400, y)
        sheet.text(412, y + 5, name, size=13)
    sheet.terminal(620, 470)
    sheet.text(608, 475, "0 V (COM 1–6)", size=13, anchor="end")
    sheet.box(640, 520, 220, 90, title="Supply 24 V DC", fill="#f3e9e9")
    sheet.terminal(690, 520)
    sheet.terminal(810, 520)
    sheet.text(690, 590, "0 V", size=13, anchor="middle")
    sheet.text(810, 590, "+24 V", size=13, anchor="middle")
    sheet.wire(ZERO, (625, 470), (690, 470), (690, 515))
    sheet.wire(PLUS, (810, 515), (810, 450), (1050, 450), (1050, 126))
    sheet.resistor(930, 450, "fuse 1 A")
    sheet.text(1042, 438, "common", size=13, anchor="end", colour=PLUS)
    sheet.text(24, 530, "A channel joins its OUT to 0 V while the GPIO is active.", size=13)
    sheet.text(24, 552, "Relay board: OUT is the NO contact; bridge all COM to 0 V.", size=13)
    sheet.text(24, 574, "MOSFET board without isolation: its GND is also the 0 V.", size=13)
    sheet.text(24, 596, "Tower with a common minus: relays only, COM to +24 V,", size=13)
    sheet.text(24, 618, "common to 0 V. “GPIO17 · 11” is BCM 17, header pin 11.", size=13)
    sheet.save("tower-24v.svg")


def tower_3v3() -> None:
    """Two ways to light an LED: from the pin itself, and from 5 V by a transistor."""
    sheet = Sheet(1120, 600, "LED tower on the Pi’s own supply")
    sheet.text(24, 70, "A  red, amber, yellow-green LEDs: straight from the pin", bold=True)
    places = sheet.header(
        24,
        90,
        200,
        [
            ("GPIO17 · 11", "red"),
            ("GPIO27 · 13", "amber"),
            ("GPIO22 · 15", "green"),
            ("GND · 9", "ground"),
        ],
        step=46,
    )
    for (pin, fill), current in zip(
        (("GPIO17 · 11", RED), ("GPIO27 · 13", AMBER), ("GPIO22 · 15", GREEN)),
        ("(3.3 − 2.0) V ÷ 330 Ω = 3.9 mA", "(3.3 − 2.1) V ÷ 330 Ω = 3.6 mA", "the same, 3.6 mA"),
        strict=True,
    ):
        x, y = places[pin]
        sheet.wire(SIGNAL, (x + 5, y), (430, y))
        sheet.wire(ZERO, (430, y), (560, y))
        sheet.resistor(320, y, "330 Ω")
        sheet.led(430, y, fill)
        sheet.dot(560, y, ZERO)
        sheet.text(590, y + 5, current, size=13)
    x, y = places["GND · 9"]
    sheet.wire(ZERO, (x + 5, y), (560, y), (560, places["GPIO17 · 11"][1]))

    sheet.text(
        24, 366, "B  any colour (blue, white and true green need more than 3.3 V)", bold=True
    )
    places = sheet.header(
        24,
        386,
        200,
        [("5 V · 2", "supply"), ("GPIO23 · 16", "blue"), ("GND · 20", "ground")],
        step=52,
    )
    x, y = places["5 V · 2"]
    sheet.wire(PLUS, (x + 5, y), (430, y))
    sheet.wire(INK, (430, y), (540, y), (540, places["GPIO23 · 16"][1] - 30))
    sheet.resistor(320, y, "180 Ω")
    sheet.led(430, y, BLUE)
    x, y = places["GPIO23 · 16"]
    sheet.wire(SIGNAL, (x + 5, y), (510, y))
    sheet.resistor(320, y, "4.7 kΩ")
    sheet.npn(540, y)
    ground = places["GND · 20"][1]
    sheet.wire(SIGNAL, (420, y), (420, ground))
    sheet.dot(420, y, SIGNAL)
    sheet.dot(420, ground, ZERO)
    sheet.resistor(420, y + 26, "10 kΩ", upright=True)
    sheet.wire(ZERO, (x + 5, ground), (540, ground), (540, y + 30))
    for line, words in enumerate(
        (
            "LED: (5 − 3.1 − 0.1) V ÷ 180 Ω = 10 mA (red, amber: 270 Ω, 10 mA)",
            "Base: (3.3 − 0.7) V ÷ 4.7 kΩ = 0.55 mA, about a twentieth of 10 mA",
            "10 kΩ keeps the lamp dark while the pin is an input (boot, beacon dead)",
            "NPN: any small-signal type for 100 mA, such as BC547 or 2N3904",
        )
    ):
        sheet.text(590, 447 + 26 * line, words, size=13)
    sheet.save("tower-3v3.svg")


def extras() -> None:
    """Button, small buzzer, and the relay that lights a lamp when the Pi is dead."""
    sheet = Sheet(1120, 640, "Button, buzzer and “alive” relay")
    pins = [
        ("GPIO5 · 29", "button"),
        ("GND · 30", "ground"),
        ("5 V · 2", "supply"),
        ("GPIO18 · 12", "buzzer"),
        ("GND · 14", "ground"),
        ("GPIO12 · 32", "alive"),
        ("5 V · 4", "supply"),
        ("GND · 34", "ground"),
    ]
    places = sheet.header(24, 70, 200, pins, step=62)
    button(sheet, places)
    small_buzzer(sheet, places)
    alive_relay(sheet, places)
    sheet.save("button-buzzer-alive.svg")


def button(sheet: Sheet, places: dict[str, Point]) -> None:
    """The acknowledge button to ground."""
    x, top = places["GPIO5 · 29"]
    low = places["GND · 30"][1]
    sheet.wire(SIGNAL, (x + 5, top), (420, top), (420, top + 20))
    sheet.wire(ZERO, (x + 5, low), (420, low), (420, low - 20))
    sheet.wire(INK, (420, top + 20), (436, low - 22))
    sheet.dot(420, top + 20, INK)
    sheet.dot(420, low - 20, INK)
    sheet.text(460, top + 26, "Push button, normally open, to ground.", size=13)
    sheet.text(460, top + 46, "The pull-up is inside the Pi.", size=13)


def small_buzzer(sheet: Sheet, places: dict[str, Point]) -> None:
    """A 5 V buzzer switched by a transistor."""
    x = places["5 V · 2"][0]
    supply, base, ground = (places[pin][1] for pin in ("5 V · 2", "GPIO18 · 12", "GND · 14"))
    sheet.wire(PLUS, (x + 5, supply), (430, supply))
    sheet.wire(INK, (430, supply), (540, supply), (540, base - 30))
    sheet.buzzer(430, supply)
    sheet.text(430, supply - 22, "buzzer 5 V, active", size=13, anchor="middle")
    sheet.wire(INK, (395, supply), (395, supply + 32), (465, supply + 32), (465, supply))
    sheet.dot(395, supply, PLUS)
    sheet.dot(465, supply, INK)
    left, right = 421, 440
    middle = supply + 32
    sheet.parts.append(
        f'<path d="M{right},{middle - 9} L{right},{middle + 9} L{left},{middle} Z" fill="white" '
        f'stroke="{INK}" stroke-width="1.5"/><path d="M{left},{middle - 9} L{left},{middle + 9}" '
        f'stroke="{INK}" stroke-width="2"/>'
    )
    sheet.wire(SIGNAL, (x + 5, base), (510, base))
    sheet.resistor(290, base, "1.5 kΩ")
    sheet.npn(540, base)
    sheet.wire(SIGNAL, (370, base), (370, ground))
    sheet.dot(370, base, SIGNAL)
    sheet.dot(370, ground, ZERO)
    sheet.resistor(370, base + 31, "10 kΩ", upright=True)
    sheet.wire(ZERO, (x + 5, ground), (540, ground), (540, base + 30))
    for line, words in enumerate(
        (
            "Buzzer up to 30 mA. Base: (3.3 − 0.7) V ÷ 1.5 kΩ = 1.7 mA.",
            "The diode (1N4148), its band to 5 V, takes the kick of a",
            "magnetic buzzer; a piezo needs none. A 24 V buzzer in the",
            "tower goes on a channel of the board instead.",
        )
    ):
        sheet.text(590, supply + 24 + 22 * line, words, size=13)


def alive_relay(sheet: Sheet, places: dict[str, Point]) -> None:
    """A lamp on the contact that closes when the coil loses its current."""
    x = places["5 V · 4"][0]
    coil, plus, zero = (places[pin][1] for pin in ("GPIO12 · 32", "5 V · 4", "GND · 34"))
    sheet.box(400, coil - 40, 250, 192, title="Relay channel", fill="#eef1f8")
    for y, name, colour in ((coil, "IN", SIGNAL), (plus, "VCC", PLUS), (zero, "GND", ZERO)):
        sheet.wire(colour, (x + 5, y), (395, y))
        sheet.terminal(400, y)
        sheet.text(412, y + 5, name, size=13)
    for y, name in ((coil, "NC"), (plus, "COM"), (zero, "NO")):
        sheet.terminal(650, y)
        sheet.text(638, y + 5, name, size=13, anchor="end")
    sheet.wire(INK, (560, plus), (600, plus))
    sheet.wire(INK, (560, plus), (590, coil + 4))
    sheet.wire(INK, (590, coil), (612, coil))
    sheet.wire(INK, (590, zero), (612, zero))
    sheet.dot(560, plus, INK)
    sheet.wire(INK, (655, coil), (725, coil))
    sheet.lamp(740, coil, AMBER)
    sheet.wire(ZERO, (755, coil), (840, coil))
    sheet.text(850, coil + 5, "0 V", size=13, colour=ZERO)
    sheet.wire(PLUS, (655, plus), (840, plus))
    sheet.text(850, plus + 5, "+24 V", size=13, colour=PLUS)
    sheet.text(740, coil - 24, "“beacon dead”", size=13, anchor="middle")
    sheet.text(690, zero + 5, "Drawn without current: NC is closed, the lamp is lit.", size=13)
    sheet.text(690, zero + 27, "While the beacon lives the coil is energised: dark.", size=13)


if __name__ == "__main__":
    tower_24v()
    tower_3v3()
    extras()
