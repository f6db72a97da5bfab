"""Whoever asks for something is answered: done, or refused and why."""

from dataclasses import replace

import pytest

from beacon.core.effects import Announced, Announcement, Answered
from beacon.core.inputs import Acknowledge, Attest, Bypass, Drill, Maintenance, Shelve, Silence
from beacon.core.model import Attestation, Verdict
from beacon.core.views import SilenceChanged
from tests.core.operators import HOUR, ITEM, WHO, fail, mend, operate

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
def test_what_makes_no_sense_is_refused_and_changes_nothing(make_harness, what, more, why):
    harness = make_harness().advance(200)
    monitor = harness.simulation.monitor
    before = monitor.view(), monitor.remember(harness.now)
    assert operate(harness, *what, **more).startswith(why)
    assert (monitor.view(), monitor.remember(harness.now)) == before


@pytest.mark.parametrize("kind", [Shelve, Maintenance, Bypass])
def test_what_is_on_already_is_refused(make_harness, kind):
    harness = make_harness().advance(200)
    assert operate(harness, kind, "mfa", True) == ""
    assert "is on already" in operate(harness, kind, "mfa", True)


def test_a_drill_is_refused_in_real_trouble_and_twice(make_harness):
    harness = make_harness().advance(200)
    assert operate(harness, Drill, True) == ""
    assert operate(harness, Drill, True) == "a drill is on already"
    fail(harness).advance(400)
    assert operate(harness, Drill, True) == "something is really wrong: no time for a drill"


def test_an_unknown_or_ambiguous_attestation_is_refused(make_harness):
    other = Attestation(id="tokens", name="Spare tokens")
    harness = make_harness(attest=(ITEM, other)).advance(200)
    assert operate(harness, Attest, None) == "name what was tested: break-glass, tokens"
    assert operate(harness, Attest, "x").startswith("nothing to attest by the name 'x'")


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
def test_commands_after_the_incident_are_refused_and_change_nothing(make_harness, what, more):
    harness = fail(make_harness().advance(200)).advance(300).acknowledge()
    operate(harness, Silence, True)
    mend(harness).advance(HOUR)
    assert harness.announcements[-1] == "closed"
    monitor = harness.simulation.monitor
    before = monitor.view(), monitor.remember(harness.now)
    assert operate(harness, *what, **more) != ""
    assert (monitor.view(), monitor.remember(harness.now)) == before


def test_an_answer_names_the_service_of_an_acknowledgement(make_harness):
    harness = fail(make_harness().advance(200)).advance(300)
    assert operate(harness, Acknowledge, service="mfa") == ""
    answer = [e for e in harness.effects if isinstance(e, Answered)][-1]
    assert (answer.command, answer.service, answer.on) == ("acknowledge", "mfa", True)
    assert operate(harness, Acknowledge, service="mfa", on=False) == ""
    assert not [e for e in harness.effects if isinstance(e, Answered)][-1].on


def test_an_answer_carries_who_why_and_what(make_harness):
    harness = make_harness().advance(200)
    operate(harness, Bypass, "mfa", True, reason="vendor is down")
    answer = next(e for e in harness.effects if isinstance(e, Answered))
    assert (answer.command, answer.by, answer.origin, answer.reason, answer.service) == (
        "bypass",
        "analyst",
        "cli",
        "vendor is down",
        "mfa",
    )


def test_a_refusal_names_what_there_is(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    assert operate(harness, Shelve, "gate", True) == "no service 'gate'; there is: mfa, sms"


@pytest.mark.parametrize(
    ("event", "command", "error"),
    [
        (lambda at: Acknowledge(at, **WHO), "acknowledge", "nothing to acknowledge"),
        (lambda at: Silence(at, True, **WHO), "silence", "no incident is open"),
        (lambda at: Silence(at, False, **WHO), "silence", "not silenced"),
    ],
)
def test_what_is_refused_says_why_to_whom(make_harness, event, command, error):
    harness = make_harness().advance(200)
    order = event(harness.now)
    (answer,) = harness.simulation.tell(order)
    assert (answer.at, answer.command, answer.ok, answer.on) == (
        harness.now,
        command,
        False,
        order.on,
    )
    assert (answer.by, answer.origin, answer.reason) == ("analyst", "cli", "because")
    assert answer.error == error


def test_what_is_done_says_so(make_harness):
    harness = fail(make_harness().advance(200)).advance(300)
    effects = harness.simulation.tell(Silence(harness.now, True, **WHO, seconds=HOUR))
    until = harness.now + HOUR
    silence = SilenceChanged(harness.now, True, harness.now, until, "analyst", "because")
    answer = Answered(harness.now, "silence", True, "analyst", "cli", "", "because")
    assert effects == (silence, answer)
    assert harness.simulation.tell(Silence(harness.now, False, **WHO)) == (
        SilenceChanged(harness.now, on=False),
        replace(answer, on=False),
    )
    effects = harness.simulation.tell(Acknowledge(harness.now, **WHO))
    announced = next(e for e in effects if isinstance(e, Announced))
    assert announced == Announced(
        harness.now,
        Announcement.ACKNOWLEDGED,
        "mfa",
        Verdict.GRAY_FAILURE,
        harness.incident,
        harness.incident.cause,
        "analyst",
    )
    assert harness.incident.acknowledged_at == harness.now
    assert Answered(harness.now, "acknowledge", True, "analyst", "cli", "", "because") in effects


def test_a_silence_ends_by_itself_to_the_second(make_harness):
    harness = fail(make_harness().advance(200)).advance(300)
    harness.simulation.tell(Silence(harness.now, True, **WHO, seconds=600.0))
    harness.clear_effects().advance(599.9)
    assert not [e for e in harness.effects if isinstance(e, SilenceChanged)]
    harness.advance(0.1)
    ends = [e for e in harness.effects if isinstance(e, SilenceChanged)]
    assert ends == [SilenceChanged(harness.now, on=False)]
    assert operate(harness, Silence, False) == "not silenced"


def test_acknowledging_one_service_leaves_the_others_asking(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    fail(harness)
    fail(harness, "sms").advance(300)
    operate(harness, Acknowledge, service="sms")
    asking = {i.service: i.acknowledged for i in harness.simulation.monitor.view().incidents}
    assert asking == {"mfa": False, "sms": True}
    assert harness.lamps["red"] == "fast"
    harness.clear_effects().advance(300)
    assert harness.sounds, "it goes on asking by sound"
