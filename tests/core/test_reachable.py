"""Every state there is can be reached from the start, and left again.

Each table must name every member of its enum: one that nobody reaches has no business there.
"""

import itertools

import pytest

from beacon.core.effects import Announced, Announcement, IncidentChanged, OverlaysChanged
from beacon.core.indication import Colour, Pattern, Sound
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    DateImplausible,
    Drill,
    Maintenance,
    Observed,
    QuietHours,
    Shelve,
    Silence,
    StorageDegraded,
)
from beacon.core.model import (
    NO_PROBLEM,
    Attestation,
    BreakGlassUse,
    Evidence,
    Health,
    Outcome,
    Reading,
    Reason,
    Sequence,
    Service,
    Site,
    Verdict,
)
from beacon.core.tower.sequences import AlarmEvent, Stage, Turn, table
from beacon.core.views import IncidentState, OverlayKind

pytestmark = pytest.mark.untraced

SIGN_IN, HEALTH, VENDOR = "mfa/sign-in", "mfa/health", "mfa/vendor"
MINUTE, HOUR = 60.0, 3600.0
WHO = {"by": "analyst", "origin": "cli"}
KEYS = Attestation(id="keys", name="Keys", every=HOUR)


def well(harness):
    """Everything passes, for long enough to forget all trouble."""
    harness.script(Reason.OK, SIGN_IN, HEALTH, VENDOR).advance(2 * HOUR)


def ill(reason, *endpoints, minutes=10.0):
    return lambda harness: harness.script(reason, *endpoints).advance(minutes * MINUTE)


def operate(kind, *args, **more):
    return lambda harness: harness.effects.extend(
        harness.simulation.tell(kind(harness.now, *args, **WHO, **more))
    )


def sign(kind, *, on):
    return lambda harness: harness.effects.extend(harness.simulation.tell(kind(harness.now, on)))


def used(harness):
    """Somebody signs in with a break-glass account."""
    reading = Reading(Reason.OK, uses=(BreakGlassUse("a", "first"),))
    harness.effects.extend(
        harness.simulation.tell(Observed(harness.now, HEALTH, reading, harness.now))
    )


def both(*steps):
    return lambda harness: [step(harness) for step in steps]


outage = both(ill(Reason.HTTP_STATUS, VENDOR), ill(Reason.DEADLINE, SIGN_IN))
recovering = both(ill(Reason.DEADLINE, SIGN_IN), ill(Reason.OK, SIGN_IN, minutes=3))
acknowledge = lambda harness: harness.acknowledge()  # noqa: E731 - one step among others


# --- verdicts, healths, incidents -------------------------------------------------

VERDICTS = {
    Verdict.OK: well,
    Verdict.ADVISORY: ill(Reason.VENDOR_INCIDENT, VENDOR),
    Verdict.DEGRADED: ill(Reason.SLOW, SIGN_IN),
    Verdict.RECOVERING: recovering,
    Verdict.OUTAGE: outage,
    Verdict.GRAY_FAILURE: ill(Reason.DEADLINE, SIGN_IN),
    Verdict.BLIND: ill(Reason.INTERNAL_ERROR, SIGN_IN),
}


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("then", Verdict)
def test_every_verdict_leads_to_every_other_and_back_to_ok(make_harness, verdict, then):
    harness = make_harness()
    VERDICTS[verdict](harness)
    assert harness.verdict() is verdict
    well(harness)
    assert harness.verdict() is Verdict.OK
    VERDICTS[then](harness)
    assert harness.verdict() is then


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in NO_PROBLEM])
def test_what_is_bad_is_left_by_blindness_only_in_sight(make_harness, verdict):
    harness = make_harness()
    VERDICTS[verdict](harness)
    harness.script(Reason.INTERNAL_ERROR, SIGN_IN, HEALTH).advance(10 * MINUTE)
    assert harness.verdict() is verdict
    assert harness.service().blind


HEALTHS = {
    Health.UP: ill(Reason.OK, SIGN_IN),
    Health.DEGRADED: ill(Reason.SLOW, SIGN_IN),
    Health.DOWN: ill(Reason.DEADLINE, SIGN_IN),
    Health.UNKNOWN: ill(None, SIGN_IN),
}


@pytest.mark.parametrize(("one", "other"), tuple(itertools.permutations(Health, 2)))
def test_every_health_leads_to_every_other(make_harness, one, other):
    harness = make_harness()
    for health in (one, other):
        HEALTHS[health](harness)
        assert dict(harness.service().endpoints)[SIGN_IN] is health


