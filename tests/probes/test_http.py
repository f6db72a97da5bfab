"""The http probe against a real nginx, and its settings."""

import pytest

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.net.http.auth import Auth, Bearer, HeldTokens, OAuth2
from beacon.net.http.client import Answer
from beacon.net.http.condition import Condition, StatusSet
from beacon.net.http.expectations import Expectations
from beacon.probes.http import Http
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: http
    url: {url}
    method: POST
    auth: {basic: {username: probe, password: !secret canary}}
    form: {password: !secret canary}
    headers: {X-Key: !secret canary-of-a-header}
    expect: {json: {access_token: never}}
    """,
    instead=frozenset({"body"}),
)


def expecting(status=None, body=None, **named):
    """Expectations: JSON by its paths, headers as the setting `headers`."""
    headers = {name: Condition.parse(raw) for name, raw in named.pop("headers", {}).items()}
    return Expectations(
        status=status and StatusSet.parse(status),
        headers=headers,
        body=body and Condition.parse(body),
        json={path: Condition.parse(raw) for path, raw in named.items()},
    )


# --- against nginx ----------------------------------------------------------------


@pytest.fixture
def ask(nginx, observed):
    """Ask nginx once for a path; by TLS, if a certificate is named."""

    def once(path="/", certificate=None, **settings):
        url = nginx.https(certificate) if certificate else nginx.url
        return observed(Http(url=Url(url + path), **settings))

    return once


@pytest.mark.integration
class TestPlain:
    def test_passes_with_latency_and_the_seconds_of_every_phase(self, ask, ca_file):
        reading = ask()
        assert reading.reason is Reason.OK
        assert [name for name, _ in reading.phases] == ["dns", "connect", "send", "wait", "read"]
        assert 0 < sum(seconds for _, seconds in reading.phases) <= reading.latency
        assert "tls" in dict(ask("/", "good", tls=TlsPolicy(ca=ca_file)).phases)

    @pytest.mark.parametrize(
        ("path", "reason", "detail"),
        [
            ("/bad-gateway", Reason.HTTP_STATUS, "status 502, expected 2xx"),
            ("/busy", Reason.RATE_LIMITED, "status 429, expected 2xx"),
            ("/loop", Reason.REDIRECT_LIMIT, "more than 5 redirects"),
            ("/huge", Reason.BODY_TOO_LARGE, "2097152 bytes are announced"),
            ("/bomb", Reason.BODY_TOO_LARGE, "the body is longer than 1 MiB"),
            ("/not-gzip", Reason.BODY_UNDECODABLE, "not gzip data"),
            ("/once", Reason.OK, "status 200"),
            ("/zipped", Reason.OK, "status 200"),
        ],
    )
    def test_each_answer_has_its_reason(self, ask, path, reason, detail):
        reading = ask(path)
        assert (reading.reason, reading.detail) == (reason, detail)

    @pytest.mark.parametrize("path", ["/slow", "/hang"])
    def test_ends_at_the_deadline_however_slow_the_server(self, nginx, observed, path):
        reading = observed(Http(url=Url(nginx.url + path)), 0.4)
        assert reading.reason is Reason.DEADLINE
        assert reading.latency == pytest.approx(0.4)

    @pytest.mark.parametrize(
        ("settings", "reason", "detail"),
        [
            ({"expect": expecting(200, queue={"max": 5})}, Reason.OK, "status 200"),
            (
                {"expect": expecting(queue=4)},
                Reason.EXPECTATION_FAILED,
                "json queue: 3 is not 4",
            ),
            (
                {"prefer": expecting(queue={"max": 2})},
                Reason.PREFERENCE_UNMET,
                "json queue: 3 is above 2",
            ),
        ],
    )
    def test_judges_real_json(self, ask, settings, reason, detail):
        reading = ask("/json", **settings)
        assert (reading.reason, reading.detail) == (reason, detail)

    def test_a_redirect_can_be_what_is_expected(self, ask):
        expect = expecting(302, headers={"Location": {"matches": "/json$"}})
        assert ask("/once", follow_redirects=False, expect=expect).reason is Reason.OK

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ({"form": {"a": Secret("ü b")}}, "POST application/x-www-form-urlencoded"),
            ({"json": {"a": 1}}, "POST application/json"),
            (
                {"body": Secret("text"), "headers": {"Content-Type": Secret("text/x")}},
                "POST text/x",
            ),
        ],
    )
    def test_sends_what_the_settings_say(self, ask, sent, expected):
        expect = expecting(body=expected)
        assert ask("/method", method="POST", **sent, expect=expect).reason is Reason.OK

    def test_goes_through_a_proxy(self, nginx, observed):
        url, expect = Url("http://nowhere.example/json"), expecting(queue=3)
        assert observed(Http(url=url, proxy=Url(nginx.url), expect=expect)).reason is Reason.OK

    def test_a_proxy_that_is_gone_is_our_own_trouble(self, observed, free_port):
        proxy = Url(f"http://127.0.0.1:{free_port()}")
        reading = observed(Http(url=Url("http://nowhere.example/"), proxy=proxy))
        assert reading.reason is Reason.OWN_NETWORK

    def test_nothing_of_the_environment_is_used(self, ask, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        assert ask().reason is Reason.OK


@pytest.mark.integration
class TestTls:
    """What certificates and refusals come to in every kind is in `test_https.py`."""

    @pytest.mark.parametrize(
        ("certificate", "settings", "reason"),
        [
            ("good", {}, Reason.TLS_UNTRUSTED),  # the system's own bundle has not our authority
            ("untrusted", {"tls": TlsPolicy(verify=False)}, Reason.OK),
            ("misnamed", {"tls": TlsPolicy(verify=False)}, Reason.OK),
            ("early", {"tls": TlsPolicy(verify=False)}, Reason.OK),
            (
                "good",
                {"tls": TlsPolicy(certificate="/nonexistent/cert.pem")},
                Reason.OWN_CREDENTIALS,
            ),
        ],
    )
    def test_what_verification_accepts(self, ask, certificate, settings, reason):
        assert ask("/", certificate, **settings).reason is reason

    @pytest.mark.parametrize(
        ("certificate", "policy", "settings", "reason"),
        [
            ("expiring", {}, {}, Reason.CERTIFICATE_EXPIRING),
            ("expiring", {}, {"certificate_days": 0}, Reason.OK),
            ("mutual", {}, {}, Reason.HTTP_STATUS),
            ("misnamed", {"server_name": "other.example.com"}, {}, Reason.OK),
        ],
    )
    def test_by_our_own_authority(self, ask, ca_file, certificate, policy, settings, reason):
        reading = ask("/", certificate, tls=TlsPolicy(ca=ca_file, **policy), **settings)
        assert reading.reason is reason, reading.detail

    def test_shows_its_own_certificate(self, ask, ca_file, authority, issue):
        pair = issue(authority, "probe.example.com")
        policy = TlsPolicy(ca=ca_file, certificate=pair.certificate, key=pair.key)
        assert ask("/", "mutual", tls=policy).reason is Reason.OK

    def test_an_expired_certificate_is_reported_unverified_and_weakens_no_other_probe(
        self, ask, ca_file
    ):
        reading = ask("/", "expired", tls=TlsPolicy(verify=False))
        assert reading.reason is Reason.CERTIFICATE_EXPIRING
        assert reading.detail == "the certificate ended 3 days ago"
        assert ask("/", "expired", tls=TlsPolicy(ca=ca_file)).reason is Reason.TLS_EXPIRED

    def test_plain_http_on_a_tls_port_and_the_reverse(self, nginx, observed):
        plain = Url(nginx.url.replace("http:", "https:") + "/")
        assert observed(Http(url=plain)).reason is Reason.TLS_HANDSHAKE
        secure = Url(nginx.https().replace("https:", "http:") + "/")
        assert observed(Http(url=secure)).reason is Reason.HTTP_STATUS


@pytest.mark.integration
def test_a_token_the_server_refuses_is_asked_for_anew(nginx, observed, ca_file):
    oauth2 = OAuth2(
        token_url=Url(nginx.url + "/token"), client_id="probe", client_secret=Secret("x")
    )
    memory = MEMORIES.new()
    for path, reason in (("/whoami", Reason.OK), ("/unauthorized", Reason.HTTP_STATUS)):
        probe = Http(url=Url(nginx.url + path), auth=Auth(oauth2=oauth2))
        assert observed(probe, memory=memory).reason is reason
    assert not memory.of(HeldTokens)


# --- settings ---------------------------------------------------------------------


def faults(**settings):
    settings.setdefault("url", Url("https://example.com/"))
    return [(fault.path, fault.message) for fault in Http(**settings).faults()]


def test_sound_settings_have_no_faults():
    assert faults() == []
    assert faults(method="POST", json={"a": 1}, auth=Auth(bearer=Bearer(token=Secret("x")))) == []


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ({"method": "POST", "body": Secret("a"), "json": 1}, (), "more than one body to send"),
        ({"body": Secret("a")}, ("method",), "GET sends no body"),
        ({"proxy": Url("https://example.org/")}, ("proxy",), "a proxy is reached in plain HTTP"),
        ({"auth": Auth()}, ("auth",), "not exactly one way to sign in"),
        (
            {"headers": {"X-Key": Secret("a\r\nb: c")}},
            ("url",),
            "an address or a header that cannot be sent",
        ),
        ({"tls": TlsPolicy(key="/etc/hostname")}, ("tls", "key"), "a key without a certificate"),
        (
            {"tls": TlsPolicy(ca="/nonexistent")},
            ("tls", "ca"),
            "cannot read /nonexistent",
        ),
        (
            {"expect": expecting(**{"foo(bar)": 1})},
            ("expect", "json", "foo(bar)"),
            "Unknown function: foo()",
        ),
        (
            {"prefer": expecting(headers={"Age": 5})},
            ("prefer", "headers", "Age"),
            "text never equals a number, true or a list",
        ),
    ],
)
def test_each_fault_is_reported_at_its_place(settings, path, message):
    assert (path, message) in faults(**settings)


def test_a_failed_expectation_outranks_a_certificate_near_its_end():
    probe = Http(url=Url("https://example.com/"))
    assert probe.judge(Answer(status=500, certificate_days=3)).reason is Reason.HTTP_STATUS
    assert probe.judge(Answer(status=200, certificate_days=3)).reason is Reason.CERTIFICATE_EXPIRING
    assert probe.judge(Answer(status=200, certificate_days=14)).reason is Reason.OK
