"""The control socket: one JSON object a line asks, one JSON object a line answers.

A Unix socket for people on the machine: mode 0660, group `mfa-beacon` where there is one.
The kernel says who asks (SO_PEERCRED); what the caller claims does not count. A request has an
`action`. An answer has `ok`, and `error` if `ok` is false.
"""

import contextlib
import json
import logging
import os
import pwd
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from beacon.core.effects import Effect
from beacon.engine.redaction import safe_traceback

log = logging.getLogger(__name__)

NAME: Final = "control.sock"
GROUP: Final = "mfa-beacon"
LONGEST_REQUEST: Final = 4096
LONGEST_ANSWER: Final = 16 * 1024 * 1024
PATIENCE: Final = 10.0
"""Seconds a connection may last."""
CALLERS: Final = 8
"""Most connections at once. The oldest that has asked nothing is closed for a new one."""
_LONGEST_PATH: Final = 107

Answer = dict[str, Any]
Action = Callable[[Mapping[str, Any], str], Answer]
"""One action: the request and who asks → the answer. `ok` is added if it is missing."""


class ControlError(Exception):
    """The socket cannot be served. The message says why and what to do."""


class ActionRefused(Exception):
    """The action is refused. The message tells the caller why."""


class NoBeacon(Exception):
    """No beacon answers on the control socket. The message says where it was asked, and why not."""


class NotAllowed(NoBeacon):
    """The socket exists, but this user may not use it."""


class NotAnswering(NoBeacon):
    """A beacon serves the socket, but does not answer: it hangs."""


class ControlSocket:
    """Serves the control socket while the daemon runs.

    `actions` are called in its threads. They may be filled in after the start. `patience` is how
    long a connection may last.
    """

    name = "control"

    def __init__(
        self,
        path: Path,
        actions: Mapping[str, Action],
        patience: float = PATIENCE,
        group: str = GROUP,
    ) -> None:
        self._path, self._actions = path, actions
        self._patience, self._group = patience, group
        self._listener: socket.socket | None = None
        # Connections, the oldest first: those that have asked nothing, and those that wait for us.
        self._idle: dict[socket.socket, None] = {}
        self._asking: dict[socket.socket, None] = {}
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Serve the socket. After an `OSError` it may be tried again.

        Raises `ControlError` if another beacon may be serving it, `OSError` if it cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.ExitStack() as refused:
            refused.callback(listener.close)
            self._bind(listener)
            listener.listen()
            refused.pop_all()
        self._listener = listener
        self._thread.start()

    def offer(self, effects: Sequence[Effect]) -> None:
        """Ignore effects: this output only answers questions."""

    def stop(self, budget: float) -> None:
        """Accept no more connections, and remove the socket."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(budget)
        self._listener.close()

    def _bind(self, listener: socket.socket) -> None:
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            raise ControlError(
                f"control socket {self._path}: the path is longer than {_LONGEST_PATH} bytes; "
                "choose a shorter --state-dir"
            )
        if self._path.exists():
            if (pid := _server(self._path)) is not None:
                raise ControlError(
                    f"another beacon is running (process {pid}): it serves {self._path}; "
                    f"end it with `kill {pid}` (the service: `systemctl stop mfa-beacon`), or "
                    "choose another directory with --state-dir"
                )
            self._path.unlink()
        mask = os.umask(0o117)
        try:
            listener.bind(os.fspath(self._path))
        finally:
            os.umask(mask)
        with contextlib.suppress(LookupError, PermissionError):
            shutil.chown(self._path, group=self._group)

    def _serve(self) -> None:
        assert self._listener is not None, "`start` sets it"
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            if len(self._idle) + len(self._asking) >= CALLERS and not self._close_oldest_idle():
                with caller, contextlib.suppress(OSError):
                    caller.settimeout(0)
                    caller.sendall(_encoded(_no("too many ask at once; try again")))
                continue
            self._idle[caller] = None
            threading.Thread(
                target=self._converse, args=(caller,), name="control-caller", daemon=True
            ).start()

    def _close_oldest_idle(self) -> bool:
        """Close the oldest connection that has asked nothing; false if there is none."""
        for caller in list(self._idle):
            if self._idle.pop(caller, self) is None:  # else it has asked just now
                with contextlib.suppress(OSError):
                    caller.shutdown(socket.SHUT_RDWR)
                return True
        return False

    def _converse(self, caller: socket.socket) -> None:
        try:
            with caller, contextlib.suppress(OSError):
                self._talk(caller)
        finally:
            self._idle.pop(caller, None)
            self._asking.pop(caller, None)

    def _talk(self, caller: socket.socket) -> None:
        by = peer(caller)
        for line in _lines(caller, self._patience, LONGEST_REQUEST):
            if self._idle.pop(caller, self) is self:
                return  # `_close_oldest_idle` has closed it
            self._asking[caller] = None
            answer = self._reply(line, by)
            # A caller that does not read its answer counts as idle, too.
            self._idle[caller] = self._asking.pop(caller)
            caller.sendall(answer)

    def _reply(self, line: bytes, by: str) -> bytes:
        answer = self._answer(line, by)
        try:
            return _encoded(answer)
        except (TypeError, ValueError) as error:
            _complain("answer", error)
            return _encoded(_no("internal error; see the beacon's log"))

    def _answer(self, line: bytes, by: str) -> Answer:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _no("not JSON")
        if not isinstance(request, dict):
            return _no("a request is a JSON object")
        if not self._actions:
            return _no("the beacon is starting")
        name = request.get("action")
        action = self._actions.get(name) if isinstance(name, str) else None
        if action is None:
            return _no(f"no such action; there is: {', '.join(self._actions)}")
        return _done(action, request, by)


def _done(action: Action, request: Mapping[str, Any], by: str) -> Answer:
    try:
        return {"ok": True} | action(request, by)
    except ActionRefused as refusal:
        return _no(str(refusal))
    except TimeoutError:
        return _no("the beacon is too busy to answer")
    except Exception as error:  # noqa: BLE001 - the border: it costs one answer
        _complain(str(request["action"]), error)
        return _no("internal error; see the beacon's log")


def _complain(action: str, error: Exception) -> None:
    log.error("control action %s failed:\n%s", action, safe_traceback(error))


def peer(caller: socket.socket) -> str:
    """Return the caller's user name, or the number of a user without a name."""
    _, uid, _ = _credentials(caller)
    return user_name(uid)


