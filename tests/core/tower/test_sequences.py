"""Sequences A, M and R: tables that lead everywhere and back, and what the room sees of them."""

import pytest

from beacon.core.effects import Answered
from beacon.core.inputs import Acknowledge, Drill, Shelve
from beacon.core.model import Evidence, Reason, Sequence, Service, Verdict
from beacon.core.tower.sequences import FIRST_OUT, SEQUENCES, AlarmEvent, Stage, table
from beacon.replay.simulation import Simulation

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
        for step in AlarmEvent:
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
    assert all(SEQUENCES[sequence][stage, AlarmEvent.ALARM] is Stage.ALARM for stage in Stage)


ALARM, ACKNOWLEDGE, RETURN = AlarmEvent.ALARM, AlarmEvent.ACKNOWLEDGE, AlarmEvent.RETURN


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


def test_the_first_out_mark_ends_where_somebody_has_acknowledged():
    """ISA's F1 and F2; every stage in which nobody has, keeps it."""
    for moves in SEQUENCES.values():
        kept = {stage for stage in FIRST_OUT if (stage, AlarmEvent.ACKNOWLEDGE) in moves}
        assert kept == FIRST_OUT
        assert not {moves[stage, AlarmEvent.ACKNOWLEDGE] for stage in kept} & FIRST_OUT


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
    answer = room.simulation.tell(Acknowledge(room.now, by="analyst", origin="button"))[0]
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


# --- first-out --------------------------------------------------------------------


def first_out(room):
    return room.simulation.monitor.view().overall.first_out


@pytest.fixture
def three(make_room, usual_service):
    """Three services that are well."""
    return make_room(*(usual_service(name) for name in ("mfa", "sms", "mail"))).passes(200)


def fails(room, *services):
    return room.cue(Reason.DEADLINE, *(f"{service}/sign-in" for service in services))


def test_the_first_of_those_that_alarm_together_is_marked_until_acknowledged(three):
    assert first_out(three) is None
    fails(three, "sms").passes(300)
    assert first_out(three) == "sms"
    fails(three, "mfa").passes(300)
    assert first_out(three) == "sms", "worse or later ones do not take it"
    three.acknowledge()
    assert first_out(three) is None
    fails(three, "mail").passes(300)
    assert first_out(three) == "mail", "the next alarm is a new first-out"


def test_only_one_is_first_and_subsequent_ones_never_become_it(three):
    fails(three, "sms").passes(300)
    fails(three, "mfa").passes(300)
    three.simulation.tell(Acknowledge(three.now, by="analyst", origin="cli", service="sms"))
    assert first_out(three) is None
    fails(three, "mail").passes(300)
    assert first_out(three) is None, "mfa was waiting before"


def test_a_momentary_first_out_is_kept_until_somebody_sees_it(three):
    fails(three, "sms").passes(300)
    fails(three, "mfa").passes(300)
    three.cue(Reason.OK, "sms/sign-in").passes(OVER)
    assert three.verdict("sms") is Verdict.OK
    assert first_out(three) == "sms"
    assert three.acknowledge().simulation.monitor.view().overall.first_out is None


def test_a_suppressed_alarm_is_first_of_nothing(three):
    fails(three, "sms").passes(300)
    three.simulation.tell(Shelve(three.now, "sms", True, by="analyst", origin="cli"))
    assert first_out(three) is None
    fails(three, "mfa").passes(300)
    assert first_out(three) == "mfa"
    three.simulation.tell(Shelve(three.now, "sms", False, by="analyst", origin="cli"))
    three.passes(120)
    assert first_out(three) == "mfa"


def test_a_service_that_hangs_on_another_is_not_the_first(make_room, make_endpoint):
    parent = make_endpoint("idp", "sign-in", Evidence.SYMPTOM)
    child = make_endpoint("app", "sign-in", Evidence.SYMPTOM, depends_on=("idp/sign-in",))
    services = (Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, child))
    room = make_room(*services).passes(200)
    room.simulation.tell(Shelve(room.now, "idp", True, by="analyst", origin="cli"))
    fails(room, "idp").passes(120)
    fails(room, "app").passes(300)
    assert room.lamps == {"red": "fast", "blue": "steady"}
    assert (room.told, first_out(room)) == ([], None)


def test_the_mark_survives_a_restart(three):
    fails(three, "sms").passes(300)
    fails(three, "mfa").passes(300)
    monitor = three.simulation.monitor
    again = Simulation(monitor.site, three.now)
    again.monitor.start(three.now, monitor.remember(three.now))
    assert again.monitor.view().overall.first_out == "sms"


def test_a_rehearsal_is_no_alarm_of_the_group(three):
    three.simulation.tell(Drill(three.now, True, by="analyst", origin="cli"))
    assert first_out(three) is None


# --- an acknowledgement is taken back ---------------------------------------------


def undo(room, service=None):
    """Take it back; why not."""
    effects = room.simulation.tell(
        Acknowledge(room.now, by="eve", origin="mqtt", reason="handover", service=service, on=False)
    )
    room.effects += effects
    return next(e.error for e in effects if isinstance(e, Answered))


