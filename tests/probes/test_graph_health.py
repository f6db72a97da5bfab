"""`graph_health` at a tenant of the documented shape, with all its lies."""

import json
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from beacon.config.fields import Regex, Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.redaction import Secrets
from beacon.probes.graph_health import GraphHealth, Issue, WorstSeen
from beacon.vendors.graph import PAGES
from tests.probe_memories import MEMORIES
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


@dataclass
class Tenant:
    """Entra and Graph for one tenant, in one vendor's server."""

    vendor: Any
    overviews: list[dict[str, Any]] = field(default_factory=lambda: [overview(), EXCHANGE, SUITE])
    issues: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    valid: set[str] = field(default_factory=set)
    lasts: Any = 3599

    def __post_init__(self) -> None:
        self.vendor.answers[TOKEN] = self.token
        self.vendor.answers[f"{API}healthOverviews"] = self.listed(lambda: self.overviews)
        filtered = f"{API}issues?$filter=isResolved%20eq%20false"
        self.vendor.answers[filtered] = self.listed(lambda: self.issues)

    def token(self, asked: Any) -> Any:
        form = parse_qs(asked.body.decode())
        assert asked.method == "POST"
        assert form["grant_type"] == ["client_credentials"]
        if form["client_secret"] != ["s3cret & more"]:
            codes = {"error": "invalid_client", "error_codes": [7000215], "error_description": "x"}
            return 401, {}, json.dumps(codes).encode()
        self.tokens += 1
        self.valid.add(f"Bearer eyJ0eXAiOi{self.tokens}")
        granted = {"token_type": "Bearer", "expires_in": self.lasts}
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
def tenant(vendor: Any) -> Tenant:
    return Tenant(vendor)


@pytest.fixture
def graph(vendor: Any) -> Callable[..., GraphHealth]:
    def make(**settings: Any) -> GraphHealth:
        common = {
            "tenant": "example.com",
            "client_id": "beacon",
            "client_secret": Secret("s3cret & more"),
            "services": ("OrgLiveID",),
            "graph_url": vendor.url,
            "login_url": Url(vendor.url + "/"),
        }
        probe = GraphHealth(**{**common, **settings})
        assert not list(probe.faults())
        return probe

    return make


Observe = Callable[..., Reading]
Make = Callable[..., GraphHealth]


# --- what it says -----------------------------------------------------------------


def test_all_is_well(tenant: Tenant, graph: Make, observed: Observe) -> None:
    reading = observed(graph())
    assert reading.reason is OK
    assert clear(reading.detail) == (
        "Identity Service: service operational; no open issue concerns us"
    )
    assert tenant.asked == ["token", "healthOverviews", "issues"]
    assert tenant.vendor.asked[2].headers["Prefer"] == "odata.maxpagesize=100"


@pytest.mark.parametrize(
    "name", ["OrgLiveID", "orgliveid", "Identity Service", " identity Service"]
)
def test_a_service_is_known_by_id_and_by_name(
    tenant: Tenant, graph: Make, observed: Observe, name: str
) -> None:
    tenant.overviews[0]["status"] = "serviceInterruption"
    reading = observed(graph(services=(name,)))
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


@pytest.mark.parametrize("pascal", [False, True])
@pytest.mark.parametrize(("status", "reason"), STATUSES.items())
def test_every_status_in_both_ways_to_write_it(
    tenant: Tenant, graph: Make, observed: Observe, status: str, reason: Reason, pascal: bool
) -> None:
    written = status[0].upper() + status[1:] if pascal else status
    tenant.overviews[0]["status"] = written
    assert observed(graph()).reason is reason
    tenant.overviews[0]["status"] = "serviceOperational"
    tenant.issues = [issue(written)]
    assert observed(graph()).reason is reason


