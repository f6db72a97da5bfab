"""Real servers for probes: nginx in all its moods, a CA of our own, runs that end in time."""

import base64
import contextlib
import gzip
import os
import signal
import socket
import sqlite3
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


CANAILLE = """
SECRET_KEY = "a key of the tests"
SERVER_NAME = "127.0.0.1:PORT"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
NAME = "Example"
DATABASE = "sql"
AUTHENTICATION_FACTORS = ["password", "otp"]
CAPTCHA_ENABLED = false
JAVASCRIPT = false
HTMX = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///HOME/portal.sqlite"
PASSWORD_HASH_PARAMS = { "pbkdf2_sha512__rounds" = 1000 }
[CANAILLE_OIDC]
"""

# The command line forgets what it is given: the user is made as the pages would.
PORTAL_USER = """
import datetime
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend

app = create_app()
with app.app_context(), Backend.instance.session():
    user = models.User(user_name="beacon-probe", family_name="Probe", emails=["p@example.com"])
    Backend.instance.save(user)
    user.password = "canary p&ss/w\u00f6rd"
    user.secret_token = "canary-token-of-20-b"
    user.last_otp_login = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    Backend.instance.save(user)
"""


@dataclass
class Portal:
    """A running Canaille: sign-in by forms, a page each for name, password and code."""

    port: int
    process: subprocess.Popen[bytes]
    home: Path
    password: str = "canary p&ss/w\u00f6rd"
    seed: str = base64.b32encode(b"canary-token-of-20-b").decode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.home / "portal.sqlite"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def signal(self, number: int) -> None:
        """To the server and its workers."""
        os.killpg(self.process.pid, number)

    @contextlib.contextmanager
    def broken_database(self) -> Iterator[None]:
        """Its database is no database any more."""
        sound = self.database.read_bytes()
        self.database.write_bytes(b"\0 gone " * 4096)
        try:
            yield
        finally:
            self.database.write_bytes(sound)

    @contextlib.contextmanager
    def read_only_database(self) -> Iterator[None]:
        """Somebody else is writing to its database, for ever."""
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def deleted_token(self) -> Iterator[None]:
        """Its user has no token any more."""
        columns = "secret_token, last_otp_login"
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            (had,) = other.execute(f"SELECT {columns} FROM user").fetchall()
            other.execute(f"UPDATE user SET ({columns}) = (NULL, NULL)")
            yield
            other.execute(f"UPDATE user SET ({columns}) = (?, ?)", had)


@pytest.fixture(scope="module")
def portal_process(
    need_application: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Portal]:
    """Canaille on SQLite with one user, who has a password and a TOTP token."""
    binaries = need_application("canaille") / "bin"
    home, port = tmp_path_factory.mktemp("canaille"), free_port()
    config = home / "config.toml"
    config.write_text(CANAILLE.replace("PORT", str(port)).replace("HOME", str(home)))
    environment = {**os.environ, "CANAILLE_CONFIG": str(config), "PYTHONDONTWRITEBYTECODE": "1"}
    with (home / "log").open("wb") as log:
        streams = {"stdout": log, "stderr": log, "env": environment, "cwd": home}
        made = subprocess.run([binaries / "python", "-c", PORTAL_USER], **streams, check=False)
        assert made.returncode == 0, (home / "log").read_text()
        command = [binaries / "python", binaries / "canaille", "run"]
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}"], **streams, start_new_session=True
        )
    portal = Portal(port, process, home)
    try:
        eventually(lambda: process.poll() or _listens(port), "the portal", within=60)
        assert process.poll() is None, portal.log
        yield portal
    finally:
        portal.signal(signal.SIGKILL)  # also a stopped one
        process.wait(10)


@pytest.fixture
def portal(portal_process: Portal) -> Iterator[Portal]:
    """It, not stopped."""
    yield portal_process
    portal_process.signal(signal.SIGCONT)


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
