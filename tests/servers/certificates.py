"""A CA of our own, and certificates it issues, good and bad."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import trustme


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
