"""hardware.md and its drawings: true to the header of a real board, and to each other."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

DRAWINGS = ("tower-24v.svg", "tower-3v3.svg", "button-buzzer-alive.svg")


@pytest.fixture(scope="module")
def header() -> dict[int, str]:
    """Header pin → what gpiozero says is on it, of a Raspberry Pi 4."""
    factory = MockFactory(revision="c03111")
    try:
        pins = factory.board_info.headers["J8"].pins
        return {number: pin.name for number, pin in pins.items()}
    finally:
        factory.close()


def test_the_table_names_the_right_header_pins(house: Path, header):
    text = (house / "hardware.md").read_text()
    rows = re.findall(
        r"^\| .* \| `tower\..*` \| (\d+) \| (\d+) \| input, (.*) \|$", text, re.MULTILINE
    )
    assert len(rows) == 8
    for gpio, pin, pull in rows:
        assert header[int(pin)] == f"GPIO{gpio}"
        assert ("up" in pull) == (int(gpio) <= 8)
    for name, word in (("5 V", "5V"), ("3.3 V", "3V3"), ("ground", "GND")):
        found = re.search(rf"^\| {re.escape(name)} \| \| \| ([\d, ]+) \|", text, re.MULTILINE)
        assert found
        pins = {int(number) for number in found[1].split(",")}
        assert pins == {number for number, what in header.items() if what == word}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_the_drawings_name_the_right_header_pins(house: Path, header, drawing: str):
    text = (house / "docs/wiring" / drawing).read_text()
    for gpio, pin in re.findall(r">(GPIO\d+) · (\d+)<", text):
        assert header[int(pin)] == gpio
    for what, pin in re.findall(r">(GND|5 V) · (\d+)<", text):
        assert header[int(pin)] == what.replace(" ", "")


def test_the_drawings_are_those_of_the_script(house: Path, tmp_path: Path):
    script = shutil.copy(house / "docs/wiring/draw.py", tmp_path)
    subprocess.run([sys.executable, "-I", script], check=True, timeout=60)
    for drawing in DRAWINGS:
        assert (tmp_path / drawing).read_text() == (house / "docs/wiring" / drawing).read_text()
        assert f"docs/wiring/{drawing}" in (house / "hardware.md").read_text()


def test_the_resistors_give_the_currents_that_are_written(house: Path):
    text = (house / "docs/wiring/tower-3v3.svg").read_text()
    text += (house / "docs/wiring/button-buzzer-alive.svg").read_text()
    sums = re.findall(r"\(([\d. −]+)\) V ÷ ([\d.]+) (k?)Ω = ([\d.]+) mA", text)
    assert len(sums) == 5
    for volts, ohms, kilo, milliamperes in sums:
        first, *less = (float(part) for part in volts.split("−"))
        current = (first - sum(less)) / (float(ohms) * (1000 if kilo else 1)) * 1000
        assert float(milliamperes) == pytest.approx(current, rel=0.03)
