"""Which parts a running beacon has, and how they are connected.

    probes → engine (monitor) → journal, tower, history, pushes      always there
                              → terminal, MQTT, web                          made by `OutputFactory`

Nothing is started here: `life` starts and stops the parts, `reload` gives them another
configuration.
"""

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import beacon
from beacon.config.file_fields import Bind
from beacon.config.schema import Config, Tower
from beacon.core.effects import Effect
from beacon.core.inputs import Acknowledge, StorageDegraded
from beacon.core.model import Moment
from beacon.core.monitor import Monitor
from beacon.daemon.retry import RetryThread
from beacon.daemon.self_health import SelfHealth
from beacon.engine.calendar.clock_watch import (
    KernelWatch,
    StepWatch,
    kernel_synchronised,
    timesyncd_synchronised,
)
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.calendar.hour_watch import HourWatch
from beacon.engine.calendar.quiet_hours import QuietHoursWatch
from beacon.engine.calendar.windows import WeeklyWindow, WindowsWatch
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item, Poll, ScheduledProbe
from beacon.engine.output import Heartbeat, Output
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.pushed.receiver import Expected, Pushed, Pushes, Way
from beacon.net.http.conditional_client import ConditionalClient
from beacon.otp.used_codes import Ledger
from beacon.outputs.control.actions import Actions
from beacon.outputs.control.incidents import Incidents
from beacon.outputs.control.probe import ACTION, ProbeNow
from beacon.outputs.control.socket import Action
from beacon.outputs.history.output import History
from beacon.outputs.journal import LogBook
from beacon.outputs.mqtt.topics import HealthReport
from beacon.outputs.systemd import Notifier
from beacon.outputs.tower import failsafe_file
from beacon.outputs.tower.channels import TowerError
from beacon.outputs.tower.gpio import GpioChannels, open_lines
from beacon.outputs.tower.output import StackLight

if TYPE_CHECKING:
    from beacon.outputs.mqtt.output import MqttOutput
    from beacon.outputs.push_gateway import PushGateway
    from beacon.outputs.terminal.output import TerminalTower
    from beacon.outputs.web.server import WebServer

