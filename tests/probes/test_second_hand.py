"""What every kind that reads what others say or count does where its source is dead."""

import pytest

from beacon.core.model import Outcome, Reason
from tests.probes.conformance import Parrot, case, http_answer, kinds_that, tried

KINDS = kinds_that(lambda kind: kind.ABILITIES.second_hand)
OURS = (Reason.OWN_CREDENTIALS, Reason.OWN_CLOCK)


def answered(status: int, headers: dict[str, str], body: bytes) -> bytes:
    """An answer as a server writes it."""
    whole = http_answer(status, body)
    if "Content-Length" in headers:
        whole = whole.replace(b"\r\nContent-Length: %d" % len(body), b"")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    return whole.replace(b"\r\n", b"\r\n" + head, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_source_says_nothing(kind, dead, probe_of):
    (status, headers, body), word = dead
    asked = []

    def mood(request: bytes) -> bytes:
        asked.append(request)
        if request.startswith((b"GET /elsewhere", b"POST /elsewhere")):
            return http_answer(404, b"gone")
        return answered(status, headers, body)

    with Parrot(mood, case(kind).honest) as parrot:
        _, reading = tried(probe_of(case(kind).settings, parrot.port), 60.0)
    assert asked
    assert reading.outcome is Outcome.ERROR, reading
    assert reading.uses == ()
    assert reading.reason is Reason.SOURCE_DEAD or (status == 401 and reading.reason in OURS)
    assert any(each in reading.detail for each in (word, f"status {status}")), reading


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_asks_us_to_come_less_often_has_its_own_reason(kind, probe_of):
    with Parrot(lambda _: http_answer(429, b"slow down"), case(kind).honest) as parrot:
        _, reading = tried(probe_of(case(kind).settings, parrot.port), 60.0)
    assert reading.reason is Reason.RATE_LIMITED, reading


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_a_dead_source(kind, silent_port, probe_of):
    _, reading = tried(probe_of(case(kind).settings, silent_port), 0.2)
    assert reading.reason is Reason.SOURCE_DEAD
    assert "no answer within 0.2 s" in reading.detail
