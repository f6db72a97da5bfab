"""What operators do to a room, for the tests."""

from beacon.core.effects import Answered, OverlaysChanged
from beacon.core.inputs import Scheduled
from beacon.core.model import Attestation, Reading, Reason
from beacon.replay.simulation import Simulation

HOUR, MINUTE = 3600.0, 60.0
GREEN = {"green": "steady"}
FAILED = Reading(Reason.DEADLINE)
ITEM = Attestation(id="break-glass", name="Break-glass accounts", every=24 * HOUR)
WHO = {"by": "analyst", "origin": "cli", "reason": "because"}


def tell(room, kind, *args, **more):
    """An operator acts; whether it was done, and why not."""
    event = kind(room.now, *args, by="analyst", origin="cli", **more)
    effects = room.simulation.tell(event)
    room.effects += effects
    answer = next(e for e in effects if isinstance(e, Answered))
    return answer.error


def fail(room, service="mfa"):
    return room.cue(Reason.DEADLINE, f"{service}/sign-in")


def mend(room, service="mfa"):
    return room.cue(Reason.OK, f"{service}/sign-in")


def lay(room, kind, *, on):
    if kind is Scheduled:
        windows = (("mfa", room.now + HOUR, "Patches"),) if on else ()
        room.effects += room.simulation.tell(Scheduled(room.now, windows))
    else:
        assert tell(room, kind, "mfa", on) == ""


def restarted(room, later=0.0):
    """The same site begun anew with what the killed one remembers, `later` seconds after."""
    monitor = room.simulation.monitor
    memory = monitor.remember(room.now)
    at = room.now + later
    fresh = type(room)(Simulation(monitor.site, at))
    fresh.effects += fresh.simulation.monitor.start(at, memory)
    return fresh


def overlays(room, kind):
    return [e for e in room.effects if isinstance(e, OverlaysChanged) and e.kind is kind][-1]
