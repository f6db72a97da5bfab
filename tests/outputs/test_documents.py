"""How things stand, as documents."""

from datetime import UTC, datetime, timedelta

from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.outputs.documents import explanation, status
from beacon.replay.simulation import Simulation


def moment(at):
    return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=at)


def test_what_is_overdue_is_not_shown_as_coming_next():
    door = Endpoint(
        id="door/open", service="door", name="open", kind="tcp", evidence=Evidence.SYMPTOM
    )
    simulation = Simulation(
        Site(id="soc", services=(Service(id="door", name="door", endpoints=(door,)),)), 0.0
    )
    simulation.start()
    simulation.script("door/open", Reading(Reason.OK))
    list(simulation.run(1.0))
    simulation.script("door/open", None)
    found = simulation.monitor.explain("door")

    def next_at(now):
        next_changes = explanation(found, now, moment)["endpoints"]["door/open"]["next"]
        return [each["what"] for each in next_changes]

    again, silent = "read again by then", "unknown, if no reading comes until then"
    assert next_at(1.0) == [again, silent]
    assert next_at(1.0 + door.interval) == [silent]


def test_a_sign_in_that_the_guard_stopped_is_among_the_overlays():
    sign_in = Endpoint(
        id="mfa/in",
        service="mfa",
        name="in",
        kind="flow",
        evidence=Evidence.SYMPTOM,
        sign_in=True,
    )
    site = Site(id="soc", services=(Service(id="mfa", name="mfa", endpoints=(sign_in,)),))
    simulation = Simulation(site, 0.0)
    simulation.start()
    assert status(simulation.monitor.view(), moment, site)["overlays"] == []
    simulation.script("mfa/in", Reading(Reason.SIGN_IN_REJECTED, "wrong otp pin"))
    list(simulation.run(60.0))
    (found,) = status(simulation.monitor.view(), moment, site)["overlays"]
    assert (found["kind"], found["subject"], found["by"]) == ("guard_stopped", "mfa/in", "guard")
    assert found["since"].startswith("2026-01-05T00:")
    assert "wrong otp pin" in str(status(simulation.monitor.view(), moment, site)["endpoints"])
