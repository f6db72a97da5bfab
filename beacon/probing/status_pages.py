"""What a server says of itself, by all of its pages for that, in order.

Such pages prove little. What each of them proves is in its kind's page of the docs.
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
            request = Request(url=self.url.rstrip("/") + path)
            try:
                reading = judge(exchange(run, request, self.route), expected)
            except ProbeFailure as failure:
                reading = failure.reading
            if reading.reason is not Reason.OK:
                return replace(reading, detail=f"{path}: {reading.detail}")
        return Reading(Reason.OK, "it says that all is well, which proves little")
