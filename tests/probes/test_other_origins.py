"""What is secret stays with the origin it was configured for, in every kind that sends some."""

from typing import Any

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Outcome, Reason
from beacon.net.http.auth import Auth, Bearer
from beacon.net.origin import Origin
from beacon.probes.flow import Flow
from beacon.probes.http import Http
from beacon.probing.extract import Capture
from beacon.probing.sign_in_step import Step
from beacon.probing.template import Template

T = Template.parse
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECRETS = {"password": Secret("canary password"), "seed": Secret(SEED), "key": Secret("canary-key")}
FINE = (200, {}, b"")


@pytest.fixture
def sites(vendors):
    """The site that is configured, and another origin."""
    return vendors(), vendors()


def has_canary(site):
    return "canary" in repr(site.asked)


def page(action):
    return (
        200,
        {},
        f'<form action="{action}"><input name="csrf" value="canary-token"></form>'.encode(),
    )


def by_form(own, **changes):
    """A sign-in whose second step goes where the page of the first says."""
    return {
        "secrets": SECRETS,
        "steps": (
            Step(id="page", url=T(own.url + "/login"), capture={"login": Capture(form="form")}),
            Step(
                id="password",
                url=T("{{ login.action }}"),
                method="POST",
                fields_of="login",
                form={"password": T("{{ secrets.password }}")},
            ),
        ),
    } | changes


def refused(reading, other):
    assert reading.outcome is Outcome.ERROR, reading
    assert reading.reason is Reason.OWN_CREDENTIALS
    assert f"`follow_to: [{other.url}]`" in reading.detail
    assert "canary" not in reading.detail


def test_a_form_that_goes_elsewhere_is_not_sent_and_its_origin_is_named(sites, observed):
    """Once the probe has passed it is a failure."""
    own, other = sites
    own.answers["/login"] = page(other.url + "/verify")
    probe = Flow(**by_form(own))
    reading = observed(probe)
    refused(reading, other)
    assert reading.detail.startswith("step password: ")
    own.answers |= {"/login": page("/verify"), "/verify": FINE}
    assert observed(probe).reason is Reason.OK
    own.answers["/login"] = page(other.url + "/verify")
    reading = observed(probe)
    assert reading.reason is Reason.EXPECTATION_FAILED
    assert f"secrets are not sent to {other.url}" in reading.detail
    assert other.asked == []


def test_a_form_behind_a_redirect_of_the_page_is_not_sent_either(sites, observed):
    own, other = sites
    own.answers["/login"] = (302, {"Location": other.url + "/authorize?client=app"}, b"")
    other.answers |= {"/authorize": page("verify"), "/verify": FINE}
    refused(observed(Flow(**by_form(own))), other)
    assert not has_canary(other)
    reading = observed(Flow(**by_form(own, follow_to=(Origin.parse(other.url),))))
    assert reading.reason is Reason.OK, reading
    assert other.asked[-1].body == b"csrf=canary-token&password=canary+password"


def test_an_origin_that_another_step_names_may_have_what_a_form_asks_for(sites, observed):
    own, other = sites
    own.answers["/login"] = page(other.url + "/verify")
    other.answers["/verify"] = FINE
    out = Step(id="out", url=T(other.url + "/logout"))
    reading = observed(Flow(**by_form(own, clean_up=(out,))))
    assert reading.reason is Reason.OK, reading


@pytest.mark.parametrize(
    "url",
    [
        "{{ link }}?key={{ secrets.key }}",
        "{{ link }}/{{ hotp(secrets.seed) }}",
        "{{ link }}?state={{ state }}",
    ],
)
def test_no_captured_address_gets_a_secret_in_it(sites, observed, url):
    own, other = sites
    own.answers["/start"] = (200, {"X-Next": other.url + "/next", "X-State": "canary"}, b"")
    taken = {"link": Capture(header="X-Next"), "state": Capture(header="X-State")}
    steps = (
        Step(id="start", url=T(own.url + "/start"), capture=taken),
        Step(id="next", url=T(url)),
    )
    refused(observed(Flow(secrets=SECRETS, steps=steps)), other)
    assert other.asked == []


def test_a_captured_address_alone_is_asked_without_what_is_ours(sites, observed):
    own, other = sites
    own.answers["/start"] = (200, {"X-Next": other.url + "/next"}, b"")
    other.answers["/next"] = FINE
    steps = (
        Step(id="start", url=T(own.url + "/start"), capture={"link": Capture(header="X-Next")}),
        Step(id="next", url=T("{{ link }}"), headers={"X-Api-Key": T("{{ secrets.key }}")}),
    )
    assert observed(Flow(secrets=SECRETS, steps=steps)).reason is Reason.OK
    assert other.asked
    assert not has_canary(other)


@pytest.mark.parametrize(
    "url",
    [
        "http://{{ host }}/in",
        "{{ base }}/in",
        "http://127.0.0.1:{{ port }}/in",
        "{{ variables.base }}{{ rest }}",
    ],
)
def test_whatever_part_of_an_origin_a_server_says_it_is_not_ours(sites, observed, url):
    own, other = sites
    base = other.url.removeprefix("http://")
    parts = {"host": base, "base": other.url, "port": base.partition(":")[2], "rest": f"@{base}"}
    own.answers["/start"] = (200, {f"X-{name}": value for name, value in parts.items()}, b"")
    taken = {name: Capture(header=f"X-{name}") for name in parts}
    steps = (
        Step(id="start", url=T(own.url + "/start"), capture=taken),
        Step(id="in", url=T(url), method="POST", body=T("{{ secrets.key }}")),
    )
    reading = observed(Flow(secrets=SECRETS, variables={"base": own.url}, steps=steps))
    assert reading.outcome is not Outcome.PASS
    assert other.asked == []


def test_the_kind_http_keeps_headers_proof_and_body_at_home(sites, observed):
    own, other = sites
    own.answers["/"] = (307, {"Location": other.url + "/"}, b"")
    other.answers["/"] = (401, {}, b"")
    settings: dict[str, Any] = {
        "url": Url(own.url + "/"),
        "headers": {"X-Api-Key": Secret("canary-key")},
        "auth": Auth(bearer=Bearer(token=Secret("canary-token"))),
    }
    refused(observed(Http(**settings)), other)
    assert len(other.asked) == 1
    assert not has_canary(other)
    posted = settings | {"method": "POST", "form": {"otp": Secret("canary")}}
    refused(observed(Http(**posted)), other)
    assert len(other.asked) == 1, "without its body it is not asked at all"
    other.answers["/"] = FINE
    reading = observed(Http(**posted, follow_to=(Origin.parse(other.url),)))
    assert reading.reason is Reason.OK, reading
    assert other.asked[-1].headers["X-Api-Key"] == "canary-key"
    assert other.asked[-1].body == b"otp=canary"


def test_what_fails_by_itself_is_not_blamed_on_a_header(sites, observed):
    own, other = sites
    own.answers["/"] = (302, {"Location": "http://127.0.0.1:9/"}, b"")
    probe = Http(url=Url(own.url + "/"), headers={"X-Api-Key": Secret("canary")})
    assert observed(probe).reason is Reason.CONNECT_REFUSED
    own.answers["/"] = (302, {"Location": other.url}, b"")
    other.answers["/"] = FINE
    assert observed(probe).reason is Reason.OK
    other.answers["/"] = (500, {}, b"")
    reading = observed(probe)
    assert reading.reason is Reason.HTTP_STATUS, "it passed without that header"
    assert "follow_to" in reading.detail
