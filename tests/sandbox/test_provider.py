from typing import Any

import pyotp
import pytest

from beacon.engine.clock import ManualClock
from beacon.sandbox.provider import (
    PASSWORD,
    SEED,
    USERNAME,
    Answer,
    SandboxProvider,
)
from beacon.sandbox.world import Fault, SandboxTimes, World


def code_at(clock: ManualClock, steps: int = 0) -> str:
    return pyotp.TOTP(SEED).at(clock.utc(), counter_offset=steps)


def begun(provider: SandboxProvider) -> str:
    status, body = provider.log_in(USERNAME, PASSWORD)
    assert status == 200
    transaction: str = body["transaction"]
    return transaction


def signed_in(provider: SandboxProvider, code: str) -> Answer:
    return provider.verify(begun(provider), code)


def error(answer: Answer) -> tuple[int, Any]:
    status, body = answer
    return status, body["error"]


@pytest.mark.parametrize("name", [USERNAME, "someone", "beacon-probe\0", "ü"])
def test_a_wrong_password_or_name_begins_nothing(provider: SandboxProvider, name: str) -> None:
    assert error(provider.log_in(name, "wrong")) == (401, "wrong user name or password")


@pytest.mark.parametrize("steps", range(-2, 3))
def test_the_code_of_this_step_or_a_neighbour_signs_in(
    provider: SandboxProvider, clock: ManualClock, steps: int
) -> None:
    signs_in = (200, {"authenticated": True}) if abs(steps) < 2 else (401, {"error": "wrong code"})
    assert signed_in(provider, code_at(clock, steps)) == signs_in


@pytest.mark.parametrize("code", ["", "abc", "0" * 5, "ü"])
def test_a_code_that_is_none_is_wrong(provider: SandboxProvider, code: str) -> None:
    assert error(signed_in(provider, code)) == (401, "wrong code")


def test_a_step_counts_once(provider: SandboxProvider, clock: ManualClock) -> None:
    code = code_at(clock)
    assert signed_in(provider, code)[0] == 200
    clock.advance(59)  # a neighbour of the step by now
    assert error(signed_in(provider, code)) == (401, "this code was used before")
    assert signed_in(provider, code_at(clock))[0] == 200


def test_a_transaction_counts_once(provider: SandboxProvider, clock: ManualClock) -> None:
    transaction = begun(provider)
    assert provider.verify(transaction, "000000")[0] == 401
    assert error(provider.verify(transaction, code_at(clock))) == (401, "unknown transaction")


def test_another_period_has_other_codes(world: World, clock: ManualClock) -> None:
    provider = SandboxProvider(world, clock, SandboxTimes(period=5))
    assert signed_in(provider, pyotp.TOTP(SEED, interval=5).at(clock.utc()))[0] == 200
    assert signed_in(provider, code_at(clock))[0] == 401


class Watched(World):
    """A world that notes how long one had to wait in it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[float] = []

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_slow_is_late_and_right(watched: Watched, clock: ManualClock, pace: SandboxTimes) -> None:
    watched.break_(Fault.SLOW)
    answer = signed_in(SandboxProvider(watched, clock, pace), code_at(clock))
    assert answer == (200, {"authenticated": True})
    assert watched.held == [pace.slow]


def test_in_an_outage_sign_ins_hang_and_fail_while_health_is_green(
    watched: Watched, clock: ManualClock, pace: SandboxTimes
) -> None:
    watched.break_(Fault.SLOW)
    watched.break_(Fault.OUTAGE)
    provider = SandboxProvider(watched, clock, pace)
    answer = signed_in(provider, code_at(clock))
    assert error(answer) == (503, "the token service did not answer")
    assert watched.held == [pace.hang]
    assert provider.health() == (200, {"status": "ok"})


def test_an_outage_uses_no_code_up(
    provider: SandboxProvider, clock: ManualClock, world: World
) -> None:
    world.break_(Fault.OUTAGE)
    assert signed_in(provider, code_at(clock))[0] == 503
    world.break_("recover")
    assert signed_in(provider, code_at(clock))[0] == 200
