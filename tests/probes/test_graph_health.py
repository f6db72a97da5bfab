"""`graph_health` at a tenant of the documented shape, with all its lies."""

import json
import re
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
import pytest

from beacon.config.fields import Regex, Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.redaction import Secrets
from beacon.probes.graph_health import GraphHealth, Issue, Overview, WorstSeen
from beacon.vendors.graph import PAGES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: graph_health
    tenant: example.com
    client_id: beacon
    client_secret: !secret canary
    services: [OrgLiveID]
    graph_url: {url}
    login_url: {url}
    """,
    honest={"POST /example.com/oauth2/": '{"access_token": "t", "expires_in": 3600}'},
)


clear = Secrets().clear

OK, DEAD = Reason.OK, Reason.SOURCE_DEAD
INCIDENT, DEGRADED = Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED
OURS, LIMITED = Reason.OWN_CREDENTIALS, Reason.RATE_LIMITED
API = "/v1.0/admin/serviceAnnouncement/"
TOKEN = "/example.com/oauth2/v2.0/token"


def overview(
    service: str = "Identity Service", id_: str = "OrgLiveID", status: str = "ServiceOperational"
) -> dict[str, Any]:
    return {"service": service, "status": status, "id": id_}


EXCHANGE = overview("Exchange Online", "Exchange")
SUITE = overview("Microsoft 365 suite", "OSDPPlatform")


def issue(status: str = "serviceDegradation", **other: Any) -> dict[str, Any]:
    return {
        "id": "MO244568",
        "title": "Users can't complete multi-factor authentication",
        "service": "Microsoft 365 suite",
        "feature": "Portal",
        "featureGroup": None,
        "classification": "Incident",
        "origin": "Microsoft",
        "status": status,
        "isResolved": False,
        "startDateTime": "2021-03-15T19:34:22Z",
        "endDateTime": None,
        "lastModifiedDateTime": "2021-03-15T19:39:14.123Z",
        "impactDescription": "Users may be unable to sign in.",
        "details": [{"name": "NotifyInApp", "value": "True"}],
        "posts": [{"postType": "Regular", "description": {"contentType": "Html", "content": "…"}}],
        **other,
    }


ISSUES = f"{API}issues?$filter=isResolved%20eq%20false"


class Tenant:
    """Entra and Graph for one tenant, in one vendor's server."""

    def __init__(self, vendor: Any) -> None:
        self.vendor = vendor
        self.overviews = [overview(), EXCHANGE, SUITE]
        self.issues: list[dict[str, Any]] = []
        self.tokens = 0
        self.valid: set[str] = set()
        vendor.answers[TOKEN] = self.token
        vendor.answers[f"{API}healthOverviews"] = self.listed(lambda: self.overviews)
        vendor.answers[ISSUES] = self.listed(lambda: self.issues)

    def token(self, asked: Any) -> Any:
        form = parse_qs(asked.body.decode())
        assert asked.method == "POST"
        assert form["grant_type"] == ["client_credentials"]
        assert form["client_secret"] == ["s3cret & more"]
        self.tokens += 1
        self.valid.add(f"Bearer eyJ0eXAiOi{self.tokens}")
        granted = {"token_type": "Bearer", "expires_in": 3599}
        return 200, {}, json.dumps({**granted, "access_token": f"eyJ0eXAiOi{self.tokens}"}).encode()

    def listed(self, of: Callable[[], Any]) -> Callable[[Any], Any]:
        def answer(asked: Any) -> Any:
            if asked.headers.get("Authorization") not in self.valid:
                return 401, {}, b'{"error": {"code": "InvalidAuthenticationToken"}}'
            return 200, {}, json.dumps({"@odata.context": "…", "value": of()}).encode()

        return answer

    @property
    def asked(self) -> list[str]:
        """What it was asked for, in short."""
        names = [unquote(path).rpartition("/")[2].partition("?")[0] for path in self.vendor.paths]
        return [name or "?" for name in names]


@pytest.fixture
def tenant(vendor):
    return Tenant(vendor)


@pytest.fixture
def graph(tenant):
    """The probe of this tenant."""

    def make(**settings: Any) -> GraphHealth:
        url = tenant.vendor.url
        urls = {"graph_url": url, "login_url": Url(url + "/")}
        probe = settled(**({"client_secret": Secret("s3cret & more")} | urls | settings))
        assert not list(probe.faults())
        return probe

    return make


@pytest.fixture
def read(graph, observed):
    """Read the tenant once."""
    return lambda **settings: observed(graph(**settings))


def settled(**settings: Any) -> GraphHealth:
    given = {"tenant": "example.com", "client_id": "beacon", "client_secret": Secret("x")}
    return GraphHealth(**({"services": ("OrgLiveID",)} | given | settings))


