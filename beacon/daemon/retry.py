"""Writes that failed are tried again until they succeed.

A worn-out card remounts itself read-only, and may be writable again tomorrow. The beacon goes
on meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from beacon.engine.redaction import safe_traceback

log = logging.getLogger(__name__)

AGAIN: Final = 10.0
"""Seconds between two tries."""
STOP_WITHIN: Final = 1.0

PendingWrite = tuple[Callable[[], object], str]


class RetryThread:
    """Does what needs a writable place: now, or as soon as it can be done."""

    def __init__(self, again: float = AGAIN) -> None:
        self._again = again
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._try, name="retry", daemon=True)
        self._pending: tuple[PendingWrite, ...] = ()

    @property
    def any(self) -> bool:
        """Whether a write is pending."""
        return bool(self._pending)

    def do(self, what: Callable[[], object], failure: str = "") -> bool:
        """Do it; on an `OSError` log `failure` and keep it pending. Call it before `start`.

        Returns whether it is done. Any other exception is raised.
        """
        try:
            what()
        except OSError as error:
            if failure:
                log.warning("%s (%s)", failure, error.strerror)
            self._pending = (*self._pending, (what, failure))
            return False
        return True

    def start(self) -> None:
        """Start the thread if a write is pending."""
        if self._pending:
            self._thread.start()

    def stop(self) -> None:
        """Try nothing again."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN)

    def _try(self) -> None:
        while self._pending and not self._over.wait(self._again):
            self._pending = tuple(write for write in self._pending if not self._done(*write))

    def _done(self, what: Callable[[], object], failure: str) -> bool:
        if self._over.is_set():
            return False
        try:
            what()
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 - the border: it costs only itself
            log.warning("given up: %s\n%s", failure, safe_traceback(error))
            return True
        if failure:
            log.info("it can be done again; before: %s", failure)
        return True
