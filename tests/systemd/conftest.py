"""The lamp script as a module, and a kernel that answers its GPIO v2 ioctls."""

import ctypes
import errno
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

HOUSE = Path(__file__).parents[2]


def _u32(*names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_uint32) for name in names]


def _u64(*names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_uint64) for name in names]


class Attribute(ctypes.Structure):
    """struct gpio_v2_line_config_attribute, its union as the 64 bits it is."""

    _fields_ = [*_u32("id", "padding"), *_u64("values", "mask")]


class Config(ctypes.Structure):
    """struct gpio_v2_line_config."""

    _fields_ = [
        *_u64("flags"),
        *_u32("num_attrs"),
        ("padding", ctypes.c_uint32 * 5),
        ("attrs", Attribute * 10),
    ]


class LineRequest(ctypes.Structure):
    """struct gpio_v2_line_request."""

    _fields_ = [
        ("offsets", ctypes.c_uint32 * 64),
        ("consumer", ctypes.c_char * 32),
        ("config", Config),
        *_u32("num_lines", "event_buffer_size"),
        ("padding", ctypes.c_uint32 * 5),
        ("fd", ctypes.c_int32),
    ]


class Kernel:
    """One GPIO chip behind a plain file: 54 lines, some of them held by others.

    As strict as the kernel: what it would refuse with EINVAL is refused here. `levels` are
    the physical levels driven, in order; `held` are the descriptors given out.
    """

    def __init__(self, device: Path, label: bytes = b"pinctrl-bcm2835") -> None:
        device.touch()
        self.device, self.label = device, label
        self.refused: dict[int, int] = {}  # offset → errno
        self.levels: dict[int, int] = {}
        self.held: list[int] = []

    def ioctl(self, fd: int, request: int, buffer: bytearray) -> int:
        if os.fstat(fd).st_ino != self.device.stat().st_ino:
            raise OSError(errno.ENOTTY, "not a GPIO chip")
        answer = {0x8044B401: self._chip_info, 0xC250B407: self._line}[request]
        answer(buffer)
        return 0

    def _chip_info(self, buffer: bytearray) -> None:
        assert len(buffer) == 68
        buffer[:9] = b"gpiochip0"
        buffer[32 : 32 + len(self.label)] = self.label
        buffer[64:68] = (54).to_bytes(4, "little")

    def _line(self, buffer: bytearray) -> None:
        asked = LineRequest.from_buffer(buffer)
        config = asked.config
        clean = not any([*asked.padding, *config.padding, *(a.padding for a in config.attrs)])
        output = config.flags == 1 << 3 and config.num_attrs == 1
        values = config.attrs[0].id == 2 and config.attrs[0].mask == 1
        if asked.num_lines != 1 or not (clean and output and values) or asked.offsets[0] >= 54:
            raise OSError(errno.EINVAL, "Invalid argument")
        offset = asked.offsets[0]
        if offset in self.refused:
            raise OSError(self.refused[offset], os.strerror(self.refused[offset]))
        self.levels[offset] = config.attrs[0].values & 1
        asked.fd = os.open(os.devnull, os.O_RDONLY)
        self.held.append(asked.fd)

    def holding(self) -> bool:
        """Whether any line given out is still open."""
        return any(Path(f"/proc/self/fd/{fd}").exists() for fd in self.held)


@pytest.fixture(scope="session")
def house() -> Path:
    """The repository."""
    return HOUSE


@pytest.fixture(scope="session")
def script() -> ModuleType:
    """`systemd/mfa-beacon-lamps`, loaded without being run, and no bytecode left beside it."""
    loader = SourceFileLoader("mfa_beacon_lamps", str(HOUSE / "systemd/mfa-beacon-lamps"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        loader.exec_module(module)
    return module


@pytest.fixture
def kernel(tmp_path: Path, script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A chip called gpiochip0 in the test's directory, which stands for /dev."""
    monkeypatch.setattr(script, "DEVICES", str(tmp_path))
    return Kernel(tmp_path / "gpiochip0")


@pytest.fixture
def line_request() -> type[LineRequest]:
    """The kernel's own view of a line request."""
    return LineRequest
