"""The history: what survives a restart, a kill, a power cut, and every kind of broken disk."""

import contextlib
import hmac
import shutil
import sqlite3
import struct
import subprocess
import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from beacon.core.effects import Answered, Sounded
from beacon.core.endpoint.latency.baseline import Learnt
from beacon.core.inputs import Acknowledge, Bypass, Maintenance, Observed, Shelve, TimePassed
from beacon.core.memory import Memory
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site, Verdict
from beacon.core.monitor import Monitor
from beacon.core.service.held_back import Suppression
from beacon.core.views import Arrivals
from beacon.engine.clock import ManualClock, utc_at
from beacon.otp.used_codes import Ledger, Token
from beacon.outputs.control.incidents import Incidents
from beacon.outputs.documents import iso
from beacon.outputs.history import database
from beacon.outputs.history.database import Batch, HistoryFile, Newer, Row
from beacon.outputs.history.output import WAITING, History, WritePace
from beacon.outputs.history.storage import KEY, NAME

QUICK = WritePace(batch=0.0, refresh=0.05, again=0.05, step=5.0)
SLOW = WritePace(batch=0.0, refresh=60.0, again=0.0, step=5.0)
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def site(*names: str) -> Site:
    def service(name: str) -> Service:
        endpoint = Endpoint(
            id=f"{name}/sign-in",
            service=name,
            name="sign-in",
            kind="http",
            evidence=Evidence.SYMPTOM,
        )
        return Service(id=name, name=name, endpoints=(endpoint,))

    return Site(id="soc", services=tuple(service(name) for name in names or ("mfa",)))


def history_of(directory: Path, clock: ManualClock, **how) -> History:
    """A history beside a judge that has nothing to remember."""
    plain = {
        "remember": lambda: Memory(at=0.0),
        "learnt": lambda: ((), ()),
        "ask": lambda call: call(),
        "written": dict,
        "pace": QUICK,
    }
    return History(directory, "soc", clock, **plain | how)


