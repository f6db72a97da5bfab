"""Sequences A, M and R: tables that lead everywhere and back, and what the tower shows."""

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


def outage(harness):
    """An acknowledged outage that is lastingly over."""
    harness.advance(200).script(Reason.DEADLINE, "mfa/sign-in").advance(300).acknowledge()
    harness.script(Reason.OK, "mfa/sign-in").clear_effects().advance(OVER)
    assert harness.verdict() is Verdict.OK
    return harness


def test_automatic_reset_leaves_nothing(make_harness):
    harness = outage(make_harness(sequence=Sequence.A))
    assert harness.lamps == GREEN
    assert harness.sounds == []


def test_manual_reset_keeps_amber_beside_green_until_the_next_press(make_harness):
    harness = outage(make_harness(sequence=Sequence.M))
    assert harness.lamps == {"green": "steady", "amber": "steady"}
    assert harness.sounds == []
    harness.advance(7200)
    assert harness.lamps == {"green": "steady", "amber": "steady"}
    assert harness.acknowledge().lamps == GREEN


def test_ringback_chirps_once_and_flashes_green_until_the_next_press(make_harness):
    harness = outage(make_harness(sequence=Sequence.R))
    assert harness.lamps == {"green": "slow"}
    assert harness.sounds == ["chirp"]
    harness.advance(7200)
    assert harness.sounds == ["chirp"]
    assert harness.acknowledge().lamps == GREEN
    answer = harness.simulation.tell(Acknowledge(harness.now, by="analyst", origin="button"))[0]
    assert isinstance(answer, Answered)
    assert answer.error == "nothing to acknowledge"


@pytest.mark.parametrize("sequence", [Sequence.M, Sequence.R])
def test_what_nobody_acknowledged_takes_two_presses(make_harness, sequence):
    harness = make_harness(sequence=sequence)
    harness.advance(200).script(Reason.DEADLINE, "mfa/sign-in").advance(300)
    harness.script(Reason.OK, "mfa/sign-in").advance(OVER).clear_effects()
    assert harness.lamps == {"green": "steady", "amber": "fast"}
    harness.acknowledge()
    assert harness.lamps not in (GREEN, {"green": "steady", "amber": "fast"})
    assert harness.sounds == [], "whoever presses is there already"
    assert harness.acknowledge().lamps == GREEN


@pytest.mark.parametrize("sequence", Sequence)
def test_without_lock_in_what_went_by_itself_is_forgotten(make_harness, sequence):
    harness = make_harness(sequence=sequence, lock_in=False)
    harness.advance(200).script(Reason.DEADLINE, "mfa/sign-in").advance(300)
    harness.script(Reason.OK, "mfa/sign-in").advance(OVER)
    assert harness.lamps == GREEN


@pytest.mark.parametrize("sequence", Sequence)
def test_new_trouble_while_a_reset_is_due_is_an_alarm(make_harness, sequence):
    harness = outage(make_harness(sequence=sequence))
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(120)
    assert harness.lamps == {"red": "fast", "amber": "fast"}
    assert harness.announcements[-1] == "opened"


def test_ringback_is_no_green_while_blind(make_harness):
    harness = outage(make_harness(sequence=Sequence.R))
    harness.script(None, "mfa/sign-in").advance(600)
    assert harness.lamps == {"white": "steady"}


# --- first-out --------------------------------------------------------------------


def first_out(harness):
    return harness.simulation.monitor.view().overall.first_out


@pytest.fixture
def three(make_harness, usual_service):
    """Three services that are well."""
    return make_harness(*(usual_service(name) for name in ("mfa", "sms", "mail"))).advance(200)


def fails(harness, *services):
    return harness.script(Reason.DEADLINE, *(f"{service}/sign-in" for service in services))


def test_the_first_of_those_that_alarm_together_is_marked_until_acknowledged(three):
    assert first_out(three) is None
    fails(three, "sms").advance(300)
    assert first_out(three) == "sms"
    fails(three, "mfa").advance(300)
    assert first_out(three) == "sms", "worse or later ones do not take it"
    three.acknowledge()
    assert first_out(three) is None
    fails(three, "mail").advance(300)
    assert first_out(three) == "mail", "the next alarm is a new first-out"


