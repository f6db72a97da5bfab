"""`twilio_verify` at a summary of the documented shape; and what all kinds share that count."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Duration, Secret, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.probes.twilio_verify import TwilioVerify
from beacon.probing.sign_in_stats import Tally
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: twilio_verify
    username: AC123
    password: !secret canary
    url: {url}
    """,
)


PATH = "/v2/Attempts/Summary"
NOW = datetime(2026, 1, 5, 12, 7, 30, tzinfo=UTC)
Make = Callable[..., TwilioVerify]
Read = Callable[..., Reading]


@dataclass
class Verify:
    """Twilio's summary: by the beginning of a span how many were sent, and how many converted."""

    vendor: Any
    spans: dict[datetime, tuple[Any, Any]] = field(default_factory=dict)
    otherwise: tuple[Any, Any] = (0, 0)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vendor.answers[PATH] = self.answer

    def answer(self, asked: Any) -> Any:
        query = {k: v[0] for k, v in parse_qs(urlsplit(asked.path).query).items()}
        self.asked.append(query)
        if asked.headers.get("Authorization") != "Basic QUMxMjM6Y2FuYXJ5LXRva2Vu":
            return 401, {}, b'{"code": 20003, "message": "Authenticate", "status": 401}'
        since = datetime.fromisoformat(query["DateCreatedAfter"])
        total, good = self.spans.get(since, self.otherwise)
        document = {
            "total_attempts": total,
            "total_converted": good,
            "total_unconverted": None,
            "conversion_rate_percentage": "100",  # whatever it says: we count ourselves
            "url": "https://verify.twilio.com/v2/Attempts/Summary",
        }
        return 200, {}, json.dumps(document).encode()


@pytest.fixture
def verify(vendor: Any) -> Verify:
    return Verify(vendor)


@pytest.fixture
def twilio(vendor: Any) -> Make:
    def make(**settings: Any) -> TwilioVerify:
        common = {"username": "AC123", "password": Secret("canary-token"), "url": vendor.url}
        probe = TwilioVerify(**{**common, **settings})
        assert not list(probe.faults())
        return probe

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW, 1000.0)


@pytest.fixture
def read(twilio: Make, observed: Callable[..., Reading], clock: ManualClock) -> Read:
    """Run this probe, or one with these settings."""
    return lambda probe=None, **given: observed(probe or twilio(**given), clock=clock)


WINDOW = datetime(2026, 1, 5, 11, 42, tzinfo=UTC)  # 10 min late, 15 min long, whole minutes
HOUR = datetime(2026, 1, 5, 11, tzinfo=UTC)
LAST, BEFORE = HOUR - timedelta(weeks=1), HOUR - timedelta(weeks=2)


def test_it_asks_of_a_time_that_is_over_and_of_the_same_hours_before(
    verify: Verify, read: Read
) -> None:
    verify.otherwise = 100, 80
    reading = read(service="VA1", channel="sms")
    assert (reading.reason, reading.outcome) == (Reason.OK, Outcome.PASS)
    assert reading.detail == "80% of 100 codes sent went well, usually 80%"
    narrowed = {"VerifyServiceSid": "VA1", "Channel": "sms"}
    assert verify.asked == [
        {
            "DateCreatedAfter": "2026-01-05T11:42:00Z",
            "DateCreatedBefore": "2026-01-05T11:57:00Z",
            **narrowed,
        },
        {
            "DateCreatedAfter": "2025-12-29T11:00:00Z",
            "DateCreatedBefore": "2025-12-29T12:00:00Z",
            **narrowed,
        },
    ]


def test_of_the_same_hours_one_is_asked_for_a_run_and_each_once(
    verify: Verify, twilio: Make, clock: ManualClock, read: Read
) -> None:
    verify.otherwise = 100, 80
    probe = twilio()
    counts = []
    for _ in range(4):
        read(probe)
        counts.append(len(verify.asked))
    assert counts == [2, 4, 5, 6]
    assert [q["DateCreatedAfter"][:13] for q in verify.asked[1:4:2]] == [
        "2025-12-29T11",
        "2025-12-22T11",
    ]
    clock.advance(3600)
    read(probe)
    assert verify.asked[-1]["DateCreatedAfter"] == "2025-12-29T12:00:00Z"


