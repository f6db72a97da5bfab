"""What Twilio tells of a message: status and error together, and what it leaves open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beacon.config.problems import ConfigError
from beacon.core.model import Reading, Reason
from beacon.daemon.life import load_config
from beacon.probes.twilio_messages import PAUSES
from tests.probes.conformance import Conformance
from tests.servers.twilio import ACCOUNT, Twilio

CONFORMANCE = Conformance(
    """
    type: twilio_messages
    url: {url}
    account: AC1
    password: !secret canary
    to: "+15550100"
    code_lifetime: 300ms
    secrets: {password: !secret canary}
    steps:
      - {id: ask, url: "{url}", method: POST, body: "{{ secrets.password }}"}
    """,
    honest={"GET /2010-04-01/": '{"messages": []}'},
)


ENDPOINT = """
- name: delivered
  type: twilio_messages
  factor: sms
  account: {account}
  password: canary-of-twilio
  to: "+15550100"
  url: {url}
  code_lifetime: {lifetime}
  late_after: {late}
"""
STEPS = """  steps: [{{id: ask, method: POST, url: {idp}/ask, rejected: {{status: 401}}}}]
"""

Observed = Callable[..., Reading]
Probes = Callable[..., Any]


@pytest.fixture
def sends(twilio: Twilio) -> dict[str, Any]:
    """What the identity provider does when it is asked for a code: status, and a message."""
    return {"status": 200, "do": lambda: twilio.put("SM1", "delivered")}


@pytest.fixture
def probe(
    tmp_path: Path, twilio: Twilio, answering: Callable[..., str], sends: dict[str, Any]
) -> Probes:
    """Load an endpoint as the beacon loads its configuration."""

    def answer(path: str, form: dict[str, str]) -> tuple[int, Any]:
        sends["do"]()
        return sends["status"], {}

    def load(more: str = STEPS, lifetime: str = "4s", late: str = "3s", **instead: str) -> Any:
        where = {"url": twilio.url, "idp": answering(answer), "account": ACCOUNT} | instead
        text = (ENDPOINT + more).format(lifetime=lifetime, late=late, **where)
        path = tmp_path / "beacon.yaml"
        lines = "".join(f"      {line}\n" for line in text.strip().splitlines())
        path.write_text(f"site: soc\nservices:\n  - name: SMS\n    endpoints:\n{lines}")
        found: Any = load_config(path, {}).probes["sms/delivered"]
        return found

    return load


@pytest.fixture
def read(probe: Probes, observed: Observed) -> Observed:
    """Run a probe with these settings."""
    return lambda *more, **settings: observed(probe(*more, **settings))


def test_a_message_is_delivered(twilio: Twilio, read: Observed) -> None:
    twilio.put("SM0", "failed", error_code=30003)
    reading = read()
    assert reading.reason is Reason.OK
    assert reading.detail.startswith("arrived after ")
    assert [name for name, _ in reading.phases] == ["trigger", "arrival"]
    assert "To=%2B15550100" in twilio.asked[0]


def test_a_message_is_followed_until_it_is_delivered(
    probe: Probes, observed: Observed, twilio: Twilio, sends: dict[str, Any]
) -> None:
    states = iter(["accepted", "queued", "sending", "sent", "delivered"])
    sends["do"] = lambda: None
    listed = iter(range(99))

    def listed_now() -> None:
        if next(listed) > 0:
            twilio.put("SM1", next(states))

    twilio.listed = listed_now
    reading = observed(probe(lifetime="30s", late="2s"), 30.0)
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.endswith(" s of 30 s")
    assert len(twilio.asked) == 6


@pytest.mark.parametrize(
    ("status", "more", "reason", "detail"),
    [
        # The vendor's own sample: handed on, and filtered.
        (
            "sent",
            {"error_code": 30007, "error_message": "Carrier violation"},
            Reason.DELIVERY_REFUSED,
            "sent, but error 30007: Carrier violation",
        ),
        (
            "delivered",
            {"error_code": 30008, "error_message": None},
            Reason.DELIVERY_REFUSED,
            "delivered, but error 30008",
        ),
        ("undelivered", {"error_code": 30003}, Reason.DELIVERY_REFUSED, None),
        ("failed", {}, Reason.DELIVERY_REFUSED, "failed"),
        ("canceled", {}, Reason.DELIVERY_REFUSED, "canceled"),
        ("partially_delivered", {}, Reason.DELIVERY_REFUSED, "partially_delivered"),
        ("read", {}, Reason.OK, None),
        (
            "sent",
            {},
            Reason.CODE_LATE,
            "handed to the carrier, receipt not confirmed within 1 s",
        ),
        ("queued", {}, Reason.CODE_NOT_ARRIVED, "still queued at Twilio after 1 s"),
        ("lost", {}, Reason.PROTOCOL_ERROR, "a message with a status that is not known"),
    ],
)
def test_status_and_error_are_looked_at_together(
    status: str,
    more: dict[str, Any],
    reason: Reason,
    detail: str | None,
    twilio: Twilio,
    sends: dict[str, Any],
    read: Observed,
) -> None:
    sends["do"] = lambda: twilio.put("SM1", status, **more)
    reading = read(lifetime="1s", late="900ms")
    assert reading.reason is reason
    assert detail is None or reading.detail == detail


def test_a_message_that_never_appears(
    sends: dict[str, Any], twilio: Twilio, read: Observed
) -> None:
    sends["do"] = lambda: twilio.put("SM1", "delivered", to="+15550101")
    reading = read(lifetime="1s", late="900ms")
    assert (reading.reason, reading.detail) == (
        Reason.CODE_NOT_ARRIVED,
        "no message to this number appeared at Twilio within 1 s",
    )


def test_of_two_new_ones_the_first_is_ours(
    sends: dict[str, Any], twilio: Twilio, read: Observed
) -> None:
    def both() -> None:
        twilio.put("SM1", "delivered")
        twilio.put("SM2", "failed")

    sends["do"] = both
    assert read().reason is Reason.OK


def test_a_day_has_so_many_messages(probe: Probes, observed: Observed) -> None:
    made = probe(STEPS + "  messages_per_day: 1\n")
    assert observed(made).reason is Reason.OK
    assert observed(made).reason is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b"", Reason.OWN_CREDENTIALS),
        (403, b"", Reason.OWN_CREDENTIALS),
        (429, b"", Reason.RATE_LIMITED),
        (503, b"", Reason.HTTP_STATUS),
        (200, b"<html>", Reason.PROTOCOL_ERROR),
        (200, b"[]", Reason.PROTOCOL_ERROR),
        (200, b'{"messages": [{"sid": 1, "status": "sent"}]}', Reason.PROTOCOL_ERROR),
    ],
)
def test_an_api_that_answers_otherwise_sends_nothing(
    status: int, body: bytes, reason: Reason, twilio: Twilio, sends: dict[str, Any], read: Observed
) -> None:
    sends["do"] = lambda: pytest.fail("nobody knows what is there: nothing is asked for")
    twilio.answers = [(status, body)]
    assert read().reason is reason


def test_one_answer_that_fails_is_no_lost_message(
    twilio: Twilio, sends: dict[str, Any], read: Observed
) -> None:
    def ask() -> None:
        twilio.put("SM1", "delivered")
        twilio.answers = [(503, b"")]

    sends["do"] = ask
    assert read().reason is Reason.OK


def test_answers_that_go_on_failing_are_the_reading(
    twilio: Twilio, sends: dict[str, Any], read: Observed
) -> None:
    def ask() -> None:
        twilio.answers = [(503, b"")] * 9

    sends["do"] = ask
    reading = read(lifetime="1s", late="900ms")
    assert (reading.reason, reading.detail) == (Reason.HTTP_STATUS, "Twilio: status 503")


def test_an_api_key_has_a_name_of_its_own(twilio: Twilio, read: Observed) -> None:
    twilio.username = "SKcanary"
    assert read(STEPS + "  username: SKcanary\n").reason is Reason.OK
    assert read().reason is Reason.OWN_CREDENTIALS


def test_no_more_than_forty_questions_in_two_minutes() -> None:
    assert 120 / PAUSES[-1] <= 40


# --- a code that somebody else makes be sent --------------------------------------

EVERY = "  every: 10m\n"


@pytest.mark.parametrize(
    ("messages", "reason", "detail"),
    [
        ([("delivered", 60.0, 1.0)], Reason.OK, "arrived after 1.0 s"),
        ([("delivered", 60.0, 4.0)], Reason.CODE_LATE, "arrived after 4.0 s of 4 s"),
        (
            [("delivered", 60.0, 9.0)],
            Reason.CODE_NOT_ARRIVED,
            "arrived after 9.0 s, its code is good for 4 s",
        ),
        ([("delivered", 700.0, 1.0)], Reason.CODE_NOT_ARRIVED, "the last one was sent 700 s ago"),
        ([("failed", 60.0, 1.0)], Reason.DELIVERY_REFUSED, "failed"),
        ([("delivered", 60.0, 1.0), ("sending", 1.0, 0.0)], Reason.OK, "arrived after 1.0 s"),
        (
            [("delivered", 60.0, 1.0), ("sent", 30.0, 0.0)],
            Reason.CODE_LATE,
            "handed to the carrier, receipt not confirmed within 30 s",
        ),
        ([("sending", 1.0, 0.0)], Reason.CODE_NOT_ARRIVED, "no message to this number is there"),
        ([], Reason.CODE_NOT_ARRIVED, "no message to this number is there"),
    ],
)
def test_the_last_message_counts(
    messages: list[tuple[str, float, float]],
    reason: Reason,
    detail: str,
    twilio: Twilio,
    read: Observed,
) -> None:
    for number, (status, ago, took) in enumerate(messages):
        twilio.put(f"SM{number}", status, ago=ago, took=took)
    reading = read(EVERY)
    assert (reading.reason, reading.latency) == (reason, None)
    assert reading.detail.replace("701 s", "700 s").replace("31 s", "30 s") == detail


def test_a_message_without_a_date_is_very_old(twilio: Twilio, read: Observed) -> None:
    twilio.put("SM1", "delivered", date_created=None, date_updated="yesterday")
    assert read(EVERY).reason is Reason.CODE_NOT_ARRIVED


# --- settings, and what is shown to nobody ------------------------------------------------


@pytest.mark.parametrize(
    ("more", "instead", "message"),
    [
        ("", {}, "not exactly one way a code comes to be sent"),
        (STEPS, {"account": "SK1"}, "account"),
        (STEPS, {"url": "http://api.example.com"}, "would go unencrypted to api.example.com"),
    ],
)
def test_what_does_not_go_together_is_reported(
    more: str, instead: dict[str, str], message: str, probe: Probes
) -> None:
    with pytest.raises(ConfigError) as caught:
        probe(more, **instead)
    assert message in str(caught.value)


def test_its_clock_counts_where_certificates_do(probe: Probes) -> None:
    assert not probe().clock_bound
    assert probe(url="https://api.example.com").clock_bound
    assert probe(EVERY).clock_bound
