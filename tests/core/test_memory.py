"""A restart: what was bad is held, what was good must be seen again, nothing sounds anew."""

import math
import re
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beacon.core.account.budget import AccountBudget
from beacon.core.account.control import ControlKept
from beacon.core.account.guard import SignInGuard
from beacon.core.effects import (
    Announced,
    Announcement,
    IncidentChanged,
    OverallChanged,
    Postpone,
    Sounded,
)
from beacon.core.endpoint.flapping import Flapping
from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble
from beacon.core.failing_share import ShareKept
from beacon.core.indication import Colour, Pattern, Sound
from beacon.core.inputs import (
    Acknowledge,
    Bypass,
    Maintenance,
    Observed,
    QuietHours,
    Shelve,
    Silence,
    TimePassed,
)
from beacon.core.memory import Memory, PaidReading
from beacon.core.model import (
    Endpoint,
    Evidence,
    Health,
    Moment,
    Outcome,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.monitor import Monitor
from beacon.core.service.blind import BlindKept
from beacon.core.service.held_back import Suppression
from beacon.core.service.hold import VerdictKept
from beacon.core.service.incident import Incident
from beacon.core.service.roll_up import OverallKept
from beacon.core.service.service import ServiceKept
from beacon.core.tower.alarm import AlarmKept
from beacon.core.tower.buzzer import BuzzerKept
from beacon.core.tower.sequences import Stage, Turn
from beacon.core.views import (
    Arrivals,
    Cause,
    EndpointRead,
    IncidentState,
    IncidentView,
    Overlay,
    OverlayKind,
    SilenceChanged,
    VendorWord,
)
from beacon.replay.simulation import Simulation
from tests.core.conftest import shifted

HOUR, MINUTE = 3600.0, 60.0


@pytest.fixture
def restart():
    """Kill the beacon and start it again; return its first effects.

    `down` is how long it was dead.
    """

    def do(harness, down=0.0, changed=(), **how):
        effects = harness.simulation.restart(down, frozenset(changed), **how)
        harness.effects += effects
        return effects

    return do


@pytest.fixture
def in_outage(make_harness):
    """An hour of passes, then ten minutes without sign-ins."""
    harness = make_harness().advance(HOUR)
    return harness.script(Reason.DEADLINE, "mfa/sign-in").advance(10 * MINUTE)


def sounds(effects):
    return [e.sound.value for e in effects if isinstance(e, Sounded)]


def test_an_acknowledged_outage_is_red_steady_at_once_and_silent(in_outage, restart):
    harness = in_outage.acknowledge().advance(MINUTE)
    before, overall = harness.incident, harness.simulation.monitor.view().overall
    first = restart(harness.clear_effects(), down=40.0)
    assert harness.verdict() is Verdict.GRAY_FAILURE
    assert harness.lamps == {"red": "steady", "amber": "slow", "white": "slow"}
    assert harness.incident == before
    assert harness.incident.acknowledged_by == "analyst"
    shown = next(e.overall for e in first if isinstance(e, OverallChanged))
    assert (shown.since, shown.starting, shown.problem) == (overall.since, True, True)
    assert harness.service().proof_at == harness.now - 40.0, "when we stopped"
    assert [e.incident for e in first if isinstance(e, IncidentChanged)] == [before]
    harness.advance(2 * HOUR)
    assert harness.sounds == harness.announcements == []
    assert harness.lamps == {"red": "steady", "amber": "slow"}
    assert harness.incident.number == 1
    harness.script(Reason.OK, "mfa/sign-in").advance(HOUR)
    assert harness.announcements == ["recovering", "closed"]


def test_what_was_well_is_starting_until_it_is_read_again(make_harness, restart):
    harness = make_harness().advance(HOUR)
    restart(harness)
    assert (harness.verdict(), harness.lamps) == (Verdict.BLIND, {"white": "slow"})
    assert harness.service().since == harness.now
    harness.advance(10.0).script(Reason.OK, "mfa/sign-in", "mfa/vendor", "mfa/health").advance(1.0)
    assert (harness.verdict(), harness.lamps) == (Verdict.OK, {"green": "steady"})
    assert harness.sounds == harness.announcements == []


def test_an_unacknowledged_alarm_goes_on_asking_at_its_own_time(in_outage, restart):
    harness = in_outage.advance(7 * MINUTE)
    due = harness.simulation.monitor.remember(harness.now).alarms["mfa"]
    assert due.realarms == 5
    restart(harness.clear_effects(), down=20.0)
    assert harness.lamps["red"] == "fast"
    harness.advance(due.realarm_at - harness.now - 1.0)
    assert harness.sounds == []
    harness.advance(1.0)
    assert harness.sounds == ["pulse"]


def test_a_re_alarm_that_was_missed_sounds_once_and_not_at_once(in_outage, restart):
    harness = in_outage
    restart(harness.clear_effects(), down=5 * HOUR)
    assert harness.sounds == []
    harness.advance(4.0)
    assert harness.sounds == []
    harness.advance(10 * MINUTE)
    assert harness.sounds == ["pulse"]


def test_the_hold_does_not_run_while_we_are_dead(in_outage, restart):
    harness = in_outage.acknowledge().script(Reason.OK, "mfa/sign-in").advance(6 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING
    left = harness.simulation.monitor.remember(harness.now).services["mfa"].verdict.hold_left
    restart(harness.clear_effects(), down=HOUR)
    assert harness.verdict() is Verdict.RECOVERING
    assert "green" not in harness.lamps, "nothing is proved yet"
    harness.script(Reason.OK, "mfa/sign-in", "mfa/health").advance(left - 1.0)
    assert harness.announcements == []
    harness.advance(2 * MINUTE)
    assert harness.announcements == ["closed"]


def test_a_silence_goes_on_or_is_over(in_outage, restart):
    harness = in_outage
    harness.effects += harness.simulation.tell(
        Silence(harness.now, True, by="analyst", origin="cli", reason="call", seconds=1800.0)
    )
    began = next(e for e in harness.effects if isinstance(e, SilenceChanged))
    first = restart(harness, down=MINUTE)
    assert [e for e in first if isinstance(e, SilenceChanged)] == [began]
    harness.clear_effects().advance(20 * MINUTE)
    assert harness.sounds == []
    first = restart(harness.clear_effects(), down=HOUR)
    assert not [e for e in first if isinstance(e, SilenceChanged)]
    harness.advance(15 * MINUTE)
    assert harness.sounds


def test_what_was_inhibited_is_lit_and_silent_after_a_restart(make_harness, make_endpoint, restart):
    resolver = make_endpoint("dns", "resolver", Evidence.SYMPTOM)
    child = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, depends_on=("dns/resolver",))
    harness = make_harness(
        Service(id="dns", name="dns", endpoints=(resolver,)),
        Service(id="mfa", name="mfa", endpoints=(child,)),
    ).advance(10 * MINUTE)
    harness.script(Reason.DNS_TIMEOUT, "dns/resolver").advance(MINUTE)
    harness.acknowledge().script(Reason.DNS_TIMEOUT, "mfa/sign-in").advance(5 * MINUTE)
    restart(harness.clear_effects())
    assert harness.lamps["red"] == "fast"
    for on in (True, False):
        harness.effects += harness.simulation.tell(QuietHours(harness.now, on))
    assert harness.advance(5 * MINUTE).sounds == [], (
        "its trouble is explained, and was acknowledged"
    )


def test_lock_in_outlives_a_restart(in_outage, restart):
    harness = in_outage.script(Reason.OK, "mfa/sign-in").advance(HOUR)
    restart(harness)
    assert harness.lamps == {"amber": "fast", "white": "slow"}
    harness.advance(3 * MINUTE)
    assert harness.lamps == {"amber": "fast", "green": "steady"}
    assert harness.acknowledge().lamps == {"green": "steady"}


def test_a_sighted_blindness_is_announced_after_a_restart(make_harness, restart):
    harness = (
        make_harness()
        .advance(HOUR)
        .script(Reason.INTERNAL_ERROR, "mfa/sign-in")
        .advance(5 * MINUTE)
    )
    assert harness.announcements == ["blind"]
    restart(harness.clear_effects())
    assert harness.simulation.monitor.view().overall.since == harness.now, "nothing bad to keep"
    harness.script(Reason.OK, "mfa/sign-in").advance(2 * MINUTE)
    assert harness.announcements == ["sighted"]


def test_a_service_that_is_watched_no_longer_ends_its_incident(in_outage, usual_service):
    memory = in_outage.simulation.monitor.remember(in_outage.now)
    other = Monitor(Site(id="soc", services=(usual_service("sms"),)))
    first = other.start(in_outage.now, memory)
    announced = [e for e in first if isinstance(e, Announced)]
    assert [(e.what.value, e.service) for e in announced] == [("closed", "mfa")]
    assert announced[0].incident.closed_at == in_outage.now
    assert other.view().incidents == ()
    assert other.view().indication.light(Colour.RED).pattern is Pattern.OFF


def test_an_endpoint_that_is_asked_something_else_starts_afresh(in_outage, restart):
    restart(in_outage, changed=["mfa/sign-in"])
    kept = in_outage.simulation.monitor.remember(in_outage.now).endpoints
    assert kept["mfa/sign-in"].health is None
    assert not kept["mfa/sign-in"].guard.proven
    assert kept["mfa/health"].health is Health.UP
    assert in_outage.verdict() is Verdict.GRAY_FAILURE, "held until it is read"


@pytest.fixture
def watched_users(make_harness, make_endpoint):
    """A sign-in, and what users do, which looks back half an hour."""
    users = make_endpoint(
        *("mfa", "users", Evidence.SYMPTOM),
        interval=300.0,
        hindsight=1800.0,
        failure_threshold=1,
        retry_interval=None,
    )
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM)
    return make_harness(Service(id="mfa", name="mfa", endpoints=(sign_in, users)))