def judged(*issues: dict[str, Any], overviews: Any = None, **settings: Any) -> Reading:
    """What overviews and issues come to, without asking anybody."""
    found = msgspec.convert(overviews or [overview(), EXCHANGE, SUITE], list[Overview])
    return settled(**settings).judge(found, msgspec.convert(issues, list[Issue]), WorstSeen())


# --- what it says -----------------------------------------------------------------


def test_all_is_well(tenant, read):
    reading = read()
    assert reading.reason is OK
    assert clear(reading.detail) == (
        "Identity Service: service operational; no open issue concerns us"
    )
    assert tenant.asked == ["token", "healthOverviews", "issues"]
    assert tenant.vendor.asked[2].headers["Prefer"] == "odata.maxpagesize=100"


@pytest.mark.parametrize(
    "name", ["OrgLiveID", "orgliveid", "Identity Service", " identity Service"]
)
def test_a_service_is_known_by_id_and_by_name(name):
    down = [overview(status="serviceInterruption"), EXCHANGE]
    reading = judged(overviews=down, services=(name,))
    assert (reading.reason, clear(reading.detail)) == (
        INCIDENT,
        "Identity Service: service interruption",
    )


STATUSES = {
    "serviceOperational": OK,
    "serviceRestored": OK,
    "falsePositive": OK,
    "postIncidentReviewPublished": OK,
    "resolved": OK,
    "mitigated": OK,
    "mitigatedExternal": OK,
    "resolvedExternal": OK,
    "verifyingService": DEGRADED,
    "investigating": DEGRADED,
    "investigationSuspended": DEGRADED,
    "serviceDegradation": DEGRADED,
    "extendedRecovery": DEGRADED,
    "restoringService": DEGRADED,
    "confirmed": DEGRADED,
    "reported": DEGRADED,
    "serviceInterruption": INCIDENT,
    "unknownFutureValue": DEAD,
    "haunted": DEAD,
}


@pytest.mark.parametrize(("status", "reason"), STATUSES.items())
def test_every_status_in_both_ways_to_write_it(status, reason):
    for written in (status, status[0].upper() + status[1:]):
        assert judged(overviews=[overview(status=written)]).reason is reason
        assert judged(issue(written)).reason is reason


def test_an_outage_filed_under_another_service_is_found_and_reported(tenant, read):
    tenant.issues = [issue()]
    assert read().detail == (
        "Service degradation: Users can't complete multi-factor authentication "
        "(MO244568, Microsoft 365 suite, since 15 Mar 19:34 UTC)"
    )


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({}, True),
        ({"title": "Delays", "impactDescription": "Users may not get their OTP."}, True),
        ({"title": "Delays", "impactDescription": None, "feature": "Sign-In"}, True),
        ({"title": "Delays", "impactDescription": "", "featureGroup": "Authentication"}, True),
        ({"title": "Delays", "impactDescription": "Icons are wrong."}, False),
        ({"title": None, "impactDescription": None}, False),
        ({"title": "Delays", "impactDescription": "", "service": "identity service"}, True),
        ({"isResolved": True}, False),
    ],
)
def test_which_issues_concern_us(other, found):
    assert (judged(issue(**other)).reason is DEGRADED) == found


def test_words_to_look_for_can_be_set_or_left_out():
    slow = issue(title="Mail is slow", impactDescription="")
    assert judged(slow, keywords=Regex("(?i)mail")).reason is DEGRADED
    assert judged(issue(), keywords=None).reason is OK


def test_an_absent_service_is_unknown_and_those_there_are_named():
    reading = judged(services=("Identity Servce", "Exchange"))
    assert (reading.reason, reading.outcome) == (DEAD, Outcome.ERROR)
    assert clear(reading.detail) == (
        "no service 'Identity Servce'; did you mean 'Identity Service'? "
        "there are: Identity Service, Exchange Online, Microsoft 365 suite"
    )
    assert judged(issue(), services=("Identity Servce",)).reason is DEGRADED, "it hides nothing"


def test_without_any_service_it_is_unknown(tenant, read):
    tenant.overviews = []
    assert read().detail == "no service 'OrgLiveID'; there are: none"


def test_while_restoring_it_is_as_bad_as_it_was(tenant, graph, observed):
    """What was never seen before is degraded."""
    probe = graph()
    reasons = []
    for status in ("investigating", "serviceInterruption", "restoringService", "verifyingService"):
        tenant.issues = [issue(status), issue("restoringService", id="MO1")]
        reasons.append(observed(probe).reason)
    assert reasons == [DEGRADED, INCIDENT, INCIDENT, DEGRADED]
    tenant.issues = [issue("RestoringService")]
    assert observed(probe).reason is INCIDENT


