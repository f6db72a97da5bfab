"""What is said in one connection to the broker, and what is done on command.

Knows the order of things that Home Assistant needs: description, availability, states. A
`Session` carries the words; when to dial and what to do after is `beacon.outputs.mqtt`.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import MQTTMessage

from beacon.config.fields import Refused
from beacon.config.schema import Config
from beacon.core.events import Answered, Event
from beacon.engine.clock import Clock
from beacon.outputs.homeassistant import birth_topic, config_topic, message, removals
from beacon.outputs.mqtt_board import Board
from beacon.outputs.mqtt_commands import Limit, read, refusal
from beacon.outputs.mqtt_push import MqttPush
from beacon.outputs.mqtt_session import Session
from beacon.outputs.orders import Command
from beacon.outputs.topics import ONLINE, Topics, text

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take, in seconds."""

    first_retry: float = 1.0
    last_retry: float = 60.0
    settled: float = 10.0  # a session this old counts as good
    patience: float = 5.0  # for an address to take the connection
    welcome: float = 10.0  # from CONNECT to the broker's answer
    read_back: float = 2.0  # for our own discovery message, if the broker has one
    birth: tuple[float, float] = (1.0, 5.0)  # Home Assistant came: give it time
    again: float = 300.0  # everything is sent again
    farewell: float = 2.0  # for "offline" to be taken


USUAL: Final = Pace()
PUSH: Final = "push/"
"""Below this, and the base, others push."""


class Commands:
    """Carries out what comes on `cmd/`; every command gets its answer."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        submit: Callable[[Event], None],
        lamp_test: Callable[[], None],
        answer: Callable[[Answered], None],
    ) -> None:
        self._allowed = config.mqtt.commands if config.mqtt else ()
        self._services = tuple(service.id for service in config.watched.services)
        self._clock, self._submit, self._lamp_test = clock, submit, lamp_test
        self._answer = answer
        self._limit = Limit(clock)

    def obey(self, name: str, payload: bytes, *, retained: bool) -> None:
        """Do it, or say why not."""
        if not self._limit.allows():
            self._refuse(
                name, f"ignored: too many commands; {Limit.BURST} at once, then 1 a second"
            )
            return
        if retained:
            self._refuse(name, "ignored: retained")
            return
        try:
            command = read(name, payload, self._allowed, self._services)
        except Refused as refused:
            self._refuse(name, refusal(refused))
            return
        try:
            self._carry_out(command)
        except Exception:  # noqa: BLE001 - the border: costs this command only
            _log.exception("MQTT: the command %s failed", command.name)
            self._refuse(name, "failed: see the beacon's log")

    def _refuse(self, name: str, error: str) -> None:
        now = self._clock.monotonic()
        self._answer(
            Answered(now, text(name) or "", ok=False, by="mqtt", origin="mqtt", error=error)
        )

    def _carry_out(self, command: Command) -> None:
        now = self._clock.monotonic()
        _log.info("command %s over MQTT, by %s %s", command.name, command.by, command.reason)
        if command.name == "lamp_test":
            self._lamp_test()
            self._answer(Answered(now, command.name, ok=True, by=command.by, origin="mqtt"))
        else:
            self._submit(command.event(now))


class Conversation:
    """What is said in one connection, after the broker's welcome."""

    def __init__(
        self,
        session: Session,
        *,
        config: Config,
        topics: Topics,
        board: Board,
        commands: Commands,
        push: MqttPush | None,
        document: dict[str, Any] | None,
        clock: Clock,
        rng: random.Random,
        pace: Pace,
    ) -> None:
        self._config, self._topics, self._board = config, topics, board
        self._commands, self._document = commands, document
        self._clock, self._rng, self._pace, self._session = clock, rng, pace, session
        self._commands_at = f"{topics.base}/cmd/"
        self._push, self._push_at = push, f"{topics.base}/{PUSH}"
        now = clock.monotonic()
        self._read_back: float | None = now + pace.read_back
        self._birth: float | None = None
        self._again = now + pace.again

    def begin(self) -> None:
        """We are here, and this is how things stand."""
        self._snapshot()

    def turn(self) -> None:
        """Everything that is to be said or done now."""
        arrived, self._session.arrived = self._session.arrived, []
        for received in arrived:
            try:
                self._hear(received)
            except Exception:  # noqa: BLE001 - the border: costs this message only
                _log.exception("MQTT: a message could not be handled")
        if self._push is not None:
            self._push.turn()
        now = self._clock.monotonic()
        if self._read_back is not None and now >= self._read_back:
            self._introduce("")
        if now >= self._again or (self._birth is not None and now >= self._birth):
            self._birth, self._again = None, now + self._pace.again
            self._describe()
            self._snapshot()
        if not self._session.congested:
            for fresh in self._board.changes():
                self._session.publish(fresh)

    def due(self) -> float:
        """Seconds until something has to be said by itself."""
        held = self._push.due() if self._push is not None else None
        moments = [m for m in (self._read_back, self._birth, self._again, held) if m is not None]
        return min(moments) - self._clock.monotonic()

    def _snapshot(self) -> None:
        self._session.publish(self._topics.available(ONLINE))
        for standing in self._board.everything():
            self._session.publish(standing)

    def _describe(self) -> None:
        if self._document is not None:
            self._session.publish(message(self._config, self._document))

    def _introduce(self, previous: str) -> None:
        """Put our discovery message where `previous` stands, if that is another one."""
        self._read_back = None
        self._session.unsubscribe(config_topic(self._config))
        wanted = message(self._config, self._document)
        if previous == wanted.payload:
            return
        if self._document is not None:
            farewell = removals(previous, self._document)
            if farewell is not None:
                self._session.publish(message(self._config, farewell))
        self._session.publish(wanted)
        if self._document is not None:
            self._snapshot()  # a changed description expires the states

    def _hear(self, received: MQTTMessage) -> None:
        topic = received.topic
        if topic.startswith(self._commands_at):
            name = topic.removeprefix(self._commands_at)
            self._commands.obey(name, bytes(received.payload), retained=received.retain)
        elif self._push is not None and topic.startswith(self._push_at):
            endpoint = topic.removeprefix(self._push_at)
            self._push.hear(endpoint, bytes(received.payload), retained=received.retain)
        elif topic == birth_topic(self._config) and received.payload == b"online":
            self._birth = self._clock.monotonic() + self._rng.uniform(*self._pace.birth)
        elif topic == config_topic(self._config) and received.retain and self._read_back:
            self._introduce(received.payload.decode("utf-8", "replace"))
