"""The outputs that are made from a whole configuration, and made anew when it changes."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from beacon.config.schema import Config
from beacon.engine.loop import Engine
from beacon.engine.output import Output
from beacon.engine.prober import scrubbed
from beacon.outputs.standing import Standing

log = logging.getLogger(__name__)

BUDGET: Final = 3.0
"""Seconds for one of them to come to its end."""

Decide = Callable[[Callable[[], None]], None]
"""Runs a call in the deciding thread and waits for it."""


class Mirrors:
    """MQTT and the terminal: what they show comes from elsewhere, so they can be replaced."""

    def __init__(
        self, engine: Engine, standing: Standing, make: Callable[[Config], Sequence[Output]]
    ) -> None:
        self._engine, self._standing, self._make = engine, standing, make
        self._outputs: Sequence[Output] = ()

    def show(self, config: Config, decide: Decide) -> None:
        """End those there are, and begin those of this configuration, up to date at once."""
        decide(self._detach)
        self.stop()
        self._outputs = self._make(config)
        site = config.watched
        known = frozenset([e.id for e in site.endpoints] + [s.id for s in site.services])
        decide(lambda: self._attach(known))
        for output in self._outputs:
            output.start()

    def stop(self) -> None:
        """End them, the last first."""
        for output in reversed(self._outputs):
            ended(output, BUDGET)
        self._outputs = ()

    def _attach(self, known: frozenset[str]) -> None:
        for output in self._outputs:
            self._engine.attach(output, self._standing.everything(known))

    def _detach(self) -> None:
        for output in self._outputs:
            self._engine.detach(output)


def ended(output: Output, budget: float) -> None:
    """Stop an output; a bug in it costs nobody else their orderly end."""
    try:
        output.stop(budget)
    except Exception as error:  # noqa: BLE001 - the border
        _complain(output.name, error)


def _complain(name: str, error: Exception) -> None:
    log.error("output %s did not stop:\n%s", name, scrubbed(error))