# --- the token --------------------------------------------------------------------


def test_a_token_is_kept_until_it_ends(tenant, graph, observed, clock):
    probe = graph()
    for seconds in (0, 60, 3500):
        clock.advance(seconds)
        assert observed(probe, clock=clock).reason is OK
    assert tenant.tokens == 1
    clock.advance(20)
    assert observed(probe, clock=clock).reason is OK
    assert tenant.tokens == 2


def _value(value: Any, **more: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"value": value, **more}).encode()


def test_a_token_graph_does_not_want_is_replaced(tenant, graph, observed):
    probe = graph()
    observed(probe)
    tenant.valid.clear()  # its keys were removed, as on 15 March 2021
    reading = observed(probe)
    assert (reading.reason, reading.detail) == (DEAD, "Graph answers with status 401")
    assert observed(probe).reason is OK


def _error(code: Any, **more: Any) -> bytes:
    return json.dumps(
        {"error": code, "error_description": "AADSTS invalid_client", **more}
    ).encode()


NO_TOKEN = [
    ((401, _error("invalid_client", error_codes=[7000215])), OURS, "invalid_client AADSTS7000215"),
    ((400, _error("unauthorized_client", error_codes=[700016])), OURS, "unauthorized_client"),
    ((400, _error("invalid_request")), OURS, "no token: invalid_request"),
    ((400, _error("invalid_scope")), OURS, ""),
    # by the code alone, never by the text; what is not ours is the source's
    ((400, _error("temporarily_unavailable")), DEAD, "no token: temporarily_unavailable"),
    ((500, _error("server_error")), DEAD, "server_error"),
    ((401, _error("something_new")), DEAD, "no token: status 401"),
    ((401, _error(["invalid_client"])), DEAD, "no token: status 401"),
    ((400, b"invalid_client"), DEAD, "no token: status 400"),
    ((400, b"[]"), DEAD, "no token: status 400"),
    ((401, _error("invalid_client", error_codes=["x", -1, True, 10**9])), OURS, "invalid_client"),
    ((502, b"<html>Bad Gateway"), DEAD, "no token: status 502"),
    ((302, b""), DEAD, "no token: status 302"),
    ((200, b"<html>Sign in"), DEAD, "no token: it is not in the answer"),
    ((200, b"{}"), DEAD, "no token: it is not in the answer"),
    ((200, b'{"access_token": ""}'), DEAD, "the one in the answer is invalid"),
    ((200, b'{"access_token": "a\\r\\nX: y"}'), DEAD, "the one in the answer is invalid"),
    ((503, b""), DEAD, "status 503"),
    ((429, b""), LIMITED, "status 429"),
]


@pytest.mark.parametrize(("answer", "reason", "words"), NO_TOKEN)
def test_without_a_token_the_source_is_unknown_and_whose_fault_that_is(
    tenant, read, answer, reason, words
):
    tenant.vendor.answers[TOKEN] = (answer[0], {"Location": "/elsewhere"}, answer[1])
    reading = read()
    assert (reading.reason, reading.outcome) == (reason, Outcome.ERROR)
    assert words in reading.detail
    assert len(tenant.asked) == 1, "and nobody else is asked"


def test_without_consent_it_is_ours(tenant, read):
    tenant.vendor.answers[f"{API}healthOverviews"] = (403, {}, b'{"error": {"code": "Forbidden"}}')
    reading = read()
    assert reading.reason is OURS
    assert "ServiceHealth.Read.All" in reading.detail


# --- pages and limits -------------------------------------------------------------


def pages(tenant: Tenant, url: str, count: int, last: dict[str, Any]) -> None:
    """Issues in so many pages, each naming the next at `url`."""
    path = ISSUES
    for number in range(count):
        following = f"{API}issues?$skip={number + 1}"
        more = {"@odata.nextLink": url + following} if number < count - 1 else {}
        found = [issue(title="Icons", impactDescription="", id=f"MO{number}")]
        tenant.vendor.answers[path] = _value([*found, last] if not more else found, **more)
        path = following


def test_all_pages_are_read_and_not_without_end(tenant, read):
    pages(tenant, tenant.vendor.url, PAGES, issue("serviceInterruption"))
    assert read().reason is INCIDENT
    assert tenant.asked == ["token", "healthOverviews", *["issues"] * PAGES]
    pages(tenant, tenant.vendor.url, PAGES + 1, issue("serviceInterruption"))
    reading = read()
    assert (reading.reason, reading.detail) == (DEAD, "a list of more than 20 pages")


