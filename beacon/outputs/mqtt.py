"""The beacon on MQTT: a mirror of what the core says, and a door for a few commands.

Lamps, buzzer and probes never depend on this. The deciding thread leaves a note and goes
on; one thread of our own dials, publishes, listens and, whatever happens, tries again.
Nothing is published while offline: on every connection the whole state is sent afresh.
"""

import contextlib
import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from beacon.config.schema import Config, Mqtt
from beacon.core.events import Effect, Event
from beacon.core.explain import Explained
from beacon.engine.clock import Clock, Moments
from beacon.outputs.homeassistant import birth_topic, config_topic, discovery
from beacon.outputs.mqtt_board import Board
from beacon.outputs.mqtt_conversation import PUSH, USUAL, Commands, Conversation, Pace
from beacon.outputs.mqtt_push import MqttPush
from beacon.outputs.mqtt_session import Lost, Session, client_id
from beacon.outputs.renderer import Shown
from beacon.outputs.topics import OFFLINE, Health60, Topics
from beacon.outputs.unexplained import Unexplained

_log = logging.getLogger(__name__)

SHORT_SESSIONS: Final = 3
"""So many sessions in a row that do not last: somebody else uses our name."""


class _Waker:
    """Wakes a thread that waits for sockets."""

    def __init__(self) -> None:
        self._mine, self._theirs = socket.socketpair()
        for end in (self._mine, self._theirs):
            end.settimeout(0)

    def fileno(self) -> int:
        """What the waiting thread waits for."""
        return self._mine.fileno()

    def wake(self) -> None:
        """Wake it; never blocks. A full pipe wakes too, and a closed one has nobody to wake."""
        with contextlib.suppress(OSError):
            self._theirs.send(b"\0")

    def clear(self) -> None:
        """Take all wakings."""
        with contextlib.suppress(OSError):
            while self._mine.recv(4096):
                pass

    def close(self) -> None:
        """Done."""
        self._mine.close()
        self._theirs.close()


