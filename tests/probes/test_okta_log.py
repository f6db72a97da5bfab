"""`okta_log` at an organisation whose System Log is of the documented shape."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from beacon.config.fields import Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import ManualClock
from beacon.engine.run import Run
from beacon.probes.okta_log import PAGE, OktaLog
from beacon.probing.sign_in_stats import SAMPLE
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: okta_log
    url: {url}
    token: !secret canary
    break_glass: {first: first@example.com}
    """,
)


NOW = datetime(2026, 1, 5, 12, 7, 30, tzinfo=UTC)
NOW_ISH = NOW - timedelta(minutes=10)
WEEK_AGO = NOW - timedelta(weeks=1, minutes=20)
MFA = "user.authentication.auth_via_mfa"
Make = Callable[..., OktaLog]
Read = Callable[..., Reading]


@dataclass
class Org:
    """Okta's System Log: it understands the filters that are asked of it, and pages."""

    vendor: Any
    events: list[dict[str, Any]] = field(default_factory=list)
    left: int = 60
    elsewhere: str = ""
    circle: Callable[[int], str] | None = None
    queries: list[dict[str, str]] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.vendor.answers["/api/v1/logs"] = self.answer

    def happen(
        self,
        number: int,
        kind: str = MFA,
        result: str = "SUCCESS",
        at: datetime = NOW_ISH,
        factor: str = "OKTA_VERIFY_PUSH",
        actor: str = "somebody@example.com",
        actor_id: str = "00u1",
    ) -> None:
        for _ in range(number):
            self.events.append(
                {
                    "uuid": f"uuid-{next(self.numbers)}",
                    "published": f"{at:%Y-%m-%dT%H:%M:%S.123Z}",
                    "eventType": kind,
                    "version": "0",
                    "severity": "INFO",
                    "displayMessage": "Authentication of user via MFA",
                    "outcome": {"result": result, "reason": None},
                    "actor": {"id": actor_id, "type": "User", "alternateId": actor},
                    "client": {"ipAddress": "203.0.113.9"},
                    "debugContext": {"debugData": {"factor": factor}},
                    "target": None,
                }
            )

    def answer(self, asked: Any) -> Any:
        if asked.headers.get("Authorization") != "SSWS canary-token":
            return 401, {}, b'{"errorCode": "E0000011", "errorSummary": "Invalid token provided"}'
        query = {k: v[0] for k, v in parse_qs(urlsplit(asked.path).query).items()}
        self.queries.append(query)
        self.left -= 1
        found = [e for e in self.events if self.fits(e, query)]
        found.sort(key=lambda e: e["published"], reverse=query["sortOrder"] == "DESCENDING")
        begin, size = int(query.get("after", 0)), int(query["limit"])
        link = f'<{self.vendor.url}{asked.path}>; rel="self"'
        if len(found) > begin + size:
            after = f"{asked.path.partition('&after')[0]}&after={begin + size}"
            link += f', <{self.elsewhere or self.vendor.url}{after}>; rel="next"'
        if self.circle is not None:
            path = asked.path.partition("&after")[0] + self.circle(begin)
            link = f'<{self.vendor.url}{path}>; rel="next"'
        headers = {"Link": link, "X-Rate-Limit-Remaining": str(self.left)}
        return 200, headers, json.dumps(found[begin : begin + size]).encode()

    @staticmethod
    def fits(event: dict[str, Any], query: dict[str, str]) -> bool:
        published = event["published"]
        if not query["since"] <= published < query["until"]:
            return False
        asked, actor = query["filter"], event["actor"]
        accounts = re.findall(r'actor\.(id|alternateId) eq "([^"]+)"', asked)
        if accounts and not any(actor[name] == value for name, value in accounts):
            return False
        kinds = re.findall(r'eventType (eq|sw) "([^"]+)"', asked)
        kind = event["eventType"]
        return any(kind == v if how == "eq" else kind.startswith(v) for how, v in kinds)


@pytest.fixture
def org(vendor: Any) -> Org:
    return Org(vendor)


@pytest.fixture
def okta(vendor: Any) -> Make:
    def make(**settings: Any) -> OktaLog:
        probe = OktaLog(**{"url": vendor.url, "token": Secret("canary-token"), **settings})
        assert not list(probe.faults())
        return probe

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW, 1000.0)


@pytest.fixture
def read(okta: Make, observed: Callable[..., Reading], clock: ManualClock) -> Read:
    """Run this probe, or one with these settings."""
    return lambda probe=None, **given: observed(probe or okta(**given), clock=clock)


@pytest.fixture
def usual(org: Org) -> None:
    """A week ago nine of ten went well."""
    org.happen(180, at=WEEK_AGO)
    org.happen(20, result="FAILURE", at=WEEK_AGO)


# --- factors ----------------------------------------------------------------------


