"""What a run without a beacon knows of used codes: what the last beacon left, else nothing."""

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from beacon.engine.clock import ManualClock
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import COUNTED, HashedToken, Ledger, Token
from beacon.outputs.history.database import Batch, HistoryFile
from beacon.outputs.history.left_book import LeftBook, left_ledger
from beacon.outputs.history.storage import KEY, NAME

TOKEN = Token.parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")


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
    later, words = left_ledger(tmp_path)
    assert str(tmp_path / NAME) in words
    assert later.wait(TOKEN, utc - 60) > 0, "the first step may have been used: nobody knows"
    assert not later.claim(TOKEN, utc + 30)
    assert later.count(TOKEN) == 5
    assert next(step for step in file.steps() if step[1] == COUNTED)[2] == 5
    file.close()


def test_what_a_beacon_left_is_not_held_open(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(bytes(32))
    with contextlib.closing(HistoryFile(tmp_path / NAME)) as file:
        file.open()
    ledger, _ = left_ledger(tmp_path)
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
    assert "none left a history" in left_ledger(tmp_path)[1]
    assert not list(tmp_path.iterdir())
    (tmp_path / KEY).write_bytes(bytes(32))
    assert "none left a history" in left_ledger(tmp_path)[1]
    (tmp_path / NAME).write_bytes(b"not a database, but long enough to be read as a header" * 4)
    ledger, words = left_ledger(tmp_path)
    assert "none left a history" in words
    assert ledger.wait(HashedToken(bytes(32), 30), 1_700_000_015.0) > 0


def test_a_code_that_cannot_be_written_down_is_not_sent(clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(bytes(32))
    with contextlib.closing(HistoryFile(tmp_path / NAME)) as file:
        file.open()
    (ledger, _), utc = left_ledger(tmp_path), clock.utc().timestamp()
    ledger.wait(TOKEN, utc)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ProbeFailure) as trouble:
        ledger.claim(TOKEN, utc + 30)
    assert "locked" in trouble.value.reading.detail
    other.close()


def test_without_a_history_no_counted_code_is_sent(tmp_path: Path) -> None:
    ledger, _ = left_ledger(tmp_path)
    with pytest.raises(ProbeFailure) as refused:
        ledger.count(HashedToken(b"token", 0), 0)
    assert "no counted code is sent" in refused.value.reading.detail
