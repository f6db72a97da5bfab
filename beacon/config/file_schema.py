"""The file as it is written: one dataclass a section, one field a key.

`beacon.config.resolve` turns these into `Config`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from beacon.config.fields import Count, Duration, Secret, Topic
from beacon.config.file_fields import (
    Bind,
    BrokerUrl,
    CommandsSection,
    Id,
    LocalTime,
    Name,
    TimeZone,
)
from beacon.config.schema import WEEKDAYS, Discovery, TowerSection
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.config.yaml.nodes import Node
from beacon.core.operator.commands import HARMLESS


@dataclass(frozen=True, kw_only=True)
class MqttSection:
    """The broker; without this section the beacon speaks no MQTT."""

    broker: Annotated[BrokerUrl, Meta(description="mqtt://host[:1883] or mqtts://host[:8883]")]
    protocol: Annotated[Literal["5", "3.1.1"], Meta(description="MQTT version")] = "5"
    username: Annotated[str | None, Meta(description="user name at the broker")] = None
    password: Annotated[Secret | None, Meta(description="best written as !secret name")] = None
    allow_plain_password: Annotated[
        bool, Meta(description="send the password unencrypted to another machine")
    ] = False
    tls: Annotated[TlsPolicy, Meta(description="only with mqtts://")] = DEFAULT_TLS
    base_topic: Annotated[Topic, Meta(description="topics are <base_topic>/<site>/…")] = field(
        default=Topic("mfa-beacon")
    )
    discovery: Annotated[Discovery, Meta(description="Home Assistant discovery")] = field(
        default=Discovery()
    )
    commands: Annotated[
        CommandsSection, Meta(description="what may be ordered over MQTT: all, a list, or []")
    ] = field(default=CommandsSection(HARMLESS))


@dataclass(frozen=True, kw_only=True)
class WebSection:
    """What listens for HTTP; without this section nothing does."""

    bind: Annotated[
        Bind,
        Meta(
            description="where it listens, unencrypted",
            extra_json_schema={"default": "127.0.0.1:8427"},
        ),
    ] = field(default=Bind("127.0.0.1", 8427))


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Times and thresholds where an endpoint has none of its own.

    interval, timeout, retry_interval and failure_threshold hold for the kinds that have
    these very defaults (http, tcp, dns …), not for sign-ins, claims and witnesses.
    """

    interval: Annotated[Duration, Meta(description="from one run to the next")] = field(
        default=Duration(30)
    )
    timeout: Annotated[Duration, Meta(description="a run that takes longer fails")] = field(
        default=Duration(5)
    )
    retry_interval: Annotated[
        Duration | None, Meta(description="between re-checks after a fail; null: none")
    ] = field(default=Duration(5))
    failure_threshold: Annotated[Count, Meta(description="fails in a row until down")] = 3
    success_threshold: Annotated[Count, Meta(description="passes in a row until up")] = 2
    recovery_hold: Annotated[
        Duration, Meta(description="all up for this long, then an outage is over")
    ] = field(default=Duration(900))
    recovery_hold_long: Annotated[
        Duration, Meta(description="the same, after an outage longer than long_outage")
    ] = field(default=Duration(1800))
    long_outage: Annotated[Duration, Meta(description="what counts as a long outage")] = field(
        default=Duration(7200)
    )
    degraded_hold: Annotated[
        Duration, Meta(description="all up for this long, then a degradation is over")
    ] = field(default=Duration(300))


@dataclass(frozen=True, kw_only=True)
class PolledSection:
    """What every polled thing may say of itself, beside the settings of its probe kind."""

    name: Annotated[str, Meta(description="what people read", min_length=1)]
    type: Annotated[str, Meta(description="the probe kind")]
    id: Annotated[Id | None, Meta(description="left out: made from the name")] = None
    interval: Annotated[
        Duration | UnsetType, Meta(description="from one run to the next; default by kind")
    ] = UNSET
    timeout: Annotated[
        Duration | UnsetType, Meta(description="a run that takes longer fails; default by kind")
    ] = UNSET
    retry_interval: Annotated[
        Duration | UnsetType | None,
        Meta(description="between re-checks after a fail; null: none; default by kind"),
    ] = UNSET
    failure_threshold: Annotated[
        Count | UnsetType, Meta(description="fails in a row until down; default by kind")
    ] = UNSET
    success_threshold: Annotated[
        Count | UnsetType, Meta(description="passes in a row until up again")
    ] = UNSET
    stale_after: Annotated[
        Duration | UnsetType,
        Meta(description="silence until unknown; left out: 3 × interval + timeout"),
    ] = UNSET
    slow_after: Annotated[
        Duration | None, Meta(description="an answer slower than this warns; left out: never")
    ] = None
    local: Annotated[
        bool, Meta(description="in our own network: says nothing about the uplink")
    ] = False


@dataclass(frozen=True, kw_only=True)
class WitnessSection(PolledSection):
    """Our own eyes: something that tells whether we can see at all."""


