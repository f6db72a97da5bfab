"""What code and pages refer to is there: decisions, files, and names of the code."""

import importlib
import io
import re
import tokenize
from collections.abc import Callable, Iterator
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


def texts() -> Iterator[tuple[Path, str]]:
    """What people write in the repository; of Python its strings and comments."""
    found = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
    found += [ROOT / "Makefile", ROOT / "install.mk", ROOT / "pyproject.toml", *ROOT.glob("*.md")]
    for path in sorted(found):
        if path.suffix in WRITTEN and path.is_file() and path != Path(__file__):
            yield path, "".join(prose(path)) if path.suffix == ".py" else path.read_text()


def prose(path: Path) -> Iterator[str]:
    return (f"{token.string}\n" for token in tokens(path) if token.type != tokenize.NAME)


@cache
def tokens(path: Path) -> list[tokenize.TokenInfo]:
    """Names, strings and comments of a file of Python."""
    kept = (tokenize.NAME, tokenize.STRING, tokenize.COMMENT)
    every = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return [token for token in every if token.type in kept]


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
    found = {(path, name) for path, text in texts() for name in reference.findall(text)}
    assert found
    dead = [f"{path.relative_to(ROOT)}: {name}" for path, name in found if not there(name)]
    assert sorted(dead) == []


def test_classes_that_the_code_speaks_of_are_there() -> None:
    known = {
        word
        for folder in ("beacon", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for token in tokens(path)
        if not token.string.startswith(('"""', "#"))
        for word in re.findall(r"\w+", token.string)
    }
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "beacon").rglob("*.py")
        for name in CLASS.findall("".join(prose(path)))
        if name not in known
    ]
    assert sorted(dead) == []