@pytest.mark.usefixtures("usual")
@pytest.mark.parametrize(
    ("good", "bad", "reason", "detail"),
    [
        (90, 10, Reason.OK, "90% of 100 sign-ins went well, usually 90%"),
        (40, 60, Reason.SUCCESS_RATIO_LOW, "40% of 100 sign-ins went well, usually 90%"),
        (3, 2, Reason.SAMPLE_TOO_SMALL, "3 of 5 sign-ins went well; too few"),
    ],
)
def test_the_second_factor(
    org: Org, good: int, bad: int, reason: Reason, detail: str, read: Read
) -> None:
    org.happen(good)
    org.happen(bad, result="FAILURE")
    reading = read()
    assert reading.reason is reason
    assert reading.detail.startswith(detail)
    assert org.queries[0]["since"] == "2026-01-05T11:50:00Z"
    assert org.queries[0]["until"] == "2026-01-05T12:05:00Z"
    assert org.queries[0]["filter"] == f'eventType eq "{MFA}"'


def test_what_is_no_second_factor_counts_neither_way(org: Org, read: Read) -> None:
    org.happen(30)
    org.happen(50, result="FAILURE", factor="PASSWORD_AS_FACTOR")
    org.happen(50, result="CHALLENGE")
    org.happen(50, result="SKIPPED")
    org.happen(50, kind="user.session.start", result="FAILURE")
    org.happen(50, result="FAILURE", at=NOW - timedelta(minutes=1))  # not all listed yet
    assert read().detail.startswith("100% of 30 sign-ins")


def test_events_without_what_we_look_for(org: Org, read: Read) -> None:
    org.happen(30)
    for event in org.events:
        event.update(outcome=None, actor=None, debugContext={"debugData": None})
    assert read().reason is Reason.SAMPLE_TOO_SMALL


# --- messages ---------------------------------------------------------------------


@pytest.mark.parametrize(("count", "words"), [("sms", "text messages"), ("voice", "calls")])
def test_sends_minus_receipts_are_undelivered(org: Org, count: str, words: str, read: Read) -> None:
    org.happen(50, f"system.{count}.send_factor_verify_message")
    org.happen(10, f"system.{count}.send_factor_verify_message", "DENY")  # blocked by Okta
    org.happen(10, f"system.{count}.send_account_unlock_message", "FAILURE")
    org.happen(12, f"system.{count}.receive_status")
    org.happen(20, f"system.{count}.receive_status", "FAILURE")
    reading = read(count=count)
    assert reading.reason is Reason.SUCCESS_RATIO_LOW
    assert reading.detail.startswith(f"20% of 60 {words} went well")


def test_more_receipts_than_messages_are_not_more_than_all(org: Org, read: Read) -> None:
    org.happen(30, "system.sms.send_factor_verify_message")
    org.happen(33, "system.sms.receive_status")
    assert read(count="sms").detail.startswith("100% of 30")


# --- pages and limits -------------------------------------------------------------


def test_pages_are_followed_until_the_sample_is_large_enough(org: Org, read: Read) -> None:
    org.happen(SAMPLE + 3 * PAGE)
    assert read().detail.startswith(f"100% of {SAMPLE} sign-ins")
    now = [q for q in org.queries if q["since"] > "2026"]
    assert [q.get("after") for q in now] == [None, "200", "400", "600", "800"]


def test_what_comes_twice_counts_once(org: Org, read: Read) -> None:
    org.happen(PAGE + 10)
    org.events += org.events[:50]
    assert read().detail.startswith(f"100% of {PAGE + 10} ")


def test_requests_are_left_to_others(org: Org, read: Read) -> None:
    org.happen(SAMPLE)
    org.left = 12
    assert read().detail.startswith("100% of 600 ")
    assert org.left == 8, "two pages more, and one of last week"


@pytest.mark.parametrize(
    ("circle", "requests"),
    [
        (lambda _: "", 1),
        (lambda begin: f"&after={begin}", 2),
        (lambda begin: "&after=30" if begin == 0 else "", 2),
        (lambda begin: f"&after={begin + 1000}", 2),
    ],
    ids=["itself", "its own page", "each other", "always another"],
)
def test_a_next_page_that_brings_nothing_new_is_the_last(
    org: Org, circle: Callable[[int], str], requests: int, read: Read
) -> None:
    org.happen(60)
    org.circle = circle
    reading = read()
    assert reading.detail.startswith("100% of 60 "), reading
    assert len([q for q in org.queries if q["since"] > "2026-01-05"]) <= requests + 1


def test_the_token_goes_to_no_other_host(org: Org, vendors: Any, read: Read) -> None:
    other = vendors()
    org.happen(2 * PAGE)
    org.elsewhere = other.url
    reading = read()
    assert reading.reason is Reason.SOURCE_DEAD
    assert "another host" in reading.detail
    assert other.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_read_is_ours(vendor: Any, status: int, read: Read) -> None:
    vendor.answers["/api/v1/logs"] = status, {}, b'{"errorCode": "E0000006"}'
    reading = read()
    assert reading.reason is Reason.OWN_CREDENTIALS
    assert f"status {status}: look at `token`" in reading.detail


@pytest.mark.parametrize("page", [{}, [{}]])
def test_a_page_of_another_shape(vendor: Any, page: Any, read: Read) -> None:
    vendor.answers["/api/v1/logs"] = 200, {}, json.dumps(page).encode()
    assert read().reason is Reason.SOURCE_DEAD


