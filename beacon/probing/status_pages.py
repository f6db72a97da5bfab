"""A server's own word about itself, by the pages it has for that: all of them, in order.

What such pages say proves little; what each of them proves is in its kind's page of the docs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from beacon.config.fields import Url
from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.net.http.client import Request, exchange
from beacon.net.http.expectations import Expectations, judge
from beacon.net.http.route import Reach
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import Kind


@dataclass(frozen=True, kw_only=True)
class StatusPages(Reach, Kind):
    """Whether every one of `PAGES` says what it should; no account is needed."""

    PAGES: ClassVar[Mapping[str, Expectations]]
    """Path → what is expected there."""

    url: Url

    def look(self, run: Run) -> Reading:
        """Ask for each page; the first that is not as it should be is the reading."""
        for path, expected in self.PAGES.items():
            reading = self._ask(run, path, expected)
            if reading.reason is not Reason.OK:
                return replace(reading, detail=f"{path}: {reading.detail}")
        return Reading(Reason.OK, "it says that all is well, which proves little")

    def _ask(self, run: Run, path: str, expected: Expectations) -> Reading:
        try:
            request = Request(url=self.url.rstrip("/") + path)
            return judge(exchange(run, request, self.route), expected)
        except ProbeFailure as trouble:
            return trouble.reading
