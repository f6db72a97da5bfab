"""Incidents as documents: for the history, the control socket and whoever reads them."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from beacon.core.events import IncidentView
from beacon.outputs.control import Answer, Refused
from beacon.outputs.topics import iso

if TYPE_CHECKING:
    from beacon.outputs.history import History

MOST: Final = 50
"""Incidents in one list."""
LEAD_IN: Final = 600.0
"""Seconds before an incident whose transitions belong to its story."""
SETTLE_WITHIN: Final = 2.0


def document(view: IncidentView, name: str, moment: Callable[[float], datetime]) -> dict[str, Any]:
    """One incident; `name` is its id outside the core."""

    def when(at: float | None) -> str | None:
        return None if at is None else iso(moment(at))

    return {
        "id": name,
        "number": view.number,
        "service": view.service,
        "state": view.state,
        "verdict": view.verdict,
        "peak": view.peak,
        "since": when(view.since),
        "closed_at": when(view.closed_at),
        "first_out": view.first_out,
        "cause": view.cause,
        "explanation": view.explanation or None,
        "vendor_lead_s": view.vendor_lead,
        "impact": view.impact,
        "acknowledged": view.acknowledged,
        "acknowledged_at": when(view.acknowledged_at),
        "acknowledged_by": view.acknowledged_by,
    }


class Incidents:
    """Answers `incidents` on the control socket: the list, or the story of one."""

    def __init__(self, history: "History") -> None:
        self._history = history

    def __call__(self, request: Mapping[str, Any], _by: str) -> Answer:
        """Tell all, or the one that `incident` names by its id or its number."""
        self._history.settle(SETTLE_WITHIN)
        try:
            found = [told for _, told in self._history.reader.incidents(MOST)]
            wanted = request.get("incident")
            if wanted in (None, ""):
                return {"incidents": found, "storage_degraded": self._history.degraded}
            return self._story(found, wanted)
        except sqlite3.Error as error:
            raise Refused(f"the history cannot be read: {error}") from error

    def _story(self, found: list[dict[str, Any]], wanted: object) -> Answer:
        chosen = [each for each in found if str(wanted) in (each["id"], str(each["number"]))]
        if not chosen:
            raise Refused(f"no incident {wanted!r}; `beacon incidents` lists them")
        [told] = chosen
        reader = self._history.reader
        since = datetime.fromisoformat(told["since"]).timestamp()
        closed = told["closed_at"]
        until = datetime.fromisoformat(closed).timestamp() if closed else 2.0**40
        return {
            "incident": told,
            "story": [_dated(each) for each in reader.story(told["number"])],
            "transitions": [
                _dated(each) for each in reader.transitions(told["service"], since - LEAD_IN, until)
            ],
            "storage_degraded": self._history.degraded,
        }


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": iso(datetime.fromtimestamp(row["at"], UTC))}


# --- in words ---------------------------------------------------------------------


def told(answer: Mapping[str, Any]) -> list[str]:
    """The answer to `incidents`, line by line."""
    lines = _one(answer) if "incident" in answer else [_line(i) for i in answer["incidents"]]
    if answer["storage_degraded"]:
        lines += ["", "storage: degraded, something may be missing here"]
    return lines or ["no incident is remembered"]


def _line(incident: Mapping[str, Any]) -> str:
    """One of the list: number, when, how long, what."""
    peak = incident["peak"].replace("_", " ")
    cause = f", cause {incident['cause']}" if incident["cause"] else ""
    return (
        f"{incident['number']:>4}  {_clock(incident['since'])}  {_took(incident):>8}  "
        f"{incident['service']}: {peak}, {incident['state']}{cause}"
    )


def _one(answer: Mapping[str, Any]) -> list[str]:
    incident = answer["incident"]
    facts = {
        "since": _clock(incident["since"]),
        "closed": incident["closed_at"] and _clock(incident["closed_at"]),
        "lasted": incident["closed_at"] and _took(incident),
        "peak": incident["peak"].replace("_", " "),
        "first": incident["first_out"],
        "cause": incident["cause"],
        "because": incident["explanation"],
        "acknowledged": incident["acknowledged_by"],
        "vendor said so": None
        if incident["vendor_lead_s"] is None
        else f"{_span(incident['vendor_lead_s'])} after us",
        "impact": incident["impact"] and f"{incident['impact']:.0%} of sessions",
    }
    head = f"{incident['id']}  {incident['service']}: {incident['state']}"
    lines = [head, *(f"  {word:<15}{fact}" for word, fact in facts.items() if fact)]
    events = [(row["at"], _happened(row)) for row in answer["story"]]
    events += [(row["at"], _change(row)) for row in answer["transitions"]]
    return [*lines, "", *(f"  {_clock(at)}  {text}" for at, text in sorted(events, key=_at))]


def _at(event: tuple[str, str]) -> str:
    return event[0]


def _happened(row: Mapping[str, Any]) -> str:
    by = f" by {row['by']}" if row["by"] else ""
    cause = f", cause {row['cause']}" if row["cause"] else ""
    return f"{row['what'].upper()}{by}: {row['verdict'].replace('_', ' ')}{cause}"


def _change(row: Mapping[str, Any]) -> str:
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['endpoint']}: {row['was']} -> {row['now']}, {row['reason']}{detail}"


def _took(incident: Mapping[str, Any]) -> str:
    if not incident["closed_at"]:
        return "-"
    since, closed = (datetime.fromisoformat(incident[k]) for k in ("since", "closed_at"))
    return _span((closed - since).total_seconds())


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{rest} s"


def _clock(moment: str) -> str:
    """UTC to the second, as people read it."""
    return moment[:19].replace("T", " ") + " UTC"
