"""What every kind of probe offers, and the default times of each sort of kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from beacon.core.model import Evidence, Reading
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A kind's default times in seconds; `retry_interval` None means no re-checks.

    None it is for a kind whose runs disturb a person. `costly`: a run costs a message, so
    that none is made at once after a restart: the last reading counts until it is stale.
    `hindsight` is how far back a run looks; None: it sees the present. `success_threshold`
    None: as for all.
    """

    interval: float
    timeout: float
    failure_threshold: int
    retry_interval: float | None
    hindsight: float | None = None
    success_threshold: int | None = None
    costly: bool = False


FAST = Timing(interval=30, timeout=5, failure_threshold=3, retry_interval=5)
SIGN_IN = Timing(interval=60, timeout=30, failure_threshold=3, retry_interval=30)
USERS = Timing(interval=300, timeout=30, failure_threshold=1, retry_interval=None, hindsight=1800)
CLAIM = Timing(interval=120, timeout=10, failure_threshold=1, retry_interval=None)


@dataclass(frozen=True, slots=True)
class SettingFlaw:
    """What is wrong with a probe's settings beyond their types.

    `path` is relative to the endpoint: ("steps", 0, "url").
    """

    path: tuple[str | int, ...]
    message: str
    allowed: str = ""
    hint: str = ""


class Kind(Protocol):
    """What the class named `PROBE` of a probe module offers: settings as fields, and this."""

    EVIDENCE: ClassVar[Evidence]
    TIMING: ClassVar[Timing]
    SIGN_IN: ClassVar[bool]

    @property
    def clock_bound(self) -> bool:
        """Whether a wrong own clock would make its readings wrong."""
        ...

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        ...

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds it must not run yet (a one-time code already used); 0: now."""
        ...

    def observe(self, run: Run) -> Reading:
        """Fetch within the run's budget, then judge. Never retries, sleeps or counts."""
        ...
