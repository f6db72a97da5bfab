"""The history as a file: SQLite, its schema, what is written and what is read back.

An SD card wears with every page written: pages are small, one commit is one batch, and nothing is
written that did not change. Times are UTC seconds. Old rows are dropped by number, never by age: a
wall clock that jumped must not empty the history.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from beacon.core.endpoint.latency.baseline import Learnt
from beacon.outputs.history.migration import from_version_2

VERSION: Final = 3
"""Of the schema; in the header of the file as SQLite's user_version."""
PAGE: Final = 1024
PATIENCE: Final = 0.5
"""Seconds to wait for the lock of another process."""

KEPT: Final = MappingProxyType(
    {"incidents": 5_000, "story": 20_000, "transitions": 50_000, "operators": 10_000}
)
"""Table → the number of rows kept, the newest."""
STEPS_KEPT: Final = 3600.0
"""Seconds around the newest step of a token in which its used steps are kept."""

_MAGIC: Final = b"SQLite format 3\0"
_HIGHEST_VERSION: Final = 999
"""No schema will ever have a higher one: such a number is damage, not a newer beacon."""
_OUT_OF_REACH: Final = frozenset(
    getattr(sqlite3, f"SQLITE_{word}")
    for word in (
        *("BUSY", "CANTOPEN", "FULL", "INTERRUPT", "IOERR", "LOCKED", "NOLFS", "NOMEM", "PERM"),
        *("PROTOCOL", "READONLY", "TOOBIG", "MISUSE"),
    )
)
"""Errors after which the content of the file may still be right (sqlite.org/rescode.html)."""
LOG: Final = "-wal"
"""The suffix of SQLite's log."""
_FILES: Final = ("", LOG, "-shm")

# Keyed by the hour first: what is learnt in one hour is stored together, on few pages.
_BASELINES: Final = """
CREATE TABLE IF NOT EXISTS baselines (slot INTEGER, endpoint TEXT, week INTEGER, votes BLOB,
                                      PRIMARY KEY (slot, endpoint)) WITHOUT ROWID;
"""
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE incidents (number INTEGER PRIMARY KEY, id TEXT, open INTEGER, document TEXT);
CREATE TABLE story (row INTEGER PRIMARY KEY, incident INTEGER, at REAL, service TEXT, what TEXT,
                    verdict TEXT, cause TEXT, by TEXT);
CREATE TABLE transitions (row INTEGER PRIMARY KEY, at REAL, endpoint TEXT, was TEXT, now TEXT,
                          reason TEXT, detail TEXT);
CREATE TABLE operators (row INTEGER PRIMARY KEY, at REAL, command TEXT, by TEXT, origin TEXT,
                        reason TEXT, error TEXT, service TEXT, state TEXT);
CREATE TABLE used_steps (token BLOB, period INTEGER, step INTEGER,
                         PRIMARY KEY (token, period, step)) WITHOUT ROWID;
CREATE TABLE memory (one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT);
{_BASELINES}
PRAGMA user_version = {VERSION};
COMMIT;
"""
_COLUMNS: Final = MappingProxyType(
    {
        "story": "incident, at, service, what, verdict, cause, by",
        "transitions": "at, endpoint, was, now, reason, detail",
        "operators": "at, command, by, origin, reason, error, service, state",
    }
)


HIGHEST_NUMBER: Final = 2**53  # of an incident: what JSON can carry
_EARLIEST, _LATEST = 0.0, 250_000_000_000.0  # UTC seconds that a date can be made of
_ALWAYS: Final = ("what", "verdict", "endpoint", "was", "now", "reason", "command", "origin")
"""Columns that are never empty."""


class Newer(Exception):
    """The file was written by a newer beacon; the message says so and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row to append to a table, in the order of its columns."""

    table: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one commit. Incidents are (number, id, open, document).

    Endpoints that are `forgotten` lose their baselines before what is `learnt` is written.
    """

    rows: Sequence[Row] = ()
    steps: Sequence[tuple[bytes, int, int]] = ()
    incidents: Sequence[tuple[int, str, bool, str]] = ()
    memory: str | None = None
    forgotten: Iterable[str] = ()
    learnt: Iterable[Learnt] = ()


