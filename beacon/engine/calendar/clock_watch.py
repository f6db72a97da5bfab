"""Events about our own clock: it was set, and whether it is synchronised.

Both are polled by `Engine`. The kernel is asked by `adjtimex`, which the unit's `ProtectClock=`
denies even for reading; a file of systemd-timesyncd then tells the same. See docs/adr/0011.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Final

from beacon.core.inputs import ClockStepped, ClockSynchronised
from beacon.core.model import Moment
from beacon.engine.clock import Clock, utc_at

STEP: Final = 1.0
"""A jump of the wall clock by this many seconds means that it was set."""

UNSYNCHRONISED_AFTER: Final = 32_000.0
"""Seconds without a time server after which the kernel gives up: the error that it assumes,
500 ppm, has then grown to 16 s."""

TIMESYNCD: Final = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd at each synchronisation (systemd-timesyncd.service(8))."""

_ERROR: Final = 5  # TIME_ERROR of adjtimex(2): not synchronised
_TIMEX: Final = 512  # bytes, more than `struct timex` takes anywhere; zeros ask and set nothing


class StepWatch:
    """Reports by how much the wall clock was set since the last call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero = utc_at(clock, 0.0)

    def __call__(self, at: Moment) -> ClockStepped | None:
        """The event for the core, if the clock jumped."""
        zero = utc_at(self._clock, 0.0)
        by = (zero - self._zero).total_seconds()
        if abs(by) < STEP:
            return None
        self._zero = zero
        return ClockStepped(at, by)


class KernelWatch:
    """Reports when the clock begins or ceases to be synchronised: asks one source after another."""

    def __init__(self, *sources: Callable[[], bool | None]) -> None:
        self._sources = sources
        self._on = False

    def __call__(self, at: Moment) -> ClockSynchronised | None:
        """The event for the core, if it changed since the last call."""
        answers = (source() for source in self._sources)
        on = next((answer for answer in answers if answer is not None), False)
        if on is self._on:
            return None
        self._on = on
        return ClockSynchronised(at, on)


def kernel_synchronised() -> bool | None:
    """Whether the kernel calls the clock synchronised; None where asking is not allowed."""
    state = _LIBC.adjtimex(ctypes.create_string_buffer(_TIMEX))
    return None if state < 0 else state != _ERROR


def timesyncd_synchronised(clock: Clock, file: Path = TIMESYNCD) -> bool | None:
    """Whether systemd-timesyncd reached a time server lately; None where it never did."""
    try:
        touched = file.stat().st_mtime
    except OSError:
        return None
    return 0 <= clock.utc().timestamp() - touched <= UNSYNCHRONISED_AFTER


_LIBC: Final = ctypes.CDLL(None)
