"""The setting `code` of sign-ins: refused at load, used once, counters kept."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from beacon.config.fields import SettingRefused
from beacon.core.model import Outcome, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode, Seed
from beacon.otp.used_codes import Ledger, Token
from tests.probe_memories import MEMORIES

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 4226 and RFC 6238
CODES = ("755224", "287082", "359152", "969429", "338314", "254676")  # RFC 4226, appendix D
START = datetime(2023, 11, 14, 22, 13, 35, tzinfo=UTC)
MINE = Seed.parse(SEED)


@dataclass
class Paper:
    """A book in memory."""

    key: bytes = bytes(32)
    steps: list[tuple[bytes, int, int]] = field(default_factory=list)

    def used(self) -> list[tuple[bytes, int, int]]:
        return self.steps

    def write(self, step: tuple[bytes, int, int]) -> None:
        self.steps.append(step)


@pytest.fixture
def run() -> Run:
    return Run(ManualClock(START), 5.0, memory=MEMORIES.new())


@pytest.mark.parametrize("raw", ["not base32!", "JBSWY3DP1", "", "  ", 17, None])
def test_a_seed_that_is_none_is_refused_without_repeating_it(raw: object) -> None:
    with pytest.raises(SettingRefused) as refused:
        Seed.parse(raw)
    assert "base32" in refused.value.allowed
    assert not str(raw).strip() or str(raw) not in refused.value.message


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({}, (), "one seed"),
        ({"totp": MINE, "hotp": MINE}, (), "one seed"),
        ({"totp": MINE, "counter": 3}, ("counter",), "no counter"),
        ({"hotp": MINE, "period": 60}, ("period",), "no period"),
    ],
)
def test_what_does_not_go_together_is_refused(
    settings: dict[str, Any], path: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SettingRefused, match=words) as refused:
        OneTimeCode(**settings)
    assert refused.value.path == path
    assert SEED not in str(refused.value)


def test_a_time_based_code_is_given_once_in_its_step() -> None:
    clock = ManualClock(START)
    code, memory = OneTimeCode(totp=MINE), MEMORIES.new()
    utc = clock.utc().timestamp()
    assert code.clock_bound
    assert code.wait(utc, memory) == 0
    assert code.claim(Run(clock, 5.0, memory=memory)) == Token.parse(SEED).code(utc)
    assert 0 < code.wait(utc, memory) < 40
    with pytest.raises(ProbeFailure) as trouble:
        code.claim(Run(clock, 5.0, memory=memory))
    assert trouble.value.reading.reason is Reason.RATE_LIMITED
    assert trouble.value.reading.outcome is Outcome.ERROR
    clock.advance(30)
    assert code.claim(Run(clock, 5.0, memory=memory)) == Token.parse(SEED).code(utc + 30)


def test_giving_back_a_time_based_code_frees_nothing(run: Run) -> None:
    code = OneTimeCode(totp=MINE)
    code.claim(run)
    run.give_back_codes()
    with pytest.raises(ProbeFailure):
        code.claim(run)


def test_counted_codes_are_those_of_the_standard(run: Run) -> None:
    code = OneTimeCode(hotp=MINE)
    assert not code.clock_bound
    assert code.wait(0.0, run.memory) == 0
    assert tuple(code.claim(run) for _ in CODES) == CODES
    assert OneTimeCode(hotp=MINE, counter=9).claim(run) == Token.parse(SEED).counted(9)
    assert OneTimeCode(hotp=MINE).claim(run) == Token.parse(SEED).counted(10), (
        "one token, one counter"
    )


def test_of_a_counter_long_past_nothing_is_given_back(run: Run) -> None:
    code = OneTimeCode(hotp=MINE)
    first = code.claim(run)
    other = Run(run.clock, 5.0, memory=run.memory)
    others = [code.claim(other) for _ in range(39)]
    run.give_back_codes()
    assert code.claim(run) not in {first, *others}
    assert len(run.memory.of(Ledger)._used) < 20


def test_counters_outlive_the_process_and_are_written_before_they_are_sent(run: Run) -> None:
    paper = Paper()

    run.memory.of(Ledger).keep(paper)
    assert OneTimeCode(hotp=MINE).claim(run) == CODES[0]
    assert [step[1:] for step in paper.steps] == [(0, 0)]
    paper.steps.insert(0, (paper.steps[0][0], 0, 2))
    later = Run(run.clock, 5.0)
    later.memory.of(Ledger).keep(paper)
    assert OneTimeCode(hotp=MINE, counter=1).claim(later) == CODES[3], "what is used up goes before"
    assert Token.parse(SEED).seed not in paper.steps[0][0]


def test_a_code_is_in_no_note_and_no_detail(run: Run) -> None:
    code = OneTimeCode(totp=MINE).claim(run)
    run.note(quoted(f"sent {code}"))
    assert run.notes[0].endswith("sent ***")
    assert SEED not in repr(OneTimeCode(totp=MINE))
