"""What is said in one connection to the broker.

Knows the order of things that Home Assistant needs: description, states, then "online" (else
the states of before would count again), then what happens. A `MqttClient` carries the words;
when to dial and what to do after is `beacon.outputs.mqtt.output`.
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
from beacon.outputs.mqtt.topics import FAMILIES, ONLINE, Publication, Topics

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
    forgotten: float = 5.0  # for Home Assistant to forget what it was told to
    again: float = 300.0  # everything is sent again
    farewell: float = 2.0  # for "offline" to be taken


USUAL: Final = SessionTimes()
PUSH: Final = "push/"
"""Below this, and the base, others push."""


@dataclass(frozen=True)
class Setup:
    """What one configuration makes of MQTT; a reload brings another one."""

    config: Config
    version: str
    topics: Topics
    commands: CommandRunner
    push: MqttPush | None

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The description for Home Assistant, if it is wanted."""
        assert self.config.mqtt is not None, "without it there is no MQTT"
        return discovery(self.config, self.version) if self.config.mqtt.discovery.enabled else None

    @cached_property
    def description(self) -> Publication:
        """The message that describes the beacon, or removes it."""
        return message(self.config, self.document)

    def subscriptions(self) -> list[Subscription]:
        """All that is listened to."""
        base = self.topics.base
        read_back = [Subscription(topic, 1, retained=True) for topic in self.read_back()]
        commands = [Subscription(f"{base}/cmd/+", 1)]
        return [*commands, *self.birth(), *self.pushes(), *read_back]

    def birth(self) -> list[Subscription]:
        """Where Home Assistant says that it has come."""
        wanted = self.document is not None
        return [Subscription(birth_topic(self.config), 0, retained=True)] if wanted else []

    def pushes(self) -> list[Subscription]:
        """Where others push."""
        wanted = self.push is not None
        return [Subscription(f"{self.topics.base}/{PUSH}+/+", 1)] if wanted else []

    def read_back(self) -> list[str]:
        """What is read at the beginning: our description, and what may have become nobody's."""
        base = self.topics.base
        return [config_topic(self.config), *(f"{base}/{family}" for family in FAMILIES)]


class Session:
    """What is said in one connection, after the broker's welcome."""

    def __init__(
        self,
        session: MqttClient,
        setup: Setup,
        *,
        board: Outbox,
        clock: Clock,
        rng: random.Random,
        pace: SessionTimes,
    ) -> None:
        self._setup, self._board = setup, board
        self._clock, self._rng, self._pace, self._session = clock, rng, pace, session
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
        """This is how things stand."""
        self._states()
        if self._setup.document is None:
            self._go_online()

    def turn(self) -> None:
        """Everything that is to be said or done now."""
        arrived, self._session.arrived = self._session.arrived, []
        for received in arrived:
            try:
                self._hear(received)
            except Exception:  # noqa: BLE001 - the border: costs this message only
                _log.exception("MQTT: a message could not be handled")
        if self._setup.push is not None:
            self._setup.push.turn()
        now = self._clock.monotonic()
        if self._read_back is not None and now >= self._read_back:
            self._read_back = None
            self._session.unsubscribe(self._setup.read_back())
            self._introduce("")
        if self._sweep is not None and now >= self._sweep:
            self._empty_orphans()
        if now >= self._again or (self._birth is not None and now >= self._birth):
            self._birth, self._again = None, now + self._pace.again
            if self._setup.document is not None:
                self._session.publish(self._setup.description)
            self._states()
            self._go_online()
        if not self._session.congested:
            # Whoever sees us as offline would not take an event.
            for fresh in self._board.changes(once=self._online):
                self._session.publish(fresh)

    def due(self) -> float:
        """Seconds until something has to be said by itself."""
        held = self._setup.push.due() if self._setup.push is not None else None
        due = (self._read_back, self._birth, self._again, self._sweep, held)
        return min(moment for moment in due if moment is not None) - self._clock.monotonic()

    def follow(self, setup: Setup) -> None:
        """Go on with another configuration at the same place: say what differs."""
        before, self._setup = self._setup, setup
        self._members = setup.topics.members()
        self._listen_anew(before.birth(), setup.birth())
        self._listen_anew(before.pushes(), setup.pushes())
        self._orphans += self._board.gone()
        if config_topic(before.config) != config_topic(setup.config):
            self._empty(config_topic(before.config))
            self._described = False
            self._introduce("")
        elif self._described:
            self._described = False
            self._introduce(before.description.payload)
        self._sweep_later()
        for info in self._board.info():
            self._session.publish(info)

    def take_away(self) -> None:
        """Empty every topic of ours: nobody will care for them any more."""
        for topic in self._board.standing:
            self._empty(topic)

    def _listen_anew(self, before: list[Subscription], after: list[Subscription]) -> None:
        if before != after:
            if before:
                self._session.unsubscribe([each.topics for each in before])
            self._session.subscribe(after)

    def _states(self) -> None:
        for standing in self._board.everything():
            self._session.publish(standing)

    def _go_online(self) -> None:
        self._online = True
        self._session.publish(self._setup.topics.available(ONLINE))

    def _introduce(self, previous: str) -> None:
        """Put our description where `previous` stands, if that is another one; then be online."""
        if self._described:
            return
        self._described = True
        document, wanted = self._setup.document, self._setup.description
        if previous != wanted.payload:
            farewell = removals(previous, document) if document is not None else None
            if farewell is not None:
                self._session.publish(message(self._setup.config, farewell))
            self._session.publish(wanted)
            if document is not None:
                self._states()  # a changed description expires the states
        if not self._online:
            self._go_online()
        self._sweep_later()

    def _sweep_later(self) -> None:
        """Empty what is nobody's any more: who still reads it would complain of an empty state."""
        if self._orphans and self._described:
            self._sweep = self._clock.monotonic() + self._pace.forgotten

    def _empty_orphans(self) -> None:
        for topic in self._orphans:
            if topic not in self._members:  # a second reload may have brought it back
                self._empty(topic)
        self._orphans, self._sweep = [], None

    def _empty(self, topic: str) -> None:
        self._session.publish(Publication(topic, "", retain=True, qos=1))

    def _hear(self, received: MQTTMessage) -> None:
        topic, base = received.topic, self._setup.topics.base
        kept = received.retain and self._read_back is not None
        if topic.startswith(commands := f"{base}/cmd/"):
            name = topic.removeprefix(commands)
            self._setup.commands.obey(name, bytes(received.payload), retained=received.retain)
        elif topic.startswith(pushes := f"{base}/{PUSH}"):
            if self._setup.push is not None:
                endpoint = topic.removeprefix(pushes)
                self._setup.push.hear(endpoint, bytes(received.payload), retained=received.retain)
        elif topic == birth_topic(self._setup.config):
            if received.payload == b"online":
                self._birth = self._clock.monotonic() + self._rng.uniform(*self._pace.birth)
        elif topic == config_topic(self._setup.config):
            if kept:
                self._introduce(received.payload.decode("utf-8", "replace"))
        elif kept and received.payload and topic not in self._members:
            self._orphans.append(topic)  # of a service or endpoint that left the configuration
            self._sweep_later()
