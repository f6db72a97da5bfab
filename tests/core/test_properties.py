"""What holds for every stream of events; more of it is in `test_stateful`."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beacon.core.effects import Announced, OverlaysChanged, Sounded
from beacon.core.indication import Colour, Pattern
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    Drill,
    Maintenance,
    Observed,
    Scheduled,
    Shelve,
    TimePassed,
)
from beacon.core.model import (
    Attestation,
    Endpoint,
    Evidence,
    Outcome,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.monitor import Monitor

pytestmark = pytest.mark.untraced

ENDPOINTS = {
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
    Reason.UNREACHABLE,
    Reason.SIGN_IN_REJECTED,
    Reason.CERTIFICATE_EXPIRING,
    Reason.INTERNAL_ERROR,
    Reason.SAMPLE_TOO_SMALL,
)


def site() -> Site:
    def build(name: str) -> Endpoint:
        service, _, _ = name.partition("/")
        region = {"mfa/a": "emea", "mfa/b": "apac"}.get(name)
        evidence = ENDPOINTS[name]
        looks_back = 300.0 if name == "mfa/users" else None
        return Endpoint(
            id=name,
            service=service,
            name=name,
            kind="http",
            evidence=evidence,
            region=region,
            hindsight=looks_back,
        )

    def members(service: str) -> tuple[Endpoint, ...]:
        return tuple(build(n) for n in ENDPOINTS if n.startswith(service + "/"))

    return Site(
        id="soc",
        services=tuple(Service(id=s, name=s, endpoints=members(s)) for s in ("mfa", "sms")),
        witnesses=members("witness"),
        attest=(Attestation(id="keys", name="Keys", every=600.0, services=("sms",)),),
    )


WHO = {"by": "analyst", "origin": "cli"}
OPERATIONS = (
    lambda at: Shelve(at, "mfa", True, **WHO, seconds=600.0),
    lambda at: Shelve(at, None, False, **WHO),
    lambda at: Maintenance(at, None, True, **WHO, seconds=900.0),
    lambda at: Maintenance(at, "sms", True, **WHO),
    lambda at: Maintenance(at, None, False, **WHO),
    lambda at: Scheduled(at, (("mfa", at + 600.0, "window"),)),
    lambda at: Scheduled(at, ()),
    lambda at: Bypass(at, "mfa", True, **WHO),
    lambda at: Bypass(at, None, False, **WHO),
    lambda at: Attest(at, "keys", **WHO),
    lambda at: Drill(at, True, **WHO, seconds=300.0),
    lambda at: Drill(at, True, **WHO, verdict=Verdict.RECOVERING),
    lambda at: Drill(at, True, **WHO, verdict=Verdict.ADVISORY),
    lambda at: Drill(at, False, **WHO),
    lambda at: Acknowledge(at, **WHO, service="mfa"),
    lambda at: Acknowledge(at, **WHO, on=False),
)

steps = st.lists(
    st.tuples(
        st.floats(0, 120, allow_nan=False),
        st.one_of(
            st.tuples(st.sampled_from(sorted(ENDPOINTS)), st.sampled_from(REASONS)),
            st.sampled_from(["acknowledge", "time"]),
            st.sampled_from(OPERATIONS),
        ),
    ),
    max_size=120,
)


def events(script):
    at = 0.0
    for wait, what in script:
        at += wait
        if what == "acknowledge":
            yield Acknowledge(at, by="analyst", origin="button")
        elif what == "time":
            yield TimePassed(at)
        elif callable(what):
            yield what(at)
        else:
            yield Observed(at, what[0], Reading(what[1]), at)


def fold(script):
    monitor = Monitor(site())
    yield monitor, None, monitor.start(0.0)
    for event in events(script):
        yield monitor, event, monitor.handle(event)


@given(steps)
def test_the_same_events_give_the_same_effects_in_the_same_order(script):
    assert [e for _, _, e in fold(script)] == [e for _, _, e in fold(script)]


ONE_FAIL = (72.0, ("sms/send", Reason.DEADLINE))
AN_ERROR = (72.0, ("sms/send", Reason.INTERNAL_ERROR))


@given(steps)
@example([(0.0, ("sms/send", Reason.OK)), ONE_FAIL, (24.0, OPERATIONS[0])])
@example([(0.0, ("sms/send", Reason.OK)), AN_ERROR, (24.0, OPERATIONS[0])])
def test_green_is_never_lit_without_fresh_evidence_of_every_service(script):
    good: dict[str, float] = {}
    for monitor, event, _ in fold(script):
        if isinstance(event, Observed) and event.reading.outcome in (Outcome.PASS, Outcome.WARN):
            good[event.endpoint] = event.at
        lit = monitor.view().indication.green.pattern is not Pattern.OFF
        if lit and event is not None:
            not_suppressed = {"mfa", "sms"} - suppressed(monitor.view())
            assert not_suppressed, "nobody lends it"
            for name in ("mfa/a", "mfa/b", "sms/send"):
                if name.partition("/")[0] not in not_suppressed:
                    continue
                assert event.at - good[name] <= 95.0, f"{name} was last good at {good[name]}"


@given(steps)
def test_of_the_alarms_that_wait_one_at_most_is_first_out(script):
    """It is one nobody has acknowledged, and while it waits no other takes its place."""
    before = None
    for monitor, event, effects in fold(script):
        view = monitor.view()
        first = view.overall.first_out
        quiet = suppressed(view)
        if first is not None:
            assert first not in quiet
            open_ = {i.service: i.acknowledged for i in view.incidents}
            assert not open_.get(first, False), "closed, it has locked in; open, it is waiting"
        announced = [e for e in effects if isinstance(e, Announced)]
        overlaid = any(isinstance(e, OverlaysChanged) for e in effects)
        if first is not None and before not in (None, first) and not overlaid:
            assert isinstance(event, Acknowledge) or any(e.service == before for e in announced)
        before = first


def suppressed(view):
    return {s.id for s in view.services if {"shelved", "maintenance"} & set(s.overlays)}


@given(steps)
def test_while_all_are_suppressed_there_is_blue_alone_and_silence(script):
    """Nothing but a drill shows or says anything."""
    before = set()
    for monitor, event, effects in fold(script):
        view = monitor.view()
        now = suppressed(view)
        if event is not None and now == before == {"mfa", "sms"}:
            drill = "drill" in view.overall.overlays or isinstance(event, Drill)
            if not drill:
                lit = {c for c in Colour if view.indication.light(c).pattern is not Pattern.OFF}
                assert lit == {Colour.BLUE}
                if not any(isinstance(e, OverlaysChanged) for e in effects):
                    assert not any(isinstance(e, Sounded) for e in effects)
        before = now


@given(steps)
def test_every_suppression_ends(script):
    """Taken off everything, read well: everything is shown again, whatever came before."""
    monitor, at = None, 0.0
    for monitor, event, _ in fold(script):  # noqa: B007 - the last is wanted
        at = event.at if event is not None else at
    at += 1.0
    for end in (
        Scheduled(at, ()),
        Shelve(at, None, False, **WHO),
        Maintenance(at, None, False, **WHO),
        Bypass(at, None, False, **WHO),
        Drill(at, False, **WHO),
        Attest(at, "keys", **WHO),
    ):
        monitor.handle(end)
    for _ in range(22):  # readings until nothing flaps, in longer than any hold
        at += 90.0
        for name in ENDPOINTS:
            monitor.handle(Observed(at, name, Reading(Reason.OK), at))
    monitor.handle(Acknowledge(at, by="analyst", origin="button"))
    monitor.handle(Attest(at, "keys", **WHO))
    assert monitor.view().overall.overlays == ()
    lit = {c for c in Colour if monitor.view().indication.light(c).pattern is not Pattern.OFF}
    assert lit == {Colour.GREEN}


def hanging_site() -> Site:
    """Two services: what one rests on hangs on the other."""

    def build(name: str, *parents: str) -> Endpoint:
        service, _, _ = name.partition("/")
        return Endpoint(
            id=name,
            service=service,
            name=name,
            kind="http",
            evidence=Evidence.SYMPTOM,
            depends_on=parents,
            failure_threshold=1,
            success_threshold=1,
        )

    return Site(
        id="soc",
        services=(
            Service(id="dns", name="dns", endpoints=(build("dns/resolver"),)),
            Service(id="mfa", name="mfa", endpoints=(build("mfa/a", "dns/resolver"),)),
        ),
    )


hanging_steps = st.lists(
    st.tuples(
        st.sampled_from([1.0, 60.0, 400.0, 1000.0]),
        st.one_of(
            st.tuples(
                st.sampled_from(["dns/resolver", "mfa/a"]),
                st.sampled_from([Reason.OK, Reason.SLOW, Reason.DEADLINE]),
            ),
            st.just("acknowledge"),
            st.sampled_from([o for o in OPERATIONS if o(0.0).__class__ is not Attest]),
        ),
    ),
    max_size=60,
)
TAKEN_DOWN_BY_ITS_PARENT = [
    (1.0, ("dns/resolver", Reason.OK)),
    (1.0, ("mfa/a", Reason.OK)),
    (1.0, ("mfa/a", Reason.DEADLINE)),
    (1.0, "acknowledge"),
    (60.0, ("mfa/a", Reason.OK)),
    (1.0, ("dns/resolver", Reason.DEADLINE)),
    (1.0, ("mfa/a", Reason.DEADLINE)),
]


@given(hanging_steps)
@example(TAKEN_DOWN_BY_ITS_PARENT)
def test_lamp_and_incident_always_agree_whether_somebody_has_acknowledged(script):
    monitor = Monitor(hanging_site())
    monitor.start(0.0)
    for event in events(script):
        monitor.handle(event)
        for incident in monitor.view().incidents:
            lamps = dict(monitor.explain(incident.service).lamps)
            fast = "fast" in (lamps.get("red"), lamps.get("amber"))
            if incident.verdict in (Verdict.DEGRADED, Verdict.OUTAGE) and lamps.keys() & {
                "red",
                "amber",
            }:
                assert fast is not incident.acknowledged
