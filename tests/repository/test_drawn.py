"""What is drawn from the code shows the code of today."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.untraced


@pytest.mark.parametrize("name", ["alarm-performance.md", "annunciator.md", "architecture.svg"])
def test_a_drawing_is_current(name, root, tmp_path):
    target = name.partition(".")[0]
    subprocess.run(
        [sys.executable, f"scripts/{target.replace('-', '_')}.py", tmp_path / name],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
    assert (tmp_path / name).exists()
    for drawn in tmp_path.iterdir():
        committed = (root / "docs" / drawn.name).read_text(encoding="utf-8")
        assert drawn.read_text(encoding="utf-8") == committed, f"run `make {target}`"
