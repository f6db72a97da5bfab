"""What the beacon says on stderr."""

import contextlib
import io
import logging
import os
import sys
import time
from dataclasses import replace

import pytest

from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    OverallChanged,
    OverlaysChanged,
    Recheck,
    Sounded,
    Transition,
)
from beacon.core.indication import Sound
from beacon.core.model import Health, Reading, Reason, Verdict
from beacon.core.views import OverallView, Overlay, OverlayKind, SilenceChanged
from beacon.outputs.journal import LineWriter, LogBook, OneLine, diverted, set_up

FAILED = Reading(Reason.DNS_NXDOMAIN, "otp.example has no MX")


@pytest.fixture
def root():
    """The root logger, put back afterwards."""
    it = logging.getLogger()
    handlers, level, own = it.handlers[:], it.level, logging.getLogger("beacon").level
    yield it
    it.handlers[:] = handlers
    it.setLevel(level)
    logging.getLogger("beacon").setLevel(own)


def record(message="watching", exc_info=None, level=logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("beacon.daemon.life", level, "app.py", 1, message, (), exc_info)


def raised(error: ValueError):
    try:
        raise error
    except ValueError:
        return sys.exc_info()


def test_a_record_is_one_line_even_with_a_traceback():
    line = OneLine(journal=False).format(record("broke:\n  here", raised(ValueError("otp 123456"))))
    assert "\n" not in line
    assert "INFO beacon.daemon.life: broke: | here | " in line
    assert line.endswith("builtins.ValueError")
    assert line[:4].isdigit()


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (50, 2)],
)
def test_the_journal_gets_a_priority_and_no_time(level, priority):
    line = OneLine(journal=True).format(record(level=level))
    assert line == f"<{priority}>{logging.getLevelName(level)} beacon.daemon.life: watching"


def test_an_empty_exception_is_nothing():
    assert OneLine(journal=True).formatException((None, None, None)) == ""


def test_foreign_libraries_do_not_log_what_they_send(root, capsys):
    writer = set_up("debug", {"JOURNAL_STREAM": "8:1"})
    logging.getLogger("urllib3.connectionpool").debug("GET /?token=hunter2")
    logging.getLogger("beacon.net").debug("asked")
    writer.drain(10)
    assert capsys.readouterr().err == "<7>DEBUG beacon.net: asked\n"
    set_up("info", {})
    logging.getLogger("beacon.net").debug("asked")
    assert capsys.readouterr().err == ""


