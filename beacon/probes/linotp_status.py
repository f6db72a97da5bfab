"""`linotp_status`: what a LinOTP server says of itself.

Alive means that it answers; the other page, that it can read its database. Neither says that
anybody can sign in.
"""

from dataclasses import dataclass
from typing import ClassVar

from beacon.core.model import Evidence
from beacon.net.http.condition import Condition
from beacon.net.http.expectations import Expectations
from beacon.probing.base import FAST, Abilities
from beacon.probing.status_pages import StatusPages


@dataclass(frozen=True, kw_only=True)
class LinOtpStatus(StatusPages):
    """Whether it is alive, and its configuration can be counted in the database."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)
    PAGES: ClassVar = {
        "/healthcheck/status": Expectations(json={"status": Condition.parse("alive")}),
        "/maintenance/check_status": Expectations(
            json={
                "result.value": Condition.parse({"equals": True}),
                "detail.config.entries": Condition.parse({"min": 1}),
            }
        ),
    }


PROBE = LinOtpStatus
