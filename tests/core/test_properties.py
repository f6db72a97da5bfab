"""What holds for every stream of events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.core.events import (
    Acknowledge,
    Announced,
    Announcement,
    IndicationChanged,
    Observed,
    Sounded,
    TimePassed,
)
from beacon.core.indication import Colour, Pattern
from beacon.core.model import Endpoint, Evidence, Health, Outcome, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor

ENDPOINTS = {
    "mfa/a": Evidence.SYMPTOM,
    "mfa/b": Evidence.SYMPTOM,
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
    Reason.UNREACHABLE,
    Reason.SIGN_IN_REJECTED,
    Reason.CERTIFICATE_EXPIRING,
    Reason.INTERNAL_ERROR,
)


def site() -> Site:
    def build(name: str) -> Endpoint:
        service, _, _ = name.partition("/")
        region = {"mfa/a": "emea", "mfa/b": "apac"}.get(name)
        evidence = ENDPOINTS[name]
        return Endpoint(
            id=name, service=service, name=name, kind="http", evidence=evidence, region=region
        )

    def members(service: str) -> tuple[Endpoint, ...]:
        return tuple(build(n) for n in ENDPOINTS if n.startswith(service + "/"))

    return Site(
        id="soc",
        services=tuple(Service(id=s, name=s, endpoints=members(s)) for s in ("mfa", "sms")),
        witnesses=members("witness"),
    )


steps = st.lists(
    st.tuples(
        st.floats(0, 120, allow_nan=False),
        st.one_of(
            st.tuples(st.sampled_from(sorted(ENDPOINTS)), st.sampled_from(REASONS)),
            st.sampled_from(["acknowledge", "time"]),
        ),
    ),
    max_size=120,
)


def events(script):
    at = 0.0
    for wait, what in script:
        at += wait
        if what == "acknowledge":
            yield Acknowledge(at, "analyst", "button")
        elif what == "time":
            yield TimePassed(at)
        else:
            yield Observed(at, what[0], Reading(what[1]), at)


def fold(script):
    monitor = Monitor(site())
    yield monitor, None, monitor.start(0.0)
    for event in events(script):
        yield monitor, event, monitor.handle(event)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_the_same_events_give_the_same_effects_in_the_same_order(script):
    assert [e for _, _, e in fold(script)] == [e for _, _, e in fold(script)]


@given(steps)
@settings(max_examples=200, deadline=None)
def test_green_is_never_lit_without_fresh_evidence_of_every_service(script):
    good: dict[str, float] = {}
    for monitor, event, _ in fold(script):
        if isinstance(event, Observed) and event.reading.outcome in (Outcome.PASS, Outcome.WARN):
            good[event.endpoint] = event.at
        lit = monitor.view().indication.green.pattern is not Pattern.OFF
        if lit and event is not None:
            for name in ("mfa/a", "mfa/b", "sms/send"):
                assert event.at - good[name] <= 95.0, f"{name} was last good at {good[name]}"


@given(steps)
@settings(max_examples=200, deadline=None)
def test_red_is_never_lit_without_a_service_whose_known_cells_all_failed(script):
    for monitor, _, _ in fold(script):
        view = monitor.view()
        if view.indication.red.pattern is not Pattern.OFF:
            reds = [s for s in view.services if s.verdict.value in ("outage", "gray_failure")]
            assert reds
            for service in reds:
                known = [h for _, h in service.cells if h is not Health.UNKNOWN]
                assert service.blind or set(known) == {Health.DOWN}


@given(steps)
@settings(max_examples=200, deadline=None)
def test_what_is_acknowledged_never_sounds_again_without_something_new(script):
    new = (Announcement.OPENED, Announcement.ESCALATED, Announcement.RELAPSED)
    quiet = False
    for _, event, effects in fold(script):
        if any(isinstance(e, Announced) and e.what in new for e in effects):
            quiet = False
        pulses = [e for e in effects if isinstance(e, Sounded) and e.sound.value != "chirp"]
        assert not (quiet and pulses)
        if isinstance(event, Acknowledge):
            quiet = True


@given(steps)
@settings(max_examples=200, deadline=None)
def test_an_incident_is_opened_once_and_closed_once(script):
    told: dict[int, list[str]] = {}
    for _, _, effects in fold(script):
        for effect in effects:
            if isinstance(effect, Announced) and effect.incident is not None:
                told.setdefault(effect.incident.number, []).append(effect.what.value)
    for story in told.values():
        assert story[0] == "opened"
        assert story.count("opened") == 1
        assert "closed" not in story[:-1]


@given(steps)
@settings(max_examples=100, deadline=None)
def test_the_tower_is_told_only_of_changes(script):
    shown = None
    for _, _, effects in fold(script):
        for effect in effects:
            if isinstance(effect, IndicationChanged):
                assert effect.indication != shown
                shown = effect.indication


@given(steps)
@settings(max_examples=100, deadline=None)
def test_deadlines_lie_ahead_and_every_moment_shows_some_lamp(script):
    for monitor, event, _ in fold(script):
        due = monitor.next_deadline()
        if event is not None and due is not None:
            assert due > event.at
        lights = [monitor.view().indication.light(c).pattern for c in Colour]
        assert set(lights) != {Pattern.OFF}, "dark means dead"