class MqttOutput:
    """Publishes effects and takes commands.

    `submit` posts an event to the deciding thread and `lamp_test` starts one; both are called
    by the MQTT thread and must not block. `version` is the beacon's; `rng` spreads retries.
    `push` takes what others push; None: nobody is listened to.
    """

    name = "mqtt"

    def __init__(  # noqa: PLR0917 - what it is made of
        self,
        config: Config,
        clock: Clock,
        submit: Callable[[Event], None],
        lamp_test: Callable[[], None],
        version: str,
        rng: random.Random,
        pace: Pace = USUAL,
        push: MqttPush | None = None,
    ) -> None:
        if config.mqtt is None:
            raise ValueError("the MQTT output needs the section mqtt")
        self._mqtt: Mqtt = config.mqtt
        self._config, self._clock, self._rng, self._pace = config, clock, rng, pace
        self._push = push
        self._topics = Topics(config, version, Moments(clock))
        # Made anew each time: the wall clock may be wrong at the start.
        info = partial(self._topics.info, clock.monotonic(), socket.gethostname())
        self._board = Board(self._topics, clock, info)
        self._unexplained = Unexplained(config.watched)
        self._commands = Commands(config, clock, submit, lamp_test, self._board.say)
        wanted = self._mqtt.discovery.enabled
        self._document = discovery(config, version) if wanted else None
        self._id = client_id(config.watched.id)
        self._waker = _Waker()
        self._stopping = threading.Event()
        self._cause: str | None = None
        self._short = 0
        self._welcomed: float | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    # --- any thread ---

    def start(self) -> None:
        """Start the thread; a broker that is not there stops nobody."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what is to be published."""
        self._board.offer(effects)
        self._unexplained.offer(effects)
        self._waker.wake()

    def shown(self, shown: Shown) -> None:
        """Note what the pins do."""
        self._board.note(shown)
        self._waker.wake()

    def health(self, health: Health60) -> None:
        """Note how the beacon itself is."""
        self._board.note(health)
        self._waker.wake()

    def unexplained(self, at: float) -> Sequence[str]:
        """The services to be explained now; the deciding thread only."""
        return self._unexplained.due(at)

    def explain(self, explained: Explained, at: float) -> None:
        """Note why a service is shown as it is."""
        self._board.explain(explained, at)
        self._waker.wake()

    def stop(self, budget: float) -> None:
        """Publish what is left and "offline", then go; a broker that hangs is left hanging."""
        self._stopping.set()
        self._waker.wake()
        if self._thread.is_alive():
            self._thread.join(budget)
        if not self._thread.is_alive():
            self._waker.close()

    # --- the MQTT thread ---

    def _run(self) -> None:
        retry = self._pace.first_retry
        while not self._stopping.is_set():
            self._welcomed = None
            cause = self._visit()
            if self._stopping.is_set():
                return
            lasted = self._lasted()
            self._short = 0 if lasted is None else self._short + 1
            if lasted is not None and lasted >= self._pace.settled:
                retry, self._short = self._pace.first_retry, 0
            self._say(self._diagnosed(cause))
            self._stopping.wait(retry * self._rng.uniform(0.5, 1.0))
            retry = min(retry * 2, self._pace.last_retry)

    def _lasted(self) -> float | None:
        """Seconds since the broker's welcome in the present or last session, if it came."""
        return None if self._welcomed is None else self._clock.monotonic() - self._welcomed

    def _diagnosed(self, cause: str) -> str:
        if self._short < SHORT_SESSIONS:
            return cause
        return (
            f"no session lasts {self._pace.settled:g} s: another client uses this id"
            f" ({self._id}); give every beacon a `site` of its own"
        )

    def _visit(self) -> str:
        """One connection from dialling to its end; why it ended."""
        will = self._topics.available(OFFLINE)
        try:
            made = Session(self._mqtt, self._id, will, self._subscriptions(), self._pace.patience)
            with contextlib.closing(made) as session:
                session.dial()
                self._await_welcome(session)
                self._welcomed = self._clock.monotonic()
                with self._push.listening() if self._push else contextlib.nullcontext():
                    self._converse(session)
        except Lost as lost:
            return str(lost)
        except Exception:  # noqa: BLE001 - the border: logged, dialled again
            _log.exception("MQTT: the connection failed by a fault of the beacon")
            return "a fault of the beacon: see its traceback"
        return "stopped"

    def _subscriptions(self) -> list[tuple[str, int, bool]]:
        commands = (f"{self._topics.base}/cmd/+", 1, False)
        own = (config_topic(self._config), 1, True)
        birth = (birth_topic(self._config), 0, True)
        pushes = (f"{self._topics.base}/{PUSH}+/+", 1, False)
        wanted = [commands, own]
        wanted += [birth] if self._document is not None else []
        return [*wanted, pushes] if self._push is not None else wanted

    def _await_welcome(self, session: Session) -> None:
        until = self._clock.monotonic() + self._pace.welcome
        while not session.connected:
            left = until - self._clock.monotonic()
            if self._stopping.is_set():
                raise Lost("stopped")
            if left <= 0:
                raise Lost("the broker takes the connection but does not answer")
            self._waker.clear()
            session.turn(self._waker.fileno(), left)

    def _converse(self, session: Session) -> None:
        missed = self._board.forget()
        conversation = Conversation(
            session,
            config=self._config,
            topics=self._topics,
            board=self._board,
            commands=self._commands,
            push=self._push,
            document=self._document,
            clock=self._clock,
            rng=self._rng,
            pace=self._pace,
        )
        conversation.begin()
        while not self._stopping.is_set():
            if self._short < SHORT_SESSIONS or (self._lasted() or 0.0) >= self._pace.settled:
                self._welcome(missed)
                missed = 0
            session.turn(self._waker.fileno(), conversation.due())
            self._waker.clear()
            conversation.turn()
        conversation.turn()
        self._part(session)

    def _part(self, session: Session) -> None:
        """A clean goodbye suppresses the last will, so we say it ourselves."""
        until = self._clock.monotonic() + self._pace.farewell
        last = session.publish(self._topics.available(OFFLINE))
        while not last.is_published() and self._clock.monotonic() < until:
            self._waker.clear()
            session.turn(self._waker.fileno(), until - self._clock.monotonic())
        session.disconnect()

    # --- words ---

    def _welcome(self, missed: int) -> None:
        if self._cause != "":
            _log.info("MQTT: connected to %s:%d as %s", self._mqtt.host, self._mqtt.port, self._id)
            self._cause = ""
        if missed:
            _log.warning("MQTT: %d events were not published while offline", missed)

    def _say(self, cause: str) -> None:
        if cause != self._cause:
            _log.warning("MQTT: %s; the beacon goes on without and tries again", cause)
            self._cause = cause
