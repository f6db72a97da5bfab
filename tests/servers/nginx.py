"""nginx in all its moods."""

import gzip
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from tests.servers.certificates import Pair


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
