"""`entra_mfa` at a tenant of the documented shape: metrics, sign-in log, and what they hide."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from beacon.config.fields import Duration, Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.probes.entra_mfa import TROUBLE, EntraMfa
from beacon.probing.sign_in_stats import SAMPLE
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: entra_mfa
    tenant: example.com
    client_id: beacon
    client_secret: !secret canary
    break_glass: {first: first@example.com}
    graph_url: {url}
    login_url: {url}
    """,
    honest={"POST /example.com/oauth2/": '{"access_token": "t", "expires_in": 3600}'},
)


NOW = datetime(2026, 1, 5, 12, 7, 30, tzinfo=UTC)
WINDOW = datetime(2026, 1, 5, 11, 35, tzinfo=UTC)  # 15 min late, 15 min long, whole buckets
END = WINDOW + timedelta(minutes=15)
LAST_WEEK = datetime(2025, 12, 29, 11, tzinfo=UTC)
METRIC = "/beta/reports/serviceActivity/getMetricsForMfaSignIn"
STEP = timedelta(minutes=5)
Make = Callable[..., EntraMfa]
Read = Callable[..., Reading]


@dataclass
class Tenant:
    """Entra and Graph for one tenant: two metrics by buckets of 5 min, and a sign-in log."""

    vendor: Any
    good: dict[datetime, int] = field(default_factory=dict)
    bad: dict[datetime, int] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        answers = self.vendor.answers
        answers["/example.com/oauth2/v2.0/token"] = self.token
        answers[f"{METRIC}Success"] = self.metric(self.good)
        answers[f"{METRIC}Failure"] = self.metric(self.bad)
        for version in ("v1.0", "beta"):
            answers[f"/{version}/auditLogs/signIns"] = self.sign_ins

    def token(self, asked: Any) -> Any:
        assert parse_qs(asked.body.decode())["client_secret"] == ["canary-secret"]
        granted = {"token_type": "Bearer", "expires_in": 3599, "access_token": "canary-token"}
        return 200, {}, json.dumps(granted).encode()

    def fill(self, since: datetime, good: int, bad: int, buckets: int = 3) -> None:
        for n in range(buckets):
            self.good[since + n * STEP] = good
            self.bad[since + n * STEP] = bad

    def metric(self, of: dict[datetime, int]) -> Callable[[Any], Any]:
        def answer(asked: Any) -> Any:
            assert asked.headers["Authorization"] == "Bearer canary-token"
            self.asked.append(asked.path.removeprefix(METRIC))
            since, until = (
                datetime.fromisoformat(re.search(f"{name}=([^,)]+)", asked.path)[1])  # type: ignore[index]
                for name in ("inclusiveIntervalStartDateTime", "exclusiveIntervalEndDateTime")
            )
            assert "aggregationIntervalInMinutes=5)" in asked.path
            value = [
                {"intervalStartDateTime": f"{at:%Y-%m-%dT%H:%M:%SZ}", "value": number}
                for at, number in sorted(of.items())
                if since <= at < until
            ]
            return 200, {}, json.dumps({"@odata.context": "…", "value": value}).encode()

        return answer

    def happen(self, number: int, code: int, at: datetime = WINDOW, **other: Any) -> None:
        for _ in range(number):
            self.log.append(
                {
                    "id": f"66ea54eb-{next(self.numbers)}",
                    "createdDateTime": f"{at:%Y-%m-%dT%H:%M:%S.6195833Z}",
                    "userDisplayName": "Somebody",
                    "userPrincipalName": "somebody@example.com",
                    "userId": "26be570a-ae82-4189-b4e2-a37c6808512d",
                    "ipAddress": "203.0.113.9",
                    "status": {"errorCode": code, "failureReason": None},
                    "authenticationRequirement": "multiFactorAuthentication",
                    **other,
                }
            )

    def sign_ins(self, asked: Any) -> Any:
        query = {k: v[0] for k, v in parse_qs(urlsplit(asked.path).query).items()}
        self.asked.append(unquote(urlsplit(asked.path).path))
        asked_for = query["$filter"]
        since, until = map(
            datetime.fromisoformat, re.findall(r"createdDateTime (?:ge|lt) (\S+)", asked_for)
        )
        users = re.findall(r"(userId|userPrincipalName) eq '([^']+)'", asked_for)
        found = [
            each
            for each in sorted(self.log, key=lambda e: e["createdDateTime"], reverse=True)
            if since <= datetime.fromisoformat(each["createdDateTime"]) < until
            and (not users or any(each[name].lower() == value for name, value in users))
        ]
        begin, size = int(query.get("$skiptoken", 0)), int(query["$top"])
        page: dict[str, Any] = {"value": found[begin : begin + size]}
        if begin + size < len(found):
            base = asked.path.partition("&$skiptoken")[0]
            page["@odata.nextLink"] = f"{self.vendor.url}{base}&$skiptoken={begin + size}"
        return 200, {}, json.dumps(page).encode()


