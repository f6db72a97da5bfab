"""The handshake, and what its errors mean."""

import socket
import ssl

import pytest

from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.probe_failure import ProbeFailure
from beacon.net.tls import handshake, trouble_of


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
    with socket.socket() as unconnected, pytest.raises(ProbeFailure) as caught:
        handshake(run, unconnected, TlsPolicy(server_name=name), "127.0.0.1")
    assert caught.value.reading.reason is reason
    assert not run._sockets


def test_a_timeout_of_the_handshake_is_the_deadline():
    with pytest.raises(DeadlinePassed):
        trouble_of(TimeoutError("The handshake operation timed out"))
