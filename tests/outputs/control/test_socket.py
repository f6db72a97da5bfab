"""The control socket: who may ask, what is answered, and that a bad caller costs nobody else."""

import contextlib
import getpass
import json
import logging
import os
import socket
import stat
import threading

import pytest

from beacon.outputs.control import socket as control
from beacon.outputs.control.socket import (
    CALLERS,
    ActionRefused,
    ControlError,
    ControlSocket,
    NoBeacon,
    NotAllowed,
    ask,
    socket_path,
)


def echo(request, by):
    return {"echo": request.get("word"), "by": by}


def refuse(request, by):
    raise ActionRefused("not today")


def break_(request, by):
    raise RuntimeError("password=hunter2")


def busy(request, by):
    raise TimeoutError


ACTIONS = {"echo": echo, "refuse": refuse, "break": break_, "busy": busy}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def served(path):
    server = ControlSocket(path, ACTIONS)
    server.start()
    server.offer(())
    yield server
    server.stop(5)
    assert not path.exists()


def talk(path, *pieces: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(str(path))
        for piece in pieces:
            wire.sendall(piece)
        wire.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def test_it_answers_and_knows_who_asks(served, path):
    user = getpass.getuser() if os.getuid() else "root"
    assert ask([path], {"action": "echo", "word": "é"}) == {"ok": True, "echo": "é", "by": user}


def test_only_owner_and_group_may_use_it(served, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_it_belongs_to_the_beacons_group_where_there_is_one(path):
    server = ControlSocket(path, ACTIONS, group="daemon")
    server.start()
    try:
        if os.getuid() == 0:
            assert path.group() == "daemon"
    finally:
        server.stop(5)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 4000, "not JSON"),
        (b"[1]", "a request is a JSON object"),
        (b"{}", "no such action; there is: echo, refuse, break, busy"),
        (b'{"action": "drop"}', "no such action; there is: echo, refuse, break, busy"),
        (b'{"action": ["echo"]}', "no such action; there is: echo, refuse, break, busy"),
        (b'{"action": "refuse"}', "not today"),
        (b'{"action": "busy"}', "the beacon is too busy to answer"),
        (b'{"action": "break"}', "internal error; see the beacon's log"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(served, path, line, error):
    assert json.loads(talk(path, line + b"\n")) == {"ok": False, "error": error}


def test_a_bug_in_an_action_is_logged_without_what_it_says(served, path, caplog):
    with caplog.at_level(logging.DEBUG):
        ask([path], {"action": "break"})
    assert "control action break failed" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text.replace('raise RuntimeError("password=hunter2")', "")


def test_several_requests_in_pieces_on_one_connection(served, path):
    answer = talk(path, b'{"action": "ec', b'ho", "word": 1}\n{"action": "echo", "word": 2}\n')
    assert [json.loads(line)["echo"] for line in answer.splitlines()] == [1, 2]


def test_a_request_that_never_ends_is_cut_off(served, path):
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(str(path))
        wire.sendall(b"x" * (control.LONGEST_REQUEST + 1))
        with contextlib.suppress(ConnectionResetError):
            assert wire.recv(1) == b""


def test_a_caller_that_says_nothing_is_let_go(path):
    server = ControlSocket(path, ACTIONS, patience=0.05)
    server.start()
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(10)
            wire.connect(str(path))
            assert wire.recv(1) == b""
    finally:
        server.stop(5)


@pytest.fixture
def crowd(served, path):
    """Callers who have connected, as many as may be, and two more."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(CALLERS + 2)]
        for wire in wires:
            wire.settimeout(10)
        yield wires


def idle(wire):
    """Ask for nothing."""


def slow(wire):
    wire.sendall(b'{"action": "ec')


def deaf(wire):
    """Ask for more than the socket holds, and read nothing."""
    with contextlib.suppress(OSError):
        wire.sendall(b'{"action": "long"}\n')


@pytest.mark.parametrize("manner", [idle, slow, deaf])
def test_callers_who_block_give_way_to_one_who_asks(crowd, path, manner, monkeypatch):
    monkeypatch.setitem(ACTIONS, "long", lambda *_: {"word": "x" * 4_000_000})
    for wire in crowd:
        wire.connect(str(path))
        manner(wire)
    assert ask([path], {"action": "echo", "word": 3})["echo"] == 3
    assert ask([path], {"action": "echo", "word": 4})["echo"] == 4


def test_the_oldest_idle_caller_goes_first(crowd, path):
    for wire in crowd[:CALLERS]:
        wire.connect(str(path))
        wire.sendall(b'{"action": "echo", "word": 1}\n')
        assert json.loads(wire.recv(4096))["echo"] == 1
    crowd[0].sendall(b'{"action": "echo", "word": 2}\n')
    assert json.loads(crowd[0].recv(4096))["echo"] == 2
    crowd[CALLERS].connect(str(path))
    assert crowd[1].recv(1) == b"", "it has asked nothing for the longest time"
    crowd[0].sendall(b'{"action": "echo", "word": 3}\n')
    assert json.loads(crowd[0].recv(4096))["echo"] == 3


def test_who_waits_for_an_answer_does_not_give_way(crowd, path, monkeypatch):
    hold, began = threading.Event(), threading.Semaphore(0)

    def wait(request, by):
        began.release()
        hold.wait(20)
        return {"echo": request["word"]}

    monkeypatch.setitem(ACTIONS, "wait", wait)
    for word, wire in enumerate(crowd[:CALLERS]):
        wire.connect(str(path))
        wire.sendall(json.dumps({"action": "wait", "word": word}).encode() + b"\n")
        began.acquire(timeout=20)
    assert ask([path], {"action": "echo"})["error"] == "too many ask at once; try again"
    hold.set()
    echoed = [json.loads(wire.recv(4096))["echo"] for wire in crowd[:CALLERS]]
    assert echoed == list(range(CALLERS))


def test_an_answer_that_cannot_be_written_costs_no_place(served, path, monkeypatch):
    monkeypatch.setitem(ACTIONS, "bad", lambda *_: {"word": object()})
    for _ in range(2 * CALLERS):
        assert "internal error" in ask([path], {"action": "bad"})["error"]
    assert answers(path)


def answers(path) -> bool:
    try:
        return ask([path], {"action": "echo"})["ok"]
    except NoBeacon:
        return False


def test_two_beacons_do_not_share_a_socket(served, path):
    with pytest.raises(ControlError) as refused:
        ControlSocket(path, ACTIONS).start()
    assert str(refused.value) == (
        f"another beacon is running (process {os.getpid()}): it serves {path}; end it with "
        f"`kill {os.getpid()}` (the service: `systemctl stop mfa-beacon`), or choose another "
        "directory with --state-dir"
    )
    assert ask([path], {"action": "echo"})["ok"]


def test_a_beacon_that_is_stopped_keeps_its_socket(path):
    """Its backlog is full: a second beacon beside it would drive the same lamps."""
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(socket.socket(socket.AF_UNIX))
        stopped.bind(str(path))
        stopped.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))
        with pytest.raises(ControlError, match="another beacon serves it and does not answer"):
            ControlSocket(path, ACTIONS).start()
    assert path.exists()


def test_a_socket_left_by_a_dead_beacon_is_taken_over(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NoBeacon, match="left from one that died"):
        ask([path], {"action": "echo"})
    server = ControlSocket(path, ACTIONS)
    server.start()
    assert ask([path], {"action": "echo"})["ok"]
    server.stop(5)


def test_a_socket_that_cannot_be_made_is_reported(tmp_path):
    with pytest.raises(ControlError, match="longer than 107 bytes; choose a shorter --state-dir"):
        ControlSocket(tmp_path / ("x" * 120), ACTIONS).start()
    server = ControlSocket(tmp_path / "away/control.sock", ACTIONS)
    with pytest.raises(FileNotFoundError):
        server.start()
    server.stop(1)
    (tmp_path / "away").mkdir()
    server.start()
    assert ask([tmp_path / "away/control.sock"], {"action": "echo"})["ok"]
    server.stop(5)


def test_before_the_beacon_is_up_it_says_so(path):
    actions = {}
    server = ControlSocket(path, actions)
    server.start()
    assert ask([path], {"action": "echo"})["error"] == "the beacon is starting"
    actions |= ACTIONS
    assert ask([path], {"action": "echo"})["ok"]
    server.stop(5)


def test_stopping_what_never_started_does_nothing(path):
    server = ControlSocket(path, ACTIONS)
    server.stop(1)
    server.stop(1)


def test_nobody_there(tmp_path):
    places = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(NoBeacon, match=r"no socket at .*/a, .*/b"):
        ask(places, {"action": "status"})


def test_one_that_does_not_answer(path):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        with pytest.raises(NoBeacon, match="does not answer"):
            ask([path], {"action": "status"}, timeout=0.05)


def test_one_that_hangs_up(path):
    with socket.socket(socket.AF_UNIX) as rude:
        rude.bind(str(path))
        rude.listen()

        def hang_up():
            rude.accept()[0].close()

        hangs_up = threading.Thread(target=hang_up)
        hangs_up.start()
        with pytest.raises(NoBeacon, match="does not answer"):
            ask([path], {"action": "status"})
        hangs_up.join(5)


def test_who_may_not_ask_learns_who_may(path):
    class Forbidden(type(path)):
        def exists(self, **_):
            raise PermissionError

    with pytest.raises(NotAllowed, match="only root and the group mfa-beacon may ask"):
        ask([Forbidden(path)], {"action": "status"})


def test_the_runtime_directory_comes_before_the_state_directory(tmp_path):
    assert socket_path(tmp_path, {}) == tmp_path / "control.sock"
    environ = {"RUNTIME_DIRECTORY": "/run/a:/run/b"}
    assert str(socket_path(tmp_path, environ)) == "/run/a/control.sock"
