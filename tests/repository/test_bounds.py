"""What reads foreign bytes is in one table, with the bounds that the code has."""

import ast
import re
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from beacon.net.parsing.parser import PARSERS
from beacon.net.probe_failure import ProbeFailure

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/bounds.md").read_text()
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "s": 1, "": 1}
PARSING = frozenset(
    {
        *("base64", "binascii", "difflib", "email", "gzip", "html", "imaplib", "jmespath", "json"),
        *("pickle", "pyrad", "regex", "selectolax", "smtplib", "struct", "xml", "yaml", "zlib"),
    }
)
STATED = re.findall(r"`([a-z_.]+\.[A-Z_]+)`\s+([0-9.]+)(?:\s(KiB|MiB|s)\b)?", PAGE)


def test_the_page_states_bounds() -> None:
    assert len(STATED) > 30


@pytest.mark.parametrize(("name", "number", "unit"), STATED, ids=str)
def test_a_bound_of_the_page_is_that_of_the_code(name: str, number: str, unit: str) -> None:
    module, _, constant = name.rpartition(".")
    found = getattr(import_module(f"beacon.{module}"), constant)
    assert found == float(number) * UNITS[unit]


def parsing_modules() -> Iterator[str]:
    """Every module of the beacon that imports a parser."""
    for path in sorted((ROOT / "beacon").rglob("*.py")):
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
        if imported & PARSING:
            yield ".".join(path.relative_to(ROOT / "beacon").with_suffix("").parts)


def test_what_parses_is_on_the_page() -> None:
    """A module that is new here needs a row with its bounds."""
    named = {"sandbox.*" if name.startswith("sandbox.") else name for name in parsing_modules()}
    assert {name for name in named if f"`{name}`" not in PAGE} == set()


def test_every_parser_of_the_process_is_on_the_page_with_what_is_read_at_once() -> None:
    for name, parser in PARSERS.items():
        assert f"`{name}` {parser.inline >> 10} KiB" in PAGE


# --- what is read at once costs little, whatever is in it ---------------------------


def hostile(name: str, size: int) -> dict[str, bytes]:
    """The worst that is known for a parser, of a size."""
    if name == "feed":
        return {
            "brackets": f"<rss><item><title><![CDATA[{'<' * size}".encode(),
            "tiny elements": b"<rss>" + b"<a/>" * (size // 4),
            "references": b"<rss><item><title>" + b"&x;" * (size // 3),
            "namespaces": b"<rss xmlns:a='%s'>" % (b"u" * 200) + b"<a:b/>" * (size // 6),
            "attributes": b"<rss><a " + b"".join(b"a%d='' " % n for n in range(size // 10)),
        }
    return {
        "deep": b"<div>" * (size // 5),
        "attributes": b"<p " + b"".join(b"a%d " % n for n in range(size // 6)) + b">",
        "forms": b"<form><input name=a></form>" * (size // 28),
        "tables": b"<table><form>" * (size // 13),
    }


ARGUMENTS = {"feed": ("",), "field": ("a",), "form": ("utf_8", "form")}


def spent(act: Callable[[], object]) -> float:
    """Seconds of this thread's processor time, the least of three."""

    def once() -> float:
        began = time.thread_time()
        try:
            act()
        except ProbeFailure:
            return time.thread_time() - began
        return time.thread_time() - began

    return min(once() for _ in range(3))


def unit() -> float:
    """What this machine needs for a fixed piece of work, about 10 ms on a desktop."""
    return spent(lambda: sum(number * number for number in range(150_000)))


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_what_is_read_at_once_costs_little(name: str) -> None:
    parser = PARSERS[name]
    assert name in ARGUMENTS, "a parser that is new here needs its worst inputs"
    limit = 10 * unit()  # 100 ms where it should be 50: the machine may be busy
    for what, raw in hostile(name, parser.inline - 300).items():
        assert len(raw) <= parser.inline
        assert spent(lambda raw=raw: parser(raw, *ARGUMENTS[name])) < limit, what
