"""The state of gammu-smsd's modem, read without disturbing either (docs/adr/0022).

smsd keeps its status in System V shared memory that everybody may read, under a key derived from
its configuration file (`SMSD_GetStatus` of libgsmsd; gammu-smsd-monitor shows parts of it). The
status has no time, and smsd does not refresh it while the modem does not answer: it may be old.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from beacon.core.model import Reason
from beacon.net.probe_failure import ProbeFailure

SEGMENTS: Final = Path("/proc/sysvipc/shm")
VERSION: Final = 2
"""First member of the structure (`GSM_SMSDStatus`) in gammu 1.37.90 to 1.45."""
SIZE: Final = 928
SIGNAL: Final = 560
"""Offset of the signal in per cent, -1 if unknown. All members are ints."""
RECEIVED: Final = 568
"""Offset of the number of received messages, saved or not."""
NETWORK: Final = 840
"""Offset of the registration."""

REGISTERED: Final = frozenset({1, 3})  # at home, roaming
_NOT_REGISTERED: Final = {
    2: "has no network",
    4: "was denied registration",
    6: "is searching for a network",
}
_READ_ONLY: Final = 0o10000  # SHM_RDONLY
_PROJECTS: Final = (1, 2)
"""smsd's argument for ftok(3): before, and since gammu 1.45, which corrected `||` to `|`."""


@dataclass(frozen=True, slots=True)
class Modem:
    """A modem as smsd sees it. `received` counts from smsd's start; None: unknown."""

    flaw: str = ""
    received: int | None = None


def read_modem(config: Path) -> Modem:
    """The modem of the smsd that runs with this configuration file.

    Raises `ProbeFailure` (`own_modem`) if none runs, or its status cannot be read.
    """
    try:
        raw = _shared(config)
    except OSError as error:
        text = f"the state of smsd's modem cannot be read: {error.strerror}"
        raise ProbeFailure(Reason.OWN_MODEM, text) from None
    if raw is None:
        text = "gammu-smsd does not run, or its configuration was changed since it was started"
        raise ProbeFailure(Reason.OWN_MODEM, text)
    version, signal, received, network = (
        struct.unpack_from("=i", raw, at)[0] if len(raw) == SIZE else 0
        for at in (0, SIGNAL, RECEIVED, NETWORK)
    )
    if version != VERSION:
        return Modem()  # another layout: known is only that smsd runs
    if network in _NOT_REGISTERED:
        return Modem(f"the modem {_NOT_REGISTERED[network]}", received)
    if network not in REGISTERED and signal <= 0:
        return Modem("the modem has no signal", received)
    return Modem("", received)


def _shared(config: Path) -> bytes | None:
    """The memory that smsd shares; None if no smsd does. Raises `OSError`."""
    keys = _keys(config)
    for line in SEGMENTS.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        attached = int(fields[6])
        # A killed smsd leaves its last status behind, without an attached process.
        if int(fields[0]) & 0xFFFFFFFF in keys and attached:
            return _read(int(fields[1]), int(fields[3]))
    return None


def _keys(config: Path) -> frozenset[int]:
    """The keys that ftok(3) of glibc makes of the file."""
    status = config.stat()
    of_file = (status.st_dev & 0xFF) << 16 | status.st_ino & 0xFFFF
    return frozenset(project << 24 | of_file for project in _PROJECTS)


def _read(segment: int, size: int) -> bytes:
    address = _LIBC.shmat(segment, None, _READ_ONLY)
    if address == _NOWHERE:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        return ctypes.string_at(address, size)
    finally:
        _LIBC.shmdt(address)


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.shmat.restype = ctypes.c_void_p
_LIBC.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_LIBC.shmdt.argtypes = (ctypes.c_void_p,)
_NOWHERE: Final = ctypes.c_void_p(-1).value
