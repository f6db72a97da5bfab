"""A new kind of probe is three files: the example of CONTRIBUTING.md, in a copy of the tree."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beacon import probes
from tests.repository import test_drift

KIND = "ldap_bind"
SUITES = ("test_canary", "test_sign_ins", "test_https", "test_second_hand", "test_drift")


def others(_folder: str, names: list[str]) -> set[str]:
    """Tests of other things: only what every kind must pass is run."""
    return {name for name in names if name.startswith("test_") and name[:-3] not in SUITES}


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """A copy of this tree, with the three files and nothing else changed."""
    for name in ("beacon", "docs", "config"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, tmp_path / name, ignore=ignored)
    shutil.copytree(root / "tests", tmp_path / "tests", ignore=others)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(root / name, tmp_path)
    example = root / "tests/repository/new_kind"
    shutil.copy(example / f"{KIND}.py", tmp_path / "beacon/probes")
    shutil.copy(example / f"test_{KIND}.py", tmp_path / "tests/probes")
    shutil.copy(example / f"{KIND}.md", tmp_path / "docs/probes")
    return tmp_path


@pytest.mark.integration
def test_three_files_are_enough(tree: Path, need: Callable[[str], Path]) -> None:
    need("slapd")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "-k", KIND]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, timeout=500
    )
    last = done.stdout.strip().splitlines()[-1]
    assert " passed" in last, done.stdout + done.stderr
    assert not re.search("failed|skipped|error", last), done.stdout


# --- none of them can be forgotten or be half: what fails then -----------------------


@pytest.fixture
def example(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tree of the three files alone, in which the tests of all kinds look."""
    shutil.copytree(root / "tests/repository/new_kind", tmp_path / "docs/probes")
    monkeypatch.setattr(test_drift, "ROOT", tmp_path)
    monkeypatch.setattr(probes, "__path__", [*probes.__path__, str(tmp_path / "docs/probes")])
    monkeypatch.setattr(probes, "kinds", lambda: (KIND,))
    yield tmp_path / "docs/probes"
    sys.modules.pop(f"beacon.probes.{KIND}", None)


@pytest.mark.parametrize(
    ("file", "removed", "test"),
    [
        (f"{KIND}.md", "| `password` |", "the_page_of_a_kind_has_every_setting_in_its_table"),
        (f"{KIND}.md", "| reason | when |", "the_page_of_a_kind_has_its_reasons_in_a_table"),
        (f"{KIND}.md", "after 30 s", "the_page_of_a_kind_says_its_evidence_and_its_times"),
        (f"{KIND}.py", "ABILITIES", "a_kind_declares_its_abilities_in_its_own_file"),
    ],
)
def test_none_of_them_can_be_half(example: Path, file: str, removed: str, test: str) -> None:
    check = getattr(test_drift, f"test_{test}")
    check(KIND)
    text = (example / file).read_text()
    assert removed in text
    (example / file).write_text(text.replace(removed, "OTHER"))
    sys.modules.pop(f"beacon.probes.{KIND}")
    with pytest.raises(AssertionError):
        check(KIND)


@pytest.mark.usefixtures("example")
def test_a_kind_without_its_case_fails_the_canary() -> None:
    with pytest.raises(AssertionError, match="the value CONFORMANCE"):
        importlib.import_module("tests.probes.test_canary").test_every_kind_has_a_case()