def test_users_who_failed_are_held_until_they_are_read_again(watched_users, restart):
    harness = (
        watched_users.advance(HOUR).script(Reason.SUCCESS_RATIO_LOW, "mfa/users").advance(MINUTE)
    )
    assert harness.verdict() is Verdict.OUTAGE
    restart(harness.script(None, "mfa/users"), down=40.0)
    harness.advance(5 * MINUTE)
    assert (harness.verdict(), harness.service().blind) == (Verdict.OUTAGE, True)
    harness.script(Reason.OK, "mfa/users").advance(10 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING


def test_what_is_over_by_fresher_proof_is_so_after_a_restart(watched_users, restart):
    harness = (
        watched_users.advance(HOUR).script(Reason.DEADLINE, "mfa/sign-in").advance(20 * MINUTE)
    )
    (cited,) = harness.incident.causes[0].readings
    assert (harness.incident.cause, cited.at) == ("unknown", harness.now - 20 * MINUTE)
    harness.script(Reason.SUCCESS_RATIO_LOW, "mfa/users").advance(20 * MINUTE)
    past = "mfa/users tells of the past: "
    why = harness.simulation.monitor.explain("mfa").why
    assert f"{past}it may raise the verdict, and never clears it" in why
    harness.script(Reason.OK, "mfa/sign-in").advance(5 * MINUTE)
    assert harness.verdict() is Verdict.RECOVERING
    why = harness.simulation.monitor.explain("mfa").why
    assert f"{past}of a time before a sign-in came up again, so it does not count" in why
    restart(harness.script(None, "mfa/users"), down=40.0)
    harness.advance(20 * MINUTE)
    assert (harness.verdict(), harness.service().blind) == (Verdict.OK, False)


def test_a_cause_explains_what_is_read_late(make_harness, make_endpoint):
    spf = make_endpoint("mfa", "spf", Evidence.CAUSE, kind="dns", failure_threshold=1)
    page = make_endpoint("mfa", "page", Evidence.HEALTH)
    users = make_endpoint(
        "mfa", "users", Evidence.SYMPTOM, interval=300.0, hindsight=1800.0, failure_threshold=1
    )
    service = Service(id="mfa", name="mfa", endpoints=(users, page, spf))
    assert Site(id="soc", services=(service,)).affected() == {"mfa/spf": ("mfa/users", "mfa/page")}
    harness = make_harness(service).advance(HOUR).script(Reason.SPF_MISSING, "mfa/spf")
    harness.advance(30 * MINUTE).script(Reason.SUCCESS_RATIO_LOW, "mfa/users").advance(MINUTE)
    assert (harness.verdict(), harness.incident.cause) == (Verdict.OUTAGE, "dns")
    assert harness.incident.causes[0].explains
    arrivals = harness.service().arrivals
    assert [counts.delivery for counts in arrivals] == ["mfa/page"], "users are no delivery"


def test_nothing_is_starting_for_want_of_what_may_not_clear(watched_users):
    watched_users.script(None, "mfa/users").advance(2 * MINUTE)
    assert (watched_users.verdict(), watched_users.service().starting) == (Verdict.OK, False)


def test_a_part_is_not_called_the_whole_before_the_rest_is_read(
    make_harness, make_endpoint, restart
):
    """One of two regions was down and acknowledged; after the restart it is read first."""
    service = Service(
        id="mfa",
        name="mfa",
        endpoints=tuple(
            make_endpoint("mfa", region, Evidence.SYMPTOM, region=region, retry_interval=5.0)
            for region in ("emea", "apac")
        ),
    )
    harness = (
        make_harness(service).advance(HOUR).script(Reason.DEADLINE, "mfa/emea").advance(10 * MINUTE)
    )
    harness.acknowledge()
    assert harness.verdict() is Verdict.DEGRADED
    restart(harness.clear_effects())
    harness.script(None, "mfa/apac").advance(2 * MINUTE)
    assert harness.service().endpoints == (("mfa/emea", "down"), ("mfa/apac", "unknown"))
    assert (harness.verdict(), harness.sounds) == (Verdict.DEGRADED, [])
    harness.script(Reason.OK, "mfa/apac").advance(1.0)
    assert (harness.verdict(), harness.sounds) == (Verdict.DEGRADED, [])
    harness.script(Reason.DEADLINE, "mfa/apac").advance(5 * MINUTE)
    assert harness.verdict() is Verdict.OUTAGE
    assert harness.sounds[0] == "three_pulses"


# --- the sign-in guard ------------------------------------------------------------


@pytest.fixture
def stopped(make_harness):
    """A sign-in that was rejected until the guard stopped it."""
    harness = make_harness().advance(HOUR)
    harness.script(Reason.SIGN_IN_REJECTED, "mfa/sign-in").advance(2 * HOUR)
    assert "guard_stopped" in harness.service().overlays
    return harness.acknowledge()


def test_a_crash_does_not_let_a_stopped_sign_in_run(stopped, restart):
    held, incident = stopped.verdict(), stopped.incident
    first = restart(stopped.clear_effects())
    assert [e.until for e in first if isinstance(e, Postpone)] == [float("inf")]
    reports = [e for e in first if isinstance(e, EndpointRead)]
    assert [(e.endpoint, e.reading.reason) for e in reports] == [
        ("mfa/sign-in", Reason.GUARD_STOPPED)
    ]
    assert (stopped.verdict(), stopped.incident) == (held, incident)
    assert stopped.service().explanation == "mfa/sign-in: sign_in_rejected"
    assert stopped.lamps["blue"] == "steady"
    assert "white" not in stopped.lamps, "what the guard stopped is held, not unknown"
    assert stopped.sounds == []


def test_whoever_restarts_it_in_order_lets_it_try_once(stopped, restart):
    restart(stopped.clear_effects(), resume=True)
    assert "guard_stopped" not in stopped.service().overlays
    stopped.script(Reason.SIGN_IN_REJECTED, "mfa/sign-in").advance(2 * MINUTE)
    assert "guard_stopped" in stopped.service().overlays
    assert stopped.sounds == []


def test_restarts_in_a_row_are_not_tries_in_a_row(stopped, restart):
    restart(stopped, resume=True)
    stopped.script(Reason.SIGN_IN_REJECTED, "mfa/sign-in").advance(1.0)
    first = restart(stopped, resume=True)
    [rest] = [e for e in first if isinstance(e, Postpone)]
    assert stopped.now + 590.0 <= rest.until <= stopped.now + 600.0


# --- moments ----------------------------------------------------------------------


def test_every_moment_shifts_and_nothing_else(in_outage):
    before = in_outage.simulation.monitor.remember(in_outage.now)
    assert shifted(before, 100.0).buzzer.opened_at == before.buzzer.opened_at + 100
    harness = in_outage.acknowledge()
    memory = harness.simulation.monitor.remember(harness.now)
    later = shifted(memory, 100.0)
    assert shifted(later, -100.0) == memory
    one, other = memory.services["mfa"], later.services["mfa"]
    assert other.verdict.since == one.verdict.since + 100
    assert other.incident.view.acknowledged_at == one.incident.view.acknowledged_at + 100
    assert other.incident.view.number == one.incident.view.number
    assert other.verdict.red_seconds == one.verdict.red_seconds
    assert later.at == memory.at + 100


def test_moments_in_tuples_shift_and_never_stays_never():
    kept = EndpointKept(since=2.0)
    memory = Memory(at=1.0, endpoints={"a/b": kept}, buzzer=BuzzerKept(spent=(3.0,)))
    later = shifted(memory, 5.0)
    assert later.endpoints["a/b"] == replace(kept, since=7.0), "never stays never"
    assert later.buzzer.spent == (8.0,)


@dataclass(frozen=True)
class Dated:
    at: Moment
    seconds: float
    last: Moment | None = None
    spent: tuple[Moment, ...] = ()
    by_name: dict[str, Moment] = field(default_factory=dict)


def test_a_moment_is_found_wherever_it_is():
    one = Dated(1.0, 2.0, None, (3.0, 4.0), {"a": 5.0})
    assert shifted(one, 10.0) == Dated(11.0, 2.0, None, (13.0, 14.0), {"a": 15.0})
    assert shifted(Dated(1.0, 2.0, 3.0), 10.0).last == 13.0


def test_a_steady_reading_leaves_all_that_is_kept_as_it_is(make_harness, make_endpoint):
    """So nothing is written: the SD card wears. Counts of codes are written with the baselines."""
    spf = make_endpoint("mfa", "spf", Evidence.CAUSE, kind="dns")
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, sign_in=True)
    slow = make_endpoint("mfa", "slow", Evidence.HEALTH)
    harness = make_harness(Service(id="mfa", name="mfa", endpoints=(sign_in, slow, spf)))
    harness.script(Reason.DEADLINE, "mfa/slow").advance(HOUR)
    before = harness.simulation.monitor.remember(harness.now)
    harness.advance(HOUR)
    after = harness.simulation.monitor.remember(harness.now)
    assert before.arrivals != after.arrivals
    assert all(after.endpoints[name] is kept for name, kept in before.endpoints.items())
    assert (after.alarms, after.buzzer) == (before.alarms, before.buzzer)