REMEMBER_WITHIN: Final = 1.0
"""Seconds the deciding thread has to hand over its memory."""
TAKE_WITHIN: Final = 1.0
"""Seconds the deciding thread has to take a pushed reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonOptions:
    """What the command line decides. `draw`: show a tower without lamps in the terminal."""

    config: Path
    state_directory: Path
    environ: Mapping[str, str]
    draw: bool = False
    caption: str = ""


def scheduled(config: Config) -> dict[str, ScheduledProbe]:
    """What the engine must know of each endpoint."""
    return {
        each.id: ScheduledProbe(
            config.probes[each.id], None if each.pushed else each.interval, each.timeout
        )
        for each in config.watched.endpoints
    }


def expected(config: Config) -> dict[str, Expected]:
    """What others push to us, and how."""
    pushed = [(each, config.probes[each.id]) for each in config.watched.endpoints if each.pushed]
    return {
        each.id: Expected(
            ways=probe.ways if each.local else (*probe.ways, Way.UPLINK),
            heartbeat=probe.heartbeat,
            max_age=probe.max_age,
            share=probe.share,
        )
        for each, probe in pushed
    }


def _planned(config: Config) -> Iterator[WeeklyWindow]:
    """The planned windows, as the engine takes them."""
    return (WeeklyWindow(**vars(window)) for window in config.maintenance)


# --- the tower --------------------------------------------------------------------


def open_tower(settings: Tower, stack: ExitStack) -> tuple[GpioChannels, failsafe_file.Chip | None]:
    """Claim the pins; no chip: a tower without lamps. Raises `TowerError`."""
    try:
        channels = open_lines(settings)
        stack.callback(channels.close)
        chip = None if channels.chip is None else failsafe_file.chip_at(channels.chip)
    except OSError as error:
        raise TowerError(f"cannot look at the GPIO chip: {error}") from error
    return channels, chip


def write_failsafe_file(
    options: DaemonOptions, settings: Tower, chip: failsafe_file.Chip | None, retry: RetryThread
) -> None:
    """Write the file by which the lamps go dark if we are killed. Raises `TowerError`.

    It comes before the first lamp is lit: no file, no light.
    """
    content, written = failsafe_file.text(settings, chip), False
    for directory in failsafe_file.places(options.environ, options.state_directory):
        failure = f"{directory / failsafe_file.NAME} cannot be written"
        written |= retry.do(partial(failsafe_file.write, directory, content), failure)
    if chip and not written:
        raise TowerError(
            "no lamp is lit: the file by which they are darkened after a crash cannot be "
            "written; give the beacon a state directory that it may write"
        )


# --- all parts --------------------------------------------------------------------


class Parts:
    """The parts of one beacon, connected. `config` is the one in use."""

    def __init__(
        self,
        options: DaemonOptions,
        config: Config,
        channels: GpioChannels,
        *,
        notifier: Notifier,
        retry: RetryThread,
        terminal_watch: Poll,
        drawn: bool,
    ) -> None:
        self.options, self.config = options, config
        self.clock = clock = SystemClock()
        self.monitor = Monitor(config.watched)
        self.ledger = Ledger()
        self._retry = retry
        self._degraded_before = False
        self.inbox: Inbox[Item] = Inbox()
        self.heart = Heartbeat(clock)
        self.pushes = Pushes(clock, self.inbox.post)
        self.history = self._new_history()
        self.tower = StackLight(config.tower, clock, self.heart, self._pressed, channels)
        self.output_factory = OutputFactory(self, drawn=drawn)
        self._dates = DateWatch(clock, beacon.RELEASED)
        self._windows = WindowsWatch(
            clock, _planned(config), plausible=lambda: self._dates.plausible
        )
        self.health = SelfHealth(
            self._lag,
            self.monitor.view,
            lambda: self._degraded,
            self.output_factory.publish_health,
        )
        self.engine = self._new_engine(notifier, terminal_watch)

    def _new_history(self) -> History:
        return History(
            self.options.state_directory,
            self.config.watched.id,
            self.clock,
            remember=lambda: self.monitor.remember(self.clock.monotonic()),
            learnt=self.monitor.learnt,
            ask=lambda call: self.engine.ask(call, REMEMBER_WITHIN),
            written=lambda: self.config.written,
        )

    def _new_engine(self, notifier: Notifier, terminal_watch: Poll) -> Engine:
        shared: dict[type, Any] = {Ledger: self.ledger, ConditionalClient: ConditionalClient()}
        return Engine(
            judge=self.monitor,
            clock=self.clock,
            inbox=self.inbox,
            outputs=(LogBook(notifier.status), self.tower, self.history, self.pushes),
            heartbeat=self.heart,
            renderer=self.tower.heart,
            feed=notifier.watchdog,
            polls=(
                StepWatch(self.clock),
                self._dates,
                HourWatch(self.clock, beacon.RELEASED),
                KernelWatch(kernel_synchronised, partial(timesyncd_synchronised, self.clock)),
                self._storage_changed,
                self._windows,
                self.pushes,
                self.health,
                terminal_watch,
                self._explain,
                *self._quiet_hours(),
            ),
            new_memory=lambda: ProbeMemory(shared),
        )

    def actions(self) -> dict[str, Action]:
        """What the control socket can do."""
        operators = Actions(self.engine, self.monitor, self.tower.lamp_test, self.clock)
        incidents = Incidents(self.history, self.clock, lambda: self.monitor.site)
        probe = ProbeNow(self.engine, lambda: self.config)
        return operators.all() | {"incidents": incidents, ACTION: probe}

    def begin(self, start: Callable[[Moment], tuple[Effect, ...]]) -> None:
        """Show the first state and plan the first runs; `start` starts the monitor."""
        self.pushes.expect(expected(self.config))
        self.engine.start(scheduled(self.config), start)

    def follow(self, config: Config) -> None:
        """Judge by another configuration from now on; for the deciding thread."""
        self.pushes.expect(expected(config))
        self.engine.reconfigure(config.watched, scheduled(config))
        self._windows.follow(_planned(config))

    def _pressed(self) -> None:
        self.inbox.post(Acknowledge(self.clock.monotonic(), by="button", origin="button"))

    # --- asked at every beat ---

    def _lag(self) -> float:
        return self.engine.lag()

    def _quiet_hours(self) -> Iterator[Poll]:
        hours = self.config.tower.buzzer and self.config.tower.buzzer.quiet_hours
        if hours:
            yield QuietHoursWatch(self.clock, hours.begin, hours.end, hours.time_zone)

    @property
    def _degraded(self) -> bool:
        return self._retry.any or self.history.degraded

    def _storage_changed(self, at: Moment) -> StorageDegraded | None:
        """Report that the storage became degraded, or is whole again."""
        if self._degraded is self._degraded_before:
            return None
        self._degraded_before = not self._degraded_before
        return StorageDegraded(at, self._degraded_before)

    def _explain(self, at: float) -> None:
        """Publish over MQTT why services that changed are shown as they are."""
        mqtt = self.output_factory.mqtt
        if mqtt is None:
            return
        for service in mqtt.unexplained(at):
            explained = self.monitor.explain(service)
            if explained is not None:
                mqtt.explain(explained, at)


# --- outputs that a configuration asks for ----------------------------------------


class OutputFactory:
    """Makes terminal, MQTT and web for a configuration.

    The MQTT output is made once and follows each configuration, so that a reload does not
    disconnect it.
    """

    def __init__(self, parts: Parts, *, drawn: bool) -> None:
        self._parts, self._drawn = parts, drawn
        self._terminal: TerminalTower | None = None
        self._started = parts.clock.monotonic()
        self.mqtt: MqttOutput | None = None

    def make(self, config: Config) -> Sequence[Output]:
        """Return the outputs for this configuration, not yet started."""
        gateway = self._new_gateway(config)
        self._terminal = self._new_terminal(config) if self._drawn else None
        self.mqtt = None if config.mqtt is None else self._mqtt_for(config, gateway)
        web = None if config.web is None else self._new_web(config.web, gateway)
        return [output for output in (self._terminal, self.mqtt, web) if output is not None]

    def note(self, line: str) -> None:
        """Show a line of the log beside the drawn tower."""
        if self._terminal is not None:
            self._terminal.note(line)

    def publish_health(self, report: HealthReport) -> None:
        """Publish how the beacon itself is."""
        if self.mqtt is not None:
            self.mqtt.health(report)

    def _new_terminal(self, config: Config) -> "TerminalTower":
        from beacon.outputs.terminal.output import TerminalTower  # noqa: PLC0415 - brings rich

        parts = self._parts
        terminal = TerminalTower(
            config.watched, config.tower, parts.clock, parts.heart, parts.engine.latest
        )
        terminal.caption(parts.options.caption)
        return terminal

    def _new_gateway(self, config: Config) -> "PushGateway | None":
        pushed = {e.id: config.probes[e.id] for e in config.watched.endpoints if e.pushed}
        if not pushed:
            return None
        from beacon.outputs.push_gateway import PushGateway  # noqa: PLC0415 - only where others push

        def take(endpoint: str, what: Pushed) -> None:
            parts = self._parts
            parts.engine.ask(lambda: parts.pushes.take(endpoint, what), TAKE_WITHIN)

        return PushGateway(pushed, take)

    def _new_web(self, web: Bind, gateway: "PushGateway | None") -> "WebServer":
        from beacon.outputs.web.push import PATH, WebPush  # noqa: PLC0415
        from beacon.outputs.web.server import WebServer  # noqa: PLC0415 - only where it is configured

        routes = {} if gateway is None else {PATH: WebPush(gateway)}
        listening = partial(self._parts.pushes.listening, Way.HTTP)
        return WebServer((web.host, web.port), routes, listening)

    def _mqtt_for(self, config: Config, gateway: "PushGateway | None") -> "MqttOutput":
        with without_dnspython():
            from beacon.outputs.mqtt.output import MqttOutput  # noqa: PLC0415 - brings paho
            from beacon.outputs.mqtt.push import MqttPush  # noqa: PLC0415

        parts, push = self._parts, None
        if gateway is not None and gateway.of(Way.MQTT):
            push = MqttPush(gateway, parts.clock, partial(parts.pushes.listening, Way.MQTT))
        if self.mqtt is not None:
            self.mqtt.follow(config, push)
            return self.mqtt
        mqtt = MqttOutput(
            config,
            parts.clock,
            parts.inbox.post,
            partial(parts.tower.lamp_test, with_buzzer=True),
            beacon.__version__,
            random.Random(),  # noqa: S311 - spreads retries
            push=push,
            judge=parts.heart,
            started=self._started,
        )
        parts.tower.observe(mqtt.shown)
        parts.health.again()
        return mqtt


@contextlib.contextmanager
def without_dnspython() -> Iterator[None]:
    """Inside, paho is imported without the 5 MB it would load for SRV look-ups we never make."""
    name = "dns.resolver"
    if name in sys.modules:  # a probe needs it anyway
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