def execute(path: Path, *statement) -> None:
    """Change a database behind the back of the beacon."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(*statement)


@contextlib.contextmanager
def locked(directory: Path):
    """Inside, somebody else holds the lock of the history."""
    other = sqlite3.connect(directory / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


class Life:
    """One life of a beacon: a monitor with its history, from start to its end."""

    def __init__(
        self, directory: Path, clock: ManualClock, pace: WritePace = QUICK, **written
    ) -> None:
        self.clock = clock
        self.monitor = Monitor(site())
        self.history = history_of(
            directory,
            clock,
            remember=lambda: self.monitor.remember(clock.monotonic()),
            learnt=self.monitor.learnt,
            written=lambda: written or {"mfa/sign-in": "settings"},
            pace=pace,
        )
        self.recalled = self.history.recall()
        recalled = self.recalled
        zero = utc_at(clock, 0.0).timestamp()  # noted in an incident, as the daemon does
        first = self.monitor.start(clock.monotonic(), recalled.memory, recalled.changed, zero=zero)
        self.history.start()  # from now on its thread may ask at any time
        self.take(first)

    def take(self, effects) -> None:
        self.history.offer(effects)

    def reads(self, reason: Reason, times: int = 1) -> "Life":
        for _ in range(times):
            self.clock.advance(30.0)
            at = self.clock.monotonic()
            self.take(self.monitor.handle(Observed(at, "mfa/sign-in", Reading(reason), at)))
        return self

    def hears(self, reason: Reason, times: int) -> list[str]:
        """What the buzzer says while it is read so."""
        sounds: list[str] = []
        for _ in range(times):
            self.clock.advance(30.0)
            at = self.clock.monotonic()
            for event in (TimePassed(at), Observed(at, "mfa/sign-in", Reading(reason), at)):
                effects = self.monitor.handle(event)
                sounds += [each.sound.value for each in effects if isinstance(each, Sounded)]
        return sounds

    def acknowledges(self) -> "Life":
        order = Acknowledge(
            self.clock.monotonic(), by="alex", origin="cli", reason="with the vendor"
        )
        self.take(self.monitor.handle(order))
        return self

    def settle(self) -> "Life":
        self.history.settle(10.0)
        return self

    def ends(self) -> None:
        self.history.stop(10.0)

    @property
    def incident(self):
        return next(iter(self.monitor.view().incidents), None)


@pytest.fixture
def live(tmp_path, clock):
    """Begin lives in one state directory; each is ended at the latest with the test."""
    lives: list[Life] = []

    def begin(directory: Path = tmp_path, **how) -> Life:
        lives.append(Life(directory, how.pop("clock", clock), **how))
        return lives[-1]

    yield begin
    for life in lives:
        life.ends()


@pytest.fixture
def outage(live):
    """A life with an acknowledged outage, all of it written down."""
    life = live().reads(Reason.OK).reads(Reason.DEADLINE, 4).acknowledges().settle()
    assert life.incident.verdict is Verdict.OUTAGE
    return life


def dead(directory: Path, to: Path) -> Path:
    """What a kill leaves behind: the files as they are now."""
    to.mkdir()
    for path in filter(Path.is_file, directory.iterdir()):
        shutil.copy(path, to / path.name)
    return to


# --- over a restart ---------------------------------------------------------------


def test_what_operators_have_laid_on_comes_back_after_a_kill(outage, live, clock, tmp_path):
    at, who = clock.monotonic(), {"by": "alex", "origin": "cli", "reason": "known"}
    for event in (
        Shelve(at, "mfa", True, **who),
        Maintenance(at, None, True, **who),
        Bypass(at, "mfa", True, **who),
    ):
        outage.take(outage.monitor.handle(event))
    laid = outage.settle().monitor.view().overlays
    assert len(laid) == 3
    again = live(dead(tmp_path, tmp_path / "copy"))
    assert again.monitor.view().overlays == laid
    assert again.incident == outage.incident
    again.take(again.monitor.handle(Maintenance(at + 1.0, None, False, **who)))
    again.take(again.monitor.handle(Shelve(at + 1.0, None, False, **who)))
    again.settle()
    third = live(dead(tmp_path / "copy", tmp_path / "third"))
    service = third.monitor.remember(at + 2.0).services["mfa"]
    assert service.suppression == Suppression(Verdict.OUTAGE, at + 1.0), "not yet seen again"


def test_another_boot_counts_its_seconds_anew(outage, live):
    outage.ends()
    off = outage.clock.utc() + timedelta(minutes=10)
    again = live(clock=ManualClock(off, 7.0))
    [row] = again.settle().history.reader.incidents(9)
    since = outage.history._utc(outage.incident.since)
    assert again.history._utc(again.incident.since) == since
    assert again.incident.since == pytest.approx(
        outage.incident.since - outage.clock.monotonic() - 593
    )
    assert row[0] == f"soc-{since:%Y%m%dT%H%M%SZ}-1"


@pytest.mark.parametrize("jump", [timedelta(days=-300), timedelta(days=3650)])
def test_a_wall_clock_that_jumped_does_no_harm(outage, live, jump):
    outage.ends()
    again = live(clock=ManualClock(outage.clock.utc() + jump, 7.0))
    assert again.incident.acknowledged
    assert -31 * 86400 < again.incident.since <= 7.0
    [(name, _)] = again.settle().history.reader.incidents(9)
    assert name == "soc-20260105T120200Z-1", "its name stays"


WAL_HEADER, FRAME_HEADER = 32, 24


def cuts_of(whole: bytes) -> list[int]:
    """Where a power cut may end the log: pages, sectors, frames, and inside of each frame."""
    [page] = struct.unpack(">I", whole[8:12])
    frame = page + FRAME_HEADER
    frames = range(WAL_HEADER, len(whole) + 1, frame)
    torn = [start + into for start in frames for into in (5, FRAME_HEADER, frame // 2, frame - 1)]
    cuts = {0, 17, len(whole), *range(0, len(whole), 2048), *frames, *torn[:: len(torn) // 20]}
    return sorted(cut for cut in cuts if cut <= len(whole))


@pytest.fixture
def cut_down(live, clock, tmp_path):
    """A log with four states in it, and a function that starts a beacon on what is left of it."""
    life = live(pace=SLOW).reads(Reason.OK).settle()
    states = [None, life.monitor.remember(clock.monotonic())]

    def shelves():
        order = Shelve(
            clock.monotonic(), "mfa", True, by="alex", origin="cli", reason="known", seconds=600.0
        )
        life.take(life.monitor.handle(order))

    for step in (lambda: life.reads(Reason.DEADLINE, 4), life.acknowledges, shelves):
        step()
        life.settle()
        states.append(life.monitor.remember(clock.monotonic()))
    whole, now = (tmp_path / f"{NAME}-wal").read_bytes(), clock.utc()

    def begin(number: int, log: bytes) -> tuple[int, Life]:
        """Which state came back, and its new life."""
        copy = dead(tmp_path, tmp_path.parent / f"{tmp_path.name}-{number}")
        (copy / f"{NAME}-shm").unlink()
        (copy / f"{NAME}-wal").write_bytes(log)
        again = live(copy, clock=ManualClock(now, clock.monotonic()))
        assert not again.history.degraded
        found = again.recalled.memory
        known = [n for n, state in enumerate(states) if _same(state, found)]
        assert known, found
        return known[0], again

    return whole, begin


def test_every_cut_of_the_log_leaves_a_moment_that_was(cut_down):
    """A power cut: whatever is left of the -wal, one of the states that were committed."""
    whole, begin = cut_down
    seen = []
    for number, cut in enumerate(cuts_of(whole)):
        state, again = begin(number, whole[:cut])
        seen.append(state)
        _goes_on(again, state)
        again.ends()
    assert len(seen) > 50
    assert set(seen) == {0, 1, 2, 3, 4}
    assert seen == sorted(seen), "a longer log never holds less"


def test_a_torn_page_counts_as_not_written(cut_down):
    """The card kept the length of the log and not what was at its end."""
    whole, begin = cut_down
    cuts = cuts_of(whole)
    last = cuts[bisect_left(cuts, 4, key=lambda cut: begin(cut, whole[:cut])[0])]
    [page] = struct.unpack(">I", whole[8:12])
    half_a_sector, a_page, a_frame = 256, page, page + FRAME_HEADER
    for number, length in enumerate((half_a_sector, a_page, a_frame)):
        torn = bytes(
            0 if length == a_frame else byte ^ 0xFF for byte in whole[last - length : last]
        )
        state, again = begin(-1 - number, whole[: last - length] + torn + whole[last:])
        assert state == 3
        _goes_on(again, state)


def _goes_on(life: Life, state: int) -> None:
    """What was acknowledged stays silent, what was not asks at its own time."""
    before = _incident(life)
    if state < 2:
        assert before is None
        return
    [alarm] = life.monitor.remember(life.clock.monotonic()).alarms.values()
    sounds, until = [], life.clock.monotonic() + 1800.0
    while not sounds and life.clock.monotonic() < until:
        sounds = life.hears(Reason.DEADLINE, 1)
    assert _incident(life) == before
    if state == 2:
        assert sounds == ["pulse"]
        assert 0.0 <= life.clock.monotonic() - alarm.realarm_at < 30.0
    else:
        assert sounds == []
        assert life.incident.acknowledged_by == "alex"


def _incident(life: Life):
    """The incident, without what newer readings change: which of them its causes cite."""
    return life.incident and replace(life.incident, causes=())


def _same(one: Memory | None, other: Memory | None) -> bool:
    """In everything: incident, acknowledgement, overlays, time of the next re-alarm."""
    if one is None or other is None:
        return one is other
    return replace(one, at=0.0) == replace(other, at=0.0)


def test_settings_that_changed_meanwhile_are_found(outage, live):
    outage.ends()
    again = live(**{"mfa/sign-in": "settings with another password"})
    assert again.recalled.changed == {"mfa/sign-in"}
    assert again.incident is not None


def test_settings_are_kept_as_keyed_hashes(outage, tmp_path):
    outage.ends()
    key = (tmp_path / KEY).read_bytes()
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    text = HistoryText(tmp_path / NAME).memory
    assert hmac.digest(key, b"settings", "sha256").hex()[:16] in text
    assert '"settings"' not in text


class HistoryText:
    def __init__(self, path: Path) -> None:
        db = sqlite3.connect(path)
        self.memory = db.execute("SELECT document FROM memory").fetchone()[0]
        self.mode = db.execute("PRAGMA journal_mode").fetchone()[0]
        db.close()


def test_a_memory_that_cannot_be_read_is_dropped_and_numbers_go_on(outage, live, tmp_path, caplog):
    outage.ends()
    execute(tmp_path / NAME, "UPDATE memory SET document = '{\"memory\": 5}'")
    again = live()
    assert again.incident is None
    assert "cannot be read and is dropped" in caplog.text
    again.reads(Reason.OK).reads(Reason.DEADLINE, 4).settle()
    states = {name[-2:]: incident["state"] for name, incident in again.history.reader.incidents(9)}
    assert states == {"-2": "open", "-1": "closed"}


def test_causes_and_their_readings_are_in_the_file_and_survive(outage, live):
    [cause] = outage.incident.causes
    lost = Reading(Reason.DEADLINE, records=("spf_missing TXT otp.example",))
    outage.clock.advance(30.0)
    at = outage.clock.monotonic()
    outage.take(outage.monitor.handle(Observed(at, "mfa/sign-in", lost, at)))
    outage.ends()
    again = live()
    assert again.incident.causes == (cause,)
    assert again.incident.records == lost.records
    answer = Incidents(again.history, again.clock, site)({"incident": "1"}, "alex")
    [cause] = answer["incident"]["causes"]
    assert (cause["cause"], cause["explains"], cause["window"]) == ("unknown", True, None)
    assert cause["readings"][0]["reason"] == "deadline"
    assert cause["readings"][0]["at"].endswith("+00:00")
    assert answer["incident"]["vendor"] == []
    assert answer["incident"]["records"] == list(lost.records)
    assert answer["incident"]["vendor_differs"] is False
    assert answer["runbook"] is None
    assert answer["now"] == iso(again.clock.utc())


# --- what is written --------------------------------------------------------------


def test_transitions_orders_and_stories_are_written(outage):
    reader = outage.history.reader
    assert [(t["was"], t["now"], t["reason"]) for t in reader.transitions("mfa", 0, 2e10)] == [
        ("unknown", "up", "ok"),
        ("up", "down", "deadline"),
    ]
    [order] = reader.commands("mfa", 0, 2e10)
    assert (order["command"], order["by"], order["origin"]) == ("acknowledge", "alex", "cli")
    assert (order["reason"], order["service"]) == ("with the vendor", None)
    assert [s["what"] for s in reader.story(1)] == ["opened", "acknowledged"]
    [(_, incident)] = reader.incidents(9)
    assert (incident["state"], incident["acknowledged_by"]) == ("acknowledged", "alex")


def test_an_incident_lists_the_orders_of_its_life_that_concern_it(outage, clock):
    life, who = outage, {"by": "alex", "origin": "cli"}
    orders = (("mfa", True), ("sms", True), (None, True), ("mfa", False))
    for service, on in orders:
        life.take(life.monitor.handle(Shelve(clock.monotonic(), service, on, **who)))
    life.settle()
    story = Incidents(life.history, life.clock, lambda: life.monitor.site)
    commands = story({"incident": "1"}, "alex")["operators"]
    assert [(o["command"], o["service"], o["state"], o["by"], o["origin"]) for o in commands] == [
        ("acknowledge", None, "ON", "alex", "cli"),
        ("shelve", "mfa", "ON", "alex", "cli"),
        ("shelve", None, "ON", "alex", "cli"),
        ("shelve", "mfa", "OFF", "alex", "cli"),
    ]
    [since] = [t["at"] for t in life.history.reader.story(1) if t["what"] == "opened"]
    assert life.history.reader.commands("mfa", 0, since - 1) == []


def test_nothing_is_written_while_nothing_changes(live, clock, tmp_path):
    life = live().reads(Reason.OK, 30).settle()
    before = (tmp_path / f"{NAME}-wal").stat()
    for _ in range(3):
        life.reads(Reason.OK, 20).settle()
    assert (tmp_path / f"{NAME}-wal").stat().st_mtime_ns == before.st_mtime_ns


def test_the_memory_of_an_open_incident_is_kept_fresh(outage, tmp_path, eventually):
    outage.clock.advance(600.0)
    at = f'"at":{outage.clock.monotonic()}'
    eventually(lambda: at in HistoryText(tmp_path / NAME).memory, "the minute's memory")


FEW = {"transitions": 10, "incidents": 3, "story": 5, "operators": 5}


def test_old_rows_go_while_it_runs_and_the_newest_stay(tmp_path):
    """A beacon that is never restarted does not fill its card."""
    file = HistoryFile(tmp_path / NAME, FEW)
    file.open()
    for n in range(1, 301):
        rows = [
            Row("transitions", (float(n), "a/b", "up", "down", "deadline", "")),
            Row("operators", (float(n), "acknowledge", "alex", "cli", "", "", "", "ON")),
            Row("story", (n, float(n), "a", "opened", "outage", "", "")),
        ]
        file.write(Batch(rows=rows, incidents=[(n, f"i{n}", False, "{}")]))
        if n == 30:
            pages = file._db.execute("PRAGMA page_count").fetchone()
    reader = database.DatabaseReader(tmp_path / NAME)
    assert [t["at"] for t in reader.transitions("a", 0, 1e9)] == [float(n) for n in range(291, 301)]
    assert [name for name, _ in reader.incidents(9)] == ["i300", "i299", "i298"]
    for named in ("i298", "298"):
        assert [name for name, _ in reader.incidents(1, named)] == ["i298"], (
            "also behind the newest"
        )
    assert len(reader.commands("", 0, 2e10)) == 5
    assert reader.story(295) == []
    assert len(reader.story(296)) == 1
    assert file._db.execute("PRAGMA page_count").fetchone() == pages, "pages are used again"
    file.close()
    assert not (tmp_path / f"{NAME}-wal").exists()


def test_what_an_older_limit_left_over_goes_at_the_start(live, tmp_path):
    file = HistoryFile(tmp_path / NAME, FEW | {"incidents": 10_000})
    file.open()
    file.write(Batch(incidents=[(n, f"i{n}", False, "{}") for n in range(1, 5_011)]))
    file.close()
    found = live().settle().history.reader.incidents(9_999)
    assert len(found) == 5_000
    assert found[0][0] == "i5010"


def test_the_log_is_synchronous(tmp_path):
    file = HistoryFile(tmp_path / NAME)
    file.open()
    assert file._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert file._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


# --- baselines --------------------------------------------------------------------


LEARNING = replace(SLOW, refresh=0.01, learn=900.0)


class Learning:
    """A history beside something that has learnt, and returns each change once."""

    def __init__(self, directory: Path, clock: ManualClock) -> None:
        self.clock, self.changes = clock, ((), frozenset())
        self.memory = Memory(at=0.0)
        self.history = history_of(
            directory, clock, remember=lambda: self.memory, learnt=self._changed, pace=LEARNING
        )
        self.recalled = self.history.recall()
        self.history.start()

    def _changed(self):
        changes, self.changes = self.changes, ((), frozenset())
        return changes

    def kept(self) -> list[Learnt]:
        file = HistoryFile(self.history.reader.path)
        file.open()
        try:
            return file.learnt()
        finally:
            file.close()


def slot(number: int, endpoint: str = "mfa/sign-in", week: int = 9) -> Learnt:
    return Learnt(endpoint, number, week, bytes([number, *[0] * 6]))


@pytest.fixture
def learning(tmp_path, clock):
    lives = []

    def begin() -> Learning:
        lives.append(Learning(tmp_path, clock))
        return lives[-1]

    yield begin
    for life in lives:
        life.history.stop(10.0)


def test_what_was_learnt_is_written_every_quarter_of_an_hour(learning, clock, eventually):
    life = learning()
    life.changes = (slot(1), slot(2)), frozenset()
    life.history.settle(10.0)
    assert life.kept() == []
    clock.advance(900.0)
    eventually(lambda: life.kept() == [slot(1), slot(2)], "it is written")
    life.changes = (slot(2, week=10),), frozenset()
    life.history.stop(10.0)
    again = learning()
    assert list(again.recalled.learnt) == [slot(1), slot(2, week=10)]


def test_codes_that_arrived_are_counted_on_disk_as_often(learning, clock, tmp_path, eventually):
    """Each reading of what a cause affects counts one more: none of them is worth a write."""
    life = learning()
    life.history.settle(10.0)
    text = HistoryText(tmp_path / NAME).memory
    life.memory = Memory(at=1.0, arrivals=(Arrivals("mfa/dns", "mfa/sign-in", 7),))
    life.history.settle(10.0)
    assert HistoryText(tmp_path / NAME).memory == text
    clock.advance(900.0)
    eventually(lambda: '"well_arrived":7' in HistoryText(tmp_path / NAME).memory, "it is written")
    life.memory = Memory(at=2.0, arrivals=(Arrivals("mfa/dns", "mfa/sign-in", 8),))
    life.history.stop(10.0)
    assert '"well_arrived":8' in HistoryText(tmp_path / NAME).memory


def test_what_is_forgotten_goes_before_what_is_learnt_anew(learning, clock):
    life = learning()
    life.changes = (slot(1), slot(2), slot(3, "mfa/other")), frozenset()
    clock.advance(900.0)
    life.history.settle(10.0)
    life.changes = (slot(2, week=10),), frozenset({"mfa/sign-in"})
    clock.advance(900.0)
    life.history.settle(10.0)
    assert life.kept() == [slot(2, week=10), slot(3, "mfa/other")]


def test_what_could_not_be_written_is_written_later(learning, clock, tmp_path, eventually):
    life = learning()
    with locked(tmp_path):
        life.changes = (slot(1), slot(2, "mfa/other")), frozenset()
        clock.advance(900.0)
        eventually(lambda: life.history.degraded, "the storage is degraded")
    eventually(lambda: not life.history.degraded, "the storage is well")
    assert life.kept() == [slot(1), slot(2, "mfa/other")]


def test_what_is_forgotten_while_it_waits_is_never_written(learning, clock):
    life = learning()
    life.history._take_learnt(((slot(1), slot(2, "mfa/other")), frozenset()))
    life.history._take_learnt(((), frozenset({"mfa/sign-in"})))
    life.history.settle(10.0)
    assert life.kept() == [slot(2, "mfa/other")]


def test_baselines_that_make_no_sense_are_left_out(learning, tmp_path):
    learning().history.stop(10.0)
    db = sqlite3.connect(tmp_path / NAME)
    db.executemany(
        "INSERT INTO baselines VALUES (?, ?, ?, ?)",
        [(1, "a", 1, "text"), ("x", "b", 1, b""), (2, 3, 1, b""), (3, "c", None, b"")],
    )
    db.executemany("INSERT INTO baselines VALUES (?, 'd', 1, ?)", [(7, b""), (999, bytes(7))])
    db.commit()
    db.close()
    learnt = learning().recalled.learnt
    assert {each.endpoint for each in learnt} <= {"d", "3"}
    monitor = Monitor(site())
    monitor.start(0.0, learnt=learnt)
    assert monitor.learnt() == ((), frozenset())


# --- broken disks -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["text", "middle", "short"])
def test_a_broken_file_is_set_aside_whole_and_made_anew(outage, live, tmp_path, how, caplog):
    outage.ends()
    path = tmp_path / NAME
    good = path.read_bytes()
    broken = {
        "text": b"not a database" * 200,
        "middle": good[:1024] + b"\xff" * (len(good) - 2048) + good[-1024:],
        "short": good[: len(good) // 2],
    }[how]
    path.write_bytes(broken)
    (tmp_path / f"{NAME}-wal").write_bytes(b"left over")
    (tmp_path / f"{NAME}-shm").write_bytes(b"left over")
    again = live()
    assert again.history.degraded
    assert "set aside as history.db.corrupt" in caplog.text
    assert (tmp_path / f"{NAME}.corrupt").read_bytes()[:100] == broken[:100]
    if how == "text":  # else SQLite has taken the log for what it is
        assert (tmp_path / f"{NAME}.corrupt-wal").read_bytes() == b"left over"
        assert (tmp_path / f"{NAME}.corrupt-shm").read_bytes() == b"left over"
    again.reads(Reason.OK).reads(Reason.DEADLINE, 4).settle()
    assert again.incident.number == 1
    assert [incident["state"] for _, incident in again.history.reader.incidents(9)] == ["open"]


def test_a_file_made_anew_by_a_row_holds_the_memory_too(live, clock, tmp_path, eventually):
    life = live().reads(Reason.OK)
    now = clock.monotonic()
    life.take(life.monitor.handle(Bypass(now, "mfa", on=True, by="alex", origin="cli")))
    life.settle()
    with locked(tmp_path):
        life.take([Answered(now, "silence", ok=False, by="alex", origin="cli")])
        eventually(lambda: life.history.degraded, "the storage is degraded")
    (tmp_path / NAME).write_bytes(b"not a database" * 200)
    clock.advance(10.0)
    life.settle()
    assert (tmp_path / f"{NAME}.corrupt").exists()
    assert live(dead(tmp_path, tmp_path / "copy")).monitor.view().overlays


def test_a_newer_file_is_refused_and_left_untouched(outage, live, tmp_path, caplog):
    outage.ends()
    path = tmp_path / NAME
    execute(path, f"PRAGMA user_version = {database.VERSION + 1}")
    log = Path(f"{path}-wal")
    log.write_bytes(b"a newer beacon's log, not yet taken in")
    before = _files(tmp_path)
    again = live().reads(Reason.OK).reads(Reason.DEADLINE, 4).settle()
    assert again.incident is not None, "judged all the same"
    assert again.history.degraded
    again.ends()
    assert _files(tmp_path) == before, "byte for byte, with its log, and with its times"
    assert "install that beacon again, or move the file away" in caplog.text
    assert f"(schema {database.VERSION + 1}, known is {database.VERSION})" in caplog.text
    assert caplog.text.count("newer beacon") == 1
    with pytest.raises(Newer, match="move the file away"):
        HistoryFile(path).open()


def _files(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


def test_a_locked_file_is_waited_for_without_holding_anybody(outage, tmp_path, eventually):
    with locked(tmp_path):
        outage.reads(Reason.OK, 3)
        eventually(lambda: outage.history.degraded, "the storage is degraded")
        assert outage.incident.verdict is Verdict.RECOVERING
    eventually(lambda: _well_a_second_later(outage), "the storage is well")
    outage.settle()
    assert [s["what"] for s in outage.history.reader.story(1)][-1] == "recovering"


def test_a_full_disk_loses_nothing_once_there_is_space(live, tmp_path, eventually):
    """A file system of 200 KiB: filled, then freed."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount here")
    try:
        life = live(small).reads(Reason.OK).settle()
        _fill(small / "ballast")
        life.reads(Reason.DEADLINE, 4).acknowledges()
        for _ in range(40):
            life.reads(Reason.OK, 3).reads(Reason.DEADLINE, 4)
        eventually(lambda: life.history.degraded, "the storage is degraded")
        assert life.incident is not None
        (small / "ballast").unlink()
        eventually(lambda: _well_a_second_later(life), "the storage is well")
        life.settle()
        assert [s["what"] for s in life.history.reader.story(1)][:2] == ["opened", "acknowledged"]
        life.ends()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _well_a_second_later(life) -> bool:
    """Whether a try after one more second succeeded; an attempt under way may fail meanwhile."""
    life.clock.advance(1.0)
    return not life.history.degraded


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            return


