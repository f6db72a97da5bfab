from datetime import UTC, datetime

from beacon.sandbox.statuspage import COMPONENTS, summary

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_all_is_well() -> None:
    page = summary(NOW, admitting=False)
    assert page["status"]["indicator"] == "none"
    assert [c["name"] for c in page["components"]] == list(COMPONENTS)
    assert {c["status"] for c in page["components"]} == {"operational"}
    assert page["incidents"] == page["scheduled_maintenances"] == []


def test_the_vendor_admits_an_incident_of_one_component() -> None:
    page = summary(NOW, admitting=True)
    assert page["status"]["indicator"] == "critical"
    down = [c["name"] for c in page["components"] if c["status"] == "major_outage"]
    assert down == ["Sign-in"]
    (incident,) = page["incidents"]
    assert (incident["status"], incident["impact"]) == ("identified", "critical")
    assert [c["name"] for c in incident["components"]] == down
    assert page["page"]["updated_at"] == "2026-01-05T12:00:00+00:00"
