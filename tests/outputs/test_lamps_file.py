"""What the lamp script will read, written by the daemon."""

import errno
import os
from pathlib import Path

import pytest

from beacon.config.schema import Buzzer, Tower
from beacon.core.indication import Colour
from beacon.outputs import lamps_file
from beacon.outputs.lamps_file import Chip

PI = Chip("/dev/gpiochip0", "pinctrl-bcm2835")
LAMPS = {Colour.GREEN: 22, Colour.RED: 17, Colour.AMBER: 27}


def test_every_output_line_has_its_level_for_darkness_and_for_death():
    tower = Tower(
        lamps=LAMPS, buzzer=Buzzer(pin=18), alive_relay=6, on_death=(Colour.RED, Colour.AMBER)
    )
    assert lamps_file.text(tower, PI) == (
        "mfa-beacon-lamps 1\n"
        "chip /dev/gpiochip0 pinctrl-bcm2835\n"
        "line 17 0 1 red\n"
        "line 27 0 1 amber\n"
        "line 22 0 0 green\n"
        "line 18 0 0 buzzer\n"
        "line 6 0 0 alive\n"
    )


def test_an_active_low_board_is_dark_when_its_lines_are_high():
    tower = Tower(lamps=LAMPS, active_high=False, alive_relay=6, on_death=(Colour.RED,))
    assert lamps_file.text(tower, PI).splitlines()[2:] == [
        "line 17 1 0 red",
        "line 27 1 1 amber",
        "line 22 1 1 green",
        "line 6 1 1 alive",
    ]


def test_without_a_chip_there_is_nothing_to_drive():
    assert lamps_file.text(Tower(lamps=LAMPS), None) == "mfa-beacon-lamps 1\n"


def test_a_label_never_breaks_the_line():
    assert "chip /dev/gpiochip0 a b c\n" in lamps_file.text(Tower(), Chip(PI.path, "a b\n\tc"))


def test_the_chip_says_its_label(tmp_path: Path):
    device = tmp_path / "gpiochip0"
    device.touch()
    asked = []

    def ioctl(fd: int, request: int, info: bytearray) -> int:
        asked.append((os.fstat(fd).st_ino, request, len(info)))
        info[32:47] = b"pinctrl-bcm2835"
        return 0

    assert lamps_file.chip_at(str(device), ioctl) == Chip(str(device), "pinctrl-bcm2835")
    assert asked == [(device.stat().st_ino, 0x8044B401, 68)]


def test_what_is_no_gpio_chip_is_an_os_error():
    with pytest.raises(OSError, match="Inappropriate ioctl") as refusal:
        lamps_file.chip_at("/dev/null")
    assert refusal.value.errno == errno.ENOTTY


def test_the_file_is_replaced_whole_and_left_alone_when_nothing_changed(tmp_path: Path):
    lamps_file.write(tmp_path, "one\n")
    first = (tmp_path / "lamps").stat().st_ino
    lamps_file.write(tmp_path, "one\n")
    assert (tmp_path / "lamps").stat().st_ino == first
    lamps_file.write(tmp_path, "two\n")
    assert (tmp_path / "lamps").stat().st_ino != first
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("lamps", "two\n")]


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        lamps_file.write(tmp_path / "missing", "one\n")