INCIDENTS = {
    IncidentState.NONE: well,
    IncidentState.OPEN: ill(Reason.DEADLINE, SIGN_IN),
    IncidentState.ACKNOWLEDGED: both(ill(Reason.DEADLINE, SIGN_IN), acknowledge),
    IncidentState.RECOVERING: recovering,
    IncidentState.CLOSED: both(ill(Reason.DEADLINE, SIGN_IN), well),
}


def incident_state(harness):
    """What the last word on incidents was."""
    last = [e for e in harness.effects if isinstance(e, Announced) and e.incident][-1:]
    if last and last[0].what is Announcement.CLOSED:
        assert harness.incident is None
        return last[0].incident.state
    shown = [e.incident for e in harness.effects if isinstance(e, IncidentChanged)]
    assert shown[-1:] in ([], [harness.incident])
    return harness.incident.state if harness.incident else IncidentState.NONE


@pytest.mark.parametrize("state", IncidentState)
def test_every_state_of_an_incident_is_reached_and_left(make_harness, state):
    harness = make_harness()
    INCIDENTS[state](harness)
    assert incident_state(harness) is state
    ill(Reason.DEADLINE, SIGN_IN)(harness)
    well(harness)
    assert incident_state(harness) is IncidentState.CLOSED


# --- the annunciator --------------------------------------------------------------

STEPS = {
    AlarmEvent.ALARM: ill(Reason.DEADLINE, SIGN_IN, minutes=5),
    AlarmEvent.ACKNOWLEDGE: acknowledge,
    AlarmEvent.UNDO: operate(Acknowledge, on=False),
    AlarmEvent.RETURN: both(
        ill(Reason.OK, SIGN_IN, minutes=5), ill(Reason.OK, SIGN_IN, minutes=20)
    ),
}


def stage(harness):
    return harness.simulation.monitor.remember(harness.now).alarms["mfa"].stage


@pytest.mark.parametrize("lock_in", [True, False])
@pytest.mark.parametrize("sequence", Sequence)
def test_every_stage_of_a_sequence_is_reached_and_left(make_harness, sequence, lock_in):
    """By search: from each stage, by the shortest trail that leads there, every step."""
    moves = table(sequence, lock_in=lock_in)
    trails, left = {(Stage.NORMAL, False): ()}, set()
    for (was, alarming), trail in (waiting := list(trails.items())):
        for step in AlarmEvent:
            harness = make_harness(sequence=sequence, lock_in=lock_in).advance(200)
            for each in (*trail, step):
                STEPS[each](harness)
            alarms_again = step is AlarmEvent.ALARM and alarming  # one incident alarms but once
            now = was if alarms_again else moves.get((was, step), was)
            assert stage(harness) is now, (*trail, step)
            left |= {was} - {now}
            reached = now, step is AlarmEvent.ALARM or (alarming and step is not AlarmEvent.RETURN)
            if reached not in trails:
                trails[reached] = (*trail, step)
                waiting.append((reached, trails[reached]))
    reachable = {Stage.NORMAL, *moves.values()}
    if not lock_in:
        reachable.discard(Stage.LOCKED_IN)
    assert {stage for stage, _ in trails} == left == reachable


TURNS = {
    Turn.NONE: {"mfa": well},
    Turn.FIRST_OUT: {"mfa": ill(Reason.DEADLINE, SIGN_IN)},
    Turn.SUBSEQUENT: {
        "sms": ill(Reason.DEADLINE, "sms/sign-in"),
        "mfa": ill(Reason.DEADLINE, SIGN_IN),
    },
}


@pytest.mark.parametrize("turn", Turn)
def test_every_turn_is_taken_and_given_up(make_harness, usual_service, turn):
    harness = make_harness(usual_service("mfa"), usual_service("sms"))
    for step in TURNS[turn].values():
        step(harness)
    taken = harness.simulation.monitor.remember(harness.now).alarms["mfa"].turn
    assert taken is turn
    assert (
        harness.simulation.monitor.view().overall.first_out
        == {
            Turn.NONE: None,
            Turn.FIRST_OUT: "mfa",
            Turn.SUBSEQUENT: "sms",
        }[turn]
    )
    harness.acknowledge()
    assert harness.simulation.monitor.view().overall.first_out is None


def test_every_stage_belongs_to_a_sequence():
    tables = [table(sequence, lock_in=True) for sequence in Sequence]
    assert {stage for moves in tables for stage in moves.values()} == set(Stage)


SOUNDS = {
    Sound.CHIRP: ill(Reason.SLOW, SIGN_IN),
    Sound.TWO_CHIRPS: both(operate(Bypass, None, True), lambda harness: harness.advance(2 * HOUR)),
    Sound.PULSE: ill(Reason.DEADLINE, SIGN_IN),
    Sound.THREE_PULSES: ill(Reason.DEADLINE, SIGN_IN),
}


