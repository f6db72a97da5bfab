"""docs/annunciator.md is what the tables of the core say today."""

import os
import subprocess
import sys


def test_the_page_is_drawn_from_the_tables(root, tmp_path):
    drawn = tmp_path / "annunciator.md"
    subprocess.run(
        [sys.executable, "scripts/annunciator.py", drawn],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
    page = (root / "docs" / "annunciator.md").read_text(encoding="utf-8")
    assert drawn.read_text(encoding="utf-8") == page, "run `make annunciator`"
