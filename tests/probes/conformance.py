"""What the suites for all kinds of probes share: which kinds there are, and a server that echoes.

The suites (`test_canary.py`, `test_https.py`, `test_second_hand.py`, `test_sign_ins.py`) have no
list of kinds. They take every kind that declares an ability, and the value `CONFORMANCE` of its
own test file.
"""

import base64
import contextlib
import importlib
import json
import re
import socket
import ssl
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

import trustme

from beacon import probes
from beacon.core.model import Reading
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.run import Probe, Run
from beacon.engine.workers import Finished, Workers
from beacon.probing.base import Kind
from tests.probe_memories import MEMORIES

PASSWORD = "canary p&ss/wörd"
TOKEN = "canary-in-a-token"
ADDRESS = "canary-in-an-address"
NAME = "canary-in-a-name.example"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


WELL_KNOWN = """
{"issuer": "{url}", "token_endpoint": "{url}token", "jwks_uri": "{url}keys"}
"""


@dataclass(frozen=True)
class Conformance:
    """What a kind's own test file says for the suites.

    `settings` are those of one endpoint, with a secret wherever one may be: `!secret canary`,
    `!secret seed`, `!secret canary-of-an-address` … `{url}`, `{host}` and `{port}` are the
    server's, `{inbox}` is a folder.
    """

    settings: str
    honest: Mapping[str, str] = field(default_factory=dict)
    """How requests begin → an honest answer, without which nothing secret would be sent later."""
    mute: str = ""
    """Why it quotes no foreign text, if so."""
    instead: frozenset[str] = frozenset()
    """Settings for secrets that cannot stand beside those of `settings`."""
    first: str = ""
    """What it asks before any web server, if so, and is greeted by: no case for the HTTPS suite."""

    def parrot(
        self, mood: Callable[[bytes], bytes], honest: Mapping[str, str] | None = None
    ) -> "Parrot":
        """A server for it; without `honest` it gives the honest answers of this kind."""
        return Parrot(mood, self.honest if honest is None else honest, greets=bool(self.first))


@cache
def conformance(kind: str) -> Conformance | None:
    """The value `CONFORMANCE` of the kind's test file; None where it has none."""
    try:
        module = importlib.import_module(f"tests.probes.test_{kind}")
    except ModuleNotFoundError:
        return None
    found: Conformance | None = getattr(module, "CONFORMANCE", None)
    return found


def kinds_that(holds: Callable[[type[Kind]], object] = lambda _: True) -> list[str]:
    """The kinds that meet a condition and have a `CONFORMANCE`."""
    return [kind for kind in probes.kinds() if conformance(kind) and holds(probes.load(kind))]


def case(kind: str) -> Conformance:
    """The `CONFORMANCE` of a kind that has one."""
    found = conformance(kind)
    assert found is not None, kind
    return found


