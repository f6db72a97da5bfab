"""`duo_ping`: whether Duo answers, knows our keys and agrees with our clock.

It says nothing of sign-ins: ping and check never touch what judges factors, and went on passing
while those were down. No account is needed, no code is sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.probing.base import FAST, SettingFlaw, Timing
from beacon.vendors.duo import CHECK, DuoApplication, Steps


@dataclass(frozen=True, kw_only=True)
class DuoPing(DuoApplication):
    """Ping, which is not signed, and check, which is."""

    EVIDENCE: ClassVar = Evidence.HEALTH
    TIMING: ClassVar[Timing] = FAST
    SIGN_IN: ClassVar = False

    @property
    def clock_bound(self) -> bool:
        """Always: what is signed has a date."""
        return True

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for path, message, allowed in self.flaws():
            yield SettingFlaw(path, message, allowed)

    def wait(self, utc: float, memory: ProbeMemory) -> float:  # noqa: ARG002
        """Seconds it must not run yet: none."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Ask both; latency by call: `ping`, `check`."""
        spent: Steps = []
        try:
            self.clock_offset(run, spent)
            self.ask(run, CHECK, dict, spent)
            reading = Reading(Reason.OK, "it answers and knows us; that says nothing of sign-ins")
        except ProbeFailure as trouble:
            reading = trouble.reading
        return replace(timed(run, reading), phases=tuple(spent))


PROBE = DuoPing
