"""What the tests of endpoints share: readings as letters, a monitor to hand them to."""

import pytest

from beacon.core.effects import Recheck
from beacon.core.endpoint.state import EndpointState
from beacon.core.inputs import Observed
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.core.trust.network import Confirmation
from tests.core.conftest import well_formed

LETTERS = {
    "P": Reading(Reason.OK),
    "W": Reading(Reason.SLOW),
    "C": Reading(Reason.CERTIFICATE_EXPIRING),
    "F": Reading(Reason.DEADLINE),
    "E": Reading(Reason.INTERNAL_ERROR),
    "S": Reading(Reason.SAMPLE_TOO_SMALL),
}
FAIL, PASS = LETTERS["F"], LETTERS["P"]
EYES = ("witness/a", "witness/b")


@pytest.fixture
def feed(make_endpoint):
    def run(letters: str, regular: bool = True, gate: Confirmation = Confirmation.OPEN, **settings):
        state = EndpointState(make_endpoint("s", "x", Evidence.SYMPTOM, **settings), 0.0)
        for n, letter in enumerate(letters):
            state.started = float(n)
            state.count(LETTERS[letter], float(n), regular=regular)
            state.decide(float(n), gate)
        return state

    return run


def build(name, evidence=Evidence.SYMPTOM, **more):
    more.setdefault("kind", "http")
    more.setdefault("interval", 30.0)
    more.setdefault("stale_after", 95.0)
    service, _, short = name.partition("/")
    return Endpoint(id=name, service=service, name=short, evidence=evidence, **more)


def eye(name, **more):
    return build(name, Evidence.WITNESS, failure_threshold=1, retry_interval=None, **more)


class Desk:
    """A monitor to which readings are handed."""

    def __init__(self, *endpoints, witnesses=None):
        names = dict.fromkeys(e.service for e in endpoints)
        self.services = tuple(
            Service(id=n, name=n, endpoints=tuple(e for e in endpoints if e.service == n))
            for n in names
        )
        eyes = tuple(map(eye, EYES)) if witnesses is None else witnesses
        self.site = Site(id="soc", services=self.services, witnesses=eyes)
        self.monitor = Monitor(self.site)
        self.monitor.start(0.0)

    def read(self, at, name, reading=PASS, started=None, **more):
        began = at if started is None else started
        effects = self.monitor.handle(Observed(at, name, reading, began, **more))
        for effect in effects:
            well_formed(effect)
        return effects

    def well(self, at, *names):
        for name in names:
            self.read(at, name)

    def report(self, name):
        return next(r for r in self.monitor.view().endpoints if r.endpoint == name)

    def asked(self, effects):
        return [(e.due, e.endpoints) for e in effects if isinstance(e, Recheck)]


@pytest.fixture
def desk():
    it = Desk(build("mfa/a"), build("sms/b"))
    it.well(1.0, "mfa/a", "sms/b", *EYES)
    return it
