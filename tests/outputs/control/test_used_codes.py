"""Used codes, shared between a beacon and a run by hand: over the socket, or what it left."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import ManualClock
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.daily_quota import spend
from beacon.otp.used_codes import COUNTED, Ledger, Mark, Token
from beacon.outputs.control.socket import ControlSocket, NoBeacon, NotAllowed, NotAnswering, ask
from beacon.outputs.control.used_codes import ACTION, LeftBook, SharedLedger, lending, share
from beacon.outputs.history.database import Batch, HistoryFile
from beacon.outputs.history.storage import KEY, NAME

TOKEN = Token.parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")


@pytest.fixture
def theirs(clock: ManualClock) -> Ledger:
    """The beacon's ledger, begun long ago."""
    ledger = Ledger()
    ledger.wait(TOKEN, 0.0)
    clock.advance(-(clock.utc().timestamp() % 30) + 10)  # a third into a step
    return ledger


@pytest.fixture
def served(theirs: Ledger, clock: ManualClock, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "control.sock"
    control = ControlSocket(path, {ACTION: lending(theirs, clock)})
    control.start()
    yield path
    control.stop(5.0)


@pytest.fixture
def mine(served: Path) -> Ledger:
    ledger = Ledger()
    told = share(ledger, partial(ask, [served]), served.parent, "probe 1")
    assert told == "used codes are shared with the beacon that runs here"
    return ledger


def test_messages_are_counted_together(mine: Ledger, theirs: Ledger, clock: ManualClock) -> None:
    of_theirs, of_mine = (
        Run(clock, 5.0, "sms/arrives", ProbeMemory({Ledger: ledger})) for ledger in (theirs, mine)
    )
    for run in (of_theirs, of_mine, of_theirs):
        spend(run, 3)
    for run in (of_theirs, of_mine):
        with pytest.raises(ProbeFailure):
            spend(run, 3)


def test_a_step_is_used_by_one_of_both(mine: Ledger, theirs: Ledger, clock: ManualClock) -> None:
    utc = clock.utc().timestamp()
    assert mine.wait(TOKEN, utc, "a") == 0, "no first step is skipped: the beacon knows"
    assert 20 < theirs.wait(TOKEN, utc, "its own endpoint") < 30, "this one is promised"
    assert not theirs.claim(TOKEN, utc, "its own endpoint")
    assert mine.claim(TOKEN, utc, "a")
    assert not mine.claim(TOKEN, utc, "a")
    assert not theirs.claim(TOKEN, utc)
    clock.advance(30)
    assert theirs.claim(TOKEN, utc + 30, "its own endpoint")


def test_a_counter_is_used_by_one_of_both(mine: Ledger, theirs: Ledger) -> None:
    assert (theirs.count(TOKEN, 5), mine.count(TOKEN, 0), theirs.count(TOKEN)) == (5, 6, 7)
    mine.give_back(TOKEN, 6)
    assert mine.count(TOKEN) == 6


def test_neither_seed_nor_code_is_sent(clock: ManualClock, theirs: Ledger) -> None:
    sent: list[Any] = []

    def note(request: Any) -> Any:
        sent.append(request)
        return {"ok": True} | lending(theirs, clock)(request, "alex")

    shared = SharedLedger(note, "probe 1")
    utc = clock.utc().timestamp()
    assert shared.claim(TOKEN, utc, None)
    text = repr(sent)
    assert TOKEN.seed.hex() not in text
    assert TOKEN.seed.decode() not in text
    assert TOKEN.code(utc) not in text


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"token": "ab"},
        {"token": 17, "do": "claim", "period": 30},
        {"token": "00" * 32, "do": "claim"},
        {"token": "00" * 32, "do": "wait", "period": 0},
        {"token": "00" * 32, "do": "claim", "period": 86400},
        {"token": "00" * 32, "do": "claim", "period": True},
        {"token": "00" * 32, "do": "count", "counter": -1},
        {"token": "00" * 32, "do": "count", "counter": 2**70},
        {"token": "00" * 32, "do": "steal", "period": 30},
    ],
)
def test_nonsense_is_refused(served: Path, request_: dict[str, Any]) -> None:
    answer = ask([served], {"action": ACTION} | request_)
    assert not answer["ok"]
    assert "internal error" not in answer["error"]


