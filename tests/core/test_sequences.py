"""Sequences A, M and R: tables that lead everywhere and back, and what the room sees of them."""

import pytest

from beacon.core.events import Acknowledge, Answered
from beacon.core.model import Reason, Sequence, Verdict
from beacon.core.sequences import SEQUENCES, Stage, Step, table

GREEN = {"green": "steady"}
OVER = 100.0 + 900.0


def walked(moves, *steps):
    """The stages that steps lead through, from normal."""
    stage, trail = Stage.NORMAL, []
    for step in steps:
        stage = moves.get((stage, step), stage)
        trail.append(stage)
    return trail


def reached(moves, start=Stage.NORMAL):
    found, todo = {start}, [start]
    while todo:
        stage = todo.pop()
        for step in Step:
            to = moves.get((stage, step), stage)
            if to not in found:
                found.add(to)
                todo.append(to)
    return found


@pytest.mark.parametrize("lock_in", [True, False])
@pytest.mark.parametrize("sequence", Sequence)
def test_every_stage_of_a_sequence_is_reached_and_leads_back_to_normal(sequence, lock_in):
    moves = table(sequence, lock_in=lock_in)
    assert reached(moves) >= {Stage.NORMAL, Stage.ALARM, Stage.ACKNOWLEDGED}
    for stage in reached(moves):
        assert Stage.NORMAL in reached(moves, stage)


@pytest.mark.parametrize("sequence", Sequence)
def test_an_alarm_is_an_alarm_from_every_stage(sequence):
    assert all(SEQUENCES[sequence][stage, Step.ALARM] is Stage.ALARM for stage in Stage)


ALARM, ACKNOWLEDGE, RETURN = Step.ALARM, Step.ACKNOWLEDGE, Step.RETURN


@pytest.mark.parametrize(
    ("sequence", "steps", "trail"),
    [
        (Sequence.A, (ALARM, ACKNOWLEDGE, RETURN), "alarm acknowledged normal"),
        (Sequence.A, (ALARM, RETURN, ACKNOWLEDGE), "alarm locked_in normal"),
        (Sequence.M, (ALARM, ACKNOWLEDGE, RETURN), "alarm acknowledged reset_due"),
        (Sequence.M, (ALARM, RETURN, ACKNOWLEDGE, ACKNOWLEDGE), "alarm locked_in reset_due normal"),
        (Sequence.R, (ALARM, ACKNOWLEDGE, RETURN), "alarm acknowledged ringback"),
        (Sequence.R, (ALARM, RETURN, ACKNOWLEDGE, ACKNOWLEDGE), "alarm locked_in ringback normal"),
    ],
)
def test_the_sequences_step_by_step(sequence, steps, trail):
    assert walked(SEQUENCES[sequence], *steps) == [Stage[w.upper()] for w in trail.split()]


def outage(room):
    """An acknowledged outage that is lastingly over."""
    room.passes(200).cue(Reason.DEADLINE, "mfa/sign-in").passes(300).acknowledge()
    room.cue(Reason.OK, "mfa/sign-in").forget().passes(OVER)
    assert room.verdict() is Verdict.OK
    return room


def test_automatic_reset_leaves_nothing(make_room):
    room = outage(make_room(sequence=Sequence.A))
    assert room.lamps == GREEN
    assert room.sounds == []


def test_manual_reset_keeps_amber_beside_green_until_the_next_press(make_room):
    room = outage(make_room(sequence=Sequence.M))
    assert room.lamps == {"green": "steady", "amber": "steady"}
    assert room.sounds == []
    room.passes(7200)
    assert room.lamps == {"green": "steady", "amber": "steady"}
    assert room.acknowledge().lamps == GREEN


def test_ringback_chirps_once_and_flashes_green_until_the_next_press(make_room):
    room = outage(make_room(sequence=Sequence.R))
    assert room.lamps == {"green": "slow"}
    assert room.sounds == ["chirp"]
    room.passes(7200)
    assert room.sounds == ["chirp"]
    assert room.acknowledge().lamps == GREEN
    answer = room.simulation.tell(Acknowledge(room.now, "analyst", "button"))[0]
    assert isinstance(answer, Answered)
    assert answer.error == "nothing to acknowledge"


@pytest.mark.parametrize("sequence", [Sequence.M, Sequence.R])
def test_what_nobody_acknowledged_takes_two_presses(make_room, sequence):
    room = make_room(sequence=sequence)
    room.passes(200).cue(Reason.DEADLINE, "mfa/sign-in").passes(300)
    room.cue(Reason.OK, "mfa/sign-in").passes(OVER).forget()
    assert room.lamps == {"green": "steady", "amber": "fast"}
    room.acknowledge()
    assert room.lamps not in (GREEN, {"green": "steady", "amber": "fast"})
    assert room.sounds == [], "whoever presses is there already"
    assert room.acknowledge().lamps == GREEN


@pytest.mark.parametrize("sequence", Sequence)
def test_without_lock_in_what_went_by_itself_is_forgotten(make_room, sequence):
    room = make_room(sequence=sequence, lock_in=False)
    room.passes(200).cue(Reason.DEADLINE, "mfa/sign-in").passes(300)
    room.cue(Reason.OK, "mfa/sign-in").passes(OVER)
    assert room.lamps == GREEN


@pytest.mark.parametrize("sequence", Sequence)
def test_new_trouble_while_a_reset_is_due_is_an_alarm(make_room, sequence):
    room = outage(make_room(sequence=sequence))
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(120)
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert room.told[-1] == "opened"


def test_ringback_is_no_green_while_blind(make_room):
    room = outage(make_room(sequence=Sequence.R))
    room.cue(None, "mfa/sign-in").passes(600)
    assert room.lamps == {"white": "steady"}
