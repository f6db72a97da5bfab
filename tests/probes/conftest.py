"""Real servers for probes: nginx in all its moods, a CA of our own, runs that end in time."""

import base64
import contextlib
import gzip
import hashlib
import hmac
import http.server
import itertools
import json
import os
import signal
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
import requests
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


SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

RADIUSD = """
name = freeradius
prefix = /usr
libdir = LIBRARY
raddbdir = HOME
logdir = HOME
run_dir = HOME
db_dir = HOME
pidfile = HOME/pid
cleanup_delay = 5
log {
    destination = stdout
}
security {
    status_server = yes
    reject_delay = 1
}
thread pool {
    start_servers = 2
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 2
    max_requests_per_server = 0
}
client beacon {
    ipaddr = 127.0.0.1
    secret = canary-shared-secret
}
modules {
    pap { }
    totp { }
    perl {
        filename = HOME/site.pl
    }
}
server default {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = PORT
    }
    authorize {
        perl
    }
    authenticate {
        Auth-Type password {
            pap
        }
        Auth-Type combined {
            pap
            totp
        }
        Auth-Type code {
            totp
        }
    }
    post-auth {
        SIGNED
        Post-Auth-Type REJECT {
            SIGNED
        }
        Post-Auth-Type Challenge {
            SIGNED
        }
    }
}
"""

# As docs/probes/radius.md says, but in the mood "bare".
SIGNED = """
perl
if (!&control:Tmp-String-0) {
    update reply { Message-Authenticator := 0x00 }
}
"""

SITE = r"""
use strict;
use warnings;
our (%RAD_REQUEST, %RAD_REPLY, %RAD_CHECK);
use constant { REJECT => 0, FAIL => 1, OK => 2, HANDLED => 3, NOTFOUND => 6, UPDATED => 8 };

sub mood {
    open(my $file, '<', 'HOME/mood') or return '';
    my $mood = <$file> // '';
    return $mood;
}

sub totp {
    $RAD_REQUEST{'TOTP-Password'} = shift;
    $RAD_CHECK{'TOTP-Secret'} = 'SEED';
}

sub combined {
    my ($password, $code) = $RAD_REQUEST{'User-Password'} =~ /^(.*)([0-9]{6})$/ or return REJECT;
    $RAD_REQUEST{'User-Password'} = $password;
    $RAD_CHECK{'Cleartext-Password'} = 'canary-password';
    totp($code);
    $RAD_CHECK{'Auth-Type'} = 'combined';
    return UPDATED;
}

sub challenge {
    my $text = shift;
    $RAD_CHECK{'Response-Packet-Type'} = 'Access-Challenge';
    $RAD_REPLY{'Reply-Message'} = $text;
    $RAD_REPLY{'State'} = 'the password was right';
    return HANDLED;
}

sub in_two_steps {
    if (!exists $RAD_REQUEST{'State'}) {
        return REJECT if $RAD_REQUEST{'User-Password'} ne 'canary-password';
        $RAD_CHECK{'Auth-Type'} = 'Accept', return UPDATED if mood() eq 'no challenge';
        return challenge("Enter the code\nof your token, $RAD_REQUEST{'User-Password'}");
    }
    return challenge('One code more: 834211') if mood() eq 'one more';
    totp($RAD_REQUEST{'User-Password'});
    $RAD_CHECK{'Auth-Type'} = 'code';
    return UPDATED;
}

sub authorize {
    return FAIL if mood() eq 'back end gone';
    $RAD_CHECK{'Response-Packet-Type'} = 'Do-Not-Respond', return HANDLED if mood() eq 'drop';
    return combined() if $RAD_REQUEST{'User-Name'} eq 'probe';
    return in_two_steps() if $RAD_REQUEST{'User-Name'} eq 'challenged';
    return NOTFOUND;
}

sub post_auth {
    $RAD_CHECK{'Tmp-String-0'} = 'bare' if mood() eq 'bare';
    return UPDATED;
}
"""


@dataclass
class FreeRadius:
    """A running FreeRADIUS: users `probe` (password and code in one) and `challenged`."""

    port: int
    process: subprocess.Popen[bytes]
    home: Path
    seed: str = SEED
    password: str = "canary-password"
    shared_secret: str = "canary-shared-secret"

    def be(self, mood: str) -> None:
        """Behave like this from now on: "" is sound."""
        (self.home / "mood").write_text(mood)

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()


