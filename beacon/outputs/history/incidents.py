"""Incidents as documents: for the history, the control socket and whoever reads them."""

import sqlite3
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from beacon.core.endpoint.delivery_stats import told as fared
from beacon.core.model import Site
from beacon.core.views import Arrivals
from beacon.engine.clock import Clock
from beacon.outputs.control.socket import ActionRefused, Answer
from beacon.outputs.documents import iso, runbook
from beacon.outputs.history.database import HIGHEST_NUMBER

if TYPE_CHECKING:
    from beacon.outputs.history.output import History

MOST: Final = 50
"""Incidents in one list."""
LEAD_IN: Final = 600.0
"""Seconds before an incident whose transitions belong to its story."""
SETTLE_WITHIN: Final = 2.0
WIDTH: Final = 80
"""Columns of the terminal at which somebody reads this at night."""


class Incidents:
    """Answers `incidents` on the control socket: the list, or the story of one.

    `site` is what is watched now: it has the runbooks.
    """

    def __init__(self, history: "History", clock: Clock, site: Callable[[], Site]) -> None:
        self._history, self._clock, self._site = history, clock, site

    def __call__(self, request: Mapping[str, Any], _by: str) -> Answer:
        """Tell all, or the one that `incident` names by its id or its number."""
        self._history.settle(SETTLE_WITHIN)
        try:
            rows = [row for _, row in self._history.reader.incidents(MOST)]
            found = [row for row in rows if _readable(row)]
            wanted = request.get("incident")
            answer: Answer = {"incidents": found} if wanted in (None, "") else {}
            answer = answer or self._story(found, wanted)
        except sqlite3.Error as error:
            raise ActionRefused(f"the history cannot be read: {error}") from error
        return answer | {
            "now": iso(self._clock.utc()),
            "storage_degraded": self._history.degraded or len(found) < len(rows),
        }

    def _story(self, found: list[dict[str, Any]], wanted: object) -> Answer:
        chosen = [each for each in found if str(wanted) in (each["id"], str(each["number"]))]
        if not chosen:
            raise ActionRefused(f"no incident {wanted!r}; `beacon incidents` lists them")
        [told] = chosen
        reader = self._history.reader
        since = datetime.fromisoformat(told["since"]).timestamp()
        closed = told["closed_at"]
        until = datetime.fromisoformat(closed).timestamp() if closed else 2.0**40
        return {
            "incident": told,
            "runbook": runbook(self._site(), told["service"]),
            "story": [_dated(each) for each in reader.story(told["number"])],
            "operators": [_dated(each) for each in reader.orders(told["service"], since, until)],
            "transitions": [
                _dated(each) for each in reader.transitions(told["service"], since - LEAD_IN, until)
            ],
        }


def _readable(incident: Mapping[str, Any]) -> bool:
    """Whether it can be told in words: damage may have changed or dropped anything in it."""
    about = {"now": incident.get("since"), "storage_degraded": False}
    story: dict[str, Any] = {"story": (), "transitions": (), "operators": ()}
    try:
        told({"incidents": [incident]} | about)
        told({"incident": incident} | story | about)
        datetime.fromisoformat(incident["since"]).timestamp()
        words = (incident[key] for key in ("id", "service", "state", "verdict", "first_out"))
        return 0 < incident["number"] < HIGHEST_NUMBER and all(isinstance(w, str) for w in words)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return False


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": iso(datetime.fromtimestamp(row["at"], UTC))}


# --- in words ---------------------------------------------------------------------


def told(answer: Mapping[str, Any]) -> list[str]:
    """The answer to `incidents`, line by line."""
    if "incident" in answer:
        lines = list(_one(answer))
    else:
        lines = [line for each in answer["incidents"] for line in _line(each, answer["now"])]
        lines = lines or ["no incident is remembered"]
    if answer["storage_degraded"]:
        lines += ["", "storage: degraded, something may be missing here"]
    return lines


def _line(incident: Mapping[str, Any], now: str) -> list[str]:
    """One of the list: number, when, how long, what."""
    peak = incident["peak"].replace("_", " ")
    cause = f", cause {incident['cause']}" if incident["cause"] else ""
    head = f"{incident['number']:>4}  {_minute(incident['since'])}  {_took(incident, now):>8}  "
    what = f"{incident['service']}: {peak}, {incident['state']}{cause}"
    return _wrapped(head, what)


def _one(answer: Mapping[str, Any]) -> Iterator[str]:
    incident, now = answer["incident"], answer["now"]
    # An incident that an older beacon wrote down has no ranked causes and no vendor's words.
    causes, vendor = incident.get("causes", ()), incident.get("vendor", ())
    yield f"{incident['id']}  {incident['service']}: {incident['state']}"
    for word, fact in _facts(incident, now).items():
        if fact:
            yield from _wrapped(f"  {word:<15}", fact)
    yield from _headed("why, the likeliest first", _causes(causes))
    records = (line for each in incident.get("records", ()) for line in _wrapped("  ", each))
    yield from _headed("records that were missing or wrong", records)
    arrivals = incident.get("arrivals", ())
    yield from _headed("codes, by what they hang on", _arrivals(arrivals))
    differ = incident.get("vendor_differs", False)
    sources = "the vendor's sources, which differ" if differ else "the vendor's sources"
    yield from _headed(sources, _vendor(vendor, None if incident["state"] == "closed" else now))
    steps = (answer.get("runbook") or "").splitlines()
    yield from _headed("what to do", (line for step in steps for line in _wrapped("  ", step)))
    yield from _headed("what happened", _events(answer))
    yield from _headed("what operators did", _orders(answer.get("operators", ())))