# --- any story --------------------------------------------------------------------

NAMES = {
    "mfa/a": Evidence.SYMPTOM,
    "mfa/b": Evidence.SYMPTOM,
    "mfa/users": Evidence.SYMPTOM,
    "mfa/health": Evidence.HEALTH,
    "mfa/vendor": Evidence.CLAIM,
    "sms/send": Evidence.SYMPTOM,
    "witness/one": Evidence.WITNESS,
    "witness/two": Evidence.WITNESS,
}
REASONS = (
    Reason.OK,
    Reason.OK,
    Reason.SLOW,
    Reason.DEADLINE,
    Reason.DEADLINE,
    Reason.SIGN_IN_REJECTED,
    Reason.CERTIFICATE_EXPIRING,
    Reason.INTERNAL_ERROR,
    Reason.SAMPLE_TOO_SMALL,
)


def site():
    def members(service):
        return tuple(
            Endpoint(
                id=name,
                service=service,
                name=name,
                kind="http",
                evidence=evidence,
                region={"mfa/a": "emea", "mfa/b": "apac"}.get(name),
                hindsight=300.0 if name == "mfa/users" else None,
                depends_on=("mfa/a",) if name == "sms/send" else (),
            )
            for name, evidence in NAMES.items()
            if name.startswith(service + "/")
        )

    return Site(
        id="soc",
        services=tuple(Service(id=s, name=s, endpoints=members(s)) for s in ("mfa", "sms")),
        witnesses=members("witness"),
    )


