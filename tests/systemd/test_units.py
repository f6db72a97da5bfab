"""The units, judged by systemd's own tools, and what design and script ask of them."""

import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

DAEMON, LAMPS = "mfa-beacon.service", "mfa-beacon-lamps.service"
PROGRAMS = ("/opt/mfa-beacon/current/bin/beacon", "/usr/local/libexec/mfa-beacon-lamps")


@pytest.fixture
def units(house: Path, tmp_path: Path) -> Path:
    """The unit files in a directory of their own, their programs at hand."""
    stand_in = tmp_path / "program"
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    for unit in (DAEMON, LAMPS):
        text = (house / "systemd" / unit).read_text()
        for program in PROGRAMS:
            assert program in text or unit == LAMPS
            text = text.replace(program, str(stand_in))
        (tmp_path / unit).write_text(text)
    return tmp_path


class _Repeated(dict):
    """Keys given twice keep all their values, as systemd does."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def settings(house: Path, unit: str, section: str = "Service") -> dict[str, list[str]]:
    parser = RawConfigParser(strict=False, dict_type=_Repeated, delimiters="=")
    parser.optionxform = str
    parser.read(house / "systemd" / unit)
    return {key: value.split("\n") for key, value in parser[section].items()}


@pytest.mark.integration
def test_systemd_finds_nothing_to_complain_about(units: Path, need):
    run = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", units / DAEMON, units / LAMPS],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ours = [line for line in run.stderr.splitlines() if "mfa-beacon" in line]
    assert (run.returncode, ours) == (0, [])


@pytest.mark.integration
@pytest.mark.parametrize(("unit", "limit"), [(DAEMON, 1.6), (LAMPS, 0.9)])
def test_the_sandbox_does_not_get_weaker(units: Path, need, unit: str, limit: float):
    run = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", "--no-pager", units / unit],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for \S+: ([\d.]+)", run.stdout)
    assert found, run.stdout + run.stderr
    assert float(found[1]) <= limit


def test_a_daemon_that_died_is_darkened_and_tried_again_for_ever(house: Path):
    service = settings(house, DAEMON)
    assert service["ExecStopPost"] == [f"+{PROGRAMS[1]} auto"]
    assert service["ExecStartPre"][-1] == f"-+{PROGRAMS[1]} on_death"
    assert (service["Restart"], service["RestartSec"]) == (["always"], ["5"])
    assert service["RestartPreventExitStatus"] == ["78"]
    unit = settings(house, DAEMON, "Unit")
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["OnFailure"] == [LAMPS]


def test_a_stop_does_not_kill_the_parser_process_at_its_work(house: Path):
    assert settings(house, DAEMON)["KillMode"] == ["mixed"]


def test_the_next_start_takes_the_lines_back_before_it_drives_them(house: Path):
    release, drive = settings(house, DAEMON)["ExecStartPre"]
    assert release == f"-+/usr/bin/systemctl stop {LAMPS}"
    assert drive.endswith("on_death")
    assert settings(house, LAMPS)["ExecStart"] == [f"{PROGRAMS[1]} hold"]


def test_once_the_daemon_runs_its_second_line_is_not_failed_any_more(house: Path):
    """Not before: it may fail while the daemon starts."""
    forget = settings(house, DAEMON)["ExecStartPost"]
    assert forget == [f"-+/usr/bin/systemctl reset-failed {LAMPS}"]


def test_the_second_line_does_not_share_the_first_ones_rights(house: Path):
    first, second = settings(house, DAEMON), settings(house, LAMPS)
    assert first["User"] == first["Group"] == first["StateDirectory"] == ["mfa-beacon"]
    assert first["SupplementaryGroups"] == ["gpio"]
    assert first["RuntimeDirectoryPreserve"] == ["yes"], "the file of the lamps outlives it"
    assert (second["User"], second["SupplementaryGroups"]) == (["root"], ["mfa-beacon"])
    assert second["CapabilityBoundingSet"] == [""]
    for service in (first, second):
        assert (service["DevicePolicy"], service["DeviceAllow"]) == (
            ["closed"],
            ["char-gpiochip rw"],
        )
        assert "PrivateDevices" not in service


def test_on_a_pi_both_units_wait_for_the_chip(house: Path):
    unit = settings(house, "wait-for-gpio.conf", "Unit")
    assert unit["Wants"] == unit["After"] == ["dev-gpiochip0.device"]
    assert 'TAG+="systemd"' in (house / "systemd/60-mfa-beacon-gpio.rules").read_text()


def test_its_appetite_is_bounded(house: Path):
    service = settings(house, DAEMON)
    assert (service["MemoryHigh"], service["MemoryMax"]) == (["192M"], ["256M"])
    assert service["MemorySwapMax"] == ["0"]
    assert (service["SocketBindDeny"], service["SocketBindAllow"]) == (["any"], ["tcp:8427"])


def test_what_it_can_write_it_cannot_run(house: Path):
    """ExecPaths= would make read-only paths writable; and a Pi has no /lib64 to name there."""
    service = settings(house, DAEMON)
    assert (service["ProtectSystem"], service["PrivateTmp"]) == (["strict"], ["yes"])
    assert not {"ReadWritePaths", "ExecPaths", "BindPaths"} & set(service)
    own = {f"%S/{service['StateDirectory'][0]}", f"%t/{service['RuntimeDirectory'][0]}"}
    assert set(service["NoExecPaths"][0].split()) == own | {"/tmp", "/var/tmp", "/dev/shm"}


def test_a_boot_without_a_network_is_not_held_up(house: Path):
    unit = settings(house, DAEMON, "Unit")
    assert unit["After"] == ["network.target"]
    assert not {"Wants", "Requires"} & set(unit)


def test_nothing_newer_than_systemd_252_is_used(house: Path):
    text = "".join((house / "systemd" / unit).read_text() for unit in (DAEMON, LAMPS))
    newer = ("notify-reload", "ImportCredential", "RestartSteps", "RestartMode", "PrivatePIDs")
    assert not [word for word in newer if re.search(rf"^[^#]*{word}", text, re.MULTILINE)]


@pytest.mark.integration
def test_user_and_group_are_made_where_they_are_missing(house: Path, need, tmp_path: Path):
    rules = house / "systemd/mfa-beacon.sysusers"
    etc = tmp_path / "etc"
    etc.mkdir()
    for _ in range(2):  # the second time there is nothing to do
        subprocess.run(
            [need("systemd-sysusers"), f"--root={tmp_path}", rules],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    groups = [line.split(":")[0] for line in (etc / "group").read_text().splitlines()]
    assert sorted(groups) == ["gpio", "mfa-beacon"]
    users = (etc / "passwd").read_text()
    assert re.search(r"^mfa-beacon:.*:/var/lib/mfa-beacon:", users, re.MULTILINE)
