"""A server's own word about itself, by the pages it has for that: all of them, in order.

What such pages say proves little; what each of them proves is in its kind's page of the docs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from beacon.config.fields import Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.http.client import Request, exchange
from beacon.net.http.expectations import Expectations, judge
from beacon.net.http.route import Reach
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.probing.base import FAST, SettingFlaw, Timing


@dataclass(frozen=True, kw_only=True)
class StatusPages(Reach):
    """Whether every one of `PAGES` says what it should; no account is needed."""

    EVIDENCE: ClassVar = Evidence.HEALTH
    TIMING: ClassVar[Timing] = FAST
    SIGN_IN: ClassVar = False
    PAGES: ClassVar[Mapping[str, Expectations]]
    """Path → what is expected there."""

    url: Url

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, which is done by our clock."""
        return self.url.lower().startswith("https:") and self.tls.verify

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for flaw in self.reach_flaws():
            yield SettingFlaw(*flaw)

    def wait(self, utc: float, memory: ProbeMemory) -> float:  # noqa: ARG002
        """Seconds it must not run yet: none."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Ask for each page; the first that is not as it should be is the reading."""
        for path, expected in self.PAGES.items():
            reading = self._asked(run, path, expected)
            if reading.reason is not Reason.OK:
                return timed(run, replace(reading, detail=f"{path}: {reading.detail}"))
        return timed(run, Reading(Reason.OK, "it says that all is well, which proves little"))

    def _asked(self, run: Run, path: str, expected: Expectations) -> Reading:
        try:
            request = Request(url=self.url.rstrip("/") + path)
            return judge(exchange(run, request, self.route), expected)
        except ProbeFailure as trouble:
            return trouble.reading
