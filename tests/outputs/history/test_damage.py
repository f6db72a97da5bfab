"""Whatever the history holds, the beacon starts, tells what it can, and goes on writing.

Every kind of damage at random places of every file, by a generator whose seed is the number of
the damage. The suite tries a few; `make slow ARGS=history` tries ten thousand.
"""

import contextlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from beacon.cli.render_incidents import render_incidents
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.model import Reason
from beacon.engine.clock import ManualClock
from beacon.otp.used_codes import Ledger, Token
from beacon.outputs.control.incidents import Incidents
from beacon.outputs.history.database import Batch, DatabaseReader, HistoryFile
from beacon.outputs.history.storage import KEY, NAME

from .test_output import QUICK, SEED, START, Life, dead, site

DAMAGES = int(os.environ.get("BEACON_DAMAGES", "60"))
FILES = (NAME, NAME, f"{NAME}-wal", f"{NAME}-shm", KEY)
STRANGE = (None, "", "\udcff".encode("utf-8", "surrogateescape"), "x", -1, 0, 2**62, 1e300, 0.5)


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> dict[str, Path]:
    """What two lives left behind: one that ended in order, one that was killed."""
    whole = tmp_path_factory.mktemp("whole")
    clock = ManualClock(START, 1000.0)
    life = Life(whole, clock, QUICK)
    ledger = Ledger()
    ledger.keep(life.history)
    token = Token.parse(SEED)
    ledger.wait(token, clock.utc().timestamp())
    clock.advance(60)
    assert ledger.claim(token, clock.utc().timestamp())
    ledger.count(token, 7)
    life.reads(Reason.OK).reads(Reason.DEADLINE, 4).settle()
    life.reads(Reason.OK, 70).settle()
    life.reads(Reason.DEADLINE, 4).acknowledges().settle()
    killed = dead(whole, whole.parent / "killed")
    life.ends()
    file = HistoryFile(whole / NAME)
    file.open()
    file.write(Batch(learnt=[Learnt("mfa/sign-in", 3, 2900, b"\x01" * 12)]))
    file.close()
    return {"ended": whole, "killed": killed}


def bytes_changed(directory: Path, dice: random.Random) -> None:
    """One file: a byte, a stretch, a page of zeros, a cut, or other content altogether."""
    present = [name for name in FILES if (directory / name).exists()]
    path = directory / dice.choice(present)
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content) or 1)
    match dice.randrange(6):
        case 0:
            content[at : at + 1] = bytes([dice.randrange(256)])
        case 1:
            content[at : at + 40] = dice.randbytes(40)
        case 2:
            content[at : at + 1024] = bytes(1024)
        case 3:
            del content[at:]
        case 4:
            content[at : at + 1] = b"\xff"
        case 5:
            content = bytearray(dice.randbytes(300))
    path.write_bytes(content)


def cell_changed(directory: Path, dice: random.Random) -> None:
    """One value of one row becomes something that was never written there."""
    db = sqlite3.connect(directory / NAME, isolation_level=None)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = dice.choice(tables)
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    with contextlib.suppress(sqlite3.IntegrityError):  # the schema itself refuses it
        db.execute(
            f"UPDATE OR IGNORE {table} SET {dice.choice(columns)} = ?", (dice.choice(STRANGE),)
        )
    db.close()


def document_changed(directory: Path, dice: random.Random) -> None:
    """One value anywhere in a remembered document becomes something else."""
    db = sqlite3.connect(directory / NAME, isolation_level=None)
    table = dice.choice(("memory", "incidents"))
    text = db.execute(f"SELECT document FROM {table} LIMIT 1").fetchone()[0]
    tree = json.loads(text)
    places = list(_places(tree))
    holder, key = dice.choice(places)
    if dice.random() < 0.3:
        del holder[key]
    else:
        holder[key] = dice.choice((None, "x", -1, 1e300, 2**70, [], {}, [[]], True, "2026"))
    db.execute(f"UPDATE {table} SET document = ?", (json.dumps(tree),))
    db.close()


def _places(tree):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def file_gone(directory: Path, dice: random.Random) -> None:
    """One file is not there, or something else is by its name."""
    path = directory / dice.choice([name for name in FILES if (directory / name).exists()])
    path.unlink()
    if dice.random() < 0.3 and path.name != NAME:
        path.mkdir()


KINDS: tuple[Callable[[Path, random.Random], None], ...] = (
    *(bytes_changed, bytes_changed, cell_changed, document_changed, document_changed, file_gone),
)


