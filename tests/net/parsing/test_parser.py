"""The parser process: what is large goes there, and whatever it dies of is a reading."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.parsing import parser
from beacon.net.parsing.parser import PARSERS, ParserProcess, ParserReply, parsed, receive, send
from beacon.net.parsing.parser_process import answer, serve
from beacon.net.probe_failure import ProbeFailure
from beacon.vendors.feed import FeedEntry

# A process that does what its input says, by the same protocol.
OBEDIENT = """
import os, resource, signal, socket, sys, time
import msgspec
from beacon.core.model import Reason
from beacon.net.parsing.parser import ParserReply, receive, send

channel = socket.socket(fileno=0)
while (request := receive(channel, 1 << 20)) is not None:
    match request:
        case b"echo":
            result = msgspec.msgpack.encode(os.getpid())
            send(channel, msgspec.msgpack.encode(ParserReply(msgspec.Raw(result))))
        case b"garbage":
            send(channel, b"garbage")
        case b"too much":
            channel.sendall(b"\\xff" * 5)
        case b"hang":
            time.sleep(600)
        case b"go":
            sys.exit(3)
        case b"spin":
            signal.setitimer(signal.ITIMER_PROF, 0.05)
            while True: pass
        case b"environment":
            result = msgspec.msgpack.encode(repr((sorted(os.environ), sys.argv, os.getcwd())))
            send(channel, msgspec.msgpack.encode(ParserReply(msgspec.Raw(result))))
