"""How things stand, as documents."""

from datetime import UTC, datetime, timedelta

from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.engine.simulation import Simulation
from beacon.outputs.documents import explanation


def moment(at):
    return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=at)


def test_what_is_overdue_is_not_said_to_come_next():
    door = Endpoint(
        id="door/open", service="door", name="open", kind="tcp", evidence=Evidence.SYMPTOM
    )
    simulation = Simulation(
        Site(id="soc", services=(Service(id="door", name="door", endpoints=(door,)),)), 0.0
    )
    simulation.start()
    simulation.cue("door/open", Reading(Reason.OK))
    list(simulation.run(1.0))
    simulation.cue("door/open", None)
    found = simulation.monitor.explain("door")

    def next_at(now):
        told = explanation(found, now, moment)["endpoints"]["door/open"]["next"]
        return [each["what"] for each in told]

    again, silent = "read again by then", "unknown, if nothing is heard until then"
    assert next_at(1.0) == [again, silent]
    assert next_at(1.0 + door.interval) == [silent]
