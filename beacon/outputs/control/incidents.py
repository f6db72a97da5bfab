"""Answers `incidents` on the control socket from the history."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

from beacon.core.model import Site
from beacon.core.views import Arrivals
from beacon.engine.clock import Clock
from beacon.outputs.control.socket import ActionRefused, Answer
from beacon.outputs.documents import iso, runbook
from beacon.outputs.history.database import HIGHEST_NUMBER
from beacon.outputs.history.output import History

MOST: Final = 50
"""Incidents in one list."""
LEAD_IN: Final = 600.0
"""Seconds before an incident whose transitions belong to its story."""
SETTLE_WITHIN: Final = 2.0


Utc = Annotated[datetime, msgspec.Meta(tz=True)]
Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""No NaN, at most 1e12: what can be written as a span."""


class _Cited(msgspec.Struct):
    endpoint: str
    reason: str
    detail: str | None
    at: Utc | None


class _Window(msgspec.Struct):
    until: Utc
    ttl_s: Seconds | None
    interval_s: Seconds
    delivery_interval_s: Seconds
    code_lifetime_s: Seconds
    delivery: str


class _Cause(msgspec.Struct):
    cause: str
    explains: bool
    readings: list[_Cited]
    window: _Window | None


class _Vendor(msgspec.Struct):
    endpoint: str
    says: str
    words: str
    since: Utc | None


class _Incident(msgspec.Struct):
    """What a row must hold to be shown. An older beacon wrote only the fields without a default."""

    id: str
    number: Annotated[int, msgspec.Meta(gt=0, lt=HIGHEST_NUMBER)]
    service: str
    state: str
    verdict: str
    peak: str
    since: Utc
    closed_at: Utc | None
    first_out: str
    cause: str | None
    explanation: str | None
    vendor_lead_s: Seconds | None
    impact: Seconds | None
    acknowledged_by: str | None
    acknowledged_at: Utc | None = None
    causes: list[_Cause] = []
    vendor: list[_Vendor] = []
    vendor_differs: bool = False
    records: list[str] = []
    arrivals: list[Arrivals] = []


class Incidents:
    """Answers `incidents` on the control socket: the list, or the story of one.

    `site` is what is watched now: it has the runbooks.
    """

    def __init__(self, history: History, clock: Clock, site: Callable[[], Site]) -> None:
        self._history, self._clock, self._site = history, clock, site

    def __call__(self, request: Mapping[str, Any], _by: str) -> Answer:
        """Return the list, or the story of the one that `incident` names by id or number."""
        self._history.settle(SETTLE_WITHIN)
        wanted = request.get("incident")
        name = None if wanted in (None, "") else str(wanted)
        try:
            rows = [row for _, row in self._history.reader.incidents(MOST, name)]
            found = [row for row in rows if _readable(row)]
            answer = {"incidents": found} if name is None else self._story(found, name)
        except sqlite3.Error as error:
            raise ActionRefused(f"the history cannot be read: {error}") from error
        return answer | {
            "now": iso(self._clock.utc()),
            "storage_degraded": self._history.degraded or len(found) < len(rows),
        }

    def _story(self, found: list[dict[str, Any]], name: str) -> Answer:
        if not found:
            raise ActionRefused(f"no incident {name!r}; `beacon incidents` lists the newest")
        incident = found[0]
        reader = self._history.reader
        since = datetime.fromisoformat(incident["since"]).timestamp()
        closed = incident["closed_at"]
        until = datetime.fromisoformat(closed).timestamp() if closed else 2.0**40
        return {
            "incident": incident,
            "runbook": runbook(self._site(), incident["service"]),
            "story": [_dated(each) for each in reader.story(incident["number"])],
            "operators": [
                _dated(each) for each in reader.commands(incident["service"], since, until)
            ],
            "transitions": [
                _dated(each)
                for each in reader.transitions(incident["service"], since - LEAD_IN, until)
            ],
        }


def _readable(incident: Mapping[str, Any]) -> bool:
    """Whether a row is whole: damage may have changed or dropped anything in it."""
    try:
        msgspec.convert(incident, _Incident)
    except msgspec.ValidationError:
        return False
    return True


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": iso(datetime.fromtimestamp(row["at"], UTC))}
