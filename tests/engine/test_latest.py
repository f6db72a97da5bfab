"""The latest of each thing is kept, for outputs that are attached later and for those that draw."""

from dataclasses import replace

from beacon.core.effects import OverallChanged, OverlaysChanged, Recheck
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site
from beacon.core.views import EndpointRead, OverlayKind
from beacon.engine.latest import Latest

READ = EndpointRead(1, "s/a", Reading(Reason.OK), Health.UP, 0)


def site(*names):
    endpoints = (
        Endpoint(id=f"s/{name}", service="s", name=name, kind="http", evidence=Evidence.SYMPTOM)
        for name in names
    )
    return Site(id="soc", services=(Service(id="s", name="s", endpoints=tuple(endpoints)),))


def test_an_event_is_not_kept():
    latest, newer = Latest(), replace(READ, at=2.0)
    latest.take([READ, Recheck(1, 1, ("s/a",)), newer])
    assert latest.everything() == (newer,)
    assert latest.of(EndpointRead, "s/a") is newer
    assert latest.of(EndpointRead, "s/b") is latest.of(OverallChanged) is None


def test_overlays_are_kept_by_kind():
    latest = Latest()
    none = OverlaysChanged(0.0, OverlayKind.BYPASS, on=False)
    some = OverlaysChanged(1.0, OverlayKind.DRILL, on=True)
    latest.take([OverlaysChanged(0.0, OverlayKind.DRILL, on=False), none, some])
    assert latest.everything() == (some, none)
    assert latest.of(OverlaysChanged, OverlayKind.DRILL) is some


def test_what_leaves_the_site_is_forgotten():
    latest = Latest()
    latest.take([READ, other := replace(READ, endpoint="s/b")])
    latest.follow(site("b"))
    assert latest.everything() == (other,)
