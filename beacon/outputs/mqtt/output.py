"""The MQTT output: publishes what the core shows, and takes commands and pushed readings.

What comes in: effects, which the deciding thread puts into the outbox without waiting. What goes
out: topics. One thread connects, publishes and receives, and tries again after every failure.
Nothing is queued while offline: after each connect the whole state is published. Must never
happen: lamps, buzzer or probes wait for a broker.
"""

import contextlib
import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from beacon.config.schema import Config
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
from beacon.outputs.mqtt.topics import OFFLINE, HealthReport, Publication, Topics, section
from beacon.outputs.tower.renderer import Shown

_log = logging.getLogger(__name__)

SHORT_SESSIONS: Final = 3
"""After so many short sessions in a row the log says that none lasts."""
LARGEST: Final = 256 * 1024
"""Most bytes of a message, besides twice our description: a push may have 64 KiB."""


class _Waker:
    """Wakes a thread that waits for sockets."""

    def __init__(self) -> None:
        self._mine, self._theirs = socket.socketpair()
        for end in (self._mine, self._theirs):
            end.settimeout(0)

    def fileno(self) -> int:
        """The descriptor the waiting thread polls."""
        return self._mine.fileno()

    def wake(self) -> None:
        """Wake the thread; never blocks. A full pipe wakes it, too; a closed one has no thread."""
        with contextlib.suppress(OSError):
            self._theirs.send(b"\0")

    def clear(self) -> None:
        """Read all that was sent to wake us."""
        with contextlib.suppress(OSError):
            while self._mine.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._mine.close()
        self._theirs.close()


