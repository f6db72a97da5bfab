"""The room: what is told of services and incidents, and when it changes by itself."""

from itertools import pairwise

from beacon.core.effects import Announced, Announcement, IncidentChanged, OverallChanged
from beacon.core.inputs import Shelve, Silence
from beacon.core.model import Evidence, Reason, Service, Site, Verdict
from beacon.core.views import SilenceChanged

WHO = {"by": "analyst", "origin": "cli"}
MINUTE, HOUR = 60.0, 3600.0


def told(room, kind):
    return [e for e in room.effects if isinstance(e, kind)]


def test_the_impact_is_told_every_minute_until_it_is_whole(make_room, usual_service):
    room = make_room(usual_service(session_lifetime=600.0)).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(11).forget().passes(30 * MINUTE)
    changes = told(room, IncidentChanged)
    impacts = [e.incident.impact for e in changes]
    assert impacts == sorted(impacts)
    assert impacts[-1] == 1.0
    steps = [b.at - a.at for a, b in pairwise(changes)]
    assert all(step <= MINUTE for step in steps)
    assert changes[-1].at <= changes[0].incident.since + 600.0 + MINUTE
    assert all(e.others == 0 for e in changes)


def test_amber_has_no_impact_to_wait_for(make_room, usual_service):
    room = make_room(usual_service(session_lifetime=600.0)).passes(200)
    room.cue(Reason.SLOW, "mfa/sign-in").passes(5 * MINUTE).forget().passes(30 * MINUTE)
    assert room.incident.impact is None
    assert told(room, IncidentChanged) == []


def test_one_incident_is_shown_and_the_others_are_counted(make_room, usual_service):
    room = make_room(*map(usual_service, ("mfa", "sms", "vpn"))).passes(200)
    assert told(room, IncidentChanged) == []
    for name, others in (("mfa", 0), ("sms", 1), ("vpn", 2)):
        room.cue(Reason.DEADLINE, f"{name}/sign-in").passes(MINUTE)
        assert told(room, IncidentChanged)[-1].others == others
        assert told(room, IncidentChanged)[-1].incident.service == "mfa", "the oldest"
    assert [i.number for i in room.simulation.monitor.view().incidents] == [1, 2, 3]


def test_of_what_fell_while_nobody_was_told_the_first_is_named(make_room, make_endpoint):
    parts = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("b", "a", "c"))
    room = make_room(Service(id="mfa", name="", endpoints=parts)).passes(200)
    room.simulation.tell(Shelve(room.now, "mfa", True, **WHO))
    for name in ("c", "a", "b"):
        room.cue(Reason.DEADLINE, f"mfa/{name}").passes(5 * MINUTE)
    room.simulation.tell(Shelve(room.now, "mfa", False, **WHO))
    assert room.passes(5 * MINUTE).incident.first_out == "mfa/c"


def test_blindness_is_told_with_its_cause_and_sight_without(make_room, three_witnesses):
    room = make_room(witnesses=three_witnesses).passes(200)
    names = ("witness/canary-a", "witness/canary-b", "mfa/sign-in", "mfa/health", "mfa/vendor")
    room.passes(1).cue(Reason.CONNECT_TIMEOUT, *names).passes(5 * MINUTE)
    blind = told(room, Announced)[-1]
    assert (blind.what, blind.service, blind.cause) == (Announcement.BLIND, "mfa", "own network")
    assert (blind.verdict, blind.incident, blind.by) == (Verdict.BLIND, None, None)
    room.cue(Reason.OK, *names).passes(5 * MINUTE)
    sighted = told(room, Announced)[-1]
    assert (sighted.what, sighted.cause, sighted.verdict) == (
        Announcement.SIGHTED,
        None,
        Verdict.OK,
    )


def test_what_cannot_be_asked_from_the_start_is_blind_and_no_longer_starting(make_room):
    room = make_room().cue(Reason.INTERNAL_ERROR, "mfa/sign-in").passes(110)
    assert room.lamps == {"white": "slow"}
    room.passes(20)
    assert room.lamps == {"white": "steady"}, "three errors in a row: it is not starting any more"
    assert room.told == ["blind"]
    assert not room.service().starting
    assert room.passes(301).sounds == ["chirp"]


def test_one_factor_alone_is_named(make_room, make_endpoint):
    parts = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, factor=n) for n in ("push", "sms"))
    room = make_room(Service(id="mfa", name="", endpoints=parts)).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sms").passes(5 * MINUTE)
    assert (room.service().cause, room.service().partial) == ("factor", True)
    assert room.service().cells == (("push", "up"), ("sms", "down"))


def test_a_service_that_goes_while_it_recovers_takes_its_hold_along(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    room.cue(Reason.OK, "mfa/sign-in").passes(3 * MINUTE)
    assert room.verdict() is Verdict.RECOVERING
    monitor = room.simulation.monitor
    room.effects += monitor.reconfigure(Site(id="soc", services=(usual_service("sms"),)), room.now)
    closed = told(room, Announced)[-1]
    assert (closed.what, closed.service, closed.at) == (Announcement.CLOSED, "mfa", room.now)
    assert closed.incident.closed_at == room.now
    room.passes(HOUR)
    assert [s.id for s in monitor.view().services] == ["sms"]
    assert room.lamps == {"green": "steady"}


def test_a_room_without_services_is_blind(make_room):
    room = make_room()
    room.effects += room.simulation.monitor.reconfigure(Site(id="soc"), room.now)
    overall = told(room, OverallChanged)[-1].overall
    assert (overall.verdict, overall.services, overall.blind) == (Verdict.BLIND, (), False)


def test_the_overall_verdict_says_since_when(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    room.cue(Reason.DEADLINE, "mfa/sign-in").passes(100)
    since = room.simulation.monitor.view().overall.since
    assert since == room.incident.since
    room.cue(Reason.SLOW, "sms/sign-in").passes(10 * MINUTE)
    assert room.simulation.monitor.view().overall.since == since


def test_the_silence_ends_with_the_last_incident_and_not_before(make_room, usual_service):
    room = make_room(usual_service("mfa"), usual_service("sms")).passes(200)
    room.cue(Reason.SLOW, "mfa/sign-in", "sms/sign-in").passes(5 * MINUTE)
    room.simulation.tell(Silence(room.now, True, **WHO))
    room.cue(Reason.OK, "mfa/sign-in").forget().passes(10 * MINUTE)
    assert room.told == ["closed"]
    assert told(room, SilenceChanged) == []
    room.cue(Reason.OK, "sms/sign-in").passes(10 * MINUTE)
    (ended,) = told(room, SilenceChanged)
    assert (ended.on, ended.at) == (False, told(room, Announced)[-1].at)
