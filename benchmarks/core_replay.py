"""How many readings a second the core folds: `python -m benchmarks.core_replay`.

Forty endpoints in eight services, two witnesses; one service fails for a twentieth of the
time. The budget is of design: 50,000 readings a second.
"""

import statistics
import time

from beacon.core.inputs import HourBegan, Observed
from beacon.core.model import BOOT, Endpoint, Evidence, Moment, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from benchmarks.table import Row, show

BUDGET = 50_000
ROUNDS = 5
READINGS = 100_000
PASS, FAIL = Reading(Reason.OK, latency=0.1), Reading(Reason.DEADLINE, "no answer")


def site() -> Site:
    """Build eight services of five endpoints each, and two witnesses."""

    def endpoint(service: str, number: int, evidence: Evidence) -> Endpoint:
        name = f"{service}/{number}"
        return Endpoint(id=name, service=service, name=name, kind="http", evidence=evidence)

    kinds = (Evidence.SYMPTOM, Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CLAIM, Evidence.CAUSE)
    services = tuple(
        Service(
            id=f"s{n}",
            name="",
            endpoints=tuple(endpoint(f"s{n}", k, evidence) for k, evidence in enumerate(kinds)),
        )
        for n in range(8)
    )
    witnesses = tuple(endpoint("witness", n, Evidence.WITNESS) for n in range(2))
    return Site(id="bench", services=services, witnesses=witnesses)


def events(watched: Site) -> list[Observed]:
    """Every endpoint once a second; service s3 fails for a while in the middle."""
    names = [e.id for e in watched.endpoints]
    found: list[Observed] = []
    while len(found) < READINGS:
        number = len(found)
        at = Moment(number / len(names))
        name = names[number % len(names)]
        failing = name.startswith("s3/") and 0.5 < number / READINGS < 0.55
        found.append(Observed(at, name, FAIL if failing else PASS, at))
    return found


def folded_a_second(script: list[Observed]) -> float:
    """Fold them all once; readings a second of this process's own CPU time."""
    monitor = Monitor(site())
    monitor.start(BOOT)
    monitor.handle(HourBegan(BOOT, 0))
    began = time.process_time()
    for event in script:
        monitor.handle(event)
    return len(script) / (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    script = events(site())
    median = statistics.median(folded_a_second(script) for _ in range(ROUNDS))
    show(
        "core replay",
        [Row("readings folded a second", f"{median:,.0f}", f"≥ {BUDGET:,}", median >= BUDGET)],
    )


if __name__ == "__main__":
    main()
