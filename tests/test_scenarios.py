"""Every scripted incident in `tests/scenarios` shows the room what its file expects."""

from pathlib import Path

import pytest

from beacon.replay import replay_file

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_room_was_shown_what_the_script_expects(path):
    replayed = replay_file(path, {})
    assert replayed.failures == ()
    assert any(entry.what == "tower" for entry in replayed.entries)


def test_there_are_scenarios():
    assert len(SCENARIOS) >= 3
