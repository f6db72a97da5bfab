"""The http probe against a real nginx, and its settings."""

import pytest

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.net.http.auth import Auth, Basic, Bearer, HeldTokens, OAuth2
from beacon.net.http.client import Answer
from beacon.net.http.condition import Condition, StatusSet
from beacon.net.http.expectations import Expectations
from beacon.probes import load
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


def expecting(**conditions):
    json = {path: Condition.parse(raw) for path, raw in conditions.pop("json", {}).items()}
    headers = {name: Condition.parse(raw) for name, raw in conditions.pop("headers", {}).items()}
    body = Condition.parse(conditions.pop("body")) if "body" in conditions else None
    status = StatusSet.parse(conditions.pop("status")) if "status" in conditions else None
    assert not conditions
    return Expectations(status=status, headers=headers, body=body, json=json)


def test_is_the_kind_http():
    assert load("http") is Http
    assert Http(url=Url("http://example.com/")).wait(0.0, MEMORIES.new()) == 0.0


# --- against nginx ----------------------------------------------------------------


@pytest.mark.integration
class TestPlain:
    def test_passes_with_latency_and_the_seconds_of_every_phase(self, nginx, observed):
        reading = observed(Http(url=Url(nginx.url + "/")))
        assert reading.reason is Reason.OK
        assert [name for name, _ in reading.phases] == ["dns", "connect", "send", "wait", "read"]
        assert reading.latency == pytest.approx(sum(s for _, s in reading.phases), abs=0.05)

    @pytest.mark.parametrize(
        ("path", "reason", "detail"),
        [
            ("/bad-gateway", Reason.HTTP_STATUS, "status 502, expected 2xx"),
            ("/teapot", Reason.HTTP_STATUS, "status 418, expected 2xx"),
            ("/missing", Reason.HTTP_STATUS, "status 404, expected 2xx"),
            ("/busy", Reason.RATE_LIMITED, "status 429, expected 2xx"),
            ("/loop", Reason.REDIRECT_LIMIT, "more than 5 redirects"),
            ("/huge", Reason.BODY_TOO_LARGE, "2097152 bytes are announced"),
            ("/bomb", Reason.BODY_TOO_LARGE, "the body is longer than 1 MiB"),
            ("/not-gzip", Reason.BODY_UNDECODABLE, "not gzip data"),
            ("/once", Reason.OK, "status 200"),
            ("/zipped", Reason.OK, "status 200"),
        ],
    )
    def test_each_answer_has_its_reason(self, nginx, observed, path, reason, detail):
        reading = observed(Http(url=Url(nginx.url + path)))
        assert (reading.reason, reading.detail) == (reason, detail)

    @pytest.mark.parametrize("path", ["/slow", "/hang"])
    def test_ends_at_the_deadline_however_slow_the_server(self, nginx, observed, path):
        reading = observed(Http(url=Url(nginx.url + path)), 0.4)
        assert reading.reason is Reason.DEADLINE
        assert reading.latency == pytest.approx(0.4)

    def test_judges_real_json(self, nginx, observed):
        right = expecting(status=200, json={"status": "UP", "queue": {"max": 5}})
        assert observed(Http(url=Url(nginx.url + "/json"), expect=right)).reason is Reason.OK
        wrong = observed(
            Http(url=Url(nginx.url + "/json"), expect=expecting(json={"status": "up"}))
        )
        assert wrong.reason is Reason.EXPECTATION_FAILED
        assert wrong.detail == 'json status: "UP" is not "up"'

    def test_warns_of_what_is_merely_preferred(self, nginx, observed):
        wish = expecting(json={"queue": {"max": 2}})
        reading = observed(Http(url=Url(nginx.url + "/json"), prefer=wish))
        assert (reading.reason, reading.detail) == (
            Reason.PREFERENCE_UNMET,
            "json queue: 3 is above 2",
        )

    def test_a_redirect_can_be_what_is_expected(self, nginx, observed):
        probe = Http(
            url=Url(nginx.url + "/once"),
            follow_redirects=False,
            expect=expecting(status=302, headers={"Location": {"matches": "/json$"}}),
        )
        assert observed(probe).reason is Reason.OK

    def test_redirects_to_another_port_carry_neither_auth_nor_cookie(self, nginx, observed):
        auth = Auth(bearer=Bearer(token=Secret("letmein")))
        headers = {"Cookie": Secret("sid=1")}
        for path, expected in (
            ("/whoami", "auth=Bearer letmein cookie=sid=1"),
            ("/away", "auth= cookie="),
        ):
            probe = Http(
                url=Url(nginx.url + path),
                auth=auth,
                headers=headers,
                expect=expecting(body=expected),
            )
            reading = observed(probe)
            assert reading.reason is Reason.OK, reading.detail

    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({"form": {"a": Secret("ü b")}}, "POST application/x-www-form-urlencoded"),
            ({"json": {"a": 1}}, "POST application/json"),
            (
                {"body": Secret("text"), "headers": {"Content-Type": Secret("text/x")}},
                "POST text/x",
            ),
        ],
    )
    def test_sends_what_it_is_told_to(self, nginx, observed, sent, said):
        probe = Http(
            url=Url(nginx.url + "/method"), method="POST", **sent, expect=expecting(body=said)
        )
        assert observed(probe).reason is Reason.OK

    def test_goes_through_a_proxy(self, nginx, observed):
        probe = Http(
            url=Url("http://nowhere.example/json"),
            proxy=Url(nginx.url),
            expect=expecting(json={"status": "UP"}),
        )
        assert observed(probe).reason is Reason.OK

    def test_a_proxy_that_is_gone_is_our_own_trouble(self, observed, free_port):
        proxy = Url(f"http://127.0.0.1:{free_port()}")
        reading = observed(Http(url=Url("http://nowhere.example/"), proxy=proxy))
        assert reading.reason is Reason.OWN_NETWORK

    def test_nothing_of_the_environment_is_heeded(self, nginx, observed, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        assert observed(Http(url=Url(nginx.url + "/"))).reason is Reason.OK


@pytest.mark.integration
class TestTls:
    @pytest.mark.parametrize(
        ("mood", "reason"),
        [
            ("good", Reason.OK),
            ("expired", Reason.TLS_EXPIRED),
            ("early", Reason.TLS_NOT_YET_VALID),
            ("untrusted", Reason.TLS_UNTRUSTED),
            ("misnamed", Reason.TLS_NAME),
            ("expiring", Reason.CERTIFICATE_EXPIRING),
            ("mutual", Reason.HTTP_STATUS),
        ],
    )
    def test_each_certificate_has_its_reason(self, nginx, observed, ca_file, mood, reason):
        policy = TlsPolicy(ca=ca_file)
        reading = observed(Http(url=Url(nginx.https(mood) + "/"), tls=policy))
        assert reading.reason is reason, reading.detail

    def test_the_systems_own_bundle_does_not_know_our_authority(self, nginx, observed):
        reading = observed(Http(url=Url(nginx.https() + "/")))
        assert reading.reason is Reason.TLS_UNTRUSTED

    @pytest.mark.parametrize("mood", ["early", "untrusted", "misnamed"])
    def test_verification_can_be_switched_off(self, nginx, observed, mood):
        policy = TlsPolicy(verify=False)
        reading = observed(Http(url=Url(nginx.https(mood) + "/"), tls=policy))
        assert reading.reason is Reason.OK

    def test_an_end_of_validity_is_told_even_unverified(self, nginx, observed):
        policy = TlsPolicy(verify=False)
        reading = observed(Http(url=Url(nginx.https("expired") + "/"), tls=policy))
        assert reading.reason is Reason.CERTIFICATE_EXPIRING
        assert reading.detail == "the certificate ended 3 days ago"

    def test_verify_off_does_not_weaken_another_probe(self, nginx, observed, ca_file):
        url = Url(nginx.https("expired") + "/")
        observed(Http(url=url, tls=TlsPolicy(verify=False)))
        assert observed(Http(url=url, tls=TlsPolicy(ca=ca_file))).reason is Reason.TLS_EXPIRED

    def test_the_name_to_verify_can_be_given(self, nginx, observed, ca_file):
        policy = TlsPolicy(ca=ca_file, server_name="other.example.com")
        assert (
            observed(Http(url=Url(nginx.https("misnamed") + "/"), tls=policy)).reason is Reason.OK
        )

    def test_shows_its_own_certificate(self, nginx, observed, ca_file, authority, issue):
        pair = issue(authority, "probe.example.com")
        policy = TlsPolicy(ca=ca_file, certificate=pair.certificate, key=pair.key)
        assert observed(Http(url=Url(nginx.https("mutual") + "/"), tls=policy)).reason is Reason.OK

    def test_own_files_that_vanished_are_our_own_trouble(self, nginx, observed):
        policy = TlsPolicy(certificate="/nonexistent/cert.pem")
        reading = observed(Http(url=Url(nginx.https() + "/"), tls=policy))
        assert reading.reason is Reason.OWN_CREDENTIALS

    def test_certificate_days_zero_never_warns(self, nginx, observed, ca_file):
        url = Url(nginx.https("expiring") + "/")
        probe = Http(url=url, tls=TlsPolicy(ca=ca_file), certificate_days=0)
        assert observed(probe).reason is Reason.OK

    def test_plain_http_on_a_tls_port_and_the_reverse(self, nginx, observed):
        plain = Url(nginx.url.replace("http:", "https:") + "/")
        assert observed(Http(url=plain)).reason is Reason.TLS_HANDSHAKE
        secure = Url(nginx.https().replace("https:", "http:") + "/")
        assert observed(Http(url=secure)).reason is Reason.HTTP_STATUS

    def test_hears_the_time_of_the_handshake(self, nginx, observed, ca_file):
        reading = observed(Http(url=Url(nginx.https() + "/"), tls=TlsPolicy(ca=ca_file)))
        assert "tls" in dict(reading.phases)


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
            {"expect": expecting(json={"foo(bar)": 1})},
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
def test_each_fault_is_told_at_its_place(settings, path, message):
    assert (path, message) in faults(**settings)


def test_secrets_do_not_show():
    probe = Http(
        url=Url("https://example.com/"),
        headers={"X-Key": Secret("canary")},
        form={"password": Secret("canary")},
        auth=Auth(basic=Basic(username="probe", password=Secret("canary"))),
    )
    assert "canary" not in repr(probe)


def test_a_failed_expectation_outranks_a_certificate_near_its_end():
    probe = Http(url=Url("https://example.com/"))
    assert probe.judge(Answer(status=500, certificate_days=3)).reason is Reason.HTTP_STATUS
    assert probe.judge(Answer(status=200, certificate_days=3)).reason is Reason.CERTIFICATE_EXPIRING
    assert probe.judge(Answer(status=200, certificate_days=14)).reason is Reason.OK
