"""Real probes before real servers, run by core and schedule; hours pass in seconds."""

from dataclasses import replace
from typing import Any

from beacon.core.effects import Control
from beacon.core.inputs import Controlled, Observed
from beacon.core.model import Evidence, Moment, Reading, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.run import DeadlinePassed, Run
from beacon.engine.schedule import Schedule
from beacon.probing.base import Kind
from tests.core.conftest import endpoint
from tests.probe_memories import MEMORIES
from tests.probes.runs import Skewed


class Driven:
    """Endpoints that sign in, run when the schedule says so; `now` is the beacon's time."""

    def __init__(self, probes: dict[str, Kind], **settings: Any) -> None:
        self.probes, self.clock, self.now, self.patience = probes, Skewed(), 0.0, 30.0
        self.readings: list[tuple[str, Reading, bool]] = []
        self.controls: list[Reading] = []
        sign_ins = tuple(
            endpoint("mfa", name, Evidence.SYMPTOM, accounts=probe.accounts, **settings)
            for name, probe in probes.items()
        )
        site = Site(id="soc", services=(Service(id="mfa", name="", endpoints=sign_ins),))
        self.monitor, self.schedule = Monitor(site), Schedule()
        self.schedule.update({each.id: each.interval for each in sign_ins}, 0.0)
        self._obey(self.monitor.start(Moment(0.0)))

    def live(
        self, seconds: float, *, ahead: float, passes: bool = True, waits: bool = True
    ) -> None:
        """Let time pass for core and schedule; codes are those of a clock so far `ahead`.

        Without `passes` that clock stays with the server's, but for waits for a code. Without
        `waits` there are none: many of them would lead away from the server's time.
        """
        begin, until = self.now, self.now + seconds
        while (due := self.schedule.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.clock.ahead = ahead + (self.now - begin if passes else 0.0)
            for run in self.schedule.due(self.now):
                probe = self.probes[run.endpoint.partition("/")[2]]
                wait = probe.wait(self.clock.utc().timestamp(), MEMORIES.of(probe))
                if wait and waits:
                    ahead += 0.0 if passes else wait
                    self.schedule.add(replace(run, due=self.now + wait))
                else:
                    self._run(run.endpoint, probe)
        self.now = until

    def _run(self, name: str, probe: Kind) -> None:
        at = Moment(self.now)
        run = Run(self.clock, self.patience, memory=MEMORIES.of(probe))
        run.approach = self.monitor.approach(name, at)
        reading = self._taken(run, probe)
        self.readings.append((name, reading, run.unanswered))
        event = Observed(at, name, reading, at, unanswered=run.unanswered, knocked=run.knocked)
        self._obey(self.monitor.handle(event))

    def _taken(self, run: Run, probe: Kind) -> Reading:
        try:
            return run.take(probe)
        except DeadlinePassed:
            return run.overstayed()

    def _obey(self, effects: Any) -> None:
        self.schedule.obey(effects, self.now)
        for effect in effects:
            if isinstance(effect, Control):
                self._control(effect.endpoint)

    def _control(self, name: str) -> None:
        at, probe = Moment(self.now), self.probes[name.partition("/")[2]]
        run = Run(self.clock, self.patience, memory=MEMORIES.of(probe))
        run.wrong_code = True
        reading = self._taken(run, probe)
        self.controls.append(reading)
        self._obey(self.monitor.handle(Controlled(at, name, reading, at, run.unanswered)))
