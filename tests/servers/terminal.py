"""A terminal that can be closed, as the window of a person can."""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator

import pytest


class Terminal:
    """A pseudo-terminal. `inside` is for the process in it, `shown` what it has written."""

    def __init__(self) -> None:
        self._ours, self.inside = os.openpty()
        self._ending, self._end = os.pipe()
        self._open = True
        self.shown = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Close the window: the kernel hangs up on whoever is in it."""
        if self._open:
            self._open = False
            os.write(self._end, b"end")
            self._reader.join(10)
            for number in (self._ours, self.inside, self._ending, self._end):
                os.close(number)

    def _read(self) -> None:
        # Not in a blocking read: that would keep the terminal open after `close`.
        with contextlib.suppress(OSError):
            while self._ending not in select.select([self._ours, self._ending], [], [])[0]:
                self.shown += os.read(self._ours, 65536)


@pytest.fixture
def terminal() -> Iterator[Callable[[], Terminal]]:
    """Open terminals."""
    opened: list[Terminal] = []

    def start() -> Terminal:
        try:
            opened.append(Terminal())
        except OSError as error:
            pytest.skip(f"no pseudo-terminal can be had here ({error}): mount devpts at /dev/pts")
        return opened[-1]

    yield start
    for each in opened:
        each.close()
