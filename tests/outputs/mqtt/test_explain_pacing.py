"""When a service is explained anew: soon after something moved, else each minute, a few at once."""

import pytest

from beacon.core.effects import (
    Announced,
    Announcement,
    OverlaysChanged,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.indication import Sound
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site, Verdict
from beacon.core.views import EndpointRead, OverlayKind, ServiceView
from beacon.outputs.mqtt.explain_pacing import AT_ONCE, LATER, SOON, Unexplained


def service(name):
    each = Endpoint(
        id=f"{name}/door", service=name, name="door", kind="tcp", evidence=Evidence.SYMPTOM
    )
    return Service(id=name, name=name, endpoints=(each,))


def site(*names):
    return Site(id="soc", services=tuple(service(name) for name in names))


def read(at, reason=Reason.OK, failures=0, endpoint="mfa/door"):
    return EndpointRead(at, endpoint, Reading(reason), Health.UP, failures)


@pytest.fixture
def explained():
    """Two services, both explained at 100."""
    unexplained = Unexplained(site("mfa", "sms"))
    assert unexplained.due(100.0) == ["mfa", "sms"]
    unexplained.offer([read(100.0)])
    assert unexplained.due(100.0 + SOON) == ["mfa"]
    return unexplained, 100.0 + SOON


def test_each_is_explained_at_the_start_and_then_nothing_is_due(explained):
    unexplained, at = explained
    assert unexplained.due(at + 3600.0) == []


def test_readings_that_repeat_themselves_are_explained_once_a_minute(explained):
    unexplained, at = explained
    for second in range(1, 60):
        unexplained.offer([read(at + second)])
        assert unexplained.due(at + second) == []
    assert unexplained.due(at + LATER) == ["mfa"]


MOVED = [
    read(0.0, Reason.DEADLINE),
    read(0.0, failures=1),
    ServiceChanged(0.0, ServiceView("mfa", Verdict.OK, 0.0)),
    Announced(0.0, Announcement.ACKNOWLEDGED, "mfa", Verdict.OUTAGE),
    Transition(0.0, "mfa/door", Health.UP, Health.DOWN, Reading(Reason.DEADLINE)),
]


@pytest.mark.parametrize("effect", MOVED, ids=lambda e: type(e).__name__)
def test_what_moved_is_explained_soon_and_once(explained, effect):
    unexplained, at = explained
    unexplained.offer([read(at), effect, effect])
    assert unexplained.due(at + SOON - 0.1) == []
    assert unexplained.due(at + SOON) == ["mfa"]
    assert unexplained.due(at + LATER) == []


def test_an_overlay_may_concern_every_service(explained):
    unexplained, at = explained
    unexplained.offer([OverlaysChanged(at, OverlayKind.DRILL, True)])
    assert unexplained.due(at + SOON) == ["sms", "mfa"]


def test_what_belongs_to_no_service_is_nothing(explained):
    unexplained, at = explained
    unexplained.offer([read(at, endpoint="witness/canary"), Sounded(at, Sound.CHIRP)])
    assert unexplained.due(at + 3600.0) == []


def test_of_many_only_a_few_at_once_the_longest_waiting_first():
    names = [f"s{n:02}" for n in range(10)]
    unexplained = Unexplained(site(*names))
    found = [unexplained.due(float(n)) for n in range(4)]
    assert [len(each) for each in found] == [AT_ONCE, AT_ONCE, 2, 0]
    assert [name for each in found for name in each] == names


def test_a_reload_that_offers_all_there_is_again_moves_nothing(explained):
    unexplained, at = explained
    standing = [
        ServiceChanged(at, ServiceView("mfa", Verdict.OK, since=1.0)),
        ServiceChanged(at, ServiceView("sms", Verdict.OK, since=1.0)),
        OverlaysChanged(at, OverlayKind.BYPASS, on=False),
        read(at),
    ]
    unexplained.offer(standing)
    assert sorted(unexplained.due(at + LATER)) == ["mfa", "sms"]
    at += LATER
    unexplained.follow(site("mfa", "new"))
    unexplained.offer([*standing[:1], *standing[2:3]])
    assert unexplained.due(at + SOON) == ["new"], "only what came with it"
