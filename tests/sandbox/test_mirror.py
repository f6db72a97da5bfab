"""What the beacon publishes comes back as the same words: both directions, one test."""

import dataclasses
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

import pytest

from beacon.config.schema import Config, Mqtt, Tower
from beacon.core.effects import (
    Announced,
    Announcement,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    ServiceChanged,
)
from beacon.core.indication import Colour, Indication, Light, Pattern, Sound
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site, Verdict
from beacon.core.views import (
    EndpointRead,
    IncidentState,
    IncidentView,
    OverallView,
    ServiceView,
)
from beacon.engine.clock import ManualClock, utc_at
from beacon.outputs.mqtt.topics import Publication, Topics
from beacon.sandbox.mirror import Mirror

SIGN_IN = Endpoint(
    id="mfa/sign-in", service="mfa", name="sign-in", kind="flow", evidence=Evidence.SYMPTOM
)
SITE = Site(id="lab", services=(Service(id="mfa", name="MFA", endpoints=(SIGN_IN,)),))
STEADY, SLOW, FAST = (Light(p) for p in (Pattern.STEADY, Pattern.SLOW, Pattern.FAST))


@pytest.fixture
def mirror(clock: ManualClock) -> Mirror:
    return Mirror(SITE, (Colour.RED, Colour.AMBER, Colour.GREEN), clock)


@pytest.fixture
def topics(clock: ManualClock) -> Topics:
    config = Config(
        path="beacon.yaml", name="Lab", watched=SITE, probes={}, tower=Tower(), digest="",
        mqtt=Mqtt(host="127.0.0.1", port=1883, encrypted=False),
    )  # fmt: skip
    return Topics(config, "1", lambda at: utc_at(clock, at).astimezone(UTC))


@pytest.fixture
def hear(mirror: Mirror, topics: Topics) -> Callable[..., None]:
    def take(*messages: Publication) -> None:
        for message in messages:
            mirror.receive(message.topic.removeprefix(f"{topics.base}/"), message.payload)

    return take


Hear = Callable[..., None]


def kept(mirror: Mirror, kind: type[Any], name: str = "") -> Any:
    """The last effect of this kind, which must be there."""
    found = mirror.view.latest.of(kind, name)
    assert found is not None
    return found


def test_the_overall_verdict(mirror: Mirror, topics: Topics, hear: Hear) -> None:
    overall = OverallView(
        verdict=Verdict.GRAY_FAILURE, problem=True, since=990.0, blind=False, starting=False,
        services=(("mfa", Verdict.GRAY_FAILURE),), network="ok", clock="ok", first_out="mfa",
    )  # fmt: skip
    hear(topics.state(overall))
    assert kept(mirror, OverallChanged).overall == overall


def test_a_service(mirror: Mirror, topics: Topics, hear: Hear) -> None:
    service = ServiceView(
        id="mfa", verdict=Verdict.DEGRADED, since=990.0, cause="vendor", explanation="slow"
    )
    hear(topics.service(service))
    assert kept(mirror, ServiceChanged, "mfa").service == service


@pytest.mark.parametrize("name", ["mfa/sign-in", "witness/gateway"])
def test_a_reading_and_the_change_it_brings(
    mirror: Mirror, topics: Topics, hear: Hear, name: str
) -> None:
    up = EndpointRead(999.0, name, Reading(Reason.OK, "", 0.25), Health.UP, 0)
    down = EndpointRead(1000.0, name, Reading(Reason.DEADLINE, "no answer"), Health.DOWN, 3)
    hear(topics.endpoint(up))
    assert kept(mirror, EndpointRead, name) == up
    assert not mirror.view.log
    hear(topics.endpoint(down))
    assert kept(mirror, EndpointRead, name) == down
    assert "no answer" in mirror.view.log[-1][1]


def test_an_incident_and_its_end(mirror: Mirror, topics: Topics, hear: Hear) -> None:
    incident = IncidentView(
        number=7, service="mfa", state=IncidentState.ACKNOWLEDGED, since=900.0,
        verdict=Verdict.OUTAGE, peak=Verdict.GRAY_FAILURE, first_out="mfa/sign-in",
        acknowledged=True, acknowledged_by="analyst", cause="vendor", vendor_lead=39.0,
    )  # fmt: skip
    hear(topics.incident(incident, 2))
    changed = kept(mirror, IncidentChanged)
    assert (changed.incident, changed.others) == (incident, 2)
    hear(topics.incident(dataclasses.replace(incident, state=IncidentState.CLOSED), 0))
    changed = kept(mirror, IncidentChanged)
    assert (changed.incident, changed.others) == (None, 0)


def test_an_event_and_a_sound(mirror: Mirror, topics: Topics, hear: Hear) -> None:
    hear(topics.event(Announced(1000.0, Announcement.OPENED, "mfa", Verdict.OUTAGE)))
    assert "opened: MFA" in mirror.view.log[-1][1]
    hear(topics.buzzer(None, silenced=False))
    assert mirror.view.sound is None
    hear(topics.buzzer(Sound.THREE_PULSES, silenced=False))
    assert mirror.view.sound is not None
    assert mirror.view.sound.sound is Sound.THREE_PULSES


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ({"green": "steady"}, Indication(green=STEADY)),
        (
            {"red": "fast", "amber": "fast"},
            Indication(red=FAST, amber=Light(Pattern.FAST, antiphase=True)),
        ),
        (
            {"green": "slow", "amber": "slow"},
            Indication(amber=SLOW, green=Light(Pattern.SLOW, antiphase=True)),
        ),
        ({"red": "steady", "amber": "slow"}, Indication(red=STEADY, amber=SLOW)),
        ({"red": "signal", "amber": "signal"}, Indication(red=STEADY, amber=STEADY)),
    ],
)
def test_lamps_that_flash_alike_do_so_in_turn(
    mirror: Mirror, topics: Topics, hear: Hear, words: dict[str, str], shown: Indication
) -> None:
    lamps: Iterable[Publication] = topics.lamps(
        {Colour(name): word for name, word in words.items()}
    )
    hear(*lamps)
    assert kept(mirror, IndicationChanged).indication == shown
    assert {c: p for c, p in mirror.lamps.items() if p != "off"} == words


def test_what_is_not_in_the_picture_is_passed_over(mirror: Mirror) -> None:
    mirror.receive("availability", "online")
    mirror.receive("maintenance", "{}")
    assert mirror.view.latest.of(OverallChanged) is None