def lives_on(directory: Path, number: int) -> None:
    clock = ManualClock(datetime(2026, 1, 5, 14, 0, tzinfo=UTC), 20.0)
    life = Life(directory, clock, QUICK)
    try:
        ledger = Ledger()
        ledger.keep(life.history)
        token = Token.parse(SEED)
        ledger.wait(token, clock.utc().timestamp())
        clock.advance(60)
        assert ledger.claim(token, clock.utc().timestamp())
        assert ledger.count(token, 7) >= 7
        life.reads(Reason.OK, 70).reads(Reason.DEADLINE, 4).acknowledges().settle()
        assert life.incident is not None, number
        life.monitor.view()
        ask = Incidents(life.history, clock, site)
        if life.history._storage.failed:  # out of reach: the beacon says so, and runs
            assert any((directory / name).is_dir() for name in FILES), number
            return
        answer = ask({}, "alex")
        assert answer["incidents"][0]["number"] == life.incident.number
        for each in answer["incidents"]:
            assert render_incidents(ask({"incident": each["id"]}, "alex"))
        assert render_incidents(answer)
    finally:
        life.ends()


@pytest.mark.parametrize("part", range(10))
def test_whatever_is_damaged_the_beacon_starts_and_goes_on(left, tmp_path, part):
    for number in range(part, DAMAGES, 10):
        dice = random.Random(number)
        directory = tmp_path / str(number)
        dead(left[dice.choice(("ended", "killed"))], directory)
        dice.choice(KINDS)(directory, dice)
        lives_on(directory, number)
        shutil.rmtree(directory)


def test_a_damaged_name_in_the_schema_is_set_aside(left, tmp_path, caplog):
    directory = dead(left["ended"], tmp_path / "it")
    content = (directory / NAME).read_bytes()
    (directory / NAME).write_bytes(content.replace(b"incidents", b"incid\xffnts", 1))
    lives_on(directory, 0)
    assert "set aside as history.db.corrupt" in caplog.text


def test_a_row_that_is_damaged_is_left_out_and_logged(left, tmp_path):
    directory = dead(left["ended"], tmp_path / "it")
    db = sqlite3.connect(directory / NAME, isolation_level=None)
    db.execute("UPDATE incidents SET document = '{' WHERE number = 1")
    db.execute("INSERT INTO used_steps VALUES (X'00', 0, 'text')")
    db.close()
    clock = ManualClock(datetime(2026, 1, 5, 14, 0, tzinfo=UTC), 20.0)
    life = Life(directory, clock, QUICK)
    assert all(isinstance(step, int) for _, _, step in life.history.used())
    answer = Incidents(life.history, clock, site)({}, "alex")
    life.ends()
    assert [each["number"] for each in answer["incidents"]] == [2]


@pytest.mark.parametrize(
    ("damage", "name", "number"),
    [
        ("id = 'x' WHERE number = 1", "x", 1),
        ("document = json_set(document, '$.id', 'x') WHERE number = 1", "x", 1),
        ("document = json_set(document, '$.id', 'x') WHERE number = 1", "1", 1),
        ("id = 'x', document = json_set(document, '$.id', 'x')", "x", 2),  # both: the newest
        ("id = '1' WHERE number = 2", "1", 1),  # a number is a number first
        ("document = '{' WHERE number = 2", "1", 1),
    ],
)
def test_an_incident_is_found_by_either_of_its_ids(left, tmp_path, damage, name, number):
    """The list shows the id in the document; a row has another beside it. One may be damaged."""
    directory = dead(left["ended"], tmp_path / "it")
    db = sqlite3.connect(directory / NAME, isolation_level=None)
    db.execute("UPDATE incidents SET open = 0")  # an open one is written anew
    db.execute(f"UPDATE incidents SET {damage}")
    db.close()
    reader = DatabaseReader(directory / NAME)
    beside = SimpleNamespace(reader=reader, degraded=False, settle=lambda _within: None)
    ask = Incidents(beside, ManualClock(START), site)
    assert ask({"incident": name}, "alex")["incident"]["number"] == number
    for each in ask({}, "alex")["incidents"]:
        assert ask({"incident": each["id"]}, "alex")["incident"]["id"] == each["id"]


@pytest.mark.parametrize("what", [(NAME,), (f"{NAME}-wal",), (NAME, f"{NAME}-wal", f"{NAME}-shm")])
def test_a_history_deleted_while_it_runs_is_made_anew(tmp_path, what, caplog):
    clock = ManualClock(START, 1000.0)
    life = Life(tmp_path, clock, QUICK)
    ledger = Ledger()
    ledger.keep(life.history)
    assert ledger.count(Token.parse(SEED), 7) == 7
    life.reads(Reason.OK).reads(Reason.DEADLINE, 4).settle()
    for name in what:
        (tmp_path / name).unlink()
    life.acknowledges().settle()
    assert life.history.degraded
    assert "was deleted or replaced while we ran" in caplog.text
    again = Life(dead(tmp_path, tmp_path / "copy"), ManualClock(clock.utc(), 5.0), QUICK)
    assert again.incident.acknowledged
    assert again.incident.number == life.incident.number
    fresh = Ledger()
    fresh.keep(again.history)
    assert fresh.count(Token.parse(SEED), 7) == 8, "a counted code is never sent twice"
    again.ends()
    life.ends()
