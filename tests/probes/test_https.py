"""What every kind that speaks HTTP does with certificates, proxies and redirects."""

import base64
import ssl
from dataclasses import replace
from functools import cache

import pytest
import trustme

from beacon.config.fields import Secret
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.net.http.route import Proxy, ProxyUrl, Reach
from tests.probes.conformance import MOODS, Parrot, case, http_answer, kinds_that, leaks, tried

KINDS = [kind for kind in kinds_that(lambda kind: issubclass(kind, Reach)) if not case(kind).first]
WHO = b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"


@cache
def other_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def served(authority, issue):
    """What a server shows: a certificate of our authority, good or flawed in one way."""

    def context(mood: str) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        name = "elsewhere.example" if mood == "misnamed" else "127.0.0.1"
        times = {"expired": {"since": -9, "until": -1}, "early": {"since": 1, "until": 9}}
        pair = issue(authority, name, **times.get(mood, {}))
        found.load_cert_chain(pair.certificate, pair.key)
        return found

    return context


def says(reading: Reading, second_hand: bool, reason: Reason) -> bool:
    """Whether it is this reason; a source that cannot be reached is dead, and says why."""
    if not second_hand:
        return reading.reason is reason
    return reading.reason is Reason.SOURCE_DEAD and f"{reason}: " in reading.detail


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("expired", Reason.TLS_EXPIRED),
        ("early", Reason.TLS_NOT_YET_VALID),
        ("misnamed", Reason.TLS_NAME),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_each_flawed_certificate_has_its_reason(kind, mood, reason, probe_of, served, ca_file):
    with Parrot(MOODS["echoes"], tls=served(mood)) as parrot:
        probe = probe_of(case(kind).settings, parrot.port, "https")
        _, reading = tried(replace(probe, tls=TlsPolicy(ca=ca_file)), 60.0)
    assert says(reading, probe.ABILITIES.second_hand, reason), reading
    assert not parrot.received, "nothing is sent"


@pytest.mark.parametrize("kind", KINDS)
def test_a_renewed_authority_is_trusted_from_the_next_run_on(
    kind, probe_of, served, authority, tmp_path
):
    ca_file = tmp_path / "ca.pem"
    other_authority().cert_pem.write_to_path(ca_file)
    with Parrot(MOODS["echoes"], tls=served("good")) as parrot:
        probe = probe_of(case(kind).settings, parrot.port, "https")
        probe = replace(probe, tls=TlsPolicy(ca=str(ca_file)))
        _, reading = tried(probe, 60.0)
        assert says(reading, probe.ABILITIES.second_hand, Reason.TLS_UNTRUSTED), reading
        assert not parrot.received, "nothing is sent"
        authority.cert_pem.write_to_path(ca_file)
        _, reading = tried(probe, received=parrot.received)
    assert parrot.received, reading


@pytest.mark.parametrize("kind", KINDS)
def test_where_it_verifies_certificates_our_clock_matters(kind, probe_of):
    assert probe_of(case(kind).settings, 9, "https").clock_bound or "verify: false" in (
        case(kind).settings
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_port_is_a_server_that_is_not_there(kind, probe_of, free_port):
    probe = probe_of(case(kind).settings, free_port())
    _, reading = tried(probe, 60.0)
    assert says(reading, probe.ABILITIES.second_hand, Reason.CONNECT_REFUSED), reading


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize(
    ("kind", "honest"),
    [(kind, {}) for kind in KINDS]
    + [(kind, case(kind).honest) for kind in KINDS if case(kind).honest],
)
def test_no_redirect_takes_a_secret_elsewhere(kind, honest, status, probe_of):
    def elsewhere(_: bytes) -> bytes:
        place = f"Location: http://127.0.0.1:{other.port}/\r\n".encode()
        return http_answer(status, b"").replace(b"\r\n", b"\r\n" + place, 1)

    with Parrot(MOODS["echoes"]) as other, Parrot(elsewhere, honest) as parrot:
        probe = probe_of(case(kind).settings, parrot.port)
        tried(probe, received=parrot.received)
        sent = b"".join(other.received).decode("latin-1")
    assert not leaks(sent), sent
    document = not honest and any(each.startswith("GET /.well-known") for each in case(kind).honest)
    assert other.received or not document, "a public document is read where a redirect leads"
    followed = hasattr(probe, "follow_to") or not parrot.received[-1].startswith(b"POST ")
    assert followed or not other.received, "what signs in or asks for a token goes nowhere else"


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_wants_a_sign_in_is_our_trouble_and_never_red(kind, probe_of):
    with Parrot(lambda _: WHO) as proxy:
        through = ProxyUrl(f"http://127.0.0.1:{proxy.port}")
        _, reading = tried(replace(probe_of(case(kind).settings, 9), proxy=through), 60.0)
    assert proxy.received, "it was asked"
    assert (reading.reason, reading.outcome) == (Reason.OWN_CREDENTIALS, Outcome.ERROR)
    assert "set `proxy.username` and `proxy.password`" in reading.detail


@pytest.mark.parametrize("kind", KINDS)
def test_the_proxy_is_given_our_name_there(kind, probe_of):
    with Parrot(lambda _: WHO) as proxy:
        url = ProxyUrl(f"http://127.0.0.1:{proxy.port}")
        through = Proxy(url=url, username="probe", password=Secret("word"))
        _, reading = tried(replace(probe_of(case(kind).settings, 9), proxy=through), 60.0)
    pair = base64.b64encode(b"probe:word")
    assert all(b"Proxy-Authorization: Basic " + pair + b"\r\n" in head for head in proxy.received)
    assert "our proxy refuses `proxy.username` or `proxy.password`" in reading.detail


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"tls": TlsPolicy(ca="/nowhere.pem")}, ("tls", "ca")),
        ({"proxy": ProxyUrl("https://proxy.example")}, ("proxy",)),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_flaws_of_tls_and_proxy_are_found(kind, settings, path, probe_of):
    probe = replace(probe_of(case(kind).settings, 9), **settings)
    assert path in [flaw.path for flaw in probe.faults()]
