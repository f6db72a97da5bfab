"""`duo_ping`: whether Duo answers, knows our keys and agrees with our clock.

It says nothing of sign-ins: ping and check never touch what judges factors, and went on passing
while those were down. No account is needed, no code is sent.
"""

from dataclasses import dataclass
from typing import ClassVar

from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.probing.base import FAST, Abilities, Kind
from beacon.vendors.duo import CHECK, DuoApplication


@dataclass(frozen=True, kw_only=True)
class DuoPing(DuoApplication, Kind):
    """Ping, which is not signed, and check, which is."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.HEALTH,
        timing=FAST,
        clock_bound=True,  # what is signed has a date
    )

    def look(self, run: Run) -> Reading:
        """Ask both; latency by call: `ping`, `check`."""
        self.clock_offset(run, run.steps)
        self.ask(run, CHECK, dict, run.steps)
        return Reading(Reason.OK, "it answers and knows us; that says nothing of sign-ins")


PROBE = DuoPing
