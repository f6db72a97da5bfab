"""Flapping: when it begins and ends, and what is held meanwhile."""

from beacon.core.model import Health


def test_flapping_begins_above_a_fifth_of_changes_and_ends_below_a_twentieth(feed):
    assert not feed("P" * 20 + "FPFP").flapping
    assert feed("P" * 20 + "FPFPF").flapping
    assert feed("P" * 20 + "FPFPF" + "P" * 19).flapping
    ended = feed("P" * 20 + "FPFPF" + "P" * 21)
    assert not ended.flapping
    assert ended.shown is Health.UP


def test_rechecks_do_not_count_as_flapping(feed):
    assert not feed("PF" * 20, regular=False).flapping


def test_while_flapping_the_worst_is_held(feed):
    state = feed("P" * 15 + "PFPFPF" + "FFPP")
    assert state.health is Health.UP
    assert state.flapping
    assert state.shown is Health.DOWN


def test_the_first_reading_is_no_change(feed):
    state = feed("F")
    assert not state.flapping
    assert feed("FFFPPPPPP").flaps.history.bit_count() == 3


def test_what_was_down_when_it_began_to_flap_is_held_as_down(feed):
    state = feed("P" * 15 + "FFFPPFPFPP")
    assert state.flapping
    assert state.health is Health.UP
    assert state.shown is Health.DOWN
    assert feed("FFF" + "P" * 25 + "FPFPFP").shown is Health.DEGRADED