def test_an_outage_filed_under_another_service_is_found_and_told(
    tenant: Tenant, graph: Make, observed: Observe
) -> None:
    tenant.issues = [issue()]
    assert observed(graph()).detail == (
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
def test_which_issues_concern_us(
    tenant: Tenant, graph: Make, observed: Observe, other: dict[str, Any], found: bool
) -> None:
    tenant.issues = [issue(**other)]
    assert (observed(graph()).reason is DEGRADED) == found


def test_words_to_look_for_can_be_set_or_left_out(
    tenant: Tenant, graph: Make, observed: Observe
) -> None:
    tenant.issues = [issue(title="Mail is slow", impactDescription="")]
    assert observed(graph(keywords=Regex("(?i)mail"))).reason is DEGRADED
    tenant.issues = [issue()]
    assert observed(graph(keywords=None)).reason is OK


def test_an_absent_service_is_unknown_and_those_there_are_named(
    tenant: Tenant, graph: Make, observed: Observe
) -> None:
    reading = observed(graph(services=("Identity Servce", "Exchange")))
    assert (reading.reason, reading.outcome) == (DEAD, Outcome.ERROR)
    assert reading.detail == (
        "no service 'Identity Servce'; did you mean 'Identity Service'? "
        "there are: Identity Service, Exchange Online, Microsoft 365 suite"
    )
    tenant.issues = [issue()]
    assert observed(graph(services=("Identity Servce",))).reason is DEGRADED, "it hides nothing"


def test_without_any_service_it_is_unknown(tenant: Tenant, graph: Make, observed: Observe) -> None:
    tenant.overviews = []
    assert observed(graph()).detail == "no service 'OrgLiveID'; there are: none"


# --- restoring --------------------------------------------------------------------


def test_while_restoring_it_is_as_bad_as_it_was(
    tenant: Tenant, graph: Make, observed: Observe
) -> None:
    probe = graph()
    said = []
    for status in ("investigating", "serviceInterruption", "restoringService", "verifyingService"):
        tenant.issues = [issue(status), issue("restoringService", id="MO1")]
        said.append(observed(probe).reason)
    assert said == [DEGRADED, INCIDENT, INCIDENT, DEGRADED]
    tenant.issues = [issue("RestoringService")]
    assert observed(probe).reason is INCIDENT
    after_reload = observed(graph(), memory=MEMORIES.of(probe))
    assert after_reload.reason is INCIDENT


def test_what_was_never_seen_before_is_degraded_while_restoring(graph: Make) -> None:
    issues = [Issue(id="1", status="restoringService", title="MFA")]
    (said,) = graph()._of_issues(issues, set(), WorstSeen())
    assert said.reason is DEGRADED


# --- the token --------------------------------------------------------------------


def test_a_token_is_kept_until_it_ends(
    tenant: Tenant, graph: Make, observed: Observe, clock: ManualClock
) -> None:
    probe = graph()
    for seconds in (0, 60, 3500):
        clock.advance(seconds)
        assert observed(probe, clock=clock).reason is OK
    assert tenant.tokens == 1
    clock.advance(20)
    assert observed(probe, clock=clock).reason is OK
    assert tenant.tokens == 2


@pytest.mark.parametrize("lasts", [0, "3599", 10])
def test_however_long_a_token_lasts(
    tenant: Tenant, graph: Make, observed: Observe, lasts: Any
) -> None:
    tenant.lasts = lasts
    assert observed(graph()).reason is OK


def _value(value: Any, **more: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"value": value, **more}).encode()


def test_a_token_graph_does_not_want_is_replaced(
    tenant: Tenant, graph: Make, observed: Observe
) -> None:
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


@pytest.mark.parametrize(("said", "reason", "words"), NO_TOKEN)
def test_without_a_token_the_source_is_unknown_and_whose_fault_that_is(
    tenant: Tenant,
    graph: Make,
    observed: Observe,
    said: tuple[int, bytes],
    reason: Reason,
    words: str,
) -> None:
    tenant.vendor.answers[TOKEN] = (said[0], {"Location": "/elsewhere"}, said[1])
    reading = observed(graph())
    assert (reading.reason, reading.outcome) == (reason, Outcome.ERROR)
    assert words in reading.detail
    assert len(tenant.asked) == 1, "and nobody else is asked"


def test_a_wrong_secret(tenant: Tenant, graph: Make, observed: Observe) -> None:
    reading = observed(graph(client_secret=Secret("wrong")))
    assert (reading.reason, reading.detail) == (OURS, "no token: invalid_client AADSTS7000215")


def test_without_consent_it_is_ours(tenant: Tenant, graph: Make, observed: Observe) -> None:
    tenant.vendor.answers[f"{API}healthOverviews"] = (403, {}, b'{"error": {"code": "Forbidden"}}')
    reading = observed(graph())
    assert reading.reason is OURS
    assert "ServiceHealth.Read.All" in reading.detail


# --- pages and limits -------------------------------------------------------------


def pages(tenant: Tenant, url: str, count: int, last: dict[str, Any]) -> None:
    """Issues in so many pages, each naming the next at `url`."""
    path = f"{API}issues?$filter=isResolved%20eq%20false"
    for number in range(count):
        following = f"{API}issues?$skip={number + 1}"
        more = {"@odata.nextLink": url + following} if number < count - 1 else {}
        found = [issue(title="Icons", impactDescription="", id=f"MO{number}")]
        tenant.vendor.answers[path] = _value([*found, last] if not more else found, **more)
        path = following


def test_all_pages_are_read(tenant: Tenant, graph: Make, observed: Observe) -> None:
    pages(tenant, tenant.vendor.url, 5, issue("serviceInterruption"))
    assert observed(graph()).reason is INCIDENT
    assert tenant.asked == ["token", "healthOverviews", *["issues"] * 5]
    assert all(
        one.headers["Authorization"] == "Bearer eyJ0eXAiOi1" for one in tenant.vendor.asked[1:]
    )


