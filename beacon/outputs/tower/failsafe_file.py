"""The file from which `mfa-beacon-lamps` darkens the tower after the daemon's death.

Plain text, because its reader has neither YAML nor this package. Each row ends with the CRC-32
of the text before it:

    mfa-beacon-lamps 2 3 #8f8eed35
    chip /dev/gpiochip0 pinctrl-bcm2835 #06ff6818
    line 17 0 1 red #9260e312

The first row has the version and the number of rows. `line` gives the offset, the physical
level for darkness, the physical level of the `on_death` pattern, and the name. Without a
`chip` row no line is driven.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from beacon.config.schema import Tower
from beacon.outputs.tower.channels import wiring

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
    """The file's content; `chip` None: no pins are driven."""
    rows = []
    if chip:
        rows.append(f"chip {chip.path} {' '.join(chip.label.split())}")
        rows += _lines(tower)
    rows.insert(0, f"mfa-beacon-lamps 2 {len(rows) + 1}")
    return "".join(f"{row} #{zlib.crc32(row.encode()):08x}\n" for row in rows)


def _lines(tower: Tower) -> Iterator[str]:
    off = 0 if tower.active_high else 1
    for channel, pin in wiring(tower).items():
        level = 1 - off if channel in tower.on_death else off
        yield f"line {pin} {off} {level} {channel}"


def places(environ: Mapping[str, str], state_directory: Path) -> Iterator[Path]:
    """The directories for a copy: one in memory, and one that survives a power cut."""
    if runtime := environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        yield Path(runtime)
    yield state_directory


def write(directory: Path, content: str) -> None:
    """Put `lamps` in place, whole or not at all; an unchanged file is not written again.

    Raises `OSError` where the directory cannot be written.
    """
    target = directory / NAME
    if target.is_file() and target.read_bytes() == content.encode():
        return
    fresh = target.with_name(f".{NAME}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o640)  # its reader is root without rights, in our group
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
