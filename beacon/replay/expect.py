"""Compares what the beacon showed with what a script expects."""

from collections.abc import Iterator, Sequence
from typing import Final

from beacon.core.indication import Colour, Indication, Pattern
from beacon.core.model import RANK
from beacon.core.views import IncidentState, IncidentView, View
from beacon.replay.script import Expectation, Offset

SOUNDS_WITHIN: Final = 60.0
"""Seconds before an expectation in which its sounds are counted."""


def compare(
    expected: Expectation,
    view: View,
    sounded: Sequence[float],
    closed: Sequence[IncidentView] = (),
) -> Iterator[str]:
    """Yield a sentence for everything that is not as expected.

    `closed` are the incidents that are over: the last one counts where none is open.
    """
    service = next((s for s in view.services if s.id == expected.service), None)
    if expected.service is not None and service is None:
        yield f"there is no service {expected.service!r}"
        return
    shown = service if service is not None else view.overall
    worst = service or max(view.services, key=lambda s: RANK[s.verdict])
    incidents = (*view.incidents, *reversed(closed))
    incident = next((i for i in incidents if expected.service in (None, i.service)), None)
    diagnosed = service or incident
    pairs: list[tuple[str, object, object]] = [
        ("verdict", expected.verdict, shown.verdict),
        ("blind", expected.blind, shown.blind),
        ("partial", expected.partial, worst.partial),
        ("cause", expected.cause, diagnosed.cause if diagnosed else None),
        *_compare_incident(expected, incident),
    ]
    pairs += _compare_tower(expected, view.indication, sounded)
    yield from _differences(pairs)
    if expected.says is not None and expected.says not in worst.explanation:
        yield f"the explanation is {worst.explanation!r}, without {expected.says!r}"


def _differences(pairs: Sequence[tuple[str, object, object]]) -> Iterator[str]:
    """Compare triples of name, expected and shown; an expectation of None is left out."""
    for name, wanted, found in pairs:
        if wanted is not None and wanted != found:
            yield f"{name} is {found}, not {wanted}"


def _compare_tower(
    expected: Expectation, shown: Indication, sounded: Sequence[float]
) -> Iterator[tuple[str, object, object]]:
    wanted = expected.lamps
    lamps = dict.fromkeys(Colour, Pattern.OFF) if isinstance(wanted, str) else wanted
    for colour, pattern in lamps.items():
        yield f"lamp {colour}", pattern, shown.light(colour).pattern
    if expected.sounds is not None:
        until = float(expected.at)
        begun = sum(until - SOUNDS_WITHIN < at <= until for at in sounded)
        yield "sounds", expected.sounds, begun


def compare_dead(
    expected: Expectation, shown: Indication, sounded: Sequence[float]
) -> Iterator[str]:
    """Compare while the beacon is dead: only the tower can still be seen."""
    yield from _differences(list(_compare_tower(expected, shown, sounded)))
    tower = Expectation(
        at=expected.at, lamps=expected.lamps, sounds=expected.sounds, service=expected.service
    )
    if expected != tower:
        yield "the beacon is dead: only lamps and sounds can be expected"


def _compare_incident(
    expected: Expectation, incident: IncidentView | None
) -> Iterator[tuple[str, object, object]]:
    state = incident.state if incident else IncidentState.NONE
    if state is IncidentState.CLOSED and expected.incident is IncidentState.NONE:
        state = IncidentState.NONE  # a closed incident counts as none
    yield "incident", expected.incident, state
    yield "peak", expected.peak, incident.peak if incident else None
    lead = incident.vendor_lead if incident else None
    yield "vendor_lead", expected.vendor_lead, None if lead is None else Offset(lead)