@pytest.mark.parametrize("sound", Sound)
def test_every_sound_is_made_and_ends(make_harness, sound):
    harness = make_harness()
    SOUNDS[sound](harness)
    assert sound in harness.sounds
    well(harness)
    operate(Bypass, None, False)(harness)
    harness.acknowledge().clear_effects().advance(24 * HOUR)
    assert harness.sounds == []


ANNOUNCED = {
    Announcement.OPENED: ill(Reason.SLOW, SIGN_IN),
    Announcement.ESCALATED: both(ill(Reason.SLOW, SIGN_IN), ill(Reason.DEADLINE, SIGN_IN)),
    Announcement.WIDENED: both(
        ill(Reason.HTTP_STATUS, "mfa/health"), acknowledge, ill(Reason.SLOW, SIGN_IN)
    ),
    Announcement.RELAPSED: both(recovering, ill(Reason.DEADLINE, SIGN_IN)),
    Announcement.ACKNOWLEDGED: INCIDENTS[IncidentState.ACKNOWLEDGED],
    Announcement.UNACKNOWLEDGED: both(
        INCIDENTS[IncidentState.ACKNOWLEDGED], operate(Acknowledge, on=False)
    ),
    Announcement.RECOVERING: recovering,
    Announcement.CLOSED: both(ill(Reason.SLOW, SIGN_IN), well),
    Announcement.BLIND: ill(None, SIGN_IN, minutes=60),
    Announcement.SIGHTED: both(ill(None, SIGN_IN, minutes=60), well),
    Announcement.BREAK_GLASS_USED: used,
    Announcement.GUARD_STOPPED: ill(Reason.SIGN_IN_REJECTED, SIGN_IN, minutes=120),
}


@pytest.mark.parametrize("what", Announcement)
def test_everything_that_can_be_announced_is(make_harness, what):
    harness = make_harness().advance(MINUTE)
    ANNOUNCED[what](harness)
    assert harness.announcements[-1] == what
    assert harness.announcements.count(what) == 1


def test_every_pattern_burns_and_ends_on_some_lamp(make_harness):
    harness, seen, left = make_harness(), set(), set()
    for verdict in (*Verdict, Verdict.OK):
        VERDICTS[verdict](harness)
        now = {light.pattern for light in map(harness.indication.light, Colour)}
        left |= seen - now
        seen |= now
    assert seen == set(Pattern)
    assert left >= {Pattern.SLOW, Pattern.FAST}


# --- overlays, trust, the edge ----------------------------------------------------

OVERLAYS = {
    "maintenance": (operate(Maintenance, "mfa", True), operate(Maintenance, "mfa", False)),
    "shelved": (operate(Shelve, "mfa", True), operate(Shelve, "mfa", False)),
    "bypass": (operate(Bypass, "mfa", True), operate(Bypass, "mfa", False)),
    "attestation_overdue": (operate(Attest, "keys", on=False), operate(Attest, "keys")),
    "drill": (operate(Drill, True), operate(Drill, False)),
    "break_glass": (used, operate(Acknowledge)),
}
KINDS = {
    OverlayKind.MAINTENANCE: "maintenance",
    OverlayKind.SHELVE: "shelved",
    OverlayKind.BYPASS: "bypass",
    OverlayKind.ATTEST: "attestation_overdue",
    OverlayKind.DRILL: "drill",
    OverlayKind.BREAK_GLASS: "break_glass",
}


@pytest.mark.parametrize("kind", OverlayKind)
def test_every_overlay_comes_and_goes(make_harness, kind):
    harness = make_harness(attest=(KEYS,)).advance(200)
    operate(Attest, "keys")(harness)
    begin, end = OVERLAYS[KINDS[kind]]
    for step, on in ((begin, True), (end, False)):
        step(harness.clear_effects())
        changed = [e for e in harness.effects if isinstance(e, OverlaysChanged)]
        assert [(e.kind, e.on) for e in changed] == [(kind, on)]
        found = harness.simulation.monitor.view().overall.overlays
        assert found == ((KINDS[kind],) if on else ())


def test_the_guard_stops_a_sign_in_and_an_operators_restart_ends_it(make_harness, make_endpoint):
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, sign_in=True)
    harness = make_harness(Service(id="mfa", name="", endpoints=(sign_in,))).advance(200)
    harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(2 * HOUR)
    assert harness.simulation.monitor.view().overall.overlays == ("guard_stopped",)
    harness.script(Reason.OK, SIGN_IN).advance(HOUR)
    assert harness.simulation.monitor.view().overall.overlays == ("guard_stopped",)
    harness.simulation.restart(resume=True)
    assert harness.advance(HOUR).simulation.monitor.view().overall.overlays == ()


