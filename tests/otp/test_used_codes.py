"""One-time codes, and that no step is used twice."""

import hashlib
import threading

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.otp.used_codes import EARLIEST, LATEST, SPREAD, HashedToken, Ledger, Token

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238
START = 1_700_000_015.0  # half-way through a step of 30 s: 1700000010 begins one
NEXT = 1_700_000_040.0


def begins(wait: float, utc: float, step: float) -> bool:
    """Whether somebody who waits so long begins early in the step that starts at `step`."""
    return EARLIEST - 1e-6 <= (utc + wait - step) / 30 <= EARLIEST + SPREAD + 1e-6


@pytest.fixture
def ledger() -> Ledger:
    """A ledger first asked at START."""
    ledger = Ledger()
    ledger.wait(Token.parse(SEED), START)
    return ledger


@pytest.mark.parametrize(
    ("utc", "code"),
    [(59, "94287082"), (1111111109, "07081804"), (2000000000, "69279037")],
)
def test_codes_are_those_of_the_standard(utc: float, code: str) -> None:
    assert Token.parse(SEED, digits=8).code(utc) == code


def test_other_algorithms_and_periods_are_those_of_pyotp() -> None:
    token = Token.parse(SEED, 7, 60, "sha512")
    other = pyotp.TOTP(SEED, digits=7, digest=hashlib.sha512, interval=60)
    assert token.code(START) == other.at(int(START))


def test_seeds_are_read_as_people_write_them() -> None:
    token = Token.parse("JBSWY3DPEHPK3PXP")  # 80 bits, as many vendors hand out
    assert Token.parse("jbsw y3dp ehpk 3pxp") == token
    assert Token.parse(" JBSW-Y3DP-EHPK-3PXP==== \n") == token
    assert len(token.code(START)) == 6
    assert "JBSWY3DPEHPK3PXP" not in repr(token)
    assert repr(token.seed) not in repr(token)


@pytest.mark.parametrize(
    ("seed", "options", "words"),
    [
        ("", {}, "not a base32 seed"),
        ("not base32!", {}, "not a base32 seed"),
        ("JBSWY3DPEHPK3PX1", {}, "not a base32 seed"),
        ("JBSWY3DPEHPK3PXé", {}, "not a base32 seed"),
        (SEED, {"digits": 5}, "6 to 10 digits"),
        (SEED, {"digits": "6"}, "6 to 10 digits"),
        (SEED, {"period": 0}, "1 to 120 seconds"),
        (SEED, {"algorithm": "md5"}, "sha1, sha256, sha512"),
    ],
)
def test_what_makes_no_token_is_refused_without_repeating_it(
    seed: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        Token.parse(seed, **options)
    assert not seed or seed not in str(refused.value)


def test_the_step_of_the_start_counts_as_used(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    assert begins(ledger.wait(token, START), START, NEXT)
    assert not ledger.claim(token, START)
    assert ledger.wait(token, NEXT + 2) == 0
    assert ledger.claim(token, NEXT + 2)


def test_a_claim_before_any_question_is_refused() -> None:
    assert not Ledger().claim(Token.parse(SEED), START)


def test_a_step_is_used_once_however_the_seed_is_written(ledger: Ledger) -> None:
    assert ledger.claim(Token.parse(SEED), NEXT + 1)
    same = Token.parse(SEED.lower(), digits=8)
    assert not ledger.claim(same, NEXT + 2)
    assert begins(ledger.wait(same, NEXT + 2), NEXT + 2, NEXT + 30)
    assert ledger.claim(Token.parse("JBSWY3DPEHPK3PXP"), NEXT + 2), "another token is free"
    assert ledger.claim(same, NEXT + 30)


def test_a_step_nearly_over_is_not_begun(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    assert ledger.wait(token, NEXT + 30 * LATEST) == 0
    assert begins(ledger.wait(token, NEXT + 25), NEXT + 25, NEXT + 30)


def test_the_first_moment_of_a_step_is_left_to_clocks_that_are_behind(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    assert begins(ledger.wait(token, NEXT + 0.1), NEXT + 0.1, NEXT)
    assert ledger.wait(token, NEXT + 30 * EARLIEST + 0.01) == 0


def test_tokens_that_wait_for_one_step_begin_at_moments_of_their_own(ledger: Ledger) -> None:
    tokens = [HashedToken(bytes([n]) * 32, 30) for n in range(200)]
    waits = [ledger.wait(token, NEXT + 25) for token in tokens]
    assert all(begins(wait, NEXT + 25, NEXT + 30) for wait in waits)
    assert waits == [ledger.wait(token, NEXT + 25) for token in tokens], "always the same"
    assert max(waits) - min(waits) > 30 * SPREAD / 2
    assert len(set(waits)) > 50


def test_who_shares_a_token_is_promised_another_step(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    assert begins(ledger.wait(token, START, "a"), START, NEXT)
    assert begins(ledger.wait(token, START, "b"), START, NEXT + 30)
    assert begins(ledger.wait(token, START, "a"), START, NEXT), "asked again: the same promise"
    now = NEXT + 10
    assert ledger.wait(token, now, "a") == 0
    assert begins(ledger.wait(token, now, "c"), now, NEXT + 60)
    assert not ledger.claim(token, now, "b")
    assert ledger.claim(token, now, "a")
    assert ledger.claim(token, now + 30, "b")
    assert ledger.claim(token, now + 90, "d"), "promised to nobody"


def test_a_clock_set_back_waits_out_every_used_step(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    for step in range(1, 4):
        assert ledger.claim(token, NEXT + 30 * step)
    assert begins(ledger.wait(token, NEXT + 35), NEXT + 35, NEXT + 120)


def test_the_ledger_keeps_no_seed_and_forgets_old_steps(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    for step in range(1000):
        assert ledger.claim(token, NEXT + 30 * step)
    assert len(ledger._used) <= 122
    assert all(token.seed not in entry[0] for entry in ledger._used)
    assert token.seed not in token.fingerprint
    for step in range(1000):
        ledger.wait(token, NEXT + 30 * step + 2, step)
        ledger.claim(token, NEXT + 30 * step + 2, step)
    assert len(ledger._promised) <= 130


def test_of_many_threads_one_gets_the_step(ledger: Ledger) -> None:
    token = Token.parse(SEED)
    go = threading.Barrier(8)
    got = []

    def claim() -> None:
        go.wait(5)
        got.append(ledger.claim(token, NEXT))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == [False] * 7 + [True]


@given(st.lists(st.tuples(st.floats(0, 600), st.sampled_from([0, 1])), max_size=40))
def test_no_code_is_ever_given_twice(asked: list[tuple[float, int]]) -> None:
    tokens = [Token.parse(SEED), Token.parse(SEED, period=60)]
    ledger = Ledger()
    ledger.wait(tokens[0], START)
    given_out = []
    for later, which in asked:
        if ledger.claim(tokens[which], START + later):
            given_out.append((which, tokens[which].step(START + later)))
    assert len(given_out) == len(set(given_out))


@given(st.floats(0, 3600), st.integers(1, 120))
def test_after_the_wait_the_step_is_free(later: float, period: int) -> None:
    ledger, token = Ledger(), Token.parse(SEED, period=period)
    ledger.claim(token, START)
    utc = START + later
    wait = ledger.wait(token, utc)
    assert 0 <= wait <= 2 * period
    assert ledger.claim(token, utc + wait + 1e-6)
