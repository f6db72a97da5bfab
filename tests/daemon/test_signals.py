"""What signals ask of a process, with a terminal and without one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.servers.terminal import Terminal

# A handler must not `print`: the signal may come while the line before is being printed.
PROGRAM = """
import os, signal
from beacon.daemon.signals import handle_signals

def say(word):
    os.write(1, f"{word}\\n".encode())

with handle_signals(lambda: say("stop"), lambda: say("reload")):
    say("ready")
    while True:
        signal.pause()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started() -> Iterator[Start]:
    """Start the program by these words; in a session of its own, as systemd would."""
    processes: list[subprocess.Popen[str]] = []

    def start(*before: str, window: Terminal | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*before, sys.executable, "-c", PROGRAM],
            stdin=subprocess.DEVNULL if window is None else window.inside,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=window is None,
        )
        processes.append(process)
        assert says(process) == "ready"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


IN_TERMINAL = ["setsid", "--ctty"]


def test_without_a_terminal_a_hang_up_asks_for_a_reload(started: Start) -> None:
    process = started()
    process.send_signal(signal.SIGHUP)
    assert says(process) == "reload"


def test_a_closed_terminal_asks_to_stop(started: Start, terminal: Callable[[], Terminal]) -> None:
    window = terminal()
    process = started(*IN_TERMINAL, window=window)
    window.close()
    assert says(process) == "stop"


def test_a_shell_that_hangs_up_before_its_terminal_closes_asks_to_stop(
    started: Start, terminal: Callable[[], Terminal]
) -> None:
    """As zsh does to its jobs when it ends."""
    process = started(*IN_TERMINAL, window=terminal())
    process.send_signal(signal.SIGHUP)
    assert says(process) == "stop"


def test_with_nohup_a_closed_terminal_stops_nothing(
    started: Start, terminal: Callable[[], Terminal]
) -> None:
    window = terminal()
    process = started(*IN_TERMINAL, "nohup", window=window)
    window.close()
    assert says(process) == "reload"


@pytest.mark.parametrize("then", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_hang_up_leaves_time_to_stop_in_order(
    started: Start, terminal: Callable[[], Terminal], then: signal.Signals
) -> None:
    """The kernel, the shell and `make run` all tell of one closed terminal."""
    process = started(*IN_TERMINAL, window=terminal())
    process.send_signal(signal.SIGHUP)
    assert says(process) == "stop"
    process.send_signal(then)
    assert says(process) == "stop"


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_the_second_order_to_stop_ends_it_at_once(started: Start, first: signal.Signals) -> None:
    process = started()
    process.send_signal(first)
    assert says(process) == "stop"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1


WATCHING = """
import os, signal
from beacon.daemon.signals import TerminalWatch

def say(word):
    os.write(1, f"{word}\\n".encode())

def look(*_):
    watch(0.0)
    say("looked")

watch = TerminalWatch(lambda: say("stop"))
signal.signal(signal.SIGUSR1, look)
say(os.getpid())
while True:
    signal.pause()
"""

# The terminal's first process gets its SIGHUP and passes it on to nobody, as make does.
UNDER_MAKE = [*IN_TERMINAL, "bash", "-c"]


@pytest.mark.parametrize(
    ("script", "looks"),
    [
        ('trap : HUP; "$@"; wait', ["stop", "looked", "looked"]),
        ('trap : HUP; nohup "$@"; wait', ["looked", "looked"]),
        ('trap : HUP; set -m; "$@" & wait; wait', ["looked", "looked"]),
    ],
    ids=["in front", "nohup", "a job in the background"],
)
def test_one_whose_terminal_goes_without_a_signal_stops_once(
    terminal: Callable[[], Terminal], script: str, looks: list[str]
) -> None:
    window = terminal()
    with subprocess.Popen(
        [*UNDER_MAKE, script, "make", sys.executable, "-c", WATCHING],
        stdin=window.inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        watching = int(says(process))
        os.kill(watching, signal.SIGUSR1)
        assert says(process) == "looked", "the terminal is there"
        window.close()
        lines: list[str] = []
        while lines.count("looked") < 2:
            if lines[-1:] != ["stop"]:
                os.kill(watching, signal.SIGUSR1)
            lines.append(says(process))
        os.kill(watching, signal.SIGKILL)
    assert lines == looks


def test_one_whose_terminal_is_closed_while_it_starts_stops(
    terminal: Callable[[], Terminal],
) -> None:
    window = terminal()
    script = 'trap : HUP; echo begun; while : 2>/dev/null </dev/tty; do :; done; "$@"'
    with subprocess.Popen(
        [*UNDER_MAKE, script, "make", sys.executable, "-c", WATCHING],
        stdin=window.inside,
        stdout=subprocess.PIPE,
        stderr=window.inside,
        text=True,
    ) as process:
        assert says(process) == "begun"
        window.close()
        watching = int(says(process))
        os.kill(watching, signal.SIGUSR1)
        lines = [says(process), says(process)]
        os.kill(watching, signal.SIGKILL)
    assert lines == ["stop", "looked"]
