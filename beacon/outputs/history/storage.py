"""The files of the history on a disk that may fail: the database, and the key beside it.

What comes in: batches from one thread. What goes out: whether they are on disk. A disk that fails
is tried again after a while; a database that is broken is set aside and made anew.
"""

import logging
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from beacon.engine.clock import Clock
from beacon.engine.redaction import safe_traceback
from beacon.outputs.history.database import Batch, HistoryFile, Newer, is_corrupt

log = logging.getLogger(__name__)

NAME: Final = "history.db"
KEY: Final = "history.key"


class HistoryKey:
    """What seeds and settings are hashed with: made once, kept beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._on_disk = False
        self.value = b""

    def load(self) -> None:
        """Read it; one that is not there, or cannot be read, is made."""
        try:
            if self._path.exists() and len(found := self._path.read_bytes()) == 32:
                self.value, self._on_disk = found, True
                return
        except OSError as error:
            log.warning("%s: %s; used codes are not remembered", self._path, error.strerror)
        self.value = secrets.token_bytes(32)

    def save(self) -> None:
        """Write it if it is new. Raises `OSError`."""
        if self._on_disk:
            return
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(self.value)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._path)
        self._on_disk = True


class Storage:
    """The database and its key; used by one thread at a time. `again` is in seconds.

    `failed`: the last try failed. `lost`: a file of this run was broken, deleted or replaced.
    """

    def __init__(self, directory: Path, clock: Clock, again: float) -> None:
        self.file = HistoryFile(directory / NAME)
        self.key = HistoryKey(directory / KEY)
        self.failed = self.lost = False
        self.retry_at = 0.0
        self._clock, self._again = clock, again
        self._fresh = False

    @property
    def waiting(self) -> bool:
        """Whether it is too soon to try a failed disk again."""
        return self.failed and self._clock.monotonic() < self.retry_at

    def write(self, make: Callable[[bool], Batch]) -> bool:
        """Commit a batch. `make` builds it; its argument: the file is new and still empty."""

        def write() -> None:
            if self.file.replaced():
                log.error("%s was deleted or replaced while we ran", self.file.path)
                self.file.close()
                self.lost = self._fresh = True
            self.key.save()  # before anything that was hashed with it
            self.file.open()
            self.file.write(make(self._fresh))
            self._fresh = False

        return not self.waiting and self.attempt(write)

    def attempt(self, do: Callable[[], None]) -> bool:
        """Do something with the file; a broken one is set aside and made anew, once."""
        try:
            try:
                do()
            except sqlite3.Error as error:
                if not is_corrupt(error):
                    raise
                self._set_aside(error)
                do()
        except (sqlite3.Error, OSError, Newer) as error:
            self._fail(error)
            return False
        except Exception as error:  # noqa: BLE001 - the border: a bug here costs the history only
            self._fail(safe_traceback(error))
            return False
        if self.failed:
            log.info("the history is written again")
        self.failed = False
        return True

    def _set_aside(self, error: sqlite3.Error) -> None:
        self.lost = self._fresh = True
        log.error("the history is broken (%s); it is set aside as %s.corrupt", error, NAME)
        self.file.set_aside()

    def _fail(self, error: object) -> None:
        if not self.failed:
            log.error("the history cannot be written, the beacon goes on without: %s", error)
        self.failed = True
        self.retry_at = self._clock.monotonic() + self._again
        self.file.close()
