"""The file from which `mfa-beacon-lamps` darkens the tower after the daemon's death.

Plain text, because its reader has neither YAML nor this package:

    mfa-beacon-lamps 1
    chip /dev/gpiochip0 pinctrl-bcm2835
    line 17 0 1 red

`line` gives the offset, the physical level for darkness, the physical level of the
`on_death` pattern, and the name. Without a `chip` line there is nothing to drive.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from beacon.config.schema import Tower
from beacon.outputs.lines import wiring

NAME = "lamps"
_CHIPINFO = struct.Struct("=32s32sI")
_GET_CHIPINFO = 0x8044B401  # linux/gpio.h: _IOR(0xB4, 0x01, struct gpiochip_info)


@dataclass(frozen=True, slots=True)
class Chip:
    """A GPIO character device, and the kernel's label: numbers change between kernels."""

    path: str
    label: str


def chip_at(path: str, ioctl: Callable[[int, int, bytearray], object] = fcntl.ioctl) -> Chip:
    """Ask the kernel for a chip's label. Raises `OSError` as `open` and `ioctl` do."""
    info = bytearray(_CHIPINFO.size)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        ioctl(fd, _GET_CHIPINFO, info)
    finally:
        os.close(fd)
    label: bytes = _CHIPINFO.unpack(info)[1]
    return Chip(path, label.rstrip(b"\0").decode(errors="replace"))


def text(tower: Tower, chip: Chip | None) -> str:
    """The file's content; `chip` None (no pins are driven) leaves nothing to drive."""
    rows = ["mfa-beacon-lamps 1"]
    if chip:
        rows.append(f"chip {chip.path} {' '.join(chip.label.split())}")
        rows += _lines(tower)
    return "\n".join(rows) + "\n"


def _lines(tower: Tower) -> Iterator[str]:
    off = 0 if tower.active_high else 1
    for channel, pin in wiring(tower).items():
        level = 1 - off if channel in tower.on_death else off
        yield f"line {pin} {off} {level} {channel}"


def write(state_directory: Path, content: str) -> None:
    """Put `lamps` in place, whole or not at all; an unchanged file is not written again.

    Raises `OSError` where the directory cannot be written.
    """
    target = state_directory / NAME
    if target.is_file() and target.read_text(encoding="utf-8") == content:
        return
    fresh = target.with_name(f".{NAME}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
