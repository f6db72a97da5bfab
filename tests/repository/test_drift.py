"""What says the same thing in two places says it in both."""

import base64
import hashlib
import re
import textwrap
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
import trustme

from beacon import probes
from beacon.cli.main import main
from beacon.config.decoder import specs
from beacon.core.effects import Announcement
from beacon.core.indication import Colour, Pattern
from beacon.core.model import Evidence, Health, Outcome, Preset, Reason, Verdict
from beacon.daemon.life import load_config
from beacon.probing.base import Kind
from beacon.sandbox.demo import PACE
from beacon.sandbox.nameserver import DOMAIN
from beacon.sandbox.provider import PASSWORD, SEED, USERNAME
from beacon.sandbox.servers import Ports
from beacon.sandbox.world import RECOVER, Fault

ROOT = Path(__file__).parents[2]
KINDS = probes.kinds()
PAGES = sorted(
    page.relative_to(ROOT)
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
BLOCK = re.compile(r"^\n((?: {4}.*\n)+)|^```\w*\n([\s\S]*?)```\n", re.MULTILINE)


def code_of(page: Path) -> str:
    """All that is set as code in a page, blocks and words alike."""
    text = (ROOT / page).read_text()
    blocks = ("".join(found) for found in BLOCK.findall(text))
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))])


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_test_and_its_page(kind: str) -> None:
    assert (ROOT / f"tests/probes/test_{kind}.py").is_file()
    page = (ROOT / f"docs/probes/{kind}.md").read_text()
    assert f"type: {kind}" in page


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_declares_its_abilities_in_its_own_file(kind: str) -> None:
    probe = probes.load(kind)
    assert issubclass(probe, Kind)
    assert "ABILITIES" in vars(probe)
    assert probe.__module__ == f"beacon.probes.{kind}"


def tables(page: str) -> dict[str, set[str]]:
    """The tables of a page: the first word of the head → all code words of the first column."""
    found: dict[str, set[str]] = {}
    for head, rows in re.findall(r"^\| ([^|]+?) \|.*\n\|---.*\n((?:\|.*\n?)*)", page, re.MULTILINE):
        firsts = re.findall(r"^\| (.*?) \|", rows, re.MULTILINE)
        found.setdefault(head, set()).update(re.findall(r"`([^`]+)`", " ".join(firsts)))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_has_every_setting_in_its_table(kind: str) -> None:
    documented = tables((ROOT / f"docs/probes/{kind}.md").read_text()).get("setting", set())
    wanted = set(specs(probes.load(kind)))
    assert wanted <= {name.split(".")[0] for name in documented}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_has_its_reasons_in_a_table(kind: str) -> None:
    """Its own, or that of the page that kinds of second-hand readings share and link."""
    if probes.load(kind).ABILITIES.pushed:
        return  # the sender says the reason
    page = (ROOT / f"docs/probes/{kind}.md").read_text()
    pages = [page]
    if probes.load(kind).ABILITIES.second_hand:
        shared = ("claims.md", "real-users.md")
        pages += [(ROOT / "docs/probes" / name).read_text() for name in shared if name in page]
    reasons = [words for each in pages for head, words in tables(each).items() if head == "reason"]
    assert reasons
    assert set().union(*reasons) & set(Reason)


def span(seconds: float) -> str:
    minutes = seconds >= 120 and seconds % 60 == 0
    return f"{seconds / 60:g} min" if minutes else f"{seconds:g} s"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_says_its_evidence_and_its_times(kind: str) -> None:
    able = probes.load(kind).ABILITIES
    if able.pushed or able.second_hand:
        return  # pages of their own say it for all of them
    page = " ".join((ROOT / f"docs/probes/{kind}.md").read_text().split())
    (evidence, times) = re.findall(r"Evidence: `(\w+)`.*?Default times: (.*?\D\.) ", page)[0]
    timing = able.timing
    retry = timing.retry_interval
    assert evidence == able.evidence
    for words in (
        f"every {span(timing.interval)}",
        f"timeout {timing.timeout:g} s",
        f"down after {timing.failure_threshold} failures",
        f"re-check after {span(retry)}" if retry else "no re-check",
    ):
        assert words in times.replace("**", "")


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
    listed = re.findall(r"^    (\S+):\S+$", (ROOT / "scripts/test").read_text(), re.MULTILINE)
    assert sorted(wanted) == listed


