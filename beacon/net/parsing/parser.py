"""Parsers whose cost may grow faster than their input, in one process that can be killed.

A small input is parsed here. A larger one goes to the parser process, which has limits of memory
and processor time, is started when needed, and is killed at the run's deadline. Its death becomes
a reading. It ends with the beacon, because the channel is closed then. `docs/bounds.md` lists
everything that reads foreign bytes; docs/adr/0032 has the reasons.

    run ──► small? ──yes──► parse(raw)
               │no
               └──► [length][name, arguments, raw] ──► parser process ──► [length][result]
"""

import atexit
import contextlib
import itertools
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure

T = TypeVar("T")

log = logging.getLogger(__name__)

CPU_LIMIT: Final = 5.0
"""Seconds of processor time for one input: a normal one takes 0.1 s even on a small Pi."""

MEMORY_LIMIT: Final = 128 * 1024 * 1024
"""Bytes of address space of the parser process with its interpreter. Together with the daemon it
must stay below `MemoryMax=` of the unit: systemd would kill both."""

REPLY_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one reply."""

SERVED: Final = 1000
"""Inputs after which the process ends, so that leaked memory is freed."""


@dataclass(frozen=True, slots=True)
class ParserFunction:
    """A function `(raw: bytes, *arguments: str)` in a module that imports little.

    It may raise `ProbeFailure`. `inline` is the largest input, in bytes, that is parsed without the
    process: at most 50 ms on a normal machine, whatever is in it.
    """

    module: str
    function: str
    inline: int

    def __call__(self, raw: bytes, *arguments: str) -> Any:  # noqa: ANN401 - each has its own
        """Parse it in this process. Raises `ProbeFailure`."""
        return getattr(import_module(self.module), self.function)(raw, *arguments)


PARSERS: Final[Mapping[str, ParserFunction]] = MappingProxyType(
    {
        "feed": ParserFunction("beacon.vendors.feed", "entries", inline=64 * 1024),
        "field": ParserFunction("beacon.probing.html_forms", "value_of", inline=16 * 1024),
        "form": ParserFunction("beacon.probing.html_forms", "form", inline=16 * 1024),
    }
)
"""All parsers: the process runs no other function."""


class ParserReply(msgspec.Struct, frozen=True, array_like=True):
    """The process's answer: a result, or a reason and its words, or the name of a bug."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")  # nil
    reason: Reason | None = None
    words: str = ""
    bug: str = ""


class ParserProcess:
    """The process, started for the first large input; it parses one input at a time."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        # A queue of one item: the thread that has taken it uses the process alone.
        self._free: SimpleQueue[_Child | None] = SimpleQueue()
        self._free.put(None)
        self._deaths = itertools.count(1)

    def ask(self, run: Run, request: bytes) -> ParserReply:
        """Let the process parse it. Raises `ProbeFailure`, `DeadlinePassed`."""
        try:
            child = self._free.get(timeout=run.remaining())
        except Empty:
            words = "the parser process was busy with other inputs"
            raise ProbeFailure(Reason.INTERNAL_ERROR, words) from None
        try:
            if child is not None and not child.lives():
                child.kill()
                child = None
            child = child or self._started()
            return self._reply(run, child, request)
        except BaseException:
            if child is not None:
                child.kill()
            child = None
            raise
        finally:
            self._free.put(child)

    def _started(self) -> "_Child":
        try:
            return _Child(self._command)
        except OSError as error:
            self._complain(f"it cannot be started: {error.strerror}")
            words = "the parser process cannot be started"
            raise ProbeFailure(Reason.INTERNAL_ERROR, words) from None

    def _reply(self, run: Run, child: "_Child", request: bytes) -> ParserReply:
        with run.watching(child.channel):
            try:
                child.channel.settimeout(run.remaining())
                send(child.channel, request)
                child.channel.settimeout(run.remaining())
                reply = receive(child.channel, REPLY_LIMIT)
            except OSError:
                reply = None
            except ValueError:
                raise self._died(child.kill()) from None
        if reply is None:
            run.remaining()  # at the deadline the run shuts the channel
            raise self._died(child.ended())
        try:
            return msgspec.msgpack.decode(reply, type=ParserReply)
        except msgspec.DecodeError:
            raise self._died(child.kill()) from None

    def _died(self, status: int) -> ProbeFailure:
        """The failure for a death: the input caused it by a limit, or we did."""
        if status == -signal.SIGPROF:
            self._complain("an input took too long")
            words = f"reading it takes more than {CPU_LIMIT:g} s of processor time"
            return ProbeFailure(Reason.BODY_TOO_LARGE, words)
        self._complain(f"exit status {status}")
        return ProbeFailure(
            Reason.INTERNAL_ERROR, f"the parser process died (exit status {status})"
        )

    def _complain(self, words: str) -> None:
        number = next(self._deaths)
        if str(number).strip("0") == "1":
            log.warning("the parser process was lost: %s; %d so far", words, number)

    def close(self) -> None:
        """End the process, unless it is parsing: then its limits end it."""
        with contextlib.suppress(Empty):
            child = self._free.get_nowait()
            if child is not None:
                child.kill()
            self._free.put(None)


class _Child:
    """One process and the channel to it."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.callback(self.channel.close)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a traceback would quote the input
                cwd="/",
                env={"LC_ALL": "C.UTF-8"},
                start_new_session=True,  # Ctrl-C is for the beacon, which then ends this process
            )
            unless_started.pop_all()

    def lives(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def ended(self) -> int:
        """How it ended after it closed the channel: its status, or minus the signal's number."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return self.kill()

    def kill(self) -> int:
        """Kill it; returns how it ended."""
        with self.channel:
            self._process.kill()
            return self._process.wait()


def send(channel: socket.socket, message: bytes) -> None:
    """Send one message: its length in four bytes, then itself. Raises `OSError`."""
    channel.sendall(len(message).to_bytes(4, "big") + message)


def receive(channel: socket.socket, limit: int) -> bytes | None:
    """One message; None at the end. Raises `OSError`, `ValueError` if it is too long."""
    head = _exactly(channel, 4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > limit:
        raise ValueError("a message longer than its limit")
    return _exactly(channel, length)


def _exactly(channel: socket.socket, length: int) -> bytes | None:
    """Read this number of bytes; None if the other end is closed before."""
    found = bytearray()
    while len(found) < length:
        piece = channel.recv(min(length - len(found), 1 << 16))
        if not piece:
            return None
        found += piece
    return bytes(found)


PROCESS: Final = ParserProcess((sys.executable, "-I", "-m", "beacon.net.parsing.parser_process"))
"""The only parser process."""
atexit.register(PROCESS.close)


def parsed(run: Run, name: str, kind: type[T], raw: bytes, *arguments: str) -> T:
    """The result of the parser of this name, as `kind`. Raises `ProbeFailure`, `DeadlinePassed`."""
    parser = PARSERS[name]
    if len(raw) <= parser.inline:
        found: T = parser(raw, *arguments)
        return found
    reply = PROCESS.ask(run, msgspec.msgpack.encode((name, arguments, raw)))
    if reply.bug:
        log.error("bug in the parser %s: %s", name, reply.bug)
        raise ProbeFailure(Reason.INTERNAL_ERROR, f"bug in the parser: {reply.bug}")
    if reply.reason is not None:
        raise ProbeFailure(reply.reason, reply.words)
    return msgspec.msgpack.decode(reply.result, type=kind)