@pytest.mark.parametrize(
    "url", ["http://evil.example", "{mine}@evil.example", "http://evil\\@{host}", "ftp:", "{mine}1"]
)
def test_the_token_goes_to_no_other_host(tenant, read, url):
    mine = tenant.vendor.url
    pages(tenant, url.format(mine=mine, host=mine.removeprefix("http://")), 3, issue())
    reading = read()
    assert (reading.reason, reading.detail) == (DEAD, "the link to the next page leaves this host")
    assert len(tenant.asked) == 3


def test_nor_by_a_redirect(tenant, read, vendors):
    other = vendors()
    tenant.vendor.answers[f"{API}healthOverviews"] = (302, {"Location": other.url}, b"")
    assert read().detail == "Graph answers with status 302"
    assert not other.asked


def test_graph_is_not_asked_before_it_allows_it(tenant, graph, observed, clock):
    probe, second = graph(), graph(services=("Exchange",))
    good = tenant.vendor.answers[f"{API}healthOverviews"]
    tenant.vendor.answers[f"{API}healthOverviews"] = (429, {"Retry-After": "150"}, b"")
    assert observed(probe, clock=clock).reason is LIMITED
    tenant.vendor.answers[f"{API}healthOverviews"] = good
    clock.advance(149)
    asked = len(tenant.asked)
    assert observed(probe, clock=clock).reason is LIMITED
    assert len(tenant.asked) == asked
    assert observed(second, clock=clock).reason is LIMITED, "its limit is the application's"
    assert tenant.asked[asked:] == ["token"], "nothing was known of its token's"
    clock.advance(1)
    assert observed(probe, clock=clock).reason is OK


WRONG = [
    b"<html>",
    b"[]",
    b"{}",
    b'{"value": {}}',
    b'{"value": [{}]}',
    b'{"value": [{"id": 1, "service": "x", "status": "y"}]}',
    b'{"value": null}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", WRONG)
@pytest.mark.parametrize("path", [f"{API}healthOverviews", ISSUES])
def test_what_is_no_list_is_a_dead_source(tenant, read, body, path):
    tenant.vendor.answers[path] = (200, {}, body)
    assert read().reason is DEAD


def test_a_large_page_is_read(tenant, read):
    posts = [{"postType": "Regular", "description": {"content": "x" * 20_000}}] * 100
    tenant.issues = [issue("serviceInterruption", posts=posts)]
    assert read().reason is INCIDENT


@pytest.mark.parametrize("size", [1, 2])
def test_pages_that_lead_in_circles(tenant, read, size):
    addresses = [ISSUES, *(f"{API}issues?$skip={number}" for number in range(1, size))]
    for here, there in zip(addresses, addresses[1:] + addresses[:1], strict=True):
        following = {"@odata.nextLink": tenant.vendor.url + there}
        tenant.vendor.answers[here] = _value([issue("serviceInterruption")], **following)
    reading = read()
    assert (reading.reason, reading.detail) == (
        DEAD,
        "the link to the next page leads to one that was read",
    )
    assert tenant.asked == ["token", "healthOverviews", *["issues"] * size]


EMPTY = "[],"
HOSTILE_PAGES = {
    "one long text": f'"impactDescription": "{"x" * 8_000_000}"',
    "what nobody asked for": f'"posts": [{EMPTY * 60_000}[]], "more": "{"x" * 7_000_000}"',
    "values without end": f'"posts": [{EMPTY * 2_500_000}[]]',
}


@pytest.mark.parametrize("hostile", HOSTILE_PAGES)
def test_twenty_pages_of_eight_megabytes_cost_little_memory(tenant, read, hostile):
    path = ISSUES
    for number in range(PAGES):
        following = f"{API}issues?$skip={number + 1}"
        issue = json.dumps({"id": f"MO{number}", "status": "investigating"})[:-1]
        body = f'{{"value": [{issue}, {HOSTILE_PAGES[hostile]}}}], "@odata.nextLink": '
        body += json.dumps(tenant.vendor.url + following) + "}"
        tenant.vendor.answers[path] = 200, {}, body.encode()
        path = following
    tracemalloc.start()
    reading = read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reading.reason is DEAD
    assert re.match("body_too_large|protocol_error: JSON of more than", reading.detail)
    assert peak < 100 << 20


# --- settings ---------------------------------------------------------------------


def test_wrong_settings_are_reported_with_their_place():
    probe = settled(
        tenant="ex/ample",
        services=(" ",),
        graph_url=Url("http://graph.example"),
        login_url=Url("http://login.example"),
    )
    found = {fault.path: fault.message for fault in probe.faults()}
    assert set(found) == {("tenant",), ("services", 0), ("graph_url",), ("login_url",)}
    assert "unencrypted to graph.example" in found["graph_url",]


def test_a_service_must_be_named():
    (fault,) = settled(services=()).faults()
    assert fault.path == ("services",)
