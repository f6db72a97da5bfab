"""What is published about services and incidents, and when it changes by itself."""

from itertools import pairwise

from beacon.core.effects import Announced, Announcement, IncidentChanged, OverallChanged
from beacon.core.inputs import Shelve, Silence
from beacon.core.model import Evidence, Reason, Service, Site, Verdict
from beacon.core.views import SilenceChanged

WHO = {"by": "analyst", "origin": "cli"}
MINUTE, HOUR = 60.0, 3600.0


def effects_of(harness, kind):
    return [e for e in harness.effects if isinstance(e, kind)]


def test_the_impact_is_published_every_minute_until_it_is_whole(make_harness, usual_service):
    harness = make_harness(usual_service(session_lifetime=600.0)).advance(200)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(11).clear_effects().advance(30 * MINUTE)
    changes = effects_of(harness, IncidentChanged)
    impacts = [e.incident.impact for e in changes]
    assert impacts == sorted(impacts)
    assert impacts[-1] == 1.0
    steps = [b.at - a.at for a, b in pairwise(changes)]
    assert all(step <= MINUTE for step in steps)
    assert changes[-1].at <= changes[0].incident.since + 600.0 + MINUTE
    assert all(e.others == 0 for e in changes)


def test_amber_has_no_impact_to_wait_for(make_harness, usual_service):
    harness = make_harness(usual_service(session_lifetime=600.0)).advance(200)
    harness.script(Reason.SLOW, "mfa/sign-in").advance(5 * MINUTE).clear_effects().advance(
        30 * MINUTE
    )
    assert harness.incident.impact is None
    assert effects_of(harness, IncidentChanged) == []


def test_one_incident_is_shown_and_the_others_are_counted(make_harness, usual_service):
    harness = make_harness(*map(usual_service, ("mfa", "sms", "vpn"))).advance(200)
    assert effects_of(harness, IncidentChanged) == []
    for name, others in (("mfa", 0), ("sms", 1), ("vpn", 2)):
        harness.script(Reason.DEADLINE, f"{name}/sign-in").advance(MINUTE)
        assert effects_of(harness, IncidentChanged)[-1].others == others
        assert effects_of(harness, IncidentChanged)[-1].incident.service == "mfa", "the oldest"
    assert [i.number for i in harness.simulation.monitor.view().incidents] == [1, 2, 3]


def test_of_what_failed_while_shelved_the_first_is_named(make_harness, make_endpoint):
    parts = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, region=n) for n in ("b", "a", "c"))
    harness = make_harness(Service(id="mfa", name="", endpoints=parts)).advance(200)
    harness.simulation.tell(Shelve(harness.now, "mfa", True, **WHO))
    for name in ("c", "a", "b"):
        harness.script(Reason.DEADLINE, f"mfa/{name}").advance(5 * MINUTE)
    harness.simulation.tell(Shelve(harness.now, "mfa", False, **WHO))
    assert harness.advance(5 * MINUTE).incident.first_out == "mfa/c"


def test_blindness_is_announced_with_its_cause_and_sight_without(make_harness, three_witnesses):
    harness = make_harness(witnesses=three_witnesses).advance(200)
    names = ("witness/canary-a", "witness/canary-b", "mfa/sign-in", "mfa/health", "mfa/vendor")
    harness.advance(1).script(Reason.CONNECT_TIMEOUT, *names).advance(5 * MINUTE)
    blind = effects_of(harness, Announced)[-1]
    assert (blind.what, blind.service, blind.cause) == (Announcement.BLIND, "mfa", "own network")
    assert (blind.verdict, blind.incident, blind.by) == (Verdict.BLIND, None, None)
    harness.script(Reason.OK, *names).advance(5 * MINUTE)
    sighted = effects_of(harness, Announced)[-1]
    assert (sighted.what, sighted.cause, sighted.verdict) == (
        Announcement.SIGHTED,
        None,
        Verdict.OK,
    )


def test_what_cannot_be_asked_from_the_start_is_blind_and_no_longer_starting(make_harness):
    harness = make_harness().script(Reason.INTERNAL_ERROR, "mfa/sign-in").advance(110)
    assert harness.lamps == {"white": "slow"}
    harness.advance(20)
    assert harness.lamps == {"white": "steady"}, (
        "three errors in a row: it is not starting any more"
    )
    assert harness.announcements == ["blind"]
    assert not harness.service().starting
    assert harness.advance(301).sounds == ["chirp"]


def test_one_factor_alone_is_named(make_harness, make_endpoint):
    parts = tuple(make_endpoint("mfa", n, Evidence.SYMPTOM, factor=n) for n in ("push", "sms"))
    harness = make_harness(Service(id="mfa", name="", endpoints=parts)).advance(200)
    harness.script(Reason.DEADLINE, "mfa/sms").advance(5 * MINUTE)
    assert (harness.service().cause, harness.service().partial) == ("factor", True)
    assert harness.service().cells == (("push", "up"), ("sms", "down"))


def test_a_service_that_goes_while_it_recovers_takes_its_hold_along(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100)
    harness.script(Reason.OK, "mfa/sign-in").advance(3 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING
    monitor = harness.simulation.monitor
    harness.effects += monitor.reconfigure(
        Site(id="soc", services=(usual_service("sms"),)), harness.now
    )
    closed = effects_of(harness, Announced)[-1]
    assert (closed.what, closed.service, closed.at) == (Announcement.CLOSED, "mfa", harness.now)
    assert closed.incident.closed_at == harness.now
    harness.advance(HOUR)
    assert [s.id for s in monitor.view().services] == ["sms"]
    assert harness.lamps == {"green": "steady"}


def test_a_beacon_without_services_is_blind(make_harness):
    harness = make_harness()
    harness.effects += harness.simulation.monitor.reconfigure(Site(id="soc"), harness.now)
    overall = effects_of(harness, OverallChanged)[-1].overall
    assert (overall.verdict, overall.services, overall.blind) == (Verdict.BLIND, (), False)


def test_the_overall_verdict_says_since_when(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    harness.script(Reason.DEADLINE, "mfa/sign-in").advance(100)
    since = harness.simulation.monitor.view().overall.since
    assert since == harness.incident.since
    harness.script(Reason.SLOW, "sms/sign-in").advance(10 * MINUTE)
    assert harness.simulation.monitor.view().overall.since == since


def test_the_silence_ends_with_the_last_incident_and_not_before(make_harness, usual_service):
    harness = make_harness(usual_service("mfa"), usual_service("sms")).advance(200)
    harness.script(Reason.SLOW, "mfa/sign-in", "sms/sign-in").advance(5 * MINUTE)
    harness.simulation.tell(Silence(harness.now, True, **WHO))
    harness.script(Reason.OK, "mfa/sign-in").clear_effects().advance(10 * MINUTE)
    assert harness.announcements == ["closed"]
    assert effects_of(harness, SilenceChanged) == []
    harness.script(Reason.OK, "sms/sign-in").advance(10 * MINUTE)
    (ended,) = effects_of(harness, SilenceChanged)
    assert (ended.on, ended.at) == (False, effects_of(harness, Announced)[-1].at)