def words(harness):
    overall = harness.simulation.monitor.view().overall
    return overall.network, overall.clock


def test_every_word_of_network_and_clock_is_reached_and_left(
    make_harness, make_endpoint, usual_service, three_witnesses
):
    clock = make_endpoint("witness", "clock", Evidence.WITNESS, kind="ntp", failure_threshold=1)
    canaries = ("witness/canary-a", "witness/canary-b")
    outside = (*canaries, "witness/clock", SIGN_IN, HEALTH, VENDOR)
    harness = make_harness(witnesses=(*three_witnesses, clock))
    trail = [words(harness)]
    for reason, names in (
        (Reason.OK, outside),
        (Reason.CONNECT_TIMEOUT, outside),
        (Reason.OK, outside),
        (Reason.OWN_CLOCK, ("witness/clock",)),
        (Reason.OK, ("witness/clock",)),
    ):
        harness.advance(1).script(reason, *names).advance(5 * MINUTE)
        trail.append(words(harness))
    monitor = harness.simulation.monitor
    monitor.reconfigure(Site(id="soc", services=(usual_service(),)), harness.now)
    trail.append(words(harness))
    assert trail == [
        ("ok", "unverified"),
        ("ok", "ok"),
        ("lost", "ok"),
        ("ok", "ok"),
        ("ok", "lost"),
        ("ok", "ok"),
        ("unverified", "unverified"),
    ]


def test_what_the_edge_knows_comes_and_goes(make_harness):
    harness = make_harness().advance(200)
    for on in (True, False):
        sign(DateImplausible, on=on)(harness)
        assert (words(harness)[1] == "lost") is on
        sign(StorageDegraded, on=on)(harness)
        assert harness.simulation.monitor.view().overall.storage_degraded is on
    INCIDENTS[IncidentState.OPEN](harness.clear_effects())
    operate(Silence, True)(harness)
    sign(QuietHours, on=True)(harness.clear_effects())
    harness.advance(20 * MINUTE)
    assert harness.sounds == []
    sign(QuietHours, on=False)(harness)
    assert harness.sounds == [], "silence outlasts the quiet hours"
    operate(Silence, False)(harness)
    assert harness.advance(20 * MINUTE).sounds


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_taken_in_and_got_over(make_harness, reason):
    harness = make_harness().advance(200).script(reason, SIGN_IN).advance(10 * MINUTE)
    health = dict(harness.service().endpoints)[SIGN_IN]
    outcomes = {
        Outcome.PASS: Health.UP,
        Outcome.WARN: Health.DEGRADED,
        Outcome.FAIL: Health.DOWN,
        Outcome.ERROR: Health.UNKNOWN,
    }
    report = next(r for r in harness.simulation.monitor.view().endpoints if r.endpoint == SIGN_IN)
    assert report.reading.reason is reason
    assert health is outcomes[report.reading.outcome]
    well(harness)
    assert harness.verdict() is Verdict.OK


@pytest.mark.parametrize(
    ("paths", "enum"),
    [
        (VERDICTS, Verdict),
        (HEALTHS, Health),
        (INCIDENTS, IncidentState),
        (STEPS, AlarmEvent),
        (SOUNDS, Sound),
        (ANNOUNCED, Announcement),
        (TURNS, Turn),
        (KINDS, OverlayKind),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_a_state_that_nobody_reaches_is_noticed(paths, enum):
    assert set(paths) == set(enum)


def test_a_stop_by_the_guard_is_announced_once_and_again_when_it_stops_again(
    make_harness, make_endpoint
):
    sign_in = make_endpoint("mfa", "sign-in", Evidence.SYMPTOM, sign_in=True)
    harness = make_harness(Service(id="mfa", name="", endpoints=(sign_in,)))
    harness.script(Reason.SIGN_IN_REJECTED, SIGN_IN).advance(2 * HOUR)
    stops = [e for e in harness.effects if isinstance(e, Announced) and e.what == "guard_stopped"]
    assert [(each.service, each.by, each.verdict) for each in stops] == [
        ("mfa", SIGN_IN, Verdict.BLIND)
    ]
    ((endpoint, since),) = harness.simulation.monitor.view().stopped
    assert (endpoint, since <= stops[0].at) == (SIGN_IN, True)
    harness.simulation.restart(resume=True)
    harness.advance(HOUR)
    again = [e for e in harness.effects if isinstance(e, Announced) and e.what == "guard_stopped"]
    assert len(again) == 2, "tried once after the order, and rejected again"