def test_only_one_is_first_and_subsequent_ones_never_become_it(three):
    fails(three, "sms").advance(300)
    fails(three, "mfa").advance(300)
    three.simulation.tell(Acknowledge(three.now, by="analyst", origin="cli", service="sms"))
    assert first_out(three) is None
    fails(three, "mail").advance(300)
    assert first_out(three) is None, "mfa was waiting before"


def test_a_momentary_first_out_is_kept_until_somebody_sees_it(three):
    fails(three, "sms").advance(300)
    fails(three, "mfa").advance(300)
    three.script(Reason.OK, "sms/sign-in").advance(OVER)
    assert three.verdict("sms") is Verdict.OK
    assert first_out(three) == "sms"
    assert three.acknowledge().simulation.monitor.view().overall.first_out is None


def test_a_suppressed_alarm_is_first_of_nothing(three):
    fails(three, "sms").advance(300)
    three.simulation.tell(Shelve(three.now, "sms", True, by="analyst", origin="cli"))
    assert first_out(three) is None
    fails(three, "mfa").advance(300)
    assert first_out(three) == "mfa"
    three.simulation.tell(Shelve(three.now, "sms", False, by="analyst", origin="cli"))
    three.advance(120)
    assert first_out(three) == "mfa"


def test_a_service_that_hangs_on_another_is_not_the_first(make_harness, make_endpoint):
    parent = make_endpoint("idp", "sign-in", Evidence.SYMPTOM)
    child = make_endpoint("app", "sign-in", Evidence.SYMPTOM, depends_on=("idp/sign-in",))
    services = (Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, child))
    harness = make_harness(*services).advance(200)
    fails(harness, "idp").advance(120).acknowledge().clear_effects()
    fails(harness, "app").advance(300)
    assert harness.lamps == {"red": "fast"}
    assert (harness.announcements, first_out(harness)) == ([], None)


def test_what_hangs_on_a_shelved_service_is_an_alarm(make_harness, make_endpoint):
    parent = make_endpoint("idp", "sign-in", Evidence.SYMPTOM)
    child = make_endpoint("app", "sign-in", Evidence.SYMPTOM, depends_on=("idp/sign-in",))
    services = (Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, child))
    harness = make_harness(*services).advance(200)
    harness.simulation.tell(Shelve(harness.now, "idp", True, by="analyst", origin="cli"))
    fails(harness, "idp").advance(120)
    fails(harness, "app").advance(300)
    assert (harness.announcements, first_out(harness)) == (["opened"], "app")


def test_the_mark_survives_a_restart(three):
    fails(three, "sms").advance(300)
    fails(three, "mfa").advance(300)
    monitor = three.simulation.monitor
    again = Simulation(monitor.site, three.now)
    again.monitor.start(three.now, monitor.remember(three.now))
    assert again.monitor.view().overall.first_out == "sms"


def test_a_rehearsal_is_no_alarm_of_the_group(three):
    three.simulation.tell(Drill(three.now, True, by="analyst", origin="cli"))
    assert first_out(three) is None


# --- an acknowledgement is taken back ---------------------------------------------


def undo(harness, service=None):
    """Take it back; why not."""
    effects = harness.simulation.tell(
        Acknowledge(
            harness.now, by="eve", origin="mqtt", reason="handover", service=service, on=False
        )
    )
    harness.effects += effects
    return next(e.error for e in effects if isinstance(e, Answered))


@pytest.mark.parametrize("sequence", Sequence)
def test_it_flashes_at_once_and_sounds_again_after_a_minute(make_harness, sequence):
    harness = make_harness(sequence=sequence).advance(200)
    fails(harness, "mfa").advance(1000).acknowledge()
    harness.advance(3600).clear_effects()
    assert undo(harness) == ""
    assert harness.lamps == {"red": "fast", "amber": "fast"}
    assert (harness.incident.acknowledged, harness.incident.acknowledged_by) == (False, None)
    assert harness.incident.state.value == "open"
    assert first_out(harness) == "mfa"
    assert harness.announcements == ["unacknowledged"]
    harness.advance(59)
    assert harness.sounds == []
    harness.advance(260)
    assert harness.sounds == ["pulse"] * 5
    assert harness.acknowledge().lamps == {"red": "steady", "amber": "slow"}