@dataclass(slots=True)
class HistoryFile:
    """One open database. Everything may raise `sqlite3.Error`; used by one thread at a time.

    `kept` holds for each table how many rows are kept, the newest.
    """

    path: Path
    kept: Mapping[str, int] = field(default_factory=lambda: KEPT)
    _db: sqlite3.Connection | None = field(default=None, init=False)
    _inodes: dict[str, int] = field(default_factory=dict, init=False)  # of the file and its log

    def open(self) -> None:
        """Open it, or make it. Raises `Newer`, which leaves it untouched."""
        if self._db is not None:
            return
        version = _version(self.path)
        if version > VERSION:
            raise Newer(
                f"{self.path} was written by a newer beacon (schema {version}, known is "
                f"{VERSION}): it is left untouched and nothing is remembered; install that "
                "beacon again, or move the file away"
            )
        with contextlib.suppress(OSError):  # SQLite gives a better error
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        db.text_factory = _text
        try:
            _prepare(db, version)
        except UnicodeDecodeError as error:  # the sqlite3 module's own, of a name in the schema
            db.close()
            raise damaged(str(error)) from None
        except BaseException:
            db.close()
            raise
        self._db, self._inodes = db, {}
        self.replaced()  # remembers what is there now

    def replaced(self) -> bool:
        """Whether the open file, or its log, was deleted or replaced: what we write is lost."""
        if self._db is None:
            return False
        there = {end: _inode(Path(f"{self.path}{end}")) for end in ("", LOG)}
        # SQLite makes its log at the first write, and keeps it while the file is open.
        if any(inode and inode != there[end] for end, inode in self._inodes.items()):
            return True
        self._inodes = there
        return False

    def close(self) -> None:
        """Close it; what was committed stays."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def set_aside(self) -> None:
        """Move the file away with all that belongs to it, so that a new one can be made."""
        self.close()
        for end in _FILES:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{end}").replace(f"{self.path}.corrupt{end}")

    def write(self, batch: Batch) -> None:
        """Commit all of it, or nothing."""
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            for row in batch.rows:
                marks = ", ".join("?" * len(row.values))
                db.execute(
                    f"INSERT INTO {row.table} ({_COLUMNS[row.table]}) VALUES ({marks})",  # noqa: S608 - our own names
                    row.values,
                )
            db.executemany("INSERT OR IGNORE INTO used_steps VALUES (?, ?, ?)", batch.steps)
            db.executemany(
                "DELETE FROM used_steps WHERE token = ? AND period = ? AND abs(step - ?) > ?",
                [(t, p, s, STEPS_KEPT // p) for t, p, s in batch.steps if p],
            )
            db.executemany(  # a counter never expires: its highest step is enough
                "DELETE FROM used_steps WHERE token = ? AND period = 0 AND step < ?",
                [(t, s) for t, p, s in batch.steps if not p],
            )
            db.executemany(
                "INSERT INTO incidents VALUES (?, ?, ?, ?) ON CONFLICT (number) DO UPDATE "
                "SET open = excluded.open, document = excluded.document",
                batch.incidents,
            )
            if batch.memory is not None:
                db.execute("INSERT OR REPLACE INTO memory VALUES (1, ?)", (batch.memory,))
            self._prune(db, {row.table for row in batch.rows} | {"incidents"})
            db.executemany(
                "DELETE FROM baselines WHERE endpoint = ?", [(name,) for name in batch.forgotten]
            )
            db.executemany(
                "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?)",
                [(each.slot, each.endpoint, each.week, each.votes) for each in batch.learnt],
            )
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def tidy(self, open_incidents: Iterable[int]) -> None:
        """Drop damaged rows and the oldest beyond the number kept; close all other incidents.

        A number that was never given would make all other rows old, and they would be dropped.
        """
        for table in self.kept:
            key = _key(table)
            self._opened().execute(
                f"DELETE FROM {table} WHERE {key} NOT BETWEEN 1 AND ?",  # noqa: S608
                (HIGHEST_NUMBER,),
            )
        self._prune(self._opened(), self.kept)
        self._close_others(open_incidents)

    def _prune(self, db: sqlite3.Connection, tables: Iterable[str]) -> None:
        for table in tables:
            key = _key(table)
            db.execute(
                f"DELETE FROM {table} WHERE {key} <= (SELECT max({key}) FROM {table}) - ?",  # noqa: S608
                (self.kept[table],),
            )

    def memory(self) -> str | None:
        """The memory that was written last."""
        row = self._opened().execute("SELECT document FROM memory").fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def learnt(self) -> list[Learnt]:
        """Every slot of every baseline; damaged rows are left out."""
        rows = self._opened().execute(
            "SELECT endpoint, slot, week, votes FROM baselines WHERE typeof(endpoint) = 'text' "
            "AND typeof(slot) = 'integer' AND typeof(week) = 'integer' AND typeof(votes) = 'blob'"
        )
        return [Learnt(*row) for row in rows]

    def steps(self) -> list[tuple[bytes, int, int]]:
        """Every used step that is kept; damaged rows are left out."""
        return (
            self._opened()
            .execute(
                "SELECT token, period, step FROM used_steps WHERE typeof(token) = 'blob' "
                "AND typeof(period) = 'integer' AND typeof(step) = 'integer' "
                "AND period BETWEEN 0 AND 120 AND step >= 0"
            )
            .fetchall()
        )

    def last_number(self) -> int:
        """The highest number of an incident."""
        found = self._opened().execute("SELECT max(number) FROM incidents").fetchone()[0]
        return found if isinstance(found, int) and 0 < found < HIGHEST_NUMBER else 0

    def _close_others(self, numbers: Iterable[int]) -> None:
        """Mark every other open incident as closed, at an unknown time."""
        db, known = self._opened(), frozenset(numbers)
        rows = db.execute("SELECT number, document FROM incidents WHERE open").fetchall()
        for number, document in rows:
            if number not in known:
                found = _document(document)
                closed = document if found is None else json.dumps(found | {"state": "closed"})
                db.execute(
                    "UPDATE incidents SET open = 0, document = ? WHERE number = ?",
                    (closed, number),
                )

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.OperationalError("the history is not open")
        return self._db


def is_corrupt(error: Exception) -> bool:
    """Whether an error means that the file is broken, and not only out of reach."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF not in _OUT_OF_REACH