def test_every_application_a_test_needs_is_locked_and_installed_for_it() -> None:
    wanted = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r'\bneed_application\("([^"]+)"\)', path.read_text())
        if path != Path(__file__)
    }
    listed = re.search(
        r"^applications=\((.*)\)$", (ROOT / "scripts/test").read_text(), re.MULTILINE
    )
    locked = sorted(path.stem for path in (ROOT / "lock/applications").glob("*.txt"))
    assert listed is not None
    assert sorted(wanted) == listed[1].split() == locked


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
        for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", (ROOT / page).read_text()):
            if "://" not in target:
                yield page, target


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    there = (ROOT / page).parent / name if name else ROOT / page
    return there.exists() and (not anchor or anchor in anchors(there))


def test_links_lead_somewhere() -> None:
    dead = [f"{page}: {target}" for page, target in links() if not leads_somewhere(page, target)]
    assert dead == []


def make_targets() -> set[str]:
    text = "".join(
        path.read_text() for path in (ROOT / "Makefile", ROOT / "install.mk") if path.exists()
    )
    rules = re.findall(r"^([a-z][a-z -]*):", text, re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def test_make_commands_in_pages_exist() -> None:
    make = re.compile(r"^\s*(?:sudo )?make ([a-z-]+)", re.MULTILINE)
    named = {name for page in PAGES for name in make.findall(code_of(page))}
    assert named - make_targets() == set()


BEACON = re.compile(r"^\s*(?:sudo )?(?:\S*/)?beacon ((?:sandbox )?[a-z][a-z-]*)", re.MULTILINE)


def commands() -> list[str]:
    """Every command of the pages: `beacon` and the word after it, of `sandbox` the next too."""
    found: set[str] = set()
    for page in PAGES:
        found |= set(re.findall(BEACON, code_of(page)))
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_beacon_commands_in_pages_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_the_readme_names_the_two_commands() -> None:
    code = code_of(Path("README.md"))
    assert "make run" in code
    assert "make test" in code


def test_the_readme_says_how_to_break_it() -> None:
    code = code_of(Path("README.md"))
    assert all(f"beacon sandbox break {fault}" in code for fault in (*Fault, RECOVER))


# --- configurations ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_is_sound(kind: str, tmp_path: Path) -> None:
    """Each YAML block of its page that is a list of endpoints, in a service of its own."""
    page = (ROOT / f"docs/probes/{kind}.md").read_text()
    examples = [text for text in re.findall(r"```yaml\n([\s\S]*?)```", page) if text[:2] == "- "]
    assert examples
    (tmp_path / "secrets.yaml").write_text("".join(secrets_in(page)))
    (tmp_path / "secrets.yaml").chmod(0o600)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for text in examples:
        file = tmp_path / "beacon.yaml"
        endpoints = textwrap.indent(text.replace("/etc/mfa-beacon", str(tmp_path)), "      ")
        ways = "web: {}\nmqtt: {broker: mqtts://broker.example.com}\n"  # for what is pushed
        file.write_text(
            f"site: example\n{ways}services:\n  - name: Example\n    endpoints:\n{endpoints}"
        )
        load_config(file, {})


def secrets_in(page: str) -> Iterator[str]:
    """A value of its own for every `!secret name`; one that would do as a TOTP seed too."""
    for name in sorted(set(re.findall(r"!secret (\w+)", page))):
        value = base64.b32encode(hashlib.sha256(name.encode()).digest()[:20]).decode()
        yield f"{name}: {value}\n"


def test_the_demo_is_set_up_for_the_sandbox() -> None:
    """Two places hold the sandbox's ports, its user and its seed: they agree."""
    text = (ROOT / "config/demo.yaml").read_text()
    ports = Ports()
    for value in (SEED, PASSWORD, USERNAME, DOMAIN, *map(str, (ports.http, ports.dns, ports.mqtt))):
        assert value in text
    assert f"period={PACE.period}" in text


def test_the_readme_configuration_is_sound(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n([\s\S]*?)```", (ROOT / "README.md").read_text())
    (tmp_path / "secrets.yaml").write_text("".join(secrets_in(text)))
    (tmp_path / "secrets.yaml").chmod(0o600)
    (tmp_path / "beacon.yaml").write_text(text)
    load_config(tmp_path / "beacon.yaml", {})
