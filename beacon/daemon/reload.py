"""A reload (SIGHUP, but not in a terminal): the running parts take over the file, read again.

A configuration with a problem changes nothing. A good one goes to the engine first, then to the
outputs that are made from it. What only a restart can change stays as it is.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Final

from beacon.config.problems import ConfigError
from beacon.config.schema import Config
from beacon.daemon.wiring import Parts
from beacon.engine.loop import Engine
from beacon.engine.output import Output
from beacon.engine.redaction import safe_traceback
from beacon.outputs.systemd import Notifier

log = logging.getLogger(__name__)

BUDGET: Final = 3.0
"""Seconds for one output to stop."""
SWAP_WITHIN: Final = 30.0
"""Seconds the deciding thread has to take over a new configuration."""

Decide = Callable[[Callable[[], None]], None]
"""Runs a call in the deciding thread and waits for it."""


class ReloadableOutputs:
    """The outputs that are made from a configuration, and made again when it changes.

    `make` may return an output that it made before: that one is not stopped, and gets the latest
    of everything again.
    """

    def __init__(self, engine: Engine, make: Callable[[Config], Sequence[Output]]) -> None:
        self._engine, self._make = engine, make
        self._outputs: Sequence[Output] = ()

    def show(self, config: Config, decide: Decide) -> None:
        """Change to the outputs of this configuration and bring them up to date."""
        before, wanted = self._outputs, self._make(config)
        leaving = _without(before, wanted)
        decide(lambda: self._detach(leaving))
        self._end(leaving)
        self._outputs = wanted
        # One that stays misses nothing: effects wait in the engine until it is attached again.
        coming = _without(wanted, before)
        decide(lambda: self._attach(_without(wanted, coming)))
        for output in coming:
            output.start()

    def stop(self) -> None:
        """Stop them, the last one first."""
        self._end(self._outputs)
        self._outputs = ()

    def _end(self, outputs: Sequence[Output]) -> None:
        for output in reversed(outputs):
            stop_output(output, BUDGET)

    def _attach(self, staying: Sequence[Output]) -> None:
        self._detach(staying)
        for output in self._outputs:
            self._engine.attach(output)

    def _detach(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            self._engine.detach(output)


def _without(outputs: Sequence[Output], others: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if not any(output is other for other in others)]


def stop_output(output: Output, budget: float) -> None:
    """Stop an output. A bug in it must not keep the other parts from stopping in order."""
    try:
        output.stop(budget)
    except Exception as error:  # noqa: BLE001 - the border
        problem = safe_traceback(error)  # no traceback: it may quote a secret
        log.error("output %s did not stop:\n%s", output.name, problem)  # noqa: TRY400


class Reloader:
    """Waits for requests to reload, in a thread of its own."""

    def __init__(
        self,
        requests: SimpleQueue[bool],
        load: Callable[[], Config],
        parts: Parts,
        outputs: ReloadableOutputs,
        notifier: Notifier,
    ) -> None:
        self._requests, self._load = requests, load
        self._parts, self._outputs, self._notifier = parts, outputs, notifier

    def run(self) -> None:
        """Reload whenever a request comes; a false one ends it."""
        while self._requests.get():
            self._notifier.reloading()
            try:
                fresh = self._without_restart(self._load())
            except ConfigError as error:
                _not_reloaded(error.problems)
            except Exception as error:  # noqa: BLE001 - the border: a reload costs only itself
                _not_reloaded((safe_traceback(error),))
            else:
                self._try_to_take_over(fresh)
            self._notifier.ready()

    def _try_to_take_over(self, config: Config) -> None:
        try:
            self._take_over(config)
        except Exception as error:  # noqa: BLE001 - the border: a reload costs only itself
            log.error(  # noqa: TRY400 - no traceback: it may quote a secret
                "%s\nreload failed halfway: parts of the beacon may have the new configuration, "
                "others the old one; restart it",
                safe_traceback(error),
            )

    def _without_restart(self, fresh: Config) -> Config:
        """Return the new configuration with what only a restart can change as it is now."""
        running = self._parts.config
        if fresh.watched.id != running.watched.id or fresh.tower != running.tower:
            log.warning("changes of `site` and `tower` need a restart; the rest is taken over")
        if fresh.watched.id != running.watched.id and running.mqtt is not None:
            log.warning(
                "a new `site` leaves old MQTT topics behind: docs/mqtt.md says how to remove them"
            )
        if "CREDENTIALS_DIRECTORY" in self._parts.options.environ:
            log.info("credentials are read by systemd at start: changed ones need a restart")
        site = replace(
            fresh.watched,
            id=running.watched.id,
            preset=running.watched.preset,
            sequence=running.watched.sequence,
            lock_in=running.watched.lock_in,
        )
        return replace(fresh, watched=site, tower=running.tower)

    def _take_over(self, config: Config) -> None:
        engine = self._parts.engine
        engine.ask(lambda: self._parts.follow(config), SWAP_WITHIN)
        if config != self._parts.config:  # not by its digest, which leaves secrets out
            self._outputs.show(config, lambda call: engine.ask(call, SWAP_WITHIN))
        self._parts.config = config
        for warning in config.warnings:
            log.warning("%s", warning)
        log.info("reloaded; endpoints: %d", len(config.watched.endpoints))


def _not_reloaded(problems: Iterable[object]) -> None:
    for problem in problems:
        log.error("%s", problem)
    log.error("not reloaded: the configuration in use goes on unchanged")
