"""One word for one thing: the names of the code, and the glossary."""

import ast
import re
from collections import defaultdict
from pathlib import Path

EVERYDAY = """
    agree alert api application argument attribute auth author await base basic batch bearer
    bind body book bound broken cache call charset chip cite cli colour composer config confirm
    cookie daily database debug decode default delay deny dial dialled dialling direct driver
    duration embed engine envelope exchange exit extract field finish flag flaw foreign found
    function gpio grammar hear homeassistant host html idea implausible inflate input jar json
    kernel large learnt life like limit load logged main malformed manual map mark metric mime
    model nameserver net node notification notify observe operation option origin overview
    packet parse path peer phase phone plain play policy position postpone privacy process
    progress prospect proxy recheck recipient regex registry reply route runner sample scalar
    schema scope screen search section set setting setup single smtp span spec stepped stored
    stream subject subscription summary synchronise table tag tally task turn udp unanswered
    unexplained unkept unmet update url validate wall want weekly write
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


def test_the_glossary_explains_the_words_of_the_names(root: Path) -> None:
    """Of modules, packages and public classes."""
    explained = stems((root / "docs/glossary.md").read_text()) | stems(EVERYDAY)
    unexplained = defaultdict(set)
    for path in sorted((root / "beacon").rglob("*.py")):
        module = path.parent.name if path.stem.startswith("__") else path.stem
        for name in (module, *public_classes(path)):
            for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name):
                if len(word) > 1 and stem(word.lower()) not in explained:
                    unexplained[word.lower()].add(name)
    assert unexplained == {}, "explain it in docs/glossary.md, or take a word that it has"
