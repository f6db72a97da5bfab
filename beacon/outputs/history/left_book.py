"""What a beacon that does not run now left of used codes, for a run by hand (`beacon probe`)."""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from beacon.core.model import Reason
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import COUNTED, Ledger, Step
from beacon.outputs.history.database import Batch, HistoryFile, Newer
from beacon.outputs.history.storage import KEY, NAME


class LeftBook:
    """Used codes in the history of a beacon that does not run (`beacon.otp.used_codes.Book`).

    Raises `OSError` or `sqlite3.Error` where there is none, or it may not be written. The file is
    open only while it is read or written: the beacon may start meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        self.key = (directory / KEY).read_bytes()
        self._path = directory / NAME
        self._path.stat()  # SQLite would make one
        with self._opened() as file:
            file.write(Batch())

    def used(self) -> Iterable[Step]:
        """The steps that were written down."""
        with self._opened() as file:
            return file.steps()

    def write(self, step: Step) -> None:
        """Write one down. Raises `ProbeFailure` if that cannot be: then it is not sent."""
        try:
            with self._opened() as file:
                file.write(Batch(steps=[step]))
        except (OSError, sqlite3.Error, Newer) as error:
            text = f"a used code cannot be written down, it is not sent: {error}"
            raise ProbeFailure(Reason.RATE_LIMITED, text) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[HistoryFile]:
        with contextlib.closing(HistoryFile(self._path)) as file:
            file.open()
            yield file


class NoBook:
    """A book that forgets everything when this process ends: it takes no counted code."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)

    def used(self) -> Iterable[Step]:
        """Nothing is known."""
        return ()

    def write(self, step: Step) -> None:
        """Raise `ProbeFailure` for a counted code: the next run would send the same one again."""
        if step[1] == COUNTED:
            text = "no counted code is sent: no history here remembers them; start the beacon once"
            raise ProbeFailure(Reason.RATE_LIMITED, text)


def left_ledger(directory: Path) -> tuple[Ledger, str]:
    """The ledger for a run without a beacon; in words, how it knows used codes."""
    ledger = Ledger()
    try:
        ledger.keep(LeftBook(directory))
    except (OSError, sqlite3.Error, Newer):
        ledger.keep(NoBook())
        return ledger, "no beacon runs here, and none left a history: used codes are not known"
    return ledger, f"no beacon runs here: used codes are those in {directory / NAME}"
