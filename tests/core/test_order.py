"""What happens at one moment has no order: of endpoints, of witnesses, of services."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from beacon.core.effects import Sounded
from beacon.core.indication import Sound
from beacon.core.inputs import Acknowledge, Observed
from beacon.core.model import Endpoint, Evidence, Health, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.core.service.verdict import judge
from beacon.core.trust.network import Trust
from tests.core.snapshots import snapshot

# --- the table --------------------------------------------------------------------

endpoints = st.lists(
    st.builds(
        snapshot,
        name=st.just("x"),
        evidence=st.sampled_from([e for e in Evidence if e is not Evidence.WITNESS]),
        health=st.sampled_from(Health),
        planned=st.booleans(),
        region=st.sampled_from([None, "emea", "apac"]),
        factor=st.sampled_from([None, "sms"]),
    ),
    max_size=8,
)


@given(endpoints, st.randoms(use_true_random=False))
def test_a_verdict_does_not_depend_on_the_order_of_endpoints(seen, dice):
    one, shuffled = judge(seen), list(seen)
    dice.shuffle(shuffled)
    other = judge(shuffled)
    assert dict(other.cells) == dict(one.cells)
    for word in ("verdict", "shallow", "partial", "vendor_says_fine", "vendor_admits", "blind"):
        assert getattr(other, word) == getattr(one, word), word


@given(endpoints)
def test_a_second_endpoint_that_says_the_same_changes_nothing(seen):
    assert judge([*seen, *seen]) == judge(seen)


# --- our own eyes -----------------------------------------------------------------

NAMES = ("gateway", "a", "b", "c")
WITNESSES = tuple(
    Endpoint(
        id=f"witness/{name}",
        service="witness",
        name=name,
        kind="http",
        evidence=Evidence.WITNESS,
        failure_threshold=1,
        retry_interval=None,
        local=name == "gateway",
    )
    for name in NAMES
)
EYES = tuple(w.id for w in WITNESSES)
OUTSIDE = Endpoint(id="s/e", service="s", name="e", kind="http", evidence=Evidence.SYMPTOM)

answers = st.lists(
    st.fixed_dictionaries(
        {
            name: st.sampled_from([Reason.OK, Reason.CONNECT_TIMEOUT, Reason.INTERNAL_ERROR])
            for name in EYES
        }
    ),
    min_size=1,
    max_size=4,
)


def trust_after(rounds, order):
    trust = Trust(WITNESSES)
    for at, answer in enumerate(rounds, 1):
        for name in order:
            trust.witnessed(name, Reading(answer[name]), float(at), float(at))
    gates = [trust.gate(OUTSIDE, float(at)) for at in range(len(rounds) + 2)]
    return trust.network, trust.uplink_lost, trust.lan_lost, gates


@given(answers, st.permutations(EYES))
def test_a_round_of_witnesses_says_the_same_in_whatever_order_they_answer(rounds, order):
    assert trust_after(rounds, EYES) == trust_after(rounds, order)


# --- services ---------------------------------------------------------------------

SERVICES = ("mfa", "sms", "vpn")
SITE = Site(
    id="soc",
    services=tuple(
        Service(
            id=name,
            name=name,
            endpoints=(
                Endpoint(
                    id=f"{name}/sign-in",
                    service=name,
                    name="sign-in",
                    kind="http",
                    evidence=Evidence.SYMPTOM,
                ),
                Endpoint(
                    id=f"{name}/vendor",
                    service=name,
                    name="vendor",
                    kind="http",
                    evidence=Evidence.CLAIM,
                    failure_threshold=1,
                ),
            ),
        )
        for name in SERVICES
    ),
)
moments = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                name: st.sampled_from(
                    [Reason.OK, Reason.DEADLINE, Reason.DEADLINE, Reason.SLOW, Reason.STALE]
                )
                for name in SERVICES
            }
        ),
        st.sampled_from(["acknowledge", "hour"]),
    ),
    max_size=40,
)
LOUDNESS = (Sound.PULSE, Sound.CHIRP, Sound.THREE_PULSES)


def lived(story, order):
    """What is shown after each moment, and its loudest sound."""
    monitor, at = Monitor(SITE), 0.0
    monitor.start(at)
    for moment in story:
        at += 3600.0 if moment == "hour" else 30.0
        effects = []
        if moment == "acknowledge":
            effects += monitor.handle(Acknowledge(at, by="analyst", origin="button"))
        elif isinstance(moment, dict):
            for name in order:
                read = Observed(at, f"{name}/sign-in", Reading(moment[name]), at)
                effects += monitor.handle(read)
        sounds = [e.sound for e in effects if isinstance(e, Sounded) and e.at == at]
        view = monitor.view()
        incidents = {
            (i.service, i.state, i.since, i.peak, i.acknowledged, i.first_out, i.cause)
            for i in view.incidents
        }
        loudest = max(sounds, key=LOUDNESS.index, default=None)
        # Of what comes at once one is named first; what gives way at once may have been the worst.
        overall = replace(view.overall, first_out=None, since=0.0)
        yield overall, view.services, view.indication, incidents, loudest


@given(moments, st.permutations(SERVICES))
def test_services_that_fail_at_one_moment_are_shown_alike_in_any_order(story, order):
    for one, other in zip(lived(story, SERVICES), lived(story, order), strict=True):
        assert one == other
