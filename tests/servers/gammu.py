"""gammu-smsd with its dummy modem: messages are files, and so is what becomes of them."""

import contextlib
import ctypes
import os
import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SMSD = """
[gammu]
model = dummy
connection = none
device = {home}/modem
[smsd]
Service = files
LogFile = {home}/log
DebugLevel = 255
PIN = 1234
InboxPath = {home}/inbox/
OutboxPath = {home}/outbox/
SentSMSPath = {home}/sent/
ErrorSMSPath = {home}/error/
InboxFormat = {format}
CommTimeout = 5
ReceiveFrequency = 1
StatusFrequency = 600
MultipartTimeout = 600
"""
RECEIVED = """
[SMSBackup000]
PDU = Deliver
SMSC = "+15550999"
State = UnRead
Number = "{sender}"
NumberUnicode = {number}
Coding = {coding}
Folder = 1
Length = {length}
Class = -1
DateTime = 20200101T0000{second:02}
{header}Text00 = {text}
"""
VERSION, SIGNAL, RECEIVED_SO_FAR, NETWORK, SIZE = 0, 560, 568, 840, 928


def utf16(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


@dataclass
class Gammu:
    """A running gammu-smsd. `format` is its InboxFormat, `locale` its own."""

    binary: Path
    home: Path
    format: str = "unicode"
    locale: str = "C.UTF-8"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _number: int = 0

    @property
    def saves_any_sender(self) -> bool:
        """Whether a slash in a sender's name is no part of a path (seen: 1.45)."""
        shown = subprocess.run(
            [self.binary, "--version"], capture_output=True, text=True, check=True
        )
        version = re.search(r"version (\d+)\.(\d+)", shown.stdout)
        assert version is not None, shown.stdout
        return (int(version[1]), int(version[2])) >= (1, 45)

    @property
    def config(self) -> Path:
        return self.home / "smsdrc"

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "log").read_text(errors="replace")
        return ""

    def prepare(self) -> None:
        for name in ("inbox", "outbox", "sent", "error", "modem/sms/1"):
            (self.home / name).mkdir(parents=True)
        for folder in range(2, 6):
            (self.home / f"modem/sms/{folder}").mkdir()
        self.config.write_text(SMSD.format(home=self.home, format=self.format))

    def start(self) -> None:
        command = [str(self.binary), "-c", str(self.config)]
        environment = {"LC_ALL": self.locale, "PATH": os.environ["PATH"]}
        self.processes.append(
            subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
            )
        )

    def kill(self) -> None:
        """End it as a crash does: nothing is tidied up."""
        self.processes[-1].kill()
        self.processes[-1].wait(60)

    def terminate(self) -> None:
        """End it in order."""
        self.processes[-1].terminate()
        self.processes[-1].wait(60)

    def receive(self, text: str, sender: str = "+15550100", part: tuple[int, int] = (1, 1)) -> None:
        """Let its modem receive a message, or one part (number, of how many) of a long one."""
        self._number += 1
        number, parts = part
        header = f"UDH = 05000347{parts:02X}{number:02X}\n" if parts > 1 else ""
        plain = text.isascii()
        file = RECEIVED.format(
            sender=sender if sender.isascii() else "",
            number=utf16(sender),
            coding="Default_No_Compression" if plain else "Unicode_No_Compression",
            length=len(text),
            second=self._number % 60,
            header=header,
            text=utf16(text),
        )
        fresh = self.home / "received"
        fresh.write_text(file)
        fresh.replace(self.home / f"modem/sms/1/{self._number}")

    def receive_what_it_cannot_save(self) -> None:
        """A message in the way of all that come later; skips the test where nothing is."""
        if self.saves_any_sender:
            pytest.skip('this gammu-smsd saves a message from "A/B", too')
        self.receive("hello", sender="A/B")

    @property
    def waiting(self) -> int:
        """Messages in the modem that smsd has not taken."""
        return len(list((self.home / "modem/sms/1").iterdir()))

    def knows(self, *, network: int = 0, signal: int = 0) -> None:
        """Put into smsd's status what it would have of another modem."""
        [segment] = self._segments()
        with attached(segment) as memory:
            memory.put(NETWORK, network)
            memory.put(SIGNAL, signal)

    def _segments(self) -> list[int]:
        owned = {str(process.pid) for process in self.processes}
        lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return [int(line.split()[1]) for line in lines if line.split()[4] in owned]

    def close(self) -> None:
        for segment in self._segments():
            _LIBC.shmctl(segment, 0, None)  # IPC_RMID: what was killed leaves it behind
        for process in self.processes:
            process.kill()
            process.wait(60)

    @property
    def settled(self) -> bool:
        """Whether it has asked its modem how it is."""
        return "Leaving GSM_GetNetworkInfo" in self.log


class Memory:
    """Shared memory as smsd has it."""

    def __init__(self, address: int) -> None:
        self._address = address

    def put(self, at: int, value: int) -> None:
        """Write an int."""
        ctypes.memmove(self._address + at, struct.pack("=i", value), 4)


@contextlib.contextmanager
def attached(segment: int) -> Iterator[Memory]:
    """Shared memory, to be written."""
    address = _LIBC.shmat(segment, None, 0)
    assert address != ctypes.c_void_p(-1).value
    try:
        yield Memory(address)
    finally:
        _LIBC.shmdt(address)


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.shmat.restype = ctypes.c_void_p
_LIBC.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_LIBC.shmdt.argtypes = (ctypes.c_void_p,)
_LIBC.ftok.argtypes = (ctypes.c_char_p, ctypes.c_int)


@dataclass
class Modem:
    """The status of an smsd that is not there: registered, with signal, unless set otherwise."""

    config: Path
    memory: Memory

    def knows(self, *, network: int = 1, signal: int = 42, version: int = 2) -> None:
        """What smsd knows of its modem from now on."""
        for at, value in ((NETWORK, network), (SIGNAL, signal), (VERSION, version)):
            self.memory.put(at, value)

    def receives(self, messages: int) -> None:
        """How many messages it has received."""
        self.memory.put(RECEIVED_SO_FAR, messages)


@pytest.fixture
def shared_memory(tmp_path: Path) -> Iterator[Callable[..., Modem]]:
    """The memory an smsd shares whose configuration is a file here; of so many bytes."""
    with contextlib.ExitStack() as stack:

        def share(size: int = SIZE, project: int = 1) -> Modem:
            config = tmp_path / "smsdrc"
            config.write_text("[smsd]")
            segment = _LIBC.shmget(_LIBC.ftok(bytes(config), project), size, 0o1744)
            assert segment != -1
            stack.callback(_LIBC.shmctl, segment, 0, None)
            modem = Modem(config, stack.enter_context(attached(segment)))
            if size == SIZE:
                modem.knows()
            return modem

        yield share


@pytest.fixture
def smsd(
    need: Callable[[str], Path], tmp_path: Path, eventually: Callable[..., None]
) -> Iterator[Callable[..., Gammu]]:
    """Start gammu-smsd on a dummy modem."""
    begun: list[Gammu] = []

    def start(**settings: str) -> Gammu:
        home = tmp_path / f"gammu-{len(begun)}"
        gammu = Gammu(need("gammu-smsd"), home, **settings)
        begun.append(gammu)
        gammu.prepare()
        gammu.start()
        eventually(lambda: gammu.settled, "smsd looks at its modem")
        return gammu

    yield start
    for gammu in begun:
        gammu.close()
