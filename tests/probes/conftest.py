"""Real servers for probes: nginx in all its moods, a CA of our own, runs that end in time."""

import base64
import gzip
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pyotp
import pytest
import trustme

from beacon.app import load_config
from beacon.core.indication import Colour
from beacon.core.model import Reading
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Probe, Run
from beacon.engine.simulation import Cue, Simulation


@pytest.fixture
def observed() -> Callable[..., Reading]:
    """Run a probe once, expired at its deadline as the prober does it."""

    def observe(probe: Probe, budget: float = 5.0) -> Reading:
        run = Run(SystemClock(), budget)
        timer = threading.Timer(budget, run.expire)
        timer.start()
        try:
            return probe.observe(run)
        except DeadlinePassed:
            return run.overstayed()
        finally:
            timer.cancel()
            timer.join()

    return observe


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The CA our servers' certificates are from."""
    return trustme.CA(organization_name="Example CA")


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate, as `tls: {ca: …}` takes it."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@dataclass
class Pair:
    """A certificate and its key, as files."""

    certificate: str
    key: str


@pytest.fixture(scope="session")
def issue(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Write a certificate by a CA for names, valid from and until so many days from now."""

    def write(ca: trustme.CA, *names: str, since: float = -1, until: float = 365) -> Pair:
        now = datetime.now(UTC)
        cert = ca.issue_cert(
            *names,
            not_before=now + timedelta(days=since),
            not_after=now + timedelta(days=until),
        )
        home = tmp_path_factory.mktemp("cert")
        cert.private_key_pem.write_to_path(home / "key.pem")
        chain = b"".join(blob.bytes() for blob in cert.cert_chain_pems)
        (home / "cert.pem").write_bytes(chain)
        return Pair(str(home / "cert.pem"), str(home / "key.pem"))

    return write


@dataclass
class Nginx:
    """A running nginx: its plain port, its TLS ports by the mood of their certificate."""

    port: int
    other: int
    tls: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def https(self, mood: str = "good") -> str:
        return f"https://127.0.0.1:{self.tls[mood]}"


LOCATIONS = """
    location = / { return 200 "hello"; }
    location = /json { default_type application/json; return 200 '{"status": "UP", "queue": 3}'; }
    location = /bad-gateway { default_type text/html; return 502 "<html>Bad Gateway</html>"; }
    location = /teapot { return 418; }
    location = /busy { return 429; }
    location = /loop { return 302 /loop; }
    location = /once { return 302 /json; }
    location = /away { return 302 http://127.0.0.1:OTHER/whoami; }
    location = /whoami { return 200 "auth=$http_authorization cookie=$http_cookie"; }
    location = /method { return 200 "$request_method $content_type"; }
    location = /token { return 200 '{"access_token": "abc", "expires_in": 3600}'; }
    location = /unauthorized { return 401; }
    location = /slow { limit_rate 10; }
    location = /huge { }
    location = /bomb { add_header Content-Encoding gzip; }
    location = /not-gzip { add_header Content-Encoding gzip; return 200 "plain"; }
    location = /zipped { gzip on; gzip_min_length 1; gzip_types *; }
    location = /hang { proxy_pass http://127.0.0.1:SILENT; }
"""


def _server(port: int, extra: str = "") -> str:
    common = f"root ROOT; default_type text/plain; {LOCATIONS}"
    return f"server {{ listen 127.0.0.1:{port} {extra} {common} }}"


@pytest.fixture(scope="session")
def nginx(
    need: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
    authority: trustme.CA,
    ca_file: str,
    issue: Callable[..., Pair],
) -> Iterator[Nginx]:
    """One nginx with a plain server, a second origin, and TLS servers good and bad."""
    binary = need("nginx")
    home = tmp_path_factory.mktemp("nginx")
    (home / "slow").write_bytes(b"x" * 5000)
    (home / "huge").write_bytes(b"x" * 2 * 1024 * 1024)
    (home / "bomb").write_bytes(gzip.compress(bytes(50 * 1024 * 1024)))
    (home / "zipped").write_bytes(b"the same again " * 1000)
    names = ("127.0.0.1", "localhost")
    pairs = {
        "good": issue(authority, *names),
        "expired": issue(authority, *names, since=-30, until=-3),
        "early": issue(authority, *names, since=3),
        "expiring": issue(authority, *names, until=5.5),
        "untrusted": issue(trustme.CA(organization_name="Somebody else"), *names),
        "misnamed": issue(authority, "other.example.com"),
        "mutual": issue(authority, *names),
    }
    found = Nginx(free_port(), free_port(), {mood: free_port() for mood in pairs})
    servers = [_server(found.port, ";"), _server(found.other, ";")]
    for mood, pair in pairs.items():
        tls = f"ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
        if mood == "mutual":
            tls += f" ssl_client_certificate {ca_file}; ssl_verify_client on;"
        servers.append(_server(found.tls[mood], tls))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        text = "\n".join(servers).replace("ROOT", str(home)).replace("OTHER", str(found.other))
        text = text.replace("SILENT", str(silent.getsockname()[1]))
        temps = "".join(
            f"{kind}_temp_path {home}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (home / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;\n"
            f"events {{}}\nhttp {{ access_log off; {temps}\n{text} }}\n"
        )
        server = subprocess.Popen([binary, "-e", home / "start.log", "-c", home / "nginx.conf"])
        try:
            eventually(lambda: _listens(found.tls["mutual"]), "nginx")
            yield found
        finally:
            server.terminate()
            server.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Shown:
    """What people see of the only service: its verdict and cause, and the lamps that are lit."""

    verdict: str
    lamps: dict[str, str]
    cause: str | None
    shallow: bool


@pytest.fixture
def shown(tmp_path: Path) -> Callable[..., Shown]:
    """Let readings come from endpoints as configured; what is shown after an hour of them.

    An endpoint passes for an hour before, unless `proven` is false: then it never did.
    """

    def show(endpoints: str, readings: dict[str, Reading], *, proven: bool = True) -> Shown:
        path = tmp_path / "beacon.yaml"
        head = "site: soc\nservices:\n  - name: MFA\n    endpoints:\n"
        path.write_text(head + textwrap.indent(textwrap.dedent(endpoints), 6 * " "))
        config = load_config(path, environ={})
        hour = 3600.0
        begin = hour if proven else 0.0
        cues = [Cue(begin, f"mfa/{name}", reading) for name, reading in readings.items()]
        simulation = Simulation(config.watched, 0.0, cues)
        simulation.start()
        list(simulation.run(begin + hour))
        view = simulation.monitor.view()
        lights = {colour.value: view.indication.light(colour).pattern.value for colour in Colour}
        service = view.services[0]
        return Shown(
            service.verdict.value,
            {colour: pattern for colour, pattern in lights.items() if pattern != "off"},
            service.cause,
            service.shallow,
        )

    return show


class DuoServer(ThreadingHTTPServer):
    """Duo's Auth API, made of its documentation: ping, check, preauth, auth with a passcode.

    It verifies signatures by itself, and judges codes: of time by its own clock, which is
    `ahead`, each once; counted ones in order. `says` sets what a call answers instead;
    None: it hangs up. The word AUTHORIZATION in it becomes the header's value.
    """

    integration_key = "DIXXXXXXXXXXXXXXXXXX"
    secret_key = "canary-Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNm"
    seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    counted = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    tolerance = 150  # seconds a request's Date may be off; Duo does not tell its own

    def __init__(self, pair: Pair) -> None:
        super().__init__(("127.0.0.1", 0), _DuoCall)
        self.ahead = 0.0
        self.says: dict[str, tuple[int, object] | None] = {}
        self.hangs: set[str] = set()
        self.over = threading.Event()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.proofs: list[str] = []
        self.codes: list[str] = []
        self.counter = 0
        self.errors: list[BaseException | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def calls(self) -> list[str]:
        return [name for name, _ in self.asked]

    def now(self) -> float:
        return time.time() + self.ahead

    def accepts(self, code: str) -> bool:
        fresh = code not in self.codes
        self.codes.append(code)
        moment = datetime.fromtimestamp(self.now(), UTC)
        if fresh and pyotp.TOTP(self.seed).verify(code, for_time=moment, valid_window=1):
            return True
        if code == pyotp.HOTP(self.counted).at(self.counter):
            self.counter += 1
            return True
        return False

    def handle_error(self, *_: object) -> None:
        self.errors.append(sys.exc_info()[1])


class _DuoCall(BaseHTTPRequestHandler):
    server: DuoServer

    def do_GET(self) -> None:
        self._answer(b"", dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self._answer(body, json.loads(body))

    def _answer(self, body: bytes, params: dict[str, str]) -> None:
        server, path = self.server, urlsplit(self.path).path
        name = path.removeprefix("/auth/v2/")
        server.asked.append((name, params))
        if name in server.hangs:
            server.over.wait(60)
            return
        code, message = (0, "") if name == "ping" else self._refused(path, body)
        if code:
            said: tuple[int, object] | None = (
                401,
                {"code": code, "message": message, "stat": "FAIL"},
            )
        elif name in server.says:
            said = server.says[name]
        else:
            said = 200, {"stat": "OK", "response": self._response(name, params)}
        if said is not None:
            self._say(*said)

    def _response(self, name: str, params: dict[str, str]) -> dict[str, Any]:
        if name in ("ping", "check"):
            return {"time": int(self.server.now())}
        if name == "preauth":
            token = {"device": "DHFZEJKYRW5VA0I0RDWI", "name": "0", "type": "token"}
            said = "Account is active"
            return {"result": "auth", "status_msg": said, "devices": [token]}
        assert (params["factor"], params["async"]) == ("passcode", "0")
        if self.server.accepts(params["passcode"]):
            said = "Success. Logging you in..."
            return {"result": "allow", "status": "allow", "status_msg": said}
        said = "Incorrect passcode. Please try again."
        return {"result": "deny", "status": "deny", "status_msg": said}

    def _refused(self, path: str, body: bytes) -> tuple[int, str]:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        self.server.proofs.append(given)
        if scheme != "Basic":
            return 40101, "Missing request credentials"
        key, _, proof = base64.b64decode(given).decode().partition(":")
        if key != self.server.integration_key:
            return 40102, "Invalid integration key in request credentials"
        if proof != self._proof(path, body):
            return 40103, "Invalid signature in request credentials"
        sent = parsedate_to_datetime(self.headers["Date"]).timestamp()
        if abs(sent - self.server.now()) > self.server.tolerance:
            return 40105, "Bad request timestamp"
        return 0, ""

    def _proof(self, path: str, body: bytes) -> str:
        """Version 5, from what came over the wire."""
        pairs = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        query = "&".join(sorted(f"{quote(k, '~')}={quote(v, '~')}" for k, v in pairs))
        extra = {n.lower(): v for n, v in self.headers.items() if n.lower()[:6] == "x-duo-"}
        joined = "\0".join(part for pair in sorted(extra.items()) for part in pair)
        mac = hmac.new(self.server.secret_key.encode(), digestmod=hashlib.sha512)
        mac.update(f"{self.headers['Date']}\n{self.command}\n".encode())
        mac.update(f"{self.headers['Host'].partition(':')[0].lower()}\n{path}\n{query}\n".encode())
        mac.update(hashlib.sha512(body).hexdigest().encode() + b"\n")
        mac.update(hashlib.sha512(joined.encode()).hexdigest().encode())
        return mac.hexdigest()

    def _say(self, status: int, said: object) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        body = body.replace(b"AUTHORIZATION", self.headers.get("Authorization", "").encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "https://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def duo_with() -> Iterator[Callable[[Pair], DuoServer]]:
    """Start what speaks as Duo does, with this certificate."""
    started: list[tuple[DuoServer, threading.Thread]] = []

    def start(pair: Pair) -> DuoServer:
        server = DuoServer(pair)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.over.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
        assert all(isinstance(error, OSError) for error in server.errors), server.errors


@pytest.fixture
def duo_server(
    duo_with: Callable[[Pair], DuoServer],
    issue: Callable[..., Pair],
    authority: trustme.CA,
) -> DuoServer:
    """It, with a good certificate."""
    return duo_with(issue(authority, "127.0.0.1", "localhost"))
