"""Expected trouble on the way to a reading, as an exception that carries the reading."""

from dataclasses import replace
from typing import Final

from beacon.core.model import Reading, Reason
from beacon.engine.run import Run

DETAIL_LIMIT: Final = 200


class Trouble(Exception):
    """The run ends here; `reading` says why. A probe catches it and returns it, timed."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason.value)
        self.reading = Reading(reason, one_line(detail))


def one_line(text: str, limit: int = DETAIL_LIMIT) -> str:
    """The text on one line without control characters, cut to `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def timed(run: Run, reading: Reading) -> Reading:
    """The reading with all the run noted: latency, seconds of each phase, clock, resolver, uses."""
    run.enter(run.phase)
    return replace(
        reading,
        latency=run.elapsed(),
        phases=run.phases(),
        clock=run.clock_seen,
        resolver=run.resolver,
        uses=run.uses,
    )
