"""OpenID providers: one built from documents, and Canaille, a real one."""

import base64
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers.certificates import Pair
from tests.servers.stand_in import PASSWORD, StandIn


@pytest.fixture(name="jwk")
def jwk_fixture() -> Callable[..., dict[str, Any]]:
    """Make a public key as a provider offers it; what it is made of follows from its name."""
    return jwk


def jwk(name: str | None, **others: Any) -> dict[str, Any]:
    """A public key by that name, of no use."""
    made = base64.urlsafe_b64encode(f"made of {name}".encode()).decode().rstrip("=")
    key = {"kty": "RSA", "use": "sig", "alg": "RS256", "n": made, "e": "AQAB"}
    return {**key, **({} if name is None else {"kid": name}), **others}


class OpenIdProvider(StandIn):
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
        right = form["password"] == PASSWORD and self.right(form["otp"])
        if not right:
            words = "Invalid user credentials"
            return 401, {"error": "invalid_grant", "error_description": words}
        refresh = f"canary-refresh-{len(self.asked)}"
        self.sessions.add(refresh)
        more = {"id_token": self.jwt(typ="ID"), "refresh_token": refresh, "token_type": "Bearer"}
        return 200, tokens | more | self.issued


@pytest.fixture
def openid_provider(stand_in: Callable[..., Any]) -> Callable[..., OpenIdProvider]:
    """Start providers; one that is given a certificate speaks TLS."""
    return lambda *given: stand_in(OpenIdProvider, *given)


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
        self._command = [python, "-c", CANAILLE, home, str(port), PASSWORD]
        self._home, self._ready, self.port = home, ready, port
        self.issuer = f"http://127.0.0.1:{port}"
        self.start()

    def start(self) -> None:
        with (self._home / "log").open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env={})
        try:
            self._ready(lambda: self.process.poll() or _listens(self.port), "Canaille", 300.0)
            assert self.process.poll() is None, (self._home / "log").read_text()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(60)

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


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
