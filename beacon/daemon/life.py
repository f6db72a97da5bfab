"""The one place where parts meet: a configuration in, a running beacon out, and its end.

What must stop the daemon stops it before READY, with nothing left behind: everything that
was started is on one stack, and is stopped in reverse, each part within its budget. A
second signal, or an orderly stop that takes too long, ends the process at once.
"""

import contextlib
import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

import beacon
from beacon import probes
from beacon.config.loader import load
from beacon.config.problems import ConfigError
from beacon.config.schema import Config, Tower, Web
from beacon.core.effects import Effect
from beacon.core.inputs import Acknowledge, StorageDegraded
from beacon.core.model import Site
from beacon.core.monitor import Monitor
from beacon.daemon.reload import ReloadableOutputs, ended
from beacon.daemon.retry import RetryThread
from beacon.daemon.self_health import SelfHealth
from beacon.daemon.signals import TerminalWatch, asked
from beacon.engine.calendar.clock_watch import KernelWatch, StepWatch, kernel_says, timesyncd_says
from beacon.engine.calendar.date_watch import DateWatch
from beacon.engine.calendar.hour_watch import HourWatch
from beacon.engine.calendar.quiet_hours import QuietHoursWatch
from beacon.engine.calendar.windows import WeeklyWindow, WindowsWatch
from beacon.engine.clock import SystemClock, utc_at
from beacon.engine.inbox import Inbox
from beacon.engine.latest import Latest
from beacon.engine.loop import Engine, Item, ScheduledProbe, Sign
from beacon.engine.output import Heartbeat, Output
from beacon.engine.push_receiver import Expected, Pushed, Pushes, Way
from beacon.engine.workers import scrubbed
from beacon.otp.used_codes import LEDGER
from beacon.outputs.control.actions import Actions
from beacon.outputs.control.socket import Action, ControlError, ControlSocket, socket_path
from beacon.outputs.control.used_codes import ACTION, lending
from beacon.outputs.history.incidents import Incidents
from beacon.outputs.history.output import History
from beacon.outputs.history.recall import Recalled
from beacon.outputs.journal import LogBook, diverted
from beacon.outputs.mqtt.topics import HealthReport
from beacon.outputs.systemd import Notifier
from beacon.outputs.tower import failsafe_file
from beacon.outputs.tower.channels import TowerError, walk
from beacon.outputs.tower.gpio import GpioChannels, open_lines, pin_factory
from beacon.outputs.tower.output import StackLight

if TYPE_CHECKING:
    from beacon.outputs.mqtt.output import MqttOutput
    from beacon.outputs.push_gateway import PushGateway
    from beacon.outputs.terminal import TerminalTower
    from beacon.outputs.web.server import WebServer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

STOP_WITHIN: Final = 10.0
"""Seconds for the whole orderly stop."""
PART_BUDGET: Final = 3.0
"""Seconds for one part of it."""
WORKERS_BUDGET: Final = 1.0
"""Seconds for probes to notice that their sockets are shut; name resolutions never will."""
SWAP_WITHIN: Final = 30.0
"""Seconds the deciding thread has to take over a new configuration."""
REMEMBER_WITHIN: Final = 1.0
"""Seconds the deciding thread has to say what it remembers."""
TAKE_WITHIN: Final = 1.0
"""Seconds the deciding thread has to take what is pushed."""
RUNNING: Final = "running"
"""A file in the state directory while the daemon runs: found at start, the last run crashed."""


class CannotStart(Exception):
    """The daemon cannot run; the message says why and what to do."""


def load_config(path: Path, environ: Mapping[str, str], *, starting: bool = False) -> Config:
    """Load a configuration with this house's probes. Raises `ConfigError`."""
    return load(path, kinds=probes.kinds, load_kind=probes.load, environ=environ, starting=starting)


def watched(config: Config) -> dict[str, ScheduledProbe]:
    """What the engine must know of each endpoint."""
    return {
        each.id: ScheduledProbe(
            config.probes[each.id], None if each.pushed else each.interval, each.timeout
        )
        for each in config.watched.endpoints
    }


