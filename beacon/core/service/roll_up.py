"""All services together: which are judged anew, the overall verdict, and what the tower shows.

Services are always taken in configured order: the same events give the same effects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from beacon.core.effects import Effect, IncidentChanged, OverallChanged
from beacon.core.endpoint.state import EndpointState
from beacon.core.model import NO_PROBLEM, RANK, RED, Health, Moment, Site, Verdict
from beacon.core.operator.overlays import Overlays
from beacon.core.service.incident import Incident, IncidentNumbers, foremost
from beacon.core.service.service import ServiceMonitor
from beacon.core.service.shared_parts import SharedParts
from beacon.core.timers import Timers
from beacon.core.tower.tower_control import TowerControl
from beacon.core.views import IncidentView, OverallView, ServiceView

IMPACT_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class OverallKept:
    """What survives a restart of the overall verdict, while it is bad."""

    verdict: Verdict
    since: Moment


class Services:
    """All services of a site, and what they come to together."""

    def __init__(self, site: Site, timers: Timers, effects: list[Effect]) -> None:
        self.monitors: dict[str, ServiceMonitor] = {}
        self.overall: OverallView | None = None
        self.kept: OverallKept | None = None
        self.overlays = Overlays(timers, effects)
        self.tower = TowerControl(site, timers, effects, self.overlays)
        self.numbers = IncidentNumbers()
        self.storage_degraded = False
        self._timers, self._effects = timers, effects
        self._shared = SharedParts(timers, effects, self.overlays, self.tower, self.numbers)
        self._announced: tuple[IncidentView | None, int] = (None, 0)

    def configure(self, site: Site, endpoints: Mapping[str, EndpointState], at: Moment) -> None:
        """Watch these services from now on; what is unchanged keeps its state."""
        was, affected = self.monitors, site.affected()
        self.monitors = {
            spec.id: was.get(spec.id) or ServiceMonitor(spec, at, self._shared)
            for spec in site.services
        }
        for spec in site.services:
            self.monitors[spec.id].configure(spec, endpoints, affected, self.monitors)
        for name, gone in was.items():
            if name not in self.monitors:
                gone.retire(at)
        self.tower.configure(site)
        self.overlays.configure(site)

    # --- what others ask ----------------------------------------------------------

    def awaits_reading(self, service: str) -> bool:
        """Whether a service waits for its next reading, even one that changes nothing."""
        monitor = self.monitors.get(service)
        return monitor is not None and monitor.awaits_reading

    def disturbed(self, service: str) -> bool:
        """Whether a service's latencies now are no measure of what is usual."""
        monitor = self.monitors.get(service)
        return monitor is not None and monitor.disturbed

    def bypassed(self, service: str) -> bool:
        """Whether its MFA is switched off on purpose."""
        return self.overlays.bypassed(service)

    def count_share(self, state: EndpointState, was: Health, at: Moment, *, failed: bool) -> bool:
        """Count a reading of a symptom; whether its service is judged anew by it."""
        monitor = self.monitors.get(state.spec.service)
        if monitor is None:
            return False
        known = monitor.announced and not monitor.share.low
        void = known or monitor.suppression is not None
        return monitor.share.read(state, was, at, failed=failed, void=void)

    def open_incidents(self) -> list[Incident]:
        """Every incident that has not closed, in configured order."""
        return [m.incident for m in self.monitors.values() if m.incident is not None]

    def views(self) -> tuple[ServiceView, ...]:
        """Every service that has been judged."""
        return tuple(m.view for m in self.monitors.values() if m.view is not None)

    # --- judging ------------------------------------------------------------------

    def end_hold(self, name: str, at: Moment) -> None:
        """Close what has been well for long enough."""
        self.monitors[name].end_hold(at)
        self._end_silence_after_the_last(at)

    def judge(self, touched: Iterable[str], network: str, clock: str, at: Moment) -> None:
        """Judge what was touched, then bring incidents, tower and overall up to date.

        `network` and `clock` are one word each: ok, lost or unverified.
        """
        chosen = set(touched)
        for monitor in [m for name, m in self.monitors.items() if name in chosen]:
            monitor.judge(at)
            self._end_silence_after_the_last(at)
            monitor.publish(at)
        self.tower.end_overtaken_drill(at)
        self._publish_incident(at)
        self._publish_overall(network, clock, at)
        self.tower.show(at)

    def _end_silence_after_the_last(self, at: Moment) -> None:
        if self.tower.silence is not None and not self.open_incidents():
            self.tower.end_silence(at)

    def _publish_incident(self, at: Moment) -> None:
        incidents = self.open_incidents()
        chosen = foremost(incidents)
        now = (chosen.view if chosen else None, max(0, len(incidents) - 1))
        if now != self._announced:
            self._announced = now
            self._effects.append(IncidentChanged(at, *now))
        growing = any(
            i.view.verdict in RED and i.view.impact is not None and i.view.impact < 1
            for i in incidents
        )
        if not growing:
            self._timers.set("impact", None)
        elif self._timers.get("impact") is None:
            self._timers.set("impact", at + IMPACT_EVERY)

    def _publish_overall(self, network: str, clock: str, at: Moment) -> None:
        views = self.views()
        verdict = max((v.verdict for v in views), key=RANK.__getitem__, default=Verdict.BLIND)
        if self.kept is None or self.kept.verdict is not verdict:
            self.kept = OverallKept(verdict, at)
        now = OverallView(
            verdict=verdict,
            problem=verdict not in NO_PROBLEM,
            since=self.kept.since,
            blind=any(v.blind for v in views),
            starting=any(v.starting for v in views),
            services=tuple((v.id, v.verdict) for v in views),
            overlays=self._all_overlays(views),
            network=network,
            clock=clock,
            storage_degraded=self.storage_degraded,
            first_out=self.tower.annunciator.first_out,
        )
        if now != self.overall:
            self.overall = now
            self._effects.append(OverallChanged(at, now))

    def _all_overlays(self, views: Iterable[ServiceView]) -> tuple[str, ...]:
        found = dict.fromkeys(overlay for view in views for overlay in view.overlays)
        drill = self.tower.annunciator.drill is not None
        return (*found, "drill") if drill else tuple(found)
