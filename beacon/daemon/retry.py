"""What is owed to a place that cannot be written just now: tried, and tried again.

A card that wore out remounts itself read-only, and may be writable again tomorrow. What
belongs there is then owed, and the beacon goes on without.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from beacon.engine.workers import scrubbed

log = logging.getLogger(__name__)

AGAIN: Final = 10.0
"""Seconds after which what is owed is tried again."""
STOP_WITHIN: Final = 1.0

Debt = tuple[Callable[[], object], str]


class RetryThread:
    """Does things that need a writable place: now, or as soon as they can be done."""

    def __init__(self, again: float = AGAIN) -> None:
        self._again = again
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._try, name="owed", daemon=True)
        self._debts: tuple[Debt, ...] = ()

    @property
    def any(self) -> bool:
        """Whether something is owed."""
        return bool(self._debts)

    def do(self, what: Callable[[], object], otherwise: str = "") -> bool:
        """Do it, or owe it and say what that means; whether it is done. Call it before `start`.

        An `OSError` is owed; whatever else `what` raises is raised.
        """
        try:
            what()
        except OSError as error:
            if otherwise:
                log.warning("%s (%s)", otherwise, error.strerror)
            self._debts = (*self._debts, (what, otherwise))
            return False
        return True

    def start(self) -> None:
        """Begin to pay, if there is anything to pay."""
        if self._debts:
            self._thread.start()

    def stop(self) -> None:
        """Owe nothing any more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN)

    def _try(self) -> None:
        while self._debts and not self._over.wait(self._again):
            self._debts = tuple(debt for debt in self._debts if not self._paid(*debt))

    def _paid(self, what: Callable[[], object], otherwise: str) -> bool:
        if self._over.is_set():
            return False
        try:
            what()
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 - the border: it costs only itself
            log.warning("given up: %s\n%s", otherwise, scrubbed(error))
            return True
        if otherwise:
            log.info("it can be done again; before: %s", otherwise)
        return True
