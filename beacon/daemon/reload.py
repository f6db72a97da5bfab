"""The outputs that are made from a whole configuration, and made anew when it changes."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from beacon.config.schema import Config
from beacon.engine.latest import Latest
from beacon.engine.loop import Engine
from beacon.engine.output import Output
from beacon.engine.workers import scrubbed

log = logging.getLogger(__name__)

BUDGET: Final = 3.0
"""Seconds for one of them to come to its end."""

Decide = Callable[[Callable[[], None]], None]
"""Runs a call in the deciding thread and waits for it."""


class ReloadableOutputs:
    """MQTT, the page and the terminal: what they show comes from elsewhere.

    `make` may answer with one that it made before: that one stays, and is told what stands.
    """

    def __init__(
        self, engine: Engine, standing: Latest, make: Callable[[Config], Sequence[Output]]
    ) -> None:
        self._engine, self._standing, self._make = engine, standing, make
        self._outputs: Sequence[Output] = ()

    def show(self, config: Config, decide: Decide) -> None:
        """Go over to the outputs of this configuration, up to date at once."""
        before, wanted = self._outputs, self._make(config)
        leaving = _without(before, wanted)
        decide(lambda: self._detach(leaving))
        self._end(leaving)
        self._outputs = wanted
        site = config.watched
        known = frozenset([e.id for e in site.endpoints] + [s.id for s in site.services])
        # Of one that stays nothing is lost: what happens waits until it is attached again.
        coming = _without(wanted, before)
        decide(lambda: self._attach(_without(wanted, coming), known))
        for output in coming:
            output.start()

    def stop(self) -> None:
        """End them, the last first."""
        self._end(self._outputs)
        self._outputs = ()

    def _end(self, outputs: Sequence[Output]) -> None:
        for output in reversed(outputs):
            ended(output, BUDGET)

    def _attach(self, staying: Sequence[Output], known: frozenset[str]) -> None:
        self._detach(staying)
        for output in self._outputs:
            self._engine.attach(output, self._standing.everything(known))

    def _detach(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            self._engine.detach(output)


def _without(outputs: Sequence[Output], others: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if not any(output is other for other in others)]


def ended(output: Output, budget: float) -> None:
    """Stop an output; a bug in it costs nobody else their orderly end."""
    try:
        output.stop(budget)
    except Exception as error:  # noqa: BLE001 - the border
        _complain(output.name, error)


def _complain(name: str, error: Exception) -> None:
    log.error("output %s did not stop:\n%s", name, scrubbed(error))