def act(at, what):
    if what == "acknowledge":
        return Acknowledge(at, by="analyst", origin="button")
    if what == "silence":
        return Silence(at, True, by="analyst", origin="button")
    if what == "time":
        return TimePassed(at)
    return Observed(at, what[0], Reading(what[1]), at)


stories = st.lists(
    st.tuples(
        st.floats(0, 120, allow_nan=False),
        st.one_of(
            st.tuples(st.sampled_from(sorted(NAMES)), st.sampled_from(REASONS)),
            st.tuples(st.sampled_from(["mfa/a", "mfa/b"]), st.just(Reason.DEADLINE)),
            st.sampled_from(["acknowledge", "silence", "time"]),
        ),
    ),
    max_size=120,
)


def run_story(story):
    """A monitor that has lived through a story, and when it ended."""
    monitor, at = Monitor(site()), 0.0
    monitor.start(at)
    for wait, what in story:
        at += wait
        monitor.handle(act(at, what))
    return monitor, at


EXPIRING = Reason.CERTIFICATE_EXPIRING
A_STOPPED_SIGN_IN = [
    (0.0, (name, reason))
    for name, reason in (
        ("mfa/b", Reason.SIGN_IN_REJECTED),
        ("mfa/a", Reason.DEADLINE),
        ("mfa/a", Reason.DEADLINE),
        ("mfa/a", Reason.SIGN_IN_REJECTED),
        ("mfa/health", Reason.OK),
        ("mfa/a", Reason.DEADLINE),
    )
]


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [(Reason.CERTIFICATE_EXPIRING, Verdict.ADVISORY), (Reason.OK, Verdict.OK)],
)
def test_a_restart_alone_opens_no_incident(make_harness, reason, verdict):
    """Something standing and plannable is no trouble, also before it is read again."""
    harness = make_harness().advance(600.0).script(reason, "mfa/sign-in").advance(600.0)
    assert harness.verdict() is verdict
    harness.simulation.restart(5.0)
    assert harness.incident is None
    assert (harness.advance(600.0).verdict(), harness.incident) == (verdict, None)


