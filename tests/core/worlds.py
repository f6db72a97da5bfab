"""Random worlds: a site, four hours of what its endpoints read and its operators do, from a seed.

`World` lives one through the real core and schedule in virtual time, and keeps what the rules of
`test_worlds` judge by: the script itself, never what the core makes of it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from beacon.core.effects import Announced, Announcement, Effect
from beacon.core.inputs import (
    Acknowledge,
    Event,
    Maintenance,
    QuietHours,
    Shelve,
    Silence,
)
from beacon.core.model import Endpoint, Evidence, Outcome, Reading, Reason, Service, Site
from beacon.core.views import View
from beacon.replay.simulation import ScriptedReading, Simulation

START, HOUR = 10_000.0, 3600.0
SPAN = 4 * HOUR
STEP = 30.0
WHO = {"by": "analyst", "origin": "cli"}
WITNESS = {
    "service": "witness",
    "kind": "tcp",
    "evidence": Evidence.WITNESS,
    "failure_threshold": 1,
    "retry_interval": None,
    "interval": 60.0,
    "stale_after": 185.0,
}
FAILS = (Reason.DEADLINE, Reason.CONNECT_REFUSED, Reason.TLS_EXPIRED, Reason.EXPECTATION_FAILED)
RECORDS = (Reason.SPF_MISSING, Reason.DMARC_MISSING)
CLAIMS = (Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED)
BESIDE = {Evidence.HEALTH: FAILS, Evidence.CAUSE: RECORDS, Evidence.CLAIM: CLAIMS}
LENGTHS = (20.0, 60.0, 200.0, 600.0, 1800.0, 5400.0)
RESTLESS = (200.0, 200.0, 600.0)


def _site(dice: Random) -> Site:
    services: list[Service] = []
    for number in range(dice.choice((1, 2, 2, 3, 5))):
        name = f"s{number}"
        parents = tuple(s.endpoints[0].id for s in services if dice.random() < 0.3)
        cells = dice.choice(((None,), (None,), ("emea", "apac"), ("emea", "apac", "amer")))
        found = [_endpoint(dice, name, Evidence.SYMPTOM, cell, parents) for cell in cells]
        found += [_endpoint(dice, name, kind, None, ()) for kind in BESIDE if dice.random() < 0.4]
        services.append(Service(id=name, name=name, endpoints=tuple(found)))
    local = {"gateway": True, "a": False, "b": False}
    witnesses = tuple(
        Endpoint(id=f"witness/{n}", name=n, local=here, **WITNESS) for n, here in local.items()
    )
    return Site(id="soc", services=tuple(services), witnesses=witnesses)


def _endpoint(
    dice: Random, service: str, kind: Evidence, region: str | None, parents: tuple[str, ...]
) -> Endpoint:
    name = f"{kind.value}-{region or 'all'}"
    symptom = kind is Evidence.SYMPTOM
    costly, pushed = symptom and dice.random() < 0.1, dice.random() < 0.1
    interval = 900.0 if costly else dice.choice((60.0, 120.0, 120.0))
    return Endpoint(
        id=f"{service}/{name}",
        service=service,
        name=name,
        kind="http",
        evidence=kind,
        interval=interval,
        timeout=30.0,
        retry_interval=None if pushed else dice.choice((5.0, 30.0)),
        failure_threshold=2 if costly else 3,
        stale_after=3 * interval + 30.0,
        region=region,
        pushed=pushed,
        costly=costly,
        depends_on=parents if symptom else (),
    )


def _readings(
    dice: Random, each: Endpoint, lengths: tuple[float, ...]
) -> Iterator[ScriptedReading]:
    """Well for a while, then something else for a while, until the end."""
    at, trouble = START, dice.choice((0.1, 0.3, 0.6))
    while at < START + SPAN:
        at += dice.choice(lengths)
        if dice.random() < trouble:
            fails = BESIDE.get(each.evidence, FAILS)
            kind = dice.random()
            reading: Reading | None = Reading(dice.choice(fails))
            if kind < 0.1:
                reading = None
            elif kind < 0.3:
                reading = Reading(dice.choice((Reason.INTERNAL_ERROR, Reason.OWN_CREDENTIALS)))
            share = dice.choice((1.0, 1.0, 1.0, 0.5))
            yield ScriptedReading(at, each.id, reading, share)
            at += dice.choice(lengths)
        yield ScriptedReading(at, each.id, Reading(Reason.OK))


def _losses(dice: Random, site: Site) -> Iterator[ScriptedReading]:
    """Our own uplink goes, sometimes, and every endpoint with it."""
    if dice.random() < 0.3:
        at = START + dice.uniform(0.2, 0.7) * SPAN
        until = at + dice.choice((30.0, 200.0, 900.0))
        for each in (*site.endpoints, *site.witnesses):
            if not each.local and not each.pushed:
                yield ScriptedReading(at, each.id, Reading(Reason.CONNECT_TIMEOUT))
                yield ScriptedReading(until, each.id, Reading(Reason.OK))


def _events(dice: Random, site: Site) -> Iterator[Event]:
    for _ in range(dice.randint(0, 12)):
        at = START + dice.uniform(0.05, 1.0) * SPAN
        service = dice.choice([None, *(s.id for s in site.services)])
        match dice.randrange(8):
            case 0:
                yield Silence(at, True, **WHO, seconds=dice.choice((600.0, HOUR)))
            case 1:
                yield Shelve(at, service or "s0", True, **WHO, seconds=dice.choice((300.0, HOUR)))
            case 2:
                yield Maintenance(at, service, True, **WHO, seconds=dice.choice((300.0, HOUR)))
            case 3:
                yield QuietHours(at, on=True)
                yield QuietHours(at + dice.choice((600.0, HOUR)), on=False)
            case _:
                yield Acknowledge(at, by="analyst", origin="button", service=service)


@dataclass
class World:
    """One life. `step` lets half a minute pass; `effects` are those of the last step."""

    seed: int
    effects: list[Effect] = field(default_factory=list)
    announced: list[Announced] = field(default_factory=list)
    failing_since: dict[str, float] = field(default_factory=dict)
    reloaded: tuple[Effect, ...] = ()
    """What came of reading the same configuration again, in the last step."""
    disturbed_at: float = START
    """When it was last started, or our own network was in doubt."""

    def __post_init__(self) -> None:
        dice = Random(f"world {self.seed}")
        self.site = _site(dice)
        losses = list(_losses(dice, self.site))
        lost = [line.at for line in losses]
        lengths = RESTLESS if dice.random() < 0.1 else LENGTHS
        script = [line for e in self.site.endpoints for line in _readings(dice, e, lengths)]
        if lost:  # nobody else says anything meanwhile
            script = [s for s in script if not min(lost) <= s.at <= max(lost)]
        self._lines = sorted((*script, *losses), key=lambda line: line.at)
        self._lost = (min(lost), max(lost)) if lost else (math.inf, -math.inf)
        self.events = sorted(_events(dice, self.site), key=lambda event: event.at)
        times = [START + dice.random() * SPAN for _ in range(dice.randint(0, 2))]
        self.restart_times = sorted(times)
        self.reload_at = START + dice.random() * SPAN
        self.simulation = Simulation(self.site, START, self._lines, self.events, self.seed)
        self._failing_witnesses: set[str] = set()
        self.by_id = {e.id: e for e in self.site.endpoints}
        self.effects = list(self.simulation.start())
        self.view: View = self.simulation.monitor.view()

    @property
    def now(self) -> float:
        return self.simulation.now

    def step(self) -> bool:
        """Let half a minute pass; false at the end."""
        until = self.now + STEP
        self.effects = list(self.simulation.run(until))
        while self._lines and self._lines[0].at <= until:
            self._note(self._lines.pop(0))
        if self._lost[0] - 60 <= until <= self._lost[1] + 60:
            self.disturbed_at = until
        if self.restart_times and self.restart_times[0] <= until:
            self.restart_times.pop(0)
            self.effects += self.simulation.restart()
            self.disturbed_at = until
        self.reloaded = ()
        if self.now - STEP < self.reload_at <= self.now:
            self.reloaded = self.simulation.monitor.reconfigure(self.site, self.now, frozenset())
        self.view = self.simulation.monitor.view()
        self.announced += [e for e in self.effects if isinstance(e, Announced)]
        return until < START + SPAN

    @property
    def witnesses_doubt(self) -> bool:
        """Whether all witnesses outside may fail at once."""
        outside = [w.id for w in self.site.witnesses if not w.local]
        return all(name in self._failing_witnesses for name in outside)

    def _note(self, line: ScriptedReading) -> None:
        if line.endpoint.startswith("witness/"):
            passes = line.reading is not None and line.reading.outcome is Outcome.PASS
            (self._failing_witnesses.discard if passes else self._failing_witnesses.add)(
                line.endpoint
            )
        fails = line.reading is not None and line.reading.outcome is Outcome.FAIL
        if fails and line.share == 1.0:
            self.failing_since.setdefault(line.endpoint, line.at)
        else:
            self.failing_since.pop(line.endpoint, None)

    def last_announced(self, service: str, *what: Announcement) -> float:
        """When one of these was announced last of a service; -inf: never."""
        times = (a.at for a in self.announced if a.service == service and a.what in what)
        return max(times, default=-math.inf)
