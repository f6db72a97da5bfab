"""`privacyidea_status`: what a privacyIDEA server says of itself.

Ready means that it has started and has its key; resolvers are asked for their users, and with
them the database. Neither says that anybody can sign in.
"""

from dataclasses import dataclass
from typing import ClassVar

from beacon.core.model import Evidence
from beacon.net.http.condition import Condition
from beacon.net.http.expectations import Expectations
from beacon.probing.base import FAST, Abilities
from beacon.probing.status_pages import StatusPages

_STATUS = "result.value.status"  # wrapped, unlike its documentation has it


@dataclass(frozen=True, kw_only=True)
class PrivacyIdeaStatus(StatusPages):
    """Whether it is ready, and reaches its resolvers."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)
    PAGES: ClassVar = {
        "/healthz/readyz": Expectations(json={_STATUS: Condition.parse("ready")}),
        "/healthz/resolversz": Expectations(json={_STATUS: Condition.parse("OK")}),
    }


PROBE = PrivacyIdeaStatus
