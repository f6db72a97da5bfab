"""Takes over the memory as version 2 of the schema had it: flat, under older names."""

import json
from collections.abc import Mapping
from typing import Any

_Old = Mapping[str, Any]


def from_version_2(document: str) -> str:
    """The document as version 3 has it; one that cannot be read stays as it is."""
    try:
        old = json.loads(document)
        return json.dumps(old | {"memory": _memory(old["memory"])})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return document


def _memory(old: _Old) -> dict[str, Any]:
    endpoints, services = old.get("endpoints", ()), old.get("services", ())
    new = _part(old, "at", "incidents", "silence", "overlays", "uses")
    if {"overall", "overall_since"} <= old.keys():
        new["overall"] = {"verdict": old["overall"], "since": old["overall_since"]}
    return new | {
        "endpoints": {each["id"]: _endpoint(each) for each in endpoints},
        "paid": {
            each["id"]: _part(each, "stale_at", "fails", last="reading", read_at="started")
            for each in endpoints
            if {"last", "read_at", "stale_at"} <= each.keys()
        },
        "arrivals": [counts for each in endpoints for counts in each.get("arrivals", ())],
        "services": {each["id"]: _service(each) for each in services},
        "alarms": {each["id"]: each.get("alarm", {}) for each in services},
        "buzzer": _part(
            old.get("voice", {}), "swallowed", "opened_at", "opened_rank", spent_at="spent"
        ),
    }


def _endpoint(old: _Old) -> dict[str, Any]:
    same = ("since", "health", "slow", "up_again_at", "passed_at")
    new = _part(old, *same, ails="unplanned", fell="confirmed_onset", told_at="informed_at")
    new["guard"] = _part(old, "proven", "rejections", "stopped_at", guard_until="rests_until")
    if old.get("flapping"):
        new["flapping"] = _part(old, "held", "history", "changes_from")
    return new


def _service(old: _Old) -> dict[str, Any]:
    new = _part(old, suppressed="inhibited", hush="suppression")
    new["blind"] = _part(old, "sighted_at", "damped", told_blind="announced")
    if "verdict" in old:
        red = ("was_red", "red_since", "red_seconds")
        new["verdict"] = _part(old, "verdict", "since", "proof_at", *red, "admitted", "hold_left")
    if "incident" in old:
        same = ("view", "admitted_at", "onset_at")
        new["incident"] = _part(old["incident"], *same, told_recovering="announced_recovering")
    return new


def _part(old: _Old, *same: str, **renamed: str) -> dict[str, Any]:
    """What is there of these fields; some have another name now."""
    names = dict(zip(same, same, strict=True)) | renamed
    return {new: old[was] for was, new in names.items() if was in old}
