"""The tcp probe: connections accepted, refused, silent; TLS good and bad."""

import pytest

from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.probes.tcp import Tcp
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: tcp
    host: "{host}"
    port: {port}
    """,
    mute="reads nothing",
)


def test_a_connection_accepted_passes(silent_port, observed):
    reading = observed(Tcp(host="127.0.0.1", port=silent_port))
    assert (reading.reason, reading.detail) == (Reason.OK, "connected")
    assert [name for name, _ in reading.phases] == ["dns", "connect"]
    assert reading.latency is not None


def test_a_closed_port_is_refused(free_port, observed):
    reading = observed(Tcp(host="127.0.0.1", port=free_port()))
    assert reading.reason is Reason.CONNECT_REFUSED


def test_a_name_that_does_not_exist(observed):
    reading = observed(Tcp(host="a" * 64 + ".example.com", port=443))
    assert reading.reason is Reason.DNS_NXDOMAIN


def test_silence_instead_of_a_handshake_ends_at_the_deadline(silent_port, observed):
    reading = observed(Tcp(host="127.0.0.1", port=silent_port, tls=True), 0.3)
    assert reading.reason is Reason.DEADLINE
    assert reading.detail == "no answer within 0.3 s (phase tls)"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("good", Reason.OK),
        ("expired", Reason.TLS_EXPIRED),
        ("expiring", Reason.CERTIFICATE_EXPIRING),
    ],
)
def test_each_certificate_has_its_reason(nginx, observed, ca_file, mood, reason):
    probe = Tcp(host="127.0.0.1", port=nginx.tls[mood], tls=TlsPolicy(ca=ca_file))
    assert observed(probe).reason is reason


@pytest.mark.integration
def test_an_end_of_validity_is_reported_even_unverified(nginx, observed):
    policy = TlsPolicy(verify=False)
    reading = observed(Tcp(host="127.0.0.1", port=nginx.tls["expired"], tls=policy))
    assert reading.reason is Reason.CERTIFICATE_EXPIRING
    assert reading.detail == "the certificate ended 3 days ago"


@pytest.mark.integration
def test_true_means_the_systems_authorities(nginx, observed):
    reading = observed(Tcp(host="127.0.0.1", port=nginx.tls["good"], tls=True))
    assert reading.reason is Reason.TLS_UNTRUSTED


@pytest.mark.integration
def test_a_port_that_does_not_speak_tls(nginx, observed):
    reading = observed(Tcp(host="127.0.0.1", port=nginx.port, tls=True))
    assert reading.reason is Reason.TLS_HANDSHAKE


def test_faults_of_a_policy_are_reported_at_their_place():
    probe = Tcp(host="example.com", port=443, tls=TlsPolicy(ca="/nonexistent"))
    assert [fault.path for fault in probe.faults()] == [("tls", "ca")]
    assert not list(Tcp(host="example.com", port=443).faults())


def test_is_bound_to_the_clock_only_where_certificates_are_verified():
    assert Tcp(host="example.com", port=443, tls=True).clock_bound
    assert not Tcp(host="example.com", port=443).clock_bound
    assert not Tcp(host="example.com", port=443, tls=TlsPolicy(verify=False)).clock_bound
