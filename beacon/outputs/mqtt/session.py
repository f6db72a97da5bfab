"""One session with the broker: what is published in which order, and what is received.

Home Assistant needs this order: description, states, then "online" (else it would use the states of
before), then events. `client` transports the messages; `output` decides when to connect.
"""

import logging
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from paho.mqtt.client import MQTTMessage

from beacon.config.schema import Config
from beacon.engine.clock import Clock
from beacon.outputs.mqtt.client import MqttClient, Subscription
from beacon.outputs.mqtt.commands import CommandRunner
from beacon.outputs.mqtt.homeassistant import (
    birth_topic,
    config_topic,
    discovery,
    message,
    removals,
)
from beacon.outputs.mqtt.outbox import Outbox
from beacon.outputs.mqtt.push import MqttPush
from beacon.outputs.mqtt.topics import (
    COMMAND,
    CONFIGURED_TOPICS,
    ONLINE,
    PUSH,
    Publication,
    Topics,
    section,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimes:
    """How long things take, in seconds."""

    first_retry: float = 1.0
    last_retry: float = 60.0
    settled: float = 10.0  # a session this old counts as good
    patience: float = 5.0  # for an address to take the connection
    welcome: float = 10.0  # from CONNECT to the broker's answer
    read_back: float = 2.0  # for our own discovery message, if the broker has one
    birth: tuple[float, float] = (1.0, 5.0)  # Home Assistant came: give it time
    forgotten: float = 5.0  # for Home Assistant to remove components
    again: float = 300.0  # between two times that everything is sent
    farewell: float = 2.0  # for the broker to take "offline"


USUAL: Final = SessionTimes()


@dataclass(frozen=True)
class Setup:
    """The MQTT part of one configuration; a reload brings another one."""

    config: Config
    version: str
    topics: Topics
    commands: CommandRunner
    push: MqttPush | None

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The description for Home Assistant; None: not wanted."""
        wanted = section(self.config).discovery.enabled
        return discovery(self.config, self.version) if wanted else None

    @cached_property
    def description(self) -> Publication:
        """The message that describes the beacon, or removes it."""
        return message(self.config, self.document)

    def subscriptions(self) -> list[Subscription]:
        """All subscriptions."""
        read_back = [Subscription(topic, 1, retained=True) for topic in self.read_back()]
        commands = [Subscription(COMMAND.at(self.topics.base, "+"), 1)]
        return [*commands, *self.birth(), *self.pushes(), *read_back]

    def birth(self) -> list[Subscription]:
        """Where Home Assistant announces that it starts."""
        wanted = self.document is not None
        return [Subscription(birth_topic(self.config), 0, retained=True)] if wanted else []

    def pushes(self) -> list[Subscription]:
        """Where pushed readings arrive."""
        wanted = self.push is not None
        return [Subscription(PUSH.at(self.topics.base, "+/+"), 1)] if wanted else []

    def read_back(self) -> list[str]:
        """Read at the beginning: our description, and topics that may have lost their endpoint."""
        base = self.topics.base
        return [config_topic(self.config), *(f"{base}/{each}" for each in CONFIGURED_TOPICS)]


class Session:
    """One connection, from the broker's CONNACK on."""

    def __init__(
        self,
        client: MqttClient,
        setup: Setup,
        *,
        outbox: Outbox,
        clock: Clock,
        rng: random.Random,
        pace: SessionTimes,
    ) -> None:
        self._setup, self._outbox = setup, outbox
        self._clock, self._rng, self._pace, self._client = clock, rng, pace, client
        self._members = setup.topics.members()
        self._online = False
        now = clock.monotonic()
        self._read_back: float | None = now + pace.read_back
        self._described = False
        self._birth: float | None = None
        self._again = now + pace.again
        self._orphans: list[str] = []
        self._sweep: float | None = None

    def begin(self) -> None:
        """Publish all states."""
        self._states()
        if self._setup.document is None:
            self._go_online()

    def turn(self) -> None:
        """Handle what arrived, and publish what is due."""
        arrived, self._client.arrived = self._client.arrived, []
        for received in arrived:
            try:
                self._receive(received)
            except Exception:  # noqa: BLE001 - the border: costs this message only
                _log.exception("MQTT: a message could not be handled")
        if self._setup.push is not None:
            self._setup.push.turn()
        now = self._clock.monotonic()
        if self._read_back is not None and now >= self._read_back:
            self._read_back = None
            self._client.unsubscribe(self._setup.read_back())
            self._describe("")
        if self._sweep is not None and now >= self._sweep:
            self._empty_orphans()
        if now >= self._again or (self._birth is not None and now >= self._birth):
            self._birth, self._again = None, now + self._pace.again
            if self._setup.document is not None:
                self._client.publish(self._setup.description)
            self._states()
            self._go_online()
        if not self._client.congested:
            # Only when online: Home Assistant ignores events of an offline device.
            for fresh in self._outbox.changes(once=self._online):
                self._client.publish(fresh)

    def due(self) -> float:
        """Seconds until something is due that no message triggers."""
        held = self._setup.push.due() if self._setup.push is not None else None
        due = (self._read_back, self._birth, self._again, self._sweep, held)
        return min(moment for moment in due if moment is not None) - self._clock.monotonic()

    def follow(self, setup: Setup) -> None:
        """Go on with another configuration of the same broker and base: publish what differs."""
        before, self._setup = self._setup, setup
        self._members = setup.topics.members()
        self._resubscribe(before.birth(), setup.birth())
        self._resubscribe(before.pushes(), setup.pushes())
        self._orphans += self._outbox.topics_to_empty()
        if config_topic(before.config) != config_topic(setup.config):
            self._empty(config_topic(before.config))
            self._described = False
            self._describe("")
        elif self._described:
            self._described = False
            self._describe(before.description.payload)
        self._sweep_later()
        for info in self._outbox.info():
            self._client.publish(info)

    def empty_topics(self) -> None:
        """Empty all topics of ours: this base is given up."""
        for topic in self._outbox.topics_in_use:
            self._empty(topic)

    def _resubscribe(self, before: list[Subscription], after: list[Subscription]) -> None:
        if before != after:
            if before:
                self._client.unsubscribe([each.topics for each in before])
            self._client.subscribe(after)

    def _states(self) -> None:
        for state in self._outbox.everything():
            self._client.publish(state)

    def _go_online(self) -> None:
        self._online = True
        self._client.publish(self._setup.topics.available(ONLINE))

    def _describe(self, previous: str) -> None:
        """Publish our description if it differs from `previous`; then be online."""
        if self._described:
            return
        self._described = True
        document, wanted = self._setup.document, self._setup.description
        if previous != wanted.payload:
            farewell = removals(previous, document) if document is not None else None
            if farewell is not None:
                self._client.publish(message(self._setup.config, farewell))
            self._client.publish(wanted)
            if document is not None:
                self._states()  # a changed description expires the states
        if not self._online:
            self._go_online()
        self._sweep_later()

    def _sweep_later(self) -> None:
        """Empty orphaned topics, but only after Home Assistant has removed what reads them."""
        if self._orphans and self._described:
            self._sweep = self._clock.monotonic() + self._pace.forgotten

    def _empty_orphans(self) -> None:
        for topic in self._orphans:
            if topic not in self._members:  # a second reload may have brought it back
                self._empty(topic)
        self._orphans, self._sweep = [], None

    def _empty(self, topic: str) -> None:
        self._client.publish(Publication(topic, "", retain=True, qos=1))

    def _receive(self, received: MQTTMessage) -> None:
        topic, base = received.topic, self._setup.topics.base
        kept = received.retain and self._read_back is not None
        payload = bytes(received.payload)
        if topic.startswith(commands := COMMAND.at(base)):
            name = topic.removeprefix(commands)
            self._setup.commands.obey(name, payload, retained=received.retain)
        elif topic.startswith(pushes := PUSH.at(base)):
            if self._setup.push is not None:
                endpoint = topic.removeprefix(pushes)
                self._setup.push.receive(endpoint, payload, retained=received.retain)
        elif topic == birth_topic(self._setup.config):
            if payload == b"online":
                self._birth = self._clock.monotonic() + self._rng.uniform(*self._pace.birth)
        elif topic == config_topic(self._setup.config):
            if kept:
                self._describe(payload.decode("utf-8", "replace"))
        elif kept and payload and topic not in self._members:
            self._orphans.append(topic)  # its service or endpoint has left the configuration
            self._sweep_later()
