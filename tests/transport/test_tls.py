"""Policies, their contexts, and what is read from certificates."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.transport.tls import (
    TlsPolicy,
    certificate_words,
    context,
    handshake,
    not_after,
    trouble_of,
)
from beacon.transport.trouble import Trouble


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    pair = authority.issue_cert("probe.example.com")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (tmp_path / "text").write_text("no certificate")
    return tmp_path


def test_one_context_serves_a_policy():
    assert context(TlsPolicy()) is context(TlsPolicy())


def test_verify_off_is_a_context_of_its_own():
    strict, lax = context(TlsPolicy()), context(TlsPolicy(verify=False))
    assert strict is not lax
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)


def test_the_oldest_version_is_1_2_unless_it_is_1_3():
    assert context(TlsPolicy()).minimum_version is ssl.TLSVersion.TLSv1_2
    assert context(TlsPolicy(min_version="1.3")).minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_ca_of_ones_own_replaces_the_systems(files):
    loaded = context(TlsPolicy(ca=str(files / "ca.pem"))).cert_store_stats()
    assert loaded["x509_ca"] == 1


def test_without_a_bundle_of_the_system_ours_is_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context.cache_clear()
    try:
        assert context(TlsPolicy()).cert_store_stats()["x509_ca"] > 50
    finally:
        context.cache_clear()


def test_a_sound_policy_has_no_flaws(files):
    policy = TlsPolicy(
        ca=str(files / "ca.pem"), certificate=str(files / "cert.pem"), key=str(files / "key.pem")
    )
    assert list(policy.flaws()) == []


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ({"key": "key.pem"}, ("key",), "a key without a certificate"),
        ({"ca": "ca.pem", "verify": False}, ("ca",), "a CA that nothing is verified with"),
        ({"ca": "missing"}, ("ca",), "cannot read "),
        ({"certificate": "cert.pem", "key": "missing"}, ("key",), "cannot read "),
        ({"ca": "text"}, (), "these files do not make a TLS context: "),
        ({"certificate": "cert.pem", "key": "text"}, (), "these files do not make a TLS context: "),
        ({"certificate": "cert.pem"}, (), "these files do not make a TLS context: "),
    ],
)
def test_each_flaw_is_told(files, settings, path, message):
    named = {k: str(files / v) if isinstance(v, str) else v for k, v in settings.items()}
    flaws = list(TlsPolicy(**named).flaws())
    assert [(where, said[: len(message)]) for where, said, _ in flaws] == [(path, message)]


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 2120])
def test_the_end_of_a_certificate_is_read_from_its_bytes(authority, year):
    end = datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC)
    begin = end - timedelta(days=400)
    pair = authority.issue_cert("example.com", not_before=begin, not_after=end)
    der = ssl.PEM_cert_to_DER_cert(pair.cert_chain_pems[0].bytes().decode())
    assert not_after(der) == end


@given(st.binary(max_size=80))
def test_no_bytes_are_too_strange_for_a_certificate(der):
    assert not_after(der) is None


def test_a_cut_certificate_has_no_end(authority):
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    for length in range(0, 120, 3):
        assert not_after(der[:length]) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [(5.4, "the certificate ends in 5 days"), (-2.6, "the certificate ended 3 days ago")],
)
def test_days_are_spoken_of(days, words):
    assert certificate_words(days) == words


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (9, Reason.TLS_NOT_YET_VALID),
        (10, Reason.TLS_EXPIRED),
        (18, Reason.TLS_UNTRUSTED),
        (20, Reason.TLS_UNTRUSTED),
        (62, Reason.TLS_NAME),
        (64, Reason.TLS_NAME),
    ],
)
def test_openssls_codes_have_reasons(code, reason):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "so it is"
    assert trouble_of(error).reading.reason is reason
    assert trouble_of(error).reading.detail == "certificate: so it is"


def test_any_other_error_of_tls_is_the_handshake():
    assert trouble_of(ssl.SSLEOFError(8, "EOF")).reading.reason is Reason.TLS_HANDSHAKE
    assert trouble_of(ConnectionResetError(104, "reset")).reading.reason is Reason.CONNECT_RESET


@pytest.mark.parametrize(
    ("name", "reason"), [(".", Reason.TLS_NAME), ("example.com", Reason.CONNECT_RESET)]
)
def test_a_socket_that_left_or_a_name_that_cannot_be_ends_the_handshake(name, reason):
    run = Run(SystemClock(), 5.0)
    with socket.socket() as unconnected, pytest.raises(Trouble) as caught:
        handshake(run, unconnected, TlsPolicy(server_name=name), "127.0.0.1")
    assert caught.value.reading.reason is reason
    assert not run._sockets


def test_a_timeout_of_the_handshake_is_the_deadline():
    with pytest.raises(DeadlinePassed):
        trouble_of(TimeoutError("The handshake operation timed out"))
