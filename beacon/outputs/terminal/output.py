"""The output that draws the tower ten times a second. It needs rich: import it only where used."""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from beacon.config.schema import Tower
from beacon.core.effects import Effect
from beacon.core.indication import Colour
from beacon.core.model import Site
from beacon.engine.clock import Clock, utc_at
from beacon.engine.latest import Latest
from beacon.engine.output import Heartbeat
from beacon.outputs.terminal.render import Picture
from beacon.outputs.terminal.screen import TerminalScreen

_log = logging.getLogger(__name__)

_FRAME: Final = 0.1


class TerminalTower:
    """Shows the picture on a console, and gives the console back at the end.

    Its lamps are dark while `judge` does not beat.
    """

    name = "terminal"

    def __init__(
        self,
        site: Site,
        tower: Tower,
        clock: Clock,
        judge: Heartbeat,
        latest: Latest,
        *,
        console: Console | None = None,
    ) -> None:
        self._clock, self._judge = clock, judge
        self._console = console or Console()
        lamps = [colour for colour in Colour if colour in tower.lamps]
        self._view = TerminalScreen(site, lamps, datetime.now(UTC), latest)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Take over the terminal."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Note the events among these effects; the picture follows within a tenth of a second."""
        for effect in effects:
            self._view.take(effect)

    def note(self, text: str) -> None:
        """Show one line among the events. Any thread may call this."""
        self._view.note(self._clock.monotonic(), text)

    def caption(self, text: str) -> None:
        """Show this line under the picture until the next. Any thread may call this."""
        self._view.caption = text

    def stop(self, budget: float) -> None:
        """Give the terminal back as it was."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(budget)

    def picture(self) -> RenderableType:
        """The picture as it is now."""
        self._view.epoch = utc_at(self._clock, 0.0)
        self._view.judged = self._judge.beating
        return Picture(self._view, self._clock.monotonic())

    def _run(self) -> None:
        screen = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with screen:
                while not self._ending.wait(_FRAME):
                    screen.update(self.picture(), refresh=True)
        except Exception:  # noqa: BLE001 - the border: a picture never costs a lamp
            _log.exception("the terminal can no longer be drawn")