def test_only_an_acknowledged_open_incident_can_ask_again(three):
    none = "no open incident is acknowledged"
    assert undo(three) == none
    fails(three, "sms").advance(300)
    assert undo(three) == none, "nobody has acknowledged it"
    three.acknowledge()
    assert undo(three, "mfa") == none
    assert undo(three, "nope") == "no service 'nope'; there is: mfa, sms, mail"
    three.script(Reason.OK, "sms/sign-in").advance(OVER)
    before = three.simulation.monitor.remember(three.now)
    assert undo(three, "sms") == none, "it is closed"
    assert three.simulation.monitor.remember(three.now) == before


def test_one_service_asks_again_and_the_other_does_not(three):
    fails(three, "sms").advance(300)
    fails(three, "mfa").advance(300).acknowledge()
    assert undo(three, "mfa") == ""
    asking = [i.service for i in three.simulation.monitor.view().incidents if not i.acknowledged]
    assert asking == ["mfa"]


def test_taken_back_while_recovering_it_locks_in(make_harness):
    harness = fails(make_harness().advance(200), "mfa").advance(300).acknowledge()
    harness.script(Reason.OK, "mfa/sign-in").advance(300).clear_effects()
    assert undo(harness) == ""
    assert harness.incident.state.value == "recovering"
    harness.advance(OVER)
    assert harness.lamps == {"green": "steady", "amber": "fast"}
    assert harness.sounds == []


def test_taken_back_while_suppressed_it_asks_only_afterwards(make_harness):
    harness = fails(make_harness().advance(200), "mfa").advance(300).acknowledge()
    harness.simulation.tell(
        Shelve(harness.now, "mfa", True, by="analyst", origin="cli", seconds=600.0)
    )
    harness.clear_effects()
    assert undo(harness) == ""
    harness.advance(599)
    assert (harness.lamps, harness.sounds) == ({"blue": "steady"}, [])
    harness.advance(120)
    assert harness.lamps == {"red": "fast", "amber": "fast"}
    assert harness.sounds == ["pulse"]


def test_a_taken_back_acknowledgement_survives_a_restart(make_harness):
    harness = fails(make_harness().advance(200), "mfa").advance(300).acknowledge()
    undo(harness)
    monitor = harness.simulation.monitor
    again = type(harness)(Simulation(monitor.site, harness.now))
    again.effects += again.simulation.monitor.start(harness.now, monitor.remember(harness.now))
    fails(again, "mfa").advance(120)
    assert again.lamps == {"red": "fast", "amber": "fast"}
    assert "pulse" in again.sounds
    assert not again.incident.acknowledged


def test_a_rehearsed_acknowledgement_can_be_taken_back_too(make_harness):
    harness = make_harness().advance(200)
    harness.simulation.tell(Drill(harness.now, True, by="analyst", origin="cli"))
    assert undo(harness) == "no open incident is acknowledged"
    assert harness.acknowledge().lamps == {"red": "steady", "blue": "fast"}
    assert undo(harness) == ""
    assert harness.lamps == {"red": "fast", "blue": "fast"}
    assert harness.clear_effects().advance(61).sounds == ["pulse"]


def test_taken_back_it_does_not_become_the_first_beside_a_new_one(three):
    fails(three, "mfa").advance(300).acknowledge()
    fails(three, "sms").advance(300)
    assert undo(three, "mfa") == ""
    assert first_out(three) == "sms"
    three.simulation.tell(Acknowledge(three.now, by="analyst", origin="cli", service="sms"))
    assert first_out(three) is None


def test_the_first_out_that_escalates_stays_the_first(three):
    three.script(Reason.SLOW, "sms/sign-in").advance(300)
    fails(three, "mfa").advance(300)
    fails(three, "sms").advance(300)
    assert three.announcements[-1] == "escalated"
    assert first_out(three) == "sms"


def test_taken_back_while_it_hangs_on_something_else_makes_no_sound(make_harness, make_endpoint):
    parent = make_endpoint("idp", "sign-in", Evidence.SYMPTOM)
    child = make_endpoint("app", "sign-in", Evidence.SYMPTOM, depends_on=("idp/sign-in",))
    services = (Service(id=e.service, name=e.service, endpoints=(e,)) for e in (parent, child))
    harness = make_harness(*services).advance(200)
    harness.script(Reason.SLOW, "app/sign-in").advance(300).acknowledge()
    fails(harness, "idp").advance(120)
    fails(harness, "app").advance(300)
    assert harness.acknowledge().clear_effects().lamps == {"red": "steady"}
    assert undo(harness, "app") == ""
    assert harness.lamps["red"] == "fast"
    assert harness.advance(1800).sounds == []