@pytest.fixture
def tenant(vendor: Any) -> Tenant:
    return Tenant(vendor)


@pytest.fixture
def entra(vendor: Any) -> Make:
    def make(**settings: Any) -> EntraMfa:
        common = {
            "tenant": "example.com",
            "client_id": "beacon",
            "client_secret": Secret("canary-secret"),
            "graph_url": vendor.url,
            "login_url": vendor.url,
        }
        probe = EntraMfa(**{**common, **settings})
        assert not list(probe.faults())
        return probe

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW, 1000.0)


@pytest.fixture
def read(entra: Make, observed: Callable[..., Reading], clock: ManualClock) -> Read:
    """Run this probe, or one with these settings."""
    return lambda probe=None, **given: observed(probe or entra(**given), clock=clock)


# --- metrics ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad", "reason", "detail"),
    [
        (30, 5, Reason.OK, "86% of 105 sign-ins went well, usually 83%"),
        (8, 27, Reason.SUCCESS_RATIO_LOW, "23% of 105 sign-ins went well, usually 83%"),
        (1, 2, Reason.SAMPLE_TOO_SMALL, "3 of 9 sign-ins went well; too few to judge"),
    ],
)
def test_the_share_of_the_metrics(
    tenant: Tenant, good: int, bad: int, reason: Reason, detail: str, read: Read
) -> None:
    tenant.fill(WINDOW, good, bad)
    tenant.fill(LAST_WEEK, 50, 10, buckets=12)
    reading = read()
    assert reading.reason is reason
    assert reading.detail.startswith(detail)
    assert tenant.asked[0] == (
        "Success(inclusiveIntervalStartDateTime=2026-01-05T09:35:00Z,"
        "exclusiveIntervalEndDateTime=2026-01-05T11:50:00Z,aggregationIntervalInMinutes=5)"
    )


def test_buckets_outside_the_window_do_not_count(tenant: Tenant, read: Read) -> None:
    tenant.fill(WINDOW - 6 * STEP, 1000, 0, buckets=6)
    tenant.fill(WINDOW, 10, 30)
    tenant.fill(END, 1000, 0)
    assert read().detail.startswith("25% of 120 ")


def test_what_is_not_reported_yet_is_not_none(tenant: Tenant, read: Read) -> None:
    """Failures have come in, successes only until 11:40."""
    tenant.fill(WINDOW - STEP, 40, 5, buckets=2)
    tenant.bad |= dict.fromkeys((WINDOW + STEP, WINDOW + 2 * STEP), 30)
    reading = read()
    assert reading.detail.startswith("89% of 45 ")
    del tenant.good[WINDOW]
    reading = read()
    assert (reading.reason, reading.outcome) == (Reason.SAMPLE_TOO_SMALL, Outcome.ERROR)
    assert reading.detail.endswith("successes are counted until 2026-01-05T11:35:00Z only")


def test_after_two_hours_it_is_none(tenant: Tenant, read: Read) -> None:
    tenant.fill(NOW - timedelta(hours=3), 40, 5)
    tenant.bad |= dict.fromkeys((WINDOW, WINDOW + STEP, WINDOW + 2 * STEP), 30)
    reading = read()
    assert (reading.reason, reading.detail[:8]) == (Reason.SUCCESS_RATIO_LOW, "0% of 90")


def test_one_run_stays_within_five_requests_in_ten_seconds(
    tenant: Tenant, entra: Make, read: Read
) -> None:
    tenant.fill(WINDOW, 40, 5)
    probe = entra(break_glass={"first": "26be570a-ae82-4189-b4e2-a37c6808512d"})
    for _ in range(3):
        tenant.asked.clear()
        read(probe)
        assert len(tenant.asked) <= 5


# --- the sign-in log --------------------------------------------------------------


