"""Postfix and Dovecot: from a submission by way of an MX, which has moods, into mailboxes."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from tests.servers.certificates import Pair
from tests.servers.dovecot import DOMAIN, PASSWORD, filled, write_dovecot

TOKEN = "canary-token-of-the-mailbox"

MAIN = """
compatibility_level = 3.6
queue_directory = HOME/queue
data_directory = HOME/data
command_directory = ROOT/usr/sbin
daemon_directory = ROOT/usr/lib/postfix/sbin
shlib_directory = ROOT/usr/lib/postfix
import_environment = MAIL_CONFIG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH LANG=C
mail_owner = daemon
setgid_group = utmp
default_privs = nobody
maillog_file = HOME/postfix.log
maillog_file_prefixes = HOME
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mail.example.org
mydestination =
local_recipient_maps =
alias_maps =
relay_domains = example.org
transport_maps = inline:{ example.org=smtp:[127.0.0.1]:MX_PORT }
recipient_delimiter = +
smtp_dns_support_level = disabled
disable_dns_lookups = yes
queue_run_delay = 1s
minimal_backoff_time = 5s
maximal_backoff_time = 5s
smtp_destination_concurrency_failed_cohort_limit = 0
smtpd_tls_chain_files = HOME/chain.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:SASL_PORT
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_error_sleep_time = 0
anvil_rate_time_unit = 1s
smtpd_client_connection_count_limit = 0
"""

MASTER = """
127.0.0.1:SUBMISSION_PORT inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
127.0.0.1:SMTPS_PORT inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:MX_PORT inet n - n - - smtpd
  -o myhostname=mx.example.net
  -o content_filter=lmtp:inet:127.0.0.1:LMTP_PORT
  -o smtpd_recipient_restrictions=check_policy_service,inet:127.0.0.1:POLICY_PORT
  -o smtpd_client_restrictions=
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

QUEUE = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"),
    *("maildrop", "pid", "private", "public", "saved", "trace"),
)


class Policy:
    """What the MX thinks of recipients: Postfix's policy protocol, a mood for each recipient."""

    def __init__(self) -> None:
        self.moods: dict[str, Callable[[float], str]] = {}
        self._first: dict[str, float] = {}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError), caller, caller.makefile("rwb") as lines:
            asked: dict[str, str] = {}
            for line in lines:
                if line.strip():
                    key, _, value = line.decode().strip().partition("=")
                    asked[key] = value
                    continue
                lines.write(f"action={self._action(asked['recipient'])}\n\n".encode())
                lines.flush()

    def _action(self, recipient: str) -> str:
        now = time.monotonic()
        since = now - self._first.setdefault(recipient, now)
        return self.moods.get(recipient, lambda _: "DUNNO")(since)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