@given(stories)
@example(A_STOPPED_SIGN_IN)
@example([(0.0, ("mfa/a", word)) for word in (Reason.DEADLINE, Reason.SLOW, EXPIRING)])
def test_what_is_recalled_is_what_was_remembered(story):
    monitor, at = run_story(story)
    memory = monitor.remember(at)
    again = Monitor(site())
    again.start(at, memory)
    recalled = again.remember(at)
    if monitor.view().stopped:
        memory, recalled = with_blindness_announced(memory), with_blindness_announced(recalled)
    assert recalled == memory


def with_blindness_announced(memory):
    """As if it had been announced: what the guard stopped is held blind after a restart."""
    announced, services = BlindKept(announced=True), memory.services.items()
    return replace(memory, services={name: replace(s, blind=announced) for name, s in services})


@given(stories, stories)
def test_after_a_restart_green_takes_fresh_evidence_of_every_service(before, after):
    monitor, at = run_story(before)
    again = Monitor(site())
    again.start(at, monitor.remember(at))
    fresh = set()
    assert again.view().indication.light(Colour.GREEN).pattern is Pattern.OFF
    for wait, what in after:
        at += wait
        again.handle(act(at, what))
        if isinstance(what, tuple) and Reading(what[1]).outcome in (Outcome.PASS, Outcome.WARN):
            fresh.add(what[0])
        if again.view().indication.light(Colour.GREEN).pattern is not Pattern.OFF:
            assert {"mfa/a", "mfa/b", "sms/send"} <= fresh


