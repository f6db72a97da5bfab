"""A history of an older beacon is taken over: `version2.sql` was written by one."""

import json
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import pytest

from beacon.core.account.guard import SignInGuard
from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.memory import Memory
from beacon.core.service.incident import Incident
from beacon.core.service.service import ServiceKept
from beacon.core.tower.alarm import AlarmKept
from beacon.core.tower.buzzer import BuzzerKept
from beacon.outputs.history.database import VERSION, DatabaseReader, HistoryFile
from beacon.outputs.history.recall import StoredMemory, StoredState
from beacon.outputs.history.storage import NAME
from tests.core.test_memory import full

ZERO = 1767614400.0
FIRST = """DROP TABLE baselines; PRAGMA user_version = 1;
ALTER TABLE operators DROP COLUMN service; ALTER TABLE operators DROP COLUMN state;"""


@pytest.fixture
def older(tmp_path):
    """Make a database of an older version; its memory is that of `full`, with every field."""

    def make(version: int, change: str = "") -> Path:
        path = tmp_path / NAME
        with closing(sqlite3.connect(path)) as db:
            db.executescript(Path(__file__).with_name("version2.sql").read_text())
            db.executescript((FIRST if version == 1 else "") + change)
        return path

    return make


NEWER = {
    EndpointKept: ("control", "troubles", "worked_at", "slow_until"),
    SignInGuard: ("knocks", "hung"),
    Incident: ("parts", "flapped_at"),
    ServiceKept: ("share",),
    AlarmKept: ("sound_at", "sound", "called_at", "blind_announced"),
    BuzzerKept: ("pulsed_at",),
}
"""What no older beacon remembered."""


def forget_newer(kept):
    """It as an older beacon would have written it."""
    names = {f.name: f.default for f in fields(kept) if f.name in NEWER[type(kept)]}
    return replace(kept, **names)


def older_memory() -> Memory:
    memory = full()
    services = {
        name: replace(forget_newer(each), incident=forget_newer(each.incident))
        for name, each in memory.services.items()
    }
    endpoints = {
        name: replace(forget_newer(each), guard=forget_newer(each.guard))
        for name, each in memory.endpoints.items()
    }
    return replace(
        memory,
        accounts={},
        endpoints=endpoints,
        services=services,
        alarms={name: forget_newer(each) for name, each in memory.alarms.items()},
        buzzer=forget_newer(memory.buzzer),
    )


def taken_over(path: Path) -> StoredState:
    file, state = HistoryFile(path), StoredState()
    state.read(file)
    file.close()
    assert path.read_bytes()[60:64] == VERSION.to_bytes(4, "big"), "an older beacon refuses it"
    return state


@pytest.mark.parametrize("version", [1, 2])
def test_all_of_an_older_history_is_taken_over(older, version):
    path = older(version)
    state = taken_over(path)
    recalled = state.recalled(400.0, ZERO, json.loads(state.document)["prints"])
    assert recalled.memory == older_memory()
    assert recalled.changed == frozenset()
    assert recalled.learnt == ([Learnt("mfa/a", 5, 100, bytes(range(7)))] if version > 1 else [])
    assert (state.steps, state.last_number) == ([(bytes(8), 30, 12345)], 7)
    again = taken_over(path)
    assert again == state, "what has been taken over is read as it is"
    with closing(sqlite3.connect(path)) as db:
        [events] = db.execute("SELECT count(*) FROM story").fetchone()
    [command] = DatabaseReader(path).commands("mfa", 0, 2e10)
    assert (events, command["command"]) == (2, "acknowledge")
    assert command["service"] == ("mfa" if version > 1 else None)


@pytest.mark.parametrize("memory", ["x", "[]", '{"memory": 5}', '{"memory": {"services": [1]}}'])
def test_a_damaged_memory_costs_the_memory_only(older, memory, caplog):
    state = taken_over(older(2, f"UPDATE memory SET document = '{memory}';"))
    assert state.recalled(400.0, ZERO, {}).memory.incidents == 7, "numbers go on"
    assert "cannot be read and is dropped" in caplog.text


def test_what_is_written_is_read_back():
    """JSON has no infinity: a moment that never comes is left out, and the default of its field."""
    memory = full()
    memory = replace(memory, endpoints=memory.endpoints | {"new/one": EndpointKept(since=1.0)})
    text = StoredMemory(zero=ZERO, prints={}, memory=memory).encoded()
    assert msgspec.json.decode(text, type=StoredMemory).memory == memory
    assert "null" not in text


@pytest.mark.parametrize("date", [-1.0, 1e11, 1e300])
def test_an_opening_at_a_date_that_cannot_be_costs_the_memory_only(date, caplog):
    memory = full()
    service = memory.services["mfa"]
    view = replace(service.incident.view, opened_utc=date)
    damaged = replace(service, incident=replace(service.incident, view=view))
    memory = replace(memory, services=memory.services | {"mfa": damaged})
    text = StoredMemory(zero=ZERO, prints={}, memory=memory).encoded()
    state = StoredState(document=text, last_number=7)
    assert state.recalled(400.0, ZERO, {}).memory.incidents == 7, "numbers go on"
    assert "cannot be true" in caplog.text