def _version(path: Path) -> int:
    """The schema's version from the file's header, which touches nothing; 0: none yet."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return 0
    if header and not (header.startswith(_MAGIC) and len(header) == 100):
        raise damaged("not a database")  # SQLite would delete its log
    version = int.from_bytes(header[60:64], "big")
    if version > _HIGHEST_VERSION:
        raise damaged(f"no schema has the version {version}")
    return version


def _key(table: str) -> str:
    return "number" if table == "incidents" else "row"


def _inode(path: Path) -> int:
    """Distinguishes files of the same name; 0: there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _text(written: bytes) -> str:
    """Text of the file; a damaged byte costs one character."""
    return written.decode("utf-8", "replace")


def _document(written: object) -> dict[str, Any] | None:
    """An incident's document; None where it is none."""
    try:
        found = json.loads(written) if isinstance(written, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _prepare(db: sqlite3.Connection, version: int) -> None:
    if not version:
        db.execute(f"PRAGMA page_size = {PAGE}")
        db.executescript(_SCHEMA)  # before WAL: so that the version stands in the header
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {1024 * PAGE}")
    [found] = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(str(found))
    if 0 < version < VERSION:
        _migrate(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the version stands in the header


def _migrate(db: sqlite3.Connection) -> None:
    """Take over a file of an older beacon, whole or not at all."""
    db.execute("BEGIN IMMEDIATE")
    db.execute(_BASELINES)
    there = {row[1] for row in db.execute("PRAGMA table_info(operators)")}
    for column in ("service", "state"):
        if there and column not in there:
            db.execute(f"ALTER TABLE operators ADD COLUMN {column} TEXT")
    for (document,) in db.execute("SELECT document FROM memory").fetchall():
        if isinstance(document, str):
            db.execute("UPDATE memory SET document = ?", (from_version_2(document),))
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def damaged(words: str) -> sqlite3.DatabaseError:
    """The error of a file whose content cannot be right."""
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


# --- reading beside the writer ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatabaseReader:
    """Reads the file beside its writer; every call opens it anew. Raises `sqlite3.Error`.

    Rows that are damaged are left out.
    """

    path: Path

    def incidents(self, most: int, name: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The newest incidents (id, document), the newest first; or those of a number or an id.

        A number comes before an id. A row has its id twice, and damage may have changed either.
        """
        with self._read_only() as db:
            rows = db.execute(
                "SELECT id, document FROM incidents WHERE ?1 IS NULL"
                " OR ?1 IN (CAST(number AS TEXT), id)"
                " OR CASE WHEN json_valid(document) THEN json_extract(document, '$.id') END = ?1"
                " ORDER BY CAST(number AS TEXT) = ?1 DESC, number DESC LIMIT ?2",
                (name, most),
            )
            found = [(str(name), _document(document)) for name, document in rows]
        return [(name, document) for name, document in found if document is not None]

    def story(self, number: int) -> list[dict[str, Any]]:
        """What happened in one incident, in order."""
        return self._dicts("story", "incident = ?", (number,))

    def transitions(self, service: str, since: float, until: float) -> list[dict[str, Any]]:
        """The changes of health of a service's endpoints between two moments."""
        where = "substr(endpoint, 1, ?) = ? AND at BETWEEN ? AND ?"
        prefix = f"{service}/"
        return self._dicts("transitions", where, (len(prefix), prefix, since, until))

    def commands(self, service: str, since: float, until: float) -> list[dict[str, Any]]:
        """Commands about a service, or about all, between two moments."""
        where = "(service = ? OR service IS NULL) AND at BETWEEN ? AND ?"
        return self._dicts("operators", where, (service, since, until))

    def _dicts(self, table: str, where: str, values: Iterable[Any]) -> list[dict[str, Any]]:
        columns = _COLUMNS[table]
        with self._read_only() as db:
            rows = db.execute(
                f"SELECT {columns} FROM {table} WHERE {where} ORDER BY row",  # noqa: S608
                tuple(values),
            )
            found = [dict(zip(columns.split(", "), row, strict=True)) for row in rows]
        return [row for row in found if _is_whole(row)]

    @contextlib.contextmanager
    def _read_only(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)
        db.text_factory = _text
        with contextlib.closing(db):
            yield db


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Whether each column holds a value that can have been written."""
    at = row["at"]
    dated = isinstance(at, int | float) and _EARLIEST < at < _LATEST
    words = (value for name, value in row.items() if name not in ("at", "incident"))
    named = all(isinstance(row[name], str) for name in _ALWAYS if name in row)
    return dated and named and all(isinstance(word, str | None) for word in words)