@pytest.mark.parametrize("why", [NotAllowed("root only"), NotAnswering("it hangs")])
def test_a_beacon_that_cannot_be_asked_is_a_reason_to_send_no_code(
    why: NoBeacon, tmp_path: Path
) -> None:
    def unheard(_request: object) -> Any:
        raise why

    ledger = Ledger()
    share(ledger, unheard, tmp_path, "probe 1")
    asking: list[Callable[[], object]] = [
        lambda: ledger.wait(TOKEN, 0.0),
        lambda: ledger.claim(TOKEN, 0.0),
        lambda: ledger.count(TOKEN),
    ]
    for call in asking:
        with pytest.raises(ProbeFailure) as trouble:
            call()
        assert trouble.value.reading.reason is Reason.RATE_LIMITED
        assert str(why) in trouble.value.reading.detail


def test_a_beacon_that_knows_no_sharing_is_a_reason_too(tmp_path: Path) -> None:
    ledger = Ledger()
    share(ledger, lambda _: {"ok": False, "error": "no such action"}, tmp_path, "probe 1")
    with pytest.raises(ProbeFailure, match="rate_limited"):
        ledger.claim(TOKEN, 0.0)


def nobody(_request: object) -> Any:
    raise NoBeacon("no beacon is running")


def test_without_a_beacon_what_it_left_is_used_and_added_to(
    clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / KEY).write_bytes(bytes(32))
    file = HistoryFile(tmp_path / NAME)
    file.open()
    before = Ledger()
    before.keep(LeftBook(tmp_path))
    utc = clock.utc().timestamp()
    before.wait(TOKEN, utc - 60)
    assert before.claim(TOKEN, utc + 30)
    assert before.count(TOKEN, 4) == 4
    later = Ledger()
    assert str(tmp_path / NAME) in share(later, nobody, tmp_path, "probe 1")
    assert later.wait(TOKEN, utc - 60) > 0, "the first step may have been used: nobody knows"
    assert not later.claim(TOKEN, utc + 30)
    assert later.count(TOKEN) == 5
    assert next(step for step in file.steps() if step[1] == COUNTED)[2] == 5
    file.close()


def test_what_a_beacon_left_is_not_held_open(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(bytes(32))
    with contextlib.closing(HistoryFile(tmp_path / NAME)) as file:
        file.open()
    ledger = Ledger()
    share(ledger, nobody, tmp_path, "probe 1")
    assert ledger.count(TOKEN, 4) == 4
    held = {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}
    assert str(tmp_path / NAME) not in held


def test_of_a_counter_only_the_highest_is_kept(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / NAME)
    file.open()
    for counter in (3, 4, 2):
        file.write(Batch(steps=[(b"token", COUNTED, counter)]))
    assert max(step for _, _, step in file.steps()) == 4
    assert (b"token", COUNTED, 3) not in file.steps()
    file.close()


def test_what_is_not_left_is_not_made(tmp_path: Path) -> None:
    ledger = Ledger()
    assert "none left a history" in share(ledger, nobody, tmp_path, "probe 1")
    assert not list(tmp_path.iterdir())
    (tmp_path / KEY).write_bytes(bytes(32))
    assert "none left a history" in share(ledger, nobody, tmp_path, "probe 1")
    (tmp_path / NAME).write_bytes(b"not a database, but long enough to be read as a header" * 4)
    assert "none left a history" in share(ledger, nobody, tmp_path, "probe 1")
    assert ledger.wait(Mark(bytes(32), 30), 1_700_000_015.0) > 0


def test_a_code_that_cannot_be_written_down_is_not_sent(clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(bytes(32))
    with contextlib.closing(HistoryFile(tmp_path / NAME)) as file:
        file.open()
    ledger, utc = Ledger(), clock.utc().timestamp()
    share(ledger, nobody, tmp_path, "probe 1")
    ledger.wait(TOKEN, utc)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ProbeFailure) as trouble:
        ledger.claim(TOKEN, utc + 30)
    assert "locked" in trouble.value.reading.detail
    other.close()


def test_without_a_history_no_counted_code_is_sent(tmp_path: Path) -> None:
    ledger = Ledger()
    share(ledger, nobody, tmp_path, "probe 1")
    with pytest.raises(ProbeFailure) as refused:
        ledger.count(Mark(b"token", 0), 0)
    assert "no counted code is sent" in refused.value.reading.detail