def _facts(incident: Mapping[str, Any], now: str) -> dict[str, str | None]:
    closed, lead = incident["closed_at"], incident["vendor_lead_s"]
    by, when = incident["acknowledged_by"], incident.get("acknowledged_at")
    seen = f"{by}{f', {_clock(when)}' if when else ''}" if by else "by nobody yet"
    over = incident["state"] == "closed"
    return {
        "since": _clock(incident["since"]),
        "closed": closed and _clock(closed),
        "lasted" if over else "lasts": _took(incident, now),
        "peak": incident["peak"].replace("_", " "),
        "first": incident["first_out"],
        "cause": incident["cause"],
        "because": incident["explanation"],
        "acknowledged": None if over and not by else seen,
        "vendor said so": None if lead is None else f"{_span(lead)} after us",
        "impact": incident["impact"] and f"{incident['impact']:.0%} of sessions (estimated)",
    }


def _headed(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", title, *found)


def _causes(causes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for number, cause in enumerate(causes, 1):
        beside = "" if cause["explains"] else " (does not explain it)"
        yield f"  {number}. {cause['cause']}{beside}"
        for cited in cause["readings"]:
            at = f"{_clock(cited['at'])}  " if cited["at"] else ""
            detail = f" ({cited['detail']})" if cited["detail"] else ""
            yield from _wrapped(f"     {at}", f"{cited['endpoint']}: {cited['reason']}{detail}")
        if cause["window"]:
            yield from _wrapped("     ", _reach(cause["window"]))


def _arrivals(arrivals: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in arrivals:
        yield from _wrapped("  ", f"{each['cause']}: {fared(Arrivals(**each))}")


def _reach(window: Mapping[str, Any]) -> str:
    ttl = "no TTL was seen" if window["ttl_s"] is None else f"TTL {_span(window['ttl_s'])}"
    return (
        f"explains what began to fail until {_clock(window['until'])}: {ttl}, + "
        f"{_span(window['interval_s'])} between its readings, + "
        f"{_span(window['delivery_interval_s'])} between those of {window['delivery']}, + "
        f"{_span(window['code_lifetime_s'])} for a code"
    )


def _vendor(sources: Iterable[Mapping[str, Any]], now: str | None) -> Iterator[str]:
    for source in sources:
        age = f" ({_span(_between(source['since'], now))})" if now and source["since"] else ""
        since = f", since {_clock(source['since'])}{age}" if source["since"] else ""
        yield f"  {source['says']:<8}{source['endpoint']}{since}"
        yield from _wrapped(" " * 10, source["words"])


def _events(answer: Mapping[str, Any]) -> Iterator[str]:
    # At one moment, what was seen comes before what it came to.
    events = [(row["at"], _change(row)) for row in answer["transitions"]]
    events += [(row["at"], _happened(row)) for row in answer["story"]]
    for at, words in sorted(events, key=_at):
        yield from _wrapped(f"  {_clock(at)}  ", words)


def _orders(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        off = " --off" if row["state"] == "OFF" else ""
        concerned = f" {row['service']}" if row["service"] else ""
        why = f": {row['reason']}" if row["reason"] else ""
        error = f" (refused: {row['error']})" if row["error"] else ""
        words = f"{row['command']}{off}{concerned} by {row['by']}, {row['origin']}{why}{error}"
        yield from _wrapped(f"  {_clock(row['at'])}  ", words)


def _wrapped(head: str, words: str) -> list[str]:
    """Words behind a head, in lines that fit the terminal."""
    indent = " " * len(head)
    wide = max(WIDTH, len(head) + 30)
    return textwrap.wrap(
        words, wide, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    ) or [head.rstrip()]


def _at(event: tuple[str, str]) -> str:
    return event[0]


def _happened(row: Mapping[str, Any]) -> str:
    by = f" by {row['by']}" if row["by"] else ""
    cause = f", cause {row['cause']}" if row["cause"] else ""
    return f"{row['what'].upper()}{by}: {row['verdict'].replace('_', ' ')}{cause}"


def _change(row: Mapping[str, Any]) -> str:
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['endpoint']}: {row['was']} -> {row['now']}, {row['reason']}{detail}"


def _took(incident: Mapping[str, Any], now: str) -> str:
    """How long it lasted, or has lasted; one that closed while we were dead took nobody knows."""
    ended = incident["closed_at"]
    if not ended and incident["state"] == "closed":
        return "-"
    return _span(_between(incident["since"], ended or now))


def _between(since: str, until: str) -> float:
    first, last = (datetime.fromisoformat(each) for each in (since, until))
    return max(0.0, (last - first).total_seconds())


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{rest} s"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ") + " UTC"


def _clock(moment: str) -> str:
    """UTC to the second, as people read it."""
    return moment[:19].replace("T", " ") + " UTC"