@pytest.mark.parametrize("sequence", Sequence)
def test_it_flashes_at_once_and_sounds_again_after_a_minute(make_room, sequence):
    room = make_room(sequence=sequence).passes(200)
    fails(room, "mfa").passes(1000).acknowledge()
    room.passes(3600).forget()
    assert undo(room) == ""
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert (room.incident.acknowledged, room.incident.acknowledged_by) == (False, None)
    assert room.incident.state.value == "open"
    assert first_out(room) == "mfa"
    assert room.told == ["unacknowledged"]
    room.passes(59)
    assert room.sounds == []
    room.passes(260)
    assert room.sounds == ["pulse"] * 5
    assert room.acknowledge().lamps == {"red": "steady", "amber": "slow"}


def test_only_an_acknowledged_open_incident_can_ask_again(three):
    none = "no open incident is acknowledged"
    assert undo(three) == none
    fails(three, "sms").passes(300)
    assert undo(three) == none, "nobody has acknowledged it"
    three.acknowledge()
    assert undo(three, "mfa") == none
    assert undo(three, "nope") == "no service 'nope'; there is: mfa, sms, mail"
    three.cue(Reason.OK, "sms/sign-in").passes(OVER)
    before = three.simulation.monitor.remember(three.now)
    assert undo(three, "sms") == none, "it is closed"
    assert three.simulation.monitor.remember(three.now) == before


def test_one_service_asks_again_and_the_other_does_not(three):
    fails(three, "sms").passes(300)
    fails(three, "mfa").passes(300).acknowledge()
    assert undo(three, "mfa") == ""
    asking = [i.service for i in three.simulation.monitor.view().incidents if not i.acknowledged]
    assert asking == ["mfa"]


def test_taken_back_while_recovering_it_locks_in(make_room):
    room = fails(make_room().passes(200), "mfa").passes(300).acknowledge()
    room.cue(Reason.OK, "mfa/sign-in").passes(300).forget()
    assert undo(room) == ""
    assert room.incident.state.value == "recovering"
    room.passes(OVER)
    assert room.lamps == {"green": "steady", "amber": "fast"}
    assert room.sounds == []


def test_taken_back_while_suppressed_it_asks_only_afterwards(make_room):
    room = fails(make_room().passes(200), "mfa").passes(300).acknowledge()
    room.simulation.tell(Shelve(room.now, "mfa", True, by="analyst", origin="cli", seconds=600.0))
    room.forget()
    assert undo(room) == ""
    room.passes(599)
    assert (room.lamps, room.sounds) == ({"blue": "steady"}, [])
    room.passes(120)
    assert room.lamps == {"red": "fast", "amber": "fast"}
    assert room.sounds == ["pulse"]


def test_a_taken_back_acknowledgement_survives_a_restart(make_room):
    room = fails(make_room().passes(200), "mfa").passes(300).acknowledge()
    undo(room)
    monitor = room.simulation.monitor
    again = type(room)(Simulation(monitor.site, room.now))
    again.effects += again.simulation.monitor.start(room.now, monitor.remember(room.now))
    fails(again, "mfa").passes(120)
    assert again.lamps == {"red": "fast", "amber": "fast"}
    assert "pulse" in again.sounds
    assert not again.incident.acknowledged


def test_a_rehearsed_acknowledgement_can_be_taken_back_too(make_room):
    room = make_room().passes(200)
    room.simulation.tell(Drill(room.now, True, by="analyst", origin="cli"))
    assert undo(room) == "no open incident is acknowledged"
    assert room.acknowledge().lamps == {"red": "steady", "blue": "fast"}
    assert undo(room) == ""
    assert room.lamps == {"red": "fast", "blue": "fast"}
    assert room.forget().passes(61).sounds == ["pulse"]


def test_taken_back_it_does_not_become_the_first_beside_a_new_one(three):
    fails(three, "mfa").passes(300).acknowledge()
    fails(three, "sms").passes(300)
    assert undo(three, "mfa") == ""
    assert first_out(three) == "sms"
    three.simulation.tell(Acknowledge(three.now, by="analyst", origin="cli", service="sms"))
    assert first_out(three) is None


def test_the_first_out_that_escalates_stays_the_first(three):
    three.cue(Reason.SLOW, "sms/sign-in").passes(300)
    fails(three, "mfa").passes(300)
    fails(three, "sms").passes(300)
    assert three.told[-1] == "escalated"
    assert first_out(three) == "sms"


def test_taken_back_while_it_hangs_on_something_else_makes_no_sound(make_room, make_endpoint):
    parent = make_endpoint("idp", "sign-in", Evidence.SYMPTOM)
    child = make_endpoint("app", "sign-in", Evidence.SYMPTOM, depends_on=("idp/sign-in",))
    services = (Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, child))
    room = make_room(*services).passes(200)
    room.cue(Reason.SLOW, "app/sign-in").passes(300).acknowledge()
    room.simulation.tell(Shelve(room.now, "idp", True, by="analyst", origin="cli", seconds=7200.0))
    fails(room, "idp").passes(120)
    fails(room, "app").passes(300)
    assert room.lamps == {"red": "fast", "blue": "steady"}
    assert room.acknowledge().forget().lamps == {"red": "steady", "blue": "steady"}
    assert undo(room, "app") == ""
    assert room.lamps == {"red": "fast", "blue": "steady"}
    assert room.passes(1800).sounds == []