MOODS: dict[str, Callable[[bytes], bytes]] = {
    "echoes": lambda asked: http_answer(200, asked),
    "refuses in words": lambda asked: http_answer(
        401, json.dumps(complaint(asked.decode("latin-1"))).encode(), "application/json"
    ),
    "grants it as a token": lambda asked: http_answer(
        200, json.dumps({"access_token": _line(asked).decode("latin-1"), "value": [1]}).encode()
    ),
    "speaks of it in its headers": lambda asked: (
        b"HTTP/1.1 200 %b\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (_line(asked), _line(asked))
    ),
    "sends elsewhere with it": lambda asked: (
        b"HTTP/1.1 302 Found\r\nLocation: /" + quote(_line(asked)).encode() + b"\r\n"
        b"Set-Cookie: s=" + quote(_line(asked)).encode() + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "garbles": lambda asked: asked + b"\x00" + asked,
    "hangs up": lambda _: b"",
}


def complaint(words: str) -> dict[str, object]:
    return {"error": words, "code": 1, "stat": "FAIL", "message": words, "message_detail": words}


def _line(asked: bytes) -> bytes:
    return asked.replace(b"\r", b" ").replace(b"\n", b" ")


def http_answer(status: int, body: bytes, kind: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status} Any\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TLS_BEGINS = b"\x16"


@cache
def certified() -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@dataclass
class Parrot:
    """A server over TCP, TLS and UDP of one port that sends back what it received, by its mood.

    If it `greets`, it speaks first, as a mailbox does.
    """

    mood: Callable[[bytes], bytes]
    honest: Mapping[str, str] = field(default_factory=dict)
    greets: bool = False
    received: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext = field(default_factory=certified)

    def __enter__(self) -> Self:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):  # somebody has that one: no kind needs both
            self._udp.bind(("127.0.0.1", self.port))
        self._udp.settimeout(0.05)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=t) for t in (self._streams, self._datagrams)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        self._tcp.close()
        self._udp.close()

    def _streams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._tcp.accept()
                with caller, contextlib.suppress(OSError):
                    self._meet(caller)

    def _meet(self, caller: socket.socket) -> None:
        caller.settimeout(60.0)
        if self.greets:
            self._greet(caller)
        elif caller.recv(1, socket.MSG_PEEK) == TLS_BEGINS:
            with self.tls.wrap_socket(caller, server_side=True) as secured:
                self._converse(secured)
        else:
            self._converse(caller)

    def _greet(self, caller: socket.socket) -> None:
        """As a mailbox, until the password came."""
        caller.sendall(b"* OK ready\r\n")
        with caller.makefile("rb") as lines:
            for line in lines:
                self.received.append(line)
                tag, command, *_ = [*line.split(), b""]
                if command == b"CAPABILITY":
                    caller.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n%b OK ok\r\n" % tag)
                elif command == b"AUTHENTICATE":
                    caller.sendall(b"+ \r\n")
                else:
                    caller.sendall(self.mood(line))
                    return

    def _converse(self, caller: socket.socket) -> None:
        caller.settimeout(0.1)
        asked = b""
        with contextlib.suppress(TimeoutError):
            while not whole(asked) and (piece := caller.recv(65536)):
                asked += piece
        self.received.append(asked)
        caller.sendall(self._truth(asked) or self.mood(asked))

    def _truth(self, asked: bytes) -> bytes:
        for begin, body in self.honest.items():
            if asked.startswith(begin.encode()):
                url = f"http://127.0.0.1:{self.port}/"
                return http_answer(200, body.replace("{url}", url).encode(), "application/json")
        return b""

    def _datagrams(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                asked, sender = self._udp.recvfrom(65536)
                self.received.append(asked)
                if answer := self.mood(asked):  # who hangs up is silent
                    self._udp.sendto(answer, sender)


def whole(asked: bytes) -> bool:
    """Whether this is an HTTP request to its end."""
    head, end, body = asked.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: (\d+)", head)
    return bool(end) and b" HTTP/1.1" in head and len(body) >= int(length[1] if length else 0)


def loader(tmp_path: Path) -> Callable[..., Any]:
    """Load the configuration with these settings as the beacon does."""

    def load(settings: str, port: int, scheme: str = "http") -> Any:
        case = textwrap.indent(textwrap.dedent(settings), 6 * " ")
        for name, value in (
            ("{url}", f"{scheme}://127.0.0.1:{port}/"),
            ("{host}", "127.0.0.1"),
            ("{port}", str(port)),
            ("{inbox}", str(tmp_path)),
        ):
            case = case.replace(name, value)
        secrets = tmp_path / "secrets.yaml"
        secrets.write_text(
            f"canary: {json.dumps(PASSWORD)}\nseed: {SEED}\n"
            "canary-of-a-header: canary-in-a-header\n"
            f"canary-of-a-token: {TOKEN}\n"
            f"canary-of-an-address: {scheme}://127.0.0.1:{port}/{ADDRESS}\n"
            f"canary-of-a-name: {NAME}\n"
        )
        secrets.chmod(0o600)
        path = tmp_path / "beacon.yaml"
        whole = (
            "site: soc\nname: SOC\nweb: {}\nservices:\n- name: mfa\n  endpoints:\n    - name: it\n"
        )
        path.write_text(whole + case.strip("\n").rstrip() + "\n")
        return load_config(path, {})

    return load


def tried(
    probe: Probe, budget: float = 1.0, received: Sequence[bytes] | None = None
) -> tuple[Run, Reading]:
    """One run, as the daemon runs it: masked by nothing but the kind itself.

    Where something must be `received` of it, a busy machine has a minute for that.
    """
    box: Inbox[Finished] = Inbox()
    workers = Workers(SystemClock(), box.post)
    timeout = budget if received is None else 60.0
    workers.start("mfa/it", probe, timeout, MEMORIES.new(), regular=True)
    task = workers.task("mfa/it")
    assert task
    came = box.take(budget)
    for _ in range(59 if received is not None else 0):
        if came or received:
            break
        came = box.take(1.0)
    found = workers.finish(came[0]) if came else workers.expire(task.run.deadline)[0]
    assert workers.stop(10)
    assert found
    return task.run, found.reading


def encoded(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode().rstrip("=")


def writings(secret: str) -> set[str]:
    """How a secret may be written, and still be read."""
    raw = secret.encode()
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex()}
    return written | {encoded(secret), json.dumps(secret)[1:-1]}


def leaks(text: str) -> list[str]:
    """What of the secrets is in a text."""
    hidden = writings(PASSWORD) | writings(SEED) | writings(TOKEN)
    hidden |= {"canary-in-a-header", "probe:canary", encoded(NAME)}
    return sorted(each for each in hidden if each.lower() in text.lower())
