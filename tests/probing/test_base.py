"""What the base does for every kind, whatever the kind itself does in `look`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from beacon.config.fields import Url
from beacon.config.tls import TlsPolicy
from beacon.core.account.approach import Approach
from beacon.core.model import Evidence, Outcome, Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.route import ProxyUrl, Reach
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode, Seed
from beacon.otp.used_codes import Token
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw
from tests.probe_memories import MEMORIES

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODES = tuple(Token.parse(SEED).counted(number) for number in range(3))


@dataclass(frozen=True, kw_only=True)
class Plain(Reach, Kind):
    """A kind whose `look` is given."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    seen: Callable[[Run], Reading] = lambda _: Reading(Reason.OK)
    url: Url | None = None
    code: OneTimeCode | None = None

    def look(self, run: Run) -> Reading:
        return self.seen(run)

    def conflicts(self) -> Iterator[SettingFlaw]:
        if self.url is None:
            yield SettingFlaw(("url",), "nothing to ask")


@dataclass(frozen=True, kw_only=True)
class SecondHand(Plain):
    """The same, of what others say."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=FAST, second_hand=True)


@pytest.fixture
def run(clock: ManualClock) -> Run:
    return Run(clock, 5.0, memory=MEMORIES.new())


def fails(reason: Reason) -> Callable[[Run], Reading]:
    def look(_: Run) -> Reading:
        raise ProbeFailure(reason, "why")

    return look


@pytest.mark.parametrize("reason", Reason)
def test_trouble_becomes_its_reading(run: Run, reason: Reason) -> None:
    reading = Plain(seen=fails(reason)).observe(run)
    assert (reading.reason, reading.detail, reading.latency) == (reason, "why", 0.0)
    assert run.silence is None


@pytest.mark.parametrize("reason", Reason)
def test_trouble_on_the_way_to_a_source_is_never_an_admission(run: Run, reason: Reason) -> None:
    reading = SecondHand(seen=fails(reason)).observe(run)
    assert (reading.outcome, reading.latency) == (Outcome.ERROR, 0.0)
    assert run.silence is Reason.SOURCE_DEAD
    if Reading(reason).outcome is Outcome.ERROR:
        assert (reading.reason, reading.detail) == (reason, "why")
    else:
        assert (reading.reason, reading.detail) == (Reason.SOURCE_DEAD, f"{reason}: why")


def test_a_socket_shut_by_the_deadline_is_no_trouble_of_the_server(run: Run) -> None:
    def look(run: Run) -> Reading:
        run.expire()
        raise ProbeFailure(Reason.CONNECT_REFUSED, "why")

    with pytest.raises(DeadlinePassed):
        Plain(seen=look).observe(run)


def test_what_the_run_noted_is_in_its_reading(run: Run, clock: ManualClock) -> None:
    def look(run: Run) -> Reading:
        clock.advance(2)
        run.steps += [("code", 1.5)]
        run.resolver = True
        return Reading(Reason.OK)

    reading = Plain(seen=look).observe(run)
    assert (reading.latency, reading.phases, reading.resolver) == (2.0, (("code", 1.5),), True)


def test_a_latency_of_its_own_is_kept_and_none_where_none_was_measured(run: Run) -> None:
    assert Plain(seen=lambda _: Reading(Reason.OK, latency=0.25)).observe(run).latency == 0.25
    run.has_latency = False
    assert Plain().observe(run).latency is None


@pytest.mark.parametrize("end", [ProbeFailure(Reason.DEADLINE, ""), DeadlinePassed(), OSError()])
def test_a_counted_code_that_was_not_sent_is_the_next_again(run: Run, end: Exception) -> None:
    code = OneTimeCode(hotp=Seed(SEED))
    claimed = []

    def look(run: Run, *, sent: bool) -> Reading:
        claimed.append(code.claim(run))
        if sent:
            run.credentials_leave()
        raise end

    for sent in (False, True, False):
        run.unanswered = False
        probe = Plain(code=code, seen=lambda run, sent=sent: look(run, sent=sent))
        try:
            probe.observe(run)
        except (DeadlinePassed, OSError):
            assert not isinstance(end, ProbeFailure)
    assert claimed == [CODES[0], CODES[0], CODES[1]]


def test_it_waits_for_its_code(run: Run, clock: ManualClock) -> None:
    code = OneTimeCode(totp=Seed(SEED))
    utc = clock.utc().timestamp()
    assert Plain().wait(utc, run.memory) == 0.0
    waits = code.wait(utc, run.memory)
    assert Plain(code=code).wait(utc, run.memory) == waits
    code.claim(run)
    assert Plain(code=code).wait(utc, run.memory) > 0


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({"url": Url("http://127.0.0.1")}, False),
        ({"url": Url("HTTPS://example.com")}, True),
        ({"url": Url("https://example.com"), "tls": TlsPolicy(verify=False)}, False),
        ({"code": OneTimeCode(hotp=Seed(SEED))}, False),
        ({"code": OneTimeCode(totp=Seed(SEED))}, True),
    ],
)
def test_it_is_bound_to_our_clock_by_certificates_and_codes(settings, bound: bool) -> None:
    assert Plain(**settings).clock_bound is bound


def test_settings_are_checked_one_by_one_and_together() -> None:
    probe = Plain(proxy=ProxyUrl("https://proxy.example"), tls=TlsPolicy(ca="/nowhere.pem"))
    assert [flaw.path[0] for flaw in probe.faults()] == ["tls", "proxy", "url"]


@dataclass(frozen=True, kw_only=True)
class Knocking(Plain):
    """One whose server answers a knock, or not."""

    answer: Callable[[], bool] = lambda: True

    def knock(self, run: Run) -> bool:
        run.note("knock")
        return self.answer()


def silent() -> bool:
    raise ProbeFailure(Reason.DEADLINE, "no answer")


@pytest.mark.parametrize(
    ("approach", "answer", "looks", "knocked", "reason"),
    [
        (Approach.SIGN_IN, silent, True, None, Reason.OK),
        (Approach.LEARN, lambda: True, True, True, Reason.OK),
        (Approach.LEARN, silent, True, False, Reason.OK),
        (Approach.LEARN, lambda: False, True, False, Reason.OK),
        (Approach.KNOCK_FIRST, lambda: True, True, True, Reason.OK),
        (Approach.KNOCK_FIRST, silent, False, False, Reason.DEADLINE),
        (Approach.KNOCK_FIRST, lambda: False, False, False, Reason.HTTP_STATUS),
        (Approach.KNOCK_ONLY, lambda: True, False, True, Reason.OWN_NETWORK),
        (Approach.KNOCK_ONLY, silent, False, False, Reason.DEADLINE),
    ],
)
def test_what_a_run_sends_and_when_it_knocks(
    run: Run,
    approach: Approach,
    answer: Callable[[], bool],
    looks: bool,
    knocked: bool | None,
    reason: Reason,
) -> None:
    looked = []
    run.approach = approach
    probe = Knocking(answer=answer, seen=lambda _: looked.append(1) or Reading(Reason.OK))
    assert probe.observe(run).reason is reason
    assert (bool(looked), run.knocked) == (looks, knocked)


def test_after_a_sign_in_that_failed_nothing_is_learnt(run: Run) -> None:
    run.approach = Approach.LEARN
    Knocking(seen=fails(Reason.SIGN_IN_REJECTED)).observe(run)
    assert run.knocked is None