"""


@pytest.fixture
def process():
    started = ParserProcess((sys.executable, "-c", OBEDIENT))
    yield started
    started.close()


def run_of(seconds: float = 60) -> Run:
    return Run(SystemClock(), seconds)


def trouble(ask: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(ProbeFailure) as raised:
        ask()
    return raised.value.reading.reason, raised.value.reading.detail


def pid(reply: ParserReply) -> int:
    return msgspec.msgpack.decode(reply.result, type=int)


def gone(number: int) -> bool:
    """Whether a process has ended and was waited for."""
    return not Path(f"/proc/{number}").exists()


def test_one_process_serves_one_input_after_another(process):
    first, second = (pid(process.ask(run_of(), b"echo")) for _ in range(2))
    assert first == second != os.getpid()
    process.close()
    assert gone(first)


DEATHS = [
    (b"spin", Reason.BODY_TOO_LARGE, "reading it takes more than 5 s of processor time"),
    (b"go", Reason.INTERNAL_ERROR, "the parser process died (exit status 3)"),
    (b"garbage", Reason.INTERNAL_ERROR, "the parser process died (exit status -9)"),
    (b"too much", Reason.INTERNAL_ERROR, "the parser process died (exit status -9)"),
]


@pytest.mark.parametrize(("request_", "reason", "words"), DEATHS)
def test_whatever_it_dies_of_is_a_reading_and_the_next_input_is_read(
    process, request_, reason, words
):
    before = pid(process.ask(run_of(), b"echo"))
    assert trouble(lambda: process.ask(run_of(), request_)) == (reason, words)
    assert gone(before)
    assert pid(process.ask(run_of(), b"echo")) != before


def test_deaths_are_counted_in_the_log(process, caplog):
    for _ in range(10):
        trouble(lambda: process.ask(run_of(), b"go"))
    assert [record.getMessage() for record in caplog.records] == [
        "the parser process was lost: exit status 3; 1 so far",
        "the parser process was lost: exit status 3; 10 so far",
    ]


def test_a_process_that_was_killed_between_two_inputs_is_replaced(process):
    before = pid(process.ask(run_of(), b"echo"))
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert pid(process.ask(run_of(), b"echo")) != before


def test_at_the_deadline_the_process_is_killed(process):
    before = pid(process.ask(run_of(), b"echo"))
    run = run_of()
    timer = threading.Timer(0.1, run.expire)  # as the prober does
    timer.start()
    with pytest.raises(DeadlinePassed):
        process.ask(run, b"hang")
    timer.join()
    assert gone(before)
    with pytest.raises(DeadlinePassed):
        process.ask(run_of(0.1), b"hang")


def test_waiting_for_the_process_is_our_own_trouble(process):
    long = run_of()
    asked = threading.Event()

    def hang() -> None:
        asked.set()
        with pytest.raises(DeadlinePassed):
            process.ask(long, b"hang")

    holder = threading.Thread(target=hang)
    holder.start()
    asked.wait()
    while process._free.qsize():
        time.sleep(0.01)
    found = trouble(lambda: process.ask(run_of(0.05), b"echo"))
    assert found == (Reason.INTERNAL_ERROR, "the parser process was busy with other inputs")
    process.close()  # does not wait for it
    long.expire()
    holder.join()
    assert pid(process.ask(run_of(), b"echo"))


def test_a_process_that_cannot_be_started(caplog):
    process = ParserProcess(("/does/not/exist",))
    for _ in range(2):
        found = trouble(lambda: process.ask(run_of(), b"echo"))
        assert found == (Reason.INTERNAL_ERROR, "the parser process cannot be started")
    assert "No such file" in caplog.text


def test_it_gets_no_secrets(process, monkeypatch):
    monkeypatch.setenv("SECRET", "canary")
    environment = msgspec.msgpack.decode(process.ask(run_of(), b"environment").result, type=str)
    assert environment == "(['LC_ALL'], ['-c'], '/')"
    assert parser.PROCESS._command == (
        sys.executable,
        "-I",
        "-m",
        "beacon.net.parsing.parser_process",
    )


# --- the real one -------------------------------------------------------------------

TITLES = tuple(f"title {number}" for number in range(1500))
FEED = f"<rss>{''.join(f'<item><title>{t}</title><link>/{t}</link></item>' for t in TITLES)}</rss>"


def test_small_and_large_inputs_say_the_same():
    run, raw = run_of(), FEED.encode()
    assert len(raw) > PARSERS["feed"].inline
    there = parsed(run, "feed", tuple[FeedEntry, ...], raw, "")
    assert [entry.title for entry in there] == list(TITLES)
    assert there == PARSERS["feed"](raw, "")


def test_trouble_comes_back_as_it_is():
    raw = b"[" * (PARSERS["feed"].inline + 1)
    there = trouble(lambda: parsed(run_of(), "feed", tuple[FeedEntry, ...], raw, ""))
    assert there == trouble(lambda: PARSERS["feed"](raw, ""))


def test_a_bug_in_a_parser_is_ours(caplog):
    raw = b"x" * (PARSERS["feed"].inline + 1)
    there = trouble(lambda: parsed(run_of(), "feed", tuple[FeedEntry, ...], raw, "", "too", "many"))
    assert there == (Reason.INTERNAL_ERROR, "bug in the parser: TypeError")
    assert "bug in the parser feed: TypeError" in caplog.text


def answered(name: str) -> ParserReply:
    return msgspec.msgpack.decode(answer(msgspec.msgpack.encode((name, (), b""))), type=ParserReply)


def test_an_input_that_takes_too_much_memory(monkeypatch):
    def hungry(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("beacon.vendors.feed.entries", hungry)
    reply = answered("feed")
    assert (reply.reason, reply.words) == (
        Reason.BODY_TOO_LARGE,
        "reading it takes too much memory",
    )
    monkeypatch.setattr("beacon.vendors.feed.entries", lambda *_: bytes(parser.REPLY_LIMIT))
    reply = answered("feed")
    assert reply.reason is Reason.BODY_TOO_LARGE


def test_nothing_but_the_listed_parsers_can_be_asked_for():
    reply = answered("os.system")
    assert reply.bug == "KeyError"


def test_it_ends_when_our_end_is_closed_and_after_so_many_inputs(monkeypatch):
    monkeypatch.setattr("beacon.net.parsing.parser_process.SERVED", 2)
    request = msgspec.msgpack.encode(("feed", ("",), b"<rss/>"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(3):
            send(ours, request)
        serve(theirs)
        assert receive(ours, 100) == receive(ours, 100) is not None
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        serve(theirs)  # returns


# Whoever starts the real process and dies without a word.
ORPHAN = """
import os
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.parsing import parser
parser.PROCESS.ask(Run(SystemClock(), 60), b"")
child = parser.PROCESS._free.get()
print(child._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_it_dies_with_the_beacon():
    ended = subprocess.run(
        [sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False
    )
    number = int(ended.stdout)
    until = time.monotonic() + 60
    while Path(f"/proc/{number}").exists() and "Z" not in _state(number):
        assert time.monotonic() < until
        time.sleep(0.02)


def _state(number: int) -> str:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


HEAVY = {"requests", "ssl", "yaml", "jinja2", "paho", "dns", "gpiozero", "sqlite3"}


def test_what_it_imports_is_little():
    code = (
        "import sys\n"
        f"heavy = {HEAVY}\n"
        # Some may be there before: coverage starts in every process, and brings its own.
        "for name in heavy: sys.modules.pop(name, None)\n"
        "import beacon.net.parsing.parser_process, beacon.vendors.feed\n"
        "print(*heavy & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.stdout.strip(), ended.returncode) == ("", 0)
