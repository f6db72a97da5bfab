"""What is secret stays with the origin it was configured for, in every kind that sends some."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.net.address import Origin
from beacon.net.http.auth import Auth, Bearer
from beacon.probes.flow import Flow
from beacon.probes.http import Http
from beacon.probing.extract import Capture
from beacon.probing.sign_in_step import Step
from beacon.probing.template import JsonTemplate, Template

T = Template.parse
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECRETS = {"password": Secret("canary password"), "seed": Secret(SEED), "key": Secret("canary-key")}


class Site(ThreadingHTTPServer):
    """A web server that keeps every request whole; `pages` has path → status, headers, body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.pages: dict[str, tuple[int, dict[str, str], str]] = {}
        self.asked: list[str] = []

    def has_canary(self) -> bool:
        return any("canary" in each for each in self.asked)


class _Asked(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked.append(f"{self.command} {self.path}\n{self.headers}\n{body}")
        status, headers, text = self.server.pages.get(self.path.partition("?")[0], (404, {}, ""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PUT = do_GET  # noqa: N815 - as it is called

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """The site that is configured, and another origin."""
    both = Site(), Site()
    for site in both:
        threading.Thread(target=site.serve_forever, args=(0.05,), daemon=True).start()
    yield both
    for site in both:
        site.shutdown()
        site.server_close()


def page(action: str) -> tuple[int, dict[str, str], str]:
    return 200, {}, f'<form action="{action}"><input name="csrf" value="canary-token"></form>'


def by_form(own: Site, **changes: Any) -> dict[str, Any]:
    """A sign-in whose second step goes where the page of the first says."""
    return {
        "secrets": SECRETS,
        "steps": (
            Step(id="page", url=T(own.origin + "/login"), capture={"login": Capture(form="form")}),
            Step(
                id="password",
                url=T("{{ login.action }}"),
                method="POST",
                fields_of="login",
                form={"password": T("{{ secrets.password }}")},
            ),
        ),
    } | changes


def refused(reading: Reading, other: Site) -> None:
    assert reading.outcome is Outcome.ERROR, reading
    assert reading.reason is Reason.OWN_CREDENTIALS
    assert f"`follow_to: [{other.origin}]`" in reading.detail
    assert "canary" not in reading.detail


def test_a_form_that_goes_elsewhere_is_not_sent_and_its_origin_is_named(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/login"] = page(other.origin + "/verify")
    reading = observed(Flow(**by_form(own)))
    refused(reading, other)
    assert reading.detail.startswith("step password: ")
    assert other.asked == []


def test_a_form_behind_a_redirect_of_the_page_is_not_sent_either(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/login"] = (302, {"Location": other.origin + "/authorize?client=app"}, "")
    other.pages["/authorize"] = page("verify")
    other.pages["/verify"] = (200, {}, "signed in")
    refused(observed(Flow(**by_form(own))), other)
    assert not other.has_canary()
    allowed = (Origin.parse(other.origin),)
    reading = observed(Flow(**by_form(own, follow_to=allowed)))
    assert reading.reason is Reason.OK, reading
    assert "csrf=canary-token&password=canary+password" in other.asked[-1]


def test_an_origin_that_another_step_names_may_have_what_a_form_asks_for(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/login"] = page(other.origin + "/verify")
    other.pages["/verify"] = (200, {}, "")
    out = Step(id="out", url=T(other.origin + "/logout"))
    reading = observed(Flow(**by_form(own, clean_up=(out,))))
    assert reading.reason is Reason.OK, reading


def test_once_it_passed_a_form_that_goes_elsewhere_is_a_failure(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/login"] = page("/verify")
    own.pages["/verify"] = (200, {}, "")
    probe = Flow(**by_form(own))
    assert observed(probe).reason is Reason.OK
    own.pages["/login"] = page(other.origin + "/verify")
    reading = observed(probe)
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert f"secrets are not sent to {other.origin}" in reading.detail
    assert other.asked == []


CODE = "{{ totp(secrets.seed) }}"
COUNTED = "{{ hotp(secrets.seed) }}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "sends",
    [
        {"form": {"password": T("{{ secrets.password }}")}},
        {"form": {"otp": T(CODE)}},
        {"json": JsonTemplate.parse({"otp": COUNTED})},
        {"body": T("canary")},
        {"headers": {"X-Api-Key": T("{{ secrets.key }}")}, "method": "GET"},
        {"headers": {"PRIVATE-TOKEN": T("{{ secrets.key }}")}, "method": "PUT", "body": T("a")},
    ],
    ids=["form", "code", "json", "body", "header", "put"],
)
def test_no_redirect_carries_what_a_step_sends(
    sites: tuple[Site, Site],
    observed: Callable[..., Reading],
    status: int,
    sends: dict[str, Any],
) -> None:
    own, other = sites
    own.pages["/in"] = (status, {"Location": other.origin + "/in"}, "")
    step = Step(**{"id": "in", "url": T(own.origin + "/in"), "method": "POST"} | sends)
    reading = observed(Flow(secrets=SECRETS, steps=(step,)))
    assert reading.outcome is not Outcome.PASS
    assert own.asked
    assert not other.has_canary()
    for each in other.asked:
        assert each.startswith("GET /in")
        assert each.endswith("\n"), "no body, so no code"
    if status in (307, 308) or step.method != "POST":
        refused(reading, other)


@pytest.mark.parametrize(
    "url",
    [
        "{{ link }}?key={{ secrets.key }}",
        "{{ link }}/{{ hotp(secrets.seed) }}",
        "{{ link }}?state={{ state }}",
    ],
)
def test_no_captured_address_gets_a_secret_in_it(
    sites: tuple[Site, Site], observed: Callable[..., Reading], url: str
) -> None:
    own, other = sites
    own.pages["/start"] = (200, {"X-Next": other.origin + "/next", "X-State": "canary"}, "")
    taken = {"link": Capture(header="X-Next"), "state": Capture(header="X-State")}
    steps = (
        Step(id="start", url=T(own.origin + "/start"), capture=taken),
        Step(id="next", url=T(url)),
    )
    reading = observed(Flow(secrets=SECRETS, steps=steps))
    refused(reading, other)
    assert other.asked == []


def test_a_captured_address_alone_is_asked_without_what_is_ours(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/start"] = (200, {"X-Next": other.origin + "/next"}, "")
    other.pages["/next"] = (200, {}, "")
    steps = (
        Step(id="start", url=T(own.origin + "/start"), capture={"link": Capture(header="X-Next")}),
        Step(id="next", url=T("{{ link }}"), headers={"X-Api-Key": T("{{ secrets.key }}")}),
    )
    assert observed(Flow(secrets=SECRETS, steps=steps)).reason is Reason.OK
    assert other.asked
    assert not other.has_canary()


@pytest.mark.parametrize(
    "url",
    [
        "http://{{ host }}/in",
        "{{ base }}/in",
        "http://127.0.0.1:{{ port }}/in",
        "{{ variables.base }}{{ rest }}",
    ],
)
def test_whatever_part_of_an_origin_a_server_says_it_is_not_ours(
    sites: tuple[Site, Site], observed: Callable[..., Reading], url: str
) -> None:
    own, other = sites
    base = f"127.0.0.1:{other.server_port}"
    said = {
        "host": base,
        "base": f"http://{base}",
        "port": str(other.server_port),
        "rest": f"@{base}",
    }
    own.pages["/start"] = (200, {f"X-{name}": value for name, value in said.items()}, "")
    steps = (
        Step(
            id="start",
            url=T(own.origin + "/start"),
            capture={name: Capture(header=f"X-{name}") for name in said},
        ),
        Step(id="in", url=T(url), method="POST", body=T("{{ secrets.key }}")),
    )
    variables = {"base": own.origin}
    reading = observed(Flow(secrets=SECRETS, variables=variables, steps=steps))
    assert reading.outcome is not Outcome.PASS
    assert other.asked == []


def test_the_kind_http_keeps_headers_proof_and_body_at_home(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/"] = (307, {"Location": other.origin + "/"}, "")
    other.pages["/"] = (401, {}, "")
    settings: dict[str, Any] = {
        "url": Url(own.origin + "/"),
        "headers": {"X-Api-Key": Secret("canary-key")},
        "auth": Auth(bearer=Bearer(token=Secret("canary-token"))),
    }
    refused(observed(Http(**settings)), other)
    assert len(other.asked) == 1
    assert not other.has_canary()
    refused(observed(Http(**settings, method="POST", form={"otp": Secret("canary")})), other)
    assert len(other.asked) == 1, "without its body it is not asked at all"
    other.pages["/"] = (200, {}, "")
    allowed = (Origin.parse(other.origin),)
    reading = observed(
        Http(**settings, method="POST", form={"otp": Secret("canary")}, follow_to=allowed)
    )
    assert reading.reason is Reason.OK, reading
    assert "X-Api-Key: canary-key" in other.asked[-1]
    assert other.asked[-1].endswith("otp=canary")


def test_what_fails_by_itself_is_not_blamed_on_a_header(
    sites: tuple[Site, Site], observed: Callable[..., Reading]
) -> None:
    own, other = sites
    own.pages["/"] = (302, {"Location": "http://127.0.0.1:9/"}, "")
    probe = Http(url=Url(own.origin + "/"), headers={"X-Api-Key": Secret("canary")})
    assert observed(probe).reason is Reason.CONNECT_REFUSED
    own.pages["/"] = (302, {"Location": other.origin}, "")
    other.pages["/"] = (200, {}, "")
    assert observed(probe).reason is Reason.OK
    other.pages["/"] = (500, {}, "")
    reading = observed(probe)
    assert reading.reason is Reason.HTTP_STATUS, "it passed without that header"
    assert "follow_to" in reading.detail
