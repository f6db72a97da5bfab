"""What code and pages refer to is there: decisions, files, and names of the code."""

import importlib
import io
import re
import tokenize
from collections.abc import Callable
from functools import cache, reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("beacon", "benchmarks", "config", "docs", "incidents", "scripts", "systemd", "tests")
WRITTEN = {".py", ".md", ".toml", ".yaml", ".mk", ".sh", ".service", ""}
PACKAGES = "|".join(page.parent.name for page in (ROOT / "beacon").glob("*/__init__.py"))

DECISION = re.compile(r"\b(?:ADRs? |adr/)(\d+)")
FILE = re.compile(
    r"(?<![\w./-])((?:beacon|benchmarks|docs|scripts|systemd|tests)/[\w./-]*[\w/]|config/\w+\.yaml)"
    r"(?![\w.-]*[<*{$])"
)
"""A path from the root of the repository; none with a place-holder in it."""
CODE_FILE = re.compile(rf"`((?:{PACKAGES})/[\w/]+\.py)`")
"""A path in the package."""
NAME = re.compile(rf"(?<![\"-])(?:\bbeacon\.|`(?=(?:{PACKAGES})\.))((?:__)?[a-z]\w*(?:\.\w+)*)")
"""A dotted name of the code."""
OTHERS = {"com", "example", "json", "log", "pem", "txt", "yaml"}
"""Ends of files and hosts that look like one."""
CLASS = re.compile(r"`([A-Z][a-z]\w*)(?:\.\w+)*(?:\([^`]*\))?`")


@cache
def texts() -> list[tuple[Path, str]]:
    """What people write in the repository."""
    found = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
    found += [ROOT / "Makefile", ROOT / "install.mk", ROOT / "pyproject.toml", *ROOT.glob("*.md")]
    return [
        (path, path.read_text())
        for path in sorted(found)
        if path.suffix in WRITTEN and path.is_file() and path != Path(__file__)
    ]


def prose(text: str) -> str:
    """The strings and comments of a file of Python."""
    every = tokenize.generate_tokens(io.StringIO(text).readline)
    kept = (tokenize.STRING, tokenize.COMMENT)
    return "\n".join(token.string for token in every if token.type in kept)


def is_decision(number: str) -> bool:
    return len(list((ROOT / "docs/adr").glob(f"{number}-*.md"))) == 1


def is_file(name: str) -> bool:
    """`docs/adr/0011` is short for the one file whose name begins so."""
    return (ROOT / name).exists() or bool(re.search(r"adr/\d{4}$", name))


def is_code_file(name: str) -> bool:
    return (ROOT / "beacon" / name).is_file()


def is_name(dotted: str) -> bool:
    """Whether it is a package, a module, or something in one."""
    parts = dotted.split(".")
    if parts[-1] in OTHERS:
        return True
    for length in range(len(parts), -1, -1):
        try:
            module = importlib.import_module(".".join(["beacon", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        try:
            reduce(getattr, parts[length:], module)
        except AttributeError:
            return False
        return True
    return False


@pytest.mark.parametrize(
    ("reference", "there"),
    [(DECISION, is_decision), (FILE, is_file), (CODE_FILE, is_code_file), (NAME, is_name)],
    ids=["decisions", "files", "files of code", "names"],
)
def test_what_is_referred_to_is_there(
    reference: re.Pattern[str], there: Callable[[str], bool]
) -> None:
    found = [(path, text, name) for path, text in texts() for name in set(reference.findall(text))]
    assert found
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text, name in found
        if not there(name)
        and (path.suffix != ".py" or name in reference.findall(prose(text)))  # else a variable
    ]
    assert sorted(dead) == []


def test_classes_that_the_code_speaks_of_are_there() -> None:
    python = {path: text for path, text in texts() if path.suffix == ".py"}
    code = (re.sub(r'"""[\s\S]*?"""|#.*', "", text) for text in python.values())
    known = {word for text in code for word in re.findall(r"\w+", text)}
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in python.items()
        if path.is_relative_to(ROOT / "beacon")
        for name in CLASS.findall(text)
        if name not in known
    ]
    assert sorted(dead) == []