@given(stories)
@example(A_STOPPED_SIGN_IN)
def test_a_restart_alone_says_and_sounds_nothing(story):
    monitor, at = run_story(story)
    shown = monitor.view()
    again = Monitor(site())
    effects = again.start(at, monitor.remember(at))
    stopped = {s.id for s in shown.services if "guard_stopped" in s.overlays}
    assert not [
        e
        for e in effects
        if isinstance(e, Announced | Sounded)
        and not (isinstance(e, Announced) and e.what is Announcement.BLIND and e.service in stopped)
    ]
    assert again.view().incidents == shown.incidents
    red = shown.indication.red
    assert again.view().indication.red == red


def test_an_incident_without_its_service_needs_no_other_memory(in_outage):
    harness = in_outage
    memory = harness.simulation.monitor.remember(harness.now)
    assert [v.service for v in memory.open_incidents] == ["mfa"]


def nothings(kind, seen=()):
    """Every field below a dataclass that may be None, and has no default."""
    for each in fields(kind):
        hint = get_type_hints(kind)[each.name]
        if type(None) in get_args(hint) and each.default is MISSING:
            yield f"{kind.__name__}.{each.name}"
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner) and inner not in seen:
                yield from nothings(inner, (*seen, kind))


def test_what_may_be_none_is_left_out_when_written_and_has_a_default():
    assert list(nothings(Memory)) == []


# --- restarts at any moment -------------------------------------------------------

WHO = {"by": "analyst", "origin": "cli"}
COMMANDS = (
    lambda at: Acknowledge(at, by="analyst", origin="button"),
    lambda at: Acknowledge(at, by="analyst", origin="button"),
    lambda at: Silence(at, True, **WHO),
    lambda at: Shelve(at, "mfa", True, **WHO, seconds=600.0),
    lambda at: Maintenance(at, "sms", True, **WHO),
    lambda at: Maintenance(at, None, False, **WHO),
    lambda at: Bypass(at, "mfa", True, **WHO),
)

lives = st.lists(
    st.tuples(
        st.floats(1, 300, allow_nan=False),
        st.one_of(
            st.tuples(st.sampled_from(sorted(NAMES)), st.sampled_from(REASONS)),
            st.tuples(st.sampled_from(["mfa/a", "mfa/b"]), st.just(Reason.DEADLINE)),
            st.sampled_from(COMMANDS),
            st.floats(0, 1800, allow_nan=False),  # dead for so long
        ),
    ),
    max_size=40,
)
NEW = ("opened", "escalated", "relapsed")


@pytest.mark.untraced
@given(lives)
def test_whenever_it_is_killed_it_comes_back_as_it_was(story):
    """The same incidents, overlays and red; what was acknowledged stays silent until some news."""
    simulation, seen = Simulation(site(), 0.0), False
    simulation.start()
    for wait, what in story:
        effects = list(simulation.run(simulation.now + wait))
        if isinstance(what, float):
            effects += _comes_back(simulation, what)
        elif callable(what):
            effects += simulation.tell(what(simulation.now))
        else:
            simulation.script(what[0], Reading(what[1]))
            effects += simulation.run(simulation.now)
        news = [e.at for e in effects if isinstance(e, Announced) and e.what.value in NEW]
        for effect in effects:
            if isinstance(effect, Sounded) and "pulse" in effect.sound.value and seen:
                assert min(news, default=math.inf) <= effect.at, "it was seen, and sounds again"
        seen = seen and not news
        if callable(what) and isinstance(what(simulation.now), Acknowledge):
            seen = True


def _comes_back(simulation, down):
    before, first, after = (
        simulation.monitor.view(),
        simulation.restart(down),
        simulation.monitor.view(),
    )
    assert after.incidents == before.incidents
    assert after.overlays == tuple(
        each for each in before.overlays if each.until is None or each.until > simulation.now
    )
    assert not [e for e in first if isinstance(e, Sounded)], "a start says nothing"
    if before.overlays == after.overlays:
        assert after.indication.red == before.indication.red
    assert after.indication.green.pattern is Pattern.OFF
    return first


# --- every field ------------------------------------------------------------------


