"""Reports once a minute how the beacon itself is.

The deciding thread cannot report that it stalled: see `beacon.outputs.mqtt.stalled`.
"""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

from beacon.core.views import View
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.topics import HealthReport

EVERY: Final = 60.0
"""Seconds between two reports."""


class SelfHealth:
    """Called at every beat; calls `report` when it is time."""

    def __init__(
        self,
        lag: Callable[[], float],
        view: Callable[[], View],
        degraded: Callable[[], bool],
        report: Callable[[HealthReport], None],
    ) -> None:
        self._lag, self._view, self._degraded, self._report = lag, view, degraded, report
        self._due = 0.0

    def again(self) -> None:
        """Report at the next beat: there is a new listener."""
        self._due = 0.0

    def __call__(self, at: float) -> None:
        """Report, if it is time."""
        if at < self._due:
            return
        self._due = at + EVERY
        lag, view = self._lag(), self._view()
        trusted, offset = view.overall.clock, view.clock_offset
        self._report(
            HealthReport(
                at,
                loop_lag_ms=lag * 1000,
                stalled=lag > Heartbeat.LIMIT,
                clock_synced=None if trusted == "unverified" else trusted == "ok",
                clock_offset_ms=None if offset is None else offset * 1000,
                storage_degraded=self._degraded(),
                rss_mb=_rss_mb(),
            )
        )


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6
