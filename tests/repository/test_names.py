"""One word for one thing: the names of the code, and the glossary."""

import ast
import re
from collections import defaultdict
from pathlib import Path

DOMAIN = {
    *("core", "probes", "probing", "otp", "vendors", "maildns"),
    *("replay", "sandbox", "tower"),
}
"""Packages whose names are the domain's words; elsewhere they are of protocols and of Python."""

EVERYDAY = """
    agree api application base body cache call chip colour debug extract flaw gpio html idea inputs
    json load metric model nameserver overview play player policy privacy summary validate
"""
"""What any programmer understands without the glossary."""


def public_classes(path: Path) -> list[str]:
    body = ast.parse(path.read_text()).body
    return [n.name for n in body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]


def test_no_public_class_has_the_name_of_another(root: Path) -> None:
    homes = defaultdict(list)
    for path in sorted((root / "beacon").rglob("*.py")):
        for name in public_classes(path):
            homes[name].append(str(path.relative_to(root)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def stem(word: str) -> str:
    """The word without its ending: `deliveries`, `delivered` and `delivery` are one."""
    shorter = re.sub(r"(?<=...)(ation|able|ion|ment|ing|es|ed|er|or|al|[sdreyi])$", "", word)
    return word if shorter == word else stem(shorter)


def stems(text: str) -> set[str]:
    return {stem(word) for word in re.findall(r"[a-z]+", text.lower())}


def test_the_glossary_explains_the_words_of_the_domain(root: Path) -> None:
    """The words in the names of its modules, packages and public classes."""
    explained = stems((root / "docs/glossary.md").read_text()) | stems(EVERYDAY)
    unexplained = defaultdict(set)
    for path in sorted((root / "beacon").rglob("*.py")):
        if DOMAIN.isdisjoint(path.relative_to(root).parts):
            continue
        page = root / "docs/probes" / f"{path.stem}.md"  # explains the words of its kind
        own = stems(page.read_text()) if path.parent.name == "probes" and page.exists() else set()
        module = path.parent.name if path.stem.startswith("__") else path.stem
        for name in (module, *public_classes(path)):
            for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name):
                if len(word) > 1 and stem(word.lower()) not in explained | own:
                    unexplained[word.lower()].add(name)
    assert unexplained == {}, "explain it in docs/glossary.md, or take a word that it has"
