"""The handshake, what its errors mean, and what is read from certificates."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.transport.tls import certificate_words, handshake, not_after, trouble_of
from beacon.transport.trouble import Trouble


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


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
    run = Run(SystemClock(), 60.0)
    with socket.socket() as unconnected, pytest.raises(Trouble) as caught:
        handshake(run, unconnected, TlsPolicy(server_name=name), "127.0.0.1")
    assert caught.value.reading.reason is reason
    assert not run._sockets


def test_a_timeout_of_the_handshake_is_the_deadline():
    with pytest.raises(DeadlinePassed):
        trouble_of(TimeoutError("The handshake operation timed out"))