@pytest.fixture
def read_only(tmp_path):
    """A function that binds a directory over itself, read-only, until the test ends."""
    bound: list[Path] = []

    def bind(directory: Path) -> Callable[[], None]:
        here = str(directory)
        if subprocess.run(
            ["mount", "--bind", here, here], check=False, capture_output=True
        ).returncode:
            pytest.skip("may not mount here")
        bound.append(directory)
        remount = ["mount", "-o", "remount,bind,ro", here]
        subprocess.run(remount, check=True)
        return lambda: subprocess.run([*remount[:2], "remount,bind,rw", here], check=True)

    yield bind
    for directory in bound:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.parametrize("index", [True, False], ids=["killed", "power cut"])
def test_what_is_remembered_is_read_where_nothing_can_be_written(
    outage, live, tmp_path, read_only, eventually, index
):
    """Killed, and its card gone read-only: the log beside the database is read all the same."""
    copy = dead(tmp_path, tmp_path / "copy")
    before = (copy / NAME).read_bytes()
    assert (copy / f"{NAME}-wal").stat().st_size, "the last is in the log only"
    if not index:
        (copy / f"{NAME}-shm").unlink()
    mend = read_only(copy)
    again = live(copy)
    assert again.history.degraded
    assert again.incident == outage.incident
    assert again.history.key == outage.history.key
    assert not again.recalled.changed
    again.reads(Reason.DEADLINE, 3)
    assert (copy / NAME).read_bytes() == before
    mend()
    eventually(lambda: _well_a_second_later(again), "the storage is well")
    again.reads(Reason.OK, 2).settle()
    assert [s["what"] for s in again.history.reader.story(1)][-1] == "recovering"
    again.ends()


