"""Folders are small enough to survey, files short enough to read."""

from pathlib import Path

import pytest

BEACON = Path(__file__).parents[2] / "beacon"
FOLDERS = sorted({path.parent for path in BEACON.rglob("*.py")})
MOST_FILES = 13
MOST_LINES = 450


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(BEACON.parent)))
def test_a_folder_is_small(folder: Path) -> None:
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert folder.name == "probes" or len(files) <= MOST_FILES, (
        "make a folder of what belongs together"
    )
    long = [path.name for path in files if path.read_text().count("\n") > MOST_LINES]
    assert not long, f"more than {MOST_LINES} lines"
