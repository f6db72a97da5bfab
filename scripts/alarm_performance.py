"""Draw docs/alarm-performance.md and its picture: `scripts/alarm_performance.py FILE.md`.

The chain is exact: the score is a whole number, so its chances after each reading can be added up.
What is simulated comes from docs/alarm-performance.json, which `make slow ARGS=month` writes.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from beacon.core.failing_share import (
    BUSY,
    BUSY_LIMIT,
    FAIL_ADDS,
    LIMIT,
    ONE_EVENT,
    SPREAD,
    USUAL,
)
from scripts.month_page import draw, month_page

HEAD = """\
# Alarm performance

`make alarm-performance` draws this page. What is simulated was simulated on {date} by
`make slow ARGS=month`, from fixed seeds, and stands in `docs/alarm-performance.json`.

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

| share that fails | readings | in 9 of 10 | minutes | in 9 of 10 | *busy*: readings, in 9 of 10 |
|---|---|---|---|---|---|
{shares}

Medians, and what 9 of 10 cases need. The readings are computed, without the {spread:.0f} min. The
minutes are simulated: {runs} runs of a service with three sign-ins, each read every 72 s (150 an
hour) by the schedule that runs live, with re-checks. *Busy*: from {busy:.0f} readings an hour on.
A service that pools 150 readings an hour sees 5 % within 60 min in {simulated:.1%} of these runs
(computed, without re-checks and with the {left} readings that count: {hour:.1%}). Fewer readings
an hour take longer in proportion.

## False alarms by it
At a noise of {usual:.1%}, with every fail on its own, at most (computed without the {spread:.0f}
min):

| readings an hour of each service | limit | false alarms a month, 30 services |
|---|---|---|
{noise}

Simulated through the schedule, 150 an hour, {noise_months} service-months: {false} false alarms;
computed: {expected:.1f}. Noise that comes in bursts is one event for {one:.0f} s. A service whose
own noise is far above {usual:.1%} is announced more often: more than one fail in {more} readings
lets the score grow.

"""

HOURS_A_MONTH = 720
SERVICES = 30
RESULTS = Path(__file__).parents[1] / "docs" / "alarm-performance.json"


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


def page(results: dict[str, Any]) -> str:
    """Everything the page says."""
    seen, shares = results["shares"], []
    for share in (0.02, 0.05, 0.1, 0.2):
        median, most = (readings_until(c, share, LIMIT) for c in (0.5, 0.9))
        minutes = [round(seconds / 60) for seconds in seen[f"{share:.0%}"][:2]]
        busy = readings_until(0.9, share, BUSY_LIMIT)
        row = (f"{share:.0%}", median, most, *minutes, busy)
        shares.append("| " + " | ".join(str(cell) for cell in row) + " |")
    noise = [
        f"| {n} | {limit} | {false_alarms(n, limit):.2f} |"
        for n in (60, 150, 190, 200, 400, 600)
        for limit in (BUSY_LIMIT if n >= BUSY else LIMIT,)
    ]
    counted = round(150 - 150 * 0.05 * ONE_EVENT * 150 / 3600)
    head = HEAD.format(
        date=results["date"],
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
        runs=seen["runs"],
        left=counted,
        hour=next(islice(chances(0.05, LIMIT), counted - 1, None)),
        simulated=seen["5%"][2],
        noise_months=seen["months"],
        false=seen["false"],
        expected=false_alarms(150, LIMIT) / SERVICES * seen["months"],
    )
    return head + month_page(results["months"])


if __name__ == "__main__":
    made = json.loads(RESULTS.read_text(encoding="utf-8"))
    target = Path(sys.argv[1])
    target.write_text(page(made), encoding="utf-8")
    first = next(iter(made["months"].values()))
    target.with_suffix(".svg").write_text("\n".join(draw(first)), encoding="utf-8")