def user_name(uid: int) -> str:
    """Return a user's name, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _credentials(wire: socket.socket) -> tuple[int, int, int]:
    """Return the caller's process, user and group, as the kernel knows them."""
    raw = wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    return pid, uid, gid


def socket_path(state_directory: Path, environ: Mapping[str, str]) -> Path:
    """Return where the daemon serves: `$RUNTIME_DIRECTORY`, else the state directory."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else state_directory) / NAME


def ask(paths: Sequence[Path], request: Mapping[str, Any], timeout: float = 10.0) -> Answer:
    """Ask the beacon that serves the first of these sockets that exists.

    Raises `NoBeacon` when none does, or it does not answer within `timeout` seconds.
    """
    path = next((path for path in paths if _there(path)), None)
    if path is None:
        looked = ", ".join(dict.fromkeys(str(path) for path in paths))
        raise NoBeacon(f"no beacon is running (no socket at {looked})")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(timeout)
            wire.connect(os.fspath(path))
            with contextlib.suppress(BrokenPipeError):  # sent away: the answer says why
                wire.sendall(_encoded(request))
            line = next(_lines(wire, timeout, LONGEST_ANSWER), b"")
            answer = json.loads(line)
    except PermissionError as error:
        raise _not_allowed(path) from error
    except ConnectionRefusedError as error:
        raise NoBeacon(f"no beacon is running ({path} is left from one that died)") from error
    except (OSError, ValueError) as error:
        raise NotAnswering(f"the beacon at {path} does not answer") from error
    return dict(answer)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise _not_allowed(path) from error


def _not_allowed(path: Path) -> NotAllowed:
    return NotAllowed(f"{path}: permission denied; only root and the group {GROUP} may ask")


def _server(path: Path) -> int | None:
    """Return the process that serves this socket, or None."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(2.0)
        try:
            wire.connect(os.fspath(path))
        except PermissionError as error:
            raise ControlError(
                f"control socket {path}: another user's, whose beacon may be running; "
                "stop that one, or choose another directory with --state-dir"
            ) from error
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except OSError as error:  # a process serves it, and is too busy or stopped
            raise ControlError(
                f"control socket {path}: another beacon serves it and does not answer; end it "
                "(`fuser` names it), or choose another directory with --state-dir"
            ) from error
        pid, _, _ = _credentials(wire)
        return pid


def _lines(wire: socket.socket, patience: float, longest: int) -> Iterator[bytes]:
    """Yield lines until the end, until `patience` seconds have passed, or one is too long."""
    until = time.monotonic() + patience
    kept = b""
    while (left := until - time.monotonic()) > 0:
        line, found, rest = kept.partition(b"\n")
        if found:
            kept = rest
            yield line
            continue
        if len(kept) > longest:
            return
        wire.settimeout(left)
        piece = wire.recv(65536)
        if not piece:
            return
        kept += piece


def _encoded(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _no(error: str) -> Answer:
    return {"ok": False, "error": error}