def test_a_key_made_where_nothing_could_be_written_is_kept_later(
    tmp_path, live, eventually, caplog
):
    place = tmp_path / "later"
    life = live(place).reads(Reason.OK).reads(Reason.DEADLINE, 4)
    assert life.history.degraded
    assert life.incident is not None
    assert caplog.text.count("goes on without") == 1
    place.mkdir()
    eventually(lambda: _well_a_second_later(life), "the storage is well")
    assert (place / KEY).read_bytes() == life.history.key
    life.ends()
    assert not live(place).recalled.changed


def test_a_thread_that_does_not_keep_up_loses_rows_not_time(tmp_path, clock):
    history = history_of(tmp_path, clock)
    history.recall()
    effects = Monitor(site()).start(0.0)
    for _ in range(WAITING + 10):
        history.offer(effects)
    assert history.degraded
    history.start()
    history.settle(10.0)
    history.settle(10.0)
    assert not history.degraded
    history.stop(10.0)


def test_a_judge_that_does_not_answer_costs_the_memory_only(tmp_path, clock):
    def never(_call):
        raise TimeoutError

    monitor = Monitor(site())
    history = history_of(tmp_path, clock, ask=never)
    history.recall()
    history.start()
    history.offer(monitor.start(clock.monotonic()))
    at = clock.monotonic()
    history.offer(monitor.handle(Observed(at, "mfa/sign-in", Reading(Reason.OK), at)))
    history.settle(10.0)
    assert history.reader.transitions("mfa", 0, 2e10)
    history.stop(10.0)


