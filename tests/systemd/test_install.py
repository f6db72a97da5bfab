"""`make install` and `make uninstall`, below a directory of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def make(house: Path, tmp_path: Path):
    """Run one target of install.mk with ROOT set; the completed process, output joined."""

    def run(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"ROOT": str(tmp_path), "SYSTEM_PYTHON": sys.executable, **variables}
        return subprocess.run(
            ["make", "--no-print-directory", "-f", "install.mk", target]
            + [f"{name}={value}" for name, value in given.items()],
            cwd=house,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def files_below(root: Path) -> set[str]:
    """Every file and link below `root`, environments aside."""
    found = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (str(path.relative_to(root)) for path in found)
    return {name for name in names if not name.startswith("opt/mfa-beacon/0")}


SYSTEM_FILES = {
    "opt/mfa-beacon/current",
    "usr/local/bin/beacon",
    "usr/local/libexec/mfa-beacon-lamps",
    "usr/local/lib/systemd/system/mfa-beacon.service",
    "usr/local/lib/systemd/system/mfa-beacon-lamps.service",
    "usr/local/lib/sysusers.d/mfa-beacon.conf",
    "usr/local/lib/udev/rules.d/60-mfa-beacon-gpio.rules",
}


@pytest.mark.slow
def test_a_version_comes_is_kept_when_the_next_is_refused_and_goes(make, tmp_path: Path):
    first = make("install")
    assert first.returncode == 0, first.stdout
    opt, etc = tmp_path / "opt/mfa-beacon", tmp_path / "etc/mfa-beacon"
    version = str((opt / "current").readlink())
    # The links lead to /opt on the machine itself, not below ROOT.
    command = (tmp_path / "usr/local/bin/beacon").readlink()
    assert command == Path("/opt/mfa-beacon/current/bin/beacon")
    shown = subprocess.run(
        [opt / "current/bin/beacon", "--version"], capture_output=True, text=True, check=True
    )
    assert version in shown.stdout
    assert files_below(tmp_path) == SYSTEM_FILES | {"etc/mfa-beacon/beacon.yaml"}
    assert (etc / "beacon.yaml").stat().st_mode & 0o777 == 0o640

    (etc / "beacon.yaml").write_text("site: [\n")
    second = make("install")
    assert second.returncode != 0
    assert f"the configuration does not suit version {version}: nothing was" in second.stdout
    assert "beacon.yaml:" in second.stdout
    assert str((opt / "current").readlink()) == version
    assert sorted(path.name for path in opt.iterdir()) == [version, "current"]

    gone = make("uninstall")
    assert gone.returncode == 0, gone.stdout
    assert f"Kept: {etc}, " in gone.stdout
    assert files_below(tmp_path) == {"etc/mfa-beacon/beacon.yaml"}
    assert (etc / "beacon.yaml").read_text() == "site: [\n"
    assert make("uninstall", PURGE="1").returncode == 0
    assert files_below(tmp_path) == set()


def test_on_a_pi_lgpio_is_asked_for_before_anything_is_made(make, tmp_path: Path):
    model = tmp_path / "proc/device-tree/model"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    run = make("install")
    assert run.returncode != 0
    assert "lgpio 0.2.2 or newer is missing: sudo apt install python3-lgpio" in run.stdout
    assert files_below(tmp_path) == {"proc/device-tree/model"}


def test_an_interpreter_that_is_missing_is_named(make, tmp_path: Path):
    run = make("install", SYSTEM_PYTHON="/nowhere/python3")
    assert "/nowhere/python3 is missing or older than Python 3.11" in run.stdout
    assert files_below(tmp_path) == set()


def test_a_wrong_word_is_wrong_usage(house: Path, tmp_path: Path):
    run = subprocess.run(
        [house / "systemd/install.sh", "upgrade"],
        env={"PATH": os.environ["PATH"], "ROOT": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (
        64,
        "mfa-beacon: usage: systemd/install.sh install|uninstall\n",
    )
