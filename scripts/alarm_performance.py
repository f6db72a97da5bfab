"""Draw docs/alarm-performance.md from the core's own numbers: `scripts/alarm_performance.py FILE`.

The chain is exact: the score is a whole number, so its chances after each reading can be added up.
The simulation counts the same readings with the core's own `FailingShare`, from a fixed seed.
"""

import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from beacon.core.failing_share import (
    BUSY,
    BUSY_LIMIT,
    FAIL_ADDS,
    LIMIT,
    ONE_EVENT,
    SPREAD,
    USUAL,
    FailingShare,
)
from beacon.core.model import Endpoint, Evidence, Moment

HEAD = """\
# Alarm performance

`make alarm-performance` computes and simulates every figure of this page.

## A small share of failing readings
Where several symptoms of a service are read, their readings are pooled. Each fail adds {adds} to a
score, each pass takes 1 away, and at {limit} the service is degraded (`success_ratio_low`). From
{busy:.0f} readings an hour on, the limit is {busy_limit}: there is time to wait for more of them.
At half of the limit the share is over; the hold of a degraded service follows.

Not counted: errors, re-checks (they are correlated with the fail that they confirm), readings
while our own network or clock is lost, fails that end in an endpoint being down, and anything while
the service is suppressed or people know of other trouble in it. What fails within
{one:.0f} s of a counted fail is the same event. Fails that span less than {spread:.0f} min, as
those of a deployment do, are never enough.

A service with one symptom is not judged by this: its thresholds and its flap detector speak for it.

| share that fails | readings, median | in 9 of 10 | simulated | busy, in 9 of 10 |
|---|---|---|---|---|
{shares}

The columns say after how many readings it is seen, computed without the {spread:.0f} min and, at
150 readings an hour, simulated with them. *Busy*: from {busy:.0f} an hour on.
A service that pools 150 readings an hour sees 5 % within these 150 readings in {seen:.1%} of all
cases (simulated: {simulated:.1%}). Fewer readings an hour take longer in proportion. Readings that
fall into the {one:.0f} s after a fail come on top:
of 150 an hour {left} count, which show 5 % within 60 min in {hour:.1%} of all cases.

## False alarms by it
At a noise of {usual:.1%}, with every fail on its own, at most (computed without the
{spread:.0f} min):

| readings an hour of each service | limit | false alarms a month, 30 services |
|---|---|---|
{noise}

Simulated, 150 an hour, {months} service-months: {false} false alarms; computed: {expected:.1f}.
Noise that comes in bursts is one event for {one:.0f} s. A service whose own noise is far above
{usual:.1%} is announced more often: more than one fail in {more} readings lets the score grow.

## Not measured
A simulated month of a whole site, beside the limits of ISA-18.2 and EEMUA 191, is not made yet.
"""

SHARES = (0.02, 0.05, 0.1, 0.2)
HOURS_A_MONTH = 720
SERVICES = 30
MONTHS = 60
RUNS = 2000


def chances(share: float, limit: int) -> Iterator[float]:
    """The chance that a share was seen, after each reading."""
    scores, passes = [1.0] + [0.0] * (limit - 1), 1 - share
    while True:
        after = [(scores[0] + scores[1]) * passes, *(s * passes for s in scores[2:]), 0.0]
        for score, chance in enumerate(scores[: limit - FAIL_ADDS]):
            after[score + FAIL_ADDS] += chance * share
        scores = after
        yield 1 - sum(scores)


def readings_until(chance: float, share: float, limit: int) -> int:
    """How many readings it takes to see a share with this chance."""
    return next(n for n, seen in enumerate(chances(share, limit), 1) if seen >= chance)


def false_alarms(per_hour: int, limit: int) -> float:
    """False alarms a month, of all services: the chance of one more reading, once it is steady."""
    before, after = islice(chances(USUAL, limit), 2000, 2002)
    return (after - before) / (1 - before) * per_hour * HOURS_A_MONTH * SERVICES


def simulated(share: float, readings: int, chance: random.Random) -> int | None:
    """After how many readings the core sees a share; None: not within these."""
    pool = FailingShare()
    pool.follow(
        Endpoint(id=n, service="s", name=n, kind="flow", evidence=Evidence.SYMPTOM, interval=60.0)
        for n in ("a", "b")
    )
    for n in range(1, readings + 1):
        pool.count("a", Moment(n * 3600 / 150), failed=chance.random() < share)
        if pool.low:
            return n
    return None


def page() -> str:
    """Everything the page says."""
    chance, shares = random.Random(1), []  # noqa: S311 - no secret
    for share in SHARES:
        median, most = (readings_until(c, share, LIMIT) for c in (0.5, 0.9))
        runs = sorted(simulated(share, 10_000, chance) or 10_000 for _ in range(RUNS))
        busy = readings_until(0.9, share, BUSY_LIMIT)
        shares.append(f"| {share:.0%} | {median} | {most} | {runs[RUNS * 9 // 10]} | {busy} |")
    noise = [
        f"| {n} | {limit} | {false_alarms(n, limit):.2f} |"
        for n in (60, 150, 190, 200, 400, 600)
        for limit in (BUSY_LIMIT if n >= BUSY else LIMIT,)
    ]
    counted = round(150 - 150 * 0.05 * ONE_EVENT * 150 / 3600)
    month = 150 * HOURS_A_MONTH
    found = [simulated(USUAL, month, chance) for _ in range(MONTHS)]
    runs150 = [simulated(0.05, 150, chance) for _ in range(RUNS)]
    return HEAD.format(
        adds=FAIL_ADDS,
        limit=LIMIT,
        busy=BUSY,
        busy_limit=BUSY_LIMIT,
        one=ONE_EVENT,
        usual=USUAL,
        spread=SPREAD / 60,
        more=FAIL_ADDS + 1,
        shares="\n".join(shares),
        noise="\n".join(noise),
        seen=next(islice(chances(0.05, LIMIT), 149, None)),
        left=counted,
        hour=next(islice(chances(0.05, LIMIT), counted - 1, None)),
        simulated=sum(n is not None for n in runs150) / RUNS,
        months=MONTHS,
        false=sum(n is not None for n in found),
        expected=false_alarms(150, LIMIT) / SERVICES * MONTHS,
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
