"""What `explain` promises comes true, in random lives of one service: its words cannot differ
from the rule that decides.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.core.inputs import Observed, TimePassed
from beacon.core.model import Evidence, Health, Reading, Reason, Service, Site, Verdict
from beacon.core.monitor import Monitor
from tests.examples import few

from .conftest import endpoint

pytestmark = pytest.mark.untraced

SIGN_IN = "mfa/sign-in"
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(Reason.OK, Reason.OK, Reason.DEADLINE, Reason.DEADLINE, Reason.CONNECT_REFUSED),
                *(Reason.CERTIFICATE_EXPIRING, Reason.INTERNAL_ERROR, Reason.SIGN_IN_REJECTED),
            ]
        ),
        st.sampled_from([0.2, 0.2, 0.2, 7.0]),  # seconds that it took
        st.sampled_from([5.0, 30.0, 30.0, 60.0, 60.0, 200.0, 1200.0]),  # since the one before
        st.booleans(),  # a regular run
    ),
    max_size=40,
)


class Life:
    """One sign-in and its service, read by hand."""

    def __init__(self) -> None:
        spec = endpoint("mfa", "sign-in", Evidence.SYMPTOM, slow_after=5.0, retry_interval=None)
        self.monitor = Monitor(
            Site(id="soc", services=(Service(id="mfa", name="", endpoints=(spec,)),))
        )
        self.now, self.steps = 1000.0, []
        self.monitor.start(self.now)

    def read(self, reason: Reason, latency: float = 0.2, after: float = 30.0, regular: bool = True):
        self.steps.append((reason, latency, after, regular))
        self.now += after
        self.wait_until(self.now)
        reading = Reading(reason, latency=latency)
        self.monitor.handle(Observed(self.now, SIGN_IN, reading, self.now, regular=regular))
        return self

    def wait_until(self, moment: float) -> None:
        while (due := self.monitor.next_deadline()) is not None and due <= moment:
            self.monitor.handle(TimePassed(due))
        self.monitor.handle(TimePassed(moment))
        self.now = moment

    def twin(self) -> "Life":
        return lived(self.steps)

    @property
    def incident(self) -> bool:
        return bool(self.monitor.view().incidents)

    @property
    def explained(self):
        return self.monitor.explain("mfa")

    @property
    def endpoint(self):
        return self.explained.endpoints[0]


def lived(steps) -> Life:
    life = Life()
    for step in steps:
        life.read(*step)
    return life


@settings(max_examples=few(200))
@given(STEPS)
def test_so_many_more_readings_make_it_what_is_said(steps):
    life = lived(steps)
    said = life.endpoint.standing
    if "flapping" in said or "guard" in said:
        return
    if found := re.match(r"(\d) of (\d) fails in a row", said):
        comes_true(life, found, Reason.DEADLINE, Health.DOWN)
    if found := re.match(r"(\d) of (\d) passes in a row until it is (up|degraded)", said):
        comes_true(life, found, Reason.OK, Health(found[3]))
    if found := re.match(r"(\d) of (\d) errors in a row until it is unknown", said):
        comes_true(life, found, Reason.INTERNAL_ERROR, Health.UNKNOWN)
    if said == "one pass until it is up":
        assert life.twin().read(Reason.OK).endpoint.health is Health.UP
    if found := re.search(r"(\d) of (\d) among the last 6", said):
        assert int(found[1]) < int(found[2])
    if found := re.search(r"its median has been below (\S+) s for 3 min and 3 readings", said):
        twin, fast = life.twin(), 0.9 * float(found[1])
        for _ in range(8):  # five until the median is of these alone, and 3 min
            twin.read(Reason.OK, fast, 60.0)
        assert twin.endpoint.health is Health.UP


def comes_true(life: Life, counted: re.Match[str], reason: Reason, health: Health) -> None:
    """So many are missing, and not one fewer; the window may make it down sooner."""
    done, enough = map(int, counted.groups()[:2])
    assert done < enough, counted[0]
    twin = life.twin()
    for missing in range(enough - done, 0, -1):
        assert twin.endpoint.health is not health or health is Health.DOWN, (counted[0], missing)
        twin.read(reason)
        if "flapping" in twin.endpoint.standing:
            return  # another rule, which says so itself
    assert twin.endpoint.health is health, counted[0]


@settings(max_examples=few(200))
@given(STEPS)
def test_what_is_said_to_happen_at_a_moment_happens_then(steps):
    life = lived(steps)
    for prospect in life.endpoint.prospects:
        if prospect.what == "unknown, if no reading comes until then":
            silent = life.twin()
            silent.wait_until(prospect.at - 0.1)
            held = silent.endpoint.health
            silent.wait_until(prospect.at)
            assert silent.endpoint.health is Health.UNKNOWN
            assert held is life.endpoint.health
    for prospect in life.explained.prospects:
        if prospect.what == "ok, if all stays up until then":
            assert passing_until(life, prospect.at - 1).explained.view.verdict is not Verdict.OK
            assert passing_until(life, prospect.at).explained.view.verdict is Verdict.OK
        if prospect.what.startswith("it was slow: its incident closes"):
            assert passing_until(life, prospect.at - 1).incident
            assert not passing_until(life, prospect.at).incident
        if prospect.what.startswith("sighted when"):
            assert life.twin().read(Reason.OK).read(Reason.OK).explained.view.blind is False


def passing_until(life: Life, moment: float) -> Life:
    twin = life.twin()
    while twin.now + 30.0 < moment:
        twin.read(Reason.OK)
    twin.wait_until(moment)
    return twin