@pytest.mark.parametrize(
    ("now", "last", "before", "reason", "words"),
    [
        ((100, 80), (400, 320), (400, 320), Reason.OK, "usually 80%"),
        ((100, 41), (400, 320), (400, 320), Reason.SUCCESS_RATIO_REDUCED, "41% of 100"),
        ((100, 39), (400, 320), (400, 320), Reason.SUCCESS_RATIO_LOW, "39% of 100"),
        ((100, 39), (400, 80), (400, 320), Reason.SUCCESS_RATIO_LOW, "usually 80%"),
        ((100, 39), (400, 320), (400, 80), Reason.SUCCESS_RATIO_LOW, "usually 80%"),
        ((100, 39), (5, 5), (0, 0), Reason.SUCCESS_RATIO_LOW, "what is usual is not known"),
        ((100, 51), (5, 5), (0, 0), Reason.OK, "what is usual is not known"),
        ((20, 0), (400, 320), (400, 320), Reason.SUCCESS_RATIO_LOW, "0% of 20"),
        ((19, 0), (400, 320), (400, 320), Reason.SAMPLE_TOO_SMALL, "0 of 19"),
        ((0, 0), (400, 320), (400, 320), Reason.SAMPLE_TOO_SMALL, "minimum 20"),
    ],
)
def test_what_it_comes_to(
    verify: Verify,
    twilio: Make,
    now: tuple[int, int],
    last: tuple[int, int],
    before: tuple[int, int],
    reason: Reason,
    words: str,
    read: Read,
) -> None:
    verify.spans = {WINDOW: now, LAST: last, BEFORE: before}
    probe = twilio()
    read(probe)
    reading = read(probe)
    assert reading.reason is reason
    assert words in reading.detail


def test_where_there_are_too_few_nothing_more_is_asked(verify: Verify, read: Read) -> None:
    reading = read()
    assert (reading.outcome, len(verify.asked)) == (Outcome.ERROR, 1)


@pytest.mark.parametrize(
    ("tally", "usual", "reason"),
    [
        # PS0T-790: 95.85 % of sign-ins, of very many.
        (Tally(1763, 77), Tally(9950, 50), Reason.SUCCESS_RATIO_REDUCED),
        (Tally(95, 5), Tally(9950, 50), Reason.OK),  # one user's bad day
        (Tally(183, 17), Tally(9950, 50), Reason.SUCCESS_RATIO_REDUCED),
        (Tally(780, 220), Tally(8200, 1800), Reason.SUCCESS_RATIO_REDUCED),
        (Tally(79, 21), Tally(820, 180), Reason.OK),  # may be chance
        (Tally(790, 210), Tally(820, 180), Reason.OK),  # so may this
        (Tally(1, 19), Tally(50, 0), Reason.SUCCESS_RATIO_LOW),
        (Tally(0, 500), Tally(0, 900), Reason.SOURCE_DEAD),  # a lasting fault is no measure
    ],
)
def test_a_small_drop_is_reported_only_where_it_is_no_chance(
    twilio: Make, tally: Tally, usual: Tally, reason: Reason
) -> None:
    assert twilio().judge(tally, usual).reason is reason


@given(
    st.integers(0, 400), st.integers(0, 400), st.none() | st.integers(20, 400), st.integers(0, 20)
)
def test_fewer_successes_are_never_better(
    good: int, bad: int, usual: int | None, lost: int
) -> None:
    probe = TwilioVerify(username="AC1", password=Secret("x"))
    known = None if usual is None else Tally(usual, 10)
    order = (Reason.OK, Reason.SUCCESS_RATIO_REDUCED, Reason.SUCCESS_RATIO_LOW)
    readings = [probe.judge(t, known).reason for t in (Tally(good, bad), Tally(good, bad + lost))]
    if good + bad >= 20:
        assert order.index(readings[0]) <= order.index(readings[1])


def test_its_hindsight_is_all_it_looks_back(twilio: Make) -> None:
    probe = twilio(lag=Duration(1200), window=Duration(1800))
    assert probe.hindsight == 1200 + 1800 + 60
    assert probe.clock_bound
    assert probe.wait(0.0, MEMORIES.of(probe)) == 0.0
    assert Tally().share == 1.0


# --- dead, or ours ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "good"), [(None, None), (10, None), (5, 6), (-1, -1), ("10", 5), (1.5, 1)]
)
def test_a_summary_that_makes_no_sense(verify: Verify, total: Any, good: Any, read: Read) -> None:
    verify.otherwise = total, good
    assert read().reason is Reason.SOURCE_DEAD


def test_keys_that_twilio_does_not_know_are_ours(verify: Verify, read: Read) -> None:
    reading = read(password=Secret("canary-other"))
    assert (reading.reason, "canary" in reading.detail) == (Reason.OWN_CREDENTIALS, False)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"window": Duration(299)}, ("window",)),
        ({"window": Duration(21_601)}, ("window",)),
        ({"lag": Duration(21_601)}, ("lag",)),
        ({"low": 0.9, "reduced": 0.8}, ("reduced",)),
        ({"url": Url("http://verify.example.com")}, ("url",)),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], path: tuple[str, ...]) -> None:
    probe = TwilioVerify(**{"username": "AC1", "password": Secret("x"), **settings})
    assert [fault.path for fault in probe.faults()] == [path]
