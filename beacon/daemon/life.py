"""The life of a daemon: start, signals, stop, exit status.

Whatever must stop the daemon does so before it reports READY, with nothing left behind. All
that was started is on one stack and is stopped in reverse order, each part within its budget.
A second signal, or a stop that takes too long, ends the process at once.
"""

import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from beacon import probes
from beacon.config.loader import load
from beacon.config.schema import Config
from beacon.core.monitor import Monitor
from beacon.daemon.reload import ReloadableOutputs, Reloader, stop_output
from beacon.daemon.retry import RetryThread
from beacon.daemon.signals import TerminalWatch, handle_signals
from beacon.daemon.wiring import DaemonOptions, Parts, open_tower, write_failsafe_file
from beacon.engine.clock import utc_at
from beacon.engine.loop import Engine
from beacon.engine.output import Output
from beacon.engine.redaction import safe_traceback
from beacon.outputs.control.socket import Action, ControlError, ControlSocket, socket_path
from beacon.outputs.history.recall import Recalled
from beacon.outputs.journal import diverted
from beacon.outputs.systemd import Notifier
from beacon.outputs.tower.channels import TowerError, walk
from beacon.outputs.tower.gpio import open_lines

log = logging.getLogger(__name__)

STOP_WITHIN: Final = 10.0
"""Seconds for the whole orderly stop."""
PART_BUDGET: Final = 3.0
"""Seconds for one part of it."""
WORKERS_BUDGET: Final = 1.0
"""Seconds for probes to notice that their sockets are shut; name resolutions never do."""
RUNNING: Final = "running"
"""A file in the state directory while the daemon runs. Found at start: the last run crashed."""


class CannotStart(Exception):
    """The daemon cannot run; the message says why and what to do."""


def load_config(path: Path, environ: Mapping[str, str], *, starting: bool = False) -> Config:
    """Load a configuration with the beacon's probes. Raises `ConfigError`."""
    return load(path, registry=probes, environ=environ, starting=starting)


def serve(options: DaemonOptions, config: Config) -> int:
    """Run the daemon until a signal; 0 when it was stopped by one, 1 when it broke.

    Call it in the main thread. Raises `CannotStart`, with nothing left running.
    """
    daemon = Daemon(options, config)
    with handle_signals(daemon.stop, daemon.reload):
        return daemon.run()


