"""The configuration as the rest of the beacon sees it: frozen, checked, resolved.

`Config` is what `beacon.config.loader.load` makes of a whole file. What needs no resolving is
read from the file as it stands here (`Buzzer`, `Buttons`, `Discovery` …).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta

from beacon.config.fields import Secret, Topic
from beacon.config.file_fields import Bind, LocalTime, OnDeath, TimeZone
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.core.indication import Colour
from beacon.core.model import Preset, Sequence, Site
from beacon.core.operator.commands import HARMLESS

Pin = Annotated[int, Meta(ge=0, le=27, description="BCM number of a GPIO line")]

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Driver(StrEnum):
    """What moves the pins."""

    AUTO = "auto"  # lgpio on a Pi, else mock
    LGPIO = "lgpio"
    MOCK = "mock"


@dataclass(frozen=True, kw_only=True)
class QuietHoursSetting:
    """Hours in which the buzzer keeps quiet; the lamps do not."""

    begin: Annotated[LocalTime, Meta(description="local time at which quiet begins")] = field(
        metadata={"key": "from"}
    )
    end: Annotated[LocalTime, Meta(description="local time at which quiet ends")] = field(
        metadata={"key": "to"}
    )
    time_zone: Annotated[TimeZone, Meta(description="the site's time zone")]


@dataclass(frozen=True, kw_only=True)
class Buzzer:
    """The buzzer."""

    pin: Pin
    quiet_hours: Annotated[
        QuietHoursSetting | None, Meta(description="light only between these times")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Buttons:
    """Push buttons to ground, with the internal pull-up."""

    acknowledge: Annotated[
        Pin | None, Meta(description="short press acknowledges, 2 s tests the lamps")
    ] = None


@dataclass(frozen=True, kw_only=True)
class TowerSection:
    """The light stack and what is wired beside it."""

    driver: Annotated[
        Driver, Meta(description="what moves the pins; auto: lgpio on a Pi, else mock")
    ] = Driver.AUTO
    preset: Annotated[Preset, Meta(description="the lamps there are")] = Preset.TOWER_5
    lamps: Annotated[
        Mapping[Colour, Pin] | None,
        Meta(description="BCM number of each lamp's line; left out: 17, 27, 22, 23, 24"),
    ] = None
    active_high: Annotated[bool, Meta(description="false: the board switches on at low")] = True
    buzzer: Annotated[Buzzer | None, Meta(description="left out: no sound")] = None
    buttons: Annotated[Buttons, Meta(description="buttons to ground")] = field(default=Buttons())
    alive_relay: Annotated[
        Pin | None,
        Meta(description="line of a fail-safe relay, held on while it judges, such as 12"),
    ] = None
    sequence: Annotated[Sequence, Meta(description="ISA-18.1 sequence")] = Sequence.A
    lock_in: Annotated[
        bool, Meta(description="trouble that went by itself flashes until acknowledged")
    ] = True
    on_death: Annotated[
        OnDeath,
        Meta(
            description="what stays lit when the beacon has died",
            extra_json_schema={"default": "dark"},
        ),
    ] = field(default=OnDeath())

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The lamps of its preset, from the top."""
        return tuple(Colour)[: 3 if self.preset is Preset.TOWER_3 else 5]


@dataclass(frozen=True, kw_only=True)
class Tower(TowerSection):
    """The light stack, with the line of each lamp it has."""

    lamps: Mapping[Colour, Pin] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Home Assistant's MQTT discovery."""

    enabled: Annotated[bool, Meta(description="announce the entities")] = True
    prefix: Annotated[Topic, Meta(description="Home Assistant's own prefix")] = field(
        default=Topic("homeassistant")
    )


@dataclass(frozen=True, kw_only=True)
class Mqtt:
    """The broker and how to speak with it. `commands` holds the names allowed."""

    host: str
    port: int
    encrypted: bool
    protocol: str = "5"
    username: str | None = None
    password: Secret | None = None
    allow_plain_password: bool = False
    tls: TlsPolicy = DEFAULT_TLS
    base_topic: str = "mfa-beacon"
    discovery: Discovery = Discovery()
    commands: tuple[str, ...] = HARMLESS


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """Planned work on some services, every week between two local times.

    `weekdays` counts from 0, Monday; a window belongs to the day it begins on. One that
    ends before it begins goes over midnight. `begin` is `from` in YAML.
    """

    name: str
    weekdays: tuple[int, ...]
    begin: str
    end: str
    time_zone: str
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One configuration, whole. `probes` maps endpoint id to its `beacon.probes.Kind`.

    `written` maps endpoint id to all that is written for its probe, secrets too: only to be
    hashed with a key.
    """

    path: str
    name: str
    watched: Site
    probes: Mapping[str, Any]
    tower: Tower
    mqtt: Mqtt | None
    web: Bind | None = None
    maintenance: tuple[MaintenanceWindow, ...] = ()
    digest: str
    warnings: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict, repr=False)
