"""What operators do, for the tests."""

from beacon.core.effects import Answered, OverlaysChanged
from beacon.core.inputs import Scheduled
from beacon.core.model import Attestation, Reading, Reason
from beacon.replay.simulation import Simulation

HOUR, MINUTE = 3600.0, 60.0
GREEN = {"green": "steady"}
FAILED = Reading(Reason.DEADLINE)
ITEM = Attestation(id="break-glass", name="Break-glass accounts", every=24 * HOUR)
WHO = {"by": "analyst", "origin": "cli", "reason": "because"}


def operate(harness, kind, *args, **more):
    """Do what an operator asks; return the error, or nothing."""
    event = kind(harness.now, *args, by="analyst", origin="cli", **more)
    effects = harness.simulation.tell(event)
    harness.effects += effects
    answer = next(e for e in effects if isinstance(e, Answered))
    return answer.error


def fail(harness, service="mfa"):
    return harness.script(Reason.DEADLINE, f"{service}/sign-in")


def mend(harness, service="mfa"):
    return harness.script(Reason.OK, f"{service}/sign-in")


def set_overlay(harness, kind, *, on):
    if kind is Scheduled:
        windows = (("mfa", harness.now + HOUR, "Patches"),) if on else ()
        harness.effects += harness.simulation.tell(Scheduled(harness.now, windows))
    else:
        assert operate(harness, kind, "mfa", on) == ""


def restarted(harness, later=0.0):
    """The same site begun anew with what the killed one remembers, `later` seconds after."""
    monitor = harness.simulation.monitor
    memory = monitor.remember(harness.now)
    at = harness.now + later
    fresh = type(harness)(Simulation(monitor.site, at))
    fresh.effects += fresh.simulation.monitor.start(at, memory)
    return fresh


def overlays(harness, kind):
    return [e for e in harness.effects if isinstance(e, OverlaysChanged) and e.kind is kind][-1]
