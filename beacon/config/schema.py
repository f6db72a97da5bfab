"""The configuration as the rest of the beacon sees it: frozen, checked, resolved.

The sections `Tower` … `Mqtt` are written by administrators field by field; `Config` is
what `beacon.config.loader.load` makes of a whole file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from beacon.config.fields import Secret, Topic
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.core.indication import Colour
from beacon.core.model import Preset, Sequence, Site
from beacon.core.operator.commands import HARMLESS

Pin = Annotated[int, msgspec.Meta(ge=0, le=27, description="BCM number of a GPIO line")]

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Driver(StrEnum):
    """What moves the pins."""

    AUTO = "auto"  # lgpio on a Pi, else mock
    LGPIO = "lgpio"
    MOCK = "mock"


@dataclass(frozen=True, kw_only=True)
class QuietHoursSetting:
    """Light only between two local times; `begin` is `from` in YAML."""

    begin: str
    end: str
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class Buzzer:
    """The buzzer's line, and when it keeps quiet."""

    pin: Pin
    quiet_hours: QuietHoursSetting | None = None


@dataclass(frozen=True, kw_only=True)
class Buttons:
    """Push buttons to ground, with the internal pull-up."""

    acknowledge: Annotated[
        Pin | None, msgspec.Meta(description="short press acknowledges, 2 s tests the lamps")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Tower:
    """The light stack, buzzer and buttons."""

    driver: Driver = Driver.AUTO
    preset: Preset = Preset.TOWER_5
    lamps: Mapping[Colour, Pin] = field(default_factory=dict)
    active_high: bool = True
    buzzer: Buzzer | None = None
    buttons: Buttons = Buttons()
    alive_relay: Pin | None = None
    sequence: Sequence = Sequence.A
    lock_in: bool = True
    on_death: tuple[Colour, ...] = ()  # YAML: dark, or a list; () is dark


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Home Assistant's MQTT discovery."""

    enabled: Annotated[bool, msgspec.Meta(description="announce the entities")] = True
    prefix: Annotated[Topic, msgspec.Meta(description="Home Assistant's own prefix")] = field(
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
class Web:
    """Where HTTP is listened for: an IP address and a port."""

    host: str
    port: int


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
    web: Web | None = None
    maintenance: tuple[MaintenanceWindow, ...] = ()
    digest: str
    warnings: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict, repr=False)
