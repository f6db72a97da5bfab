"""What every kind that signs in does with its codes, and what the beacon knows of it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from beacon.otp.used_codes import Token
from tests.probe_memories import MEMORIES
from tests.probes.conformance import MOODS, SEED, Parrot, case, http_answer, kinds_that, tried

KINDS = kinds_that(lambda kind: kind.ABILITIES.sign_in)
CODE = re.compile(r"(?:totp|hotp)(?=[:(])")
WITH_A_CODE = [kind for kind in KINDS if CODE.search(case(kind).settings)]
TOKEN = Token.parse(SEED)
NOBODY_JUDGED: dict[str, Callable[[bytes], bytes]] = {
    "hangs up": MOODS["hangs up"],
    "garbles": lambda asked: b"\x00" + asked if asked[:1].isalpha() else b"",
    "a gateway": lambda _: http_answer(502, b"bad gateway"),
}


def counted(kind: str) -> str:
    return CODE.sub("hotp", case(kind).settings)


@pytest.mark.parametrize("mood", NOBODY_JUDGED)
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_counted_code_that_nobody_judged_is_the_next_again(
    kind: str, mood: str, probe_of: Callable[..., Any]
) -> None:
    with Parrot(NOBODY_JUDGED[mood], case(kind).honest) as parrot:
        tried(probe_of(counted(kind), parrot.port))
    assert MEMORIES.ledger.count(TOKEN, 0) == 0


@pytest.mark.parametrize("mood", [each for each in MOODS if each != "sends elsewhere with it"])
@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_a_code_is_never_sent_to_two_requests(
    kind: str, mood: str, probe_of: Callable[..., Any]
) -> None:
    with Parrot(MOODS[mood], case(kind).honest) as parrot:
        tried(probe_of(counted(kind), parrot.port))
    code = TOKEN.counted(0).encode()
    assert sum(code in request for request in set(parrot.heard)) <= 1


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_our_clock_matters_to_codes_of_time(kind: str, probe_of: Callable[..., Any]) -> None:
    settings = CODE.sub("totp", case(kind).settings)
    assert probe_of(settings, 9).clock_bound


@pytest.mark.parametrize("kind", WITH_A_CODE)
def test_it_waits_until_its_code_is_unused(kind: str, probe_of: Callable[..., Any]) -> None:
    probe = probe_of(CODE.sub("totp", case(kind).settings), 9)
    middle = 1767614400.0 + 10
    mine = MEMORIES.new()
    first = probe.wait(middle, mine)
    MEMORIES.ledger.claim(TOKEN, middle, mine)
    assert probe.wait(middle, mine) > max(first, 1.0)
    assert probe_of(counted(kind), 9).wait(middle, mine) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_in_foreign_text_are_masked(kind: str, probe_of: Callable[..., Any]) -> None:
    with Parrot(MOODS["hangs up"]) as parrot:
        run, _ = tried(probe_of(case(kind).settings, parrot.port))
    assert run._secrets.codes
