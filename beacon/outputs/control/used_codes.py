"""Used codes shared between the beacon and a run by hand (`beacon probe`).

While a beacon runs, its ledger answers for both, over the control socket: a token is named by
its fingerprint, and neither seed nor code is ever sent. Without one, what it wrote down is
used. The beacon's deciding thread has no part in it.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from beacon.core.model import Reason
from beacon.engine.clock import Clock
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import Ledger, Mark, Marked
from beacon.outputs.control.socket import (
    Action,
    ActionRefused,
    Answer,
    NoBeacon,
    NotAllowed,
    NotAnswering,
)
from beacon.outputs.history.database import Batch, HistoryFile, Newer
from beacon.outputs.history.storage import KEY, NAME

ACTION: Final = "one_time_code"
_COUNTERS: Final = 2**62
_PERIODS: Final = 120


def lending(ledger: Ledger, clock: Clock) -> Action:
    """The action of the control socket by which others use this ledger."""

    def lend(request: Mapping[str, Any], by: str) -> Answer:
        token = Mark(_fingerprint(request), _number(request, "period", _PERIODS))
        number = _number(request, "counter", _COUNTERS)
        utc, who = clock.utc().timestamp(), (by, str(request.get("who")))
        match request.get("do"):
            case "wait" if token.period:
                return {"seconds": ledger.wait(token, utc, who)}
            case "claim" if token.period:
                return {"claimed": ledger.claim(token, utc, who)}
            case "count":
                return {"counter": ledger.count(token, number)}
            case "give_back":
                ledger.give_back(token, number)
                return {}
            case _:
                raise ActionRefused("`do` is wait, claim (with `period`), count or give_back")

    return lend


def _fingerprint(request: Mapping[str, Any]) -> bytes:
    try:
        found = bytes.fromhex(request["token"])
    except (KeyError, TypeError, ValueError):
        found = b""
    if len(found) != len(Mark(bytes(32), 1).fingerprint):
        raise ActionRefused("`token` is a fingerprint of 64 hexadecimal digits")
    return found


def _number(request: Mapping[str, Any], key: str, most: int) -> int:
    found = request.get(key, 0)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        raise ActionRefused(f"`{key}` is a whole number from 0 to {most}")
    return found


class SharedLedger:
    """The ledger of the beacon that runs here; `who` must differ between runs at once.

    `ask` puts one request and returns its answer (`beacon.outputs.control.socket.ask`). Where there
    is none, everything raises `ProbeFailure`: a code that may be used already is not sent.
    """

    def __init__(self, ask: Callable[[Mapping[str, Any]], Answer], who: str) -> None:
        self._ask, self._who = ask, who

    def wait(self, token: Marked, _utc: float, _by: Hashable) -> float:
        """Seconds until a code may be made."""
        return float(self._do("wait", token)["seconds"])

    def claim(self, token: Marked, _utc: float, _by: Hashable) -> bool:
        """Mark the present step as used."""
        return bool(self._do("claim", token)["claimed"])

    def count(self, token: Marked, first: int) -> int:
        """The next counter, marked as used."""
        return int(self._do("count", token, first)["counter"])

    def give_back(self, token: Marked, counter: int) -> None:
        """A counter that is free again."""
        with contextlib.suppress(ProbeFailure):  # it is gone: then a counter is left out, no more
            self._do("give_back", token, counter)

    def _do(self, what: str, token: Marked, counter: int = 0) -> Answer:
        request = {"action": ACTION, "do": what, "who": self._who, "counter": counter}
        named = {"token": token.fingerprint.hex(), "period": token.period}
        try:
            answer = self._ask(request | named)
        except NoBeacon as why:
            raise ProbeFailure(Reason.RATE_LIMITED, f"no code is sent unshared: {why}") from None
        if not answer.get("ok"):
            text = f"the beacon shares no code: {answer.get('error')}"
            raise ProbeFailure(Reason.RATE_LIMITED, text)
        return answer


class LeftBook:
    """What a beacon that does not run now wrote down of used codes (`beacon.otp.used_codes.Book`).

    Raises `OSError` or `sqlite3.Error` where there is nothing, or it may not be written. The file
    is open only while it is read or written: the beacon may start meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        self.key = (directory / KEY).read_bytes()
        self._path = directory / NAME
        self._path.stat()  # SQLite would make one
        with self._opened() as file:
            file.write(Batch())

    def used(self) -> Iterable[tuple[bytes, int, int]]:
        """The steps that were written down."""
        with self._opened() as file:
            return file.steps()

    def write(self, step: tuple[bytes, int, int]) -> None:
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


class Unkept:
    """A ledger that forgets all when this process ends: no counted code may come of it."""

    def __init__(self) -> None:
        own = Ledger()
        self.wait, self.claim, self.give_back = own.wait, own.claim, own.give_back

    def count(self, token: Marked, first: int) -> int:  # noqa: ARG002 - none is given
        """Raise `ProbeFailure`: the next run would send the same code again."""
        text = "no counted code is sent: no history here remembers them; start the beacon once"
        raise ProbeFailure(Reason.RATE_LIMITED, text)


def share(
    ledger: Ledger, ask: Callable[[Mapping[str, Any]], Answer], directory: Path, who: str
) -> str:
    """Let a run by hand use no code that a beacon here uses; in words, how it knows.

    Until `ledger.leave_to(None)`.
    """
    try:
        ask({"action": ACTION})
    except (NotAllowed, NotAnswering):
        pass  # one is there: it is for `SharedLedger` to say that it cannot be asked
    except NoBeacon:
        written = Ledger()
        try:
            written.keep(LeftBook(directory))
        except (OSError, sqlite3.Error, Newer):
            ledger.leave_to(Unkept())
            return "no beacon runs here, and none left a history: used codes are not known"
        ledger.leave_to(written)
        return f"no beacon runs here: used codes are those in {directory / NAME}"
    ledger.leave_to(SharedLedger(ask, who))
    return "used codes are shared with the beacon that runs here"
