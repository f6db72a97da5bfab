"""The past, replayed: every incident shows what its file expects, and its page is current."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from beacon.core.model import Evidence
from beacon.replay.load import read_scene
from beacon.replay.play import replay_file

ROOT = Path(__file__).parents[1]
INCIDENTS = sorted((ROOT / "incidents").glob("*.yaml"))
PAGE = ROOT / "docs" / "incidents.md"


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_the_room_was_shown_what_the_incident_expects(path, bounded):
    with bounded(10):
        assert replay_file(path, {}).failures == ()


def test_two_of_the_twenty_five_came_twice():
    assert len(INCIDENTS) == 27


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_facts_have_sources_and_choices_are_said(path):
    script = read_scene(path, {}).script
    assert script.summary
    assert script.source
    assert script.modelled
    assert script.start.utc.date().isoformat() <= path.name[:10]
    for line in script.events:
        assert line.modelled or line.operator is None, f"the operator at {line.at} is a model"
        assert line.modelled or line.share == 1 or f"{100 * line.share:.3g}" in SOURCED


SOURCED = ("83", "4.15", "50")
"""Shares that a source gives, in per cent: SM79-F88 (17 % succeed), PS0T-790, Duo's calls."""


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_the_first_word_of_a_vendor_is_expected_where_it_is_known(path):
    scene = read_scene(path, {})
    claims = {e.id for e in scene.site.endpoints if e.evidence is Evidence.CLAIM}
    spoken = [e for e in scene.script.events if e.endpoint in claims and (e.fail or e.warn)]
    if spoken:
        after = [e for e in scene.script.expect if e.at >= spoken[0].at]
        assert any(e.vendor_lead or e.verdict in ("outage", "advisory") for e in after)


def test_the_page_is_current(tmp_path):
    written = tmp_path / "incidents.md"
    # Not measured for coverage, which would take a minute: it plays what the tests above play.
    untraced = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "incidents.py", written],
        check=True,
        env={**untraced, "PYTHONPATH": str(ROOT)},
    )
    advice = "run: python scripts/incidents.py docs/incidents.md"
    assert PAGE.read_text() == written.read_text(), advice


def test_every_anchor_of_the_page_is_a_title_of_it():
    text = PAGE.read_text()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}
    linked = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(linked) == len(INCIDENTS)
    assert set(linked) == slugs
