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
from dataclasses import replace
from typing import Final

from beacon.config.schema import Config, Mqtt
from beacon.core.effects import Effect
from beacon.core.explain import Explained
from beacon.core.inputs import Event
from beacon.core.model import Site
from beacon.engine.clock import Clock, WallClockMap
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.client import TAKEN_OVER, Lost, MqttClient, client_id
from beacon.outputs.mqtt.commands import CommandRunner
from beacon.outputs.mqtt.explain_pacing import Unexplained
from beacon.outputs.mqtt.outbox import Outbox
from beacon.outputs.mqtt.push import MqttPush
from beacon.outputs.mqtt.session import USUAL, Session, SessionTimes, Setup
from beacon.outputs.mqtt.stalled import LOOK_EVERY, StallWatch
from beacon.outputs.mqtt.topics import OFFLINE, HealthReport, Publication, Topics
from beacon.outputs.tower.renderer import Shown

_log = logging.getLogger(__name__)

SHORT_SESSIONS: Final = 3
"""So many sessions in a row that do not last are said to be so."""
LARGEST: Final = 256 * 1024
"""Bytes of a message that is taken, beside our own description twice: pushes may have 64 KiB."""


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
    `push` takes what others push; None: nobody is listened to. `judge` beats while somebody
    judges; None: that is not watched. `started`: when the beacon did, in monotonic seconds.
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
        pace: SessionTimes = USUAL,
        push: MqttPush | None = None,
        judge: Heartbeat | None = None,
        started: float | None = None,
    ) -> None:
        self._clock, self._rng, self._pace = clock, rng, pace
        self._submit, self._lamp_test, self._version = submit, lamp_test, version
        self._moment = WallClockMap(clock)
        self._started = clock.monotonic() if started is None else started
        self._board = Outbox(self._topics(config), clock, self._info)
        self._setup = self._made(config, push)
        self._left: Setup | None = None  # whose "online" still stands, although we left
        self._unexplained = Unexplained(config.watched)  # the deciding thread's
        self._reloaded: Site | None = None
        self._stall = None if judge is None else StallWatch(judge, clock)
        self._waker = _Waker()
        self._stopping = threading.Event()
        self._cause: str | None = None
        self._short = 0
        self._welcomed: float | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    # --- any thread ---

    def start(self) -> None:
        """Start the thread; a broker that is not there stops nobody. Once is enough."""
        if not self._thread.is_alive():
            self._thread.start()

    def follow(self, config: Config, push: MqttPush | None = None) -> None:
        """Go on with another configuration: what it does not change is not said again."""
        self._reloaded = config.watched
        setup = self._made(config, push)
        self._board.follow(setup.topics)
        self._setup = setup
        self._waker.wake()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note what is to be published."""
        self._board.offer(effects)
        if self._reloaded is not None:
            self._unexplained.follow(self._reloaded)
            self._reloaded = None
        self._unexplained.offer(effects)
        self._waker.wake()

    def shown(self, shown: Shown) -> None:
        """Note what the pins do."""
        self._board.note(shown)
        self._waker.wake()

    def health(self, health: HealthReport) -> None:
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

    # --- what a configuration makes of it ---

    def _topics(self, config: Config) -> Topics:
        return Topics(config, self._version, self._moment)

    def _info(self, topics: Topics) -> Publication:
        # Made anew each time: the wall clock may be wrong at the start.
        return topics.info(self._started, socket.gethostname())

    def _made(self, config: Config, push: MqttPush | None) -> Setup:
        commands = CommandRunner(
            config, self._clock, self._submit, self._lamp_test, self._board.say
        )
        return Setup(config, self._version, self._topics(config), commands, push)

    # --- the MQTT thread ---

    def _run(self) -> None:
        retry = self._pace.first_retry
        while not self._stopping.is_set():
            setup, self._welcomed = self._setup, None
            cause = self._visit(setup)
            if self._stopping.is_set():
                return
            if self._welcomed is None and self._left is not None:
                left, self._left = self._left, None
                self._visit(left, only=OFFLINE)
            if setup is not self._setup:  # a reload: nothing to complain of
                retry, self._short = self._pace.first_retry, 0
                continue
            lasted = self._lasted()
            self._short = 0 if lasted is None else self._short + 1
            if lasted is not None and lasted >= self._pace.settled:
                retry, self._short = self._pace.first_retry, 0
            self._say(self._diagnosed(cause, setup))
            self._rest(retry * self._rng.uniform(0.5, 1.0))
            retry = min(retry * 2, self._pace.last_retry)

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, and go on looking at the judge."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._notice()
            if self._stopping.wait(min(left, LOOK_EVERY)):
                return

    def _lasted(self) -> float | None:
        """Seconds since the broker's welcome in the present or last session, if it came."""
        return None if self._welcomed is None else self._clock.monotonic() - self._welcomed

    def _diagnosed(self, cause: str, setup: Setup) -> str:
        if self._short < SHORT_SESSIONS:
            return cause
        name = client_id(setup.topics.site)
        short = f"no session lasts {self._pace.settled:g} s: {cause}"
        if TAKEN_OVER in cause:
            return f"{short}: another client uses this id ({name}); give every beacon its `site`"
        return f"{short}; look for {name} in the broker's log"

    def _visit(self, setup: Setup, only: str = "") -> str:
        """One connection from dialling to its end; why it ended. `only`: to say just this."""
        mqtt = _mqtt(setup.config)
        will = setup.topics.available(OFFLINE)
        largest = LARGEST + 2 * len(setup.description.payload.encode())
        try:
            made = MqttClient(
                mqtt,
                client_id(setup.topics.site),
                will,
                [] if only else setup.subscriptions(),
                patience=self._pace.patience,
                largest=largest,
            )
            with contextlib.closing(made) as session:
                session.dial()
                self._await_welcome(session)
                if only:
                    self._part(session, setup.topics.available(only))
                    return ""
                self._welcomed, self._left = self._clock.monotonic(), None
                self._converse(session, setup)
        except Lost as lost:
            return str(lost)
        except Exception:  # noqa: BLE001 - the border: logged, dialled again
            _log.exception("MQTT: the connection failed by a fault of the beacon")
            return "a fault of the beacon: see its traceback"
        return "stopped"

    def _await_welcome(self, session: MqttClient) -> None:
        until = self._clock.monotonic() + self._pace.welcome
        while not session.connected:
            left = until - self._clock.monotonic()
            if self._stopping.is_set():
                raise Lost("stopped")
            if left <= 0:
                raise Lost("the broker takes the connection but does not answer")
            self._waker.clear()
            session.turn(self._waker.fileno(), left)

    def _converse(self, session: MqttClient, setup: Setup) -> None:
        missed = self._board.forget()
        conversation = Session(
            session, setup, board=self._board, clock=self._clock, rng=self._rng, pace=self._pace
        )
        self._notice()
        conversation.begin()
        with contextlib.ExitStack() as listening:
            listen(listening, None, setup.push)
            while not self._stopping.is_set():
                if self._short < SHORT_SESSIONS or (self._lasted() or 0.0) >= self._pace.settled:
                    self._welcome(setup, missed)
                    missed = 0
                session.turn(self._waker.fileno(), conversation.due())
                self._waker.clear()
                self._notice()
                if (fresh := self._setup) is not setup:
                    if not _same_place(setup.config, fresh.config):
                        self._leave(session, conversation, setup, fresh)
                        return
                    listen(listening, setup.push, fresh.push)
                    setup = fresh
                    conversation.follow(setup)
                conversation.turn()
        conversation.turn()
        self._part(session, setup.topics.available(OFFLINE))

    def _notice(self) -> None:
        """Speak for the judge, should it have stalled."""
        if self._stall is not None:
            self._board.stall(self._stall.look())

    def _part(self, session: MqttClient, last_word: Publication) -> None:
        """A clean goodbye suppresses the last will, so we say it ourselves."""
        last = session.publish(last_word)
        self._linger(session, self._pace.farewell, last.is_published)
        session.disconnect()

    def _linger(self, session: MqttClient, seconds: float, enough: Callable[[], bool]) -> None:
        until = self._clock.monotonic() + seconds
        while not enough() and (left := until - self._clock.monotonic()) > 0:
            self._waker.clear()
            session.turn(self._waker.fileno(), left)

    def _leave(
        self, session: MqttClient, conversation: Session, setup: Setup, fresh: Setup
    ) -> None:
        """Go because a reload wants another connection."""
        before, after = _mqtt(setup.config), _mqtt(fresh.config)
        if setup.topics.base != fresh.topics.base:
            # First the description: who still reads a topic would complain of an empty state. The
            # new one where it has the same place: entities stay what people made of them.
            here = setup.description.topic
            moved = fresh.description if fresh.description.topic == here else None
            session.publish(moved or Publication(here, "", retain=True, qos=1))
            self._linger(session, self._pace.forgotten, self._stopping.is_set)
            conversation.take_away()
            self._part(session, Publication(setup.topics.availability, "", retain=True, qos=1))
        elif (before.host, before.port) != (after.host, after.port):
            self._part(session, setup.topics.available(OFFLINE))
        else:
            session.disconnect()  # "online" stands, and will be true again in a moment
            self._left = setup

    # --- words ---

    def _welcome(self, setup: Setup, missed: int) -> None:
        if self._cause != "":
            mqtt, name = _mqtt(setup.config), client_id(setup.topics.site)
            _log.info("MQTT: connected to %s:%d as %s", mqtt.host, mqtt.port, name)
            self._cause = ""
        if missed:
            _log.warning("MQTT: %d events were not published while offline", missed)

    def _say(self, cause: str) -> None:
        if cause != self._cause:
            _log.warning("MQTT: %s; the beacon goes on without and tries again", cause)
            self._cause = cause


def listen(
    listening: contextlib.ExitStack, before: MqttPush | None, after: MqttPush | None
) -> None:
    """Be known as one who listens to pushes, or no more."""
    if before is None and after is not None:
        listening.enter_context(after.listening())
    elif after is None:
        listening.close()


def _mqtt(config: Config) -> Mqtt:
    if config.mqtt is None:
        raise ValueError("the MQTT output needs the section mqtt")
    return config.mqtt


def _same_place(before: Config, after: Config) -> bool:
    """Whether one connection serves both configurations."""
    old, new = _mqtt(before), _mqtt(after)
    return replace(old, discovery=new.discovery, commands=new.commands) == new
