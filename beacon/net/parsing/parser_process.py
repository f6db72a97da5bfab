"""The parser process: parses inputs from the socket at its stdin, one after another.

It has no settings and no secrets, and writes no files. If an input kills it, nothing else dies.
"""

import contextlib
import resource
import signal
import socket
from typing import Final, TypeAlias

import msgspec

from beacon.core.model import Reason
from beacon.net.parsing.parser import (
    CPU_LIMIT,
    MEMORY_LIMIT,
    PARSERS,
    REPLY_LIMIT,
    SERVED,
    ParserReply,
    receive,
    send,
)
from beacon.net.probe_failure import ProbeFailure

REQUEST_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of one request."""

Request: TypeAlias = tuple[str, tuple[str, ...], bytes]
"""A parser's name, its arguments, and its input."""


def main() -> None:
    """Serve until the beacon closes its end, or `SERVED` inputs were parsed."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would contain the input
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with socket.socket(fileno=0) as channel, contextlib.suppress(OSError):
        serve(channel)


def serve(channel: socket.socket) -> None:
    """Answer requests, each within its processor time. Raises `OSError`."""
    for _ in range(SERVED):
        request = receive(channel, REQUEST_LIMIT)
        if request is None:
            return
        signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT)
        reply = answer(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(channel, reply)


def answer(request: bytes) -> bytes:
    """The reply to one request. Every error becomes a reply."""
    try:
        name, arguments, raw = msgspec.msgpack.decode(request, type=Request)
        result = msgspec.msgpack.encode(PARSERS[name](raw, *arguments))
        if len(result) > REPLY_LIMIT // 2:
            raise MemoryError
        reply = ParserReply(msgspec.Raw(result))
    except ProbeFailure as trouble:
        reply = ParserReply(reason=trouble.reading.reason, words=trouble.reading.detail)
    except MemoryError:
        reply = ParserReply(reason=Reason.BODY_TOO_LARGE, words="reading it takes too much memory")
    except Exception as error:  # noqa: BLE001 - a bug in a parser must lose this input only
        reply = ParserReply(bug=type(error).__name__)
    return msgspec.msgpack.encode(reply)


if __name__ == "__main__":
    main()
