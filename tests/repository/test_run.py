"""`make run` as it is, around a beacon that only says how it was started."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.terminal import Terminal

BEACON = """#!/bin/sh
if [ "$1" = sandbox ]; then
    echo $$ >sandbox.pid
    echo "Break it: so"
    exec sleep 600
fi
echo "$@" >started
echo "${STATE_DIRECTORY-unset} ${RUNTIME_DIRECTORY-unset}" >environment
echo $$ >daemon.pid
exec sleep "${STAYS-0}"
"""


@pytest.fixture
def fresh(root: Path, tmp_path: Path) -> Path:
    """A checkout with nothing in it but the script."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(root / "scripts/run", tmp_path / "scripts/run")
    beacon = tmp_path / ".venv/bin/beacon"
    beacon.parent.mkdir(parents=True)
    beacon.write_text(BEACON)
    beacon.chmod(0o755)
    return tmp_path


def run(place: Path, config: str, **environ: str) -> str:
    subprocess.run(
        [place / "scripts/run", config],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    return (place / "started").read_text()


@pytest.mark.parametrize(
    ("config", "state"),
    [("config/beacon.yaml", ".state/sandbox"), ("config/public.yaml", ".state/run")],
)
def test_a_try_out_has_a_state_of_its_own(fresh: Path, config: str, state: str) -> None:
    started = run(fresh, config, STATE_DIRECTORY="/var/lib/real", RUNTIME_DIRECTORY="/run/real")
    assert started.startswith(f"run --config {config} --state-dir {state} --caption")
    assert (fresh / "environment").read_text() == "unset unset\n"


def test_the_sandbox_begins_without_memories_and_another_site_keeps_its_own(fresh: Path) -> None:
    for state in ("sandbox", "run"):
        (fresh / ".state" / state).mkdir(parents=True)
        (fresh / ".state" / state / "history.db").touch()
    run(fresh, "config/beacon.yaml")
    assert not (fresh / ".state/sandbox/history.db").exists()
    run(fresh, "config/public.yaml")
    assert (fresh / ".state/run/history.db").exists()


def test_a_sandbox_that_is_running_keeps_its_memory(fresh: Path) -> None:
    """A second try-out finds the ports taken, and takes nothing from the first."""
    beacon = fresh / ".venv/bin/beacon"
    beacon.write_text("#!/bin/sh\necho 'in use' >&2; exit 1\n")
    (fresh / ".state/sandbox").mkdir(parents=True)
    (fresh / ".state/sandbox/history.db").touch()
    ended = subprocess.run(
        [fresh / "scripts/run", "config/beacon.yaml"], capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert b"in use" in ended.stderr
    assert (fresh / ".state/sandbox/history.db").exists()


def test_a_closed_terminal_leaves_neither_daemon_nor_sandbox(
    fresh: Path, terminal: Callable[[], Terminal], eventually: Callable[..., None]
) -> None:
    window = terminal()
    process = subprocess.Popen(
        ["setsid", "--ctty", fresh / "scripts/run", "config/beacon.yaml"],
        env=os.environ | {"STAYS": "600"},
        stdin=window.inside,
        stdout=window.inside,
        stderr=window.inside,
    )
    files = [fresh / name for name in ("daemon.pid", "sandbox.pid")]
    eventually(lambda: all(file.exists() and file.read_text() for file in files), "both run", 60)
    window.close()
    process.wait(60)
    eventually(lambda: not any(alive(int(file.read_text())) for file in files), "both ended", 60)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