@pytest.fixture
def pipe():
    """A pipe that is full, and nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with os.fdopen(reader, "rb", 0) as out, os.fdopen(writer, "w", 1, "utf-8") as stream:
        yield out, stream


def emit(writer, *words):
    for word in words:
        writer.handle(record(word))


def test_whoever_logs_never_waits_for_whoever_reads(pipe):
    out, stream = pipe
    writer = LineWriter(stream, most=10)
    writer.setFormatter(logging.Formatter("%(message)s"))
    emit(writer, "first")
    began = time.monotonic()
    emit(writer, *("more" for _ in range(1000)))
    writer.drain(0.01)
    assert time.monotonic() - began < 5, "a thousand lines into a full pipe"
    while b"dropped" not in (read := out.read(65536)):
        pass  # at last somebody reads
    kept = read.decode().lstrip("x").splitlines()
    assert "991 log lines were dropped: nobody read them in time" in kept
    writer.drain(10)
    emit(writer, "as before")
    assert out.read(65536) == b"as before\n"


def test_a_reader_that_goes_away_costs_lines_and_nothing_else():
    reader, end = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), os.fdopen(end, "w") as stream:
        writer = LineWriter(stream)
        emit(writer, "lost")
        writer.drain(10)
        emit(writer, "lost too")
        writer.drain(10)


def test_a_line_that_cannot_be_made_is_replaced_by_a_note(capsys):
    writer = LineWriter(sys.stderr)
    broken = record("%d")
    broken.args = ("password=hunter2",)
    writer.handle(broken)
    writer.drain(10)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("beacon.daemon.life: no such line | ")
    assert "hunter2" not in line


def test_lines_are_diverted_only_from_a_terminal(root, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    lines = []
    set_up("info", {})
    with diverted(lines.append):
        logging.getLogger("beacon").warning("to stderr: no terminal")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with diverted(lines.append):
        logging.getLogger("beacon.daemon.life").warning("to the picture")
        logging.getLogger("beacon").warning("what happened: the picture tells that by itself")
    assert lines == ["WARNING beacon.daemon.life: to the picture"]


def overall(**changes) -> OverallView:
    view = OverallView(
        verdict=Verdict.OUTAGE,
        problem=True,
        since=0,
        blind=False,
        starting=False,
        services=(("sms", Verdict.OUTAGE), ("push", Verdict.OK)),
    )
    return replace(view, **changes)


STOPPED = "sign-ins are stopped, as they were rejected"


def test_what_people_will_ask_about_is_written_down(caplog):
    lines = []
    book = LogBook(lines.append)
    book.start()
    with caplog.at_level(logging.INFO):
        book.offer(
            [
                Transition(1, "sms/mx", Health.UP, Health.DOWN, FAILED),
                Transition(2, "sms/mx", Health.DOWN, Health.UP, Reading(Reason.OK)),
                Announced(3, Announcement.OPENED, "sms", Verdict.OUTAGE, cause="dns"),
                Announced(4, Announcement.ACKNOWLEDGED, "sms", Verdict.OUTAGE, by="alex"),
                Announced(4, Announcement.GUARD_STOPPED, "sms", Verdict.BLIND, by="sms/sign-in"),
                Answered(5, "acknowledge", True, "alex", "cli"),
                Answered(6, "silence", False, "alex", "cli", "not silenced"),
                SilenceChanged(7, True, by="alex"),
                SilenceChanged(8, False),
                Sounded(9, Sound.CHIRP),
                Recheck(10, 11, ("sms/mx",)),
                OverallChanged(11, overall()),
            ]
        )
    book.stop(1)
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("WARNING", "sms/mx: up -> down (dns_nxdomain otp.example has no MX)"),
        ("INFO", "sms/mx: down -> up (ok)"),
        ("WARNING", "sms: opened, outage, cause dns"),
        ("INFO", "sms: acknowledged, outage, by alex"),
        (
            "WARNING",
            f"sms/sign-in: {STOPPED}; `beacon resume sms/sign-in` lets them go on",
        ),
        ("INFO", "acknowledge by alex (cli)"),
        ("INFO", "silence by alex (cli): refused, not silenced"),
        ("INFO", "silence by alex"),
        ("INFO", "silence ended"),
        ("INFO", "sound: chirp"),
    ]
    assert lines == ["outage: sms outage, push ok"]


def test_overlays_are_written_down_when_they_come_and_when_the_last_has_gone(caplog):
    book = LogBook(print)
    laid = Overlay(OverlayKind.MAINTENANCE, "mfa", 1.0, "schedule", "schedule")
    with caplog.at_level(logging.INFO, "beacon"):
        for kind in OverlayKind:
            book.offer([OverlaysChanged(0.0, kind, on=False)])
        assert caplog.messages == [], "that there is nothing is no news"
        book.offer([OverlaysChanged(1.0, OverlayKind.MAINTENANCE, True, (laid,))])
        book.offer([OverlaysChanged(2.0, OverlayKind.MAINTENANCE, on=False)])
        book.offer([OverlaysChanged(3.0, OverlayKind.ATTEST, True, (), ("keys",))])
        book.offer([OverlaysChanged(4.0, OverlayKind.ATTEST, on=False)])
    assert caplog.messages == [
        "maintenance: mfa by schedule",
        "maintenance: none",
        "attestation overdue: keys",
        "attestation overdue: none",
    ]


def test_an_order_is_written_down_with_who_where_why_and_what_came_of_it(caplog):
    with caplog.at_level(logging.INFO, "beacon"):
        LogBook(print).offer(
            [
                Answered(0.0, "bypass", False, "alex", "cli", "on already", "vendor", "mfa"),
                Answered(0.0, "acknowledge", True, "eve", "mqtt", on=False),
            ]
        )
    assert caplog.messages == [
        "bypass mfa by alex (cli), because: vendor: refused, on already",
        "acknowledge off by eve (mqtt)",
    ]
