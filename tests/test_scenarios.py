"""Every scripted incident in `tests/scenarios` shows what its file expects."""

from pathlib import Path

import pytest

from beacon.replay.load import read_scene
from beacon.replay.play import play, replay_file

pytestmark = pytest.mark.untraced

FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_script_shows_what_it_expects(path):
    replayed = replay_file(path, {})
    assert replayed.failures == ()
    assert any(entry.what == "tower" for entry in replayed.entries)


PULSES = ["pulse"]
SOUNDS = {
    "timeline-a-azure-2018": ["chirp", "three pulses", *PULSES * 4],
    "timeline-b-uplink-cut": ["chirp"],
    "timeline-c-uplink-cut-in-acknowledged-outage": [
        *("three pulses", *PULSES * 3),
        *("chirp", "chirp"),
    ],
    "timeline-d-one-region-at-half": ["chirp"],
    "timeline-e-killed-in-acknowledged-outage": ["three pulses", *PULSES * 3],
    "timeline-f-duo-2024": ["three pulses", *PULSES * 3],
    "timeline-h-bypass-until-six": [
        *("three pulses", *PULSES * 4),
        *("two chirps", "two chirps"),
    ],
    "timeline-j-night-with-nobody-there": ["three pulses", *PULSES * 5],
    "partial-five-percent": ["chirp"],
}
"""Every sound of a timeline, in order."""


@pytest.mark.parametrize(("name", "sounds"), SOUNDS.items(), ids=SOUNDS)
def test_there_is_no_other_sound(name, sounds):
    replayed = replay_file(FOLDER / f"{name}.yaml", {})
    assert [entry.text for entry in replayed.entries if entry.what == "sound"] == sounds


def test_one_failure_in_twenty_is_seen_by_the_success_rate_whatever_chance_says():
    """By thresholds alone it is seen late and by luck: `partial-five-percent-unseen`."""
    scene = read_scene(FOLDER / "partial-five-percent.yaml", {})
    for lot in range(5):
        verdicts = [(at, str(verdict)) for at, _, verdict in play(scene, lot).verdicts]
        before = [verdict for at, verdict in verdicts if at <= 900.0]
        assert before[-1] == "degraded", f"lot {lot}"
        assert not [v for at, v in verdicts if 900.0 < at < 3 * 3600.0], "held, and never red"


def test_there_are_scenarios():
    assert len(SCENARIOS) >= 3
