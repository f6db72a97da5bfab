"""The past, replayed: every incident shows what its file expects, and its page is current."""

import re
from pathlib import Path

import pytest

from beacon.core.model import Evidence
from beacon.replay.load import read_scene
from beacon.replay.play import play
from scripts import incidents

pytestmark = pytest.mark.untraced

ROOT = Path(__file__).parents[1]
INCIDENTS = sorted((ROOT / "incidents").glob("*.yaml"))
PAGE = (ROOT / "docs" / "incidents.md").read_text()
ADVICE = "run: python scripts/incidents.py docs/incidents.md"
SOURCED = ("83", "4.15", "50")
"""Shares that a source gives, in per cent: SM79-F88 (17 % succeed), PS0T-790, Duo's calls."""


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_the_incident_shows_what_it_expects_and_is_on_the_page(path, bounded):
    scene = read_scene(path, {})
    with bounded(10):
        played = play(scene)
    assert played.failures == ()
    story = incidents.story(path, scene, [played])
    chapter = "".join(part for part in incidents.chapter(story))
    assert chapter in re.sub(r"(?m)^Shown .* replays\.\n\n", "", PAGE), ADVICE
    if not incidents.shares(scene):
        *_, row = incidents.table([story])
        assert row in PAGE, ADVICE


@pytest.mark.slow
def test_the_page_is_current(tmp_path):
    """Also what depends on lots, which takes ten times as many replays."""
    incidents.main(tmp_path / "incidents.md")
    assert (tmp_path / "incidents.md").read_text() == PAGE, ADVICE


def test_two_of_the_twenty_five_came_twice():
    assert len(INCIDENTS) == 27


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_facts_have_sources_and_the_first_word_of_a_vendor_is_expected(path):
    scene = read_scene(path, {})
    script = scene.script
    assert script.summary
    assert script.source
    assert script.modelled
    assert script.start.utc.date().isoformat() <= path.name[:10]
    for line in script.events:
        assert line.modelled or line.operator is None, f"the operator at {line.at} is a model"
        assert line.modelled or line.share == 1 or f"{100 * line.share:.3g}" in SOURCED
    claims = {e.id for e in scene.site.endpoints if e.evidence is Evidence.CLAIM}
    spoken = [e for e in script.events if e.endpoint in claims and (e.fail or e.warn)]
    if spoken:
        after = [e for e in script.expect if e.at >= spoken[0].at]
        assert any(e.vendor_lead or e.verdict in ("outage", "advisory") for e in after)


def test_every_anchor_of_the_page_is_a_title_of_it():
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    slugs = {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}
    linked = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert len(linked) == len(INCIDENTS)
    assert set(linked) == slugs
