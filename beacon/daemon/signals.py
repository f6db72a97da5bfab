"""Signals: stop, reload, and a terminal that was closed."""

import contextlib
import errno
import os
import signal
import termios
from collections.abc import Callable, Iterator
from typing import Final


@contextlib.contextmanager
def handle_signals(stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Inside: the first SIGTERM or SIGINT asks to stop, the second ends the process at once.

    SIGHUP asks for a reload, but in a terminal it means that the terminal was closed. Then it
    comes more than once (from the kernel and from the shell), so it never ends the process at once.
    """
    stopping = False

    def end(_number: int, _frame: object) -> None:
        nonlocal stopping
        if stopping:
            os._exit(1)
        stopping = True
        stop()

    hang_up = stop if _ends_with_its_terminal() else reload
    handlers = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: lambda *_: hang_up()}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class TerminalWatch:
    """Stops the daemon if it loses its terminal without a signal. Make it before `handle_signals`.

    The kernel sends SIGHUP to the terminal's first process only. Where that is `make run`, it
    waits for its child and passes nothing on. Asked at every beat.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._watching = _ends_with_its_terminal()
        self._in_front = True

    def __call__(self, _at: float) -> None:
        """Stop if the terminal is gone. A job in the background is its shell's business."""
        if not self._watching:
            return
        try:
            self._in_front = _in_front()
        except OSError as error:
            if error.errno in _GONE:
                self._watching = False
                if self._in_front:
                    self._stop()


_GONE: Final = {errno.ENXIO, errno.EIO, errno.ENOTTY}
"""What a terminal that was closed answers."""


def _ends_with_its_terminal() -> bool:
    """Whether there is a terminal, and we were not started by `nohup`."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    with contextlib.suppress(OSError):
        _in_front()
        return True
    return any(map(_closed, (0, 1, 2)))


def _closed(stream: int) -> bool:
    """Whether it was a terminal that was closed while we were starting."""
    try:
        termios.tcgetattr(stream)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def _in_front() -> bool:
    """Whether we are in the foreground of our terminal. Raises `OSError` without one."""
    terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
