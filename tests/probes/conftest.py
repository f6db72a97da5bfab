"""Real servers for probes: nginx in all its moods, a CA of our own, runs that end in time."""

import base64
import gzip
import json
import socket
import ssl
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

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


OTP_SEED: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OTP_PASSWORD: Final = "canary p&ss/wörd"


@pytest.fixture(name="jwk")
def jwk_fixture() -> Callable[..., dict[str, Any]]:
    """Make a public key as a provider offers it; what it is made of follows from its name."""
    return jwk


def jwk(name: str | None, **others: Any) -> dict[str, Any]:
    """A public key by that name, of no use."""
    made = base64.urlsafe_b64encode(f"made of {name}".encode()).decode().rstrip("=")
    key = {"kty": "RSA", "use": "sig", "alg": "RS256", "n": made, "e": "AQAB"}
    return {**key, **({} if name is None else {"kid": name}), **others}


class Portal(ThreadingHTTPServer):
    """An HTTP server of a sign-in: what it was asked, and what it answers instead of the truth.

    `instead` maps a path to a status, a body and perhaps headers, or to an event: it hangs until
    that is set.
    """

    def __init__(self, pair: Pair | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.scheme = "http"
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.url = f"{self.scheme}://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.instead: dict[str, tuple[Any, ...] | threading.Event] = {}
        self.codes: list[str] = []
        self.ahead = 0.0

    def handle_error(self, *_: Any) -> None: ...

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def right(self, code: str) -> bool:
        """Each code once, and one step of error either way, by a clock that may be wrong."""
        fresh = code not in self.codes
        self.codes.append(code)
        now = datetime.now(UTC) + timedelta(seconds=self.ahead)
        return fresh and pyotp.TOTP(OTP_SEED).verify(code, for_time=now, valid_window=1)

    def answer(
        self, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> tuple[int, bytes | str | dict[str, Any], dict[str, str]]:
        """Status, body and headers of the truth."""
        raise NotImplementedError


class _Asked(BaseHTTPRequestHandler):
    server: Portal
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._say({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        as_json = self.headers["Content-Type"] == "application/json"
        self._say(json.loads(body) if as_json else dict(parse_qsl(body)))

    def _say(self, form: dict[str, str]) -> None:
        server, headers = self.server, {k.title(): v for k, v in self.headers.items()}
        server.asked.append((self.path, headers, form))
        instead = server.instead.get(self.path)
        if isinstance(instead, threading.Event):
            instead.wait(10)
            return
        truth = instead or server.answer(self.path, headers, form)
        status, body, more = (*truth, {})[:3]
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw.encode() if isinstance(raw, str) else raw)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def portal() -> Iterator[Callable[..., Any]]:
    """Start servers of such a class; they end with the test."""
    started: list[Portal] = []

    def start(kind: type[Portal], *given: Any) -> Portal:
        server = kind(*given)
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    yield start
    for server in started:
        for instead in server.instead.values():
            if isinstance(instead, threading.Event):
                instead.set()
        server.shutdown()
        server.server_close()


class OpenIdProvider(Portal):
    """A provider as Keycloak documents one: discovery, keys, tokens, revocation; no real keys."""

    TOKEN: Final = "/protocol/openid-connect/token"
    KEYS: Final = "/protocol/openid-connect/certs"
    REVOKE: Final = "/protocol/openid-connect/revoke"
    WELL_KNOWN: Final = "/.well-known/openid-configuration"

    def __init__(self, pair: Pair | None = None) -> None:
        super().__init__(pair)
        self.keys = [jwk("one"), jwk("for encryption", use="enc"), {"kty": "AKP", "pub": "x"}]
        self.signer: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.document: dict[str, Any] = {
            "issuer": self.url,
            "token_endpoint": self.url + self.TOKEN,
            "jwks_uri": self.url + self.KEYS,
            "revocation_endpoint": self.url + self.REVOKE,
        }
        self.issued: dict[str, Any] = {}
        self.lasts = 300
        self.sessions: set[str] = set()

    def jwt(self, **header: Any) -> str:
        parts = (self.signer | header, {"canary": "of a claim"}, "canary of a signature")
        return ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        )

    def answer(
        self, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> tuple[int, bytes | str | dict[str, Any], dict[str, str]]:
        if path == self.WELL_KNOWN:
            return 200, self.document, {}
        if path == self.KEYS:
            return 200, {"keys": self.keys}, {}
        if path == self.TOKEN:
            return *self._grant(form), {}
        if path == self.REVOKE:
            self.sessions.discard(form["token"])
            return 200, b"", {}
        return 404, {"error": "HTTP 404 Not Found"}, {}

    def _grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        tokens = {"access_token": self.jwt(typ="JWT"), "expires_in": self.lasts}
        if form["grant_type"] == "client_credentials":
            return 200, tokens | {"token_type": "Bearer"}
        right = form["password"] == OTP_PASSWORD and self.right(form["otp"])
        if not right:
            said = "Invalid user credentials"
            return 401, {"error": "invalid_grant", "error_description": said}
        refresh = f"canary-refresh-{len(self.asked)}"
        self.sessions.add(refresh)
        more = {"id_token": self.jwt(typ="ID"), "refresh_token": refresh, "token_type": "Bearer"}
        return 200, tokens | more | self.issued


@pytest.fixture
def openid_provider(portal: Callable[..., Any]) -> Callable[..., OpenIdProvider]:
    """Start providers; one that is given a certificate speaks TLS."""
    return lambda *given: portal(OpenIdProvider, *given)


class AutheliaPortal(Portal):
    """A portal as Authelia's API document and source describe it, with its regulation.

    Whatever goes wrong in a factor is one answer: 401 and KO. Three failures within 2 minutes
    ban the user and the address.
    """

    def __init__(self, pair: Pair | None = None) -> None:
        super().__init__(pair)
        self.levels: dict[str, int] = {}
        self.failures = 0
        self.reached = 2

    def answer(
        self, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> tuple[int, bytes | str | dict[str, Any], dict[str, str]]:
        cookie = SimpleCookie(headers.get("Cookie", ""))
        session = cookie["authelia_session"].value if "authelia_session" in cookie else ""
        if path == "/api/firstfactor":
            return self._first(form)
        if path == "/api/secondfactor/totp":
            return self._second(session, form)
        if path == "/api/state":
            data = {"username": "", "authentication_level": self.levels.get(session, 0)}
            return 200, {"status": "OK", "data": data}, {}
        if path == "/api/logout":
            self.levels.pop(session, None)
            return 200, {"status": "OK", "data": {"safeTargetURL": False}}, {}
        return 404, "404 Not Found", {}

    def _first(self, form: dict[str, str]) -> tuple[int, dict[str, Any], dict[str, str]]:
        if self.failures >= 3 or form["password"] != OTP_PASSWORD:
            self.failures += 1
            said = "Authentication failed. Check your credentials."
            return 401, {"status": "KO", "message": said}, {}
        session = f"canary-session-{len(self.asked)}"
        self.levels[session] = 1
        cookie = {"Set-Cookie": f"authelia_session={session}; Path=/; HttpOnly; SameSite=Lax"}
        return 200, {"status": "OK"}, cookie

    def _second(
        self, session: str, form: dict[str, str]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if session not in self.levels or not self.right(form["token"]):
            said = "Authentication failed, please retry later."
            return 401, {"status": "KO", "message": said}, {}
        self.levels[session] = self.reached
        return 200, {"status": "OK"}, {}


@pytest.fixture
def authelia_portal(portal: Callable[..., Any]) -> Callable[..., AutheliaPortal]:
    """Start portals; one that is given a certificate speaks TLS."""
    return lambda *given: portal(AutheliaPortal, *given)


CANAILLE = """
import sys
from datetime import UTC, datetime
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from werkzeug.serving import make_server

home, port, password = sys.argv[1], int(sys.argv[2]), sys.argv[3]
app = create_app(config={
    "SECRET_KEY": "canary-of-the-server",
    "SERVER_NAME": f"127.0.0.1:{port}",
    "PREFERRED_URL_SCHEME": "http",
    "CANAILLE": {"DATABASE": "sql", "SMTP": None},
    "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{home}/canaille.sqlite"},
    "CANAILLE_OIDC": {},
})
with app.app_context():
    if not Backend.instance.query(models.User, user_name="probe"):
        Backend.instance.save(models.User(
            user_name="probe", family_name="Probe", formatted_name="Probe",
            password=password, emails=["probe@example.com"],
        ))
        Backend.instance.save(models.Client(
            client_id="beacon", client_secret="canary-client", client_name="beacon",
            client_id_issued_at=datetime.now(UTC), scope=["openid"], response_types=["token"],
            grant_types=["password", "client_credentials"],
            token_endpoint_auth_method="client_secret_basic",
            redirect_uris=["http://127.0.0.1/"],
        ))
make_server("127.0.0.1", port, app, threaded=True).serve_forever()
"""


class Canaille:
    """A running Canaille: user `probe`, client `beacon`, keys that are new with every start."""

    def __init__(self, python: Path, home: Path, port: int, ready: Callable[..., None]) -> None:
        self._command = [python, "-c", CANAILLE, home, str(port), OTP_PASSWORD]
        self._home, self._ready, self.port = home, ready, port
        self.issuer = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        with (self._home / "log").open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env={})
        try:
            self._ready(lambda: self.process.poll() or _listens(self.port), "Canaille", 60.0)
            assert self.process.poll() is None, (self._home / "log").read_text()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def lose_its_database(self) -> None:
        (self._home / "canaille.sqlite").write_bytes(b"")


@pytest.fixture
def canaille_openid(
    need_application: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path: Path,
) -> Iterator[Canaille]:
    """Canaille as an OpenID provider: it has the direct grant, but no one-time code in it."""
    python = need_application("canaille") / "bin/python"
    server = Canaille(python, tmp_path, free_port(), eventually)
    yield server
    server.stop()
