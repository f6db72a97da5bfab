"""The notification socket, spoken to a real one."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from beacon.engine.clock import ManualClock
from beacon.outputs.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening notification socket and its NOTIFY_SOCKET value."""
    name = str(tmp_path / "notify")
    shown, address = (name, name) if request.param == "path" else ("@" + name, "\0" + name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(5)
        yield sock, shown


def test_every_message_is_what_sd_notify_wants(systemd, clock: ManualClock):
    sock, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address}, clock.monotonic)
    for tell in (notifier.ready, notifier.reloading, notifier.stopping, notifier.watchdog):
        tell()
    assert [sock.recv(4096).decode() for _ in range(4)] == [
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=1000000000",
        "STOPPING=1",
        "WATCHDOG=1",
    ]


def test_a_status_stays_one_line_and_cannot_smuggle_another_message(systemd):
    sock, address = systemd
    Notifier({"NOTIFY_SOCKET": address}).status("outage:\nSTOPPING=1  Entra — MFA\n")
    assert sock.recv(4096).decode() == "STATUS=outage: STOPPING=1 Entra — MFA"


def test_without_a_socket_it_is_quiet(caplog):
    notifier = Notifier({"WATCHDOG_USEC": "10000000"})
    notifier.ready()
    notifier.status("nobody listens")
    assert notifier.watchdog_interval is None
    assert not caplog.records


def test_a_socket_of_an_unknown_kind_is_named_and_ignored(caplog):
    notifier = Notifier({"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "10000000"})
    notifier.ready()
    assert notifier.watchdog_interval is None
    assert caplog.messages == [
        "NOTIFY_SOCKET=vsock:2:1234 is neither a path nor an abstract socket; ignored"
    ]


def test_a_socket_nobody_reads_is_logged_once_and_costs_nothing(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.reloading()
    notifier.ready()
    assert caplog.messages == [
        "systemd cannot be notified of RELOADING=1: [Errno 2] No such file or directory"
    ]


def test_a_full_socket_never_blocks(systemd, caplog):
    _, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(2000):  # far more than a datagram queue holds
        notifier.watchdog()
    assert len(caplog.messages) == 1
    assert "systemd cannot be notified of WATCHDOG=1" in caplog.messages[0]


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("15000000", None, 7.5),
        ("15000000", "ours", 7.5),
        ("15000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("²", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_and_only_by_whom_it_watches(usec, pid, interval):
    pid = str(os.getpid()) if pid == "ours" else pid  # not in a test's name: workers differ
    environ = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    given = {name: value for name, value in environ.items() if value is not None}
    assert Notifier(given).watchdog_interval == interval