def full():
    """A memory none of whose fields is what it would be without it."""
    view = IncidentView(
        number=7,
        service="mfa",
        state=IncidentState.ACKNOWLEDGED,
        since=310.0,
        verdict=Verdict.OUTAGE,
        peak=Verdict.OUTAGE,
        first_out="mfa/a",
        acknowledged=True,
        acknowledged_at=320.0,
        acknowledged_by="analyst",
        cause="dns",
        explanation="mfa/a: dns_nxdomain",
        vendor_lead=12.0,
        impact=0.25,
        causes=(Cause("dns", "mfa/a: dns_nxdomain"),),
        vendor=(VendorWord("mfa/vendor", "admits", "we are looking", 322.0),),
    )
    names = [e.id for e in site().endpoints]
    lost = Reading(Reason.CODE_NOT_ARRIVED, "not arrived within 120 s", 121.0)
    endpoints = {
        name: EndpointKept(
            health=Health.UP if name.startswith("sms") else Health.DOWN,
            since=300.0 + n,
            up_again_at=200.0 + n,
            unplanned=True,
            guard=SignInGuard(
                proven=True,
                rejections=3,
                stopped_at=290.0 if name == "mfa/a" else None,
                knocks=True,
                hung=2,
            ),
            control=ControlKept(made_at=270.0, refused_at=260.0, doubted_since=255.0, accepted=1),
            flapping=Flapping(held=Health.DEGRADED, history=0b1010, changes_from=4),
            confirmed_onset=Onset(299.0, Reading(Reason.DNS_NXDOMAIN, ttl=60.0), 60.0),
            troubles=(Trouble("spf_missing", Onset(298.0, lost, 60.0), 299.0, ("sms/send",)),),
            slow=True,
            slow_until=295.0 + n,
            passed_at=250.0 + n,
            worked_at=251.0 + n,
            informed_at=298.0 + n if name == "mfa/users" else math.inf,
        )
        for n, name in enumerate(names)
    }
    services = {
        name: ServiceKept(
            verdict=VerdictKept(
                verdict=verdict,
                since=310.0,
                proof_at=330.0,
                was_red=True,
                red_since=310.0,
                red_seconds=77.0,
                admitted=True,
                hold_left=None if verdict is Verdict.OUTAGE else 123.0,
            ),
            inhibited=name == "sms",
            blind=BlindKept(announced=True, sighted_at=277.0, damped=True),
            suppression=Suppression(Verdict.OK, None) if name == "sms" else None,
            incident=Incident(
                view=replace(view, service=name, verdict=verdict, state=state),
                parts=("cell emea", "kind dns"),
                flapped_at=311.0 if name == "mfa" else None,
                admitted_at=322.0,
                announced_recovering=True,
                onset_at=299.0,
            ),
            share=ShareKept(
                score=225,
                readings=171,
                fails=9,
                since=301.0,
                failed_at=302.0,
                failed=f"{name}/sign-in",
                low_since=303.0 if name == "mfa" else None,
                words="9 of 171 readings failed",
            ),
        )
        for name, verdict, state in (
            ("mfa", Verdict.OUTAGE, IncidentState.ACKNOWLEDGED),
            ("sms", Verdict.RECOVERING, IncidentState.RECOVERING),
        )
    }
    alarms = {
        "mfa": AlarmKept(Stage.ALARM, Turn.FIRST_OUT, realarms=2, realarm_at=450.0),
        "sms": AlarmKept(
            Stage.ALARM,
            Turn.SUBSEQUENT,
            realarms=2,
            sound_at=460.0,
            sound=Sound.THREE_PULSES,
            called_at=312.0,
            blind_announced=True,
        ),
    }
    shelved = Overlay(OverlayKind.SHELVE, "sms", 350.0, "analyst", "cli", "vendor", 9000.0)
    return Memory(
        at=400.0,
        endpoints=endpoints,
        accounts={
            name: AccountBudget(
                rejected=2, unanswered=1, began_at=280.0, ended_at=290.0, resumed=True
            )
            for name in names
        },
        paid=dict.fromkeys(
            names, PaidReading(reading=lost, started=380.0, stale_at=470.0, fails=2)
        ),
        arrivals=tuple(Arrivals(name, "sms/send", 5, 1, 2, 4) for name in names),
        services=services,
        alarms=alarms,
        incidents=7,
        overall=OverallKept(Verdict.OUTAGE, 305.0),
        silence=SilenceChanged(390.0, True, 390.0, 900.0, "analyst", "call"),
        overlays=(shelved,),
        uses=("a", "b"),
        buzzer=BuzzerKept(
            swallowed=5, opened_at=310.0, opened_rank=5, spent=(311.0, 312.0), pulsed_at=390.0
        ),
    )