class MqttOutput:
    """Publishes effects and takes commands.

    `submit` posts an event to the deciding thread and `lamp_test` starts one; both are called
    by the MQTT thread and must not block. `version` is the beacon's; `rng` spreads retries.
    `push` takes pushed readings; None: nothing is subscribed. `judge` is the heartbeat of the
    deciding thread; None: it is not watched. `started`: the beacon's start in monotonic seconds.
    """

    name = "mqtt"

    def __init__(  # noqa: PLR0917 - its parts
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
        self._outbox = Outbox(self._topics(config), clock, self._info)
        self._setup = self._setup_for(config, push)
        self._left: Setup | None = None  # a broker we left, where "online" is still retained
        self._unexplained = Unexplained(config.watched)  # used by the deciding thread only
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
        """Start the thread; does nothing if it runs. A broker may be absent."""
        if not self._thread.is_alive():
            self._thread.start()

    def follow(self, config: Config, push: MqttPush | None = None) -> None:
        """Use another configuration: what it does not change is not published again."""
        self._reloaded = config.watched
        setup = self._setup_for(config, push)
        self._outbox.follow(setup.topics)
        self._setup = setup
        self._waker.wake()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Keep what is to be published."""
        self._outbox.offer(effects)
        if self._reloaded is not None:
            self._unexplained.follow(self._reloaded)
            self._reloaded = None
        self._unexplained.offer(effects)
        self._waker.wake()

    def shown(self, shown: Shown) -> None:
        """Keep what the pins do."""
        self._outbox.note(shown)
        self._waker.wake()

    def health(self, health: HealthReport) -> None:
        """Keep the beacon's own health."""
        self._outbox.note(health)
        self._waker.wake()

    def unexplained(self, at: float) -> Sequence[str]:
        """The services to be explained now; the deciding thread only."""
        return self._unexplained.due(at)

    def explain(self, explained: Explained, at: float) -> None:
        """Keep why a service is shown as it is."""
        self._outbox.explain(explained, at)
        self._waker.wake()

    def stop(self, budget: float) -> None:
        """Publish what is left and "offline", then end; do not wait for a broker that hangs."""
        self._stopping.set()
        self._waker.wake()
        if self._thread.is_alive():
            self._thread.join(budget)
        if not self._thread.is_alive():
            self._waker.close()

    # --- from the configuration ---

    def _topics(self, config: Config) -> Topics:
        return Topics(config, self._version, self._moment)

    def _info(self, topics: Topics) -> Publication:
        # Built each time: the wall clock may be wrong at the start.
        return topics.info(self._started, socket.gethostname())

    def _setup_for(self, config: Config, push: MqttPush | None) -> Setup:
        commands = CommandRunner(
            config, self._clock, self._submit, self._lamp_test, self._outbox.answer
        )
        return Setup(config, self._version, self._topics(config), commands, push)

    # --- the MQTT thread ---

    def _run(self) -> None:
        retry = self._pace.first_retry
        while not self._stopping.is_set():
            setup, self._welcomed = self._setup, None
            cause = self._connect_once(setup)
            if self._stopping.is_set():
                return
            if self._welcomed is None and self._left is not None:
                left, self._left = self._left, None
                self._connect_once(left, only=OFFLINE)
            if setup is not self._setup:  # a reload, not a failure
                retry, self._short = self._pace.first_retry, 0
                continue
            lasted = self._lasted()
            if lasted is None:
                self._short = 0
            elif lasted < self._pace.settled:
                self._short += 1
            else:
                retry, self._short = self._pace.first_retry, 0
            self._log_cause(self._with_advice(cause, setup))
            self._rest(retry * self._rng.uniform(0.5, 1.0))
            retry = min(retry * 2, self._pace.last_retry)

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, and go on watching the judge."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._watch_judge()
            if self._stopping.wait(min(left, LOOK_EVERY)):
                return

    def _lasted(self) -> float | None:
        """Seconds since the broker's CONNACK in the latest session; None: there was none."""
        return None if self._welcomed is None else self._clock.monotonic() - self._welcomed

    def _with_advice(self, cause: str, setup: Setup) -> str:
        if self._short < SHORT_SESSIONS:
            return cause
        name = client_id(setup.topics.site)
        short = f"no session lasts {self._pace.settled:g} s: {cause}"
        if TAKEN_OVER in cause:
            return f"{short}: another client uses this id ({name}); give every beacon its `site`"
        return f"{short}; look for {name} in the broker's log"

    def _connect_once(self, setup: Setup, only: str = "") -> str:
        """Connect, stay until the end, return why it ended. `only`: publish just this."""
        mqtt = section(setup.config)
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
            with contextlib.closing(made) as client:
                client.dial()
                self._await_connack(client)
                if only:
                    self._leave_with(client, setup.topics.available(only))
                    return ""
                self._welcomed, self._left = self._clock.monotonic(), None
                self._run_session(client, setup)
        except Lost as lost:
            return str(lost)
        except Exception:  # noqa: BLE001 - the border: logged, then tried again
            _log.exception("MQTT: the connection failed by a fault of the beacon")
            return "a fault of the beacon: see its traceback"
        return "stopped"

    def _await_connack(self, client: MqttClient) -> None:
        stopped = self._stopping.is_set
        self._wait_until(client, self._pace.welcome, lambda: client.connected or stopped())
        if not client.connected:
            silent = "the broker takes the connection but does not answer"
            raise Lost("stopped" if stopped() else silent)

    def _run_session(self, client: MqttClient, setup: Setup) -> None:
        missed = self._outbox.drop_events()
        session = Session(
            client, setup, outbox=self._outbox, clock=self._clock, rng=self._rng, pace=self._pace
        )
        self._watch_judge()
        session.begin()
        with contextlib.ExitStack() as listening:
            listen(listening, None, setup.push)
            while not self._stopping.is_set():
                if self._short < SHORT_SESSIONS or (self._lasted() or 0.0) >= self._pace.settled:
                    self._log_connected(setup, missed)
                    missed = 0
                client.turn(self._waker.fileno(), session.due())
                self._waker.clear()
                self._watch_judge()
                if (fresh := self._setup) is not setup:
                    if not _same_connection(setup.config, fresh.config):
                        self._change_broker(client, session, setup, fresh)
                        return
                    listen(listening, setup.push, fresh.push)
                    setup = fresh
                    session.follow(setup)
                session.turn()
        session.turn()
        self._leave_with(client, setup.topics.available(OFFLINE))

    def _watch_judge(self) -> None:
        """Show blind if the judge has stalled."""
        if self._stall is not None:
            self._outbox.stall(self._stall.look())

    def _leave_with(self, client: MqttClient, last_message: Publication) -> None:
        """Publish this, then disconnect: an orderly disconnect suppresses the last will."""
        last = client.publish(last_message)
        self._wait_until(client, self._pace.farewell, last.is_published)
        client.disconnect()

    def _wait_until(self, client: MqttClient, seconds: float, enough: Callable[[], bool]) -> None:
        until = self._clock.monotonic() + seconds
        while not enough() and (left := until - self._clock.monotonic()) > 0:
            self._waker.clear()
            client.turn(self._waker.fileno(), left)

    def _change_broker(
        self, client: MqttClient, session: Session, setup: Setup, fresh: Setup
    ) -> None:
        """Disconnect because a reload wants another connection."""
        before, after = section(setup.config), section(fresh.config)
        if setup.topics.base != fresh.topics.base:
            # The description first: Home Assistant logs an error for each empty state it reads.
            # The new one if it has the same topic: entities keep what people changed about them.
            here = setup.description.topic
            moved = fresh.description if fresh.description.topic == here else None
            client.publish(moved or Publication(here, "", retain=True, qos=1))
            self._wait_until(client, self._pace.forgotten, self._stopping.is_set)
            session.empty_topics()
            self._leave_with(client, Publication(setup.topics.availability, "", retain=True, qos=1))
        elif (before.host, before.port) != (after.host, after.port):
            self._leave_with(client, setup.topics.available(OFFLINE))
        else:
            client.disconnect()  # "online" stays retained: it is true again in a moment
            self._left = setup

    # --- the log ---

    def _log_connected(self, setup: Setup, missed: int) -> None:
        if self._cause != "":
            mqtt, name = section(setup.config), client_id(setup.topics.site)
            _log.info("MQTT: connected to %s:%d as %s", mqtt.host, mqtt.port, name)
            self._cause = ""
        if missed:
            _log.warning("MQTT: %d events were not published while offline", missed)

    def _log_cause(self, cause: str) -> None:
        if cause != self._cause:
            _log.warning("MQTT: %s; the beacon goes on without and tries again", cause)
            self._cause = cause


def listen(
    listening: contextlib.ExitStack, before: MqttPush | None, after: MqttPush | None
) -> None:
    """Enter or leave `MqttPush.listening` when a reload brings or removes pushed endpoints."""
    if before is None and after is not None:
        listening.enter_context(after.listening())
    elif after is None:
        listening.close()


def _same_connection(before: Config, after: Config) -> bool:
    """Whether one connection serves both configurations."""
    old, new = section(before), section(after)
    return replace(old, discovery=new.discovery, commands=new.commands) == new
