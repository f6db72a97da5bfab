"""Through a proxy: what it gets and what it answers. `test_https.py` tries it with every kind."""

from dataclasses import replace

import pytest

from beacon import probes
from beacon.config.fields import Secret, Url
from beacon.config.loader import ConfigError, load
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net import dial
from beacon.net.http.auth import Auth, OAuth2
from beacon.net.http.route import Proxy, ProxyUrl
from beacon.net.mail.imap import Imap
from beacon.probes.http import Http


@pytest.fixture
def proxy(raw_server):
    """A proxy that gives everybody the same answer, and keeps the requests."""

    def says(peer, _head):
        peer.sendall(server.answer)

    server = raw_server(says)
    server.answer = (
        b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    server.url = server.url.rstrip("/")
    return server


@pytest.fixture
def dialled(monkeypatch):
    """The sockets that were connected."""
    sockets, connect = [], dial.connect

    def remember(*args, **kwargs):
        sockets.append(connect(*args, **kwargs))
        return sockets[-1]

    monkeypatch.setattr(dial, "connect", remember)
    return sockets


def assert_closed(sockets):
    """None is left to the garbage collector."""
    assert {sock.fileno() for sock in sockets} == {-1}


@pytest.fixture
def loaded(tmp_path):
    def load_it(settings):
        (tmp_path / "beacon.yaml").write_text(
            f"site: soc\nservices: [{{name: S, endpoints: [{{name: p, {settings}}}]}}]\n"
        )
        found = load(tmp_path / "beacon.yaml", registry=probes, environ={})
        return found.probes["s/p"]

    return load_it


def test_the_steps_of_a_delivery_go_through_it(loaded):
    setting = "{url: 'http://proxy.example:3128', username: a, password: b}"
    steps = "steps: [{id: ask, url: http://idp.example.com/}]"
    probe = loaded(
        f"type: twilio_messages, {steps}, account: AC1, password: b, to: '+15005550006', "
        f"proxy: {setting}"
    )
    assert probe.flow.route.proxy == Proxy(
        url=ProxyUrl("http://proxy.example:3128"), username="a", password=Secret("b")
    )


def test_the_token_of_a_mailbox_goes_through_it(proxy, dialled):
    oauth2 = OAuth2(
        token_url=Url("http://idp.example.com/token"), client_id="a", client_secret=Secret("b")
    )
    server = Imap(host="mail.example.com", username="a", oauth2=oauth2, proxy=ProxyUrl(proxy.url))
    with pytest.raises(Exception, match="own_credentials"):
        server.token(Run(SystemClock(), 20.0))
    assert_closed(dialled)


@pytest.mark.parametrize(
    ("url", "proxy_says", "reason", "detail"),
    [
        ("http", b"407 No", Reason.OWN_CREDENTIALS, "our proxy wants a sign-in: set"),
        ("https", b"407 No", Reason.OWN_CREDENTIALS, "our proxy wants a sign-in: set"),
        (
            "http",
            b"407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate",
            Reason.OWN_CREDENTIALS,
            "a sign-in other than Basic",
        ),
        (
            "https",
            b"407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: BASIC realm=x",
            Reason.OWN_CREDENTIALS,
            "set `proxy.username`",
        ),
        ("http", b"200 Fine", Reason.OK, ""),
        ("http", b"401 No", Reason.HTTP_STATUS, "401"),
        ("http", b"502 No", Reason.HTTP_STATUS, "502"),
        ("https", b"502 No", Reason.UNREACHABLE, "status 502"),
        ("https", b"504 No", Reason.UNREACHABLE, "status 504"),
        ("https", b"403 No", Reason.OWN_NETWORK, "status 403"),
        ("https", b"405 No", Reason.OWN_NETWORK, "status 405"),
        ("https", b"511 Sign in", Reason.OWN_NETWORK, "status 511"),
        ("http", b"511 Sign in", Reason.OWN_NETWORK, "status 511"),
        ("https", b"302 Away\r\nLocation: http://portal/", Reason.OWN_NETWORK, "status 302"),
    ],
)
def test_what_a_proxy_says_is_what_is_read(proxy, dialled, url, proxy_says, reason, detail):
    proxy.answer = b"HTTP/1.1 " + proxy_says + b"\r\nContent-Length: 0\r\n\r\n"
    probe = Http(url=f"{url}://idp.example.com/", proxy=ProxyUrl(proxy.url))
    reading = probe.observe(Run(SystemClock(), 20.0))
    assert reading.reason is reason
    assert detail in reading.detail
    assert_closed(dialled)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"SSH-2.0-x\r\n", b"\r\n"])