@dataclass(frozen=True, kw_only=True)
class EndpointSection(PolledSection):
    """One thing polled, and how much its word counts."""

    evidence: Annotated[
        Literal["symptom", "health", "claim", "cause"] | None,
        Meta(
            description="how much its word counts: `symptom` (end-to-end proof), `health` (a "
            "component's word of itself), `claim` (the vendor's word), `cause` (explains, never "
            "red); see the [glossary](glossary.md#evidence); default by kind"
        ),
    ] = None
    region: Annotated[str | None, Meta(description="where it is, for partial outages")] = None
    factor: Annotated[str | None, Meta(description="push, sms, voice, email, totp …")] = None
    depends_on: Annotated[
        tuple[str, ...], Meta(description="ids of endpoints whose trouble explains this one's")
    ] = ()
    explains: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="of a cause, ids of what it would break; left out: what proves its service"
        ),
    ] = None
    code_lifetime: Annotated[
        Duration | None,
        Meta(description="how long a code may take, for what a cause explains; left out: timeout"),
    ] = None
    guard_interval: Annotated[
        Duration, Meta(description="between sign-ins after they were rejected")
    ] = field(default=Duration(600))
    guard_max: Annotated[
        int, Meta(ge=1, le=20, description="rejected sign-ins until an operator must resume it")
    ] = 4
    control: Annotated[
        Duration | Literal["never"] | UnsetType,
        Meta(
            description="how often a wrong code is sent, to see that codes are looked at; `never`: "
            "not at all; left out: 24h where the kind can"
        ),
    ] = UNSET


@dataclass(frozen=True, kw_only=True)
class EmbeddedEndpoint(EndpointSection):
    """One thing polled, in a replay file."""

    account: Annotated[
        str | None, Meta(description="any name: its budget counts; left out: it has none")
    ] = None


EndpointNode = Annotated[Node, Meta(extra_json_schema={"$ref": "#/$defs/endpoint"})]
WitnessNode = Annotated[Node, Meta(extra_json_schema={"$ref": "#/$defs/witness"})]
ServiceNode = Annotated[Node, Meta(extra_json_schema={"$ref": "#/$defs/service"})]


@dataclass(frozen=True, kw_only=True)
class ServiceSection:
    """One thing people need, that may be red by itself."""

    name: Annotated[str, Meta(description="what people read", min_length=1)]
    endpoints: Annotated[
        tuple[EndpointNode, ...], Meta(description="what is polled for it", min_length=1)
    ]
    id: Annotated[Id | None, Meta(description="left out: made from the name")] = None
    session_lifetime: Annotated[
        Duration | None, Meta(description="how long a sign-in lasts, to estimate the impact")
    ] = None
    runbook: Annotated[str, Meta(description="what to do; shown with the incident")] = ""


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, kw_only=True)
class MaintenanceSection:
    """Planned work, every week: no red, amber or sound from these services."""

    name: Annotated[str, Meta(description="what people read", min_length=1)]
    weekdays: Annotated[
        tuple[Weekday, ...], Meta(description="the days it begins on", min_length=1)
    ] = WEEKDAYS
    begin: Annotated[LocalTime, Meta(description="local time at which it begins")] = field(
        metadata={"key": "from"}
    )
    end: Annotated[LocalTime, Meta(description="local time at which it ends")] = field(
        metadata={"key": "to"}
    )
    time_zone: Annotated[TimeZone, Meta(description="the time zone of these times")]
    services: Annotated[tuple[str, ...], Meta(description="ids of services; left out: all")] = ()


@dataclass(frozen=True, kw_only=True)
class AttestSection:
    """Something to be tested by hand from time to time."""

    name: Annotated[str, Meta(description="what people read", min_length=1)]
    id: Annotated[Id | None, Meta(description="left out: made from the name")] = None
    every: Annotated[Duration, Meta(description="how long an attestation counts")] = field(
        default=Duration(7_776_000)
    )
    services: Annotated[
        tuple[str, ...], Meta(description="ids of services it concerns; left out: all")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class FileSection:
    """The whole configuration of a beacon."""

    site: Annotated[Name, Meta(description="the beacon's name in topics and ids")]
    name: Annotated[str, Meta(description="what people read; left out: the site")] = ""
    tower: Annotated[TowerSection, Meta(description="the light stack")] = field(
        default=TowerSection()
    )
    mqtt: Annotated[MqttSection | None, Meta(description="left out: no MQTT")] = None
    web: Annotated[WebSection | None, Meta(description="left out: nothing listens for HTTP")] = None
    defaults: Annotated[Defaults, Meta(description="times and thresholds")] = Defaults()
    witnesses: Annotated[
        tuple[WitnessNode, ...],
        Meta(description="our own eyes: at least two that are not local"),
    ] = ()
    maintenance: Annotated[
        tuple[MaintenanceSection, ...], Meta(description="planned work, by the calendar")
    ] = ()
    attest: Annotated[
        tuple[AttestSection, ...], Meta(description="what people must test by hand")
    ] = ()
    services: Annotated[tuple[ServiceNode, ...], Meta(description="what people need", min_length=1)]


@dataclass(frozen=True, kw_only=True)
class EmbeddedSection(FileSection):
    """A configuration inside a replay file: only `services` is needed."""

    site: Annotated[Name, Meta(description="the beacon's name in topics and ids")] = field(
        default=Name("replay")
    )
