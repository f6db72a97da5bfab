"""What the daemon is told by signals."""

import contextlib
import errno
import os
import signal
import termios
from collections.abc import Callable, Iterator
from typing import Final


@contextlib.contextmanager
def asked(stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Inside: the first SIGTERM or SIGINT asks to stop, the second ends the process at once.

    SIGHUP asks for a reload, but in a terminal it says that the terminal was closed. Then it
    comes more than once (from the kernel and from the shell): it never ends the process at once.
    """
    told = False

    def end(_number: int, _frame: object) -> None:
        nonlocal told
        if told:
            os._exit(1)
        told = True
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
    """Stops what loses its terminal without a signal; to be made before `asked`.

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
    """Whether there is a terminal, and whoever started us did not say `nohup`."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    with contextlib.suppress(OSError):
        _in_front()
        return True
    return any(map(_closed, (0, 1, 2)))


def _closed(stream: int) -> bool:
    """Whether it was a terminal that was closed before we looked: while we were starting."""
    try:
        termios.tcgetattr(stream)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def _in_front() -> bool:
    """Whether our terminal takes us for its foreground. Raises `OSError` without one."""
    terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
