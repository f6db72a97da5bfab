"""Whoever asks for something is answered: done, or refused and why."""

from dataclasses import replace

import pytest

from beacon.core.effects import Announced, Announcement, Answered
from beacon.core.inputs import Acknowledge, Attest, Bypass, Drill, Maintenance, Shelve, Silence
from beacon.core.model import Attestation, Verdict
from beacon.core.views import SilenceChanged
from tests.core.operators import HOUR, ITEM, WHO, fail, mend, tell

REFUSED = [
    ((Acknowledge,), {"service": "nope"}, "no service 'nope'; there is: mfa"),
    ((Acknowledge,), {}, "nothing to acknowledge"),
    ((Acknowledge,), {"service": "nope", "on": False}, "no service 'nope'; there is: mfa"),
    ((Acknowledge,), {"on": False}, "no open incident is acknowledged"),
    ((Silence, True), {}, "no incident is open"),
    ((Silence, False), {}, "not silenced"),
    ((Bypass, "nope", True), {}, "no service 'nope'; there is: mfa"),
    ((Shelve, None, True), {}, "name the service to shelve"),
    ((Shelve, "nope", True), {}, "no service 'nope'; there is: mfa"),
    ((Shelve, "mfa", False), {}, "there is no shelving to end"),
    ((Maintenance, "nope", True), {}, "no service 'nope'"),
    ((Maintenance, None, False), {}, "there is no maintenance to end"),
    ((Bypass, "mfa", False), {}, "there is no bypass to end"),
    ((Attest, None), {}, "nothing to attest: the section `attest`"),
    ((Drill, False), {}, "no drill is on"),
    ((Drill, True), {"verdict": Verdict.OK}, "ok needs no rehearsal"),
]


@pytest.mark.parametrize(
    ("what", "more", "why"), REFUSED, ids=[f"{w[0].__name__}-{y}" for w, _, y in REFUSED]
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(make_room, what, more, why):
    room = make_room().passes(200)
    monitor = room.simulation.monitor
    before = monitor.view(), monitor.remember(room.now)
    assert tell(room, *what, **more).startswith(why)
    assert (monitor.view(), monitor.remember(room.now)) == before


@pytest.mark.parametrize("kind", [Shelve, Maintenance, Bypass])
def test_what_is_on_already_is_refused(make_room, kind):
    room = make_room().passes(200)
    assert tell(room, kind, "mfa", True) == ""
    assert "is on already" in tell(room, kind, "mfa", True)


def test_a_drill_is_refused_in_real_trouble_and_twice(make_room):
    room = make_room().passes(200)
    assert tell(room, Drill, True) == ""
    assert tell(room, Drill, True) == "a drill is on already"
    fail(room).passes(400)
    assert tell(room, Drill, True) == "something is really wrong: no time for a drill"


def test_an_unknown_or_ambiguous_attestation_is_refused(make_room):
    other = Attestation(id="tokens", name="Spare tokens")
    room = make_room(attest=(ITEM, other)).passes(200)
    assert tell(room, Attest, None) == "name what was tested: break-glass, tokens"
    assert tell(room, Attest, "x").startswith("nothing to attest by the name 'x'")


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ((Acknowledge,), {}),
        ((Acknowledge,), {"on": False}),
        ((Silence, True), {}),
        ((Silence, False), {}),
        ((Shelve, "mfa", False), {}),
        ((Drill, False), {}),
    ],
)
def test_commands_after_the_incident_are_refused_and_change_nothing(make_room, what, more):
    room = fail(make_room().passes(200)).passes(300).acknowledge()
    tell(room, Silence, True)
    mend(room).passes(HOUR)
    assert room.told[-1] == "closed"
    monitor = room.simulation.monitor
    before = monitor.view(), monitor.remember(room.now)
    assert tell(room, *what, **more) != ""
    assert (monitor.view(), monitor.remember(room.now)) == before