@pytest.mark.parametrize("count", [PAGES, PAGES + 1])
def test_not_without_end(tenant: Tenant, graph: Make, observed: Observe, count: int) -> None:
    pages(tenant, tenant.vendor.url, count, issue("serviceInterruption"))
    reading = observed(graph())
    if count == PAGES:
        assert reading.reason is INCIDENT
    else:
        assert (reading.reason, reading.detail) == (DEAD, "a list of more than 20 pages")


@pytest.mark.parametrize(
    "url", ["http://evil.example", "{mine}@evil.example", "http://evil\\@{host}", "ftp:", "{mine}1"]
)
def test_the_token_goes_to_no_other_host(
    tenant: Tenant, graph: Make, observed: Observe, url: str
) -> None:
    mine = tenant.vendor.url
    pages(tenant, url.format(mine=mine, host=mine.removeprefix("http://")), 3, issue())
    reading = observed(graph())
    assert (reading.reason, reading.detail) == (DEAD, "the link to the next page leaves this host")
    assert len(tenant.asked) == 3


def test_nor_by_a_redirect(
    tenant: Tenant, graph: Make, observed: Observe, vendors: Callable[[], Any]
) -> None:
    other = vendors()
    tenant.vendor.answers[f"{API}healthOverviews"] = (302, {"Location": other.url}, b"")
    assert observed(graph()).detail == "Graph answers with status 302"
    assert not other.asked


def test_graph_is_not_asked_before_it_allows_it(
    tenant: Tenant, graph: Make, observed: Observe, clock: ManualClock
) -> None:
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
@pytest.mark.parametrize("path", ["healthOverviews", "issues?$filter=isResolved%20eq%20false"])
def test_what_is_no_list_is_a_dead_source(
    tenant: Tenant, graph: Make, observed: Observe, body: bytes, path: str
) -> None:
    tenant.vendor.answers[API + path] = (200, {}, body)
    assert observed(graph()).reason is DEAD


def test_a_large_page_is_read(tenant: Tenant, graph: Make, observed: Observe) -> None:
    posts = [{"postType": "Regular", "description": {"content": "x" * 20_000}}] * 100
    tenant.issues = [issue("serviceInterruption", posts=posts)]
    assert observed(graph()).reason is INCIDENT


# --- settings ---------------------------------------------------------------------


def test_wrong_settings_are_told_with_their_place() -> None:
    probe = GraphHealth(
        tenant="ex/ample",
        client_id="beacon",
        client_secret=Secret("x"),
        services=(" ",),
        graph_url=Url("http://graph.example"),
        login_url=Url("http://login.example"),
    )
    told = {fault.path: fault.message for fault in probe.faults()}
    assert set(told) == {("tenant",), ("services", 0), ("graph_url",), ("login_url",)}
    assert "unencrypted to graph.example" in told["graph_url",]


def test_a_service_must_be_named() -> None:
    probe = GraphHealth(
        tenant="example.com", client_id="beacon", client_secret=Secret("x"), services=()
    )
    (fault,) = probe.faults()
    assert fault.path == ("services",)
    assert probe.clock_bound
    assert probe.wait(0.0, MEMORIES.of(probe)) == 0.0


def test_on_this_machine_nothing_is_clock_bound(graph: Make) -> None:
    assert not graph().clock_bound


@pytest.mark.parametrize("size", [1, 2])
def test_pages_that_lead_in_circles(
    tenant: Tenant, graph: Make, observed: Observe, size: int
) -> None:
    path = f"{API}issues?$filter=isResolved%20eq%20false"
    addresses = [path, *(f"{API}issues?$skip={number}" for number in range(1, size))]
    for here, there in zip(addresses, addresses[1:] + addresses[:1], strict=True):
        following = {"@odata.nextLink": tenant.vendor.url + there}
        tenant.vendor.answers[here] = _value([issue("serviceInterruption")], **following)
    reading = observed(graph())
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
def test_twenty_pages_of_eight_megabytes_cost_little_memory(
    tenant: Tenant, graph: Make, observed: Observe, hostile: str
) -> None:
    path = f"{API}issues?$filter=isResolved%20eq%20false"
    for number in range(PAGES):
        following = f"{API}issues?$skip={number + 1}"
        told = json.dumps({"id": f"MO{number}", "status": "investigating"})[:-1]
        body = f'{{"value": [{told}, {HOSTILE_PAGES[hostile]}}}], "@odata.nextLink": '
        body += json.dumps(tenant.vendor.url + following) + "}"
        tenant.vendor.answers[path] = 200, {}, body.encode()
        path = following
    tracemalloc.start()
    reading = observed(graph(), budget=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reading.reason is DEAD
    assert re.match("body_too_large|protocol_error: JSON of more than", reading.detail)
    assert peak < 100 << 20
