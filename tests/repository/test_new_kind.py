"""A new kind of probe is three files: the example of CONTRIBUTING.md, in a copy of the tree."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

KIND = "ldap_bind"
SUITES = ("test_canary", "test_sign_ins", "test_https", "test_second_hand")


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """A copy of this tree, with the three files and nothing else changed."""
    for name in ("beacon", "tests", "docs", "config"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(root / name, tmp_path)
    example = root / "tests/repository/new_kind"
    shutil.copy(example / f"{KIND}.py", tmp_path / "beacon/probes")
    shutil.copy(example / f"test_{KIND}.py", tmp_path / "tests/probes")
    shutil.copy(example / f"{KIND}.md", tmp_path / "docs/probes")
    return tmp_path


def pytest_in(tree: Path, *tests: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "-k", KIND]
    done = subprocess.run(
        [*command, *tests], cwd=tree, capture_output=True, text=True, check=False, timeout=500
    )
    return done.stdout + done.stderr


@pytest.mark.integration
def test_three_files_are_enough(tree: Path, need: Callable[[str], Path]) -> None:
    need("slapd")
    suites = [f"tests/probes/{name}.py" for name in SUITES]
    said = pytest_in(
        tree, f"tests/probes/test_{KIND}.py", *suites, "tests/repository/test_drift.py"
    )
    last = said.strip().splitlines()[-1]
    assert " passed" in last, said
    assert "failed" not in last, said
    assert "skipped" not in last, said
    assert "error" not in last, said


@pytest.mark.parametrize(
    ("file", "removed", "test"),
    [
        (f"docs/probes/{KIND}.md", "| `password` |", "every_setting_in_its_table"),
        (f"docs/probes/{KIND}.md", "| reason | when |", "its_reasons_in_a_table"),
        (f"docs/probes/{KIND}.md", "re-check after 30 s", "its_evidence_and_its_times"),
        (f"beacon/probes/{KIND}.py", "ABILITIES", "declares_its_abilities"),
    ],
)
def test_none_of_them_can_be_forgotten_or_be_half(
    tree: Path, file: str, removed: str, test: str
) -> None:
    text = (tree / file).read_text()
    assert removed in text
    (tree / file).write_text(text.replace(removed, "OTHER"))
    said = pytest_in(tree, "tests/repository/test_drift.py")
    assert "failed" in said.strip().splitlines()[-1], said
    assert test in said


def test_a_kind_without_its_case_fails_the_canary(tree: Path) -> None:
    test = tree / f"tests/probes/test_{KIND}.py"
    test.write_text(test.read_text().replace("CONFORMANCE = ", "OTHER = "))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0"]
    canary = "tests/probes/test_canary.py::test_every_kind_has_a_case"
    done = subprocess.run(
        [*command, canary], cwd=tree, capture_output=True, text=True, check=False, timeout=500
    )
    assert KIND in done.stdout
    assert done.returncode == 1
