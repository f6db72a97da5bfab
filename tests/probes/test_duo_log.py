"""`duo_log` at what speaks as Duo's Admin API does by its documentation."""

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.core.model import Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.probes.duo_log import PAGE, DuoLog
from beacon.probing.sign_in_stats import SAMPLE
from tests.probes.conformance import Conformance
from tests.probes.runs import sign_in

CONFORMANCE = Conformance(
    """
    type: duo_log
    host: "{host}"
    port: {port}
    integration_key: DIXXXXXXXXXXXXXXXXXX
    secret_key: !secret canary
    break_glass: {first: DU1}
    tls: {verify: false}
    """,
)


LOG = "/admin/v2/logs/authentication"
MINUTE, WEEK = 60.0, 604_800.0
NOW = datetime(2026, 1, 5, 12, 7, 30, tzinfo=UTC)
Make = Callable[..., DuoLog]


@pytest.fixture
def make(duo_server: Any, duo_probe: Callable[..., DuoLog]) -> Make:
    duo_server.ahead = NOW.timestamp() - time.time()
    return partial(duo_probe, DuoLog)


@pytest.fixture
def happen(duo_server: Any) -> Callable[..., None]:
    """So many attempts, so long ago."""
    numbers = itertools.count()

    def do(
        number: int,
        result: str = "success",
        reason: str = "user_approved",
        ago: float = 10 * MINUTE,
        factor: str = "duo_push",
        event: str = "authentication",
        key: str = "DU1",
    ) -> None:
        for _ in range(number):
            duo_server.logs.append(
                {
                    "access_device": {"ip": "203.0.113.9", "location": {"city": "Example"}},
                    "application": {"key": "DIX", "name": "VPN"},
                    "auth_device": {"name": "555-0100"},
                    "event_type": event,
                    "factor": factor,
                    "reason": reason,
                    "result": result,
                    "timestamp": int(NOW.timestamp() - ago),
                    "txid": f"txid-{next(numbers)}",
                    "user": {"key": key, "name": "somebody", "groups": []},
                }
            )

    return do


def look(probe: DuoLog) -> tuple[Reading, str]:
    return sign_in(probe, clock=ManualClock(NOW, 1000.0))


def test_a_share_against_that_of_last_week(
    make: Make, duo_server: Any, happen: Callable[..., None]
) -> None:
    probe = make()
    happen(95, ago=WEEK + 30 * MINUTE)
    happen(5, "denied", "no_response", ago=WEEK + 30 * MINUTE)
    happen(20)
    happen(60, "denied", "no_response")
    happen(10, "denied", "error")
    reading, notes = look(probe)
    assert reading.reason is Reason.SUCCESS_RATIO_LOW
    assert reading.detail == (
        "22% of 90 sign-ins went well, usually 95%; 60 × no_response, 10 × error"
    )
    assert "95 of 100 in the hour from" in notes
    (_, first), (_, second) = duo_server.asked
    assert int(first["maxtime"]) - int(first["mintime"]) == 15 * MINUTE * 1000 - 1
    late = NOW.timestamp() - (int(first["maxtime"]) + 1) / 1000
    assert late == 180 + 30, "what the log has after minutes, of whole ones"
    assert int(second["maxtime"]) - int(second["mintime"]) == 3600 * 1000 - 1


def test_what_no_factor_was_looked_at_for_counts_neither_way(
    make: Make, happen: Callable[..., None]
) -> None:
    happen(20, reason="valid_passcode")
    for reason in ("bypass_user", "trusted_network", "remembered_device", "allow_unenrolled_user"):
        happen(50, reason=reason, factor="not_available")
    for reason in ("location_restricted", "version_restricted", "denied_by_policy"):
        happen(50, "denied", reason)
    happen(50, "fraud", "user_marked_fraud")
    happen(50, "denied", "error", event="enrollment")
    happen(50, "denied", "error", ago=2 * MINUTE)
    assert look(make())[0].detail.startswith("100% of 20 sign-ins")


def test_factors_may_be_chosen(make: Make, happen: Callable[..., None]) -> None:
    happen(50)
    happen(40, "denied", "call_timed_out", factor="phone_call")
    assert look(make(factors=("duo_push",)))[0].reason is Reason.OK
    reading, _ = look(make(factors=("phone_call", "sms_passcode")))
    assert reading.detail.startswith("0% of 40 ")


def test_pages_are_followed_until_the_sample_is_large_enough(
    make: Make, duo_server: Any, happen: Callable[..., None]
) -> None:
    happen(SAMPLE + 2 * PAGE)
    assert look(make())[0].detail.startswith(f"100% of {SAMPLE} ")
    offsets = [params.get("next_offset") for _, params in duo_server.asked]
    assert offsets[:5] == [None, *(f"1767614850000,{n}" for n in (200, 400, 600, 800))]


def test_a_log_that_always_has_a_next_page_ends(make: Make, duo_server: Any) -> None:
    entry = {"timestamp": int(NOW.timestamp()), "txid": "a"}
    offsets = itertools.count()

    class Endless(dict[str, Any]):
        """A page that names another next one each time."""

        def __getitem__(self, key: str) -> Any:
            more = {"next_offset": [str(next(offsets)), "x"]}
            return 200, {"stat": "OK", "response": {"authlogs": [entry], "metadata": more}}

    duo_server.says = Endless({LOG: None})
    assert look(make())[0].reason is Reason.SAMPLE_TOO_SMALL
    assert len(duo_server.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"stat": "OK", "response": {}}),
        (200, {"stat": "OK", "response": {"authlogs": [{}]}}),
        (200, {"stat": "OK", "response": {"authlogs": "none"}}),
    ],
    ids=str,
)
def test_a_dead_log_says_nothing_of_users(make: Make, duo_server: Any, answer: Any) -> None:
    duo_server.says[LOG] = answer
    reading, _ = look(make())
    assert reading.reason is Reason.SOURCE_DEAD
    assert "authentication" in reading.detail


def test_any_sign_in_by_a_break_glass_account_is_reported(
    make: Make, duo_server: Any, happen: Callable[..., None]
) -> None:
    happen(1, ago=20 * 3600, key="DUFIRST")
    happen(1, "denied", "no_response", ago=MINUTE, key="DUSECOND")
    happen(1, ago=25 * 3600, key="DUFIRST")
    happen(40)
    probe = make(break_glass={"first": "DUFIRST", "second": "DUSECOND"})
    reading, notes = look(probe)
    assert reading.reason is Reason.OK
    assert [use.account for use in reading.uses] == ["second", "first"]
    assert [round(use.ago / 60) for use in reading.uses] == [1, 1200]
    assert {params.get("users") for _, params in duo_server.asked} == {
        "DUFIRST",
        "DUSECOND",
        None,
    }
    assert "DUFIRST" not in notes
    assert [u.id for u in look(probe)[0].uses] == [u.id for u in reading.uses]


def test_settings_that_make_no_sense() -> None:
    probe = DuoLog(
        host="https://api.example.com",
        integration_key="DIX",
        secret_key=Secret("x"),
        break_glass={"a": "b c"},
    )
    assert [fault.path for fault in probe.faults()] == [("host",), ("break_glass", "a")]
    assert probe.clock_bound
    assert probe.hindsight == 180 + 900 + 60
