"""The simulated months as a chapter of docs/alarm-performance.md, and one of them as a picture."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

CHAPTER = """\
## A simulated month
{months} months of 30 days, each of its own seed, through the schedule and the core of a replay:
30 services, 200 endpoints, 4 witnesses among them, 5,300 readings an hour.
`scripts/month_site.py` has the site and what happens to it:

- every reading fails by chance once in 1,000, and latency varies around its usual value;
- {incidents} from `incidents/`, laid over a service;
- 3 outages, 3 single endpoints down, 3 slow services, 3 times 5 % failing, 2 parents down with a
  service behind each;
- 17 deployments: 1 to 3 min of 502 from everything of a service, unplanned;
- 30 patches in a planned window on Tuesdays;
- 16 times five vendors' pages say what does not touch us: trouble, trouble off and on, or
  nothing;
- our own uplink twice away for 3 to 15 min;
- nights, weekends and a holiday with too few sign-ins of real users;
- an operator who acknowledges after 2 to 12 min, in working hours and of red; all else waits for
  the morning, also where it is over by then.

An *alarm* opens, escalates, widens or relapses an incident, or says that a sign-in was stopped or
that services are blind: those that become so within a minute are one alarm (one lamp, one sound),
though each of the 30 has its own event on the topics. It is *false* if nothing scripted lies
beneath it. A trouble is *missed* if it is announced later than its slowest endpoint takes to reach
its threshold, plus a minute (5 % failing: not while it lasts).

| | mean month | months, least to most | limit |
|---|---|---|---|
{rows}