def parts(remembered):
    """It, and every dataclass within."""
    if isinstance(remembered, dict | tuple):
        for each in remembered.values() if isinstance(remembered, dict) else remembered:
            yield from parts(each)
    elif is_dataclass(remembered):
        yield remembered
        yield from parts(tuple(getattr(remembered, f.name) for f in fields(remembered)))


KEPT = (
    *(
        EndpointKept,
        Trouble,
        SignInGuard,
        Flapping,
        PaidReading,
        ServiceKept,
        VerdictKept,
        BlindKept,
    ),
    *(Incident, AlarmKept, BuzzerKept, OverallKept, Memory),
)


@pytest.mark.parametrize("kind", KEPT)
def test_the_full_memory_leaves_no_field_at_its_default(kind):
    found = [each for each in parts(full()) if type(each) is kind]
    for one in fields(kind):
        values = [getattr(each, one.name) for each in found]
        assert any(value != one.default for value in values), one.name


def test_every_moment_is_found_by_its_type():
    """Whatever is called so, and its neighbours: two ways to say the same."""
    named = re.compile(r"(?:.*_)?(?:at|since|until)|spent|started")
    seen = []
    for each in parts(full()):
        for name, hint in get_type_hints(type(each)).items():
            if Moment in (hint, *get_args(hint)):
                seen.append(f"{type(each).__name__}.{name}")
            assert bool(named.fullmatch(name)) is (Moment in (hint, *get_args(hint))), name
    assert len(set(seen)) > 20


def test_every_field_comes_back(well_formed):
    # None of these is a cause, and none is costly.
    memory = replace(full(), arrivals=(), paid={})
    well_formed(memory)
    monitor = Monitor(site())
    effects = monitor.start(400.0, memory)
    assert monitor.remember(400.0) == memory
    assert not [e for e in effects if isinstance(e, Announced | Sounded)]
    overall = monitor.view().overall
    assert (overall.verdict, overall.since) == (Verdict.OUTAGE, 305.0)
    assert (overall.problem, overall.blind, overall.starting) == (True, True, True)
    postponed = {e.endpoint: e.until for e in effects if isinstance(e, Postpone)}
    assert postponed == {n: math.inf if n == "mfa/a" else 880.0 for n in NAMES}
    stopped = next(r for r in monitor.view().endpoints if r.endpoint == "mfa/a")
    assert stopped == EndpointRead(
        400.0,
        "mfa/a",
        Reading(
            Reason.GUARD_STOPPED, "stopped: too many sign-ins with its account were not accepted"
        ),
        Health.DOWN,
        0,
    )
    assert stopped in effects


def test_the_next_incident_has_the_next_number_and_the_next_sound_knows_the_last(make_harness):
    monitor = Monitor(site())
    monitor.start(400.0, replace(full(), services={}, alarms={}, overlays=(), endpoints={}))
    assert monitor.remember(400.0).incidents == 7


@pytest.mark.parametrize(("due", "sounds_at"), [(399.0, 405.0), (400.0, 405.0), (400.5, 400.5)])
def test_a_re_alarm_that_is_overdue_waits_five_seconds(due, sounds_at):
    memory = replace(full(), paid={})  # none of these is costly
    alarms = {"mfa": replace(memory.alarms["mfa"], realarm_at=due)}
    monitor = Monitor(site())
    monitor.start(400.0, replace(memory, alarms=alarms, silence=None, overlays=()))
    assert monitor.remember(400.0).alarms["mfa"].realarm_at == sounds_at


def test_what_is_remembered_of_a_service_that_is_gone_is_closed():
    only = Site(id="soc", services=site().services[:1], witnesses=site().witnesses)
    effects = Monitor(only).start(400.0, replace(full(), paid={}))
    (closed,) = [e for e in effects if isinstance(e, Announced)]
    assert (closed.at, closed.what, closed.service, closed.cause, closed.verdict) == (
        400.0,
        Announcement.CLOSED,
        "sms",
        "dns",
        Verdict.RECOVERING,
    )
    assert (closed.incident.closed_at, closed.incident.state) == (400.0, IncidentState.CLOSED)
    assert closed.incident.verdict is Verdict.RECOVERING


def test_a_silence_that_has_just_ended_is_not_resumed():
    monitor = Monitor(site())
    memory = full()
    ended = replace(memory, silence=replace(memory.silence, until=400.0))
    assert not [e for e in monitor.start(400.0, ended) if isinstance(e, SilenceChanged)]
    lasting = replace(memory, silence=replace(memory.silence, until=400.1))
    again = Monitor(site())
    assert [e for e in again.start(400.0, lasting) if isinstance(e, SilenceChanged)]
    (ended,) = [e for e in again.handle(TimePassed(401.0)) if isinstance(e, SilenceChanged)]
    assert (ended.at, ended.on) == (400.1, False)