# --- break-glass accounts ---------------------------------------------------------

BREAK_GLASS = {"first": "First@example.com", "second": "00u2"}


def test_any_sign_in_by_a_break_glass_account_is_reported(org: Org, read: Read) -> None:
    session = "user.session.start"
    org.happen(1, session, "SUCCESS", NOW - timedelta(hours=20), actor="First@example.com")
    org.happen(1, session, "FAILURE", NOW - timedelta(minutes=1), actor="x", actor_id="00u2")
    org.happen(1, session, at=NOW - timedelta(hours=25), actor="First@example.com")
    org.happen(30, session)
    reading = read(break_glass=BREAK_GLASS)
    assert reading.reason is Reason.SAMPLE_TOO_SMALL, "whatever else is read"
    assert [(use.account, round(use.ago)) for use in reading.uses] == [
        ("second", 60),
        ("first", 20 * 3600),
    ]
    again = read(break_glass=BREAK_GLASS)
    assert again.uses == reading.uses, "the same sign-ins have the same ids"
    assert "example.com" not in reading.detail


def test_its_name_is_in_no_note(org: Org, okta: Make, clock: ManualClock) -> None:
    run = Run(clock, 5.0)
    run.take(okta(break_glass=BREAK_GLASS))
    notes = "\n".join(run.notes)
    assert org.queries
    assert "First" not in notes
    assert "0 sign-ins by break-glass accounts" in notes


def test_users_and_accounts_that_fail_to_be_read_do_not_hide_each_other(
    org: Org, okta: Make, read: Read
) -> None:
    probe = okta(break_glass=BREAK_GLASS)
    org.happen(1, "user.session.start", actor="First@example.com")
    org.happen(10)
    org.happen(90, result="FAILURE")
    sound = org.answer

    def broken(which: str) -> Callable[[Any], Any]:
        return lambda asked: (500, {}, b"") if which in asked.path else sound(asked)

    org.vendor.answers["/api/v1/logs"] = broken("session.start")
    reading = read(probe)
    assert (reading.reason, reading.uses) == (Reason.SUCCESS_RATIO_LOW, ())
    org.events = [e for e in org.events if e["eventType"] != MFA]
    assert read(probe).reason is Reason.SOURCE_DEAD
    org.vendor.answers["/api/v1/logs"] = broken("auth_via_mfa")
    reading = read(probe)
    assert (reading.reason, reading.outcome) == (Reason.SOURCE_DEAD, Outcome.ERROR)
    assert [use.account for use in reading.uses] == ["first"]


def test_uses_are_reported_though_the_time_is_up_before_the_rest_is_read(
    org: Org, okta: Make, observed: Callable[..., Reading], clock: ManualClock, eventually: Any
) -> None:
    org.happen(1, "user.session.start", actor="First@example.com")
    sound = org.answer

    def hangs(asked: Any) -> Any:
        if "auth_via_mfa" in asked.path:
            eventually(lambda: over)
        return sound(asked)

    over: list[bool] = []
    org.vendor.answers["/api/v1/logs"] = hangs
    reading = observed(okta(break_glass=BREAK_GLASS), 0.5, clock)
    over.append(True)
    assert reading.reason is Reason.SOURCE_DEAD
    assert [use.account for use in reading.uses] == ["first"]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"url": Url("http://example.okta.example")}, ("url",)),
        ({"break_glass": {"a, b": "x"}}, ("break_glass", "a, b")),
        ({"break_glass": {" ": "x"}}, ("break_glass", " ")),
        ({"break_glass": {"a": ""}}, ("break_glass", "a")),
        ({"break_glass": {"a": 'x" or actor.id pr'}}, ("break_glass", "a")),
        ({"break_glass": {"a": "x\n"}}, ("break_glass", "a")),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], path: tuple[str, ...]) -> None:
    probe = OktaLog(**{"url": Url("https://example.com"), "token": Secret("x"), **settings})
    assert [fault.path for fault in probe.faults()] == [path]


# --- in a configuration -----------------------------------------------------------


SERVICE = """
site: soc
witnesses:
  - {name: a, type: tcp, host: 127.0.0.1, port: 1}
  - {name: b, type: tcp, host: 127.0.0.1, port: 2}
services:
  - name: Users
    endpoints:
      - {name: users, type: okta_log, url: "https://example.com", token: abc, lag: 5m, window: 10m}
"""


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Any]:
    def load(text: str) -> Any:
        path = tmp_path / "beacon.yaml"
        path.write_text(text)
        return load_config(path, {})

    return load


def test_real_users_alone_are_warned_of(configured: Callable[[str], Any]) -> None:
    (warning,) = [w for w in configured(SERVICE).warnings if "log-based" in w]
    assert "services[0].endpoints: this service has only log-based endpoints" in warning
    assert "it is blind while nobody signs in" in warning
    assert configured(SERVICE).watched.services[0].endpoints[0].hindsight == 300 + 600 + 60
    beside = "      - {name: page, type: http, url: 'https://example.com'}\n"
    assert not [w for w in configured(SERVICE + beside).warnings if "log-based" in w]