def test_a_proxy_that_opens_no_tunnel_and_says_nothing_is_our_trouble(proxy, answer):
    proxy.answer = answer
    probe = Http(url="https://idp.example.com/", proxy=ProxyUrl(proxy.url))
    assert probe.observe(Run(SystemClock(), 20.0)).reason is Reason.OWN_NETWORK


def test_a_407_of_a_server_that_no_proxy_stands_before_is_its_status(proxy):
    reading = Http(url=proxy.url).observe(Run(SystemClock(), 20.0))
    assert reading.reason is Reason.HTTP_STATUS


def test_our_name_at_the_proxy_reaches_no_server(proxy):
    """It is no header of the request: a redirect does not take it along, nor does a tunnel."""
    proxy.answer = b"HTTP/1.1 302 There\r\nLocation: https://idp.example.com/\r\n\r\n"
    through = Proxy(url=ProxyUrl(proxy.url), username="probe", password=Secret("word"))
    probe = Http(url="http://idp.example.com/", proxy=through)
    probe.observe(Run(SystemClock(), 20.0))
    first, second = proxy.heads
    assert first.startswith(b"GET http://idp.example.com/ ")
    assert second.startswith(b"CONNECT idp.example.com:443 ")
    assert b"Proxy-Authorization" in first
    assert b"Proxy-Authorization" in second
    direct = replace(probe, url=proxy.url, proxy=None, follow_redirects=False)
    direct.observe(Run(SystemClock(), 20.0))
    assert b"Proxy-Authorization" not in proxy.heads[-1]


def test_the_way_to_a_token_goes_through_it(proxy):
    oauth2 = OAuth2(
        token_url=Url("http://idp.example.com/token"), client_id="a", client_secret=Secret("b")
    )
    probe = Http(url="http://api.example.com/", auth=Auth(oauth2=oauth2), proxy=ProxyUrl(proxy.url))
    assert probe.observe(Run(SystemClock(), 20.0)).reason is Reason.OWN_CREDENTIALS


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("'https://proxy.example'", "proxy: a proxy is reached in plain HTTP; http://host:port"),
        ("{url: 'https://p.example'}", "proxy.url: a proxy is reached in plain HTTP"),
        ("{url: 'http://p.example', username: a}", "proxy: `username` or `password` is missing"),
        ("{url: 'http://p.example', password: a}", "proxy: `username` or `password` is missing"),
        (
            "{url: 'http://p.example', username: 'a:b', password: c}",
            "proxy.username: a user name cannot contain a colon",
        ),
        (
            "'http://a:4711#x@p.example'",
            "proxy: a user name or password in an address; `proxy: {url",
        ),
        ("{url: 'http://a:b@p.example'}", "proxy.url: a user name or password in an address"),
        ("{username: a, password: b}", "proxy: `url` is missing"),
        ("{url: 'http://p.example', user: a}", "proxy.user: unknown key"),
    ],
)
def test_mistakes_are_reported_at_their_place(loaded, setting, problem):
    with pytest.raises(ConfigError) as caught:
        loaded(f"type: http, url: http://idp.example.com/, proxy: {setting}")
    assert problem in str(caught.value)
    assert "4711" not in str(caught.value)
