"""The latest of each thing is kept, for outputs that are attached later and for those that draw."""

from dataclasses import replace

from beacon.core.effects import OverallChanged, OverlaysChanged, Recheck
from beacon.core.model import Health, Reading, Reason
from beacon.core.views import EndpointRead, OverlayKind
from beacon.engine.latest import Latest


def test_an_event_is_not_kept():
    latest = Latest()
    read = EndpointRead(1, "s/a", Reading(Reason.OK), Health.UP, 0)
    newer = replace(read, at=2.0)
    latest.offer([read, Recheck(1, 1, ("s/a",)), newer])
    assert latest.everything(frozenset({"s/a"})) == (newer,)
    assert latest.everything(frozenset()) == ()
    assert latest.of(EndpointRead, "s/a") is newer
    assert latest.of(EndpointRead, "s/b") is latest.of(OverallChanged) is None


def test_overlays_are_kept_by_kind():
    latest = Latest()
    none = OverlaysChanged(0.0, OverlayKind.BYPASS, on=False)
    some = OverlaysChanged(1.0, OverlayKind.DRILL, on=True)
    latest.offer([none, OverlaysChanged(0.0, OverlayKind.DRILL, on=False), some])
    assert latest.everything(frozenset()) == (none, some)
