"""What the lamp script will read, written by the daemon."""

import errno
import os
import zlib
from pathlib import Path

import pytest

from beacon.config.schema import Buzzer, Tower
from beacon.core.indication import Colour
from beacon.outputs.tower import failsafe_file
from beacon.outputs.tower.failsafe_file import Chip

PI = Chip("/dev/gpiochip0", "pinctrl-bcm2835")
LAMPS = {Colour.GREEN: 22, Colour.RED: 17, Colour.AMBER: 27}


def test_every_output_line_has_its_level_for_darkness_and_for_death():
    tower = Tower(
        lamps=LAMPS, buzzer=Buzzer(pin=18), alive_relay=12, on_death=(Colour.RED, Colour.AMBER)
    )
    assert rows(failsafe_file.text(tower, PI)) == [
        "mfa-beacon-lamps 2 7",
        "chip /dev/gpiochip0 pinctrl-bcm2835",
        "line 17 0 1 red",
        "line 27 0 1 amber",
        "line 22 0 0 green",
        "line 18 0 0 buzzer",
        "line 12 0 0 alive",
    ]


def rows(text: str) -> list[str]:
    """The rows without their checksums, which are right."""
    found = [row.rpartition(" #") for row in text.splitlines()]
    assert all(checksum == f"{zlib.crc32(row.encode()):08x}" for row, _, checksum in found)
    return [row for row, _, _ in found]


def test_an_active_low_board_is_dark_when_its_lines_are_high():
    tower = Tower(lamps=LAMPS, active_high=False, alive_relay=6, on_death=(Colour.RED,))
    assert rows(failsafe_file.text(tower, PI))[2:] == [
        "line 17 1 0 red",
        "line 27 1 1 amber",
        "line 22 1 1 green",
        "line 6 1 1 alive",
    ]


def test_without_a_chip_there_is_nothing_to_drive():
    assert rows(failsafe_file.text(Tower(lamps=LAMPS), None)) == ["mfa-beacon-lamps 2 1"]


def test_a_label_never_breaks_the_line():
    text = failsafe_file.text(Tower(), Chip(PI.path, "a b\n\tc"))
    assert rows(text)[1] == "chip /dev/gpiochip0 a b c"


def test_the_chip_says_its_label(tmp_path: Path):
    device = tmp_path / "gpiochip0"
    device.touch()
    asked = []

    def ioctl(fd: int, request: int, info: bytearray) -> int:
        asked.append((os.fstat(fd).st_ino, request, len(info)))
        info[32:47] = b"pinctrl-bcm2835"
        return 0

    assert failsafe_file.chip_at(str(device), ioctl) == Chip(str(device), "pinctrl-bcm2835")
    assert asked == [(device.stat().st_ino, 0x8044B401, 68)]


def test_what_is_no_gpio_chip_is_an_os_error():
    with pytest.raises(OSError, match="Inappropriate ioctl") as refusal:
        failsafe_file.chip_at("/dev/null")
    assert refusal.value.errno == errno.ENOTTY


def test_the_file_is_replaced_whole_and_left_alone_when_nothing_changed(tmp_path: Path):
    failsafe_file.write(tmp_path, "one\n")
    first = (tmp_path / "lamps").stat().st_ino
    failsafe_file.write(tmp_path, "one\n")
    assert (tmp_path / "lamps").stat().st_ino == first
    failsafe_file.write(tmp_path, "two\n")
    assert (tmp_path / "lamps").stat().st_ino != first
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("lamps", "two\n")]


def test_the_file_is_for_the_group_too(tmp_path: Path):
    failsafe_file.write(tmp_path, "one\n")
    assert (tmp_path / "lamps").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("environ", "places"),
    [
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b"}, ["/run/a", "/state"]),
        ({"RUNTIME_DIRECTORY": ""}, ["/state"]),
        ({}, ["/state"]),
    ],
)
def test_one_copy_is_in_memory_and_one_on_the_disk(environ: dict[str, str], places: list[str]):
    assert [str(each) for each in failsafe_file.places(environ, Path("/state"))] == places


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        failsafe_file.write(tmp_path / "missing", "one\n")
