"""The vendor's status page, in the shape of Atlassian Statuspage v2."""

from datetime import datetime
from typing import Any, Final

PAGE: Final = {
    "id": "sandbox",
    "name": "Sandbox Identity",
    "url": "https://status.otp.example",
    "time_zone": "Etc/UTC",
}
COMPONENTS: Final = ("Sign-in", "Push delivery", "SMS delivery", "E-mail delivery")
ADMITTED: Final = "Sign-in"
"""The component the vendor admits trouble with."""


def summary(now: datetime, *, admitting: bool) -> dict[str, Any]:
    """`/api/v2/summary.json` as it reads now."""
    return {
        "page": {**PAGE, "updated_at": now.isoformat()},
        "status": {
            "indicator": "critical" if admitting else "none",
            "description": "Major Service Outage" if admitting else "All Systems Operational",
        },
        "components": [
            _component(name, place, down=admitting and name == ADMITTED, now=now)
            for place, name in enumerate(COMPONENTS, 1)
        ],
        "incidents": [_incident(now)] if admitting else [],
        "scheduled_maintenances": [],
    }


def _component(name: str, place: int, *, down: bool, now: datetime) -> dict[str, Any]:
    return {
        "id": f"component-{place}",
        "name": name,
        "status": "major_outage" if down else "operational",
        "group": False,
        "group_id": None,
        "only_show_if_degraded": False,
        "position": place,
        "description": None,
        "page_id": PAGE["id"],
        "created_at": now.isoformat(),
        "updated_at": now.isoformat(),
    }


def _incident(now: datetime) -> dict[str, Any]:
    at = now.isoformat()
    return {
        "id": "incident-1",
        "name": "Users may be unable to sign in",
        "status": "identified",
        "impact": "critical",
        "created_at": at,
        "updated_at": at,
        "monitoring_at": None,
        "resolved_at": None,
        "shortlink": f"{PAGE['url']}/incidents/incident-1",
        "incident_updates": [
            {
                "status": "identified",
                "body": "We have found the cause and are working on it.",
                "created_at": at,
                "display_at": at,
            }
        ],
        "components": [_component(ADMITTED, 1, down=True, now=now)],
    }
