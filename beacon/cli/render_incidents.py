"""The daemon's answer to `beacon incidents` as people read it: the list, or the story of one."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

from beacon.core.endpoint.delivery_stats import in_words as arrivals_in_words
from beacon.core.views import Arrivals
from beacon.outputs import times

WIDTH: Final = 80
"""Columns of the terminal at which somebody reads this at night."""


def render_incidents(answer: Mapping[str, Any]) -> list[str]:
    """Write the list of incidents, or the story of one, line by line."""
    if "incident" in answer:
        lines = list(_one(answer))
    else:
        lines = [line for each in answer["incidents"] for line in _line(each, answer["now"])]
        lines = lines or ["no incident is remembered"]
    if answer["storage_degraded"]:
        lines += ["", "storage: degraded, something may be missing here"]
    return lines


def _line(incident: Mapping[str, Any], now: str) -> list[str]:
    """Write one of the list: number, when, how long, what."""
    peak = incident["peak"].replace("_", " ")
    cause = f", cause {incident['cause']}" if incident["cause"] else ""
    since, took = times.minute(incident["since"]), _took(incident, now)
    head = f"{incident['number']:>4}  {since}  {took:>8}  "
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
    yield from _headed("what operators did", _commands(answer.get("operators", ())))


def _facts(incident: Mapping[str, Any], now: str) -> dict[str, str | None]:
    closed, lead = incident["closed_at"], incident["vendor_lead_s"]
    by, when = incident["acknowledged_by"], incident.get("acknowledged_at")
    seen = f"{by}{f', {times.second(when)}' if when else ''}" if by else "by nobody yet"
    over = incident["state"] == "closed"
    return {
        "since": times.second(incident["since"]),
        "closed": closed and times.second(closed),
        "lasted" if over else "lasts": _took(incident, now),
        "peak": incident["peak"].replace("_", " "),
        "first": incident["first_out"],
        "cause": incident["cause"],
        "because": incident["explanation"],
        "acknowledged": None if over and not by else seen,
        "vendor said so": None if lead is None else f"{times.span(lead)} after us",
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
            at = f"{times.second(cited['at'])}  " if cited["at"] else ""
            detail = f" ({cited['detail']})" if cited["detail"] else ""
            yield from _wrapped(f"     {at}", f"{cited['endpoint']}: {cited['reason']}{detail}")
        if cause["window"]:
            yield from _wrapped("     ", _reach(cause["window"]))


def _arrivals(arrivals: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for each in arrivals:
        yield from _wrapped("  ", f"{each['cause']}: {arrivals_in_words(Arrivals(**each))}")


def _reach(window: Mapping[str, Any]) -> str:
    ttl = "no TTL was seen" if window["ttl_s"] is None else f"TTL {times.span(window['ttl_s'])}"
    parts = ("ttl_s", "interval_s", "delivery_interval_s", "code_lifetime_s")
    lasts = times.between(window["since"], window["until"])
    twice = "twice " if lasts > 1.5 * sum(window[part] or 0.0 for part in parts) else ""
    return (
        f"explains what began to fail until {times.second(window['until'])}: {twice}{ttl}, + "
        f"{times.span(window['interval_s'])} between its readings, + "
        f"{times.span(window['delivery_interval_s'])} between those of {window['delivery']}, + "
        f"{times.span(window['code_lifetime_s'])} for a code"
    )


def _vendor(sources: Iterable[Mapping[str, Any]], now: str | None) -> Iterator[str]:
    for source in sources:
        since = source["since"]
        age = f" ({times.span(times.between(since, now))})" if since and now else ""
        shown = f", since {times.second(since)}{age}" if since else ""
        yield f"  {source['says']:<8}{source['endpoint']}{shown}"
        yield from _wrapped(" " * 10, source["words"])


def _events(answer: Mapping[str, Any]) -> Iterator[str]:
    # At the same moment, a reading comes before what it led to.
    events = [(row["at"], _change(row)) for row in answer["transitions"]]
    events += [(row["at"], _happened(row)) for row in answer["story"]]
    for at, words in sorted(events, key=itemgetter(0)):
        yield from _wrapped(f"  {times.second(at)}  ", words)


def _commands(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        off = " --off" if row["state"] == "OFF" else ""
        concerned = f" {row['service']}" if row["service"] else ""
        why = f": {row['reason']}" if row["reason"] else ""
        error = f" (refused: {row['error']})" if row["error"] else ""
        words = f"{row['command']}{off}{concerned} by {row['by']}, {row['origin']}{why}{error}"
        yield from _wrapped(f"  {times.second(row['at'])}  ", words)


def _wrapped(head: str, words: str) -> list[str]:
    """Put words behind a head, in lines that fit the terminal."""
    indent = " " * len(head)
    wide = max(WIDTH, len(head) + 30)
    return textwrap.wrap(
        words, wide, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    ) or [head.rstrip()]


def _happened(row: Mapping[str, Any]) -> str:
    by = f" by {row['by']}" if row["by"] else ""
    cause = f", cause {row['cause']}" if row["cause"] else ""
    return f"{row['what'].upper()}{by}: {row['verdict'].replace('_', ' ')}{cause}"


def _change(row: Mapping[str, Any]) -> str:
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['endpoint']}: {row['was']} -> {row['now']}, {row['reason']}{detail}"


def _took(incident: Mapping[str, Any], now: str) -> str:
    """How long it lasted, or lasts. Unknown (-) if it closed while the beacon was not running."""
    ended = incident["closed_at"]
    if not ended and incident["state"] == "closed":
        return "-"
    return times.span(times.between(incident["since"], ended or now))
