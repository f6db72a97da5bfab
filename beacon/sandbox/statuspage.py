"""The vendor's status page: what its readers need, in the shape of Atlassian Statuspage v2."""

from datetime import datetime
from typing import Any, Final

PAGE: Final = {"id": "sandbox", "name": "Sandbox Identity", "url": "https://status.otp.example"}
COMPONENTS: Final = ("Sign-in", "Push delivery", "SMS delivery", "E-mail delivery")
ADMITTED: Final = "Sign-in"
"""The component the vendor admits trouble with."""


def summary(now: datetime, *, admitting: bool) -> dict[str, Any]:
    """`/api/v2/summary.json` as it reads now."""
    down = ADMITTED if admitting else None
    components = [
        {
            "id": f"component-{position}",
            "name": name,
            "status": "major_outage" if name == down else "operational",
            "position": position,
            "group_id": None,
        }
        for position, name in enumerate(COMPONENTS, 1)
    ]
    incident = {
        "id": "incident-1",
        "name": "Users may be unable to sign in",
        "status": "identified",
        "impact": "critical",
        "created_at": now.isoformat(),
        "components": [each for each in components if each["name"] == down],
    }
    return {
        "page": {**PAGE, "updated_at": now.isoformat()},
        "status": {
            "indicator": "critical" if admitting else "none",
            "description": "Major Service Outage" if admitting else "All Systems Operational",
        },
        "components": components,
        "incidents": [incident] if admitting else [],
        "scheduled_maintenances": [],
    }