@pytest.fixture(scope="session")
def radius_process(
    need: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FreeRadius]:
    """FreeRADIUS with PAP, rlm_totp, and rlm_perl for challenges and moods."""
    binary = need("freeradius")
    home, port = tmp_path_factory.mktemp("freeradius"), free_port()
    library = next(Path("/usr/lib").rglob("rlm_totp.so")).parent
    config = (
        RADIUSD.replace("SIGNED", SIGNED)
        .replace("LIBRARY", str(library))
        .replace("PORT", str(port))
    )
    (home / "radiusd.conf").write_text(config.replace("HOME", str(home)))
    (home / "site.pl").write_text(SITE.replace("HOME", str(home)).replace("SEED", SEED))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "-d", home, "-f", "-xx", "-l", "stdout"], stdout=log, stderr=log
        )
    server = FreeRadius(port, process, home)
    try:
        eventually(lambda: process.poll() or "Ready to process requests" in server.log)
        assert process.poll() is None, server.log
        yield server
    finally:
        process.kill()  # also a stopped one
        process.wait(10)


@pytest.fixture
def freeradius(radius_process: FreeRadius) -> Iterator[FreeRadius]:
    """It, in a good mood and not stopped."""
    radius_process.be("")
    yield radius_process
    radius_process.process.send_signal(signal.SIGCONT)


@dataclass
class PrivacyIdea:
    """A running privacyIDEA; its accounts have the PIN `canary-pin`."""

    port: int
    tls: dict[str, int]
    process: subprocess.Popen[str]
    home: Path
    taken: dict[str, Iterator[int]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def https(self, mood: str = "good") -> str:
        return f"https://127.0.0.1:{self.tls[mood]}"

    def account(self, kind: str = "totp") -> tuple[str, str]:
        """The name of one nobody has used yet, and the seed of its only token."""
        number = next(self.taken.setdefault(kind, itertools.count()))
        seed = b"12345678901234567" + number.to_bytes(3, "big")
        return f"{kind}{number}", base64.b32encode(seed).decode()

    def administer(self, method: str, path: str, **fields: str) -> None:
        """Do something as the administrator."""
        known = requests.post(self.url + "/auth", {"username": "admin", "password": "admin"})
        token = known.json()["result"]["value"]["token"]
        url, proof = self.url + path, {"Authorization": token}
        done = requests.request(method, url, data=fields, headers=proof)
        assert done.json()["result"]["status"], done.text

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        """Meanwhile its database cannot be opened."""
        database, elsewhere = self.home / "database", self.home / "elsewhere"
        database.rename(elsewhere)
        database.mkdir()
        try:
            yield
        finally:
            database.rmdir()
            elsewhere.rename(database)


@pytest.fixture(scope="session")
def privacyidea_process(
    need_application: Callable[[str], Path],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
    authority: trustme.CA,
    issue: Callable[..., Pair],
) -> Iterator[PrivacyIdea]:
    """privacyIDEA on SQLite: plain, and over TLS with a good and an expired certificate."""
    python = need_application("privacyidea") / "bin" / "python"
    home, port = tmp_path_factory.mktemp("privacyidea"), free_port()
    pairs = {
        "good": issue(authority, "127.0.0.1"),
        "expired": issue(authority, "127.0.0.1", since=-30, until=-3),
    }
    tls = {mood: free_port() for mood in pairs}
    secure = [(str(tls[mood]), pair.certificate, pair.key) for mood, pair in pairs.items()]
    script = Path(__file__).with_name("privacyidea_server.py")
    asked = [python, script, home, str(port), *itertools.chain.from_iterable(secure)]
    with (home / "said").open("wb") as said:
        process = subprocess.Popen(
            asked, stdout=subprocess.PIPE, stderr=said, text=True, cwd=home, env=_plain()
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", (home / "said").read_text()
        yield PrivacyIdea(port, tls, process, home)
    finally:
        process.kill()  # also a stopped one
        process.communicate()


def _plain() -> dict[str, str]:
    """Our environment without what is meant for our own interpreter."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture
def privacyidea(privacyidea_process: PrivacyIdea) -> Iterator[PrivacyIdea]:
    """It, sound and not stopped."""
    yield privacyidea_process
    privacyidea_process.process.send_signal(signal.SIGCONT)


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


Asked = Callable[[str, dict[str, str]], tuple[int, Any]]


@pytest.fixture
def answering() -> Iterator[Callable[[Asked], str]]:
    """Start servers that answer a path and form with a status and a document (or bytes)."""
    with contextlib.ExitStack() as servers:

        def start(answer: Asked) -> str:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self) -> None:
                    asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                    status, said = answer(self.path, dict(parse_qsl(asked)))
                    body = said if isinstance(said, bytes) else json.dumps(said).encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    with contextlib.suppress(OSError):  # nobody waited for it
                        self.wfile.write(body)

                do_GET = do_POST  # noqa: N815 - as it is called

                def log_message(self, *_: object) -> None:
                    """Nothing: what is asked holds secrets."""

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            for end in (server.server_close, lambda: thread.join(10), server.shutdown):
                servers.callback(end)
            return f"http://127.0.0.1:{server.server_address[1]}"

        yield start


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