# --- one-time codes ---------------------------------------------------------------


def test_a_used_step_is_on_disk_before_the_code_goes_out(live, tmp_path, clock):
    life = live()
    ledger, token = Ledger(), Token.parse(SEED)
    ledger.keep(life.history)
    utc = clock.utc().timestamp()
    ledger.wait(token, utc)
    assert ledger.claim(token, utc + 30)
    copy = dead(tmp_path, tmp_path / "copy")
    again = live(copy)
    later = Ledger()
    later.keep(again.history)
    later.wait(token, utc)
    assert not later.claim(token, utc + 31), "used in the life before, the clock set back since"
    assert later.claim(token, utc + 60)
    assert token.seed not in (copy / NAME).read_bytes()
    assert len(again.history.settle(5) or list(again.history.used())) == 1


def test_a_step_that_cannot_be_written_holds_nobody(live, tmp_path, clock):
    life = live(tmp_path / "nowhere")
    ledger, token = Ledger(), Token.parse(SEED)
    ledger.keep(life.history)
    utc = clock.utc().timestamp()
    ledger.wait(token, utc)
    done = threading.Event()
    threading.Thread(target=lambda: (ledger.claim(token, utc + 30), done.set())).start()
    assert done.wait(5)
    assert not ledger.claim(token, utc + 31)


def test_old_steps_are_forgotten_with_new_ones(tmp_path):
    file = HistoryFile(tmp_path / NAME)
    file.open()
    for step in (100, 150, 1000):
        file.write(Batch(steps=[(b"token", 30, step)]))
    file.write(Batch(steps=[(b"other", 30, 5)]))
    assert sorted(file.steps()) == [(b"other", 30, 5), (b"token", 30, 1000)]
    file.close()


def test_two_lives_are_alike_but_for_time(outage, live):
    outage.ends()
    again = live()
    assert replace(again.recalled.memory, at=0.0) == replace(
        outage.monitor.remember(outage.clock.monotonic()), at=0.0
    )


def test_a_key_that_cannot_be_read_is_logged(tmp_path, live, caplog):
    (tmp_path / KEY).mkdir()
    assert len(live().history.key) == 32
    assert "Is a directory; used codes are not remembered" in caplog.text
