"""What smsd knows of its gammu_modem, as smsd itself shares it, and as it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beacon.net.probe_failure import ProbeFailure
from beacon.otp import gammu_modem

GONE = "own_modem: gammu-smsd does not run"


def modem_trouble(config: Path) -> str:
    """What stands in the way of messages; nothing: nothing does."""
    try:
        return gammu_modem.read_modem(config).flaw
    except ProbeFailure as trouble:
        return f"{trouble.reading.reason}: {trouble.reading.detail}"


@pytest.mark.parametrize(
    ("network", "signal", "flaw"),
    [
        (1, 42, ""),
        (3, 42, ""),
        (1, -1, ""),  # registered by LTE: the signal of GSM is not known
        (2, 42, "the modem has no network"),
        (4, 42, "the modem was denied registration"),
        (6, 42, "the modem is searching for a network"),
        (5, 42, ""),
        (0, 42, ""),
        (5, -1, "the modem has no signal"),
        (0, 0, "the modem has no signal"),
    ],
)
def test_a_modem_that_is_registered_or_has_signal_can_receive(
    network: int, signal: int, flaw: str, shared_memory: Callable
) -> None:
    smsd = shared_memory()
    smsd.knows(network=network, signal=signal)
    smsd.receives(7)
    found = gammu_modem.read_modem(smsd.config)
    assert (found.flaw, found.received) == (flaw, 7)


@pytest.mark.parametrize("project", [1, 2], ids=["before 1.45", "since 1.45"])
def test_it_is_found_under_the_key_of_either_generation(
    project: int, shared_memory: Callable
) -> None:
    smsd = shared_memory(project=project)
    smsd.receives(7)
    assert gammu_modem.read_modem(smsd.config) == gammu_modem.Modem("", 7)


def test_a_status_laid_out_otherwise_says_only_that_smsd_runs(shared_memory: Callable) -> None:
    smsd = shared_memory()
    smsd.knows(version=3, network=2)
    assert gammu_modem.read_modem(smsd.config) == gammu_modem.Modem()


def test_so_does_one_of_another_size(shared_memory: Callable) -> None:
    assert gammu_modem.read_modem(shared_memory(64).config) == gammu_modem.Modem()


def test_nobody_shares_anything(tmp_path: Path) -> None:
    config = tmp_path / "smsdrc"
    unread = "the state of smsd's modem cannot be read: No such file or directory"
    assert modem_trouble(config) == f"own_modem: {unread}"
    config.touch()
    assert modem_trouble(config).startswith(GONE)


@pytest.mark.integration
def test_smsd_itself(smsd: Callable, eventually: Callable) -> None:
    gammu = smsd()
    assert gammu_modem.read_modem(gammu.config) == gammu_modem.Modem("", 0)
    gammu.receive("Your code 123456")
    eventually(lambda: gammu_modem.read_modem(gammu.config).received == 1)
    gammu.knows(network=2, signal=0)
    assert modem_trouble(gammu.config) == "the modem has no network"
    gammu.knows(network=0, signal=0)
    assert modem_trouble(gammu.config) == "the modem has no signal"


@pytest.mark.integration
def test_smsd_that_ended_and_smsd_that_was_killed(smsd: Callable, eventually: Callable) -> None:
    gammu = smsd()
    gammu.kill()
    assert modem_trouble(gammu.config).startswith(GONE), "its last status is still there"
    gammu.start()
    eventually(lambda: not modem_trouble(gammu.config), "it runs again")
    gammu.terminate()
    assert modem_trouble(gammu.config).startswith(GONE)
