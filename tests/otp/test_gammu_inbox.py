"""gammu-smsd's inbox: what counts as a message, what as new, and what is never read."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.redaction import quoted
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.mailbox import MESSAGE_LIMIT, MESSAGES_LIMIT
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import await_code
from beacon.otp.gammu_inbox import Smsd
from beacon.otp.gammu_modem import read_modem
from tests.conftest import StandingClock

FIRST = "IN20260105_120000_00_+15550100_{:02}.txt"
PATTERN = "code ([0-9]{6})"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run(SystemClock(), 3600.0)


def soon(run: Run) -> float:
    """Long enough to have looked again, for what must not come."""
    return run.clock.monotonic() + 0.6


def later(run: Run) -> float:
    """For what comes: long before, but on the busiest machine."""
    return run.clock.monotonic() + 60.0


def test_only_what_arrives_afterwards_counts_and_it_is_removed(inbox: Path, run: Run) -> None:
    (inbox / FIRST.format(0)).write_text("code 111111")
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(1)).write_text("code 222222")  # another part of what was there
    new = inbox / "IN20260105_120000_01_+15550100_00.txt"
    new.write_text("Your code 333333")
    (inbox / "IN20200101_000000_00_ann_bob_00.txt").write_text("nothing")  # a clock behind ours
    assert await_code(run, watch, PATTERN, 60.0) == "333333"
    assert sorted(path.name for path in inbox.iterdir()) == [
        "IN20200101_000000_00_ann_bob_00.txt",
        FIRST.format(0),
        FIRST.format(1),
    ]
    run.note(quoted("333333"))
    assert "333333" not in "".join(run.notes)
    assert any("a message without a code" in note for note in run.notes)
    watch.close()


def test_parts_are_joined_when_all_are_there(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(1)).write_bytes("\ufeffde 654321, ü".encode("utf-16-be"))
    assert watch.wait(run, soon(run)) is None, "its beginning is missing"
    (inbox / FIRST.format(0)).write_bytes("Ihr Co".encode("utf-16"))
    message = watch.wait(run, later(run))
    assert message
    assert message.text == "Ihr Code 654321, ü"
    assert "654321" not in repr(message)
    assert watch.wait(run, soon(run)) is None, "each message once"
    watch.remove(run, message)
    assert not list(inbox.iterdir())
    watch.remove(run, message)


def test_parts_have_dates_of_their_own_and_messages_of_one_sender_stay_apart(
    inbox: Path, run: Run
) -> None:
    watch = Smsd(inbox=inbox).open(run)
    for name, text in (
        ("IN20260105_120059_00_ACME_00.txt", "one "),
        ("IN20260105_120101_00_ACME_01.txt", "ends"),
        ("IN20260105_120800_00_ACME_00.txt", "two "),
        ("IN20260105_120759_00_ACME_01.txt", "ends too"),
        ("IN20260105_120800_01_ACME_00.txt", "three"),
        ("IN20260105_120800_00_AC_ME_00.txt", "four"),
    ):
        (inbox / name).write_text(text)
    found = [watch.wait(run, later(run)) for _ in range(4)]
    assert {m.text for m in found if m} == {"one ends", "two ends too", "three", "four"}
    for message in found:
        assert message
        watch.remove(run, message)
    assert not list(inbox.iterdir())


def test_a_file_that_is_still_empty_is_no_message(
    inbox: Path, run: Run, eventually: Callable[..., None]
) -> None:
    watch = Smsd(inbox=inbox).open(run)
    came: list[str] = []
    awaiting = threading.Thread(target=lambda: came.append(await_code(run, watch, PATTERN, 60.0)))
    path = inbox / FIRST.format(0)
    path.touch()
    awaiting.start()
    path.write_text("code 123456")
    eventually(lambda: came)
    awaiting.join(60)
    assert came == ["123456"]


def test_a_message_counts_when_nothing_changed_between_two_looks(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    one_look = run.clock.monotonic()
    path = inbox / FIRST.format(0)
    path.write_text("code 12")
    assert watch.wait(run, one_look) is None, "it may grow"
    path.write_text("code 123456")
    assert watch.wait(run, one_look) is None, "it did"
    message = watch.wait(run, one_look)
    assert message
    assert message.text == "code 123456"


def test_text_in_another_charset_is_read_as_well_as_can_be(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_bytes(b"f\xfcr Sie: code 123456")
    assert await_code(run, watch, PATTERN, 60.0) == "123456"


def test_what_is_no_message_is_not_touched(inbox: Path, run: Run, tmp_path: Path) -> None:
    watch = Smsd(inbox=inbox).open(run)
    os.mkfifo(inbox / FIRST.format(0))
    (inbox / FIRST.format(0).replace("_00_", "_01_")).symlink_to("/etc/hostname")
    (inbox / "OUT20260105_120000_00_+1_00.txt").write_text("code 123456")
    (inbox / FIRST.format(0).replace(".txt", ".bin")).write_text("code 123456")
    assert watch.wait(run, soon(run)) is None
    assert len(list(inbox.iterdir())) == 4


def test_a_message_is_read_to_its_limit_and_so_is_an_inbox(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_text("x" * MESSAGE_LIMIT + "code 123456")
    message = watch.wait(run, later(run))
    assert message
    assert len(message.text) == MESSAGE_LIMIT
    for number in range(MESSAGES_LIMIT + 5):
        (inbox / f"IN20260105_120001_{number}_+1_00.txt").write_text("x")
    assert all(watch.wait(run, later(run)) for _ in range(MESSAGES_LIMIT - 1))
    assert watch.wait(run, soon(run)) is None


def test_no_code_in_time(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_text("hello")
    with pytest.raises(ProbeFailure) as caught:
        await_code(run, watch, PATTERN, 0.6)
    assert caught.value.reading.reason is Reason.CODE_NOT_ARRIVED
    assert caught.value.reading.detail == (
        "no message with a code within 0.6 s; 1 message came in which `pattern` finds nothing"
    )


def test_the_runs_end_ends_the_wait_at_once_and_says_what_it_waited_for(inbox: Path) -> None:
    run = Run(SystemClock(), 3600.0)
    watch = Smsd(inbox=inbox).open(run)
    timer = threading.Timer(0.1, run.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        await_code(run, watch, PATTERN, 3600.0)
    assert run.overstayed().reason is Reason.CODE_NOT_ARRIVED
    timer.join()
    with pytest.raises(DeadlinePassed):
        Smsd(inbox=inbox).open(run)


def test_a_code_leaves_the_run_as_it_was(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_text("code 123456")
    assert await_code(run, watch, "[0-9]+", 60.0) == "123456", "the whole match"
    assert run.silence is None


def test_an_expression_that_never_ends_finds_nothing(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_text("a" * 60 + "!")
    with pytest.raises(ProbeFailure):
        await_code(run, watch, r"^(a?)*?(a|aa)+$", 1.0)


def test_an_inbox_that_is_gone_is_ours_to_mend(inbox: Path, run: Run) -> None:
    place = inbox / "inbox"
    place.mkdir()
    box = Smsd(inbox=place)
    watch = box.open(run)
    place.rmdir()
    for ask in (lambda: watch.wait(run, soon(run)), lambda: box.open(run)):
        with pytest.raises(ProbeFailure) as caught:
            ask()
        assert caught.value.reading.reason is Reason.OWN_MODEM
        assert "No such file" in caught.value.reading.detail


def test_what_cannot_be_deleted_is_noted(inbox: Path, run: Run) -> None:
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).write_text("code 123456")
    message = watch.wait(run, later(run))
    assert message
    (inbox / FIRST.format(0)).unlink()
    (inbox / FIRST.format(0)).mkdir()
    watch.remove(run, message)
    assert "the message cannot be deleted" in run.notes[-1]


def test_what_was_there_before_is_noted_with_its_age(inbox: Path, run: Run) -> None:
    now = run.clock.utc().timestamp()
    for number, age in ((0, 300.0), (1, 20.0)):
        path = inbox / f"IN20200101_00000{number}_00_+1_00.txt"
        path.write_text(f"code {number}")
        os.utime(path, (now - age, now - age))
    watch = Smsd(inbox=inbox).open(run)
    (inbox / "IN20200101_000009_00_+1_00.txt").write_text("code 9")
    found = list(watch.earlier(run))
    assert [(round(age), message.text) for age, message in found] == [
        (20, "code 1"),
        (300, "code 0"),
    ]
    watch.remove(run, found[1][1])
    assert len(list(inbox.iterdir())) == 2


def test_of_many_no_more_are_read_than_are_asked_for_and_a_new_one_is_seen_all_the_same(
    inbox: Path, run: Run
) -> None:
    for number in range(MESSAGES_LIMIT + 5):
        (inbox / f"IN20200101_000000_{number}_+1_00.txt").write_text("x")
    watch = Smsd(inbox=inbox).open(run)
    watch.inbox = inbox / "gone"
    assert next(watch.earlier(run))[1].text == "", "read only now"
    watch.inbox = inbox
    (inbox / FIRST.format(0)).write_text("code 123456")
    assert await_code(run, watch, PATTERN, 60.0) == "123456"


def test_what_somebody_else_took_is_very_old_and_empty(inbox: Path, run: Run) -> None:
    (inbox / FIRST.format(0)).write_text("code 123456")
    watch = Smsd(inbox=inbox).open(run)
    (inbox / FIRST.format(0)).unlink()
    [(age, message)] = watch.earlier(run)
    assert (age > 1e9, message.text) == (True, "")
    watch.remove(run, message)


# --- the modem ------------------------------------------------------------------------


def reason(ask: Callable[[], object]) -> str:
    with pytest.raises(ProbeFailure) as caught:
        ask()
    assert caught.value.reading.reason is Reason.OWN_MODEM
    return caught.value.reading.detail


def test_one_that_lost_its_network_meanwhile_proves_nothing(
    inbox: Path, run: Run, shared_memory: Callable
) -> None:
    modem = shared_memory()
    watch = Smsd(inbox=inbox, config=modem.config).open(run)
    assert watch.wait(run, soon(run)) is None
    modem.knows(network=0, signal=0)
    assert reason(lambda: watch.wait(run, soon(run))) == "the modem has no signal"


def test_what_smsd_receives_and_cannot_save_is_our_own_trouble(
    inbox: Path, run: Run, shared_memory: Callable
) -> None:
    modem = shared_memory()
    watch = Smsd(inbox=inbox, config=modem.config).open(run)
    modem.receives(3)
    assert "received messages and saved none" in reason(lambda: watch.wait(run, soon(run)))
    (inbox / FIRST.format(0)).write_text("code 123456")
    assert watch.wait(run, later(run))
    modem.receives(4)
    assert watch.wait(run, soon(run)) is None, "the one that came is saved"


# --- smsd itself ------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize(
    ("settings", "text", "parts"),
    [
        ({}, ["Ihr Code für Sie: 123456"], 1),
        ({"format": "standard"}, ["Ihr Code für Sie: 123456"], 1),
        ({"format": "standard", "locale": "C"}, ["Ihr Code f?r Sie: 123456"], 1),
        ({}, ["x" * 60 + " Ihr Code ", "für Sie: 123456"], 2),
    ],
    ids=["unicode", "standard", "standard in the C locale", "two parts"],
)
def test_what_smsd_saved_is_read(
    settings: dict[str, str], text: list[str], parts: int, smsd: Callable, eventually: Callable
) -> None:
    gammu = smsd(**settings)
    run = Run(SystemClock(), 3600.0)
    watch = Smsd(inbox=gammu.inbox, config=gammu.config).open(run)
    for number, part in enumerate(text, 1):
        gammu.receive(part.replace("?", "ü"), part=(number, parts))
    message = watch.wait(run, later(run))
    assert message
    assert message.text.rstrip("\0") == "".join(text)
    watch.remove(run, message)
    assert not list(gammu.inbox.iterdir())


@pytest.mark.integration
def test_a_sender_with_a_slash_in_its_name_blocks_smsd_and_is_noticed(
    smsd: Callable, eventually: Callable
) -> None:
    gammu = smsd()
    gammu.receive("hello", sender="A/B")
    if gammu.saves_any_sender:
        eventually(lambda: list(gammu.inbox.glob("IN*_A_B_*.txt")), "it is saved")
        return
    eventually(lambda: "Cannot save file" in gammu.log)
    before: list[int] = []

    def received() -> int:
        return read_modem(gammu.config).received

    run = Run(StandingClock(lambda: before and received() > before[0]), 3600.0)
    watch = Smsd(inbox=gammu.inbox, config=gammu.config).open(run)
    before.append(received())
    gammu.receive("Your code 123456")
    assert "saved none" in reason(lambda: watch.wait(run, soon(run)))
    assert (gammu.waiting, list(gammu.inbox.iterdir())) == (2, [])