Limits: ISA-18.2 as summarised by [alarmkpi](https://pypi.org/project/alarmkpi/); EEMUA 191 as
summarised in [Measuring Alarm System
Effectiveness](https://scribd.com/document/51103565/Measuring-Alarm-System-Effectiveness). Neither
standard was at hand. They are written for the operator of a plant with thousands of alarms; so
few alarms as here say little by keeping them. Where no limit is named, we found none that we
could cite, or the aim is our own. Chattering: one service gives three alarms within a minute.

Only {months} months were simulated: they do not show the spread. Counted one by one, the services
that one lost uplink makes blind are 30 events within ten minutes: more than both limits.

### What lies beneath the openings
One trouble should open once, and what is behind a parent not at all. Neither holds. While 5 %
fail, single endpoints are degraded by their own fails, recover, close and open anew, and again.
Behind a parent, sign-ins that are read each minute were down after 65 to 77 s; the parent, a
health page read each 5 min, needs three fails and was not down yet. Depend on what is read as
often.

| trouble | openings in all months |
|---|---|
{beneath}

### How soon it is announced
Seconds from the beginning of a trouble to its opening. A run takes no time here: live, each try
that hangs adds up to its timeout.

| trouble | cases | median | 9 of 10 | longest |
|---|---|---|---|---|
{delays}

### What is false, what is late
False were only alarms by `success_ratio_low`, from noise alone: of 30 services, the table above
lets expect fewer than one a month.

{wrong}

### One month drawn
![Alarms and lamps over the first month](alarm-performance.svg)
"""
LIT = {"red": "#cf222e", "amber": "#d4a72c", "white": "#8c959f"}
DAY, LEFT, WIDE = 86_400, 70, 30
STYLE = (
    "text { font: 12px system-ui, sans-serif; fill: #24292f } .dim { fill: #57606a }"
    " .grid { stroke: #d8dee4 } .bar { fill: #0969da } .mid { text-anchor: middle }"
)


def month_page(months: dict[str, Any]) -> str:
    """The chapter."""
    all_ = list(months.values())
    beneath = sum((Counter(m["beneath"]) for m in all_), Counter())
    delays: dict[str, list[int]] = {}
    for month in all_:
        for kind, times in month["delays"].items():
            delays.setdefault(kind, []).extend(times)
    past = sorted(kind for kind in delays if kind[:4].isdigit())
    return CHAPTER.format(
        months=len(all_),
        incidents=", ".join(past),
        rows="\n".join(rows(all_)),
        beneath="\n".join(f"| {kind} | {n} |" for kind, n in sorted(beneath.items())),
        delays="\n".join(_delay(kind, sorted(times)) for kind, times in sorted(delays.items())),
        wrong="\n".join(wrong(months)) or "Nothing.",
    )


def _delay(kind: str, times: Sequence[int]) -> str:
    most = times[min(len(times) - 1, len(times) * 9 // 10)]
    return f"| {kind} | {len(times)} | {statistics.median(times):.0f} | {most} | {times[-1]} |"


def rows(months: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The figures, and their limits."""
    sound = "our aim: ≤ 2 a shift"
    figures = (
        ("alarms a day", [sum(m["alarms"]) / m["days"] for m in months],
         "ISA-18.2: about 150; EEMUA 191: 120"),
        ("alarms on the worst day", [max(m["alarms"]) for m in months], "ISA-18.2: 300"),
        ("alarms in the worst 10 minutes", [m["worst 10 minutes"] for m in months],
         "ISA-18.2: ≤ 10; EEMUA 191: 10 is a flood"),
        ("chattering services", [m["chattering"] for m in months], "ISA-18.2: 0"),
        ("incidents open for more than 24 h (stale)", [m["stale"] for m in months], "–"),
        ("incidents still open at the end (standing)", [m["standing"] for m in months], "–"),
        ("false alarms", [len(m["false"]) for m in months], "our aim: ≤ 1"),
        ("missed or late", [len(m["missed"]) for m in months], "our aim: 0"),
        ("sounds a day (07 to 19)", [m["sounds"][0] / m["days"] for m in months], sound),
        ("sounds a night", [m["sounds"][1] / m["days"] for m in months], sound),
        *((f"time {c} is lit, %", [100 * m["lit"][c] for m in months], "–") for c in LIT),
    )  # fmt: skip
    for what, values, limit in figures:
        mean, least, most = (
            f"{v:.3g}" for v in (statistics.mean(values), min(values), max(values))
        )
        yield f"| {what} | {mean} | {least} to {most} | {limit} |"


def wrong(months: dict[str, Any]) -> Iterator[str]:
    """Each false alarm, and each trouble that was late or missed."""
    for seed, month in months.items():
        for service, at, verdict, cause in month["false"]:
            yield f"- month {seed}, {_when(at)}: {service} {verdict}, cause {cause}: false"
        for kind, service, at, due, after in month["missed"]:
            late = f"after {after} s, due in {due} s" if after else f"never, due in {due} s"
            yield f"- month {seed}, {_when(at)}: {kind} of {service}: {late}"


def _when(at: float) -> str:
    day, seconds = divmod(int(at), DAY)
    return f"day {day + 1} {seconds // 3600:02}:{seconds % 3600 // 60:02}"


def draw(month: dict[str, Any]) -> Iterator[str]:
    """One month: alarms of each day as bars, and when each lamp was lit."""
    right, floor = LEFT + WIDE * month["days"], 150
    step = 110 / max(5, *month["alarms"])
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 20} 270">'
    yield f"<title>A simulated month: alarms and lamps</title><style>{STYLE}</style>"
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield '<text x="10" y="20">Alarms a day</text>'
    for day, alarms in enumerate(month["alarms"]):
        x, tall = LEFT + WIDE * day, step * alarms
        yield f'<line class="grid" x1="{x}" y1="35" x2="{x}" y2="250"/>'
        top = f"{floor - tall:.1f}"
        yield f'<rect class="bar" x="{x + 5}" y="{top}" width="20" height="{tall:.1f}"/>'
        if alarms:
            yield f'<text class="mid" x="{x + 15}" y="{floor - tall - 4:.1f}">{alarms}</text>'
        yield f'<text class="dim mid" x="{x + 15}" y="264">{day + 1}</text>'
    yield f'<line class="grid" x1="{LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>'
    for n, (colour, fill) in enumerate(LIT.items()):
        y = 165 + 28 * n
        yield f'<text x="10" y="{y + 15}">{colour}</text>'
        for since, until in month["lamps"][colour]:
            x, wide = LEFT + WIDE * since / DAY, max(0.6, WIDE * (until - since) / DAY)
            yield f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="20" fill="{fill}"/>'
    yield '<text class="dim" x="10" y="264">day</text>'
    yield "</svg>\n"
