"""A month of a realistic site, by the schedule and core of a replay: `scripts/month.py FILE SEED…`.

Writes what the alarms came to, month by month, for `scripts/alarm_performance.py`.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from beacon.core.effects import Announced, Announcement, Effect, IndicationChanged, Sounded
from beacon.core.indication import Colour, Pattern
from beacon.core.inputs import Acknowledge, Event
from beacon.core.model import RED, Moment, Reading, Reason, Site
from beacon.replay.load import Scene
from beacon.replay.simulation import Simulation
from scripts.month_site import (
    DAY,
    HOUR,
    MINUTE,
    WORK,
    Plan,
    Trouble,
    World,
    at_work,
    scene,
    site,
    three_sign_ins,
)

ALARMS: Final = frozenset(
    {
        Announcement.OPENED,
        Announcement.ESCALATED,
        Announcement.WIDENED,
        Announcement.RELAPSED,
        Announcement.BLIND,
        Announcement.GUARD_STOPPED,
    }
)
SHARES: Final = (0.02, 0.05, 0.1, 0.2)
RUNS: Final = 300
NOISE_MONTHS: Final = 30
AFTER: Final = 10 * MINUTE
"""What is announced so soon after a trouble's end is announced by it."""


class MonthSimulation(Simulation):
    """Reads what the world says, not a script. Trouble does not wait for a run: runs find it."""

    def __init__(
        self, site: Site, start: float, world: World, events: Iterable[Event] = ()
    ) -> None:
        super().__init__(site, start, events=events)
        self._world = world

    def reading(self, endpoint: str) -> Reading | None:
        """What the endpoint reads now."""
        return self._world.reading(endpoint, self.now)


class Watch:
    """What people see and hear, and an operator who acknowledges."""

    def __init__(self) -> None:
        self.announced: list[Announced] = []
        self.sounds: list[float] = []
        self.lit: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        self.open: dict[str, float] = {}
        self.lasted: list[tuple[str, float, float]] = []
        self._seen: dict[str, float] = {}

    def take(self, effects: Iterable[Effect], delay: float) -> None:
        """Note these effects; whoever is there acknowledges after `delay` seconds."""
        for effect in effects:
            if isinstance(effect, Sounded):
                self.sounds.append(effect.at)
            elif isinstance(effect, IndicationChanged):
                for colour in Colour:
                    light = effect.indication.light(colour).pattern is not Pattern.OFF
                    self.lit[colour].append((effect.at, light))
            elif isinstance(effect, Announced):
                self.announced.append(effect)
                self._incident(effect, delay)

    def _incident(self, effect: Announced, delay: float) -> None:
        if effect.what is Announcement.OPENED:
            self.open[effect.service] = effect.at
        if effect.what is Announcement.CLOSED:
            began = self.open.pop(effect.service, effect.at)
            self.lasted.append((effect.service, began, effect.at))
        elif effect.what in ALARMS and effect.incident is not None:
            there = at_work(effect.at) or effect.verdict in RED
            self._seen[effect.service] = effect.at + delay if there else morning(effect.at)

    def acknowledges(self, at: float) -> list[str]:
        """The services whose incidents are acknowledged now."""
        due = [service for service, when in self._seen.items() if when <= at]
        for service in due:
            del self._seen[service]
        return due


def morning(at: float) -> float:
    """When somebody comes to work next."""
    today = at // DAY * DAY + WORK[0] * HOUR
    return today if at < today else today + DAY


def run(made: Scene, plan: Plan, seed: int) -> Watch:
    """Let the time of the plan pass."""
    begin, _ = made.span
    world = World(made.site, plan.troubles, seed)
    simulation = MonthSimulation(made.site, begin, world, events=made.events)
    watch, end = Watch(), plan.days * DAY
    watch.take(simulation.start(), 0.0)
    at = begin
    while at < end:
        at = min(at + MINUTE, end)
        watch.take(simulation.run(at), plan.chance.uniform(2, 12) * MINUTE)
        for service in watch.acknowledges(at):
            known = Acknowledge(Moment(at), by="analyst", origin="cli", service=service)
            watch.take(simulation.tell(known), 0.0)
    return watch


