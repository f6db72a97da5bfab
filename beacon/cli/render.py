"""The daemon's answers as people read them, line by line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from beacon.outputs import times


def render_status(answer: Mapping[str, Any]) -> list[str]:
    """Write the status in words, line by line."""
    state = answer["state"]
    beside = [word for word in ("blind", "starting") if state[word] and state["verdict"] != word]
    lines = [", ".join([state["verdict"].upper().replace("_", " "), *beside, *state["overlays"]])]
    lines[0] += f"  since {times.second(state['since'])}"
    for name, service in answer["services"].items():
        words = [service["verdict"].replace("_", " "), *service.get("overlays", ())]
        words += ["first-out"] if name == state.get("first_out") else []
        lines += ["", f"{name}: {', '.join(words)}"]
        if service["explanation"]:
            lines.append(f"  {service['explanation']}")
        lines += [_endpoint(each, answer["endpoints"].get(each)) for each in service["endpoints"]]
    lines += ["", *(line for each in answer["incidents"] for line in _incident(each))]
    lines += [_overlay(each) for each in answer.get("overlays", ())]
    lines += _silent(answer)
    lamps = [f"{colour} {word}" for colour, word in answer["lamps"].items() if word != "off"]
    lines.append(f"lamps: {', '.join(lamps) or 'dark'}")
    lines.append(f"network: {state['network']}, clock: {state['clock']}")
    if state.get("storage_degraded"):
        lines.append("storage: degraded, a restart may forget what is shown here")
    return lines


def _endpoint(name: str, read: Mapping[str, Any] | None) -> str:
    if read is None:
        return f"  {name:<32} unknown   not yet asked"
    took = "" if read["latency_ms"] is None else f"  {read['latency_ms']:.0f} ms"
    detail = f"  {read['detail']}" if read["detail"] else ""
    return f"  {name:<32} {read['health']:<9} {read['reason']}{took}{detail}"


def _incident(incident: Mapping[str, Any]) -> list[str]:
    by, at = incident["acknowledged_by"], incident.get("acknowledged_at")
    seen = f" by {by}{f' at {times.second(at)}' if at else ''}" if by else ""
    runbook = incident["runbook"] or ""
    opened = times.second(incident["since"])
    return [
        f"incident {incident['id']}",
        f"  {incident['service']}: {incident['state']}{seen}, opened {opened}",
        f"  first {incident['first_out']}; `beacon incidents {incident['number']}` tells more",
        *(f"  {step}" for step in runbook.splitlines()),
    ]


def _silent(answer: Mapping[str, Any]) -> list[str]:
    silence = answer.get("silence")
    return [] if silence is None else [_overlay_line("silence", silence)]


def _overlay(overlay: Mapping[str, Any]) -> str:
    return _overlay_line(f"{overlay['kind']} {overlay['subject']}", overlay)


def _overlay_line(what: str, overlay: Mapping[str, Any]) -> str:
    until = f", until {times.second(overlay['until'])}" if overlay["until"] else ""
    why = f": {overlay['reason']}" if overlay["reason"] else ""
    return f"{what}: by {overlay['by']}, since {times.second(overlay['since'])}{until}{why}"


def render_explanation(answer: Mapping[str, Any]) -> list[str]:
    """Write the explanation in words, line by line."""
    verdict = answer["verdict"].replace("_", " ")
    lines = [f"{answer['service']}: {verdict} since {times.second(answer['since'])}"]
    lamps = [f"{colour} {pattern}" for colour, pattern in answer["lamps"].items()]
    lines.append(f"  asks for: {', '.join(lamps) or 'no lamp'}")
    lines += [f"  because: {why}" for why in answer["why"]]
    lines += [f"  {_overlay(each)}" for each in answer["overlaid"]]
    lines += [f"  {line}" for line in _silent(answer)]
    lines += _next(answer["next"], "  ")
    for name, each in answer["endpoints"].items():
        lines += [
            "",
            f"{name} ({each['evidence']}): {each['health']} since {times.second(each['since'])}",
        ]
        if each["reason"]:
            took = "" if each["latency_ms"] is None else f", {each['latency_ms']:.0f} ms"
            read = f", read {times.age(each['read_at'], answer['at'])}" if each["read_at"] else ""
            detail = f" ({each['detail']})" if each["detail"] else ""
            lines.append(f"  last: {each['outcome']}, {each['reason']}{detail}{took}{read}")
        lines.append(f"  {each['standing']}")
        lines += [f"  {each[more]}" for more in ("pace", "account") if each.get(more)]
        lines += [f"  {line}" for line in _control(each, answer["at"])]
        lines += [f"  {fared}" for fared in each.get("arrivals", ())]
        lines += _next(each["next"], "  ")
    return lines


def _control(endpoint: Mapping[str, Any], now: str) -> Iterator[str]:
    """Say what became of wrong codes, and how long ago."""
    if endpoint.get("control"):
        at = endpoint["controlled_at"]
        ago = f", {times.span(times.between(at, now))} ago" if at else ""
        yield f"{endpoint['control']}{ago}"


def _next(prospects: Sequence[Mapping[str, Any]], indent: str) -> list[str]:
    return [
        f"{indent}next: {each['what']}" + (f" ({times.second(each['at'])})" if each["at"] else "")
        for each in prospects
    ]