def expected(config: Config) -> dict[str, Expected]:
    """What is to be pushed to us, and how."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a daemon lives. `draw`: show a tower without lamps in the terminal."""

    config: Path
    state_directory: Path
    environ: Mapping[str, str]
    draw: bool = False
    caption: str = ""


def serve(place: Surroundings, config: Config) -> int:
    """Run the daemon until a signal; 0 when it was stopped by one, 1 when it broke.

    To be called in the main thread. Raises `CannotStart`, with nothing left running.
    """
    daemon = Daemon(place, config)
    with asked(daemon.stop, daemon.reload):
        return daemon.run()


class Daemon:
    """Everything that runs, wired together."""

    def __init__(self, place: Surroundings, config: Config) -> None:
        self._place, self._config = place, config
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._notifier = Notifier(place.environ)
        self._monitor = Monitor(config.watched)
        self._dates = DateWatch(self._clock, beacon.RELEASED)
        self._windows = WindowsWatch(
            self._clock, _windows(config), plausible=lambda: self._dates.plausible
        )
        self._heart = Heartbeat(self._clock)
        self._mailbox: Inbox[Item] = Inbox()
        self._standing = Latest()
        self._pushes = Pushes(self._clock, self._mailbox.post)
        self._reloads: SimpleQueue[bool] = SimpleQueue()
        self._stack = ExitStack()
        self._history = History(
            place.state_directory,
            config.watched.id,
            self._clock,
            remember=lambda: self._monitor.remember(self._clock.monotonic()),
            learnt=self._monitor.learnt,
            ask=self._asked,
            written=lambda: self._config.written,
        )
        self._engine: Engine | None = None
        self._terminal: TerminalTower | None = None
        self._mqtt: MqttOutput | None = None
        self._health = SelfHealth(
            self._lag, self._monitor.view, lambda: self._degraded, self._say_health
        )
        self._terminal_watch = TerminalWatch(self.stop)
        self._owed = RetryThread()
        self._told_degraded = False
        self._stopping = False
        # Should a part hang beyond its budget, dark lamps matter more than good manners.
        self._limit = threading.Timer(STOP_WITHIN, os._exit, (1,))
        self._limit.daemon = True

    # --- from signal handlers ---

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping = True
        if self._engine is not None:
            self._engine.stop()

    def reload(self) -> None:
        """Take the configuration file anew, if it is good."""
        self._reloads.put(True)  # noqa: FBT003 - a token

    # --- the life ---

    def run(self) -> int:
        """Start everything, turn until told to stop, stop everything."""
        with self._stack:
            self._stack.callback(self._limit.cancel)  # first in, so that it is over last
            engine = self._start()
            self._notifier.ready()
            site = self._config.watched
            log.info("started; endpoints: %d", len(site.endpoints))
            try:
                if not self._stopping:
                    engine.run()
            except Exception as error:  # noqa: BLE001 - the last border: stop in order, say why
                log.critical("the beacon broke and stops:\n%s", scrubbed(error))
                return 1
            finally:
                self._begin_to_stop(engine)
        log.info("stopped")
        return 0

    def _start(self) -> Engine:
        self._make_state_directory()
        actions: dict[str, Action] = {}
        # First: whoever has the socket is the one beacon of this state directory.
        self._take(ControlSocket(self._control_path, actions))
        crashed = self._leave_mark()
        tower, drawn = self._tower()
        recalled = self._recall()
        self._engine = engine = Engine(
            judge=self._monitor,
            clock=self._clock,
            mailbox=self._mailbox,
            outputs=(
                LogBook(self._notifier.status),
                tower,
                self._standing,
                self._history,
                self._pushes,
            ),
            heart=self._heart,
            renderer=tower.heart,
            feed=self._notifier.watchdog,
            signs=tuple(self._signs()),
        )
        orders = Actions(
            engine,
            self._monitor.view,
            self._monitor.explain,
            tower.lamp_test,
            self._clock,
            site=self._watched,
        )
        incidents = Incidents(self._history, self._clock, self._watched)
        actions |= orders.all() | {"incidents": incidents}
        actions[ACTION] = lending(LEDGER, self._clock)
        self._begin(self._history)
        self._begin(tower)
        self._pushes.expect(expected(self._config))
        engine.start(watched(self._config), self._beginning(recalled, resume=not crashed))
        if drawn and self._place.draw:
            self._stack.enter_context(diverted(self._note))
        mirrors = ReloadableOutputs(
            engine, self._standing, partial(self._mirrored, engine, tower, drawn)
        )
        self._stack.callback(mirrors.stop)
        mirrors.show(self._config, lambda call: call())
        if not crashed and not self._monitor.view().incidents:
            tower.lamp_test(with_buzzer=False)
        reloader = threading.Thread(
            target=self._reload_when_told, args=(engine, mirrors), name="reload", daemon=True
        )
        reloader.start()
        self._owed.start()
        return engine

    def _watched(self) -> Site:
        return self._monitor.site

    def _make_state_directory(self) -> None:
        directory = self._place.state_directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                f"state directory {directory}: {error.strerror}; "
                "choose one this user may write with --state-dir"
            ) from error
        self._owed.do(
            partial(_try_to_write, directory),
            f"state directory {directory} cannot be written, going on without: a restart may "
            "forget what happens now; make it writable for this user, or choose another with "
            "--state-dir",
        )

    def _take(self, control: ControlSocket) -> None:
        self._stack.callback(ended, control, PART_BUDGET)
        self._stack.callback(self._owed.stop)
        path = self._control_path
        try:
            self._owed.do(
                control.start,
                f"control socket {path} cannot be made: `beacon status`, `acknowledge` and the "
                "other commands cannot reach this beacon, button and MQTT can; make its "
                "directory writable, or name another in $RUNTIME_DIRECTORY, for them too",
            )
        except ControlError as error:
            raise CannotStart(str(error)) from error

    def _begin(self, output: Output) -> None:
        output.start()
        self._stack.callback(ended, output, PART_BUDGET)

    def _begin_to_stop(self, engine: Engine) -> None:
        self._limit.start()
        self._notifier.stopping()
        engine.prober.stop(WORKERS_BUDGET)

    @property
    def _control_path(self) -> Path:
        return socket_path(self._place.state_directory, self._place.environ)

    def _leave_mark(self) -> bool:
        """Leave a mark until the clean end; whether one was left by a crash."""
        mark = self._place.state_directory / RUNNING
        crashed = os.path.exists(mark)  # noqa: PTH110 - says no where it may not look
        self._owed.do(mark.touch)
        self._stack.callback(_removed, mark)
        self._stack.callback(self._owed.stop)
        return crashed

    # --- what is remembered ---

    def _asked(self, call: Callable[[], Result]) -> Result:
        assert self._engine is not None, "the history begins after the engine"
        return self._engine.ask(call, REMEMBER_WITHIN)

    def _recall(self) -> Recalled:
        """What was before the start, tried on a judge of its own: it must not stop us."""
        recalled = self._history.recall()
        LEDGER.keep(self._history)
        try:
            trial = Monitor(self._config.watched)
            trial.start(self._clock.monotonic(), recalled.memory, recalled.changed)
        except Exception as error:  # noqa: BLE001 - the border: what is remembered costs only itself
            log.warning("what was remembered makes no sense, it is dropped:\n%s", scrubbed(error))
            return Recalled(learnt=recalled.learnt)
        return recalled

    def _beginning(
        self, recalled: Recalled, *, resume: bool
    ) -> Callable[[float], tuple[Effect, ...]]:
        return lambda at: self._monitor.start(
            at,
            recalled.memory,
            recalled.changed,
            resume=resume,
            learnt=recalled.learnt,
            zero=utc_at(self._clock, 0.0).timestamp(),
        )

    # --- parts ---

    def _tower(self) -> tuple[StackLight, bool]:
        """The tower, not yet started, and whether it is one without lamps."""
        settings = self._config.tower
        try:
            factory = pin_factory(settings.driver)
            lines = GpioChannels(settings, factory)
            self._stack.callback(lines.close)
            number: int | None = getattr(factory, "chip", None)  # gpiozero's mock has none
            chip = None if number is None else failsafe_file.chip_at(f"/dev/gpiochip{number}")
        except TowerError as error:
            raise CannotStart(str(error)) from error
        except OSError as error:
            raise CannotStart(f"cannot look at the GPIO chip: {error}") from error
        self._write_lamps_file(settings, chip)
        return StackLight(settings, self._clock, self._heart, self._pressed, lines), chip is None

    def _write_lamps_file(self, settings: Tower, chip: failsafe_file.Chip | None) -> None:
        """Before a lamp is lit: from this file it is darkened when we are killed."""
        content, kept = failsafe_file.text(settings, chip), False
        for directory in failsafe_file.places(self._place.environ, self._place.state_directory):
            said = f"{directory / failsafe_file.NAME} cannot be written"
            kept |= self._owed.do(partial(failsafe_file.write, directory, content), said)
        if chip and not kept:
            raise CannotStart(
                "no lamp is lit: the file by which they are darkened after a crash cannot be "
                "written; give the beacon a state directory that it may write"
            )

    def _pressed(self) -> None:
        self._mailbox.post(Acknowledge(self._clock.monotonic(), "button", "button"))

    def _signs(self) -> Iterator[Sign]:
        yield StepWatch(self._clock)
        yield self._dates
        yield HourWatch(self._clock, beacon.RELEASED)
        yield KernelWatch(kernel_says, partial(timesyncd_says, self._clock))
        yield self._tell_storage
        yield self._windows
        yield self._pushes
        yield self._health
        yield self._terminal_watch
        yield self._tell_why
        hours = self._config.tower.buzzer and self._config.tower.buzzer.quiet_hours
        if hours:
            yield QuietHoursWatch(self._clock, hours.begin, hours.end, hours.time_zone)

    @property
    def _degraded(self) -> bool:
        return self._owed.any or self._history.degraded

    def _tell_storage(self, at: float) -> StorageDegraded | None:
        """Say when the storage became degraded, or ceased to be."""
        if self._degraded is self._told_degraded:
            return None
        self._told_degraded = not self._told_degraded
        return StorageDegraded(at, self._told_degraded)

    def _lag(self) -> float:
        return 0.0 if self._engine is None else self._engine.lag()

    def _say_health(self, health: HealthReport) -> None:
        if self._mqtt is not None:
            self._mqtt.health(health)

    def _tell_why(self, at: float) -> None:
        """Explain over MQTT what moved some time ago."""
        if self._mqtt is None:
            return
        for service in self._mqtt.unexplained(at):
            explained = self._monitor.explain(service)
            if explained is not None:
                self._mqtt.explain(explained, at)

    def _note(self, line: str) -> None:
        if self._terminal is not None:
            self._terminal.note(line)

    def _mirrored(
        self, engine: Engine, tower: StackLight, drawn: bool, config: Config
    ) -> Sequence[Output]:
        door = self._new_door(engine, config)
        self._terminal = self._new_terminal(config) if drawn and self._place.draw else None
        self._mqtt = None if config.mqtt is None else self._followed(tower, config, door)
        web = self._new_web(config.web, door) if config.web is not None else None
        return [output for output in (self._terminal, self._mqtt, web) if output is not None]

    def _new_terminal(self, config: Config) -> "TerminalTower":
        from beacon.outputs.terminal import TerminalTower  # noqa: PLC0415 - brings rich

        terminal = TerminalTower(config.watched, config.tower, self._clock, self._heart)
        terminal.caption(self._place.caption)
        return terminal

    def _new_door(self, engine: Engine, config: Config) -> "PushGateway | None":
        pushed = {e.id: config.probes[e.id] for e in config.watched.endpoints if e.pushed}
        if not pushed:
            return None
        from beacon.outputs.push_gateway import PushGateway  # noqa: PLC0415 - only where others push

        def take(endpoint: str, what: Pushed) -> None:
            engine.ask(lambda: self._pushes.take(endpoint, what), TAKE_WITHIN)

        return PushGateway(pushed, take)

    def _new_web(self, web: Web, door: "PushGateway | None") -> "WebServer":
        from beacon.outputs.web.push import PATH, WebPush  # noqa: PLC0415
        from beacon.outputs.web.server import WebServer  # noqa: PLC0415 - only where it is configured

        routes = {} if door is None else {PATH: WebPush(door)}
        return WebServer((web.host, web.port), routes, partial(self._pushes.listening, Way.HTTP))

    def _followed(
        self, tower: StackLight, config: Config, door: "PushGateway | None"
    ) -> "MqttOutput":
        """The MQTT output: one for all configurations, so that a reload does not part it."""
        with without_dnspython():
            from beacon.outputs.mqtt.output import MqttOutput  # noqa: PLC0415 - brings paho
            from beacon.outputs.mqtt.push import MqttPush  # noqa: PLC0415

        push = None
        if door is not None and door.of(Way.MQTT):
            push = MqttPush(door, self._clock, partial(self._pushes.listening, Way.MQTT))
        if self._mqtt is not None:
            self._mqtt.follow(config, push)
            return self._mqtt
        mqtt = MqttOutput(
            config,
            self._clock,
            self._mailbox.post,
            partial(tower.lamp_test, with_buzzer=True),
            beacon.__version__,
            random.Random(),  # noqa: S311 - spreads retries
            push=push,
            judge=self._heart,
            started=self._started,
        )
        tower.observe(mqtt.shown)
        self._health.again()
        return mqtt

    # --- reload ---

    def _reload_when_told(self, engine: Engine, mirrors: ReloadableOutputs) -> None:
        while self._reloads.get():
            self._notifier.reloading()
            try:
                fresh = load_config(self._place.config, self._place.environ)
                self._swap(self._settled(fresh), engine, mirrors)
            except ConfigError as error:
                _not_reloaded(error.problems)
            except Exception as error:  # noqa: BLE001 - the border: a reload costs only itself
                _not_reloaded((scrubbed(error),))
            self._notifier.ready()

    def _settled(self, fresh: Config) -> Config:
        """The new configuration, without what only a restart can change."""
        running = self._config
        if fresh.watched.id != running.watched.id or fresh.tower != running.tower:
            log.warning("changes of `site` and `tower` need a restart; the rest is taken over")
        if fresh.watched.id != running.watched.id and running.mqtt is not None:
            log.warning("a new `site` leaves old MQTT topics behind: docs/mqtt.md removes them")
        if "CREDENTIALS_DIRECTORY" in self._place.environ:
            log.info("credentials are read by systemd at start: changed ones need a restart")
        site = replace(
            fresh.watched,
            id=running.watched.id,
            preset=running.watched.preset,
            sequence=running.watched.sequence,
            lock_in=running.watched.lock_in,
        )
        return replace(fresh, watched=site, tower=running.tower)

    def _swap(self, config: Config, engine: Engine, mirrors: ReloadableOutputs) -> None:
        def swap() -> None:
            self._pushes.expect(expected(config))
            engine.reconfigure(config.watched, watched(config))
            self._windows.follow(_windows(config))

        engine.ask(swap, SWAP_WITHIN)
        if config.digest != self._config.digest:
            mirrors.show(config, lambda call: engine.ask(call, SWAP_WITHIN))
        self._config = config
        for warning in config.warnings:
            log.warning("%s", warning)
        log.info("reloaded; endpoints: %d", len(config.watched.endpoints))


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


def _try_to_write(directory: Path) -> None:
    """Raise `OSError` where nothing can be written."""
    with tempfile.TemporaryFile(dir=directory):
        pass


def _removed(mark: Path) -> None:
    with contextlib.suppress(OSError):
        mark.unlink(missing_ok=True)


def _windows(config: Config) -> Iterator[WeeklyWindow]:
    """The planned windows, as the engine takes them."""
    return (WeeklyWindow(**vars(window)) for window in config.maintenance)


def _not_reloaded(problems: Iterable[object]) -> None:
    for problem in problems:
        log.error("%s", problem)
    log.error("not reloaded: the configuration in use goes on unchanged")


# --- without a daemon -------------------------------------------------------------


def walk_lamps(config: Config, say: Callable[[str], object]) -> None:
    """Light every output in turn, without a daemon. Raises `CannotStart`."""
    try:
        with contextlib.closing(open_lines(config.tower)) as lines:
            walk(config.tower, lines, time.sleep, say)
    except TowerError as error:
        raise CannotStart(str(error)) from error
