"""One word for one thing: the names of the code."""

import ast
from collections import defaultdict
from pathlib import Path


def test_no_public_class_has_the_name_of_another(root: Path) -> None:
    homes = defaultdict(list)
    for path in sorted((root / "beacon").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(root)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
