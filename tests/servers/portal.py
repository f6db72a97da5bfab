"""A portal with forms, password and one-time code: Canaille, from an environment of its own."""

import base64
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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
        eventually(lambda: process.poll() or _listens(port), "the portal", within=300)
        assert process.poll() is None, portal.log
        yield portal
    finally:
        portal.signal(signal.SIGKILL)  # also a stopped one
        process.wait(60)


@pytest.fixture
def portal(portal_process: Portal) -> Iterator[Portal]:
    """It, not stopped."""
    yield portal_process
    portal_process.signal(signal.SIGCONT)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
