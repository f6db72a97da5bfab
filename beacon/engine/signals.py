"""What the daemon is told by signals."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator


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


def _ends_with_its_terminal() -> bool:
    """Whether there is a terminal, and whoever started us did not say `nohup`."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