def measure(watch: Watch, plan: Plan) -> dict[str, Any]:
    """Compare what was announced with what happened."""
    alarms = list(merged(a for a in watch.announced if a.what in ALARMS and a.at >= 0))
    opened = [a for a in alarms if a.what is Announcement.OPENED]
    times = sorted(a.at for a in alarms)
    days = Counter(int(at // DAY) for at in times)
    real = [t for t in plan.troubles if t.real]
    false = [a for a in opened if not any(_beneath(a, t) for t in real)]
    delays, missed = found(opened, real)
    nights = sum(not WORK[0] * HOUR <= at % DAY < WORK[1] * HOUR for at in watch.sounds if at >= 0)
    standing = [*watch.lasted, *((s, at, plan.days * DAY) for s, at in watch.open.items())]
    return {
        "days": plan.days,
        "alarms": [days[n] for n in range(plan.days)],
        "by": Counter(a.what.value for a in alarms),
        "openings": len(opened),
        "beneath": Counter(cause_of(a, real) for a in opened),
        "worst 10 minutes": max((sum(a <= t < a + 600 for t in times) for a in times), default=0),
        "chattering": _chattering(alarms),
        "stale": sum(until - at > DAY for _, at, until in standing),
        "standing": len(watch.open),
        "false": [[a.service, round(a.at), a.verdict, a.cause] for a in false],
        "missed": missed,
        "delays": delays,
        "sounds": [sum(at >= 0 for at in watch.sounds) - nights, nights],
        "lit": {colour: share_lit(lit, plan.days * DAY) for colour, lit in watch.lit.items()},
        "lamps": {c: spans(watch.lit[c], plan.days * DAY) for c in ("red", "amber", "white")},
    }  # fmt: skip


def merged(alarms: Iterable[Announced]) -> Iterator[Announced]:
    """Services that become blind within a minute are one alarm: one lamp, one sound."""
    blind_at = -DAY
    for alarm in alarms:
        if alarm.what is not Announcement.BLIND:
            yield alarm
        elif alarm.at > blind_at + MINUTE:
            blind_at = alarm.at
            yield alarm


def cause_of(alarm: Announced, real: Sequence[Trouble]) -> str:
    """The kind of trouble that lies beneath an alarm."""
    return next((t.kind for t in real if _beneath(alarm, t)), "nothing")


def _beneath(alarm: Announced, trouble: Trouble) -> bool:
    mine = alarm.service == trouble.service
    return mine and trouble.begin <= alarm.at <= trouble.end + AFTER


def found(
    opened: Sequence[Announced], real: Sequence[Trouble]
) -> tuple[dict[str, list[int]], list[list[Any]]]:
    """After how many seconds each trouble was announced, by kind; and those that were missed."""
    delays, missed = defaultdict(list), []
    for trouble in real:
        if trouble.due is None:
            continue
        mine = [a.at - trouble.begin for a in opened if _beneath(a, trouble)]
        if mine:
            delays[trouble.kind].append(round(mine[0]))
        if not mine or mine[0] > trouble.due:
            missed.append([trouble.kind, trouble.service, round(trouble.begin), round(trouble.due),
                           round(mine[0]) if mine else None])  # fmt: skip
    return delays, missed


def _chattering(alarms: Sequence[Announced]) -> int:
    """Services that gave three alarms within a minute, at any time."""
    by: dict[str, list[float]] = defaultdict(list)
    for alarm in alarms:
        by[alarm.service].append(alarm.at)
    return sum(any(c - a <= 60 for a, c in zip(t, t[2:], strict=False)) for t in by.values())


def spans(lit: Sequence[tuple[float, bool]], end: float) -> list[tuple[int, int]]:
    """From when to when a lamp was lit."""
    found_: list[tuple[int, int]] = []
    since: float | None = None
    for at, on in [*lit, (end, False)]:
        if on and since is None:
            since = max(at, 0.0)
        elif not on and since is not None:
            if at > since:
                found_.append((round(since), round(at)))
            since = None
    return found_


def share_lit(lit: Sequence[tuple[float, bool]], end: float) -> float:
    """The share of the time in which a lamp was lit."""
    return round(sum(until - at for at, until in spans(lit, end)) / end, 4)


def seen_after(share: float, seed: int) -> float | None:
    """After how many seconds three sign-ins show that a share of them fails; None: not in a day."""
    made = scene(2, three_sign_ins())
    service = made.site.services[0]
    plan = Plan(made.site, 2, seed)
    begin = plan.chance.uniform(0, HOUR)
    names = tuple(e.id for e in service.endpoints)
    reading = Reading(Reason.DEADLINE)
    plan.add(Trouble("share", service.id, names, begin, begin + DAY, reading, share))
    simulation = MonthSimulation(made.site, -HOUR, World(made.site, plan.troubles, seed))
    simulation.start()
    for effect in simulation.run(begin + DAY):
        if isinstance(effect, Announced) and effect.at > begin:
            return effect.at - begin
    return None


def shares() -> dict[str, Any]:
    """How soon a share is seen through the schedule, and how often noise alone is one."""
    found_: dict[str, Any] = {"runs": RUNS, "months": NOISE_MONTHS}
    for share in SHARES:
        times = sorted(seen_after(share, seed) or DAY for seed in range(RUNS))
        found_[f"{share:.0%}"] = [round(times[RUNS // 2]), round(times[RUNS * 9 // 10]),
                                  sum(t <= HOUR for t in times) / RUNS]  # fmt: skip
    made, false = scene(30, three_sign_ins()), 0
    for seed in range(NOISE_MONTHS):
        plan = Plan(made.site, 30, seed)
        false += measure(run(made, plan, seed), plan)["openings"]
    return {**found_, "false": false}


def main(target: Path, seeds: Iterable[int], days: int = 30) -> None:
    """Simulate these months and write them down."""
    made, months = scene(days, site()), {}
    for seed in seeds:
        plan = Plan(made.site, days, seed).month()
        months[str(seed)] = measure(run(made, plan, seed), plan)
    day = datetime.now(UTC).date().isoformat()
    target.write_text(
        json.dumps({"date": day, "shares": shares(), "months": months}) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])
