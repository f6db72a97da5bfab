"""The stack light: the tower as an output, with the one thread that drives all its lines."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue

from beacon.config.schema import Tower
from beacon.core.effects import Effect, IndicationChanged, Sounded
from beacon.engine.clock import Clock
from beacon.engine.output import Heartbeat
from beacon.outputs.tower.channels import Channels
from beacon.outputs.tower.renderer import Renderer, Shown

_log = logging.getLogger(__name__)


class StackLight:
    """Shows the indication on real lamps, sounds the buzzer, reads the button.

    `heart` beats at least once a second while frames really reach the lines. `on_press` is
    called by the tower's thread and must not block. `lines` are closed by `stop`.
    """

    name = "tower"

    def __init__(
        self,
        tower: Tower,
        clock: Clock,
        judge: Heartbeat,
        on_press: Callable[[], None],
        lines: Channels,
    ) -> None:
        self.heart = Heartbeat(clock)
        self._clock, self._lines = clock, lines
        self._renderer = Renderer(
            tower, clock, lines, judge=judge, heart=self.heart, on_press=on_press
        )
        self._requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tower", daemon=True)

    def observe(self, on_shown: Callable[[Shown], None]) -> None:
        """Call this, from the tower's thread, with what the pins do, now and on each change."""
        self._requests.put(partial(self._renderer.observe, on_shown))

    def start(self) -> None:
        """Start the tower's thread; dark until the judge beats."""
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Hand indications and sounds to the tower's thread."""
        for effect in effects:
            if isinstance(effect, IndicationChanged):
                self._requests.put(partial(self._renderer.show, effect.indication))
            elif isinstance(effect, Sounded):
                self._requests.put(partial(self._renderer.play, effect.sound))

    def lamp_test(self, with_buzzer: bool) -> None:
        """Test the lamps, and the buzzer if asked. Any thread may call this."""
        self._requests.put(partial(self._renderer.test, with_buzzer))

    def stop(self, budget: float) -> None:
        """Make the tower dark and release its lines, even if the thread does not end."""
        self._requests.put(None)
        if self._thread.is_alive():
            self._thread.join(budget)
            if self._thread.is_alive():
                _log.error("the tower's thread did not end within %g s", budget)
        self._lines.close()

    def _run(self) -> None:
        due = 0.0
        failing = False
        while self._run_requests(due):
            try:
                due = self._renderer.turn()
            except Exception:  # noqa: BLE001 - the border: logged, and no beat meanwhile
                due = self._clock.monotonic() + 0.1
                if not failing:
                    _log.exception("the tower cannot be driven; trying again ten times a second")
                failing = True
            else:
                if failing:
                    _log.warning("the tower can be driven again")
                failing = False

    def _run_requests(self, due: float) -> bool:
        """Run requests until `due`, or until one was run; false: stop."""
        wait = due - self._clock.monotonic()
        try:
            request = self._requests.get(timeout=max(0.0, wait))
            while request is not None:
                request()
                request = self._requests.get_nowait()
        except Empty:
            return True
        return False