class Daemon:
    """Starts the parts of a beacon in order, runs them, and stops them in reverse order."""

    def __init__(self, options: DaemonOptions, config: Config) -> None:
        self._options, self._config = options, config
        self._notifier = Notifier(options.environ)
        self._terminal_watch = TerminalWatch(self.stop)
        self._retry = RetryThread()
        self._reloads: SimpleQueue[bool] = SimpleQueue()
        self._stack = ExitStack()
        self._engine: Engine | None = None
        self._stopping = False
        # If a part hangs beyond its budget, dark lamps matter more than an orderly end.
        self._limit = threading.Timer(STOP_WITHIN, os._exit, (1,))
        self._limit.daemon = True

    # --- from signal handlers ---

    def stop(self) -> None:
        """Make `run` end soon."""
        self._stopping = True
        if self._engine is not None:
            self._engine.stop()

    def reload(self) -> None:
        """Ask the reload thread to read the configuration again."""
        self._reloads.put(True)  # noqa: FBT003 - a token

    # --- start, run, stop ---

    def run(self) -> int:
        """Start everything, run until a signal, stop everything."""
        with self._stack:
            self._stack.callback(self._limit.cancel)  # first in, so that it ends last
            engine = self._start()
            self._notifier.ready()
            log.info("started; endpoints: %d", len(self._config.watched.endpoints))
            try:
                if not self._stopping:
                    engine.run()
            except Exception as error:  # noqa: BLE001 - the last border: stop in order, say why
                log.critical("the beacon broke and stops:\n%s", safe_traceback(error))
                return 1
            finally:
                self._begin_to_stop(engine)
        log.info("stopped")
        return 0

    def _start(self) -> Engine:
        self._make_state_directory()
        actions: dict[str, Action] = {}
        # The socket comes first: only one beacon of this state directory can have it.
        self._open_socket(actions)
        crashed = self._leave_mark()
        parts, drawn = self._connect()
        recalled = self._recall(parts)
        self._engine = parts.engine
        actions |= parts.actions()
        self._begin(parts.history)
        self._begin(parts.tower)
        parts.begin(
            lambda at: parts.monitor.start(
                at,
                recalled.memory,
                recalled.changed,
                resume=not crashed,
                learnt=recalled.learnt,
                zero=utc_at(parts.clock, 0.0).timestamp(),
            )
        )
        if drawn:
            self._stack.enter_context(diverted(parts.output_factory.note))
        outputs = ReloadableOutputs(parts.engine, parts.output_factory.make)
        self._stack.callback(outputs.stop)
        outputs.show(self._config, lambda call: call())
        if not crashed and not parts.monitor.view().incidents:
            parts.tower.lamp_test(with_buzzer=False)
        fresh = partial(load_config, self._options.config, self._options.environ)
        reloader = Reloader(self._reloads, fresh, parts, outputs, self._notifier)
        threading.Thread(target=reloader.run, name="reload", daemon=True).start()
        self._retry.start()
        return parts.engine

    def _begin(self, output: Output) -> None:
        output.start()
        self._stack.callback(stop_output, output, PART_BUDGET)

    def _begin_to_stop(self, engine: Engine) -> None:
        self._limit.start()
        self._notifier.stopping()
        engine.workers.stop(WORKERS_BUDGET)

    # --- the steps of a start ---

    def _make_state_directory(self) -> None:
        directory = self._options.state_directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                f"state directory {directory}: {error.strerror}; "
                "choose one this user may write with --state-dir"
            ) from error
        self._retry.do(
            partial(_try_to_write, directory),
            f"state directory {directory} cannot be written, going on without: a restart may "
            "forget what happens now; make it writable for this user, or choose another with "
            "--state-dir",
        )

    def _open_socket(self, actions: dict[str, Action]) -> None:
        path = socket_path(self._options.state_directory, self._options.environ)
        control = ControlSocket(path, actions)
        self._stack.callback(stop_output, control, PART_BUDGET)
        self._stack.callback(self._retry.stop)
        try:
            self._retry.do(
                control.start,
                f"control socket {path} cannot be made: `beacon status`, `acknowledge` and the "
                "other commands cannot reach this beacon, button and MQTT can; make its "
                "directory writable, or name another in $RUNTIME_DIRECTORY, for them too",
            )
        except ControlError as error:
            raise CannotStart(str(error)) from error

    def _leave_mark(self) -> bool:
        """Leave a mark until the orderly end; return whether a crash had left one."""
        mark = self._options.state_directory / RUNNING
        crashed = os.path.exists(mark)  # noqa: PTH110 - says no where it may not look
        self._retry.do(mark.touch)
        self._stack.callback(_remove, mark)
        self._stack.callback(self._retry.stop)
        return crashed

    def _connect(self) -> tuple[Parts, bool]:
        """All parts, and whether the tower is drawn in the terminal."""
        options, tower = self._options, self._config.tower
        try:
            channels, chip = open_tower(tower, self._stack)
            write_failsafe_file(options, tower, chip, self._retry)
        except TowerError as error:
            raise CannotStart(str(error)) from error
        drawn = chip is None and options.draw
        parts = Parts(
            options,
            self._config,
            channels,
            notifier=self._notifier,
            retry=self._retry,
            terminal_watch=self._terminal_watch,
            drawn=drawn,
        )
        return parts, drawn

    def _recall(self, parts: Parts) -> Recalled:
        """What was saved before the start, tried on another monitor: it must not stop us."""
        recalled = parts.history.recall()
        parts.ledger.keep(parts.history)
        try:
            trial = Monitor(self._config.watched)
            trial.start(parts.clock.monotonic(), recalled.memory, recalled.changed)
        except Exception as error:  # noqa: BLE001 - the border: what is remembered costs only itself
            log.warning(
                "what was remembered makes no sense, it is dropped:\n%s", safe_traceback(error)
            )
            return Recalled(learnt=recalled.learnt)
        return recalled


def _try_to_write(directory: Path) -> None:
    """Raise `OSError` where nothing can be written."""
    with tempfile.TemporaryFile(dir=directory):
        pass


def _remove(mark: Path) -> None:
    with contextlib.suppress(OSError):
        mark.unlink(missing_ok=True)


# --- without a daemon -------------------------------------------------------------


def walk_lamps(config: Config, say: Callable[[str], object]) -> None:
    """Light every output in turn, without a daemon. Raises `CannotStart`."""
    try:
        with contextlib.closing(open_lines(config.tower)) as lines:
            walk(config.tower, lines, time.sleep, say)
    except TowerError as error:
        raise CannotStart(str(error)) from error