class Tokens:
    """An OAuth 2 server: client credentials at /token, introspection for Dovecot at /look."""

    def __init__(self) -> None:
        self.good = True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["content-length"])).decode()
                self._answer(outer.answer(self.path, {k: v[0] for k, v in parse_qs(form).items()}))

            def _answer(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        if path == "/token":
            return {"access_token": TOKEN, "expires_in": 3600}
        active = self.good and form.get("token") == TOKEN
        return {"active": active, "username": f"token@{DOMAIN}"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


@dataclass
class MailServers:
    """A running Postfix and Dovecot: any user of example.org with the one password."""

    home: Path
    policy: Policy
    tokens: Tokens
    ports: dict[str, int]
    dovecot: subprocess.Popen[bytes]
    postfix: subprocess.Popen[bytes]
    _counted: int = field(default=0)

    def user(self, name: str = "probe") -> str:
        """An address nobody has used yet."""
        self._counted += 1
        return f"{name}{self._counted}@{DOMAIN}"

    def drop(self, recipient: str, message: bytes, folder: str = "INBOX") -> None:
        """Put a message into a mailbox at once, whoever it is from."""
        user, _, domain = recipient.partition("@")
        to = f"{user}+{folder}@{domain}" if folder != "INBOX" else recipient
        with smtplib.LMTP("127.0.0.1", self.ports["LMTP_PORT"]) as lmtp:
            lmtp.sendmail("", [to], message)

    def messages(self, user: str) -> list[bytes]:
        """What is in all folders of a mailbox."""
        place = self.home / "mail" / user / "Maildir"
        found = (path for path in place.rglob("*") if path.parent.name in ("cur", "new"))
        return [path.read_bytes() for path in found]

    def fill(self, user: str, messages: Iterable[bytes], age: float = 0.0) -> None:
        """Put many messages into a mailbox that is there, as if they had arrived so long ago."""
        place, arrived = self.home / "mail" / user / "Maildir/new", time.time() - age
        for number, message in enumerate(messages):
            path = place / f"{arrived:.0f}.M{number}P1.bomb"
            path.write_bytes(message)
            os.utime(path, (arrived, arrived))

    def hang(self) -> None:
        """Dovecot and all its processes stop, until the test ends."""
        os.killpg(self.dovecot.pid, signal.SIGSTOP)

    def kill(self, user: str) -> None:
        """End the process that serves this user."""
        served = re.findall(rf"Log(?:in|ged in): user=<{user}>.* mpid=(\d+)", self.log)
        os.kill(int(served[-1]), signal.SIGKILL)

    @property
    def log(self) -> str:
        return (self.home / "dovecot.log").read_text() + (self.home / "postfix.log").read_text()


@pytest.fixture(scope="session")
def mail_servers(
    need: Callable[[str], Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    authority: trustme.CA,
    issue: Callable[..., Pair],
) -> Iterator[MailServers]:
    """Both, with an MX between them, in a directory of their own."""
    dovecot, postfix = need("dovecot"), need("postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix needs root")
    home = Path(tempfile.mkdtemp(prefix="mail-"))  # not pytest's: its parents are root's alone
    home.chmod(0o755)
    root = postfix.parents[2]  # "/", or where the package was unpacked
    policy, tokens = Policy(), Tokens()
    names = ("IMAP", "IMAPS", "LMTP", "SASL", "SUBMISSION", "SMTPS", "MX")
    ports = {f"{name}_PORT": free_port() for name in names}
    good, expired = issue(authority, "127.0.0.1"), issue(authority, "127.0.0.2", since=-9, until=-3)
    values = {
        **{name: str(port) for name, port in ports.items()},
        "POLICY_PORT": str(policy.port),
        "GOOD_CERT": good.certificate,
        "GOOD_KEY": good.key,
        "EXPIRED_CERT": expired.certificate,
        "EXPIRED_KEY": expired.key,
        "PASSWORD": PASSWORD,
        "HOMENAME": home.name,
        "HOME": str(home),
        "ROOT": str(root).rstrip("/"),
    }
    write_dovecot(dovecot, home, values, f"http://127.0.0.1:{tokens.port}/look")
    _write_postfix(home, values, good)
    log = (home / "start.log").open("wb")
    with log:
        servers = MailServers(
            home,
            policy,
            tokens,
            ports,
            subprocess.Popen(
                [dovecot, "-F", "-c", home / "dovecot.conf"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            ),
            subprocess.Popen(
                [postfix.parents[2] / "usr/lib/postfix/sbin/master", "-c", home / "postfix", "-d"],
                env={
                    "PATH": os.environ["PATH"],
                    "LD_LIBRARY_PATH": f"{values['ROOT']}/usr/lib/postfix",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            ),
        )
    try:
        for port in ports.values():
            eventually(lambda port=port: _listens(port), f"mail port {port}")
        yield servers
    finally:
        for process in (servers.dovecot, servers.postfix):
            process.terminate()  # the master ends its own first
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
        policy.close()
        tokens.close()
        shutil.rmtree(home)


def _write_postfix(home: Path, values: dict[str, str], pair: Pair) -> None:
    config = home / "postfix"
    config.mkdir()
    (config / "main.cf").write_text(filled(MAIN, values))
    (config / "master.cf").write_text(filled(MASTER, values))
    key, chain = Path(pair.key).read_text(), Path(pair.certificate).read_text()
    (home / "chain.pem").write_text(key + chain)
    (home / "postfix.log").touch()
    (home / "data").mkdir()
    shutil.chown(home / "data", "daemon")
    for name in QUEUE:
        place = home / "queue" / name
        place.mkdir(parents=True)
        if name != "pid":
            shutil.chown(place, "daemon")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def mail(mail_servers: MailServers) -> Iterator[MailServers]:
    """Them, not stopped."""
    yield mail_servers
    os.killpg(mail_servers.dovecot.pid, signal.SIGCONT)
    mail_servers.tokens.good = True
