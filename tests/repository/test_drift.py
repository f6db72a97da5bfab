"""What says the same thing in two places says it in both."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from beacon import probes
from beacon.core.events import Announcement
from beacon.core.indication import Colour, Pattern
from beacon.core.model import Evidence, Health, Outcome, Preset, Verdict

ROOT = Path(__file__).parents[2]
KINDS = probes.kinds()
PAGES = sorted(
    page.relative_to(ROOT)
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
BLOCK = re.compile(r"^( {4}.*\n|```\w*\n[\s\S]*?```\n)", re.MULTILINE)


def code_of(page: Path) -> str:
    """All that is set as code in a page, blocks and words alike."""
    text = (ROOT / page).read_text()
    blocks = BLOCK.findall(text)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))])


# --- probes -----------------------------------------------------------------------


def test_there_are_kinds() -> None:
    assert set(KINDS) >= {"http", "tcp", "dns", "statuspage", "ntp", "flow"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_test_and_its_page(kind: str) -> None:
    assert (ROOT / f"tests/probes/test_{kind}.py").is_file()
    page = (ROOT / f"docs/probes/{kind}.md").read_text()
    assert f"type: {kind}" in page


# --- imports and packages ---------------------------------------------------------


def test_every_part_of_the_house_has_its_storey() -> None:
    """A package that no layer names would be bound by no contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {module for layer in layers for module in layer.split(" | ")}
    there = {
        f"beacon.{path.stem}"
        for path in (ROOT / "beacon").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    assert there <= named


def test_every_server_a_test_needs_is_installed_for_it() -> None:
    wanted = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r'\bneed\("([^"]+)"\)', path.read_text())
        if path != Path(__file__)
    }
    (line,) = re.findall(r"^servers=\((.*)\)$", (ROOT / "scripts/test").read_text(), re.MULTILINE)
    told = dict(part.split(":") if ":" in part else (part, part) for part in line.split())
    assert wanted == set(told)


# --- words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [Outcome, Health, Evidence, Verdict, Pattern, Colour, Preset, Announcement]
)
def test_the_glossary_has_every_word(words: type[StrEnum]) -> None:
    glossary = (ROOT / "docs/glossary.md").read_text().lower()
    missing = [word for word in words if not re.search(rf"\b{word}\b", glossary)]
    assert missing == []


# --- pages ------------------------------------------------------------------------


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text()):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(("page", "target"), list(links()), ids=str)
def test_links_lead_somewhere(page: Path, target: str) -> None:
    assert ((ROOT / page).parent / target).exists()


def make_targets() -> set[str]:
    text = "".join(
        path.read_text() for path in (ROOT / "Makefile", ROOT / "install.mk") if path.exists()
    )
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_make_commands_in_pages_exist(page: Path) -> None:
    named = re.findall(r"(?:^|\s)make ([a-z-]+)\b", code_of(page))
    assert set(named) <= make_targets()


def commands() -> list[tuple[str, ...]]:
    """Every `beacon …` of the pages: its words up to the first that is no command's name."""
    found = set()
    for page in PAGES:
        for line in re.findall(r"(?:^|\s|/)beacon ((?:[a-z-]+ ?)+)", code_of(page), re.MULTILINE):
            found.add(tuple(shlex.split(line)))
    return sorted(found)
