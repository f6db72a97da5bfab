"""What every kind that signs in does with its codes, and what the beacon makes of its readings."""

import contextlib
import re
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from beacon import probes
from beacon.config.problems import ConfigError
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.route import Reach
from beacon.otp.used_codes import Token
from tests.probe_memories import MEMORIES
from tests.probes.conformance import MOODS, SEED, case, http_answer, kinds_that, tried
from tests.probes.conftest import shown_after
from tests.probes.runs import Standing

SIGNED = frozenset({"duo"})
"""Kinds whose requests have a signature: two are never alike."""
KINDS = kinds_that(lambda kind: kind.ABILITIES.sign_in)
CODE = re.compile(r"(?:totp|hotp)(?=[:(])")
WITH_A_CODE = [kind for kind in KINDS if CODE.search(case(kind).settings)]
TOKEN = Token.parse(SEED)
NOBODY_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "hangs up": MOODS["hangs up"],
    "garbles": lambda asked: b"\x00" + asked if asked[:1].isalpha() else b"",
    "a gateway": lambda asked: http_answer(502, b"bad gateway") if asked[:1].isalpha() else b"",
}


def of_time(kind: str) -> str:
    return CODE.sub("totp", case(kind).settings)


def counted(kind: str) -> str:
    return CODE.sub("hotp", case(kind).settings)


@pytest.mark.parametrize("mood", NOBODY_ANSWERS)
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_counted_code_that_was_sent_is_used_up_though_nobody_answers(
    kind: str, mood: str, probe_of: Callable[..., Any]
) -> None:
    with case(kind).parrot(NOBODY_ANSWERS[mood]) as parrot:
        tried(probe_of(counted(kind), parrot.port))
    assert MEMORIES.ledger.count(TOKEN, 0) == 1


@pytest.mark.parametrize("status", [407, 429, 500, 503])
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_counted_code_that_the_server_could_not_judge_is_the_next_again(
    kind: str, status: int, probe_of: Callable[..., Any]
) -> None:
    refused = http_answer(status, b"not judged")
    with case(kind).parrot(lambda asked: refused if asked[:1].isalpha() else b"") as parrot:
        tried(probe_of(counted(kind), parrot.port))
    speaks_http = issubclass(probes.load(kind), Reach)
    assert MEMORIES.ledger.count(TOKEN, 0) == (0 if speaks_http else 1)


def over_at(run: Run) -> Callable[[bytes], bytes]:
    """A server at which the time of this run is up, as if it hung."""
    return lambda _: run.expire().detail.encode()


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_at_the_deadline_a_counted_code_is_used_up(kind: str, probe_of: Callable[..., Any]) -> None:
    run = Run(SystemClock(), 3600.0, memory=MEMORIES.new())
    with case(kind).parrot(over_at(run)) as parrot, pytest.raises(DeadlinePassed):
        run.take(probe_of(counted(kind), parrot.port))
    assert MEMORIES.ledger.count(TOKEN, 0) == 1
    assert run.unanswered
    assert run.overstayed().outcome is Outcome.FAIL


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_two_runs_in_one_step_are_one_sign_in(kind: str, probe_of: Callable[..., Any]) -> None:
    clock, memory = Standing(), MEMORIES.new()
    run, again = (Run(clock, 60.0, memory=memory) for _ in range(2))
    with case(kind).parrot(over_at(run)) as parrot:
        probe = probe_of(of_time(kind), parrot.port)
        with pytest.raises(DeadlinePassed):
            run.take(probe)
        reading = again.take(probe)
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert "was already used: not sent again" in reading.detail
    assert probe.wait(clock.utc().timestamp(), memory) > 20, "for the next step"


@pytest.mark.parametrize("mood", [each for each in MOODS if each != "sends elsewhere with it"])
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_code_is_never_sent_to_two_requests(
    kind: str, mood: str, probe_of: Callable[..., Any]
) -> None:
    with case(kind).parrot(MOODS[mood]) as parrot:
        tried(probe_of(counted(kind), parrot.port))
    code = TOKEN.counted(0).encode()
    assert sum(code in request for request in set(parrot.received)) <= 1


