"""A bind with password and code: what results come to, and a real OpenLDAP."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beacon.probes.ldap_bind import LdapBind

from beacon.config.fields import Secret
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reading, Reason
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: ldap_bind
    host: "{host}"
    port: {port}
    username: cn=probe,cn=example
    password: !secret canary
    code: {totp: !secret seed}
    tls: {verify: false}
    """,
    mute="tells numbers, and words of a closed list",
)

NAME = "cn=probe,cn=example"


@pytest.mark.parametrize(
    ("result", "reason", "words"),
    [
        (0, Reason.OK, "accepted"),
        (49, Reason.SIGN_IN_REJECTED, "invalid credentials"),
        (52, Reason.EXPECTATION_FAILED, "result 52: unavailable"),
        (7, Reason.EXPECTATION_FAILED, "result 7: not a result of a bind that we know"),
    ],
)
def test_what_a_result_comes_to(result: int, reason: Reason, words: str) -> None:
    probe = LdapBind(host="ldap.example.com", username=NAME, password=Secret("x"))
    reading = probe.judge(result)
    assert reading.reason is reason
    assert words in reading.detail


@pytest.fixture
def slapd(
    need: Callable[[str], Path],
    issue: Callable[..., Any],
    authority: Any,
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path: Path,
) -> Iterator[int]:
    """OpenLDAP over TLS, in which one name has a password; its port."""
    port, pair = free_port(), issue(authority, "127.0.0.1")
    (tmp_path / "slapd.conf").write_text(
        f"TLSCertificateFile {pair.certificate}\nTLSCertificateKeyFile {pair.key}\n"
        f'database ldif\nsuffix "cn=example"\ndirectory {tmp_path}\n'
        f'rootdn "{NAME}"\nrootpw right\n'
    )
    command = [need("slapd"), "-d", "0", "-f", tmp_path / "slapd.conf", "-h"]
    process = subprocess.Popen([*command, f"ldaps://127.0.0.1:{port}/"])

    def listens() -> bool:
        assert process.poll() is None, "slapd ended"
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens, "slapd's start")
    yield port
    process.terminate()
    process.wait(60)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("password", "reason"), [("right", Reason.OK), ("wrong", Reason.SIGN_IN_REJECTED)]
)
def test_a_real_server(
    slapd: int, observed: Callable[..., Reading], ca_file: str, password: str, reason: Reason
) -> None:
    probe = LdapBind(
        host="127.0.0.1",
        port=slapd,
        username=NAME,
        password=Secret(password),
        tls=TlsPolicy(ca=ca_file),
    )
    assert not list(probe.faults())
    reading = observed(probe)
    assert reading.reason is reason, reading
    assert [name for name, _ in reading.phases][:3] == ["dns", "connect", "tls"]


def test_a_bind_without_a_name_would_prove_nothing() -> None:
    probe = LdapBind(host="ldap.example.com", username="", password=Secret("x"))
    assert [flaw.path for flaw in probe.faults()] == [("username",)]