def test_an_answer_names_the_service_of_an_acknowledgement(make_room):
    room = fail(make_room().passes(200)).passes(300)
    assert tell(room, Acknowledge, service="mfa") == ""
    answer = [e for e in room.effects if isinstance(e, Answered)][-1]
    assert (answer.command, answer.service, answer.on) == ("acknowledge", "mfa", True)
    assert tell(room, Acknowledge, service="mfa", on=False) == ""
    assert not [e for e in room.effects if isinstance(e, Answered)][-1].on


def test_an_answer_carries_who_why_and_what(make_room):
    room = make_room().passes(200)
    tell(room, Bypass, "mfa", True, reason="vendor is down")
    answer = next(e for e in room.effects if isinstance(e, Answered))
    assert (answer.command, answer.by, answer.origin, answer.reason, answer.service) == (
        "bypass",
        "analyst",
        "cli",
        "vendor is down",
        "mfa",
    )


def test_a_refusal_names_what_there_is(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    assert tell(room, Shelve, "gate", True) == "no service 'gate'; there is: mfa, sms"


@pytest.mark.parametrize(
    ("event", "command", "error"),
    [
        (lambda at: Acknowledge(at, **WHO), "acknowledge", "nothing to acknowledge"),
        (lambda at: Silence(at, True, **WHO), "silence", "no incident is open"),
        (lambda at: Silence(at, False, **WHO), "silence", "not silenced"),
    ],
)
def test_what_is_refused_says_why_to_whom(make_room, event, command, error):
    room = make_room().passes(200)
    order = event(room.now)
    (answer,) = room.simulation.tell(order)
    assert (answer.at, answer.command, answer.ok, answer.on) == (room.now, command, False, order.on)
    assert (answer.by, answer.origin, answer.reason) == ("analyst", "cli", "because")
    assert answer.error == error


def test_what_is_done_says_so(make_room):
    room = fail(make_room().passes(200)).passes(300)
    effects = room.simulation.tell(Silence(room.now, True, **WHO, seconds=HOUR))
    until = room.now + HOUR
    silence = SilenceChanged(room.now, True, room.now, until, "analyst", "because")
    answer = Answered(room.now, "silence", True, "analyst", "cli", "", "because")
    assert effects == (silence, answer)
    assert room.simulation.tell(Silence(room.now, False, **WHO)) == (
        SilenceChanged(room.now, on=False),
        replace(answer, on=False),
    )
    effects = room.simulation.tell(Acknowledge(room.now, **WHO))
    told = next(e for e in effects if isinstance(e, Announced))
    assert told == Announced(
        room.now,
        Announcement.ACKNOWLEDGED,
        "mfa",
        Verdict.GRAY_FAILURE,
        room.incident,
        room.incident.cause,
        "analyst",
    )
    assert room.incident.acknowledged_at == room.now
    assert Answered(room.now, "acknowledge", True, "analyst", "cli", "", "because") in effects


def test_a_silence_ends_by_itself_to_the_second(make_room):
    room = fail(make_room().passes(200)).passes(300)
    room.simulation.tell(Silence(room.now, True, **WHO, seconds=600.0))
    room.forget().passes(599.9)
    assert not [e for e in room.effects if isinstance(e, SilenceChanged)]
    room.passes(0.1)
    ends = [e for e in room.effects if isinstance(e, SilenceChanged)]
    assert ends == [SilenceChanged(room.now, on=False)]
    assert tell(room, Silence, False) == "not silenced"


def test_acknowledging_one_service_leaves_the_others_asking(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    fail(room)
    fail(room, "sms").passes(300)
    tell(room, Acknowledge, service="sms")
    asking = {i.service: i.acknowledged for i in room.simulation.monitor.view().incidents}
    assert asking == {"mfa": False, "sms": True}
    assert room.lamps["red"] == "fast"
    room.forget().passes(300)
    assert room.sounds, "it goes on asking by sound"
