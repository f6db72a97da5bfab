"""privacyIDEA, from an environment of its own."""

import base64
import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import trustme

from tests.servers.certificates import Pair


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
    asked = [python, "-P", script, home, str(port), *itertools.chain.from_iterable(secure)]
    with (home / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            asked, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=home, env=_plain()
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", (home / "stderr").read_text()
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