def test_codes_separate_trouble_from_interrupts_and_users(tenant: Tenant, read: Read) -> None:
    tenant.happen(30, 0)
    tenant.happen(40, 0, authenticationRequirement="singleFactorAuthentication")
    for interrupt in (50072, 50074, 50076, 50078, 50079, 50140, 50058, 50158):
        tenant.happen(20, interrupt)
    for noise in (50053, 50126, 50097, 53003):
        tenant.happen(20, noise)
    for code in sorted(TROUBLE):
        tenant.happen(8, code)
    tenant.happen(20, 50087)
    reading = read(count="sign_ins")
    assert reading.reason is Reason.SUCCESS_RATIO_LOW
    assert reading.detail == (
        "28% of 106 sign-ins went well, what is usual is not known; "
        "28 × AADSTS50087, 8 × AADSTS50086, 8 × AADSTS50088"
    )


def test_an_attempt_that_is_there_twice_counts_once(tenant: Tenant, read: Read) -> None:
    tenant.happen(30, 0)
    tenant.happen(10, 500121)
    tenant.log += tenant.log[30:] * 5
    assert read(count="sign_ins").detail.startswith("75% of 40 ")


def test_of_very_many_the_newest_are_a_sample(tenant: Tenant, read: Read) -> None:
    tenant.happen(SAMPLE, 0, WINDOW + STEP)
    tenant.happen(SAMPLE, 50087, WINDOW)
    assert read(count="sign_ins").detail.startswith(f"100% of {SAMPLE} ")
    assert tenant.asked[:3] == ["/beta/auditLogs/signIns"] * 2 + tenant.asked[2:3]


# --- break-glass accounts ---------------------------------------------------------


def test_any_sign_in_by_a_break_glass_account_is_reported(
    tenant: Tenant, entra: Make, read: Read
) -> None:
    ids = {"userId": "AAAA0000-0000-0000-0000-000000000001"}
    tenant.happen(1, 0, NOW - timedelta(hours=3), userPrincipalName="BG2@example.com")
    tenant.happen(1, 50126, NOW - timedelta(minutes=2), **ids)
    tenant.happen(1, 0, NOW - timedelta(hours=30), **ids)
    tenant.happen(40, 0)
    probe = entra(break_glass={"first": ids["userId"], "second": "bg2@example.com"})
    reading = read(probe)
    assert reading.reason is Reason.SAMPLE_TOO_SMALL, "of the metrics there are none"
    assert [(use.account, round(use.ago / 60)) for use in reading.uses] == [
        ("first", 2),
        ("second", 180),
    ]
    assert tenant.asked[0] == "/v1.0/auditLogs/signIns"
    asked = unquote(tenant.vendor.paths[1])
    assert "userPrincipalName eq 'bg2@example.com'" in asked
    assert f"userId eq '{ids['userId'].lower()}'" in asked


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (f"{METRIC}Success", "Reports.Read.All"),
        ("/v1.0/auditLogs/signIns", "AuditLog.Read.All and Directory.Read.All"),
    ],
)
def test_what_permission_is_missing_is_reported(
    tenant: Tenant, path: str, permission: str, read: Read
) -> None:
    tenant.vendor.answers[path] = 403, {}, b'{"error": {"code": "Authorization_RequestDenied"}}'
    reading = read(break_glass={"first": "x@example.com"})
    assert reading.reason is Reason.OWN_CREDENTIALS
    assert permission in reading.detail


@pytest.mark.parametrize(
    "value", [[{}], [{"intervalStartDateTime": "now", "value": "4"}], {}, None], ids=str
)
def test_a_metric_of_another_shape_is_a_dead_source(tenant: Tenant, value: Any, read: Read) -> None:
    body = json.dumps({"value": value}).encode()
    tenant.vendor.answers[f"{METRIC}Success"] = 200, {}, body
    assert read().reason is Reason.SOURCE_DEAD


def test_a_time_that_is_none_is_no_bucket(tenant: Tenant, read: Read) -> None:
    body = b'{"value": [{"intervalStartDateTime": "soon", "value": 1000}]}'
    tenant.vendor.answers[f"{METRIC}Success"] = 200, {}, body
    assert read().reason is Reason.SAMPLE_TOO_SMALL


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"tenant": "a/b"}, ("tenant",)),
        ({"login_url": Url("http://login.example.com")}, ("login_url",)),
        ({"window": Duration(700)}, ("window",)),
        ({"lag": Duration(301)}, ("window",)),
        ({"break_glass": {"a": "o'neill@example.com"}}, ("break_glass", "a")),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], path: tuple[str, ...]) -> None:
    common = {"tenant": "t", "client_id": "c", "client_secret": Secret("x")}
    probe = EntraMfa(**{**common, **settings})
    assert [fault.path for fault in probe.faults()] == [path]