@pytest.mark.parametrize("of", [of_time, counted])
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_wrong_code_on_purpose_is_sent_as_a_right_one_is_and_uses_up_nothing(
    kind: str,
    of: Callable[[str], str],
    probe_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    wrong = Token.wrong

    def noted(token: Token, step: int, within: int) -> str:
        made.append(wrong(token, step, within))
        return made[-1]

    monkeypatch.setattr(Token, "wrong", noted)
    clock, memory = Standing(), MEMORIES.new()
    right = TOKEN.code(clock.utc().timestamp()) if of is of_time else TOKEN.counted(0)
    sent = []
    for code in (None, right):
        run = Run(clock, 60.0, memory=memory)
        run.wrong_code = code is None
        with case(kind).parrot(over_at(run)) as parrot:
            with contextlib.suppress(DeadlinePassed):
                run.take(probe_of(of(kind), parrot.port))
            port = str(parrot.port).encode()
        assert run.made_wrong_code is run.wrong_code
        assert (code or made[-1]) in run._secrets._values, "it is masked, too"
        whole = b"".join(dict.fromkeys(parrot.received)).replace(port, b"PORT")
        sent.append(whole.replace((code or made[-1]).encode(), b"CODE"))
    assert len(set(made)) == 1
    if issubclass(probes.load(kind), Reach) and kind not in SIGNED:
        assert b"CODE" in sent[0], "the right password goes with it"
        assert sent[0] == sent[1]


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_which_kinds_send_wrong_codes(kind: str, probe_of: Callable[..., Any]) -> None:
    able = re.search(r"^ *code: ", case(kind).settings, re.MULTILINE)
    assert probe_of(of_time(kind), 9).controllable is bool(able), "by steps: not without `rejected`"


@pytest.mark.parametrize("kind", ["flow", "http"])
def test_where_a_wrong_code_proves_nothing_none_can_be_asked_for(
    kind: str, config_of: Callable[..., Any]
) -> None:
    settings = case(kind).settings
    assert config_of(settings, 9).watched.endpoints[0].control is None
    with pytest.raises(ConfigError, match="control: here a wrong code proves nothing"):
        config_of("control: 24h\n" + textwrap.dedent(settings), 9)


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_our_clock_matters_to_codes_of_time(kind: str, probe_of: Callable[..., Any]) -> None:
    assert probe_of(of_time(kind), 9).clock_bound


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_it_waits_until_its_code_is_unused(kind: str, probe_of: Callable[..., Any]) -> None:
    probe = probe_of(of_time(kind), 9)
    middle = 1767614400.0 + 10
    mine = MEMORIES.new()
    first = probe.wait(middle, mine)
    MEMORIES.ledger.claim(TOKEN, middle, mine)
    assert probe.wait(middle, mine) > max(first, 1.0)
    assert probe_of(counted(kind), 9).wait(middle, mine) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_in_foreign_text_are_masked(kind: str, probe_of: Callable[..., Any]) -> None:
    with case(kind).parrot(MOODS["hangs up"], {}) as parrot:
        run, _ = tried(probe_of(case(kind).settings, parrot.port))
    assert run._secrets.codes


@pytest.mark.parametrize("kind", KINDS)
def test_a_rejection_is_an_outage_if_it_ever_worked_else_ours(
    kind: str, config_of: Callable[..., Any]
) -> None:
    config = config_of(case(kind).settings, 9)
    rejected = {"it": Reading(Reason.SIGN_IN_REJECTED)}
    after = shown_after(config, rejected)
    assert (after.verdict, after.lamps) == ("outage", {"red": "fast", "blue": "steady"})
    assert not after.shallow, "somebody signs in"
    never = shown_after(config, rejected, proven=False)
    assert (never.verdict, never.cause) == ("blind", "our credentials")
    assert never.lamps == {"white": "steady", "blue": "steady"}
